/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_apply.c - runs a plan.
 *
 * Theory of operation. Before a step changes anything, the record on disk says so: what the attribute was before tandem first changed it
 * (`before`, kept until the file no longer speaks of it) and that the step has begun (`journal`, until the apply ends). Death at any point
 * leaves a host somewhere between two steps or within one; the next apply looks anew and finishes, with the journal in hand in case it
 * fails too. Undoing is running the journal backwards, each step the other way round, and taking each off as it is done, with what
 * `before` got for it: after a failure the record is what it was.
 *
 * A link is tandem's by its mark, never by its name in the record: others may have made one of that name since. Links that carry the mark
 * and stand neither in the record nor in the file (the record was lost) are strays: they are told, and left alone.
 */
#include "host/provision/host_apply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/log.h"
#include "host/provision/host_allow.h"
#include "host/provision/host_want.h"

#define LOOK_AGAIN_MS 20

/* ---- looking */

static void note_strays(const struct td_host_engine *engine, struct td_host_state *is)
{
	for (unsigned i = 0; i < is->count; i++) {
		const struct td_host_object *link = &is->object[i];
		if (link->kind != TD_HOST_LINK || !td_host_state_ours(link) ||
			td_host_state_get(&engine->record->before, TD_HOST_LINK, link->name, TD_HOST_ATTR_KIND))
			continue;
		td_host_state_set(is, TD_HOST_LINK, link->name, TD_HOST_ATTR_STRAY, link->value[TD_HOST_ATTR_MARK]);
		if (!td_host_want_makes(engine->config, link->name))
			td_host_state_set(is, TD_HOST_LINK, link->name, TD_HOST_ATTR_MARK, "");
	}
}

int td_host_look(const struct td_host_engine *engine, struct td_host_look *ret_look, struct td_err *err)
{
	*ret_look = (struct td_host_look){0};
	int r = engine->ops->observe(engine->opaque, &ret_look->is, err);
	if (r)
		return r;
	note_strays(engine, &ret_look->is);
	r = td_host_want(engine->config, engine->file_name, &ret_look->is, &engine->record->before, &ret_look->want, err);
	if (!r)
		r = td_host_diff(&ret_look->is, &ret_look->want, &ret_look->plan, err);
	if (!r)
		r = td_host_allow_disturbed(&ret_look->is, &ret_look->want, &ret_look->plan, err);
	if (r)
		td_host_look_fini(ret_look);
	return r;
}

void td_host_look_fini(struct td_host_look *look)
{
	td_host_state_fini(&look->is);
	td_host_state_fini(&look->want);
	td_host_diff_fini(&look->plan);
}

/* ---- running */

struct run {
	const struct td_host_engine *engine;
	struct td_host_look *look;
	struct td_host_state fresh; /* looked at since VFs were last made */
	bool is_fresh;
	unsigned done, count;
};

static int save(const struct td_host_engine *engine, struct td_err *err)
{
	return engine->ops->save(engine->opaque, engine->record, err);
}

static void show(const struct td_host_engine *engine, enum td_host_progress what, const struct td_host_step *step, unsigned index,
	unsigned count, uint64_t duration_ns)
{
	if (engine->progress && step->to)
		engine->progress(engine->progress_opaque, what, step, index, count, duration_ns);
}

/* The value that an attribute of unknown value has now, for the record and the undo. */
static int learn_from(struct run *run, struct td_host_step *step, struct td_err *err)
{
	const struct td_host_engine *engine = run->engine;
	if (step->from || step->attr == TD_HOST_ATTR_LOADED)
		return 0;
	if (!run->is_fresh) {
		td_host_state_fini(&run->fresh);
		int r = engine->ops->observe(engine->opaque, &run->fresh, err);
		if (r)
			return r;
		run->is_fresh = true;
	}
	const char *value = td_host_state_get(&run->fresh, step->kind, step->name, step->attr);
	step->from = value ? strdup(value) : NULL;
	return value && !step->from ? td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "out of memory") : 0;
}

