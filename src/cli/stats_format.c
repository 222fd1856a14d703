#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/print.h"
#include "cli/stats.h"

/* A name of which each byte is escaped. */
#define NAME_SIZE (4 * LXE_STATS_NAME_MAX + 1)

const char *lxe_stats_state(const struct lxe_stats_row *row)
{
	return row->crashed ? "crashed" : lxe_metrics_state_name(row->m.state);
}

static const char *escaped(const struct lxe_stats_row *row, char buf[NAME_SIZE])
{
	lxe_escape(buf, NAME_SIZE, row->name, strlen(row->name));
	return buf;
}

/* ---- table ---- */

#define CELL 24

static const char *size_cell(uint64_t bytes, char buf[CELL])
{
	static const char units[] = "KMGT";
	double value = (double)bytes;
	size_t unit = 0;

	if (bytes == LXE_METRIC_UNKNOWN)
		return "-";
	if (bytes < 1024) {
		snprintf(buf, CELL, "%" PRIu64, bytes);
		return buf;
	}
	/* 1023.95 would be shown as 1024.0. */
	for (value /= 1024; value >= 1023.95 && unit < sizeof(units) - 2; value /= 1024)
		unit++;
	snprintf(buf, CELL, "%.1f%c", value, units[unit]);
	return buf;
}

static const char *time_cell(uint64_t us, char buf[CELL])
{
	uint64_t s = us / 1000000;

	if (us == LXE_METRIC_UNKNOWN)
		return "-";
	if (s < 60)
		snprintf(buf, CELL, "%" PRIu64 "s", s);
	else if (s < 3600)
		snprintf(buf, CELL, "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, CELL, "%" PRIu64 "h%02" PRIu64 "m", s / 3600, s / 60 % 60);
	else
		snprintf(buf, CELL, "%" PRIu64 "d%02" PRIu64 "h", s / 86400, s / 3600 % 24);
	return buf;
}

static const char *percent_cell(double percent, char buf[CELL])
{
	if (percent < 0)
		return "-";
	snprintf(buf, CELL, "%.1f", percent);
	return buf;
}

static const char *count_cell(uint32_t count, char buf[CELL])
{
	if (count == LXE_METRIC_UNKNOWN32)
		return "-";
	snprintf(buf, CELL, "%" PRIu32, count);
	return buf;
}

static void put_row(FILE *out, const struct lxe_stats_row *row)
{
	char name[NAME_SIZE], c[7][CELL];
	const struct lxe_metrics *m = &row->m;

	fprintf(out, "%-12s  %-16s  %-8s  %6s  %8s  %8s  %6s  %8s  %8s  %s\n", row->id,
		row->name[0] ? escaped(row, name) : "-", lxe_stats_state(row),
		percent_cell(row->cpu_percent, c[0]), size_cell(m->memory_now, c[1]),
		size_cell(m->memory_peak, c[2]), count_cell(m->pids, c[3]),
		size_cell(m->bytes_in, c[4]), size_cell(m->bytes_out, c[5]),
		time_cell(row->uptime_us, c[6]));
}

void lxe_stats_table(FILE *out, const struct lxe_stats *stats, size_t lines)
{
	size_t shown = stats->n;

	/* The last line of too few is for the number of those that find no room. */
	if (lines && shown > lines)
		shown = lines - 1;
	fprintf(out, "%-12s  %-16s  %-8s  %6s  %8s  %8s  %6s  %8s  %8s  %s\n", "ID", "NAME",
		"STATE", "CPU%", "MEMORY", "PEAK", "PIDS", "IN", "OUT", "UPTIME");
	for (size_t i = 0; i < shown; i++)
		put_row(out, &stats->row[i]);
	if (shown < stats->n)
		fprintf(out, "and %zu more\n", stats->n - shown);
}

/* ---- JSON ---- */

static json_t *number(uint64_t value)
{
	return value == LXE_METRIC_UNKNOWN ? json_null() : json_integer((json_int_t)value);
}

static json_t *number32(uint32_t value)
{
	return value == LXE_METRIC_UNKNOWN32 ? json_null() : json_integer(value);
}

static json_t *milliseconds(uint64_t us)
{
	return us == LXE_METRIC_UNKNOWN ? json_null() : number(us / 1000);
}

static json_t *object_of(const struct lxe_stats_row *row)
{
	const struct lxe_metrics *m = &row->m;

	return json_pack("{s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
		row->id, "name", lxe_json_text(row->name[0] ? row->name : NULL), "state",
		lxe_stats_state(row), "pid", m->pid > 0 ? json_integer(m->pid) : json_null(),
		"cpu_us", number(m->cpu_us), "cpu_percent",
		row->cpu_percent < 0 ? json_null() : json_real(row->cpu_percent), "memory",
		number(m->memory_now), "memory_peak", number(m->memory_peak), "pids",
		number32(m->pids), "execs", number32(m->execs), "bytes_in", number(m->bytes_in),
		"bytes_out", number(m->bytes_out), "uptime_ms", milliseconds(row->uptime_us));
}

json_t *lxe_stats_json(const struct lxe_stats *stats)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < stats->n; i++)
		if (json_array_append_new(rows, object_of(&stats->row[i])) < 0) {
			json_decref(rows);
			return NULL;
		}
	return rows;
}

