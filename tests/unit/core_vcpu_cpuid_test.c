/* SPDX-License-Identifier: Apache-2.0 */
/* core_vcpu_cpuid_test.c - the topology that each vCPU is told, from a made-up host. */
#include <linux/kvm.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/vcpu_parts.h"

static struct kvm_cpuid2 *host(void)
{
	static const struct kvm_cpuid_entry2 entries[] = {
		{.function = 0, .eax = 0x20},
		{.function = 1, .ebx = 0x17400800, .ecx = 1U << 27, .edx = 1U << 28},
		{.function = 4, .index = 0, .eax = 0x1c004121}, /* L1 data */
		{.function = 4, .index = 3, .eax = 0xfc1fc163}, /* L3 */
		{.function = 4, .index = 4, .eax = 0},
		{.function = 0xb, .index = 0, .eax = 1, .ebx = 2, .ecx = 0x100, .edx = 0x17},
		{.function = 0x1f, .index = 0, .eax = 1, .ebx = 2, .ecx = 0x100, .edx = 0x17},
		{.function = 0x80000001, .ecx = 0x3},
		{.function = 0x80000008, .eax = 0x3030, .ecx = 0x70ff},
		{.function = 0x8000001d, .index = 3, .eax = 0x1c163},
		{.function = 0x8000001e, .eax = 0x17, .ebx = 0x10b, .ecx = 0x301},
	};
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + TD_VCPU_CPUID_ENTRIES * sizeof(cpuid->entries[0]));

	cpuid->nent = TD_COUNT(entries);
	memcpy(cpuid->entries, entries, sizeof(entries));
	return cpuid;
}

static const struct kvm_cpuid_entry2 *find(const struct kvm_cpuid2 *cpuid, uint32_t function, uint32_t index)
{
	const struct kvm_cpuid_entry2 *found = NULL;

	for (unsigned i = 0; i < cpuid->nent; i++) {
		if (cpuid->entries[i].function != function || cpuid->entries[i].index != index)
			continue;
		assert_null(found); /* once only */
		found = &cpuid->entries[i];
	}
	assert_non_null(found);
	return found;
}

static void each_cpu_has_its_ids(void **state)
{
	struct kvm_cpuid2 *cpuid = host();

	(void)state;
	for (unsigned index = 0; index < 5; index++) {
		td_vcpu_cpuid_set_cpu(cpuid, index, 5, true);
		assert_int_equal(find(cpuid, 1, 0)->ebx, index << 24 | 8U << 16 | 0x0800);
		assert_int_equal(find(cpuid, 0xb, 0)->edx, index);
		assert_int_equal(find(cpuid, 0xb, 1)->edx, index);
		assert_int_equal(find(cpuid, 0x8000001e, 0)->eax, index);
		assert_int_equal(find(cpuid, 0x8000001e, 0)->ebx, index);
		assert_int_equal(find(cpuid, 0x8000001e, 0)->ecx, 0);
	}
	free(cpuid);
}

static void levels_count_threads_then_cores(void **state)
{
	struct kvm_cpuid2 *cpuid = host();

	(void)state;
	td_vcpu_cpuid_set_cpu(cpuid, 2, 5, true);
	assert_int_equal(find(cpuid, 0xb, 0)->eax, 0);
	assert_int_equal(find(cpuid, 0xb, 0)->ebx, 1);
	assert_int_equal(find(cpuid, 0xb, 0)->ecx, 0x100);
	assert_int_equal(find(cpuid, 0xb, 1)->eax, 3);
	assert_int_equal(find(cpuid, 0xb, 1)->ebx, 5);
	assert_int_equal(find(cpuid, 0xb, 1)->ecx, 0x201);
	assert_int_equal(find(cpuid, 0xb, 2)->ecx, 2);
	assert_int_equal(find(cpuid, 0xb, 2)->ebx, 0);
	assert_int_equal(find(cpuid, 0x1f, 0)->ebx, 0);
	assert_int_equal(find(cpuid, 0x80000008, 0)->ecx, 0x3004);
	assert_int_equal(find(cpuid, 0x80000008, 0)->eax, 0x3030);
	free(cpuid);
}

static void caches_are_shared_from_level_three(void **state)
{
	struct kvm_cpuid2 *cpuid = host();

	(void)state;
	td_vcpu_cpuid_set_cpu(cpuid, 0, 4, true);
	assert_int_equal(find(cpuid, 4, 0)->eax, 3U << 26 | 0x0121);
	assert_int_equal(find(cpuid, 4, 3)->eax, 3U << 26 | 3U << 14 | 0x0163);
	assert_int_equal(find(cpuid, 4, 4)->eax, 0);
	assert_int_equal(find(cpuid, 0x8000001d, 3)->eax, 3U << 14 | 0x0163);
	free(cpuid);
}

static void features_of_a_guest_are_set(void **state)
{
	struct kvm_cpuid2 *cpuid = host();

	(void)state;
	td_vcpu_cpuid_set_cpu(cpuid, 0, 1, true);
	assert_int_equal(find(cpuid, 1, 0)->ecx, 1U << 31 | 1U << 24 | 1U << 21);
	assert_int_equal(find(cpuid, 1, 0)->edx, 0); /* no HTT with one CPU */
	assert_int_equal(find(cpuid, 0x80000001, 0)->ecx, 1);
	td_vcpu_cpuid_set_cpu(cpuid, 0, 2, false);
	assert_int_equal(find(cpuid, 1, 0)->ecx, 1U << 31 | 1U << 21);
	assert_int_equal(find(cpuid, 1, 0)->edx, 1U << 28);
	free(cpuid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_cpu_has_its_ids),
		cmocka_unit_test(levels_count_threads_then_cores),
		cmocka_unit_test(caches_are_shared_from_level_three),
		cmocka_unit_test(features_of_a_guest_are_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
