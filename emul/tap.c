/* SPDX-License-Identifier: Apache-2.0 */
/* tap.c - see tap.h. */
#include "emul/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/link/inet6.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TUN_PATH     "/dev/net/tun"
#define NAME_PATTERN "tandem%d"
/* Bridges take the lowest MAC of their ports for their own: a tap's must never be that. Its first octet, locally administered. */
#define HIGH_OCTET 0xfe

static void put_link(struct rtnl_link **link)
{
	if (*link)
		rtnl_link_put(*link);
}
#define auto_link __attribute__((cleanup(put_link))) struct rtnl_link

static int open_queue(struct td_tap *tap, const struct td_tap_config *config, struct td_err *err)
{
	td_auto_close int fd = open(TUN_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	struct ifreq request = {0};
	bool first = tap->queue_count == 0, named = config->name && config->name[0];
	int header_bytes = TD_TAP_HEADER_BYTES, little_endian = 1, flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;

	if (fd < 0)
		return td_err_sys(err, errno, TD_REASON_TAP, TUN_PATH);
	flags |= config->queue_count > 1 ? IFF_MULTI_QUEUE : 0;
	flags |= first ? IFF_TUN_EXCL : 0;
	request.ifr_flags = (short)flags;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", !first ? tap->name : named ? config->name : NAME_PATTERN);
	if (ioctl(fd, TUNSETIFF, &request)) {
		if (errno == EBUSY)
			return td_err_set(err, EBUSY, TD_REASON_TAP_EXISTS, "tap %s: an interface of this name is there", request.ifr_name);
		return td_err_sys(err, errno, TD_REASON_TAP, "tap %s: TUNSETIFF", request.ifr_name);
	}
	if (ioctl(fd, TUNSETVNETHDRSZ, &header_bytes) || ioctl(fd, TUNSETVNETLE, &little_endian) || ioctl(fd, TUNSETOFFLOAD, 0UL))
		return td_err_sys(err, errno, TD_REASON_TAP, "tap %s: virtio-net headers", request.ifr_name);
	memcpy(tap->name, request.ifr_name, sizeof(tap->name));
	tap->fd[tap->queue_count++] = td_take_fd(&fd);
	return 0;
}

static int nl_errno(int nl_error)
{
	switch (-nl_error) {
	case NLE_PERM:
	case NLE_NOACCESS:
		return EPERM;
	case NLE_OBJ_NOTFOUND:
	case NLE_NODEV:
		return ENODEV;
	case NLE_INVAL:
	case NLE_RANGE:
		return EINVAL;
	case NLE_NOMEM:
		return ENOMEM;
	case NLE_BUSY:
		return EBUSY;
	default:
		return EIO;
	}
}

static int change(struct td_tap *tap, struct rtnl_link *link, struct rtnl_link *changes, const char *verb, struct td_err *err)
{
	struct nl_msg *msg = NULL;
	char what[64];

	snprintf(what, sizeof(what), "tap %s: %s", tap->name, verb);
	if (rtnl_link_build_change_request(link, changes, 0, &msg) < 0)
		msg = NULL;
	return td_host_netlink_change(&tap->netlink, msg, what, err);
}

/* The host must not speak on the guest's wire by itself (IPv6 neighbour discovery); a kernel without IPv6 refuses, which is as good. */
static void silence_ipv6(struct td_tap *tap, struct rtnl_link *link)
{
	auto_link *changes = rtnl_link_alloc();

	if (changes && !rtnl_link_inet6_set_addr_gen_mode(changes, rtnl_link_inet6_str2addrgenmode("none")))
		(void)change(tap, link, changes, "no IPv6 of its own", NULL);
}

static int set_address(struct td_tap *tap, struct rtnl_link *link, const uint8_t guest_mac[6], struct td_err *err)
{
	auto_link *changes = rtnl_link_alloc();
	uint8_t mac[6];
	struct nl_addr *addr;

	memcpy(mac, guest_mac, sizeof(mac));
	mac[0] = HIGH_OCTET;
	addr = nl_addr_build(AF_LLC, mac, sizeof(mac));
	if (!changes || !addr)
		return td_err_sys(err, ENOMEM, TD_REASON_NO_MEMORY, "tap %s", tap->name);
	rtnl_link_set_addr(changes, addr);
	nl_addr_put(addr);
	return change(tap, link, changes, "set its address", err);
}

static int tap_set_up(struct td_tap *tap, struct rtnl_link *link, const struct td_tap_config *config, struct td_err *err)
{
	auto_link *changes = rtnl_link_alloc();

	if (!changes)
		return td_err_sys(err, ENOMEM, TD_REASON_NO_MEMORY, "tap %s", tap->name);
	if (config->mtu)
		rtnl_link_set_mtu(changes, config->mtu);
	rtnl_link_set_flags(changes, IFF_UP);
	return change(tap, link, changes, "come up", err);
}

static int configure_link(struct td_tap *tap, const struct td_tap_config *config, struct td_err *err)
{
	auto_link *link = NULL;
	int rc = td_host_netlink_open(&tap->netlink, err);

	if (rc < 0)
		return rc;
	rc = rtnl_link_get_kernel(tap->netlink.sock, 0, tap->name, &link);
	if (rc < 0)
		return td_err_set(err, nl_errno(rc), TD_REASON_NETLINK, "tap %s: %s", tap->name, nl_geterror(rc));
	tap->index = (unsigned)rtnl_link_get_ifindex(link);
	silence_ipv6(tap, link);
	rc = set_address(tap, link, config->mac, err);
	if (!rc)
		rc = tap_set_up(tap, link, config, err);
	td_host_netlink_close(&tap->netlink);
	return rc;
}

int td_tap_open(struct td_tap *tap, const struct td_tap_config *config, struct td_err *err)
{
	int rc = 0;

	memset(tap, 0, sizeof(*tap));
	if (!config->queue_count || config->queue_count > TD_TAP_QUEUES_MAX || (config->name && strlen(config->name) >= IFNAMSIZ))
		return td_err_set(err, EINVAL, TD_REASON_CONFIG_VALUE, "tap %s: 1..%d queues, a name of up to %d characters",
			config->name ? config->name : "", TD_TAP_QUEUES_MAX, IFNAMSIZ - 1);
	while (!rc && tap->queue_count < config->queue_count)
		rc = open_queue(tap, config, err);
	tap->active_count = tap->queue_count;
	if (!rc)
		rc = td_tap_set_active(tap, 1);
	if (!rc) {
		td_tap_set_silent(tap, true);
		rc = configure_link(tap, config, err);
	}
	if (rc)
		td_tap_close(tap);
	return rc;
}

void td_tap_close(struct td_tap *tap)
{
	for (unsigned i = 0; i < tap->queue_count; i++)
		close(tap->fd[i]);
	tap->queue_count = 0;
	td_host_netlink_close(&tap->netlink);
}

bool td_tap_is_lost(const struct td_tap *tap)
{
	struct ifreq request;

	return ioctl(tap->fd[0], TUNGETIFF, &request) < 0 && errno == EBADFD;
}

int td_tap_replace(struct td_tap *tap, struct td_tap *anew)
{
	int rc = tap->queue_count == anew->queue_count ? 0 : -EINVAL;

	if (!rc)
		rc = td_tap_set_offloads(anew, tap->offloads);
	if (!rc)
		rc = td_tap_set_active(anew, tap->active_count);
	if (rc)
		return rc;
	td_tap_set_silent(anew, tap->silent);
	td_tap_close(tap);
	*tap = *anew;
	*anew = (struct td_tap){0};
	return 0;
}

int td_tap_set_offloads(struct td_tap *tap, unsigned tun_flags)
{
	tap->offloads = tun_flags;
	return ioctl(tap->fd[0], TUNSETOFFLOAD, (unsigned long)tun_flags) && errno != EBADFD ? -errno : 0;
}

/* A classic BPF program that accepts 0 bytes of each frame. */
static void attach_filter(struct td_tap *tap)
{
	struct sock_filter drop = {.code = BPF_RET | BPF_K, .k = 0};
	struct sock_fprog program = {.len = 1, .filter = &drop};

	(void)ioctl(tap->fd[0], TUNATTACHFILTER, &program);
}

static void detach_filter(struct td_tap *tap)
{
	struct sock_fprog none = {0};

	(void)ioctl(tap->fd[0], TUNDETACHFILTER, &none);
}

static int tap_set_queue(int fd, bool attached)
{
	struct ifreq request = {.ifr_flags = attached ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE};

	return ioctl(fd, TUNSETQUEUE, &request) ? -errno : 0;
}

int td_tap_set_active(struct td_tap *tap, unsigned count)
{
	int rc = 0;

	/* The kernel puts the filter on queues that are active, and leaves it on those that went: never change them with the filter on. */
	if (tap->silent)
		detach_filter(tap);
	while (!rc && tap->active_count < count) {
		rc = tap_set_queue(tap->fd[tap->active_count], true);
		tap->active_count += !rc;
	}
	while (!rc && tap->active_count > count) {
		rc = tap_set_queue(tap->fd[tap->active_count - 1], false);
		tap->active_count -= !rc;
	}
	if (tap->silent)
		attach_filter(tap);
	if (rc && td_tap_is_lost(tap)) {
		tap->active_count = count;
		rc = 0;
	}
	return rc;
}

static void tap_drain(int fd)
{
	char scrap[64];

	/* A read takes a whole frame, however little of it fits. */
	while (read(fd, scrap, sizeof(scrap)) > 0)
		;
}

void td_tap_set_silent(struct td_tap *tap, bool silent)
{
	if (tap->silent == silent)
		return;
	tap->silent = silent;
	if (!silent) {
		detach_filter(tap);
		return;
	}
	attach_filter(tap);
	for (unsigned i = 0; i < tap->active_count; i++)
		tap_drain(tap->fd[i]);
}

int td_tap_counters(struct td_tap *tap, struct td_tap_counters *ret_counters)
{
	auto_link *link = NULL;

	if ((!tap->netlink.sock && td_host_netlink_open(&tap->netlink, NULL) < 0) ||
		rtnl_link_get_kernel(tap->netlink.sock, (int)tap->index, NULL, &link) < 0)
		return -EIO;
	*ret_counters = (struct td_tap_counters){
		.rx_packets = rtnl_link_get_stat(link, RTNL_LINK_RX_PACKETS),
		.rx_bytes = rtnl_link_get_stat(link, RTNL_LINK_RX_BYTES),
		.rx_dropped = rtnl_link_get_stat(link, RTNL_LINK_RX_DROPPED),
		.tx_packets = rtnl_link_get_stat(link, RTNL_LINK_TX_PACKETS),
		.tx_bytes = rtnl_link_get_stat(link, RTNL_LINK_TX_BYTES),
		.tx_dropped = rtnl_link_get_stat(link, RTNL_LINK_TX_DROPPED),
	};
	return 0;
}