/* ---- Prometheus ---- */

/* A label's value: what the format wants escaped, once nothing is left in it that drives a terminal. */
static void put_label(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\' || *text == '"')
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void put_labels(FILE *out, const struct lxe_stats_row *row)
{
	char name[NAME_SIZE];

	fprintf(out, "{id=\"%s\",name=\"", row->id);
	put_label(out, escaped(row, name));
	fputs("\"", out);
}

enum unit { UNIT_ONE, UNIT_SECONDS };

struct family {
	const char *name, *type, *help;
	enum unit unit; /* UNIT_SECONDS: the figure is in microseconds */
	uint64_t (*figure)(const struct lxe_stats_row *row);
};

static uint64_t wide(uint32_t value)
{
	return value == LXE_METRIC_UNKNOWN32 ? LXE_METRIC_UNKNOWN : value;
}

static uint64_t cpu(const struct lxe_stats_row *row)
{
	return row->m.cpu_us;
}

static uint64_t memory(const struct lxe_stats_row *row)
{
	return row->m.memory_now;
}

static uint64_t peak(const struct lxe_stats_row *row)
{
	return row->m.memory_peak;
}

static uint64_t processes(const struct lxe_stats_row *row)
{
	return wide(row->m.pids);
}

static uint64_t execs(const struct lxe_stats_row *row)
{
	return wide(row->m.execs);
}

static uint64_t input(const struct lxe_stats_row *row)
{
	return row->m.bytes_in;
}

static uint64_t output(const struct lxe_stats_row *row)
{
	return row->m.bytes_out;
}

static uint64_t up(const struct lxe_stats_row *row)
{
	return row->uptime_us;
}

static const struct family families[] = {
	{ "cpu_seconds_total", "counter", "Processor time used", UNIT_SECONDS, cpu },
	{ "memory_bytes", "gauge", "Memory in use", UNIT_ONE, memory },
	{ "memory_peak_bytes", "gauge", "Most memory that was in use", UNIT_ONE, peak },
	{ "processes", "gauge", "Processes and threads", UNIT_ONE, processes },
	{ "execs", "gauge", "Commands running beside the first", UNIT_ONE, execs },
	{ "input_bytes_total", "counter", "Bytes typed into the terminal", UNIT_ONE, input },
	{ "output_bytes_total", "counter", "Bytes that the terminal put out", UNIT_ONE, output },
	{ "uptime_seconds", "gauge", "Time since the start of the command", UNIT_SECONDS, up },
};

static void put_head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP lxc_exec_sandbox_%s %s.\n# TYPE lxc_exec_sandbox_%s %s\n", name, help,
		name, type);
}

/* A figure that nobody knows has no line: zero would be a figure. */
static void put_family(FILE *out, const struct family *f, const struct lxe_stats *stats)
{
	put_head(out, f->name, f->type, f->help);
	for (size_t i = 0; i < stats->n; i++) {
		uint64_t v = f->figure(&stats->row[i]);

		if (v == LXE_METRIC_UNKNOWN)
			continue;
		fprintf(out, "lxc_exec_sandbox_%s", f->name);
		put_labels(out, &stats->row[i]);
		if (f->unit == UNIT_SECONDS)
			fprintf(out, "} %" PRIu64 ".%06" PRIu64 "\n", v / 1000000, v % 1000000);
		else
			fprintf(out, "} %" PRIu64 "\n", v);
	}
}

void lxe_stats_prometheus(FILE *out, const struct lxe_stats *stats)
{
	put_head(out, "info", "gauge", "The sandboxes and their states, each 1");
	for (size_t i = 0; i < stats->n; i++) {
		fputs("lxc_exec_sandbox_info", out);
		put_labels(out, &stats->row[i]);
		fprintf(out, ",state=\"%s\"} 1\n", lxe_stats_state(&stats->row[i]));
	}
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		put_family(out, &families[i], stats);
}
