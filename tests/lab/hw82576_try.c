/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hw82576_try.c - vfio/hw82576.h on a real VF, without a guest: this program is the guest's driver (rings and buffers in a VM's RAM), the
 * software model (it hands receive buffers back until the head is 0, and moves the transmit head) and the outside world (a packet socket in
 * the lab host's namespace `peer`). Each cycle goes to hardware and back under sequenced frames. Run by hw82576.sh.
 *
 * usage: hw82576_try PF CYCLES
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/vm.h"
#include "host/sriov/sriov.h"
#include "vfio/hw82576.h"

#define COUNT	    256U
#define RX_RING	    0x100000U
#define TX_RING	    0x102000U
#define RX_BUFFERS  0x200000U
#define TX_BUFFERS  0x300000U
#define BUFFER	    2048U
#define ETHERTYPE   0x88b5
#define FRAME_MIN   60U
#define FRAME_MAX   1400U
#define RX_DONE	    1U
#define RX_EOP	    2U
#define RX_ERROR    (1U << 31)
#define TX_DATA	    (1U << 29 | 3U << 20 | 1U << 25)
#define TX_CONTEXT  (1U << 29 | 2U << 20)
#define TX_LAST	    (1U << 24 | 1U << 27)
#define TX_DONE	    1U
#define PATIENCE_NS 10000000000ULL

struct desc {
	uint64_t addr;
	uint32_t word[2];
};

struct frame {
	uint8_t to[6], from[6];
	uint16_t type;
	uint16_t unaligned;
	uint32_t number, len_bytes;
	uint8_t rest[FRAME_MAX];
};

static const uint8_t vf_mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
static uint8_t peer_mac[6];
static int peer_fd;
static struct td_vm vm;
static struct td_hw82576 *hw;
static struct td_vf82576_state state;
static struct desc *rx_ring, *tx_ring;
static volatile uint32_t *pages; /* of the queues, while on hardware */
static uint32_t rx_clean, tx_use;
static uint32_t to_guest_sent, to_guest_got, from_guest_sent, from_guest_got, recycled;
static int vector_fd[2];
static uint64_t interrupts[2];
static unsigned answers, messages, losses;
static uint32_t last_answer, last_message;
static unsigned at_cycle;

static void die(const char *fmt, ...) TD_PRINTF(1, 2);
static void die(const char *fmt, ...)
{
	va_list list;

	fprintf(stderr, "cycle %u: ", at_cycle);
	va_start(list, fmt);
	vfprintf(stderr, fmt, list);
	va_end(list);
	fputc('\n', stderr);
	exit(1);
}

static void must(int rc, const struct td_err *err, const char *what)
{
	if (rc < 0)
		die("%s: %s", what, err->text);
}

static volatile uint32_t *queue_reg(uint32_t reg)
{
	return pages + (reg - TD_VF82576_PAGE_IRQ) / 4;
}

/* ---- the outside world ---- */

static void open_peer(void)
{
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), there = open("/run/netns/peer", O_RDONLY | O_CLOEXEC);
	struct sockaddr_ll name = {.sll_family = AF_PACKET, .sll_protocol = htons(ETHERTYPE)};
	socklen_t len = sizeof(name);

	if (own < 0 || there < 0 || setns(there, CLONE_NEWNET) < 0)
		die("namespace peer: %s", strerror(errno));
	name.sll_ifindex = (int)if_nametoindex("wire0");
	peer_fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETHERTYPE));
	if (peer_fd < 0 || bind(peer_fd, (struct sockaddr *)&name, sizeof(name)) < 0 ||
		getsockname(peer_fd, (struct sockaddr *)&name, &len) < 0 || setns(own, CLONE_NEWNET) < 0)
		die("wire0: %s", strerror(errno));
	memcpy(peer_mac, name.sll_addr, 6);
	close(own);
	close(there);
}

