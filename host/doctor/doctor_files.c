/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_files.c - the table of files that the doctor reads, and the filters that say what of them is kept. */
#include "host/doctor/doctor_files.h"

#include <fnmatch.h>
#include <string.h>

#include "host/doctor/doctor_caps.h"

#define SYSFS_BYTES 4096U

enum keep {
	KEEP_ALL,     /* attributes: numbers, names of drivers */
	KEEP_LINES,   /* that begin with one of the words */
	KEEP_TOKENS,  /* between blanks, that are one of the words, alone or with "=" or "." behind */
	KEEP_CPU,     /* as KEEP_LINES, of the first processor */
	KEEP_GROUPS,  /* as KEEP_LINES, without the members behind the third colon */
	KEEP_OPTIONS, /* lines of the kernel's configuration that the table of options names */
	KEEP_MODULES, /* names of modules that the table of options names */
	KEEP_CONFIG,  /* PCI configuration space: doctor_caps.h says which capabilities */
};

struct td_doctor_rule {
	const char *pattern;
	enum keep keep;
	const char *words; /* separated by "|" */
	size_t max_bytes;  /* 0: SYSFS_BYTES */
};

static const struct td_doctor_rule rules[] = {
	/* the kernel, and who asks */
	{"/proc/sys/kernel/osrelease", KEEP_ALL, NULL, 0},
	{"/proc/cmdline", KEEP_TOKENS,
		"intel_iommu|amd_iommu|iommu|intremap|noapic|nolapic|nox2apic|pci|pcie_acs_override|kvm|kvm_intel|kvm_amd|kvm-intel|kvm-"
		"amd|"
		"vfio|vfio_pci|vfio-pci|vfio_iommu_type1|modprobe.blacklist|module_blacklist|clocksource|tsc|notsc|lockdown|"
		"default_hugepagesz|hugepagesz|hugepages|transparent_hugepage",
		16384},
	{"/proc/cpuinfo", KEEP_CPU, "vendor_id|cpu family|model|flags", 16384},
	{"/proc/self/status", KEEP_LINES, "Uid:|Groups:|CapEff:", 16384},
	{"/proc/self/limits", KEEP_LINES, "Max locked memory", 8192},
	{"/etc/group", KEEP_GROUPS, "kvm:|vfio:|libvirt:|qemu:", 262144},
	{"/boot/config-*", KEEP_OPTIONS, NULL, 1048576},
	{"/lib/modules/*/config", KEEP_OPTIONS, NULL, 1048576},
	{"/proc/config.gz", KEEP_OPTIONS, NULL, 1048576},
	{"/lib/modules/*/modules.builtin", KEEP_MODULES, NULL, 1048576},
	{"/lib/modules/*/modules.dep", KEEP_MODULES, NULL, 4194304},
	{"/sys/kernel/security/lockdown", KEEP_ALL, NULL, 0},
	{"/sys/devices/system/clocksource/clocksource0/*_clocksource", KEEP_ALL, NULL, 0},
	/* IOMMU and interrupts */
	{"/sys/kernel/iommu_groups/*/type", KEEP_ALL, NULL, 0},
	{"/sys/kernel/irq/*/chip_name", KEEP_ALL, NULL, 0},
	/* KVM, VFIO */
	{"/sys/module/kvm*/parameters/*", KEEP_ALL, NULL, 0},
	{"/sys/module/vfio*/parameters/*", KEEP_ALL, NULL, 0},
	/* memory */
	{"/sys/kernel/mm/hugepages/*/*_hugepages", KEEP_ALL, NULL, 0},
	{"/sys/kernel/mm/transparent_hugepage/*enabled", KEEP_ALL, NULL, 0},
	/* PCI */
	{"/sys/bus/pci/devices/*/class", KEEP_ALL, NULL, 0},
	{"/sys/bus/pci/devices/*/vendor", KEEP_ALL, NULL, 0},
	{"/sys/bus/pci/devices/*/device", KEEP_ALL, NULL, 0},
	{"/sys/bus/pci/devices/*/config", KEEP_CONFIG, NULL, TD_DOCTOR_CONFIG_BYTES},
	{"/sys/bus/pci/devices/*/resource", KEEP_ALL, NULL, 0},
	{"/sys/bus/pci/devices/*/reset_method", KEEP_ALL, NULL, 0},
	{"/sys/bus/pci/devices/*/sriov_totalvfs", KEEP_ALL, NULL, 0},
	{"/sys/bus/pci/devices/*/sriov_numvfs", KEEP_ALL, NULL, 0},
	{"/sys/bus/pci/devices/*/sriov_drivers_autoprobe", KEEP_ALL, NULL, 0},
	/* network */
	{"/sys/class/net/*/flags", KEEP_ALL, NULL, 0},
	{"/sys/class/net/*/carrier", KEEP_ALL, NULL, 0},
	{"/sys/class/net/*/ifindex", KEEP_ALL, NULL, 0},
	{"/sys/class/net/*/ifalias", KEEP_TOKENS, "tandem", 0},
	{"/sys/class/net/*/brport/learning", KEEP_ALL, NULL, 0},
	{"/sys/class/net/*/mtu", KEEP_ALL, NULL, 0},
	{"/sys/class/net/*/bridge/stp_state", KEEP_ALL, NULL, 0},
	{"/sys/class/net/*/bridge/forward_delay", KEEP_ALL, NULL, 0},
	{"/sys/class/net/*/bridge/vlan_filtering", KEEP_ALL, NULL, 0},
	{"/sys/class/net/*/bridge/default_pvid", KEEP_ALL, NULL, 0},
	{"/proc/sys/net/bridge/bridge-nf-call-*", KEEP_ALL, NULL, 0},
	{"/run/NetworkManager/devices/*", KEEP_LINES, "managed=|nm-owned=", 0},
	{"/run/systemd/netif/links/*", KEEP_LINES, "ADMIN_STATE=", 16384},
	{"/etc/network/interfaces", KEEP_LINES, "auto |allow-|iface ", 65536},
	{"/etc/network/interfaces.d/*", KEEP_LINES, "auto |allow-|iface ", 65536},
};

