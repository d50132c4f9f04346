/* SPDX-License-Identifier: Apache-2.0 */
/* hybrid_info.c - what a hybrid NIC tells: counters over both paths, state, the log of its flips. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/json.h"
#include "host/sriov/sriov_netlink.h"
#include "nic/hybrid_parts.h"

#define FLIP_WAIT_MS 65000	   /* the most that spanning tree can take: 2 x 30 s, and some more */
#define SEEN_NS	     1000000000ULL /* the PF's link is looked at ten times a second while it matters; what is older is not known */

static uint64_t grow(uint64_t *shown, uint64_t now)
{
	if (now > *shown)
		*shown = now;
	return *shown;
}

static void count_vf(struct td_hybrid *nic, struct td_vfio_counters *ret_vf)
{
	*ret_vf = (struct td_vfio_counters){0};
	if (nic->vf)
		td_vfio_pci_counters(nic->vf, ret_vf);
	else if (nic->mode && nic->mode->count_vf)
		nic->mode->count_vf(nic, ret_vf);
}

bool td_hybrid_counts_itself(const struct td_hybrid *nic)
{
	return !nic->vf || td_vfio_pci_is_82576(nic->vf) || td_vfio_pci_state(nic->vf) == TD_VFIO_CLOSED;
}

static void counted(struct td_job *job)
{
	struct td_hybrid *nic = TD_CONTAINER_OF(job, struct td_hybrid, count.job);
	const struct td_sriov_stats *stats = &nic->count.stats;

	if (td_hybrid_counts_itself(nic)) /* it was closed meanwhile */
		return;
	nic->uncounted = nic->count.rc < 0 || !stats->known;
	if (!nic->uncounted)
		td_vfio_pci_told(
			nic->vf, &(struct td_vfio_counters){stats->rx_packets, stats->rx_bytes, stats->tx_packets, stats->tx_bytes});
	if (nic->blackout.active)
		td_hybrid_sample(nic);
}

void td_hybrid_count_soon(struct td_hybrid *nic)
{
	struct td_host_call *call = &nic->count;

	if (call->job.busy || td_hybrid_counts_itself(nic) || !nic->lease.vf.pf_name[0])
		return;
	*call = (struct td_host_call){.job.done = counted, .kind = TD_HOST_CALL_COUNT, .vf_index = nic->lease.vf.index};
	snprintf(call->pf_name, sizeof(call->pf_name), "%s", nic->lease.vf.pf_name);
	td_host_call_submit(&nic->host.vm->jobs, call);
}

/* What was relayed passed the tap and then the VF: it counts once. igbvf counts only what its model moved. */
void td_hybrid_counters(struct td_hybrid *nic, struct td_net_counters *ret_counters)
{
	struct td_net_counters sum = nic->vf_before, net = {0};
	struct td_vfio_counters vf;
	uint64_t twice = nic->net ? nic->relay.relayed + nic->relay.discarded : 0;

	if (nic->net)
		td_virtio_net_counters(nic->net, &net);
	else if (nic->igbvf)
		td_igbvf_counters(nic->igbvf, &net);
	count_vf(nic, &vf);
	sum.rx_packets += net.rx_packets + vf.rx_packets;
	sum.rx_packets -= TD_MIN(sum.rx_packets, twice);
	sum.rx_bytes += net.rx_bytes + vf.rx_bytes;
	sum.rx_bytes -= TD_MIN(sum.rx_bytes, nic->net ? nic->relay.taken_bytes : 0);
	sum.tx_packets += net.tx_packets + vf.tx_packets;
	sum.tx_bytes += net.tx_bytes + vf.tx_bytes;
	*ret_counters = (struct td_net_counters){
		.rx_packets = grow(&nic->shown.rx_packets, sum.rx_packets),
		.rx_bytes = grow(&nic->shown.rx_bytes, sum.rx_bytes),
		.tx_packets = grow(&nic->shown.tx_packets, sum.tx_packets),
		.tx_bytes = grow(&nic->shown.tx_bytes, sum.tx_bytes),
		.rx_dropped = grow(&nic->shown.rx_dropped, net.rx_dropped),
		.tx_dropped = grow(&nic->shown.tx_dropped, net.tx_dropped),
	};
}

