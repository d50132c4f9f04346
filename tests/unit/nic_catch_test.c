/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Late frames, in a network of the test's own: "pf" and "wire" are a pair, what is caught on pf leaves by a tap. Needs the right to make
 * network namespaces (root, or a kernel that lets users), ip(8) and /dev/net/tun; says so and skips where one is missing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "nic/catch.h"

#define FRAME_BYTES 100U
#define ETHER_TYPE  0x88b5 /* for experiments: nothing else sends it */

static const uint8_t guest_mac[6] = {0x52, 0x54, 0, 1, 2, 3}, other_mac[6] = {0x52, 0x54, 0, 1, 2, 4};
static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static struct {
	int tap_fd, wire_fd, pf_fd;
} net = {-1, -1, -1};

static struct td_catch catch;

/* ---- the network ---- */

static int run(const char *command)
{
	int status = system(command);

	return status == 0 ? 0 : -1;
}

/* /sys shows the network of whoever mounted it. */
static const char *make_network(void)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};

	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) < 0)
		return "no right to make a network namespace";
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("sysfs", "/sys", "sysfs", 0, NULL) < 0)
		return "no right to mount sysfs";
	net.tap_fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "tap0");
	if (net.tap_fd < 0 || ioctl(net.tap_fd, TUNSETIFF, &request) < 0)
		return "no /dev/net/tun";
	if (run("ip link add pf type veth peer name wire 2>/dev/null") < 0)
		return "no ip(8), or no veth in this kernel";
	if (run("ip link set pf up && ip link set wire up && ip link set tap0 up") < 0)
		return "links do not come up";
	return NULL;
}

static int packet_socket(const char *name)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(name)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	assert_return_code(fd, errno);
	assert_return_code(bind(fd, (struct sockaddr *)&address, sizeof(address)), errno);
	return fd;
}

static int set_up(void **state)
{
	(void)state;
	catch = (struct td_catch){.pf_fd = -1, .tap_fd = -1};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	td_catch_close(&catch);
	return 0;
}

static void send_frame(int fd, const uint8_t to[6], uint8_t mark)
{
	uint8_t frame[FRAME_BYTES];

	memset(frame, mark, sizeof(frame));
	memcpy(frame, to, 6);
	memcpy(frame + 6, other_mac, 6);
	frame[12] = ETHER_TYPE >> 8;
	frame[13] = ETHER_TYPE & 0xff;
	assert_int_equal(send(fd, frame, sizeof(frame), 0), sizeof(frame));
}

static void send_tagged(int fd, const uint8_t to[6], uint16_t tci, uint8_t mark)
{
	uint8_t frame[FRAME_BYTES + 4];

	memset(frame, mark, sizeof(frame));
	memcpy(frame, to, 6);
	memcpy(frame + 6, other_mac, 6);
	memcpy(frame + 12, (const uint8_t[]){0x81, 0, (uint8_t)(tci >> 8), (uint8_t)tci, ETHER_TYPE >> 8, ETHER_TYPE & 0xff}, 6);
	assert_int_equal(send(fd, frame, sizeof(frame), 0), sizeof(frame));
}

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

/* The mark of the next of our frames that left by the tap; -1: none. */
static int next_mark(void)
{
	uint8_t frame[2048];
	ssize_t len;

	while ((len = read(net.tap_fd, frame, sizeof(frame))) > 0)
		if (len >= 15 && frame[12] == ETHER_TYPE >> 8 && frame[13] == (ETHER_TYPE & 0xff)) {
			assert_int_equal(len, FRAME_BYTES);
			return frame[FRAME_BYTES - 1];
		}
	return -1;
}

/* Frames cross the pair a moment after they were sent. */
static int caught_mark(void)
{
	for (int i = 0; i < 100; i++) {
		int mark;

		td_catch_run(&catch);
		mark = next_mark();
		if (mark >= 0)
			return mark;
		pause_ms(1);
	}
	return -1;
}

static void open_catch(uint16_t vlan)
{
	struct td_err err = {0};

	if (td_catch_open(&catch, "pf", if_nametoindex("tap0"), guest_mac, vlan, &err) < 0)
		fail_msg("%s", err.text);
	assert_true(catch.pf_fd >= 0 && catch.tap_fd >= 0);
}

static unsigned open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* When those that are closed beside us are closed: a loaded host takes its time. */
static unsigned settled_fds(void)
{
	unsigned now = open_fds(), last, same = 0;

	do {
		last = now;
		usleep(50000);
		now = open_fds();
		same = now == last ? same + 1 : 0;
	} while (same < 10);
	return now;
}

/* ---- tests ---- */

static void test_catches(void **state)
{
	(void)state;
	send_frame(net.wire_fd, guest_mac, 1); /* before anybody listens */
	open_catch(0);
	send_frame(net.wire_fd, other_mac, 2);
	send_frame(net.wire_fd, broadcast, 3);
	send_frame(net.pf_fd, guest_mac, 4); /* the host's own, on its way out */
	send_frame(net.wire_fd, guest_mac, 5);
	send_frame(net.wire_fd, guest_mac, 6);
	assert_int_equal(caught_mark(), 5);
	assert_int_equal(caught_mark(), 6);
	pause_ms(5);
	td_catch_run(&catch);
	assert_int_equal(next_mark(), -1);
	assert_int_equal(catch.caught, 2);
}