#define OPTION_ROW(option, module, need, what_for) {option, module, TD_DOCTOR_NEED_##need, what_for},
const struct td_doctor_option td_doctor_options[] = {TD_DOCTOR_OPTIONS(OPTION_ROW)};
#undef OPTION_ROW
const unsigned td_doctor_option_count = TD_COUNT(td_doctor_options);

const struct td_doctor_rule *td_doctor_files_rule(const char *path)
{
	for (unsigned i = 0; i < TD_COUNT(rules); i++)
		if (!fnmatch(rules[i].pattern, path, FNM_PATHNAME))
			return &rules[i];
	return NULL;
}

size_t td_doctor_files_limit(const struct td_doctor_rule *rule)
{
	return rule->max_bytes ? rule->max_bytes : SYSFS_BYTES;
}

const char *td_doctor_files_pattern(unsigned index)
{
	return index < TD_COUNT(rules) ? rules[index].pattern : NULL;
}

/* ---- filters: each copies what it keeps of one line, and returns its length ---- */

/* Is one of the words, separated by "|", what `text` begins with? Its length, or 0. */
static size_t begins_with(const char *words, const char *text, size_t len)
{
	while (*words) {
		size_t word = strcspn(words, "|");
		if (word && word <= len && !memcmp(words, text, word))
			return word;
		words += word + (words[word] == '|');
	}
	return 0;
}

static size_t keep_lines(const struct td_doctor_rule *rule, const char *line, size_t len, char *out)
{
	size_t blank = 0;
	while (blank < len && (line[blank] == ' ' || line[blank] == '\t'))
		blank++;
	if (!begins_with(rule->words, line + blank, len - blank))
		return 0;
	if (rule->keep == KEEP_GROUPS) {
		unsigned colons = 0;
		for (size_t i = 0; i < len; i++)
			if (line[i] == ':' && ++colons == 3)
				len = i;
	}
	memcpy(out, line + blank, len - blank);
	return len - blank;
}

/* All words are tried: "kvm" is where "kvm_amd.npt=0" does not end, "kvm_amd" is. */
static bool token_kept(const char *words, const char *token, size_t len)
{
	while (*words) {
		size_t word = strcspn(words, "|");
		if (word <= len && !memcmp(words, token, word) && (word == len || token[word] == '=' || token[word] == '.'))
			return true;
		words += word + (words[word] == '|');
	}
	return false;
}