/* A netlink answer takes many times as long as these files, which a flip asks a thousand times a second. */
void td_hybrid_open_stats(struct td_hybrid *nic)
{
	static const char *const names[2] = {"tx_packets", "rx_packets"};
	char path[128];

	td_hybrid_close_stats(nic);
	for (unsigned i = 0; nic->net && i < 2; i++) {
		snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/%s", td_virtio_net_tap(nic->net), names[i]);
		nic->stat[i].fd = open(path, O_RDONLY | O_CLOEXEC);
	}
}

void td_hybrid_close_stats(struct td_hybrid *nic)
{
	for (unsigned i = 0; i < 2; i++) {
		td_cleanup_close(&nic->stat[i].fd);
		nic->stat[i] = (struct td_hybrid_stat){.fd = -1, .before = nic->stat[i].before + nic->stat[i].shown};
	}
}

static uint64_t read_stat(struct td_hybrid_stat *stat)
{
	char text[32];
	ssize_t len = stat->fd < 0 ? -1 : pread(stat->fd, text, sizeof(text) - 1, 0);

	if (len > 0) {
		text[len] = '\0';
		stat->shown = strtoull(text, NULL, 10);
	}
	return stat->before + stat->shown;
}

uint64_t td_hybrid_sent_by_vf(struct td_hybrid *nic)
{
	struct td_vfio_counters vf;

	count_vf(nic, &vf);
	return nic->vf_before.tx_packets + vf.tx_packets;
}

uint64_t td_hybrid_sent_by_standby(struct td_hybrid *nic)
{
	struct td_net_counters net;

	if (nic->stat[1].fd >= 0)
		return read_stat(&nic->stat[1]);
	td_virtio_net_counters(nic->net, &net);
	return net.tx_packets;
}

void td_hybrid_packets(struct td_hybrid *nic, uint64_t *ret_rx, uint64_t *ret_tx)
{
	struct td_vfio_counters vf;
	uint64_t twice = nic->relay.relayed + nic->relay.discarded;
	struct td_igbvf_stats model;

	count_vf(nic, &vf);
	if (nic->igbvf) {
		td_igbvf_stats(nic->igbvf, &model);
		*ret_rx = nic->vf_before.rx_packets + vf.rx_packets + model.rx_frames;
		*ret_tx = nic->vf_before.tx_packets + vf.tx_packets + model.tx_frames;
		return;
	}
	*ret_rx = nic->vf_before.rx_packets + vf.rx_packets + read_stat(&nic->stat[0]) - twice;
	*ret_tx = nic->vf_before.tx_packets + vf.tx_packets + read_stat(&nic->stat[1]);
}

struct td_hybrid_record *td_hybrid_last_record(struct td_hybrid *nic)
{
	return nic->log_count ? &nic->log[(nic->log_count - 1) % TD_HYBRID_LOG] : NULL;
}

static json_t *milliseconds(uint64_t ns)
{
	return json_real((double)(ns / 1000) / 1e3);
}

static json_t *blackout(double ms)
{
	return ms < 0 ? json_null() : json_real(ms);
}

static json_t *marks_json(const struct td_hybrid_record *record)
{
	const struct td_hybrid_marks *marks = &record->marks;
	const struct {
		const char *name;
		uint64_t at_ns;
	} all[] = {{"driver_down", marks->driver_down_ns}, {"driver_gone", marks->driver_gone_ns}, {"ejected", marks->ejected_ns},
		{"driver_open", marks->driver_open_ns}, {"driver_up", marks->driver_up_ns}, {"tx_moved", marks->tx_moved_ns},
		{"outside_told", marks->told_ns}};
	json_t *object = json_object();

	for (unsigned i = 0; i < TD_COUNT(all); i++)
		if (all[i].at_ns >= record->started_ns)
			json_object_set_new(object, all[i].name, milliseconds(all[i].at_ns - record->started_ns));
	return object;
}