/* A VF with a VLAN in its PF: what carries its tag comes without it; what does not is not the VF's. */
static void test_vlan(void **state)
{
	(void)state;
	open_catch(5);
	send_frame(net.wire_fd, guest_mac, 1);
	send_tagged(net.wire_fd, guest_mac, 6, 2);
	send_tagged(net.wire_fd, other_mac, 5, 3);
	send_tagged(net.wire_fd, guest_mac, 0x6005, 4); /* with a priority */
	assert_int_equal(caught_mark(), 4);
	pause_ms(5);
	td_catch_run(&catch);
	assert_int_equal(next_mark(), -1);
	assert_int_equal(catch.caught, 1);
}

/* Without, the tags are the guest's own. */
static void test_tags_stay(void **state)
{
	uint8_t frame[2048];
	ssize_t len = -1;

	(void)state;
	open_catch(0);
	send_tagged(net.wire_fd, guest_mac, 0x6007, 9);
	for (int i = 0; i < 100 && (len < 16 || frame[15] != 7); i++) {
		pause_ms(1);
		td_catch_run(&catch);
		len = read(net.tap_fd, frame, sizeof(frame));
	}
	assert_int_equal(len, FRAME_BYTES + 4);
	assert_memory_equal(frame + 12, "\x81\x00\x60\x07\x88\xb5", 6);
	assert_memory_equal(frame, guest_mac, 6);
	assert_int_equal(frame[FRAME_BYTES + 3], 9);
}

static void test_forgets(void **state)
{
	(void)state;
	open_catch(0);
	for (uint8_t i = 1; i <= 10; i++)
		send_frame(net.wire_fd, guest_mac, i);
	pause_ms(5);
	td_catch_forget(&catch);
	send_frame(net.wire_fd, guest_mac, 11);
	assert_int_equal(caught_mark(), 11);
	assert_int_equal(catch.caught, 1);
}

/* Somebody floods the guest's address: one call takes a part, the next ones the rest. */
static void test_bounded(void **state)
{
	int room = 1 << 20;

	(void)state;
	open_catch(0);
	assert_return_code(setsockopt(catch.pf_fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)), errno);
	for (unsigned i = 0; i < 400; i++)
		send_frame(net.wire_fd, guest_mac, 1);
	pause_ms(5);
	td_catch_run(&catch);
	assert_in_range(catch.caught, 1, 256);
	td_catch_run(&catch);
	assert_int_equal(catch.caught, 400);
	while (next_mark() >= 0)
		;
}

static void test_hears_all(void **state)
{
	unsigned before = settled_fds();
	struct td_err err = {0};

	(void)state;
	assert_int_equal(run("ip -d link show pf | grep -q 'promiscuity 0'"), 0);
	open_catch(0);
	assert_int_equal(run("ip -d link show pf | grep -q 'promiscuity 1'"), 0);
	assert_int_equal(td_catch_open(&catch, "pf", if_nametoindex("tap0"), guest_mac, 0, &err), 0); /* it is open */
	assert_int_equal(settled_fds(), before + 2);
	td_catch_close(&catch);
	assert_int_equal(settled_fds(), before);
	assert_int_equal(run("ip -d link show pf | grep -q 'promiscuity 0'"), 0);
	td_catch_close(&catch);
}

/* A bridge has such frames already: two copies would come to the guest. */
static void test_bridge_port(void **state)
{
	struct td_err err = {0};

	(void)state;
	if (run("ip link add br0 type bridge 2>/dev/null") < 0) {
		print_message("SKIP: test_bridge_port: no bridges in this kernel\n");
		skip();
	}
	assert_int_equal(run("ip link set pf master br0"), 0);
	assert_int_equal(td_catch_open(&catch, "pf", if_nametoindex("tap0"), guest_mac, 0, &err), 0);
	assert_int_equal(catch.pf_fd, -1);
	td_catch_forget(&catch);
	td_catch_run(&catch);
	td_catch_close(&catch);
	assert_int_equal(run("ip link set pf nomaster && ip link del br0"), 0);
	open_catch(0);
}

static void test_missing(void **state)
{
	static const char *const names[][2] = {{"nopf", "tap0"}, {"pf", "notap"}, {"", ""}, {"a-name-that-is-too-long-for-a-link", "tap0"}};
	unsigned before = settled_fds();

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(names); i++) {
		struct td_err err = {0};

		assert_true(td_catch_open(&catch, names[i][0], if_nametoindex(names[i][1]), guest_mac, 0, &err) < 0);
		assert_true(err.code < 0 && err.text[0]);
		assert_int_equal(catch.pf_fd, -1);
		assert_int_equal(catch.tap_fd, -1);
		assert_null(catch.buffer);
	}
	assert_int_equal(settled_fds(), before);
	open_catch(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_catches, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_vlan, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_tags_stay, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_forgets, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hears_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bridge_port, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_missing, set_up, tear_down)};
	const char *why = make_network();
	int status;

	if (why) {
		printf("SKIP: all of cli_catch_test: %s\n", why);
		return 0;
	}
	net.wire_fd = packet_socket("wire");
	net.pf_fd = packet_socket("pf");
	status = cmocka_run_group_tests(tests, NULL, NULL);
	close(net.wire_fd);
	close(net.pf_fd);
	close(net.tap_fd);
	return status;
}