/* Is the attribute one that returns to what it was when the file no longer speaks of it? Not those that end with what gave them. */
static bool is_kept(const struct run *run, const struct td_host_step *step)
{
	const struct td_host_object *is = td_host_state_find(&run->look->is, step->kind, step->name);
	const char *wanted_kind = td_host_state_get(&run->look->want, step->kind, step->name, TD_HOST_ATTR_KIND);
	if (step->attr == TD_HOST_ATTR_KIND)
		return step->from && !*step->from;
	if (wanted_kind || (is && step->kind == TD_HOST_LINK && td_host_state_ours(is)))
		return false;
	switch (step->attr) {
	case TD_HOST_ATTR_LOADED:
	case TD_HOST_ATTR_ISOLATED:
	case TD_HOST_ATTR_VLANS:
	case TD_HOST_ATTR_MARK:
		return false;
	case TD_HOST_ATTR_UP: /* keepsakes too: a bond brings its members up */
		return step->from;
	case TD_HOST_ATTR_MASTER: /* nothing comes back below a link of ours by itself */
		return step->from && step->to && !*step->from;
	default:
		return step->from && step->to;
	}
}

static int note_begun(struct run *run, const struct td_host_step *step, struct td_err *err)
{
	struct td_host_record *record = run->engine->record;
	struct td_host_state *before = &record->before;
	int r = td_host_record_begin(record, step, err);
	if (r)
		return r;
	if (is_kept(run, step) && !td_host_state_get(before, step->kind, step->name, step->attr))
		td_host_state_set(before, step->kind, step->name, step->attr, step->from);
	if (before->no_memory)
		return td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "out of memory");
	/* A keepsake changes nothing yet: it goes to disk with the step that does. */
	return step->to ? save(run->engine, err) : 0;
}

static void note_done(struct run *run, const struct td_host_step *step)
{
	if (step->kind != TD_HOST_LINK || step->attr != TD_HOST_ATTR_NUM_VFS)
		return;
	td_host_state_remove_vfs(&run->engine->record->before, step->name); /* these VFs are no more */
	run->is_fresh = false;
}

static int run_step(struct run *run, struct td_host_step *step, struct td_err *err)
{
	const struct td_host_engine *engine = run->engine;
	int r = learn_from(run, step, err);
	if (!r)
		r = note_begun(run, step, err);
	if (r || !step->to)
		return r;
	uint64_t start = td_now_ns();
	show(engine, TD_HOST_STEP_BEGINS, step, ++run->done, run->count, 0);
	r = engine->ops->set(engine->opaque, step->kind, step->name, step->attr, step->from, step->to, err);
	show(engine, r ? TD_HOST_STEP_FAILED : TD_HOST_STEP_DONE, step, run->done, run->count, td_now_ns() - start);
	if (!r)
		note_done(run, step);
	return r;
}

/* What there is while the journal is run backwards; anew when a link was made or taken away. */
struct undo {
	const struct td_host_engine *engine;
	struct td_host_state now;
	bool looked;
};

static bool is_made_in(const struct td_host_plan *journal, unsigned last)
{
	for (unsigned i = 0; i <= last; i++)
		if (journal->step[i].kind == TD_HOST_LINK && journal->step[i].attr == TD_HOST_ATTR_KIND && journal->step[i].to &&
			*journal->step[i].to && !strcmp(journal->step[i].name, journal->step[last].name))
			return true;
	return false;
}

/* The journal's step is of a link that was made for it, and that is gone; what has its name now is another's. */
static bool is_gone(struct undo *undo, unsigned index)
{
	const struct td_host_plan *journal = &undo->engine->record->journal;
	const struct td_host_step *step = &journal->step[index];
	if (step->kind != TD_HOST_LINK || !is_made_in(journal, index))
		return false;
	if (!undo->looked) {
		td_host_state_fini(&undo->now);
		if (undo->engine->ops->observe(undo->engine->opaque, &undo->now, NULL))
			return false;
	}
	undo->looked = true;
	const struct td_host_object *link = td_host_state_find(&undo->now, TD_HOST_LINK, step->name);
	return !link || !td_host_state_ours(link);
}

