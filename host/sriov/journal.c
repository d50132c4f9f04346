/* SPDX-License-Identifier: Apache-2.0 */
/* journal.c - one JSON object in one file a VF, replaced by rename(2) so that a reader sees the old one or the new one. */
#include "host/sriov/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "core/json.h"
#include "host/sys/files.h"
#include "host/sys/names.h"

#define JOURNAL_VERSION 1
#define JOURNAL_PREFIX	"undo"
#define JOURNAL_SUFFIX	".json"
#define NEW_SUFFIX	".new"
#define JOURNAL_FILE	JOURNAL_PREFIX "-%s" JOURNAL_SUFFIX
#define JOURNAL_MAX	4096U
#define FILE_ROOM	(sizeof(JOURNAL_FILE) + TD_BDF_BYTES)

static const char *const link_names[] = {"auto", "enable", "disable"};
static_assert(TD_COUNT(link_names) == TD_SRIOV_LINK_DISABLE + 1, "one name a state");

static void cleanup_json(json_t **json)
{
	json_decref(*json);
}

#define auto_json __attribute__((cleanup(cleanup_json))) json_t

bool td_journal_is_name(const char *file_name, char ret_bdf[TD_BDF_BYTES])
{
	const size_t prefix = strlen(JOURNAL_PREFIX), suffix = strlen(JOURNAL_SUFFIX);
	size_t len = strlen(file_name);

	if (len < prefix + suffix || strncmp(file_name, JOURNAL_PREFIX, prefix) != 0 ||
		strcmp(file_name + len - suffix, JOURNAL_SUFFIX) != 0)
		return false;
	len -= prefix + suffix;
	ret_bdf[0] = '\0';
	if (len >= 1 && len <= TD_BDF_BYTES && file_name[prefix] == '-') {
		memcpy(ret_bdf, file_name + prefix + 1, len - 1);
		ret_bdf[len - 1] = '\0';
		if (!td_names_is_bdf(ret_bdf))
			ret_bdf[0] = '\0';
	}
	return true;
}

bool td_journal_is_unfinished(const char *file_name)
{
	char name[FILE_ROOM], bdf[TD_BDF_BYTES];
	size_t len = strlen(file_name), suffix = strlen(NEW_SUFFIX);

	if (len < suffix || len - suffix >= sizeof(name) || strcmp(file_name + len - suffix, NEW_SUFFIX) != 0)
		return false;
	memcpy(name, file_name, len - suffix);
	name[len - suffix] = '\0';
	return td_journal_is_name(name, bdf) && bdf[0];
}

static json_t *pack_settings(const struct td_journal *journal)
{
	const struct td_sriov_vf_settings *s = &journal->settings;
	char mac[TD_MAC_TEXT_BYTES];

	if (!journal->has_settings)
		return json_null();
	return json_pack("{s:s, s:i, s:b, s:b, s:s, s:I, s:I}", "mac", td_names_format_mac(s->mac, mac), "vlan", (int)s->vlan, "spoofchk",
		(int)s->spoofchk, "trust", (int)s->trust, "link", link_names[s->link_state], "min_tx_rate", (json_int_t)s->min_tx_rate,
		"max_tx_rate", (json_int_t)s->max_tx_rate);
}

/* What a crash leaves of a file half written: no journal by its name, and replaced or removed with the VF's next one. */
static void name_files(const char *bdf, char file[FILE_ROOM], char new_file[FILE_ROOM + 4])
{
	snprintf(file, FILE_ROOM, JOURNAL_FILE, bdf);
	snprintf(new_file, FILE_ROOM + 4, "%s" NEW_SUFFIX, file);
}

static int replace_file(int dir_fd, const char *bdf, const char *text)
{
	char file[FILE_ROOM], new_file[FILE_ROOM + 4];

	name_files(bdf, file, new_file);
	return td_files_replace(dir_fd, file, new_file, text);
}

int td_journal_write(const char *dir, const struct td_journal *journal, struct td_err *err)
{
	auto_json *root = json_pack("{s:i, s:{s:s, s:s, s:o, s:i, s:o, s:o*, s:o}}", "version", JOURNAL_VERSION, "vf", "bdf", journal->bdf,
		"pf_bdf", journal->pf_bdf, "pf", td_json_bytes(journal->pf_name), "index", (int)journal->vf_index, "driver",
		td_json_bytes(journal->driver), "override", journal->has_override ? td_json_bytes(journal->driver_override) : NULL,
		"settings", pack_settings(journal));
	td_auto_free char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
	td_auto_close int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = !text ? -ENOMEM : dir_fd < 0 ? -errno : replace_file(dir_fd, journal->bdf, text);

	return rc < 0 ? td_err_sys(err, -rc, TD_REASON_SYSTEM, "vf %s: write %s/" JOURNAL_FILE, journal->bdf, dir, journal->bdf) : 0;
}

static bool copy_text(char *to, size_t room, const char *from)
{
	size_t len = strlen(from);

	if (len >= room)
		return false;
	memcpy(to, from, len + 1);
	return true;
}

