/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of config/vm_schema.c and config/vm_check.c: what a VM's file and flags give, and the exact words for what is wrong with them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/vm_schema.h"

#define KERNEL "payload: {kernel: k}\n"

struct bad_input {
	const char *text;
	enum td_reason reason;
	const char *message;
};

static void check_bad_yaml(const struct bad_input *bad)
{
	struct td_vm_file_config config;
	struct td_err err = {0};
	assert_int_not_equal(td_vm_config_from_yaml(&config, "f", bad->text, strlen(bad->text), &err), 0);
	assert_string_equal(err.text, bad->message);
	assert_int_equal(err.reason, bad->reason);
}

static void wrong_values_name_place_key_and_what_is_allowed(void **state)
{
	static const struct bad_input inputs[] = {
		{KERNEL "memory: {size: 12Q}\n", TD_REASON_CONFIG_VALUE,
			"f:2:16: memory.size: '12Q' is not a size: a number with K, M, G or T, from 1M to 4T"},
		{KERNEL "memory:\n  size: 4K\n", TD_REASON_CONFIG_VALUE,
			"f:3:9: memory.size: '4K' is out of range: a number with K, M, G or T, from 1M to 4T"},
		{KERNEL "memory: {size: 99999999999999999999}\n", TD_REASON_CONFIG_VALUE,
			"f:2:16: memory.size: '99999999999999999999' is not a size: a number with K, M, G or T, from 1M to 4T"},
		{KERNEL "memory: {size: 18446744073709551615T}\n", TD_REASON_CONFIG_VALUE,
			"f:2:16: memory.size: '18446744073709551615T' is not a size: a number with K, M, G or T, from 1M to 4T"},
		{KERNEL "memory: {size: -1}\n", TD_REASON_CONFIG_VALUE,
			"f:2:16: memory.size: '-1' is not a size: a number with K, M, G or T, from 1M to 4T"},
		{KERNEL "memory: {thp: maybe}\n", TD_REASON_CONFIG_VALUE,
			"f:2:15: memory.thp: 'maybe' is not a switch: on, off, true, false, yes or no"},
		{KERNEL "cpus: {boot: 0}\n", TD_REASON_CONFIG_VALUE,
			"f:2:14: cpus.boot: '0' is out of range: a whole number from 1 to 254"},
		{KERNEL "cpus: {boot: two}\n", TD_REASON_CONFIG_VALUE,
			"f:2:14: cpus.boot: 'two' is not a number: a whole number from 1 to 254"},
		{KERNEL "cpus: {boot: 0x}\n", TD_REASON_CONFIG_VALUE,
			"f:2:14: cpus.boot: '0x' is not a number: a whole number from 1 to 254"},
		{KERNEL "cpus: {boot: }\n", TD_REASON_CONFIG_VALUE, "f:2:14: cpus.boot: no value: a whole number from 1 to 254"},
		{KERNEL "serial: {mode: usb}\n", TD_REASON_CONFIG_VALUE,
			"f:2:16: serial.mode: 'usb' is not known here: tty, pty, file or off"},
		{KERNEL "debug_exit: 0x10000\n", TD_REASON_CONFIG_VALUE,
			"f:2:13: debug_exit: '0x10000' is out of range: a whole number from 0 to 65535"},
		{KERNEL "name: ../../etc\n", TD_REASON_CONFIG_VALUE,
			"f:2:7: name: '../../etc' is not a name: 1 to 63 of A-Z a-z 0-9 . _ -, not starting with . or -"},
		{KERNEL "net:\n- mac: 01:00:5e:00:00:01\n", TD_REASON_CONFIG_VALUE,
			"f:3:8: net[0].mac: '01:00:5e:00:00:01' is not a MAC address of a NIC: six bytes in hex as in 52:54:00:12:34:56, "
			"unicast and not all zero"},
		{KERNEL "net:\n- mac: 00:00:00:00:00:00\n", TD_REASON_CONFIG_VALUE,
			"f:3:8: net[0].mac: '00:00:00:00:00:00' is not a MAC address of a NIC: six bytes in hex as in 52:54:00:12:34:56, "
			"unicast and not all zero"},
		{KERNEL "net:\n- vf: 0000:02:20.0\n", TD_REASON_CONFIG_VALUE,
			"f:3:7: net[0].vf: '0000:02:20.0' is not a PCI address: a PCI address as in 0000:3b:02.1"},
		{KERNEL "net:\n- {id: a, bridge: a/b}\n", TD_REASON_CONFIG_VALUE,
			"f:3:19: net[0].bridge: 'a/b' is not an interface's name: a network interface: 1 to 15 characters, without white "
			"space, / and :"},
		{KERNEL "net:\n- unplug_timeout: 2 s\n", TD_REASON_CONFIG_VALUE,
			"f:3:19: net[0].unplug_timeout: '2 s' is not a duration: a number with ms, s or m, from 100ms to 600s"},
		{KERNEL "net:\n- unplug_timeout: 11m\n", TD_REASON_CONFIG_VALUE,
			"f:3:19: net[0].unplug_timeout: '11m' is out of range: a number with ms, s or m, from 100ms to 600s"},
		{KERNEL "net: [{}, {}, {}, {}, {}, {}, {}, {}, {}]\n", TD_REASON_CONFIG_VALUE, "f:2:39: net[8]: too many: at most 8"},
		{"payload: {kernel: \"a\\0b\"}\n", TD_REASON_CONFIG_VALUE, "f:1:19: payload.kernel: 'a?b' holds a NUL character: a path"},
		{KERNEL "name: \"a\\e[31mb\"\n", TD_REASON_CONFIG_VALUE,
			"f:2:7: name: 'a?[31mb' is not a name: 1 to 63 of A-Z a-z 0-9 . _ -, not starting with . or -"},
	};
	(void)state;
	for (size_t i = 0; i < TD_COUNT(inputs); i++)
		check_bad_yaml(&inputs[i]);
}