/* Of a VF whose number of siblings is back, and of what is not known, there is nothing to bring back. */
static int undo_step(struct undo *undo, unsigned index, struct td_err *err)
{
	const struct td_host_engine *engine = undo->engine;
	const struct td_host_step *step = &engine->record->journal.step[index];
	if (!step->from || step->attr == TD_HOST_ATTR_LOADED || is_gone(undo, index))
		return 0;
	if (step->attr == TD_HOST_ATTR_KIND)
		undo->looked = false;
	return engine->ops->set(engine->opaque, step->kind, step->name, step->attr, step->to, step->from, err);
}

/*
 * Runs the journal backwards. Goes on after a failure; what could not be undone stays in the journal, also in what is saved meanwhile, and
 * in ret_left ("": nothing). Returns what the last save did.
 */
static int undo_all(const struct td_host_engine *engine, char *ret_left, size_t len, struct td_err *ret_unsaved)
{
	struct td_host_record *record = engine->record;
	struct undo undo = {.engine = engine};
	int r = 0;
	*ret_left = '\0';
	for (unsigned i = record->journal.count; i-- > 0;) {
		const struct td_host_step *step = &record->journal.step[i];
		struct td_err err = {0};
		if (undo_step(&undo, i, &err)) {
			size_t used = strlen(ret_left);
			td_warn("undo: %s", err.text);
			snprintf(ret_left + used, len - used, "%s%s %s", used ? ", " : "", step->name, td_host_state_attr_name(step->attr));
			continue;
		}
		show(engine, TD_HOST_STEP_UNDONE, step, 0, 0, 0);
		td_host_record_undone(record, i);
		r = save(engine, ret_unsaved);
	}
	td_host_state_fini(&undo.now);
	return r;
}

static int fail_and_undo(struct run *run, struct td_err *err)
{
	char left[200];
	char text[sizeof(err->text)];
	struct td_err unsaved = {0};
	int r = undo_all(run->engine, left, sizeof(left), &unsaved);
	memcpy(text, err->text, sizeof(text));
	text[sizeof(text) - 1] = '\0';
	if (*left)
		return td_err_set(err, -err->code, TD_REASON_CLEANUP, "%.280s; undone but for: %s", text, left);
	if (r)
		return td_err_set(
			err, -err->code, TD_REASON_CLEANUP, "%.240s; undone, but the record still has it: %.200s", text, unsaved.text);
	return td_err_set(err, -err->code, err->reason, "%.440s; undone", text);
}

/* Frees what is held and must go, before anything is changed; then all is looked at anew. */
static int free_holders(const struct td_host_engine *engine, struct td_host_look *look, struct td_err *err)
{
	bool any = false;
	for (unsigned i = 0; i < look->plan.count; i++) {
		const struct td_host_step *step = &look->plan.step[i];
		if (step->kind != TD_HOST_LINK || step->attr != TD_HOST_ATTR_NUM_VFS)
			continue;
		for (unsigned v = 0; v < look->is.count; v++) {
			const struct td_host_object *vf = &look->is.object[v];
			const char *holder = vf->value[TD_HOST_ATTR_HOLDER];
			if (!td_host_state_vf_of(vf, step->name) || !holder)
				continue;
			int r = engine->ops->free_vf(engine->opaque, vf->value[TD_HOST_ATTR_BDF], holder, err);
			if (r)
				return r;
			any = true;
		}
	}
	if (!any)
		return 0;
	td_host_look_fini(look);
	return td_host_look(engine, look, err);
}

