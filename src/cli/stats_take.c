#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cli/stats.h"
#include "sys/proc.h"

#define ANSWER_MS 200

struct sample {
	struct lxe_slot_view *view;
	size_t n, room;
};

static int add(void *arg, const struct lxe_slot_view *view)
{
	struct sample *s = arg;

	if (s->n == s->room) {
		size_t room = s->room ? s->room * 2 : 64;
		struct lxe_slot_view *grown = realloc(s->view, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		s->view = grown;
		s->room = room;
	}
	s->view[s->n++] = *view;
	return 0;
}

static int by_age(const void *a, const void *b)
{
	const struct lxe_stats_row *x = a, *y = b;

	if (x->m.created_us != y->m.created_us)
		return x->m.created_us < y->m.created_us ? -1 : 1;
	return strcmp(x->id, y->id);
}

static const struct lxe_stats_row *find(const struct lxe_stats *stats, const char *id)
{
	for (size_t i = 0; stats && i < stats->n; i++)
		if (strcmp(stats->row[i].id, id) == 0)
			return &stats->row[i];
	return NULL;
}

/* Negative: unknown. */
static double cpu_percent(const struct lxe_metrics *m, const struct lxe_stats_row *before)
{
	uint64_t cpu = before ? before->m.cpu_us : 0;
	uint64_t since = before ? before->m.updated_us : m->started_us;

	if (m->cpu_us == LXE_METRIC_UNKNOWN || cpu == LXE_METRIC_UNKNOWN || !since)
		return -1;
	if (m->updated_us <= since || m->cpu_us < cpu)
		return -1;
	return 100.0 * (double)(m->cpu_us - cpu) / (double)(m->updated_us - since);
}

static uint64_t uptime(const struct lxe_metrics *m, bool crashed, uint64_t now)
{
	uint64_t end = m->stopped_us ? m->stopped_us : now;

	if (!m->started_us)
		return LXE_METRIC_UNKNOWN;
	if (crashed && !m->stopped_us)
		end = m->updated_us;
	return end > m->started_us ? end - m->started_us : 0;
}

void lxe_stats_fill(struct lxe_stats_row *ret, const struct lxe_slot_view *view, bool crashed,
	const struct lxe_stats *before, uint64_t now_us)
{
	const struct lxe_metrics *m = &view->metrics;

	*ret = (struct lxe_stats_row){
		.m = *m,
		.crashed = crashed,
		.cpu_percent = cpu_percent(m, find(before, view->id)),
		.uptime_us = uptime(m, crashed, now_us),
	};
	memcpy(ret->id, view->id, sizeof(ret->id));
}

static void set_name(struct lxe_stats_row *row, const struct lxe_stats_names *names)
{
	const char *name = names && names->of ? names->of(names->arg, row->id) : NULL;

	if (name && lxe_format(row->name, sizeof(row->name), "%s", name) < 0)
		row->name[0] = '\0';
}

/* Only who has not answered is looked at: an answer is proof of life. */
static int judge(struct lxe_stats *stats, struct lxe_slots *slots, const struct sample *sample,
	uint64_t since, const struct lxe_stats *before)
{
	for (size_t i = 0; i < sample->n; i++) {
		const struct lxe_slot_view *view = &sample->view[i];
		int owned = 1;

		if (view->metrics.updated_us < since)
			owned = lxe_slots_is_owned(slots, view);
		if (owned == -ESTALE)
			continue;
		if (owned < 0)
			return owned;
		lxe_stats_fill(&stats->row[stats->n++], view, !owned, before, sys_now_us());
	}
	return 0;
}

static int sample_all(
	struct lxe_slots *slots, struct sample *sample, uint64_t *since, struct lxe_err *err)
{
	int r = lxe_slots_ask(slots, since, err);

	if (r < 0)
		return r;
	r = lxe_slots_await_fresh(slots, *since, ANSWER_MS);
	if (r < 0)
		return lxe_fail(err, r, "wait for fresh metrics");
	r = lxe_slots_read(slots, add, sample);
	return r < 0 ? lxe_fail(err, r, "read the metrics") : 0;
}

static int take(struct lxe_stats *ret, struct lxe_slots *slots, struct sample *sample,
	const struct lxe_stats *before, struct lxe_err *err)
{
	struct lxe_stats stats = { 0 };
	uint64_t since;
	int r;

	r = sample_all(slots, sample, &since, err);
	if (r < 0 || !sample->n)
		return r;
	stats.row = calloc(sample->n, sizeof(*stats.row));
	r = stats.row ? judge(&stats, slots, sample, since, before) : -ENOMEM;
	if (r < 0) {
		lxe_stats_release(&stats);
		return lxe_fail(err, r, "read the metrics");
	}
	*ret = stats;
	return 0;
}

int lxe_stats_take(struct lxe_stats *ret, const char *run, const struct lxe_stats_names *names,
	const struct lxe_stats *before, struct lxe_err *err)
{
	struct lxe_stats stats = { 0 };
	struct sample sample = { 0 };
	struct lxe_slots *slots = NULL;
	int r = lxe_slots_open(&slots, run, LXE_SLOTS_LOOK, err);

	if (r == 0)
		r = take(&stats, slots, &sample, before, err);
	else if (r == -ENOENT)
		r = 0;
	lxe_slots_close(slots);
	free(sample.view);
	if (r < 0)
		return r;
	for (size_t i = 0; i < stats.n; i++)
		set_name(&stats.row[i], names);
	if (stats.n)
		qsort(stats.row, stats.n, sizeof(*stats.row), by_age);
	*ret = stats;
	return 0;
}

void lxe_stats_release(struct lxe_stats *stats)
{
	free(stats->row);
	*stats = (struct lxe_stats){ 0 };
}