static void wrong_keys_and_shapes(void **state)
{
	static const struct bad_input inputs[] = {
		{"memroy: {size: 1G}\n", TD_REASON_CONFIG_KEY,
			"f:1:1: memroy: unknown key, did you mean 'memory'? Known here: name, cpus, memory, payload, serial, disks, rng, "
			"debug_exit, on_reboot, log_level, net"},
		{"cpus: {sockets: 1}\n", TD_REASON_CONFIG_KEY, "f:1:8: cpus.sockets: unknown key: known here: boot"},
		{"memory: {size: 1G, thp: on, size: 2G}\n", TD_REASON_CONFIG_KEY,
			"f:1:29: memory.size: stands here a second time: give it once"},
		{"name: a\nrng: on\nname: b\n", TD_REASON_CONFIG_KEY, "f:3:1: name: stands here a second time: give it once"},
		{"\"na\\0me\": a\n", TD_REASON_CONFIG_KEY,
			"f:1:1: na?me: unknown key, did you mean 'name'? Known here: name, cpus, memory, payload, serial, disks, rng, "
			"debug_exit, on_reboot, log_level, net"},
		{"? [a, b]\n: c\n", TD_REASON_CONFIG_SYNTAX, "f:1:3: a key is a single word"},
		{"payload: k\n", TD_REASON_CONFIG_VALUE, "f:1:10: payload: a single value stands here: a mapping (key: value)"},
		{"memory: 1Q\n", TD_REASON_CONFIG_VALUE,
			"f:1:9: memory.size: '1Q' is not a size: a number with K, M, G or T, from 1M to 4T"},
		{"cpus:\n", TD_REASON_CONFIG_VALUE, "f:1:6: cpus.boot: no value: a whole number from 1 to 254"},
		{KERNEL "disks: [a, [b]]\n", TD_REASON_CONFIG_VALUE,
			"f:2:12: disks[1]: not a mapping: each item is a mapping (key: value)"},
		{"memory: [1G]\n", TD_REASON_CONFIG_VALUE, "f:1:9: memory: a list stands here: a mapping (key: value)"},
		{"name: {a: b}\n", TD_REASON_CONFIG_VALUE,
			"f:1:7: name: a mapping stands here: 1 to 63 of A-Z a-z 0-9 . _ -, not starting with . or -"},
		{"net: {id: a}\n", TD_REASON_CONFIG_VALUE, "f:1:6: net: a mapping stands here: a list of mappings (- key: value), up to 8"},
		{"net: [a]\n", TD_REASON_CONFIG_VALUE, "f:1:7: net[0]: not a mapping: each item is a mapping (key: value)"},
		{"- name: a\n", TD_REASON_CONFIG_SYNTAX, "f:1:1: the file is a mapping (key: value) at its top"},
		{"just text", TD_REASON_CONFIG_SYNTAX, "f:1:1: the file is a mapping (key: value) at its top"},
	};
	(void)state;
	for (size_t i = 0; i < TD_COUNT(inputs); i++)
		check_bad_yaml(&inputs[i]);
}

