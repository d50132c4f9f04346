/* SPDX-License-Identifier: Apache-2.0 */
/* emul_igbvf_datapath_test.c - what the software 82576 VF does with frames: filters, VLANs, checksums, segmentation, large frames. */
#include <linux/if_ether.h>
#include <netinet/in.h>

#include "emul/igbvf_frame.h"
#include "tests/unit/igbvf_driver.h"

#define IP_AT  14U
#define TCP_AT 34U

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static unsigned get16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static uint16_t sum_of(const uint8_t *at, size_t len, uint64_t sum)
{
	struct iovec iov = {(uint8_t *)(uintptr_t)at, len};

	return td_igbvf_frame_fold(td_igbvf_frame_sum(&iov, 1, 0, len, sum));
}

/* Of IPv4 TCP, UDP: without the length. */
static uint64_t pseudo_sum(const uint8_t *ip, unsigned protocol)
{
	return (uint64_t)sum_of(ip + 12, 8, 0) + protocol;
}

/* An IPv4 packet of TCP (20 bytes of header) or UDP, all lengths and checksums right. */
static void make_packet(uint8_t *frame, size_t len, unsigned protocol, uint8_t seed)
{
	uint8_t *ip = frame + IP_AT, *l4 = frame + TCP_AT;
	size_t l4_len = len - TCP_AT, check = protocol == IPPROTO_TCP ? 16 : 6;

	driver_fill(frame, len, seed);
	put16(frame + 12, ETH_P_IP);
	memset(ip, 0, 20);
	ip[0] = 0x45;
	put16(ip + 2, (unsigned)(len - IP_AT));
	put16(ip + 4, 0x1234);
	ip[8] = 64;
	ip[9] = (uint8_t)protocol;
	memcpy(ip + 12, "\x0a\x01\x00\x02\x0a\x01\x00\x01", 8);
	put16(ip + 10, (uint16_t)~sum_of(ip, 20, 0));
	if (protocol == IPPROTO_TCP) {
		memset(l4, 0, 20);
		put16(l4 + 4, 1);
		l4[12] = 0x50;
		l4[13] = 0x19; /* ACK, PSH, FIN */
	} else {
		put16(l4 + 4, (unsigned)l4_len);
	}
	put16(l4 + check, 0);
	put16(l4 + check, (uint16_t)~sum_of(l4, l4_len, pseudo_sum(ip, protocol) + l4_len));
}

static uint32_t receive(struct driver *d, const struct virtio_net_hdr_v1 *header, const uint8_t *frame, size_t len)
{
	driver_wire_send(d, header, frame, len);
	return driver_rx_wait(d);
}

/* Nothing of `frame` comes; what is sent behind it does. */
static void expect_filtered(struct driver *d, const uint8_t *frame, size_t len)
{
	uint8_t mark[60];
	size_t got;

	driver_fill(mark, sizeof(mark), 77);
	driver_wire_send(d, NULL, frame, len);
	assert_true(receive(d, NULL, mark, sizeof(mark)) & RXD_DD);
	assert_int_equal(driver_rx_data(d, &got)[14], (uint8_t)(77 + 14 * 7));
	assert_int_equal(got, sizeof(mark));
	driver_rx_done(d);
}

static void expect_heard(struct driver *d, const uint8_t *frame, size_t len)
{
	size_t got;

	assert_true(receive(d, NULL, frame, len) & RXD_EOP);
	assert_memory_equal(driver_rx_data(d, &got), frame, len);
	assert_int_equal(got, len);
	driver_rx_done(d);
}