static bool unpack_settings(json_t *json, struct td_journal *journal)
{
	const char *mac, *link;
	int vlan, spoofchk, trust;
	json_int_t min = -1, max = -1;

	journal->has_settings = !json_is_null(json);
	if (!journal->has_settings)
		return true;
	if (json_unpack(json, "{s:s, s:i, s:b, s:b, s:s, s?I, s?I}", "mac", &mac, "vlan", &vlan, "spoofchk", &spoofchk, "trust", &trust,
		    "link", &link, "min_tx_rate", &min, "max_tx_rate", &max) < 0)
		return false;
	if (!td_names_parse_mac(mac, journal->settings.mac) || vlan < 0 || vlan > 4095 || min < -1 || min > UINT32_MAX || max < -1 ||
		max > UINT32_MAX)
		return false;
	journal->settings.vlan = (uint16_t)vlan;
	journal->settings.spoofchk = spoofchk;
	journal->settings.trust = trust;
	journal->has_rates = min >= 0 && max >= 0;
	journal->settings.min_tx_rate = journal->has_rates ? (uint32_t)min : 0;
	journal->settings.max_tx_rate = journal->has_rates ? (uint32_t)max : 0;
	for (unsigned i = 0; i < TD_COUNT(link_names); i++) {
		if (strcmp(link, link_names[i]) == 0) {
			journal->settings.link_state = (enum td_sriov_link)i;
			return true;
		}
	}
	return false;
}

static bool unpack_override(const char *override, struct td_journal *journal)
{
	journal->has_override = override != NULL;
	return !override || (copy_text(journal->driver_override, sizeof(journal->driver_override), override) && !strpbrk(override, "/\n"));
}

static bool unpack(json_t *root, struct td_journal *journal)
{
	const char *bdf, *pf_bdf, *pf, *driver, *override;
	json_t *pf_json, *driver_json, *override_json = NULL, *settings;
	int version, vf_index;

	if (json_unpack(root, "{s:i, s:{s:s, s:s, s:o, s:i, s:o, s?:o, s:o}}", "version", &version, "vf", "bdf", &bdf, "pf_bdf", &pf_bdf,
		    "pf", &pf_json, "index", &vf_index, "driver", &driver_json, "override", &override_json, "settings", &settings) < 0)
		return false;
	pf = td_json_bytes_value(pf_json);
	driver = td_json_bytes_value(driver_json);
	override = td_json_bytes_value(override_json);
	if (!pf || !driver || (override_json && !override))
		return false;
	if (version != JOURNAL_VERSION || vf_index < 0 || !td_names_is_bdf(bdf) || !td_names_is_bdf(pf_bdf))
		return false;
	if (*pf && !td_names_is_interface(pf))
		return false;
	journal->vf_index = (unsigned)vf_index;
	return copy_text(journal->bdf, sizeof(journal->bdf), bdf) && copy_text(journal->pf_bdf, sizeof(journal->pf_bdf), pf_bdf) &&
	       copy_text(journal->pf_name, sizeof(journal->pf_name), pf) && copy_text(journal->driver, sizeof(journal->driver), driver) &&
	       !strchr(driver, '/') && unpack_override(override, journal) && unpack_settings(settings, journal);
}

int td_journal_read(const char *dir, const char *bdf, struct td_journal *ret_journal, struct td_err *err)
{
	char path[PATH_MAX], text[JOURNAL_MAX + 1];
	struct td_journal journal = {0};
	json_error_t where;

	snprintf(path, sizeof(path), "%s/" JOURNAL_FILE, dir, bdf);
	td_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text));
	if (len < 0)
		return td_err_sys(err, errno, TD_REASON_CLEANUP, "%s: read", path);
	if (len > (ssize_t)JOURNAL_MAX)
		return td_err_set(err, EBADMSG, TD_REASON_CLEANUP, "%s: damaged: longer than %u bytes", path, JOURNAL_MAX);
	auto_json *root = json_loadb(text, (size_t)len, JSON_REJECT_DUPLICATES, &where);
	if (!root)
		return td_err_set(err, EBADMSG, TD_REASON_CLEANUP, "%s: damaged: line %d: %s", path, where.line, where.text);
	if (!unpack(root, &journal))
		return td_err_set(err, EBADMSG, TD_REASON_CLEANUP, "%s: damaged: not a journal of version %d", path, JOURNAL_VERSION);
	if (strcmp(journal.bdf, bdf) != 0)
		return td_err_set(err, EBADMSG, TD_REASON_CLEANUP, "%s: damaged: it is about vf %s", path, journal.bdf);
	*ret_journal = journal;
	return 0;
}

int td_journal_remove(const char *dir, const char *bdf, struct td_err *err)
{
	char file[FILE_ROOM], new_file[FILE_ROOM + 4];
	td_auto_close int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir_fd < 0)
		return errno == ENOENT ? 0 : td_err_sys(err, errno, TD_REASON_CLEANUP, "%s", dir);
	name_files(bdf, file, new_file);
	(void)unlinkat(dir_fd, new_file, 0);
	if (unlinkat(dir_fd, file, 0) < 0 && errno != ENOENT)
		return td_err_sys(err, errno, TD_REASON_CLEANUP, "%s/%s: remove", dir, file);
	return 0;
}