json_t *td_hybrid_record_json(const struct td_hybrid_record *record)
{
	json_t *object = json_object(), *phases = json_object();

	for (unsigned i = 0; i < TD_FLIP_PHASES; i++)
		json_object_set_new(phases, td_flip_phase_name((enum td_flip_phase)i), milliseconds(record->phase_ns[i]));
	json_object_set_new(object, "to", json_string(td_path_name(record->to)));
	json_object_set_new(object, "ok", json_boolean(record->ok));
	json_object_set_new(object, "changed", json_boolean(record->ok));
	json_object_set_new(object, "reason", json_string(td_reason_name(record->reason)));
	json_object_set_new(object, "text", td_json_text(record->text));
	json_object_set_new(object, "automatic", json_boolean(record->automatic));
	json_object_set_new(object, "cold", json_boolean(record->cold));
	json_object_set_new(object, "forced", json_boolean(record->forced));
	json_object_set_new(object, "proof", record->ok ? json_string(td_hybrid_proof_name(record->proof)) : json_null());
	json_object_set_new(object, "phases", phases);
	json_object_set_new(object, "marks", marks_json(record));
	json_object_set_new(object, "total_ms", milliseconds(record->total_ns));
	json_object_set_new(object, "measuring", json_boolean(record->measuring));
	json_object_set_new(object, "blackout_rx_ms", blackout(record->rx_ms));
	json_object_set_new(object, "blackout_tx_ms", blackout(record->tx_ms));
	json_object_set_new(object, "sampled_within_ms", json_real(record->sample_ms));
	json_object_set_new(object, "relayed", json_integer((json_int_t)record->relayed));
	json_object_set_new(object, "unplug_requests", json_integer(record->marks.unplug_requests));
	json_object_set_new(object, "kicks", json_integer(record->marks.kicks));
	json_object_set_new(object, "pause_ms", milliseconds(record->marks.pause_ns));
	json_object_set_new(object, "pause_cpu_ms", milliseconds(record->marks.pause_cpu_ns));
	json_object_set_new(object, "tx_held_ms", milliseconds(record->marks.held_ns));
	json_object_set_new(object, "rest_ms", milliseconds(record->marks.rest_ns));
	json_object_set_new(object, "caught", json_integer((json_int_t)record->caught));
	json_object_set_new(object, "burned", json_integer(record->marks.burned));
	json_object_set_new(object, "at", json_integer((json_int_t)record->at));
	json_object_set_new(object, "monotonic_s", json_real((double)record->started_ns / 1e9));
	return object;
}

static json_t *counters_json(struct td_hybrid *nic)
{
	struct td_net_counters counters;

	td_hybrid_counters(nic, &counters);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "rx_packets", (json_int_t)counters.rx_packets, "rx_bytes",
		(json_int_t)counters.rx_bytes, "tx_packets", (json_int_t)counters.tx_packets, "tx_bytes", (json_int_t)counters.tx_bytes,
		"rx_dropped", (json_int_t)counters.rx_dropped, "tx_dropped", (json_int_t)counters.tx_dropped);
}

static const char *vf_state_name(const struct td_hybrid *nic)
{
	static const char *const names[] = {[TD_VFIO_CLOSED] = "closed", [TD_VFIO_WARM] = "warm", [TD_VFIO_PLUGGED] = "plugged"};

	return names[td_hybrid_vf_state(nic)];
}

static json_t *vf_json(struct td_hybrid *nic)
{
	bool seen = nic->link_seen_ns && td_now_ns() - nic->link_seen_ns < SEEN_NS;
	bool known = false, link = nic->vf && td_vfio_pci_link_up(nic->vf, &known);
	json_t *object;

	if (!nic->lease.held)
		return json_null();
	object = json_pack("{s:s, s:o, s:s, s:o, s:I, s:I}", "bdf", nic->lease.vf.bdf, "pf", td_json_text(nic->lease.vf.pf_name), "state",
		vf_state_name(nic), "pf_carrier", seen ? json_boolean(nic->link_seen) : json_null(), "changed_by_others",
		(json_int_t)nic->changes, "traps", (json_int_t)(nic->vf ? td_vfio_pci_traps(nic->vf) : 0));
	if (known)
		json_object_set_new(object, "link", json_boolean(link));
	return object;
}