static void test_filters(void **state)
{
	struct driver *d = driver_get(state);
	static const uint8_t group[6] = {0x01, 0x00, 0x5e, 0x12, 0x34, 0x56}, other[6] = {0x01, 0x00, 0x5e, 0x12, 0x34, 0x57};
	uint8_t frame[100];

	driver_up(d);
	driver_fill(frame, sizeof(frame), 1);
	expect_heard(d, frame, sizeof(frame));
	frame[5] ^= 1;
	expect_filtered(d, frame, sizeof(frame));
	memset(frame, 0xff, 6);
	expect_heard(d, frame, sizeof(frame));
	memcpy(frame, group, 6);
	expect_filtered(d, frame, sizeof(frame));
	/* igbvf: twelve bits of the last two octets. */
	assert_int_equal(td_igbvf_frame_hash(group), 0x563);
	driver_mail1(d, TD_VF_MAIL_SET_MULTICAST | 1 << 16, 0x563);
	expect_heard(d, frame, sizeof(frame));
	memcpy(frame, other, 6);
	expect_filtered(d, frame, sizeof(frame));
	driver_mail1(d, TD_VF_MAIL_SET_PROMISC | 2 << 16, 0);
	expect_heard(d, frame, sizeof(frame));
	driver_mail1(d, TD_VF_MAIL_SET_PROMISC, 0);
	expect_filtered(d, frame, sizeof(frame));
	driver_mail1(d, TD_VF_MAIL_SET_MULTICAST, 0);
	memcpy(frame, group, 6);
	expect_filtered(d, frame, sizeof(frame));
	expect_filtered(d, frame, 10); /* not even addresses */
	expect_filtered(d, frame, 0);
	assert_int_equal(driver_read(d, TD_VF_MPRC), 3);
}

static void test_vlan_in(void **state)
{
	struct driver *d = driver_get(state);
	uint8_t frame[200], bare[196];
	uint32_t status;
	size_t len;

	driver_up(d);
	driver_fill(frame, sizeof(frame), 1);
	put16(frame + 12, ETH_P_8021Q);
	put16(frame + 14, 0x6064); /* priority 3, VLAN 100 */
	expect_filtered(d, frame, sizeof(frame));
	driver_mail1(d, TD_VF_MAIL_SET_VLAN | 1 << 16, 100);
	memcpy(bare, frame, 12);
	memcpy(bare + 12, frame + 16, sizeof(frame) - 16);
	status = receive(d, NULL, frame, sizeof(frame));
	assert_true(status & RXD_VP);
	assert_memory_equal(driver_rx_data(d, &len), bare, sizeof(bare));
	assert_int_equal(len, sizeof(bare));
	assert_int_equal(d->rx[2 * d->rx_next + 1] >> 48, 0x6064);
	driver_rx_done(d);
	driver_mail1(d, TD_VF_MAIL_SET_VLAN, 100);
	expect_filtered(d, frame, sizeof(frame));
}

static void test_checksums_in(void **state)
{
	struct driver *d = driver_get(state);
	struct virtio_net_hdr_v1 header = {0};
	uint8_t frame[301], right[301];
	const unsigned protocols[] = {IPPROTO_TCP, IPPROTO_UDP};
	size_t len;

	driver_up(d);
	for (unsigned i = 0; i < 2; i++) {
		size_t check = TCP_AT + (protocols[i] == IPPROTO_TCP ? 16 : 6);

		make_packet(right, sizeof(right), protocols[i], (uint8_t)i);
		memcpy(frame, right, sizeof(frame));
		/* Nobody looked at it: the guest has to. */
		header = (struct virtio_net_hdr_v1){0};
		assert_int_equal(receive(d, &header, frame, sizeof(frame)) & (RXD_L4CS | RXD_IPCS), RXD_IPCS);
		driver_rx_done(d);
		header.flags = VIRTIO_NET_HDR_F_DATA_VALID;
		assert_int_equal(receive(d, &header, frame, sizeof(frame)) & (RXD_L4CS | RXD_IPCS), RXD_L4CS | RXD_IPCS);
		driver_rx_done(d);
		/* From a neighbour that left it to us. */
		put16(frame + check, td_igbvf_frame_fold(pseudo_sum(frame + IP_AT, protocols[i]) + sizeof(frame) - TCP_AT));
		header = (struct virtio_net_hdr_v1){
			.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = TCP_AT, .csum_offset = (uint16_t)(check - TCP_AT)};
		assert_true(receive(d, &header, frame, sizeof(frame)) & RXD_L4CS);
		assert_memory_equal(driver_rx_data(d, &len), right, sizeof(right));
		driver_rx_done(d);
		/* A header that points outside changes nothing, and vouches for nothing. */
		header.csum_start = 65000;
		assert_false(receive(d, &header, frame, sizeof(frame)) & RXD_L4CS);
		assert_memory_equal(driver_rx_data(d, &len), frame, sizeof(frame));
		driver_rx_done(d);
	}
	/* A bad IP header; a fragment. */
	frame[IP_AT + 8]--;
	header = (struct virtio_net_hdr_v1){.flags = VIRTIO_NET_HDR_F_DATA_VALID};
	assert_true(receive(d, &header, frame, sizeof(frame)) & 0x40000000);
	driver_rx_done(d);
	frame[IP_AT + 6] = 0x20;
	assert_false(receive(d, &header, frame, sizeof(frame)) & RXD_L4CS);
	driver_rx_done(d);
}