static uint32_t make_frame(struct frame *frame, const uint8_t *to, const uint8_t *from, uint32_t number)
{
	uint32_t len = FRAME_MIN + (uint32_t)rand() % (FRAME_MAX - FRAME_MIN);

	memcpy(frame->to, to, 6);
	memcpy(frame->from, from, 6);
	frame->type = htons(ETHERTYPE);
	frame->number = number;
	frame->len_bytes = len;
	memset(frame->rest, (int)number, sizeof(frame->rest));
	return len;
}

/* Same frame, in order, whole. */
static void check_frame(const struct frame *frame, size_t len, uint32_t number, const char *where)
{
	if (frame->number != number || len != frame->len_bytes)
		die("%s: frame %u (%zu bytes) instead of %u", where, frame->number, len, number);
	for (size_t i = 0; i < len - offsetof(struct frame, rest); i++)
		if (frame->rest[i] != (uint8_t)number)
			die("%s: frame %u is damaged at %zu", where, number, i);
}

static void peer_send(unsigned count)
{
	static struct frame frame;

	for (unsigned i = 0; i < count; i++) {
		uint32_t len = make_frame(&frame, vf_mac, peer_mac, to_guest_sent++);

		while (send(peer_fd, &frame, len, 0) != (ssize_t)len) {
			if (errno != EAGAIN && errno != ENOBUFS)
				die("peer: send: %s", strerror(errno));
			usleep(1000);
		}
	}
}

static void peer_receive(void)
{
	static struct frame frame;
	ssize_t len;

	while ((len = recv(peer_fd, &frame, sizeof(frame), 0)) > 0)
		if (memcmp(frame.from, vf_mac, 6) == 0)
			check_frame(&frame, (size_t)len, from_guest_got++, "from the guest");
}

static void peer_await_all(void)
{
	uint64_t limit = td_now_ns() + PATIENCE_NS;

	while (from_guest_got < from_guest_sent) {
		peer_receive();
		if (td_now_ns() > limit)
			die("from the guest: %u of %u came", from_guest_got, from_guest_sent);
		usleep(200);
	}
}

/* ---- the guest's driver ---- */

static void post(uint32_t index)
{
	rx_ring[index].addr = RX_BUFFERS + index * BUFFER;
	__atomic_store_n(&rx_ring[index].word[0], 0, __ATOMIC_RELEASE);
	rx_ring[index].word[1] = 0;
}

static void driver_receive(void)
{
	uint32_t status;
	bool any = false;

	while ((status = __atomic_load_n(&rx_ring[rx_clean].word[0], __ATOMIC_ACQUIRE)) & RX_DONE) {
		uint32_t len = rx_ring[rx_clean].word[1] & 0xffff;

		if (!(status & RX_EOP))
			die("to the guest: a frame in parts");
		if (status & RX_ERROR)
			recycled++;
		else
			check_frame(
				td_mem_ptr(&vm.mem, TD_GPA(RX_BUFFERS + rx_clean * BUFFER), BUFFER), len, to_guest_got++, "to the guest");
		post(rx_clean);
		rx_clean = (rx_clean + 1) % COUNT;
		any = true;
	}
	if (!any)
		return;
	state.rx[0].tail = (rx_clean + COUNT - 1) % COUNT;
	if (pages)
		*queue_reg(TD_VF_RDT) = state.rx[0].tail;
}

/* Waits until the card has written frames, without taking them. */
static void driver_await(unsigned count)
{
	uint64_t limit = td_now_ns() + PATIENCE_NS;
	uint32_t last = (rx_clean + count - 1) % COUNT;

	while (!(__atomic_load_n(&rx_ring[last].word[0], __ATOMIC_ACQUIRE) & RX_DONE)) {
		if (td_now_ns() > limit)
			die("to the guest: frames %u.. of %u did not come", to_guest_got, to_guest_sent);
		usleep(200);
	}
}

static void put_tx(uint64_t addr, uint32_t command, uint32_t status)
{
	tx_ring[tx_use].addr = addr;
	tx_ring[tx_use].word[0] = command;
	tx_ring[tx_use].word[1] = status;
	tx_use = (tx_use + 1) % COUNT;
}