static void hostile_yaml(void **state)
{
	static const struct bad_input inputs[] = {
		{"name: &a x\n", TD_REASON_CONFIG_SYNTAX,
			"f:1:7: anchors and aliases are refused: write the value out (or quote a text that starts with & or *)"},
		{"name: *a\n", TD_REASON_CONFIG_SYNTAX,
			"f:1:7: anchors and aliases are refused: write the value out (or quote a text that starts with & or *)"},
		{"memory: &m {size: 1G}\n", TD_REASON_CONFIG_SYNTAX,
			"f:1:9: anchors and aliases are refused: write the value out (or quote a text that starts with & or *)"},
		{"name: !!str x\n", TD_REASON_CONFIG_SYNTAX, "f:1:7: tags are refused: write the plain value"},
		{KERNEL "---\nname: b\n", TD_REASON_CONFIG_SYNTAX, "f:2:1: a second document starts here: a file holds one"},
		{"name: \x80\n", TD_REASON_CONFIG_SYNTAX,
			"f:1:7: not YAML: invalid leading UTF-8 octet: the file is UTF-8 without control characters"},
		{"name: a\nrng: \x01\n", TD_REASON_CONFIG_SYNTAX,
			"f:2:6: not YAML: control characters are not allowed: the file is UTF-8 without control characters"},
		{"name: [a\n", TD_REASON_CONFIG_VALUE,
			"f:1:7: name: a list stands here: 1 to 63 of A-Z a-z 0-9 . _ -, not starting with . or -"},
		{"memory: {size: 1G\n", TD_REASON_CONFIG_SYNTAX,
			"f:2:1: not YAML: while parsing a flow mapping, did not find expected ',' or '}'"},
		{"name: \"abc\n", TD_REASON_CONFIG_SYNTAX,
			"f:2:1: not YAML: while scanning a quoted scalar, found unexpected end of stream"},
		{"name: a\n\tcpus: b\n", TD_REASON_CONFIG_SYNTAX,
			"f:2:1: not YAML: while scanning a plain scalar, found a tab character that violates indentation"},
	};
	(void)state;
	for (size_t i = 0; i < TD_COUNT(inputs); i++)
		check_bad_yaml(&inputs[i]);
}

static void hostile_sizes(void **state)
{
	struct td_vm_file_config config;
	struct td_err err = {0};
	size_t len = 1024 * 1024 + 1;
	char *text = malloc(len);
	(void)state;
	assert_non_null(text);
	memset(text, '#', len);
	assert_int_equal(td_vm_config_from_yaml(&config, "f", text, len, &err), -27); /* EFBIG */
	assert_string_equal(err.text, "f: 1048577 bytes: a file has at most 1048576");

	memset(text, '[', len);
	assert_int_not_equal(td_vm_config_from_yaml(&config, "f", text, len - 1, &err), 0);
	assert_string_equal(err.text, "f:1:1: the file is a mapping (key: value) at its top");

	/* A value as long as a file may be: the message stays short. */
	memset(text, 'a', len);
	memcpy(text, "name: ", 6);
	assert_int_not_equal(td_vm_config_from_yaml(&config, "f", text, len - 1, &err), 0);
	assert_string_equal(err.text,
		"f:1:7: name: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...' is not a name: 1 to 63 of A-Z a-z 0-9 . _ "
		"-, not starting with . or -");

	/* UTF-16 is not what it says it is when read as UTF-8. */
	assert_int_not_equal(td_vm_config_from_yaml(&config, "f",
				     "\xff\xfe"
				     "a\0:\0 \0b\0",
				     10, &err),
		0);
	assert_int_equal(err.reason, TD_REASON_CONFIG_SYNTAX);
	/* No NUL behind the text: ASan sees a read past its end. */
	char *exact = malloc(7);
	assert_non_null(exact);
	memcpy(exact, "name: a", 7);
	assert_int_not_equal(td_vm_config_from_yaml(&config, "f", exact, 7, &err), 0);
	assert_string_equal(err.text, "f: payload.kernel: missing: give the kernel's path (payload: {kernel: PATH}, or --kernel PATH)");
	free(exact);
	free(text);
}

