/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lease.c - takes a VF for a VM and gives it back, by this process or, after a crash, by any later one.
 *
 * Theory of operation. Two locks, both flock(2), so that they end with their holder however it dies: ROOT/vf-BDF.lock says that a VF is
 * taken on this host (its text says by which VM), DIR/lock says that a VM's process lives. acquire: undo what dead processes left, lock the
 * VF, look at it again, journal its state, bind it. release: state back, journal gone, lock free, in this order, so that at each moment
 * either nothing was changed or a journal says what.
 */
#include "host/sriov/lease.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/log.h"
#include "host/sriov/journal.h"
#include "host/sriov/sriov_settings.h"
#include "host/sriov/sriov_sysfs.h"

/* Takes the VF's lock. -EBUSY: `holder` says who has it. */
static int lock_vf(const char *root, const char *bdf, const char *owner, int *ret_fd, char *holder, size_t holder_room)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/vf-%s.lock", root, bdf);
	td_auto_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		ssize_t len = pread(fd, holder, holder_room - 1, 0);

		holder[len > 0 ? len : 0] = '\0';
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	}
	if (ftruncate(fd, 0) < 0 || pwrite(fd, owner, strlen(owner), 0) < 0)
		return -errno;
	*ret_fd = td_take_fd(&fd);
	return 0;
}

int td_lease_lock(const char *root, const char *bdf, const char *owner, int *ret_fd, struct td_err *err)
{
	char holder[64] = "";
	int rc = lock_vf(root, bdf, owner, ret_fd, holder, sizeof(holder));

	if (rc == -EBUSY)
		return td_err_set(err, EBUSY, TD_REASON_VF_BUSY, "vf %s: held by VM %s", bdf, holder[0] ? holder : "(starting)");
	return rc < 0 ? td_err_sys(err, -rc, TD_REASON_SYSTEM, "vf %s: %s/vf-%s.lock", bdf, root, bdf) : 0;
}

static void note_first(struct td_err *first, const struct td_err *now)
{
	if (!first->code)
		*first = *now;
	else
		td_warn("%s", now->text);
}

static void restore_settings(const struct td_sriov_vf *vf, const struct td_journal *journal, struct td_err *err)
{
	struct td_sriov_vf_settings before = journal->settings, now;

	if (!journal->has_rates && td_sriov_get(vf->pf_name, vf->index, &now, err) == 0) {
		before.min_tx_rate = now.min_tx_rate;
		before.max_tx_rate = now.max_tx_rate;
	}
	if (!err->code)
		(void)td_sriov_settings_bring(vf->pf_name, vf->index, &before, false, NULL, err);
}

/* What driver_override goes back to. Where an older journal does not say, it was none, but for a VF that vfio-pci had already. */
static const char *override_of(const struct td_journal *journal, const struct td_sriov_vf *vf)
{
	if (journal->has_override)
		return journal->driver_override;
	return strcmp(journal->driver, "vfio-pci") == 0 ? vf->driver_override : "";
}

/* Brings back what the journal says. A VF that is no more, or that is another one now, needs nothing. *ret_undone: something was there. */
static int undo(const struct td_journal *journal, bool *ret_undone, struct td_err *err)
{
	struct td_err first = {0}, now = {0};
	struct td_sriov_vf vf;

	*ret_undone = false;
	if (td_sriov_lookup(journal->bdf, &vf, &now) < 0) {
		if (now.code == -ENODEV || now.reason == TD_REASON_NO_SRIOV) { /* or it is on its way out */
			td_info("vf %s: is gone, nothing to give back", journal->bdf);
			return 0;
		}
		if (err)
			*err = now;
		return now.code;
	}
	*ret_undone = true;
	if (journal->has_settings && vf.pf_name[0])
		restore_settings(&vf, journal, &first);
	if (td_sriov_give_back(vf.bdf, journal->driver, override_of(journal, &vf), &now) < 0)
		note_first(&first, &now);
	if (first.code && err)
		*err = first;
	return first.code;
}

static void make_journal(const struct td_sriov_vf *vf, const struct td_sriov_vf_settings *before, struct td_journal *journal)
{
	*journal = (struct td_journal){.vf_index = vf->index,
		.has_override = true,
		.has_settings = vf->pf_name[0] != '\0',
		.has_rates = true,
		.settings = *before};
	memcpy(journal->bdf, vf->bdf, sizeof(journal->bdf));
	memcpy(journal->pf_bdf, vf->pf_bdf, sizeof(journal->pf_bdf));
	memcpy(journal->pf_name, vf->pf_name, sizeof(journal->pf_name));
	memcpy(journal->driver, vf->driver, sizeof(journal->driver));
	memcpy(journal->driver_override, vf->driver_override, sizeof(journal->driver_override));
}

