/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transparent_hw.c - joins the guest's function (emul/igbvf.h) and the hardware VF (vfio/hw82576.h), which do not know each other:
 * registers, the guest's mail to the PF and the PF's to the guest, counters, the VF that is taken away.
 */
#include "core/log.h"
#include "nic/transparent/transparent.h"

/* ---- the guest asks ---- */

static uint32_t hw_read(void *opaque, uint32_t reg)
{
	struct td_hybrid *nic = opaque;

	return td_hw82576_read(td_transparent_hw(nic), reg);
}

static void hw_write(void *opaque, uint32_t reg, uint32_t value)
{
	struct td_hybrid *nic = opaque;

	td_hw82576_write(td_transparent_hw(nic), reg, value);
}

static void hw_reset(void *opaque)
{
	struct td_hybrid *nic = opaque;

	td_hw82576_reset_queues(td_transparent_hw(nic));
}

static void hw_bus_master(void *opaque, bool on)
{
	struct td_hybrid *nic = opaque;

	td_hw82576_bus_master(td_transparent_hw(nic), on);
}

static int hw_mail(void *opaque, const uint32_t words[TD_VF_MAIL_WORDS])
{
	struct td_hybrid *nic = opaque;

	return td_hw82576_mail(td_transparent_hw(nic), words);
}

int td_transparent_join(struct td_hybrid *nic, struct td_err *err)
{
	const struct td_igbvf_hardware hardware = {.read = hw_read,
		.write = hw_write,
		.reset = hw_reset,
		.bus_master = hw_bus_master,
		.mail = hw_mail,
		.pages = td_hw82576_guest_pages(td_transparent_hw(nic)),
		.opaque = nic};

	return td_igbvf_to_hardware(nic->igbvf, &hardware, err);
}

/* ---- the hardware tells ---- */

static void on_pf_message(void *opaque, const uint32_t words[TD_VF_MAIL_WORDS])
{
	struct td_hybrid *nic = opaque;

	if (td_transparent_of(nic)->on_hardware)
		td_igbvf_pf_message(nic->igbvf, words);
}

static void on_answer(void *opaque, const uint32_t *words)
{
	static const uint32_t refused[TD_VF_MAIL_WORDS] = {TD_VF_MAIL_ANSWER_NACK};
	struct td_hybrid *nic = opaque;

	td_igbvf_answer(nic->igbvf, words ? words : refused);
}

/* ---- life ---- */

static int hw_create(struct td_hybrid *nic, void **ret_vf, struct td_err *err)
{
	const struct td_hw82576_config config = {.name = nic->config->id,
		.bdf = nic->lease.vf.bdf,
		.group = nic->lease.vf.group,
		.events = {.pf_message = on_pf_message, .answer = on_answer, .lost = td_hybrid_vf_lost, .opaque = nic}};
	struct td_hw82576 *hw = NULL;
	int rc = td_hw82576_create(nic->host.vm, *nic->host.iommu, &config, &hw, err);

	*ret_vf = hw;
	return rc;
}

static int hw_open_device(void *vf, struct td_err *err)
{
	return td_hw82576_open_device(vf, err);
}

static int hw_open(void *vf, struct td_err *err)
{
	return td_hw82576_open(vf, err);
}

static void hw_close(void *vf)
{
	td_hw82576_close(vf);
}

static void hw_close_device(void *vf)
{
	td_hw82576_close_device(vf);
}

static void hw_destroy(void *vf)
{
	td_hw82576_destroy(vf);
}

const struct td_hybrid_vf_kind td_transparent_vf_kind = {hw_create, hw_open_device, hw_open, hw_close, hw_close_device, hw_destroy};

enum td_vfio_state td_transparent_vf_state(const struct td_hybrid *nic)
{
	if (!nic->vf_is_open)
		return TD_VFIO_CLOSED;
	return td_transparent_of(nic)->on_hardware ? TD_VFIO_PLUGGED : TD_VFIO_WARM;
}

void td_transparent_count(struct td_hybrid *nic, struct td_vfio_counters *ret_vf)
{
	uint64_t counter[TD_VF82576_COUNTERS];

	if (!td_transparent_of(nic)->on_hardware)
		return;
	td_hw82576_counters(td_transparent_hw(nic), counter);
	*ret_vf = (struct td_vfio_counters){
		counter[TD_VF_COUNT_GPRC], counter[TD_VF_COUNT_GORC], counter[TD_VF_COUNT_GPTC], counter[TD_VF_COUNT_GOTC]};
}

void td_transparent_keep_counters(struct td_hybrid *nic, const struct td_vf82576_state *captured)
{
	nic->vf_before.rx_packets += captured->counter[TD_VF_COUNT_GPRC];
	nic->vf_before.rx_bytes += captured->counter[TD_VF_COUNT_GORC];
	nic->vf_before.tx_packets += captured->counter[TD_VF_COUNT_GPTC];
	nic->vf_before.tx_bytes += captured->counter[TD_VF_COUNT_GOTC];
}