static void what_keys_say_together(void **state)
{
	static const struct bad_input inputs[] = {
		{"", TD_REASON_CONFIG_VALUE,
			"f: payload.kernel: missing: give the kernel's path (payload: {kernel: PATH}, or --kernel PATH)"},
		{KERNEL "memory: {size: 1048577}\n", TD_REASON_CONFIG_VALUE, "f:2:16: memory.size: 1048577 bytes is not a multiple of 4K"},
		{KERNEL "memory: {size: 3M, hugepages: on}\n", TD_REASON_CONFIG_VALUE,
			"f:2:16: memory.size: 3145728 bytes is not a multiple of 2M, as hugepages need"},
		{KERNEL "serial: {mode: file}\n", TD_REASON_CONFIG_VALUE, "f:2:16: serial.file: missing: mode file needs the file's path"},
		{KERNEL "serial: {mode: pty, file: x}\n", TD_REASON_CONFIG_VALUE,
			"f:2:27: serial.file: is given, but the mode is not file: leave one of them out"},
		{KERNEL "disks: [{readonly: on}]\n", TD_REASON_CONFIG_VALUE, "f:2:9: disks[0].path: missing: give the image's path"},
		{KERNEL "disks: [{path: a, readonly: on}, {path: a}]\n", TD_REASON_CONFIG_VALUE,
			"f:2:41: disks[1].path: is disks[0]'s too: give both readonly=on, or leave one out"},
		{KERNEL "net: [{mode: failover}]\n", TD_REASON_CONFIG_VALUE,
			"f:2:14: nic net0: mode failover needs a VF: give pf or vf, or mode emulated"},
		{KERNEL "net: [{mode: vf}]\n", TD_REASON_CONFIG_VALUE,
			"f:2:14: nic net0: mode vf needs a VF: give pf or vf, or mode emulated"},
		{KERNEL "net: [{mode: emulated, pf: pf0}]\n", TD_REASON_CONFIG_VALUE,
			"f:2:28: nic net0: mode emulated uses no VF: leave pf and vf out, or give mode failover"},
		{KERNEL "net: [{pf: pf0, vf: '0000:02:10.0'}]\n", TD_REASON_CONFIG_VALUE,
			"f:2:21: nic net0: pf and vf are both given: give pf (any free VF of it) or vf (exactly that one)"},
		{KERNEL "net: [{mode: vf, pf: pf0, bridge: br0}]\n", TD_REASON_CONFIG_VALUE,
			"f:2:35: nic net0: mode vf has no emulated path: leave bridge and tap out, or give mode failover"},
		{KERNEL "net: [{mode: vf, pf: pf0, path: emulated}]\n", TD_REASON_CONFIG_VALUE,
			"f:2:33: nic net0: path has no effect in mode vf: leave it out, or give mode failover"},
		{KERNEL "net: [{mode: vf, pf: pf0, plug_timeout: 1s}]\n", TD_REASON_CONFIG_VALUE,
			"f:2:41: nic net0: plug_timeout has no effect in mode vf: leave it out, or give mode failover"},
		{KERNEL "net: [{mode: vf, pf: pf0, queues: 1}]\n", TD_REASON_CONFIG_VALUE,
			"f:2:35: nic net0: queues has no effect in mode vf: leave it out, or give mode failover"},
		{KERNEL "net: [{bridge: b, path: vf}]\n", TD_REASON_CONFIG_VALUE,
			"f:2:25: nic net0: path has no effect in mode emulated: leave it out, or give mode failover"},
		{KERNEL "net: [{bridge: b, warm: off}]\n", TD_REASON_CONFIG_VALUE,
			"f:2:25: nic net0: warm has no effect in mode emulated: leave it out, or give mode failover"},
		{KERNEL "net: [{vlan: 3}]\n", TD_REASON_CONFIG_VALUE,
			"f:2:14: nic net0: vlan is for the port of a bridge: give bridge, or put the tap into its VLANs yourself"},
		{KERNEL "net: [{tap: t, vlans: [3]}]\n", TD_REASON_CONFIG_VALUE,
			"f:2:24: nic net0: vlans is for the port of a bridge: give bridge, or put the tap into its VLANs yourself"},
		{KERNEL "net: [{bridge: b, vlan: 25, vlans: [7, 20-29]}]\n", TD_REASON_CONFIG_VALUE,
			"f:2:40: nic net0: vlans: 20-29 holds the NIC's vlan, whose frames have no tag: leave it out of one of them"},
		{KERNEL "net: [{bridge: b, pf: p, vlans: [7]}]\n", TD_REASON_CONFIG_VALUE,
			"f:2:34: nic net0: vlans: a PF gives its VF one VLAN, and cannot say which others it may send, so the two paths "
			"would differ: give vlan (the one that the guest's untagged frames are in), or mode emulated"},
		{KERNEL "net: [{bridge: b, vlans: [29-20]}]\n", TD_REASON_CONFIG_VALUE,
			"f:2:27: net[0].vlans[0]: '29-20' is not what stands here: a VLAN from 1 to 4094, or a range as in 20-29"},
		{KERNEL "net: [{id: a}, {id: a}]\n", TD_REASON_CONFIG_VALUE, "f:2:21: nic a: two NICs have this id: give each its own"},
		{KERNEL "net: [{}, {id: net0}]\n", TD_REASON_CONFIG_VALUE, "f:2:16: nic net0: two NICs have this id: give each its own"},
		{KERNEL "net: [{mac: '52:54:00:00:00:01'}, {mac: '52:54:00:00:00:01'}]\n", TD_REASON_CONFIG_VALUE,
			"f:2:41: nic net1: mac 52:54:00:00:00:01 is nic net0's too: give each its own"},
		{KERNEL "net: [{pf: pf0}]\n", TD_REASON_CONFIG_VALUE,
			"f:2:7: nic net0: bridge is missing: mode failover needs an emulated path to go to: give bridge (or tap, and "
			"connect it yourself), or mode vf"},
		{KERNEL "net: [{pf: pf0, mode: transparent}]\n", TD_REASON_CONFIG_VALUE,
			"f:2:23: nic net0: bridge is missing: mode transparent needs an emulated path to go to: give bridge (or tap, and "
			"connect it yourself), or mode vf"},
		{KERNEL "net: [{bridge: b, vf: '0000:02:10.0'}, {bridge: b, vf: '02:10.0'}]\n", TD_REASON_CONFIG_VALUE,
			"f:2:56: nic net1: vf 0000:02:10.0 is nic net0's too: give each its own"},
		{KERNEL "net: [{tap: t0}, {tap: t0}]\n", TD_REASON_CONFIG_VALUE,
			"f:2:24: nic net1: tap t0 is nic net0's too: give each its own"},
	};
	(void)state;
	for (size_t i = 0; i < TD_COUNT(inputs); i++)
		check_bad_yaml(&inputs[i]);
}

