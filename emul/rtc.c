/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtc.c - the clock's registers (Motorola MC146818A data sheet). The time is the host's plus `offset_s`; while the guest holds the clock to
 * set it (register B, SET), and only then, the time registers live in `nvram`.
 */
#include "emul/rtc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NVRAM_BYTES 128U

enum {
	REG_SECONDS = 0,
	REG_MINUTES = 2,
	REG_HOURS = 4,
	REG_WEEKDAY = 6,
	REG_DAY = 7,
	REG_MONTH = 8,
	REG_YEAR = 9,
	REG_A = 10,
	REG_B = 11,
	REG_C = 12,
	REG_D = 13,
	REG_CENTURY = 0x32,
};

#define A_UIP	  0x80U
#define A_DEFAULT 0x26U /* 32768 Hz divider, 1024 Hz rate */
#define B_24H	  0x02U
#define B_BINARY  0x04U
#define B_SET	  0x80U
#define D_VALID	  0x80U
#define HOUR_PM	  0x80U

/* UIP rises 244 µs before the update. The update itself takes no time here: a reader that saw UIP low has 244 µs, as promised. */
#define SECOND_NS     1000000000L
#define UIP_BEFORE_NS 244000L

struct rtc {
	struct td_device device; /* first */
	struct td_vm *vm;
	struct td_io_region region;
	uint8_t index;
	int64_t offset_s; /* guest's clock less the host's */
	uint8_t nvram[NVRAM_BYTES];
};

static bool is_time(unsigned reg)
{
	return reg == REG_SECONDS || reg == REG_MINUTES || reg == REG_HOURS || (reg >= REG_WEEKDAY && reg <= REG_YEAR) ||
	       reg == REG_CENTURY;
}

static uint8_t encode(const struct rtc *rtc, int value)
{
	return (uint8_t)((rtc->nvram[REG_B] & B_BINARY) ? value : value / 10 * 16 + value % 10);
}

static int decode(const struct rtc *rtc, unsigned reg)
{
	int value = rtc->nvram[reg];

	return (rtc->nvram[REG_B] & B_BINARY) ? value : (value >> 4) * 10 + (value & 15);
}

static uint8_t encode_hour(const struct rtc *rtc, int hour)
{
	int hour12 = hour % 12 ? hour % 12 : 12;

	if (rtc->nvram[REG_B] & B_24H)
		return encode(rtc, hour);
	return (uint8_t)(encode(rtc, hour12) | (hour >= 12 ? HOUR_PM : 0));
}

static int decode_hour(struct rtc *rtc)
{
	bool pm = rtc->nvram[REG_HOURS] & HOUR_PM;
	int hour;

	if (rtc->nvram[REG_B] & B_24H)
		return decode(rtc, REG_HOURS);
	rtc->nvram[REG_HOURS] &= (uint8_t)~HOUR_PM;
	hour = decode(rtc, REG_HOURS) % 12 + (pm ? 12 : 0);
	rtc->nvram[REG_HOURS] |= pm ? HOUR_PM : 0;
	return hour;
}

/* The clock's time into the time registers. */
static void latch(struct rtc *rtc)
{
	time_t now = (time_t)((int64_t)time(NULL) + rtc->offset_s);
	struct tm tm;

	if (!gmtime_r(&now, &tm))
		return;
	rtc->nvram[REG_SECONDS] = encode(rtc, tm.tm_sec);
	rtc->nvram[REG_MINUTES] = encode(rtc, tm.tm_min);
	rtc->nvram[REG_HOURS] = encode_hour(rtc, tm.tm_hour);
	rtc->nvram[REG_WEEKDAY] = encode(rtc, tm.tm_wday + 1);
	rtc->nvram[REG_DAY] = encode(rtc, tm.tm_mday);
	rtc->nvram[REG_MONTH] = encode(rtc, tm.tm_mon + 1);
	rtc->nvram[REG_YEAR] = encode(rtc, tm.tm_year % 100);
	rtc->nvram[REG_CENTURY] = encode(rtc, (tm.tm_year + 1900) / 100 % 100);
}

/* The other way: what the guest has set becomes the offset. Nonsense (day 45) carries over, as timegm() does. */
static void unlatch(struct rtc *rtc)
{
	struct tm tm = {
		.tm_sec = decode(rtc, REG_SECONDS),
		.tm_min = decode(rtc, REG_MINUTES),
		.tm_hour = decode_hour(rtc),
		.tm_mday = decode(rtc, REG_DAY),
		.tm_mon = decode(rtc, REG_MONTH) - 1,
		.tm_year = decode(rtc, REG_CENTURY) * 100 + decode(rtc, REG_YEAR) - 1900,
	};

	rtc->offset_s = (int64_t)timegm(&tm) - (int64_t)time(NULL);
}

