/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_apply.c - runs a plan.
 *
 * Theory of operation. Before a step changes anything, the record on disk says so: what the attribute was before tandem first changed it
 * (`before`, kept until the file no longer speaks of it) and that the step has begun (`journal`, until the apply ends). Death at any point
 * leaves a host somewhere between two steps or within one; the next apply looks anew and finishes, with the journal in hand in case it
 * fails too. Undoing is running the journal backwards, each step the other way round, and taking each off as it is done.
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

static void note_making(const struct td_host_state *before, struct td_host_state *is)
{
	for (unsigned i = 0; i < before->count; i++) {
		const struct td_host_object *link = &before->object[i];
		if (link->kind == TD_HOST_LINK && td_host_state_is(link, TD_HOST_ATTR_MAKING, "yes") &&
			td_host_state_find(is, TD_HOST_LINK, link->name))
			td_host_state_set(is, TD_HOST_LINK, link->name, TD_HOST_ATTR_MAKING, "yes");
	}
}

int td_host_look(const struct td_host_engine *engine, struct td_host_look *ret_look, struct td_err *err)
{
	*ret_look = (struct td_host_look){0};
	int r = engine->ops->observe(engine->opaque, &ret_look->is, err);
	if (r)
		return r;
	note_making(&engine->record->before, &ret_look->is);
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
	if (is_kept(run, step) && !td_host_state_get(before, step->kind, step->name, step->attr))
		td_host_state_set(before, step->kind, step->name, step->attr, step->from);
	if (step->attr == TD_HOST_ATTR_KIND && step->to && *step->to)
		td_host_state_set(before, TD_HOST_LINK, step->name, TD_HOST_ATTR_MAKING, "yes");
	int r = before->no_memory ? td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "out of memory") : 0;
	if (!r)
		r = td_host_record_begin(record, step, err);
	/* A keepsake changes nothing yet: it goes to disk with the step that does. */
	return r || !step->to ? r : save(run->engine, err);
}

static void note_done(struct run *run, const struct td_host_step *step)
{
	struct td_host_state *before = &run->engine->record->before;
	bool link = step->kind == TD_HOST_LINK;
	if (link && (step->attr == TD_HOST_ATTR_KIND || step->attr == TD_HOST_ATTR_MARK))
		td_host_state_set(before, TD_HOST_LINK, step->name, TD_HOST_ATTR_MAKING, NULL);
	if (!link || step->attr != TD_HOST_ATTR_NUM_VFS)
		return;
	td_host_state_remove_vfs(before, step->name); /* these VFs are no more */
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

/* Of a VF whose number of siblings is back, and of what is not known, there is nothing to bring back. */
static int undo_step(const struct td_host_engine *engine, const struct td_host_step *step, struct td_err *err)
{
	if (!step->from || step->attr == TD_HOST_ATTR_LOADED)
		return 0;
	return engine->ops->set(engine->opaque, step->kind, step->name, step->attr, step->to, step->from, err);
}

/*
 * Runs the journal backwards. Goes on after a failure; what could not be undone stays in the journal, also in what is saved meanwhile, and
 * in ret_left ("": nothing).
 */
static void undo_all(const struct td_host_engine *engine, char *ret_left, size_t len)
{
	struct td_host_record *record = engine->record;
	*ret_left = '\0';
	for (unsigned i = record->journal.count; i-- > 0;) {
		struct td_host_step *step = &record->journal.step[i];
		struct td_err err = {0};
		if (undo_step(engine, step, &err)) {
			size_t used = strlen(ret_left);
			td_warn("undo: %s", err.text);
			snprintf(ret_left + used, len - used, "%s%s %s", used ? ", " : "", step->name, td_host_state_attr_name(step->attr));
			continue;
		}
		show(engine, TD_HOST_STEP_UNDONE, step, 0, 0, 0);
		td_host_record_remove(record, i);
		(void)save(engine, NULL);
	}
}

static int fail_and_undo(struct run *run, struct td_err *err)
{
	char left[200];
	char text[sizeof(err->text)];
	undo_all(run->engine, left, sizeof(left));
	memcpy(text, err->text, sizeof(text));
	text[sizeof(text) - 1] = '\0';
	if (!*left)
		return td_err_set(err, -err->code, err->reason, "%.440s; undone", text);
	return td_err_set(err, -err->code, TD_REASON_CLEANUP, "%.280s; undone but for: %s", text, left);
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
	/* A bond's member shows the bond's MTU, not its own. */
	if (attr == TD_HOST_ATTR_MTU && td_host_state_is(td_host_state_find(&look->is, TD_HOST_LINK, master), TD_HOST_ATTR_KIND, "bond"))
		return false;
	return !is || td_host_state_is(is, attr, before->value[attr]);
}

static void forget(const struct td_host_look *look, struct td_host_state *before)
{
	for (unsigned i = before->count; i-- > 0;) {
		struct td_host_object *object = &before->object[i];
		const struct td_host_object *is = td_host_state_find(&look->is, object->kind, object->name);
		bool any = false;
		for (unsigned attr = 0; attr < TD_HOST_ATTR_COUNT; attr++) {
			if (object->value[attr] && is_as_before(look, is, object, (enum td_host_attr)attr))
				td_host_state_set(before, object->kind, object->name, (enum td_host_attr)attr, NULL);
			any = any || object->value[attr];
		}
		if (!any)
			td_host_state_remove(before, object->kind, object->name);
	}
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
		return 0;
	if (engine->force)
		r = free_holders(engine, look, err);
	if (r)
		return r;
	run.count = td_host_diff_count(&look->plan);
	r = run_all(&run, err);
	td_host_state_fini(&run.fresh);
	if (r)
		return fail_and_undo(&run, err);
	while (record->journal.count)
		td_host_record_remove(record, record->journal.count - 1);
	forget(look, &record->before);
	return save(engine, err);
}