static const char *state_name(const struct td_hybrid *nic)
{
	if (td_flip_active(&nic->flip))
		return td_flip_phase_name(nic->flip.phase);
	return td_hybrid_leaving(nic) ? "giving-vf-up" : "idle";
}

static json_t *flips_json(const struct td_hybrid *nic)
{
	unsigned count = TD_MIN(nic->log_count, TD_HYBRID_LOG);
	json_t *list = json_array();

	for (unsigned i = nic->log_count - count; i != nic->log_count; i++)
		json_array_append_new(list, td_hybrid_record_json(&nic->log[i % TD_HYBRID_LOG]));
	return list;
}

/* How long a flip can last: no phase exceeds its limit, and what undoes one does not wait. */
static json_int_t flip_limit_ms(const struct td_hybrid *nic)
{
	json_int_t sum = nic->reserve_ms + FLIP_WAIT_MS - nic->flip.limit_ms[TD_FLIP_RESERVE];

	for (unsigned i = 0; i < TD_FLIP_PHASES; i++)
		sum += nic->flip.limit_ms[i];
	return sum;
}

/* null: it has no such path. */
static json_t *emulated_json(const struct td_hybrid *nic)
{
	const struct td_host_path_health *health = td_hybrid_health(nic);

	if (!td_hybrid_tap(nic))
		return json_null();
	return json_pack("{s:s, s:o, s:I, s:f}", "health", td_host_path_word(health), "text", td_json_text(health->text), "works_in_ms",
		(json_int_t)td_hybrid_health_wait_ms(nic), "since_monotonic_s", (double)health->since_ns / 1e9);
}

/* Why it is not where it is wanted, or what went wrong last; else what is wrong where it is. */
static void reason_json(const struct td_hybrid *nic, json_t *info)
{
	const struct td_host_path_health *health = td_hybrid_health(nic);
	bool own = nic->reason != TD_REASON_NONE || nic->path != TD_PATH_EMULATED;

	json_object_set_new(info, "reason", json_string(td_reason_name(own ? nic->reason : health->reason)));
	json_object_set_new(info, "reason_text", td_json_text(own ? nic->reason_text : health->text));
}

json_t *td_hybrid_info(struct td_hybrid *nic)
{
	static const char *const modes[] = {
		[TD_NIC_FAILOVER] = "failover", [TD_NIC_TRANSPARENT] = "transparent", [TD_NIC_EMULATED] = "emulated", [TD_NIC_VF] = "vf"};
	const struct td_vm_net_config *config = nic->config;
	char mac[TD_MAC_TEXT_BYTES];
	json_t *info;

	info = json_pack("{s:o, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:b, s:b, s:o, s:o, s:I, s:o}", "id", td_json_text(config->id),
		"mac", td_names_format_mac(config->mac, mac), "mode", modes[config->mode], "path", td_path_name(nic->path), "wanted",
		td_path_name(nic->wanted), "state", state_name(nic), "vf", vf_json(nic), "tap",
		td_json_text(td_hybrid_tap(nic) ? td_hybrid_tap(nic) : ""), "bridge", td_json_text(config->bridge ? config->bridge : ""),
		"vhost", nic->net && td_virtio_net_uses_vhost(nic->net), "standby", nic->standby, "counters", counters_json(nic),
		"emulated", emulated_json(nic), "flips_total", (json_int_t)nic->log_count, "flips", flips_json(nic));
	reason_json(nic, info);
	json_object_set_new(info, "flip_limit_ms", json_integer(flip_limit_ms(nic)));
	return info;
}