static void the_header_s_example(void **state)
{
	static const char text[] = "name: web1\n"
				   "cpus: {boot: 2}\n"
				   "memory: {size: 512M, hugepages: off, thp: off, prefault: off}\n"
				   "payload: {kernel: vmlinuz, initramfs: initrd, cmdline: \"console=ttyS0\"}\n"
				   "serial: {mode: file, file: log}\n"
				   "disks: [{path: root.raw, format: auto, readonly: off, direct: off}]\n"
				   "rng: off\n"
				   "debug_exit: 0xf4\n"
				   "on_reboot: exit\n"
				   "net:\n"
				   "- id: net0\n"
				   "  mode: failover\n"
				   "  mac: 52:54:00:AB:34:56\n"
				   "  bridge: br0\n"
				   "  tap: tap0\n"
				   "  vhost: off\n"
				   "  queues: 1\n"
				   "  mtu: 1500\n"
				   "  pf: pf0\n"
				   "  vlan: 7\n"
				   "  path: emulated\n"
				   "  warm: off\n"
				   "  unplug_timeout: 500ms\n"
				   "  plug_timeout: 1m\n";
	static const uint8_t mac[6] = {0x52, 0x54, 0, 0xab, 0x34, 0x56};
	struct td_vm_file_config config;
	struct td_err err = {0};
	(void)state;
	assert_int_equal(td_vm_config_from_yaml(&config, "web1.yaml", text, sizeof(text) - 1, &err), 0);
	assert_string_equal(config.name, "web1");
	assert_int_equal(config.cpus, 2);
	assert_int_equal(config.memory_bytes, 512 << 20);
	assert_string_equal(config.kernel, "vmlinuz");
	assert_string_equal(config.initramfs, "initrd");
	assert_string_equal(config.cmdline, "console=ttyS0");
	assert_int_equal(config.serial_mode, TD_SERIAL_MODE_FILE);
	assert_string_equal(config.serial_file, "log");
	assert_int_equal(config.disk_count, 1);
	assert_string_equal(config.disk[0].path, "root.raw");
	assert_int_equal(config.disk[0].format, TD_DISK_AUTO);
	assert_false(config.rng);
	assert_int_equal(config.debug_exit, 0xf4);
	assert_true(config.exit_on_reboot);
	assert_int_equal(config.net_count, 1);
	const struct td_vm_net_config *net = &config.net[0];
	assert_int_equal(net->mode, TD_NIC_FAILOVER);
	assert_memory_equal(net->mac, mac, sizeof(mac));
	assert_int_equal(net->vhost, TD_VHOST_MODE_OFF);
	assert_int_equal(net->vlan, 7);
	assert_false(net->start_on_vf);
	assert_false(net->warm);
	assert_int_equal(net->unplug_timeout_ms, 500);
	assert_int_equal(net->plug_timeout_ms, 60000);
	assert_null(net->vf);
	td_vm_config_fini(&config);
	td_vm_config_fini(&config); /* harmless twice */
}

