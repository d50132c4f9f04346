/* SPDX-License-Identifier: Apache-2.0 */
/* emul_rtc_test.c - the clock's time in its formats, setting it, and what is no clock register. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "emul/rtc.h"

static struct td_vm *vm;

static int set_up(void **state)
{
	struct td_err err = {0};

	(void)state;
	vm = calloc(1, sizeof(*vm));
	vm->devices_tail = &vm->devices;
	return td_rtc_create(vm, "rtc0", &err);
}

static int tear_down(void **state)
{
	(void)state;
	vm->devices->ops->destroy(vm->devices);
	td_bus_fini(&vm->pio);
	free(vm);
	return 0;
}

static uint64_t io(unsigned port, unsigned width, bool write, uint64_t value)
{
	struct td_access access = {.offset = port, .width = (uint8_t)width, .write = write, .value = value};

	assert_int_equal(td_bus_dispatch(&vm->pio, &access), TD_DONE);
	return access.value;
}

static uint8_t get(uint8_t reg)
{
	io(0x70, 1, true, reg);
	return (uint8_t)io(0x71, 1, false, 0);
}

static void set(uint8_t reg, uint8_t value)
{
	io(0x70, 1, true, reg);
	io(0x71, 1, true, value);
}

static int from_bcd(uint8_t value)
{
	assert_true((value & 15) < 10 && value >> 4 < 10);
	return (value >> 4) * 10 + (value & 15);
}

/* As Linux reads it: outside of an update, BCD, 24 hours. */
static time_t read_clock(void)
{
	struct tm tm = {0};
	int second;

	do {
		while (get(10) & 0x80)
			;
		second = from_bcd(get(0));
		tm.tm_sec = second;
		tm.tm_min = from_bcd(get(2));
		tm.tm_hour = from_bcd(get(4));
		tm.tm_mday = from_bcd(get(7));
		tm.tm_mon = from_bcd(get(8)) - 1;
		tm.tm_year = from_bcd(get(0x32)) * 100 + from_bcd(get(9)) - 1900;
	} while (second != from_bcd(get(0)));
	return timegm(&tm);
}

static void tells_the_hosts_time_in_utc(void **state)
{
	time_t now = time(NULL), told = read_clock();
	struct tm tm;

	(void)state;
	assert_in_range(told, now, now + 1);
	gmtime_r(&told, &tm);
	assert_int_equal(get(6), tm.tm_wday + 1);
	assert_int_equal(get(11), 2);
	assert_int_equal(get(13), 0x80);
	assert_int_equal(get(12), 0);
}

static void binary_and_twelve_hours_too(void **state)
{
	time_t now = time(NULL);
	struct tm tm;
	uint8_t hour;

	(void)state;
	set(11, 0x04); /* binary, 12 hours */
	gmtime_r(&now, &tm);
	hour = get(4);
	assert_int_equal((hour & 0x7f) % 12 + (hour & 0x80 ? 12 : 0), tm.tm_hour);
	assert_int_equal(get(9), tm.tm_year % 100);
	assert_true((hour & 0x7f) >= 1 && (hour & 0x7f) <= 12);
}

/* hwclock --systohc: SET, all registers in any order, SET off. */
static void keeps_a_time_that_was_set(void **state)
{
	struct tm tm = {.tm_sec = 30, .tm_min = 15, .tm_hour = 23, .tm_mday = 31, .tm_mon = 11, .tm_year = 99};

	(void)state;
	set(11, 0x82);
	set(7, 0x31);
	set(8, 0x12);
	set(9, 0x99);
	set(0x32, 0x19);
	set(4, 0x23);
	set(2, 0x15);
	set(0, 0x30);
	assert_int_equal(get(10) & 0x80, 0);
	assert_int_equal(get(0), 0x30);
	set(11, 0x02);
	assert_in_range(read_clock(), timegm(&tm), timegm(&tm) + 1);
	vm->devices->ops->reset(vm->devices); /* the battery keeps it */
	assert_in_range(read_clock(), timegm(&tm), timegm(&tm) + 1);
}

static void one_register_can_be_set_alone(void **state)
{
	time_t before = read_clock();
	struct tm tm;

	(void)state;
	gmtime_r(&before, &tm);
	set(9, 0x50);
	tm.tm_year = 150;
	assert_in_range(read_clock(), timegm(&tm), timegm(&tm) + 2);
}

static void nonsense_is_survived(void **state)
{
	(void)state;
	for (unsigned b = 0; b < 256; b++) {
		set(11, (uint8_t)b);
		for (unsigned reg = 0; reg < 256; reg++) {
			set((uint8_t)reg, (uint8_t)(reg * 7 + b));
			get((uint8_t)reg);
		}
	}
	for (unsigned width = 1; width <= 2; width++)
		io(0x70, width, true, UINT64_MAX);
	vm->devices->ops->reset(vm->devices);
	assert_int_equal(get(11), 2);
	assert_int_equal(get(10) & 0x7f, 0x26);
}

static void other_registers_are_memory(void **state)
{
	(void)state;
	set(0x10, 0xab);
	set(0x7f, 0xcd);
	set(0x80 | 0x11, 0xef); /* bit 7 masks NMI */
	assert_int_equal(get(0x10), 0xab);
	assert_int_equal(get(0x7f), 0xcd);
	assert_int_equal(get(0x11), 0xef);
	assert_int_equal(io(0x70, 1, false, 0), 0xff);
	assert_int_equal(io(0x70, 2, false, 0), 0xefff);
	io(0x70, 2, true, 0x5512);
	assert_int_equal(get(0x12), 0x55);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tells_the_hosts_time_in_utc),
		TEST(binary_and_twelve_hours_too),
		TEST(keeps_a_time_that_was_set),
		TEST(one_register_can_be_set_alone),
		TEST(nonsense_is_survived),
		TEST(other_registers_are_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