static void test_long_frames(void **state)
{
	struct driver *d = driver_get(state);
	uint8_t frame[9300];
	size_t len;

	driver_up(d); /* 1522 with CRC */
	driver_fill(frame, sizeof(frame), 3);
	expect_heard(d, frame, 1518);
	expect_filtered(d, frame, 1519);
	expect_filtered(d, frame, 9300);
	assert_int_equal(d->dev->rx.dropped, 2);
	driver_mail1(d, TD_VF_MAIL_SET_LPE, 9238);
	driver_wire_send(d, NULL, frame, 9234);
	for (size_t at = 0; at < 9234; at += DRIVER_BUFFER) {
		uint32_t status = driver_rx_wait(d);
		const uint8_t *data = driver_rx_data(d, &len);

		assert_int_equal(len, TD_MIN(9234 - at, DRIVER_BUFFER));
		assert_memory_equal(data, frame + at, len);
		assert_int_equal(!!(status & RXD_EOP), at + len == 9234);
		driver_rx_done(d);
	}
	expect_heard(d, frame, 2048);
	expect_filtered(d, frame, 9235);
}

/* As igbvf sets it up for an MTU above 1500: 128 bytes for headers, then pages' halves. */
static void test_header_split(void **state)
{
	struct driver *d = driver_get(state);
	uint8_t frame[5000];
	const uint8_t *data;
	uint64_t headers = DRIVER_DATA;
	size_t len, at = 0;

	driver_up(d);
	driver_mail1(d, TD_VF_MAIL_SET_LPE, 9238);
	driver_rings(d, 0x8a000202U);
	for (unsigned i = 0; i < DRIVER_SIZE; i++)
		d->rx[2 * i + 1] = headers + i * 256ULL;
	make_packet(frame, sizeof(frame), IPPROTO_TCP, 5);
	driver_wire_send(d, NULL, frame, sizeof(frame));
	for (bool first = true; at < sizeof(frame); first = false) {
		uint32_t status = driver_rx_wait(d), hlen = (uint32_t)(d->rx[2 * d->rx_next] >> 21) & 0x3ff;

		if (first) {
			assert_int_equal(hlen, 54);
			assert_memory_equal(driver_ram(d, headers), frame, 54);
			at = 54;
		} else {
			assert_int_equal(hlen, 0);
		}
		data = driver_rx_data(d, &len);
		assert_memory_equal(data, frame + at, len);
		at += len;
		assert_int_equal(!!(status & RXD_EOP), at == sizeof(frame));
		d->rx_next++;
	}
	assert_int_equal(d->rx_next, 3);
	/* A short one is all header; one that is not understood fills the header's buffer first. */
	driver_fill(frame, 200, 9);
	driver_wire_send(d, NULL, frame, 100);
	assert_true(driver_rx_wait(d) & RXD_EOP);
	assert_int_equal((d->rx[6] >> 21) & 0x3ff, 100);
	assert_int_equal(d->rx[7] >> 32 & 0xffff, 0);
	d->rx_next++;
	driver_wire_send(d, NULL, frame, 200);
	assert_true(driver_rx_wait(d) & RXD_EOP);
	assert_int_equal((d->rx[8] >> 21) & 0x3ff, 128);
	assert_int_equal(d->rx[9] >> 32 & 0xffff, 72);
}