/* Every third with a context before it, every second in two parts. The frames of a burst have less than the ring in all. */
static void driver_send(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint32_t number = from_guest_sent++, buffer = TX_BUFFERS + number % COUNT * BUFFER;
		uint32_t len = make_frame(td_mem_ptr(&vm.mem, TD_GPA(buffer), BUFFER), peer_mac, vf_mac, number);

		if (number % 3 == 0)
			put_tx(14U << 9 | 20U, TX_CONTEXT, 0);
		if (number % 2 == 0) {
			put_tx(buffer, TX_DATA | 14U, len << 14);
			buffer += 14;
			len -= 14;
		}
		put_tx(buffer, TX_DATA | TX_LAST | len, (len + (number % 2 ? 0 : 14)) << 14);
	}
	state.tx[0].tail = tx_use;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (pages)
		*queue_reg(TD_VF_TDT) = tx_use;
}

static void take_interrupts(void)
{
	eventfd_t count;

	for (unsigned i = 0; i < 2; i++) {
		if (eventfd_read(vector_fd[i], &count) == 0)
			interrupts[i] += count;
		if (pages)
			td_hw82576_write(hw, TD_VF_EIMS, 1U << i);
	}
}

/* ---- the software model ---- */

static void model_burn(void)
{
	while (state.rx[0].head) {
		struct desc *desc = &rx_ring[state.rx[0].head];

		if (state.rx[0].head == state.rx[0].tail)
			driver_receive();
		desc->word[1] = 0;
		__atomic_store_n(&desc->word[0], RX_DONE | RX_EOP | RX_ERROR, __ATOMIC_RELEASE);
		state.rx[0].head = (state.rx[0].head + 1) % COUNT;
	}
	driver_receive();
}

/* Moves the transmit head by what a packet of one descriptor takes; it is not sent anywhere. */
static void model_send(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		put_tx(TX_BUFFERS, TX_DATA | TX_LAST | FRAME_MIN, FRAME_MIN << 14 | TX_DONE);
	state.tx[0].head = state.tx[0].tail = tx_use;
}

/* ---- the loop ---- */

static void stop_loop(struct td_timer *timer)
{
	(void)timer;
	td_loop_stop(&vm.loop);
}

/* Runs the main loop until *counter is no longer `was`. */
static bool loop_until(const unsigned *counter, unsigned was, unsigned ms)
{
	struct td_timer timer = {.expired = stop_loop};

	for (unsigned waited = 0; *counter == was && waited < ms; waited += 10) {
		td_loop_arm(&vm.loop, &timer, 10000000);
		td_loop_run(&vm.loop);
	}
	return *counter != was;
}

static void on_answer(void *opaque, const uint32_t *words)
{
	(void)opaque;
	answers++;
	last_answer = words ? words[0] : 0;
}

static void on_message(void *opaque, const uint32_t words[TD_VF_MAIL_WORDS])
{
	(void)opaque;
	messages++;
	last_message = words[0];
}

static void on_lost(void *opaque, bool release_requested)
{
	(void)opaque;
	(void)release_requested;
	losses++;
}

static uint32_t ask(uint32_t first, uint32_t second)
{
	uint32_t words[TD_VF_MAIL_WORDS] = {first, second};
	unsigned was = answers;
	int rc = td_hw82576_mail(hw, words);

	if (rc < 0 || td_hw82576_mail(hw, words) != -EBUSY)
		die("mail %x: %s", first, strerror(-rc));
	if (!loop_until(&answers, was, 2000))
		die("mail %x: no answer", first);
	return last_answer;
}

/* ---- set up ---- */