/* As flags have it: --cpus 2. */
static void a_value_without_a_key(void **state)
{
	static const char text[] = KERNEL "cpus: 2\nmemory: 256M\nserial: pty\ndisks: [a.raw, {path: b.raw, readonly: on}]\n";
	struct td_vm_file_config config;
	struct td_err err = {0};
	(void)state;
	assert_int_equal(td_vm_config_from_yaml(&config, "f", text, sizeof(text) - 1, &err), 0);
	assert_int_equal(config.cpus, 2);
	assert_int_equal(config.memory_bytes, 256 << 20);
	assert_int_equal(config.serial_mode, TD_SERIAL_MODE_PTY);
	assert_int_equal(config.disk_count, 2);
	assert_string_equal(config.disk[0].path, "a.raw");
	assert_false(config.disk[0].readonly);
	td_vm_config_fini(&config);
}

static void defaults_and_what_follows(void **state)
{
	struct td_vm_file_config config, again;
	struct td_err err = {0};
	static const char text[] = KERNEL "net: [{bridge: br0}, {pf: pf0, tap: t}, {}]\n";
	(void)state;
	assert_int_equal(td_vm_config_from_yaml(&config, "dir/a vm.yaml", text, sizeof(text) - 1, &err), 0);
	assert_string_equal(config.name, "a-vm");
	assert_int_equal(config.cpus, 1);
	assert_int_equal(config.memory_bytes, 512 << 20);
	assert_int_equal(config.serial_mode, TD_SERIAL_MODE_TTY);
	assert_true(config.rng);
	assert_false(config.exit_on_reboot);
	assert_null(config.cmdline);
	assert_int_equal(config.net[0].mode, TD_NIC_EMULATED);
	assert_int_equal(config.net[1].mode, TD_NIC_FAILOVER);
	assert_string_equal(config.net[1].id, "net1");
	assert_true(config.net[1].start_on_vf);
	assert_true(config.net[1].warm);
	assert_int_equal(config.net[1].unplug_timeout_ms, 2000);
	assert_int_equal(config.net[1].mtu, 1500);
	/* Made addresses: local, unicast, one for each NIC, the same at the next start. */
	assert_int_equal(config.net[0].mac[0], 0x02);
	assert_memory_not_equal(config.net[0].mac, config.net[2].mac, 6);
	assert_int_equal(td_vm_config_from_yaml(&again, "a vm.yaml", text, sizeof(text) - 1, &err), 0);
	assert_memory_equal(config.net[0].mac, again.net[0].mac, 6);
	td_vm_config_fini(&config);
	td_vm_config_fini(&again);
}

/* One of the three differs: so does the address. */
static void made_addresses(void **state)
{
	static const char *const names[][3] = {{"a1", "web1", "net0"}, {"a2", "web1", "net0"}, {"", "web1", "net0"}, {"a1", "web2", "net0"},
		{"a1", "web1", "net1"}, {"a1w", "eb1", "net0"}};
	uint8_t mac[TD_COUNT(names)][6], again[6];
	(void)state;
	for (unsigned i = 0; i < TD_COUNT(names); i++) {
		td_vm_config_derive_mac(names[i][0], names[i][1], names[i][2], mac[i]);
		assert_int_equal(mac[i][0], 0x02);
		for (unsigned j = 0; j < i; j++)
			assert_memory_not_equal(mac[i], mac[j], 6);
	}
	td_vm_config_derive_mac("a1", "web1", "net0", again);
	assert_memory_equal(again, mac[0], 6);
}

#define ARGS(...) ((char *[]){__VA_ARGS__}), (int)TD_COUNT(((char *[]){__VA_ARGS__}))

static void vlans_of_a_nic(void **state)
{
	static const char text[] = KERNEL "net: [{bridge: b, vlan: 5, vlans: [7, 20-29]}]\n";
	char *argv[] = {"--kernel", "k", "--net", "bridge=b,vlan=5,vlans=7:20-29"};
	struct td_vm_file_config file, flags;
	struct td_err err = {0};
	(void)state;
	assert_int_equal(td_vm_config_from_yaml(&file, "f", text, sizeof(text) - 1, &err), 0);
	assert_int_equal(td_vm_config_from_args(&flags, (int)TD_COUNT(argv), argv, &err), 0);
	for (unsigned i = 0; i < 2; i++) {
		struct td_vm_file_config *config = i ? &flags : &file;

		assert_int_equal(config->net[0].mode, TD_NIC_EMULATED);
		assert_int_equal(config->net[0].vlan, 5);
		assert_int_equal(config->net[0].vlans_count, 2);
		assert_string_equal(config->net[0].vlans[0], "7");
		assert_string_equal(config->net[0].vlans[1], "20-29");
		td_vm_config_fini(config);
	}
}