/* A ring of eight, of which seven can be posted, whose buffers hold less than the largest frame. What is not posted stays as it is. */
static void test_short_ring(void **state)
{
	enum { COUNT = 8, BYTES = 1024, FULL = (COUNT - 1) * BYTES };
	static const uint32_t srrctl[] = {0x82000001U, 0x8a000201U}; /* one buffer; headers split */
	struct driver *d = driver_get(state);
	uint8_t frame[9000], untouched[DRIVER_BUFFER];
	uint64_t theirs = DRIVER_BUFFERS + (COUNT - 1) * DRIVER_BUFFER;
	uint64_t dropped;

	memset(untouched, 0xa5, sizeof(untouched));
	driver_fill(frame, sizeof(frame), 3);
	for (unsigned i = 0; i < TD_COUNT(srrctl); i++) {
		driver_up(d);
		driver_mail1(d, TD_VF_MAIL_SET_LPE, 9238);
		driver_write(d, TD_VF_RXDCTL, 0);
		driver_write(d, TD_VF_SRRCTL, srrctl[i]);
		driver_write(d, TD_VF_RDLEN, 16U * COUNT);
		for (uint32_t at = 0; at < COUNT; at++)
			d->rx[2 * at + 1] = srrctl[i] & 0x08000000U ? DRIVER_DATA + 256ULL * at : 0;
		driver_write(d, TD_VF_RXDCTL, TD_VF_QUEUE_ENABLE);
		driver_write(d, TD_VF_RDT, COUNT - 1);
		memcpy(driver_ram(d, theirs), untouched, sizeof(untouched));
		dropped = d->dev->rx.dropped;
		driver_wire_send(d, NULL, frame, sizeof(frame));
		driver_wire_send(d, NULL, frame, FULL + 1);
		driver_wire_send(d, NULL, frame, FULL);
		for (d->rx_next = 0; !(driver_rx_wait(d) & RXD_EOP); d->rx_next++)
			assert_int_not_equal(driver_rx_wait(d), 0);
		assert_int_equal(d->rx_next, COUNT - 2);
		assert_int_equal(d->dev->rx.dropped - dropped, 2);
		assert_memory_equal(driver_ram(d, theirs), untouched, sizeof(untouched));
		assert_false(d->rx[2 * (COUNT - 1) + 1] & RXD_DD);
	}
}

/* ---- to the wire ---- */

static void put_context(struct driver *d, unsigned mac, unsigned ip, unsigned l4, uint32_t tucmd, unsigned mss, unsigned tci)
{
	driver_tx_put(d, (uint64_t)(tci << 16 | mac << 9 | ip), TXD_CONTEXT | tucmd, mss << 16 | l4 << 8);
}