/* A VF that vfio-pci has already (an operator bound it) is free when nobody has its group open: the kernel lets one in at a time. */
static bool group_in_use(int group)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/vfio/%d", group);
	td_auto_close int fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 && errno == EBUSY;
}

/* Why the VF can't be taken, or "" when it can. */
static void why_not_free(const struct td_sriov_vf *vf, char *why, size_t room)
{
	bool up = false, carrier;

	why[0] = '\0';
	if (strcmp(vf->driver, "vfio-pci") == 0) {
		if (group_in_use(vf->group))
			snprintf(why, room, "vfio-pci has it, in use");
	} else if (vf->driver[0] && !vf->netdev[0]) {
		snprintf(why, room, "driver %s has it", vf->driver);
	} else if (vf->driver[0] && td_sriov_pf_link(vf->netdev, &up, &carrier, NULL) == 0 && up) {
		snprintf(why, room, "the host uses it: %s is up", vf->netdev);
	}
}

/*
 * What the VF goes back to: as it is now or, when an earlier lease of this directory could not be undone, as its journal says.
 * *ret_kept: that one stands, and stays as it is.
 */
static int note_before(struct td_lease *lease, bool *ret_kept, struct td_err *err)
{
	struct td_journal journal = {0};
	int rc = td_journal_read(lease->dir, lease->vf.bdf, &journal, err);

	if (rc < 0 && rc != -ENOENT)
		return rc;
	*ret_kept = rc == 0;
	lease->before = journal.settings;
	memcpy(lease->driver_before, *ret_kept ? journal.driver : lease->vf.driver, sizeof(lease->driver_before));
	snprintf(lease->override_before, sizeof(lease->override_before), "%s",
		*ret_kept ? override_of(&journal, &lease->vf) : lease->vf.driver_override);
	if (journal.has_settings || !lease->vf.pf_name[0])
		return 0;
	return td_sriov_get(lease->vf.pf_name, lease->vf.index, &lease->before, err);
}

static bool is_as_before(const struct td_journal *journal)
{
	struct td_sriov_vf now;

	return td_sriov_lookup(journal->bdf, &now, NULL) == 0 && strcmp(now.driver, journal->driver) == 0 &&
	       strcmp(now.driver_override, journal->driver_override) == 0;
}

/* Journals what it goes back to, and binds. */
static int journal_and_bind(struct td_lease *lease, bool kept, struct td_err *err)
{
	struct td_journal journal;
	int rc = 0;

	make_journal(&lease->vf, &lease->before, &journal);
	if (!kept)
		rc = td_journal_write(lease->dir, &journal, err);
	if (rc < 0)
		return rc;
	rc = td_sriov_bind_vfio(lease->vf.bdf, NULL, err);
	/* A bind that fails undoes itself. Where that failed too, the journal is what is left to do it. */
	if (rc < 0 && !kept && is_as_before(&journal))
		(void)td_journal_remove(lease->dir, lease->vf.bdf, NULL);
	return rc;
}

/* Locks, journals, binds. `why` (WHY_BYTES) says what stood in the way when this VF can't be had. */
#define WHY_BYTES 96
static int take(struct td_lease *lease, const char *root, const struct td_sriov_vf *seen, char *why, struct td_err *err)
{
	const char *slash = strrchr(lease->dir, '/');
	char holder[WHY_BYTES - 16] = "";
	td_auto_close int lock_fd = -1;
	bool kept = false;

	int rc = lock_vf(root, seen->bdf, slash ? slash + 1 : lease->dir, &lock_fd, holder, sizeof(holder));
	if (rc == -EBUSY) {
		snprintf(why, WHY_BYTES, "held by VM %s", holder[0] ? holder : "(starting)");
		return rc;
	}
	if (rc < 0)
		return td_err_sys(err, -rc, TD_REASON_SYSTEM, "vf %s: %s/vf-%s.lock", seen->bdf, root, seen->bdf);
	rc = td_sriov_lookup(seen->bdf, &lease->vf, err); /* again: who held it before us may just have changed it */
	if (rc < 0)
		return rc;
	why_not_free(&lease->vf, why, WHY_BYTES);
	rc = why[0] ? -EBUSY : note_before(lease, &kept, err);
	if (rc == -EBADMSG)
		snprintf(why, WHY_BYTES, "its undo journal is damaged");
	if (rc == 0)
		rc = journal_and_bind(lease, kept, err);
	if (rc < 0)
		return rc;
	lease->vf_lock_fd = td_take_fd(&lock_fd);
	lease->held = true;
	return 0;
}

static int take_exact(struct td_lease *lease, const char *root, const char *bdf, struct td_err *err)
{
	struct td_sriov_vf vf;
	char why[WHY_BYTES] = "";
	int rc = td_sriov_lookup(bdf, &vf, err);

	if (rc == -ENODEV && err)
		err->reason = TD_REASON_NO_FREE_VF; /* it was not lost: it never was */
	if (rc == 0)
		rc = take(lease, root, &vf, why, err);
	if (why[0])
		return td_err_set(err, EBUSY, TD_REASON_VF_BUSY, "vf %s: is not free: %s", bdf, why);
	return rc;
}

