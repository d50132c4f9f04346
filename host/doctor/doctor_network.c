/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_network.c - checks of what emulated NICs run on: tun, vhost-net, bridges and their uplinks; and who else sets up VFs and bridges.
 */
#include <ctype.h>
#include <string.h>

#include "host/doctor/doctor_host.h"

#define STP_QUICK 200 /* the least forward delay there is, in hundredths of a second */

void td_doctor_check_emulated(struct td_doctor *doctor)
{
	struct td_doctor_device device;
	unsigned before = doctor->report->count;
	unsigned uid = doctor->host.uid;
	if (!td_doctor_tree_device(doctor->tree, "/dev/net/tun", &device))
		td_doctor_find(doctor, TD_DOCTOR_NO_TUN, "/dev/net/tun", "there is no /dev/net/tun");
	else if (!device.usable)
		td_doctor_find(doctor, TD_DOCTOR_TUN_ACCESS, "/dev/net/tun", "/dev/net/tun has mode %04o; user %u may not open it",
			device.mode, uid);
	if (!td_doctor_tree_device(doctor->tree, "/dev/vhost-net", &device))
		td_doctor_find(doctor, TD_DOCTOR_NO_VHOST_NET, "/dev/vhost-net", "there is no /dev/vhost-net");
	else if (!device.usable)
		td_doctor_find(doctor, TD_DOCTOR_VHOST_ACCESS, "/dev/vhost-net",
			"/dev/vhost-net has mode %04o, owner %u, group %u; user %u may not open it", device.mode, device.uid, device.gid,
			uid);
	if (doctor->report->count == before)
		td_doctor_fine(doctor, "host", "tun and vhost-net are there and may be opened");
}

/* ---- bridges ---- */

static bool is_bridge(struct td_doctor *doctor, const char *name)
{
	return td_doctor_tree_exists(doctor->tree, "/sys/class/net/%s/brif", name);
}

/* The bridge that an interface is a port of, by itself or as a member of a team; NULL: none. *ret_port: what the bridge has. */
static const char *bridge_above(struct td_doctor *doctor, const char *name, const char **ret_port)
{
	const char *master = td_doctor_tree_link(doctor->tree, "/sys/class/net/%s/master", name);
	*ret_port = name;
	if (master && !is_bridge(doctor, master)) {
		*ret_port = master;
		master = td_doctor_tree_link(doctor->tree, "/sys/class/net/%s/master", master);
	}
	return master && is_bridge(doctor, master) ? master : NULL;
}

/* A bridge that host apply made: there, VMs' own frames are dropped where they come back (host_guard.h). */
static bool is_network_of_ours(struct td_doctor *doctor, const char *bridge)
{
	const char *alias = td_doctor_tree_text(doctor->tree, "/sys/class/net/%s/ifalias", bridge);
	return alias && !strncmp(alias, "tandem", 6) && (!alias[6] || isspace((unsigned char)alias[6]));
}

static void check_uplink(struct td_doctor *doctor, const struct td_doctor_function *pf)
{
	uint64_t learning = 1;
	const char *port, *bridge = *pf->netdev && pf->vfs ? bridge_above(doctor, pf->netdev, &port) : NULL;
	if (!bridge)
		return;
	td_doctor_tree_number(doctor->tree, &learning, "/sys/class/net/%s/brport/learning", port);
	if (learning && !is_network_of_ours(doctor, bridge))
		td_doctor_find(doctor, TD_DOCTOR_UPLINK_RETURNS_FRAMES, pf->netdev, "%s, with %llu VFs, is the uplink of bridge %.15s",
			pf->netdev, (unsigned long long)pf->vfs, bridge);
	td_doctor_find(doctor, TD_DOCTOR_UPLINK_IS_VF_POOL, pf->netdev, "VMs on VFs of %s and VMs on bridge %.15s share the card's switch",
		pf->netdev, bridge);
}

static bool has_uplink(struct td_doctor *doctor, const char *bridge)
{
	td_auto_names struct td_doctor_names ports;
	td_doctor_tree_list(doctor->tree, &ports, "/sys/class/net/%s/brif", bridge);
	for (unsigned i = 0; i < ports.count; i++)
		if (td_doctor_tree_exists(doctor->tree, "/sys/class/net/%s/device", ports.name[i]) ||
			td_doctor_tree_exists(doctor->tree, "/sys/class/net/%s/bonding", ports.name[i]))
			return true;
	return false;
}