static void check_bad_args(char **argv, int argc, enum td_reason reason, const char *message)
{
	struct td_vm_file_config config;
	struct td_err err = {0};
	assert_int_not_equal(td_vm_config_from_args(&config, argc, argv, &err), 0);
	assert_string_equal(err.text, message);
	assert_int_equal(err.reason, reason);
}

static void flags_give_the_same_messages(void **state)
{
	(void)state;
	check_bad_args(ARGS("--kernel", "k", "--net", "id=net0,mac=zz"), TD_REASON_CONFIG_VALUE,
		"--net mac: 'zz' is not a MAC address of a NIC: six bytes in hex as in 52:54:00:12:34:56, unicast and not all zero");
	check_bad_args(ARGS("--kernel", "k", "--net", "bridge=b,vlans=7:"), TD_REASON_CONFIG_VALUE,
		"--net vlans: no value: a VLAN from 1 to 4094, or a range as in 20-29");
	check_bad_args(ARGS("--kernel", "k", "--net", "bridge=b,vlans=7:4095"), TD_REASON_CONFIG_VALUE,
		"--net vlans: '4095' is not what stands here: a VLAN from 1 to 4094, or a range as in 20-29");
	check_bad_args(ARGS("--memory", "12Q"), TD_REASON_CONFIG_VALUE,
		"--memory size: '12Q' is not a size: a number with K, M, G or T, from 1M to 4T");
	check_bad_args(ARGS("--memory", "size=1G,hugepage=on"), TD_REASON_CONFIG_KEY,
		"--memory hugepage: unknown key, did you mean 'hugepages'? Known here: size, hugepages, thp, prefault");
	check_bad_args(ARGS("--memory", "size=1G,size=2G"), TD_REASON_CONFIG_KEY, "--memory size: stands here a second time: give it once");
	check_bad_args(
		ARGS("--memory", "size=1G,"), TD_REASON_CONFIG_VALUE, "--memory: '' is not KEY=VALUE: give size=..., parted by commas");
	check_bad_args(ARGS("--net", "net0"), TD_REASON_CONFIG_VALUE, "--net: 'net0' is not KEY=VALUE: give id=..., parted by commas");
	check_bad_args(ARGS("--serial", "usb"), TD_REASON_CONFIG_VALUE, "--serial mode: 'usb' is not known here: tty, pty, file or off");
	check_bad_args(ARGS("--rng", "maybe"), TD_REASON_CONFIG_VALUE, "--rng: 'maybe' is not a switch: on, off, true, false, yes or no");
	check_bad_args(ARGS("--kernel", ""), TD_REASON_CONFIG_VALUE, "--kernel: no value: a path");
	check_bad_args(ARGS("--kernel"), TD_REASON_USAGE, "--kernel: needs a value: give --kernel VALUE");
	check_bad_args(ARGS("--name", "a", "--name=b"), TD_REASON_USAGE, "--name: given twice: give it once");
	check_bad_args(ARGS("-k", "x"), TD_REASON_USAGE, "-k: unknown option: options have two dashes");
	check_bad_args(ARGS("a.yaml", "b.yaml"), TD_REASON_USAGE, "b.yaml: a second file: give one");
	check_bad_args(ARGS("/nonexistent.yaml"), TD_REASON_CONFIG_FILE, "/nonexistent.yaml: open: No such file or directory");
	check_bad_args(ARGS("/"), TD_REASON_CONFIG_FILE, "/: is a directory: give a YAML file");
	check_bad_args(ARGS("--kernal", "x"), TD_REASON_USAGE,
		"--kernal: unknown option, did you mean '--kernel'? Known here: --name, --cpus, --memory, --kernel, --initramfs, "
		"--cmdline, "
		"--serial, --disk, --rng, --debug-exit, --on-reboot, --log-level, --net, --help");
	check_bad_args(ARGS("--payload", "x"), TD_REASON_USAGE,
		"--payload: unknown option: known here: --name, --cpus, --memory, --kernel, --initramfs, --cmdline, --serial, --disk, "
		"--rng, "
		"--debug-exit, --on-reboot, --log-level, --net, --help");
}