static bool update_in_progress(const struct rtc *rtc)
{
	struct timespec now;

	if (rtc->nvram[REG_B] & B_SET)
		return false;
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_nsec >= SECOND_NS - UIP_BEFORE_NS;
}

static uint8_t rtc_read_register(struct rtc *rtc, unsigned reg)
{
	if (is_time(reg) && !(rtc->nvram[REG_B] & B_SET))
		latch(rtc);
	switch (reg) {
	case REG_A:
		return (uint8_t)(rtc->nvram[REG_A] | (update_in_progress(rtc) ? A_UIP : 0));
	case REG_C:
		return 0;
	case REG_D:
		return D_VALID;
	default:
		return rtc->nvram[reg];
	}
}

static void write_b(struct rtc *rtc, uint8_t value)
{
	bool was_set = rtc->nvram[REG_B] & B_SET;

	if (!was_set && (value & B_SET))
		latch(rtc);
	/* Register B's format counts as it was while the guest wrote the time. */
	if (was_set && !(value & B_SET))
		unlatch(rtc);
	rtc->nvram[REG_B] = value;
}

static void rtc_write_register(struct rtc *rtc, unsigned reg, uint8_t value)
{
	bool live = is_time(reg) && !(rtc->nvram[REG_B] & B_SET);

	switch (reg) {
	case REG_A:
		rtc->nvram[REG_A] = value & (uint8_t)~A_UIP;
		return;
	case REG_B:
		write_b(rtc, value);
		return;
	case REG_C:
	case REG_D:
		return;
	default:
		break;
	}
	if (live)
		latch(rtc);
	rtc->nvram[reg] = value;
	if (live)
		unlatch(rtc);
}

/* Port 0x70 takes the index (bit 7 is the NMI mask), 0x71 the data. */
static enum td_result rtc_access(struct td_io_region *region, struct td_access *access)
{
	struct rtc *rtc = TD_CONTAINER_OF(region, struct rtc, region);

	for (unsigned i = 0; i < access->width; i++) {
		uint8_t byte = (uint8_t)(access->value >> (8 * i));
		bool is_data = (access->offset + i) & 1;

		if (!access->write) {
			byte = is_data ? rtc_read_register(rtc, rtc->index) : 0xff;
			access->value = i == 0 ? byte : access->value | (uint64_t)byte << (8 * i);
		} else if (is_data) {
			rtc_write_register(rtc, rtc->index, byte);
		} else {
			rtc->index = byte % NVRAM_BYTES;
		}
	}
	return TD_DONE;
}

/* The chip has a battery: a reset leaves time and memory alone, and the guest holds the clock no longer. */
static void rtc_reset(struct td_device *device)
{
	struct rtc *rtc = TD_CONTAINER_OF(device, struct rtc, device);

	rtc->index = 0;
	if (rtc->nvram[REG_B] & B_SET)
		unlatch(rtc);
	rtc->nvram[REG_A] = A_DEFAULT;
	rtc->nvram[REG_B] = B_24H;
}

static int rtc_quiesce(struct td_device *device)
{
	(void)device;
	return 0;
}

static void rtc_resume(struct td_device *device)
{
	(void)device;
}

static void rtc_destroy(struct td_device *device)
{
	struct rtc *rtc = TD_CONTAINER_OF(device, struct rtc, device);

	td_bus_remove(&rtc->vm->pio, &rtc->region);
	free(rtc);
}

static const struct td_device_ops device_ops = {
	.reset = rtc_reset,
	.quiesce = rtc_quiesce,
	.resume = rtc_resume,
	.destroy = rtc_destroy,
};

int td_rtc_create(struct td_vm *vm, const char *name, struct td_err *err)
{
	td_auto_free struct rtc *rtc = calloc(1, sizeof(*rtc));
	int rc;

	if (!rtc)
		return td_err_set(err, ENOMEM, TD_REASON_NO_MEMORY, "rtc %s: no memory", name);
	rtc->vm = vm;
	rtc->device.ops = &device_ops;
	snprintf(rtc->device.name, sizeof(rtc->device.name), "%s", name);
	rtc->region = (struct td_io_region){.name = "rtc", .base = TD_RTC_PORT, .len = 2, .access = rtc_access};
	rtc->nvram[REG_A] = A_DEFAULT;
	rtc->nvram[REG_B] = B_24H;
	rc = td_bus_add(&vm->pio, &rtc->region);
	if (rc < 0)
		return td_err_sys(err, -rc, TD_REASON_SYSTEM, "rtc %s: port %#x", name, TD_RTC_PORT);
	td_vm_add_device(vm, &rtc->device);
	(void)td_take_ptr(rtc);
	return 0;
}