static bool is_kept(const struct td_lease_request *request, const char *bdf)
{
	for (unsigned i = 0; i < request->kept_count; i++)
		if (!strcmp(request->kept[i], bdf))
			return true;
	return false;
}

static int take_any(struct td_lease *lease, const char *root, const struct td_lease_request *request, struct td_err *err)
{
	const char *pf_name = request->pf_name;
	td_auto_free struct td_sriov_vf *vfs = NULL;
	char refused[420] = "", why[WHY_BYTES];
	unsigned count = 0;
	size_t used = 0;
	int rc = td_sriov_list(pf_name, &vfs, &count, err);

	if (rc < 0)
		return rc;
	if (count == 0)
		return td_err_set(err, ENODEV, TD_REASON_NO_FREE_VF, "pf %s: has no VFs", pf_name);
	for (unsigned i = 0; i < count; i++) {
		bool kept = is_kept(request, vfs[i].bdf);

		snprintf(why, sizeof(why), "%s", kept ? "is kept for another NIC of this VM" : "");
		rc = kept ? -EBUSY : take(lease, root, &vfs[i], why, err);
		if (rc == 0 || !why[0])
			return rc; /* ours, or wrong in a way that another VF would not mend */
		if (used + 40 < sizeof(refused))
			used += (size_t)snprintf(refused + used, sizeof(refused) - used, "%sVF %u %s", used ? "; " : "", i, why);
		used = TD_MIN(used, sizeof(refused) - 1);
	}
	return td_err_set(err, EBUSY, TD_REASON_NO_FREE_VF, "pf %s: none of %u VFs is free: %s", pf_name, count, refused);
}

bool td_lease_is_journal(const char *file_name)
{
	char bdf[TD_BDF_BYTES];

	return td_journal_is_name(file_name, bdf);
}

bool td_lease_is_unfinished(const char *file_name)
{
	return td_journal_is_unfinished(file_name);
}

/*
 * One journal of a directory whose lock the caller holds. The VF's lock comes before the reading: a journal of which somebody lives is not
 * looked at. `self`: the directory's name when it is this process's own; then nobody else holds VFs by that name.
 */
static int recover_vf(const char *root, const char *dir, const char *bdf, const char *self, unsigned *ret_count, struct td_err *err)
{
	td_auto_close int lock_fd = -1;
	struct td_journal journal;
	char holder[sizeof(((struct td_lease *)NULL)->dir)] = "";
	bool undone;
	int rc = lock_vf(root, bdf, "(recovery)", &lock_fd, holder, sizeof(holder));

	if (rc == -EBUSY && self && strcmp(holder, self) == 0)
		return 0;
	if (rc == -EBUSY)
		return td_err_set(err, EBUSY, TD_REASON_CLEANUP, "%s: vf %s is held by VM %s", dir, bdf, holder[0] ? holder : "(starting)");
	if (rc < 0)
		return td_err_sys(err, -rc, TD_REASON_CLEANUP, "%s: vf %s: %s/vf-%s.lock", dir, bdf, root, bdf);
	rc = td_journal_read(dir, bdf, &journal, err);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	rc = undo(&journal, &undone, err);
	if (rc < 0) {
		if (err)
			err->reason = TD_REASON_CLEANUP;
		return td_err_prefix(err, "%s", dir);
	}
	rc = td_journal_remove(dir, bdf, err);
	if (rc == 0 && undone) {
		td_info("vf %s: given back after a crash (%s)", bdf, dir);
		++*ret_count;
	}
	return rc;
}

/* All journals of such a directory. *ret_count grows by what was given back; what cannot be is left, and the first of it reported. */
static int recover_dir(const char *root, const char *dir, const char *self, unsigned *ret_count, struct td_err *err)
{
	char bdf[TD_BDF_BYTES];
	struct td_err first = {0};
	DIR *stream = opendir(dir);

	if (!stream)
		return errno == ENOENT ? 0 : td_err_sys(err, errno, TD_REASON_CLEANUP, "%s", dir);
	for (struct dirent *entry; (entry = readdir(stream));) {
		struct td_err now = {0};

		if (!td_journal_is_name(entry->d_name, bdf))
			continue;
		if (!bdf[0])
			td_err_set(&now, EBADMSG, TD_REASON_CLEANUP, "%s/%.64s: damaged: its name says no VF", dir, entry->d_name);
		else
			(void)recover_vf(root, dir, bdf, self, ret_count, &now);
		if (now.code)
			note_first(&first, &now);
	}
	closedir(stream);
	if (first.code && err)
		*err = first;
	return first.code;
}