static size_t keep_tokens(const struct td_doctor_rule *rule, const char *line, size_t len, char *out)
{
	size_t kept = 0;
	for (size_t at = 0; at < len;) {
		size_t end = at;
		while (end < len && line[end] != ' ' && line[end] != '\t')
			end++;
		if (end > at && token_kept(rule->words, line + at, end - at)) {
			if (kept)
				out[kept++] = ' ';
			memcpy(out + kept, line + at, end - at);
			kept += end - at;
		}
		at = end + 1;
	}
	return kept;
}

/* "CONFIG_VFIO=m" or "# CONFIG_VFIO is not set" */
static size_t keep_option(const char *line, size_t len, char *out)
{
	size_t skip = len > 2 && line[0] == '#' && line[1] == ' ' ? 2 : 0;
	if (len < skip + 7 || memcmp(line + skip, "CONFIG_", 7) != 0)
		return 0;
	for (unsigned i = 0; i < td_doctor_option_count; i++) {
		size_t end = skip + 7 + strlen(td_doctor_options[i].name);
		if (len > end && (line[end] == '=' || line[end] == ' ') &&
			!memcmp(line + skip + 7, td_doctor_options[i].name, end - skip - 7)) {
			memcpy(out, line, len);
			return len;
		}
	}
	return 0;
}

static bool is_dash(char c)
{
	return c == '-' || c == '_';
}

/* "kernel/drivers/vfio/pci/vfio-pci.ko.xz: ..." is kept as "vfio-pci". The names of files and of modules differ in '-' and '_'. */
static size_t keep_module(const char *line, size_t len, char *out)
{
	const char *colon = memchr(line, ':', len);
	size_t end = colon ? (size_t)(colon - line) : len, start = end;
	while (start && line[start - 1] != '/')
		start--;
	const char *dot = memchr(line + start, '.', end - start);
	size_t name_len = dot ? (size_t)(dot - line) - start : end - start;
	for (unsigned i = 0; i < td_doctor_option_count; i++) {
		const char *module = td_doctor_options[i].module;
		if (!module || strlen(module) != name_len)
			continue;
		bool same = true;
		for (size_t c = 0; c < name_len; c++)
			same = same && (line[start + c] == module[c] || (is_dash(line[start + c]) && is_dash(module[c])));
		if (same) {
			memcpy(out, module, name_len);
			return name_len;
		}
	}
	return 0;
}

static size_t keep_of_line(const struct td_doctor_rule *rule, const char *line, size_t len, char *out)
{
	switch (rule->keep) {
	case KEEP_LINES:
	case KEEP_CPU:
	case KEEP_GROUPS:
		return keep_lines(rule, line, len, out);
	case KEEP_TOKENS:
		return keep_tokens(rule, line, len, out);
	case KEEP_OPTIONS:
		return keep_option(line, len, out);
	case KEEP_MODULES:
		return keep_module(line, len, out);
	default:
		memcpy(out, line, len);
		return len;
	}
}

size_t td_doctor_files_printable(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((text[i] < 0x20 && text[i] != '\n' && text[i] != '\t') || text[i] == 0x7f)
			text[i] = '?';
	while (len && strchr(" \t\n", text[len - 1]))
		len--;
	text[len] = '\0';
	return len;
}

size_t td_doctor_files_filter(const struct td_doctor_rule *rule, const char *in, size_t in_len, bool truncated, char *out)
{
	size_t kept = 0;
	if (rule->keep == KEEP_CONFIG) {
		memcpy(out, in, in_len);
		td_doctor_caps_filter((uint8_t *)out, in_len);
		out[in_len] = '\0';
		return in_len;
	}
	for (size_t at = 0; at < in_len;) {
		const char *newline = memchr(in + at, '\n', in_len - at);
		size_t end = newline ? (size_t)(newline - in) : in_len;
		if (!newline && truncated && at)
			break;
		if (rule->keep == KEEP_CPU && end == at)
			break;
		size_t len = keep_of_line(rule, in + at, end - at, out + kept);
		kept += len;
		if (newline && (len || rule->keep == KEEP_ALL))
			out[kept++] = '\n';
		at = end + 1;
	}
	return td_doctor_files_printable(out, kept);
}