/* What the file no longer speaks of and is as it was, need not be known any longer; nor what is no more. */
static bool is_as_before(
	const struct td_host_look *look, const struct td_host_object *is, const struct td_host_object *before, enum td_host_attr attr)
{
	const char *master = is && is->value[TD_HOST_ATTR_MASTER] ? is->value[TD_HOST_ATTR_MASTER] : "";
	if (attr == TD_HOST_ATTR_KIND) /* another's now */
		return !is || !td_host_state_ours(is);
	/* A bond's member shows the bond's MTU, not its own. */
	if (attr == TD_HOST_ATTR_MTU && td_host_state_is(td_host_state_find(&look->is, TD_HOST_LINK, master), TD_HOST_ATTR_KIND, "bond"))
		return false;
	return !is || td_host_state_is(is, attr, before->value[attr]);
}

static void forget(const struct td_host_look *look, struct td_host_state *before)
{
	for (unsigned i = 0; i < before->count; i++) {
		struct td_host_object *object = &before->object[i];
		const struct td_host_object *is = td_host_state_find(&look->is, object->kind, object->name);
		for (unsigned attr = 0; attr < TD_HOST_ATTR_COUNT; attr++)
			if (object->value[attr] && is_as_before(look, is, object, (enum td_host_attr)attr))
				td_host_state_set(before, object->kind, object->name, (enum td_host_attr)attr, NULL);
	}
	td_host_state_tidy(before);
}

/* Strays that the file has are known from now on. */
static bool take_strays(const struct td_host_look *look, struct td_host_state *before)
{
	bool any = false;
	for (unsigned i = 0; i < look->is.count; i++) {
		const struct td_host_object *link = &look->is.object[i];
		bool taken = link->kind == TD_HOST_LINK && link->value[TD_HOST_ATTR_STRAY] && td_host_state_ours(link);
		if (taken)
			td_host_state_set(before, TD_HOST_LINK, link->name, TD_HOST_ATTR_KIND, "");
		any = any || taken;
	}
	return any;
}

static void sleep_ms(unsigned ms)
{
	struct timespec time = {.tv_nsec = (long)ms * 1000000L};
	nanosleep(&time, NULL);
}

/* Looks again: the kernel said yes to each step; is it so? Some values take a moment. */
static int verify(struct run *run, struct td_err *err)
{
	for (unsigned waited = 0;; waited += LOOK_AGAIN_MS) {
		td_host_look_fini(run->look);
		int r = td_host_look(run->engine, run->look, err);
		if (r)
			return r;
		if (!td_host_diff_count(&run->look->plan))
			return 0;
		if (waited >= run->engine->settle_ms)
			break;
		sleep_ms(LOOK_AGAIN_MS);
	}
	for (unsigned i = 0; i < run->look->plan.count; i++) {
		char text[128];
		const struct td_host_step *step = &run->look->plan.step[i];
		td_host_diff_print(step, false, text, sizeof(text));
		if (step->to)
			return td_err_set(err, EIO, TD_REASON_NOT_APPLIED, "%s: %s: was done, and is not so", step->name, text);
	}
	return 0;
}

static int run_all(struct run *run, struct td_err *err)
{
	struct td_host_plan *plan = &run->look->plan;
	for (unsigned i = 0; i < plan->count; i++) {
		int r = run_step(run, &plan->step[i], err);
		if (r)
			return r;
	}
	return verify(run, err);
}

int td_host_apply(const struct td_host_engine *engine, struct td_host_look *look, struct td_err *err)
{
	struct run run = {.engine = engine, .look = look};
	struct td_host_record *record = engine->record;
	bool left_over = record->journal.count > 0;
	int r = td_host_allow(&look->is, &look->want, &look->plan, engine->force, engine->disconnect, err);
	if (r)
		return r;
	if (!td_host_diff_count(&look->plan) && !left_over)
		return take_strays(look, &record->before) ? save(engine, err) : 0;
	if (engine->force)
		r = free_holders(engine, look, err);
	if (r)
		return r;
	run.count = td_host_diff_count(&look->plan);
	r = run_all(&run, err);
	td_host_state_fini(&run.fresh);
	if (r)
		return fail_and_undo(&run, err);
	td_host_record_end(record);
	(void)take_strays(look, &record->before);
	forget(look, &record->before);
	return save(engine, err);
}
