/*
 * lxc-exec stats: one sample of all metrics slots, and the forms it is shown in. Taking a sample
 * waits up to 200 ms for the keepers' answers; the forms are pure.
 */
#ifndef LXE_CLI_STATS_H
#define LXE_CLI_STATS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "store/slots.h"

#define LXE_STATS_NAME_MAX 128

struct lxe_stats_row {
	char id[LXE_ID_LEN + 1];
	char name[LXE_STATS_NAME_MAX + 1]; /* as its owner chose it; empty: none is known */
	struct lxe_metrics m;
	bool crashed;	    /* its keeper is dead */
	double cpu_percent; /* negative: unknown */
	uint64_t uptime_us; /* of the command, LXE_METRIC_UNKNOWN before its start */
};

/* Oldest sandbox first. An all-zero value is an empty sample. */
struct lxe_stats {
	struct lxe_stats_row *row;
	size_t n;
};

/* The name of a sandbox, valid until the next call, or NULL. The whole may be NULL: no names. */
struct lxe_stats_names {
	const char *(*of)(void *arg, const char *id);
	void *arg;
};

/*
 * Take a sample; shares of the processor are since `before` (NULL: since the start). A run directory
 * without slots is an empty sample. The caller releases *ret, which is untouched on failure.
 */
int lxe_stats_take(struct lxe_stats *ret, const char *run, const struct lxe_stats_names *names,
	const struct lxe_stats *before, struct lxe_err *err);
void lxe_stats_release(struct lxe_stats *stats);

/* The row of what was seen of a slot at `now`; `before` as above. Pure. */
void lxe_stats_fill(struct lxe_stats_row *ret, const struct lxe_slot_view *view, bool crashed,
	const struct lxe_stats *before, uint64_t now_us);

const char *lxe_stats_state(const struct lxe_stats_row *row);

/* At most `lines` rows, and a line that says how many there are beyond; 0: all of them. */
void lxe_stats_table(FILE *out, const struct lxe_stats *stats, size_t lines);

/* NULL when memory runs out. */
json_t *lxe_stats_json(const struct lxe_stats *stats);

/* The text format 0.0.4. */
void lxe_stats_prometheus(FILE *out, const struct lxe_stats *stats);

#endif