static void set_up_rings(void)
{
	state.rx[0] = (struct td_vf82576_ring){.base = RX_RING,
		.len_bytes = COUNT * 16,
		.tail = COUNT - 1,
		.control = TD_VF_QUEUE_ENABLE | 1U << 16 | 8U << 8 | 16U,
		.srrctl = 1U << 25 | 2U};
	state.tx[0] = (struct td_vf82576_ring){
		.base = TX_RING, .len_bytes = COUNT * 16, .control = TD_VF_QUEUE_ENABLE | 1U << 16 | 8U << 8 | 16U};
	state.eims = state.eiac = state.eiam = 7;
	state.ivar0 = 0x8081;
	state.ivar_misc = 0x82;
	state.handshaken = true;
	state.frame_max_bytes = TD_VF82576_FRAME_BYTES;
	rx_ring = td_mem_ptr(&vm.mem, TD_GPA(RX_RING), COUNT * 16);
	tx_ring = td_mem_ptr(&vm.mem, TD_GPA(TX_RING), COUNT * 16);
	rx_clean = tx_use = 0;
	for (uint32_t i = 0; i < COUNT; i++)
		post(i);
	model_send(200);
}

static void set_up(const char *pf)
{
	const struct td_vm_config config = {.name = "try", .mem.size_bytes = 64 * TD_MIB, .cpus = 1};
	td_auto_free struct td_sriov_vf *vfs = NULL;
	struct td_iommu *iommu;
	struct td_err err = {0};
	unsigned count;

	open_peer();
	must(td_vm_init(&vm, &config, &err), &err, "vm");
	must(td_sriov_list(pf, &vfs, &count, &err), &err, pf);
	if (!count)
		die("%s: no VF", pf);
	must(td_sriov_set_mac(pf, 0, vf_mac, &err), &err, "set MAC");
	must(td_sriov_bind_vfio(vfs[0].bdf, NULL, &err), &err, "bind");
	must(td_sriov_lookup(vfs[0].bdf, &vfs[0], &err), &err, "group");
	must(td_iommu_create(&iommu, &err), &err, "iommu");
	const struct td_hw82576_config hw_config = {.name = "try",
		.bdf = vfs[0].bdf,
		.group = vfs[0].group,
		.events = {.pf_message = on_message, .answer = on_answer, .lost = on_lost}};
	must(td_hw82576_create(&vm, iommu, &hw_config, &hw, &err), &err, "create");
	must(td_hw82576_open_device(hw, &err), &err, "open device");
	must(td_hw82576_open(hw, &err), &err, "open");
	for (unsigned i = 0; i < 2; i++)
		vector_fd[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	set_up_rings();
}

/* ---- cycles ---- */

static struct td_hw82576_times worst;
#define CYCLES_MAX 1000U
static uint64_t restore_us[CYCLES_MAX], capture_us[CYCLES_MAX];

static void note_times(void)
{
	struct td_hw82576_times now;

	td_hw82576_times(hw, &now);
	restore_us[at_cycle] = (now.restore_ns - now.restore_wait_ns) / 1000;
	capture_us[at_cycle] = (now.capture_ns - now.capture_wait_ns) / 1000;
	worst.prepare_ns = TD_MAX(worst.prepare_ns, now.prepare_ns);
	worst.restore_ns = TD_MAX(worst.restore_ns, now.restore_ns);
	worst.quiet_ns = TD_MAX(worst.quiet_ns, now.quiet_ns);
	worst.capture_ns = TD_MAX(worst.capture_ns, now.capture_ns);
}

static int prepare(struct td_err *err)
{
	int rc = td_hw82576_prepare(hw, &state, err);

	return rc < 0 ? rc : td_hw82576_prepare_end(hw, td_hw82576_prepare_wait(hw, err), err);
}

static int quiet(struct td_err *err)
{
	int rc = td_hw82576_quiet(hw, err);

	if (rc < 0)
		return rc;
	rc = td_hw82576_quiet_wait(hw, err);
	td_hw82576_quiet_end(hw);
	return rc;
}

static void to_hardware(void)
{
	struct td_err err = {0};

	model_burn();
	must(prepare(&err), &err, "prepare");
	must(td_hw82576_connect(hw, vector_fd, &err), &err, "connect");
	must(td_hw82576_restore(hw, &state, &err), &err, "restore");
	pages = td_hw82576_guest_pages(hw);
}

static void to_software(void)
{
	struct td_vf82576_state rings = {0};
	struct td_err err = {0};
	bool lost;

	must(quiet(&err), &err, "quiet");
	driver_send(5); /* on its way while the rings are taken */
	must(td_hw82576_capture(hw, &rings, &lost, &err), &err, "capture");
	pages = NULL;
	if (lost || rings.tx[0].head != tx_use || rings.tx[0].tail != tx_use || rings.rx[0].tail != state.rx[0].tail)
		die("capture: lost %d, tx %u %u (%u), rx %u %u (%u)", lost, rings.tx[0].head, rings.tx[0].tail, tx_use, rings.rx[0].head,
			rings.rx[0].tail, state.rx[0].tail);
	if (rings.rx[0].base != RX_RING || rings.tx[0].base != TX_RING || rings.rx[0].len_bytes != COUNT * 16 ||
		rings.rx[0].control != state.rx[0].control || rings.tx[0].control != state.tx[0].control ||
		rings.rx[0].srrctl != state.rx[0].srrctl)
		die("capture: registers are not what was restored");
	memcpy(state.rx, rings.rx, sizeof(state.rx));
	memcpy(state.tx, rings.tx, sizeof(state.tx));
	driver_receive();
	if (to_guest_got != to_guest_sent || rx_clean != state.rx[0].head)
		die("to the guest: %u of %u, head %u, driver at %u", to_guest_got, to_guest_sent, state.rx[0].head, rx_clean);
	peer_await_all();
}

static void traffic(void)
{
	uint32_t packets[2] = {to_guest_got, from_guest_got};
	uint64_t counter[TD_VF82576_COUNTERS];

	for (unsigned burst = 0; burst < 6; burst++) {
		unsigned down = 1 + (unsigned)rand() % 60, up = 1 + (unsigned)rand() % 60;

		driver_send(up);
		peer_send(down);
		driver_await(down);
		driver_receive();
		peer_await_all();
		take_interrupts();
	}
	td_hw82576_counters(hw, counter);
	if (counter[TD_VF_COUNT_GPRC] != to_guest_got - packets[0] || counter[TD_VF_COUNT_GPTC] != from_guest_got - packets[1])
		die("counters: rx %llu of %u, tx %llu of %u", (unsigned long long)counter[TD_VF_COUNT_GPRC], to_guest_got - packets[0],
			(unsigned long long)counter[TD_VF_COUNT_GPTC], from_guest_got - packets[1]);
	if ((uint32_t)counter[TD_VF_COUNT_GPTC] != td_hw82576_read(hw, TD_VF_GPTC))
		die("counters: read differs");
	peer_send(7); /* received, and not taken by the driver before the rings are */
	driver_await(7);
}

static void cycle(unsigned number)
{
	to_hardware();
	traffic();
	if (number % 4 == 1 && ask(TD_VF_MAIL_SET_MULTICAST | 2U << 16, 0x01230456) != 0xa0020003)
		die("SET_MULTICAST: answered %x", last_answer);
	state.hash_count = number % 3;
	state.hash[0] = 0x123;
	state.hash[1] = 0x456;
	state.vlan[0] = number % 2 ? 1U << 5 | 1 : 1;
	to_software();
	note_times();
	model_send((unsigned)rand() % 90);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void print_times(unsigned cycles)
{
	qsort(restore_us, cycles, sizeof(restore_us[0]), compare);
	qsort(capture_us, cycles, sizeof(capture_us[0]), compare);
	printf("own work, us: restore median %llu, 90 %% below %llu; capture %llu, %llu\n", (unsigned long long)restore_us[cycles / 2],
		(unsigned long long)restore_us[cycles * 9 / 10], (unsigned long long)capture_us[cycles / 2],
		(unsigned long long)capture_us[cycles * 9 / 10]);
	printf("worst, with waiting, us: restore %llu, capture %llu, prepare %llu, quiet %llu\n",
		(unsigned long long)worst.restore_ns / 1000, (unsigned long long)worst.capture_ns / 1000,
		(unsigned long long)worst.prepare_ns / 1000, (unsigned long long)worst.quiet_ns / 1000);
}

/* The host takes its VFs away: that waits until the last is closed. */
static void vfs_go(const char *pf)
{
	struct td_vf82576_state rings;
	struct td_err err = {0};
	char command[128];
	bool lost;

	set_up_rings();
	to_hardware();
	snprintf(command, sizeof(command), "echo 0 >/sys/class/net/%s/device/sriov_numvfs &", pf);
	if (system(command) != 0 || !loop_until(&losses, 0, 5000))
		die("VFs taken away: not told");
	must(quiet(&err), &err, "quiet");
	must(td_hw82576_capture(hw, &rings, &lost, &err), &err, "capture");
	if (lost || prepare(&err) != -ENODEV)
		die("VFs taken away: lost %d, %s", lost, err.text);
	td_hw82576_close(hw);
	td_hw82576_close_device(hw);
}

/* The PF tells its VFs when its link changes, and is reset when it goes down and up. */
static void pf_events(const char *pf)
{
	char command[128];
	unsigned was;

	to_hardware();
	loop_until(&messages, messages, 300);
	was = messages;
	snprintf(command, sizeof(command), "lab-link %s off", pf);
	if (system(command) != 0 || !loop_until(&messages, was, 4000) || (last_message & 0xffff) != TD_VF_MAIL_PF_CONTROL)
		die("link down: %u messages, the last %x", messages - was, last_message);
	printf("link down: message %x, link %s\n", last_message, td_hw82576_link_up(hw) ? "up" : "down");
	snprintf(command, sizeof(command), "lab-link %s on", pf);
	was = messages;
	if (system(command) != 0 || !loop_until(&messages, was, 4000))
		die("link up: no message");
	printf("link up: message %x, link %s\n", last_message, td_hw82576_link_up(hw) ? "up" : "down");
	was = messages;
	snprintf(command, sizeof(command), "ip link set %s down; ip link set %s up", pf, pf);
	if (system(command) != 0 || !loop_until(&messages, was, 4000))
		die("PF reset: no message");
	printf("PF reset: message %x\n", last_message);
	while (loop_until(&messages, messages, 1500))
		printf("then message %x\n", last_message);
	td_hw82576_reset_queues(hw);
	printf("handshake: %x\n", ask(TD_VF_MAIL_RESET, 0));
	*queue_reg(TD_VF_RDT) = 0x7777; /* a guest that writes nonsense */
	*queue_reg(TD_VF_TDT) = 0x1fff;

	struct td_vf82576_state rings = {0};
	struct td_err err = {0};
	bool lost;
	must(td_hw82576_capture(hw, &rings, &lost, &err), &err, "capture");
	pages = NULL;
	printf("capture after nonsense: rx %u %u %x, tx %u %u %x\n", rings.rx[0].head, rings.rx[0].tail, rings.rx[0].control,
		rings.tx[0].head, rings.tx[0].tail, rings.tx[0].control);
}

int main(int argc, char **argv)
{
	unsigned cycles = argc == 3 ? (unsigned)atoi(argv[2]) : 0;

	if (!cycles || cycles > CYCLES_MAX) {
		fprintf(stderr, "usage: hw82576_try PF CYCLES\n");
		return 2;
	}
	set_up(argv[1]);
	for (; at_cycle < cycles; at_cycle++)
		cycle(at_cycle);
	printf("%u cycles: %u frames to the guest, %u from it, none lost; %u buffers recycled; interrupts tx %llu rx %llu\n", cycles,
		to_guest_got, from_guest_got, recycled, (unsigned long long)interrupts[0], (unsigned long long)interrupts[1]);
	print_times(cycles);
	if (!interrupts[0] || !interrupts[1])
		die("interrupts: none");
	pf_events(argv[1]);
	vfs_go(argv[1]);
	td_hw82576_destroy(hw);
	return 0;
}
