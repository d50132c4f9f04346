/* SPDX-License-Identifier: Apache-2.0 */
/* What a NIC tells of itself (nic/hybrid_info.c): also when a name in it is no UTF-8. */
#include "failover_world.h"

/* An entry that is NULL would fall out of the answer to `nic list` (machine/machine_control.c). */
static void test_names_of_any_bytes(void **state)
{
	char pf_name[sizeof(fake.nic->lease.vf.pf_name)];
	json_t *list = json_array(), *vf;

	(void)state;
	set_up_on(TD_PATH_VF);
	memcpy(pf_name, fake.nic->lease.vf.pf_name, sizeof(pf_name));
	fake.nic->lease.vf.pf_name[0] = '\xff';
	snprintf(fake.nic->reason_text, sizeof(fake.nic->reason_text),
		"pf \xff"
		"f0: no carrier");
	assert_int_equal(json_array_append_new(list, td_hybrid_info(fake.nic)), 0);
	vf = json_object_get(json_array_get(list, 0), "vf");
	assert_string_equal(json_string_value(json_object_get(vf, "pf")), "\xef\xbf\xbd"
									  "f0");
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "reason_text")), "pf \xef\xbf\xbd"
													"f0: no carrier");
	json_decref(list);
	memcpy(fake.nic->lease.vf.pf_name, pf_name, sizeof(pf_name));
	fake.nic->reason_text[0] = '\0';
	check_recovery();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_names_of_any_bytes)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