static void test_checksums_out(void **state)
{
	struct driver *d = driver_get(state);
	uint8_t *frame = driver_ram(d, DRIVER_DATA), got[400], right[301];
	struct virtio_net_hdr_v1 header;
	struct iovec iov = {got, sizeof(got)};

	driver_up(d);
	make_packet(right, sizeof(right), IPPROTO_UDP, 1);
	memcpy(frame, right, sizeof(right));
	put16(frame + TCP_AT + 6, td_igbvf_frame_fold(pseudo_sum(frame + IP_AT, IPPROTO_UDP) + sizeof(right) - TCP_AT));
	put16(frame + IP_AT + 10, 0);
	put_context(d, 14, 20, 0, TUCMD_IPV4, 0, 0);
	driver_tx_put(d, DRIVER_DATA, TXD_DATA | TXD_EOP | TXD_RS | sizeof(right), TXD_TXSM | TXD_IXSM);
	driver_tx_go(d);
	assert_int_equal(driver_wire_take(d, &header, got, sizeof(got), 1000), sizeof(right));
	assert_int_equal(header.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_true(td_igbvf_frame_complete(&iov, 1, sizeof(right), header.csum_start, header.csum_offset));
	assert_memory_equal(got, right, sizeof(right));
	/* SCTP's the tap has no word for: CRC32c of 12 zero bytes and "123456789". */
	memset(frame, 0, 100);
	memcpy(frame + TCP_AT + 12, "123456789", 9);
	put_context(d, 14, 20, 0, TUCMD_IPV4 | TUCMD_SCTP, 0, 0);
	driver_tx_put(d, DRIVER_DATA, TXD_DATA | TXD_EOP | TXD_RS | (TCP_AT + 21), TXD_TXSM);
	driver_tx_go(d);
	assert_int_equal(driver_wire_take(d, &header, got, sizeof(got), 1000), 60);
	assert_int_equal(header.flags, 0);
	static const uint8_t digits[] = "123456789", zeros[12];
	struct iovec pieces[] = {{(uint8_t *)(uintptr_t)zeros, 12}, {(uint8_t *)(uintptr_t)digits, 9}};
	uint32_t crc = ~td_igbvf_frame_crc32c(pieces, 2, 0, 21, UINT32_MAX), is;
	memcpy(&is, got + TCP_AT + 8, 4);
	assert_int_equal(is, crc);
	assert_int_equal(~td_igbvf_frame_crc32c(&pieces[1], 1, 0, 9, UINT32_MAX), 0xe3069283);
}

static void test_vlan_out(void **state)
{
	struct driver *d = driver_get(state);
	uint8_t *frame = driver_ram(d, DRIVER_DATA), got[400];
	struct virtio_net_hdr_v1 header;

	driver_up(d);
	driver_fill(frame, 100, 1);
	put_context(d, 14, 0, 0, 0, 0, 0x6064);
	driver_tx_put(d, DRIVER_DATA, TXD_DATA | TXD_VLE | 8, 0); /* cut where it is awkward */
	driver_tx_put(d, DRIVER_DATA + 8, TXD_DATA | TXD_EOP | TXD_RS | TXD_VLE | 92, 0);
	driver_tx_go(d);
	assert_int_equal(driver_wire_take(d, &header, got, sizeof(got), 1000), 104);
	assert_memory_equal(got, frame, 12);
	assert_int_equal(get16(got + 12), ETH_P_8021Q);
	assert_int_equal(get16(got + 14), 0x6064);
	assert_memory_equal(got + 16, frame + 12, 88);
	assert_true(driver_tx_last_done(d));
	assert_int_equal(driver_read_when(d, TD_VF_GOTC, 108), 108);
}

/* As igbvf_tso() leaves the headers: no lengths, none in the pseudo sum either. */
static void prepare_tso(uint8_t *frame)
{
	put16(frame + IP_AT + 2, 0);
	put16(frame + IP_AT + 10, 0xffff);
	put16(frame + TCP_AT + 16, td_igbvf_frame_fold(pseudo_sum(frame + IP_AT, IPPROTO_TCP)));
}

static void test_segmentation(void **state)
{
	struct driver *d = driver_get(state);
	static uint8_t got[70000], right[60000];
	uint8_t *frame = driver_ram(d, DRIVER_DATA);
	struct virtio_net_hdr_v1 header;

	driver_up(d);
	for (unsigned tag = 0; tag < 2; tag++) {
		make_packet(right, sizeof(right), IPPROTO_TCP, 1);
		memcpy(frame, right, sizeof(right));
		prepare_tso(frame);
		put_context(d, 14, 20, 20, TUCMD_IPV4 | TUCMD_TCP, 1448, 100);
		driver_tx_put(d, DRIVER_DATA, TXD_DATA | TXD_TSE | (tag ? TXD_VLE : 0) | 30000, TXD_TXSM | TXD_IXSM);
		driver_tx_put(d, DRIVER_DATA + 30000, TXD_DATA | TXD_EOP | TXD_RS | 30000, 0);
		driver_tx_go(d);
		assert_int_equal(driver_wire_take(d, &header, got, sizeof(got), 1000), 60000 + 4 * tag);
		assert_int_equal(header.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
		assert_int_equal(header.gso_size, 1448);
		assert_int_equal(header.hdr_len, 54 + 4 * tag);
		assert_int_equal(header.csum_start, TCP_AT + 4 * tag);
		struct iovec iov = {got, sizeof(got)};
		assert_true(td_igbvf_frame_complete(&iov, 1, 60000 + 4 * tag, header.csum_start, header.csum_offset));
		assert_memory_equal(got + 14 + 4 * tag, right + 14, 60000 - 14);
		assert_true(driver_tx_last_done(d));
		/* 59,946 bytes of payload in 42 segments. */
		assert_int_equal(driver_read_when(d, TD_VF_GPTC, 42 * (1 + tag)), 42 * (1 + tag));
	}
}

/* TCP behind an outer IP header that is not its own: cut up here. */
static void test_segmentation_tunnel(void **state)
{
	struct driver *d = driver_get(state);
	uint8_t *frame = driver_ram(d, DRIVER_DATA), got[2000];
	struct virtio_net_hdr_v1 header;
	const unsigned outer = 36, headers = 14 + 36 + 20 + 20; /* outer IP, UDP, 8 of VXLAN; inner IP; TCP */
	uint32_t len = headers + 2500;
	size_t payload = 0;

	driver_up(d);
	memset(frame, 0, len);
	driver_fill(frame, len, 1);
	put16(frame + 12, ETH_P_IP);
	memset(frame + 14, 0, headers - 14);
	frame[14] = 0x45;
	put16(frame + 18, 0xffff); /* its number wraps */
	frame[23] = IPPROTO_UDP;
	frame[14 + outer] = 0x45;
	frame[14 + outer + 9] = IPPROTO_TCP;
	frame[headers - 20 + 12] = 0x50;
	frame[headers - 20 + 13] = 0x19;
	/* What takes all behind the outer header out of the sum over it again. */
	put16(frame + 24, (uint16_t)~sum_of(frame + 34, outer + 20 - 20, 0));
	put_context(d, 14, outer + 20, 20, TUCMD_IPV4 | TUCMD_TCP, 1000, 0);
	driver_tx_put(d, DRIVER_DATA, TXD_DATA | TXD_EOP | TXD_RS | TXD_TSE | len, TXD_TXSM | TXD_IXSM);
	driver_tx_go(d);
	for (unsigned i = 0; i < 3; i++) {
		ssize_t bytes = driver_wire_take(d, &header, got, sizeof(got), 1000);
		uint32_t sequence = 0;

		assert_int_equal(bytes, headers + (i < 2 ? 1000 : 500));
		assert_int_equal(header.gso_type, 0);
		assert_int_equal(header.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
		assert_int_equal(get16(got + 16), bytes - 14);
		assert_int_equal(get16(got + 18), (uint16_t)(0xffff + i));
		assert_int_equal(sum_of(got + 14, 20, 0), 0xffff);
		memcpy(&sequence, got + headers - 16, 4);
		assert_int_equal(ntohl(sequence), i * 1000);
		assert_int_equal(got[headers - 20 + 13], i < 2 ? 0x10 : 0x19);
		assert_memory_equal(got + headers, frame + headers + payload, (size_t)bytes - headers);
		payload += (size_t)bytes - headers;
	}
	assert_true(driver_tx_last_done(d));
	assert_int_equal(driver_read_when(d, TD_VF_GPTC, 3), 3);
}

/* What no tap or wire can carry is dropped and reported done; the queue goes on. */
/* Segments of a byte or so: a packet of more than any TCP asks for is dropped, for its sake everything else would wait. */
static void test_tiny_segments(void **state)
{
	static const unsigned mss[] = {1, 7, 36};
	struct driver *d = driver_get(state);
	struct virtio_net_hdr_v1 header;
	static uint8_t got[16000];
	const uint32_t len = 14 + 20 + 20 + 15000;

	driver_up(d);
	make_packet(driver_ram(d, DRIVER_DATA), len, IPPROTO_TCP, 1);
	for (unsigned i = 0; i < TD_COUNT(mss); i++) {
		put_context(d, 14, 20, 20, TUCMD_IPV4 | TUCMD_TCP, mss[i], 0);
		driver_tx_put(d, DRIVER_DATA, TXD_DATA | TXD_EOP | TXD_RS | TXD_TSE | len, TXD_TXSM | TXD_IXSM);
		driver_tx_go(d);
		assert_true(driver_tx_last_done(d));
	}
	assert_int_equal(driver_wire_take(d, &header, got, sizeof(got), 1000), len);
	assert_int_equal(header.gso_size, 36);
	assert_int_equal(driver_wire_take(d, &header, got, sizeof(got), 50), -1);
	assert_int_equal(d->dev->tx.dropped, 2);
}

static void test_nonsense_is_dropped(void **state)
{
	struct driver *d = driver_get(state);
	static const struct {
		unsigned mac, ip, l4, mss;
		uint32_t tucmd, cmd, olinfo;
	} nonsense[] = {
		{14, 20, 20, 0, TUCMD_IPV4 | TUCMD_TCP, TXD_TSE, TXD_TXSM},	 /* no MSS */
		{14, 20, 8, 100, TUCMD_IPV4, TXD_TSE, TXD_TXSM},		 /* UDP in segments */
		{14, 20, 4, 100, TUCMD_IPV4 | TUCMD_TCP, TXD_TSE, TXD_TXSM},	 /* half a TCP header */
		{127, 511, 255, 100, TUCMD_IPV4 | TUCMD_TCP, TXD_TSE, TXD_TXSM}, /* headers behind the end */
		{14, 4, 20, 100, TUCMD_IPV4 | TUCMD_TCP, TXD_TSE, TXD_TXSM},
		{14, 20, 20, 100, TUCMD_TCP, TXD_TSE, TXD_TXSM}, /* an IPv6 header of 20 bytes */
		{0, 20, 20, 100, TUCMD_IPV4 | TUCMD_TCP, TXD_TSE, TXD_TXSM},
		{127, 511, 0, 0, TUCMD_TCP, 0, TXD_TXSM},
		{14, 180, 0, 0, TUCMD_IPV4 | TUCMD_TCP, 0, TXD_TXSM},
		{14, 20, 0, 0, 0x1800, 0, TXD_TXSM}, /* a reserved protocol */
		{14, 511, 0, 0, TUCMD_IPV4, 0, TXD_IXSM},
		{127, 511, 0, 0, TUCMD_SCTP, 0, TXD_TXSM},
	};
	struct virtio_net_hdr_v1 header;
	uint8_t got[300];

	driver_up(d);
	driver_fill(driver_ram(d, DRIVER_DATA), 200, 1);
	for (unsigned i = 0; i < TD_COUNT(nonsense); i++) {
		uint32_t at;

		put_context(d, nonsense[i].mac, nonsense[i].ip, nonsense[i].l4, nonsense[i].tucmd, nonsense[i].mss, 0);
		at = d->tx_next;
		driver_tx_put(d, DRIVER_DATA, TXD_DATA | TXD_EOP | TXD_RS | nonsense[i].cmd | 200, nonsense[i].olinfo);
		driver_tx_go(d);
		assert_true(driver_tx_done(d, at));
	}
	driver_tx_put(d, DRIVER_DATA, TXD_DATA | TXD_EOP | TXD_RS, 0); /* nothing in it */
	driver_tx_put(d, DRIVER_DATA, TXD_DATA | TXD_EOP | TXD_RS | 13, 0);
	driver_tx_frame(d, 0, 200);
	driver_tx_go(d);
	assert_int_equal(driver_wire_take(d, &header, got, sizeof(got), 1000), 200);
	assert_true(driver_tx_last_done(d));
	assert_int_equal(d->dev->tx.dropped, TD_COUNT(nonsense) + 2);
	assert_int_equal(d->dev->tx.queue[0].ring.breaks, 0);
}

/* Not before its last descriptor is there; many in one go. */
static void test_descriptors(void **state)
{
	struct driver *d = driver_get(state);
	uint8_t *frame = driver_ram(d, DRIVER_DATA), got[2000];
	struct virtio_net_hdr_v1 header;

	driver_up(d);
	driver_fill(frame, 300, 1);
	put_context(d, 14, 0, 0, 0, 0, 5);
	driver_tx_put(d, DRIVER_DATA, TXD_DATA | TXD_VLE | 100, 0);
	driver_tx_go(d);
	assert_int_equal(driver_wire_take(d, &header, got, sizeof(got), 30), -1);
	assert_int_equal(driver_read(d, TD_VF_TDH), 0); /* not inside the packet */
	driver_tx_put(d, DRIVER_DATA + 100, TXD_DATA | TXD_EOP | TXD_RS | 200, 0);
	driver_tx_go(d);
	assert_int_equal(driver_wire_take(d, &header, got, sizeof(got), 1000), 304);
	assert_true(driver_tx_done(d, 2));
	assert_true(driver_reads(d, TD_VF_TDH, 3));
	assert_false(d->dev->tx.queue[0].context_kept);
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < 50; i++)
			driver_tx_frame(d, 0, 60 + i);
		driver_tx_go(d);
		for (unsigned i = 0; i < 50; i++)
			assert_int_equal(driver_wire_take(d, &header, got, sizeof(got), 1000), 60 + i);
	}
	/* A driver that relies on the last context: served, and known for one that can't be flipped. */
	driver_tx_put(d, DRIVER_DATA, TXD_DATA | TXD_EOP | TXD_RS | TXD_VLE | 200, 0);
	driver_tx_go(d);
	assert_int_equal(driver_wire_take(d, &header, got, sizeof(got), 1000), 204);
	assert_true(driver_tx_last_done(d));
	assert_int_equal(get16(got + 14), 5);
	assert_true(d->dev->tx.queue[0].context_kept);
	assert_int_equal(td_igbvf_check(d->dev, NULL), -EOPNOTSUPP);
}

/* Nothing is read or written before the guest lets the device do so, nor after it has taken that back. */
static void test_bus_master(void **state)
{
	struct driver *d = driver_get(state);
	uint8_t frame[60];

	driver_up(d);
	driver_bus_master(d, false);
	driver_fill(frame, sizeof(frame), 9);
	driver_wire_send(d, NULL, frame, sizeof(frame));
	driver_tx_frame(d, 0, 60);
	driver_tx_go(d);
	usleep(30000);
	assert_false((uint32_t)d->rx[1] & RXD_DD);
	assert_false(d->tx[1] >> 32 & 1);
	assert_int_equal(driver_read(d, TD_VF_TDH), 0);
	driver_bus_master(d, true);
	assert_true(driver_rx_wait(d) & RXD_DD);
	assert_true(driver_tx_done(d, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_filters),
		TEST(test_vlan_in),
		TEST(test_checksums_in),
		TEST(test_long_frames),
		TEST(test_header_split),
		TEST(test_short_ring),
		TEST(test_checksums_out),
		TEST(test_vlan_out),
		TEST(test_segmentation),
		TEST(test_segmentation_tunnel),
		TEST(test_tiny_segments),
		TEST(test_nonsense_is_dropped),
		TEST(test_descriptors),
		TEST(test_bus_master),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