static void flags_in_all_spellings(void **state)
{
	struct td_vm_file_config config;
	struct td_err err = {0};
	(void)state;
	char *argv[] = {"--kernel", "k", "--cpus", "boot=3", "--memory=size=1GiB,prefault=yes", "--cmdline", "a=b c=d,e --name x",
		"--serial", "file=/tmp/log", "--disk", "path=a,,b,readonly=on,format=qcow2", "--disk", "c=d.raw,,x", "--net",
		"id=n1,bridge=br0", "--debug-exit", "244", "--on-reboot", "exit", "--name", "--name"};
	int argc = (int)TD_COUNT(argv);
	/* A bare value with '=' is taken for a key, which is an error and no surprise. */
	assert_int_not_equal(td_vm_config_from_args(&config, argc, argv, &err), 0);
	assert_string_equal(err.text, "--disk c: unknown key: known here: path, format, readonly, direct");
	argv[12] = "c.raw";
	argv[20] = "n";
	assert_int_equal(td_vm_config_from_args(&config, argc, argv, &err), 0);
	assert_int_equal(config.cpus, 3);
	assert_int_equal(config.memory_bytes, 1 << 30);
	assert_true(config.prefault);
	assert_string_equal(config.cmdline, "a=b c=d,e --name x");
	assert_int_equal(config.serial_mode, TD_SERIAL_MODE_FILE);
	assert_string_equal(config.serial_file, "/tmp/log");
	assert_int_equal(config.disk_count, 2);
	assert_string_equal(config.disk[0].path, "a,b");
	assert_true(config.disk[0].readonly);
	assert_int_equal(config.disk[0].format, TD_DISK_QCOW2);
	assert_string_equal(config.disk[1].path, "c.raw");
	assert_int_equal(config.disk[1].format, TD_DISK_AUTO);
	assert_string_equal(config.net[0].id, "n1");
	assert_int_equal(config.debug_exit, 244);
	assert_true(config.exit_on_reboot);
	td_vm_config_fini(&config);
}

static void flags_stand_over_the_file(void **state)
{
	struct td_vm_file_config config;
	struct td_err err = {0};
	char path[] = "/tmp/td-vm-XXXXXX.yaml";
	(void)state;
	int fd = mkstemps(path, 5);
	assert_true(fd >= 0);
	FILE *file = fdopen(fd, "w");
	assert_non_null(file);
	fputs(KERNEL "name: a\ncpus: {boot: 2}\nmemory: {size: 64M}\nnet: [{id: x, bridge: b}]\n", file);
	fclose(file);
	char *argv[] = {"--cpus", "boot=4", path, "--net", "id=y,bridge=b", "--name", "b"};
	assert_int_equal(td_vm_config_from_args(&config, (int)TD_COUNT(argv), argv, &err), 0);
	assert_string_equal(config.name, "b");
	assert_int_equal(config.cpus, 4);
	assert_int_equal(config.memory_bytes, 64 << 20);
	assert_int_equal(config.net_count, 2);
	assert_string_equal(config.net[1].id, "y");
	td_vm_config_fini(&config);

	/* What is wrong is blamed on the flag or on the file, whichever said it. */
	char *by_flag[] = {path, "--memory", "size=1048577"}, *by_both[] = {path, "--net", "bridge=b,id=x"}, expected[160];
	assert_int_equal(td_vm_config_from_args(&config, (int)TD_COUNT(by_flag), by_flag, &err), -EINVAL);
	assert_string_equal(err.text, "memory.size: 1048577 bytes is not a multiple of 4K");
	assert_int_equal(td_vm_config_from_args(&config, (int)TD_COUNT(by_both), by_both, &err), -EINVAL);
	assert_string_equal(err.text, "nic x: two NICs have this id: give each its own");
	char *huge[] = {path, "--memory", "hugepages=on"};
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(KERNEL "memory: {size: 3M}\n", file);
	fclose(file);
	assert_int_equal(td_vm_config_from_args(&config, (int)TD_COUNT(huge), huge, &err), -EINVAL);
	snprintf(expected, sizeof(expected), "%s:2:16: memory.size: 3145728 bytes is not a multiple of 2M, as hugepages need", path);
	assert_string_equal(err.text, expected);
	remove(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_values_name_place_key_and_what_is_allowed),
		cmocka_unit_test(wrong_keys_and_shapes),
		cmocka_unit_test(hostile_yaml),
		cmocka_unit_test(hostile_sizes),
		cmocka_unit_test(what_keys_say_together),
		cmocka_unit_test(the_header_s_example),
		cmocka_unit_test(a_value_without_a_key),
		cmocka_unit_test(vlans_of_a_nic),
		cmocka_unit_test(defaults_and_what_follows),
		cmocka_unit_test(made_addresses),
		cmocka_unit_test(flags_give_the_same_messages),
		cmocka_unit_test(flags_in_all_spellings),
		cmocka_unit_test(flags_stand_over_the_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