static uint64_t link_number(struct td_doctor *doctor, const char *link, const char *file)
{
	uint64_t number = 0;
	td_doctor_tree_number(doctor->tree, &number, "/sys/class/net/%s/%s", link, file);
	return number;
}

static void check_mtu(struct td_doctor *doctor, const char *bridge)
{
	const struct td_doctor_function *pf;
	uint64_t mtu = link_number(doctor, bridge, "mtu");
	for (unsigned i = 0; (pf = td_doctor_host_next_pf(&doctor->host, &i));) {
		uint64_t pf_mtu = *pf->netdev && pf->vfs ? link_number(doctor, pf->netdev, "mtu") : 0;
		if (pf_mtu <= mtu || !mtu)
			continue;
		td_doctor_find(doctor, TD_DOCTOR_BRIDGE_MTU, bridge, "%.15s has MTU %llu, PF %s has %llu", bridge, (unsigned long long)mtu,
			pf->netdev, (unsigned long long)pf_mtu);
		return; /* one says it */
	}
}

/* What a VM on it would meet (host/net/host_path.h says what a running one does). Bridges that lead nowhere are somebody else's matter. */
static void check_path(struct td_doctor *doctor, const char *bridge)
{
	uint64_t delay = link_number(doctor, bridge, "bridge/forward_delay");
	if (!has_uplink(doctor, bridge))
		return;
	if (link_number(doctor, bridge, "bridge/stp_state") && delay > STP_QUICK)
		td_doctor_find(doctor, TD_DOCTOR_BRIDGE_STP, bridge, "%.15s runs spanning tree, with a forward delay of %llu s", bridge,
			(unsigned long long)delay / 100);
	if (link_number(doctor, bridge, "bridge/vlan_filtering") && !link_number(doctor, bridge, "bridge/default_pvid"))
		td_doctor_find(doctor, TD_DOCTOR_BRIDGE_VLANS, bridge, "%.15s is aware of VLANs and has no default one", bridge);
	check_mtu(doctor, bridge);
}

static void check_firewall(struct td_doctor *doctor)
{
	static const char *const names[] = {"iptables", "ip6tables", "arptables"};
	struct td_doctor_words words = {0};
	for (unsigned i = 0; i < TD_COUNT(names); i++) {
		uint64_t on;
		if (td_doctor_tree_number(doctor->tree, &on, "/proc/sys/net/bridge/bridge-nf-call-%s", names[i]) && on)
			td_doctor_words_add(&words, "%s", names[i]);
	}
	if (words.count)
		td_doctor_find(doctor, TD_DOCTOR_BRIDGE_NETFILTER, "host", "br_netfilter is loaded and hands bridged frames to %s",
			td_doctor_words_text(&words));
}

void td_doctor_check_bridges(struct td_doctor *doctor)
{
	const struct td_doctor_function *pf;
	td_auto_names struct td_doctor_names names;
	unsigned before = doctor->report->count;
	for (unsigned i = 0; (pf = td_doctor_host_next_pf(&doctor->host, &i));)
		check_uplink(doctor, pf);
	td_doctor_tree_list(doctor->tree, &names, "/sys/class/net");
	for (unsigned i = 0; i < names.count; i++)
		if (is_bridge(doctor, names.name[i]))
			check_path(doctor, names.name[i]);
	check_firewall(doctor);
	if (doctor->report->count == before)
		td_doctor_fine(doctor, "host",
			"no PF with VFs is a bridge's uplink, each bridge passes what VMs send at once, no firewall on bridges");
}

/* ---- managers ---- */

/* Whether the running NetworkManager and networkd have taken an interface stands in files named by its index. */
static bool networkmanager_has(struct td_doctor *doctor, const char *name)
{
	uint64_t index;
	if (!td_doctor_probe_runs(doctor->tree, "NetworkManager") ||
		!td_doctor_tree_number(doctor->tree, &index, "/sys/class/net/%s/ifindex", name))
		return false;
	const char *text = td_doctor_tree_text(doctor->tree, "/run/NetworkManager/devices/%llu", (unsigned long long)index);
	return text && strstr(text, "managed=true");
}