static bool has_journal(const char *dir)
{
	DIR *stream = opendir(dir);
	bool found = false;

	if (!stream)
		return false;
	for (struct dirent *entry; !found && (entry = readdir(stream));)
		found = td_lease_is_journal(entry->d_name);
	closedir(stream);
	return found;
}

/*
 * Did a process of this user die here and leave journals? Then the directory's lock is ours in *ret_lock. The root may be anybody's
 * directory: one without a lock file is not a VM's, and is not given one.
 */
static bool is_dead(const char *dir, int *ret_lock)
{
	char path[PATH_MAX];
	struct stat st;

	if (!has_journal(dir) || snprintf(path, sizeof(path), "%s/lock", dir) >= (int)sizeof(path))
		return false;
	td_auto_close int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (geteuid() != 0 && st.st_uid != geteuid()) ||
		flock(fd, LOCK_EX | LOCK_NB) < 0)
		return false;
	*ret_lock = td_take_fd(&fd);
	return true;
}

int td_lease_recover(const char *root, unsigned *ret_count, struct td_err *err)
{
	struct td_err first = {0}, now = {0};
	char path[PATH_MAX];
	unsigned count = 0;
	DIR *dir = opendir(root);

	if (!dir && (errno == ENOENT || errno == ENOTDIR)) {
		*ret_count = 0;
		return 0;
	}
	if (!dir)
		return td_err_sys(err, errno, TD_REASON_CLEANUP, "%s", root);
	for (struct dirent *entry; (entry = readdir(dir));) {
		td_auto_close int lock_fd = -1;

		if (entry->d_name[0] == '.' || (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN))
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", root, entry->d_name) >= (int)sizeof(path))
			continue;
		if (is_dead(path, &lock_fd) && recover_dir(root, path, NULL, &count, &now) < 0)
			note_first(&first, &now);
	}
	closedir(dir);
	*ret_count = count;
	if (first.code && err)
		*err = first;
	return first.code;
}

int td_lease_acquire(struct td_lease *lease, const char *dir, const struct td_lease_request *request, struct td_err *err)
{
	char root[sizeof(lease->dir)];
	struct td_err left = {0};
	unsigned count = 0;

	*lease = (struct td_lease){.vf_lock_fd = -1};
	if (strlen(dir) >= sizeof(lease->dir) || !strchr(dir, '/') || strchr(dir, '/') == strrchr(dir, '\0') - 1)
		return td_err_set(err, EINVAL, TD_REASON_INTERNAL, "run directory '%.100s': too long, or not below another", dir);
	memcpy(lease->dir, dir, strlen(dir) + 1);
	memcpy(root, dir, strlen(dir) + 1);
	*strrchr(root, '/') = '\0';
	/* A VF that a dead process left must be back as it was before its state is noted as "before". */
	if (td_lease_recover(root, &count, &left) < 0)
		td_warn("%s", left.text);
	if (recover_dir(root, dir, strrchr(dir, '/') + 1, &count, &left) < 0)
		td_warn("%s", left.text);
	int rc = request->bdf ? take_exact(lease, root, request->bdf, err) : take_any(lease, root, request, err);
	if (rc == 0)
		td_info("vf %s: leased (VF %u of %s, driver before: %s)", lease->vf.bdf, lease->vf.index,
			lease->vf.pf_name[0] ? lease->vf.pf_name : lease->vf.pf_bdf,
			lease->driver_before[0] ? lease->driver_before : "none");
	return rc;
}

static void unlock_lease(struct td_lease *lease)
{
	td_cleanup_close(&lease->vf_lock_fd);
	lease->vf_lock_fd = -1;
	lease->held = false;
}

static int end_lease(struct td_lease *lease, struct td_err *err)
{
	int rc = td_journal_remove(lease->dir, lease->vf.bdf, err);

	unlock_lease(lease);
	return rc;
}

int td_lease_release(struct td_lease *lease, struct td_err *err)
{
	struct td_err first = {0}, now = {0};
	struct td_journal journal;
	bool undone;

	if (!lease->held)
		return 0;
	if (!td_sriov_is_same(&lease->vf)) {
		td_info("vf %s: is gone, nothing to give back", lease->vf.bdf);
		return end_lease(lease, err);
	}
	make_journal(&lease->vf, &lease->before, &journal);
	memcpy(journal.driver, lease->driver_before, sizeof(journal.driver));
	memcpy(journal.driver_override, lease->override_before, sizeof(journal.driver_override));
	if (undo(&journal, &undone, &now) < 0)
		note_first(&first, &now);
	/* What failed stays in the journal: the next process tries again. */
	if (first.code)
		unlock_lease(lease);
	else
		(void)end_lease(lease, &first);
	if (first.code && err)
		*err = first;
	return first.code;
}