static bool networkd_has(struct td_doctor *doctor, const char *name)
{
	uint64_t index;
	if (!td_doctor_probe_runs(doctor->tree, "systemd-networkd") ||
		!td_doctor_tree_number(doctor->tree, &index, "/sys/class/net/%s/ifindex", name))
		return false;
	const char *text = td_doctor_tree_text(doctor->tree, "/run/systemd/netif/links/%llu", (unsigned long long)index);
	return text && strstr(text, "ADMIN_STATE=") && !strstr(text, "ADMIN_STATE=unmanaged");
}

/* Is `name` a word of one of the lines auto, allow-*, iface? */
static bool names_interface(const char *text, const char *name)
{
	size_t len = strlen(name);
	for (const char *at = text; at && (at = strstr(at, name)); at += len)
		if (at > text && isspace((unsigned char)at[-1]) && (!at[len] || isspace((unsigned char)at[len])))
			return true;
	return false;
}

static bool ifupdown_has(struct td_doctor *doctor, const char *name)
{
	td_auto_names struct td_doctor_names files;
	if (names_interface(td_doctor_tree_text(doctor->tree, "/etc/network/interfaces"), name))
		return true;
	td_doctor_tree_list(doctor->tree, &files, "/etc/network/interfaces.d");
	for (unsigned i = 0; i < files.count; i++)
		if (names_interface(td_doctor_tree_text(doctor->tree, "/etc/network/interfaces.d/%s", files.name[i]), name))
			return true;
	return false;
}

static void check_vf(struct td_doctor *doctor, const struct td_doctor_function *vf)
{
	static const struct {
		bool (*has)(struct td_doctor *doctor, const char *name);
		enum td_doctor_reason reason;
		const char *program;
	} managers[] = {
		{networkmanager_has, TD_DOCTOR_NETWORKMANAGER_VF, "NetworkManager"},
		{networkd_has, TD_DOCTOR_NETWORKD_VF, "systemd-networkd"},
		{ifupdown_has, TD_DOCTOR_IFUPDOWN_VF, "ifupdown (/etc/network/interfaces)"},
	};
	for (unsigned i = 0; i < TD_COUNT(managers); i++)
		if (managers[i].has(doctor, vf->netdev))
			td_doctor_find(doctor, managers[i].reason, vf->netdev, "%s manages %s, the interface of VF %s", managers[i].program,
				vf->netdev, vf->bdf);
}

/* tandem's signs: the alias of a bridge that host apply made, taps of VMs on any other. */
static bool serves_vms(struct td_doctor *doctor, const char *bridge)
{
	if (is_network_of_ours(doctor, bridge))
		return true;
	td_auto_names struct td_doctor_names ports;
	td_doctor_tree_list(doctor->tree, &ports, "/sys/class/net/%s/brif", bridge);
	for (unsigned i = 0; i < ports.count; i++)
		if (!strncmp(ports.name[i], "tandem", 6))
			return true;
	return false;
}

static void check_bridge(struct td_doctor *doctor, const char *bridge)
{
	const char *program = networkmanager_has(doctor, bridge) ? "NetworkManager"
			      : networkd_has(doctor, bridge)	 ? "systemd-networkd"
								 : NULL;
	if (program)
		td_doctor_find(doctor, TD_DOCTOR_BRIDGE_MANAGED, bridge, "%s manages bridge %.15s, which VMs are on", program, bridge);
}

void td_doctor_check_managers(struct td_doctor *doctor)
{
	unsigned before = doctor->report->count;
	td_auto_names struct td_doctor_names names;
	for (unsigned i = 0; i < doctor->host.function_count; i++) {
		const struct td_doctor_function *vf = &doctor->host.function[i];
		if (*vf->pf_bdf && *vf->netdev)
			check_vf(doctor, vf);
	}
	td_doctor_tree_list(doctor->tree, &names, "/sys/class/net");
	for (unsigned i = 0; i < names.count; i++)
		if (is_bridge(doctor, names.name[i]) && serves_vms(doctor, names.name[i]))
			check_bridge(doctor, names.name[i]);
	if (doctor->report->count == before)
		td_doctor_fine(doctor, "host", "no other program sets up VFs or VMs' bridges");
}
