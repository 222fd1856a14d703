#include "cli/stats.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <unistd.h>

#include "policy/options.h"
#include "policy/request.h"
#include "slots_fixture.h"

#define UNKNOWN LXE_METRIC_UNKNOWN

static struct lxe_slot_view view_of(const char *id)
{
	struct lxe_slot_view view = {
		.metrics = {
			.cpu_us = 1500000,
			.memory_now = 12 * 1024 * 1024,
			.memory_peak = 2147483648u,
			.bytes_in = 1023,
			.bytes_out = 1024,
			.created_us = 1000000,
			.started_us = 2000000,
			.updated_us = 5000000,
			.state = LXE_METRICS_RUNNING,
			.pids = 3,
			.pid = 4711,
			.execs = 2,
		},
	};

	memcpy(view.id, id, LXE_ID_LEN);
	return view;
}

static struct lxe_stats_row row_of(const char *name)
{
	struct lxe_slot_view view = view_of("0123456789ab");
	struct lxe_stats_row row;

	lxe_stats_fill(&row, &view, false, NULL, 3700 * 1000000ULL);
	snprintf(row.name, sizeof(row.name), "%s", name);
	return row;
}

/* What a form prints; the caller frees it. */
static char *text_of(void (*put)(FILE *, const struct lxe_stats *), const struct lxe_stats *stats)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	put(out, stats);
	cr_assert_eq(fclose(out), 0);
	return text;
}

static size_t table_lines;

static void put_table(FILE *out, const struct lxe_stats *stats)
{
	lxe_stats_table(out, stats, table_lines);
}

#define HEADER                                                                                   \
	"ID            NAME              STATE       CPU%    MEMORY      PEAK    PIDS        IN" \
	"       OUT  UPTIME\n"

static void prints(const struct lxe_stats *stats, const char *want)
{
	char *text = text_of(put_table, stats);

	cr_assert_str_eq(text, want);
	free(text);
}

/* ---- figures ---- */

Test(stats, the_processors_share_is_the_average_first_and_then_that_between_samples)
{
	struct lxe_slot_view view = view_of("0123456789ab"), other = view_of("ffffffffffff");
	struct lxe_stats_row first[2], row;
	struct lxe_stats before = { first, 2 };

	lxe_stats_fill(&first[0], &other, false, NULL, 0);
	lxe_stats_fill(&first[1], &view, false, NULL, 0);
	cr_assert_float_eq(first[1].cpu_percent, 50.0, 0.001);
	view.metrics.cpu_us += 2000000;
	view.metrics.updated_us += 1000000;
	lxe_stats_fill(&row, &view, false, &before, 0);
	cr_assert_float_eq(row.cpu_percent, 200.0, 0.001);
	/* No answer since: nothing is known of the last second. */
	lxe_stats_fill(&row, &other, false, &before, 0);
	cr_assert_lt(row.cpu_percent, 0);
	view.metrics.cpu_us = 1;
	lxe_stats_fill(&row, &view, false, &before, 0);
	cr_assert_lt(row.cpu_percent, 0, "a counter that went back");
	view.metrics.cpu_us = UNKNOWN;
	lxe_stats_fill(&row, &view, false, NULL, 0);
	cr_assert_lt(row.cpu_percent, 0);
	view.metrics.started_us = 0;
	view.metrics.cpu_us = 1;
	lxe_stats_fill(&row, &view, false, NULL, 0);
	cr_assert_lt(row.cpu_percent, 0, "not started");
}

Test(stats, the_time_ends_with_the_command_or_with_the_last_sign_of_life)
{
	struct lxe_slot_view view = view_of("0123456789ab");
	struct lxe_stats_row row;

	lxe_stats_fill(&row, &view, false, NULL, 9000000);
	cr_assert_eq(row.uptime_us, 7000000);
	lxe_stats_fill(&row, &view, true, NULL, 9000000);
	cr_assert_eq(row.uptime_us, 3000000);
	cr_assert_str_eq(lxe_stats_state(&row), "crashed");
	view.metrics.stopped_us = 2500000;
	lxe_stats_fill(&row, &view, false, NULL, 9000000);
	cr_assert_eq(row.uptime_us, 500000);
	view.metrics.started_us = 0;
	lxe_stats_fill(&row, &view, false, NULL, 9000000);
	cr_assert_eq(row.uptime_us, UNKNOWN);
	view.metrics.started_us = 10000000;
	view.metrics.stopped_us = 0;
	lxe_stats_fill(&row, &view, false, NULL, 9000000);
	cr_assert_eq(row.uptime_us, 0);
}

/* ---- table ---- */

Test(stats, a_table_without_rows_is_its_header)
{
	struct lxe_stats none = { 0 };

	prints(&none, HEADER);
}

Test(stats, a_row_of_the_table)
{
	struct lxe_stats_row row = row_of("web");
	struct lxe_stats one = { &row, 1 };

	prints(&one, HEADER
		"0123456789ab  web               running     50.0     12.0M      2.0G       3"
		"      1023      1.0K  1h01m\n");
	row = (struct lxe_stats_row){
		.id = "0123456789ab",
		.m = { UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, .pids = UINT32_MAX,
			.state = 9 },
		.cpu_percent = -1,
		.uptime_us = UNKNOWN,
	};
	prints(&one, HEADER
		"0123456789ab  -                 unknown        -         -         -       -"
		"         -         -  -\n");
}

Test(stats, a_name_does_not_drive_the_terminal)
{
	struct lxe_stats_row row = row_of("\033]0;x\a\nfff \\ \xc2\x9b \xff é");
	struct lxe_stats one = { &row, 1 };
	char *text = text_of(put_table, &one);

	cr_assert_not_null(strstr(text, "\\x1b]0;x\\x07\\x0afff \\x5c \\xc2\\x9b \\xff é "));
	cr_assert_null(strchr(text, '\033'));
	free(text);
}

Test(stats, too_few_lines_say_how_many_are_missing)
{
	struct lxe_stats_row rows[3] = { row_of("one"), row_of("two"), row_of("three") };
	struct lxe_stats three = { rows, 3 };
	char *text;

	table_lines = 2;
	text = text_of(put_table, &three);
	cr_assert(strstr(text, "one") && !strstr(text, "two"));
	cr_assert_not_null(strstr(text, "\nand 2 more\n"));
	free(text);
	table_lines = 3;
	text = text_of(put_table, &three);
	cr_assert(strstr(text, "three") && !strstr(text, "more"));
	free(text);
}

/* ---- JSON ---- */

Test(stats, json_has_figures_names_and_null_for_what_is_unknown)
{
	struct lxe_stats_row row = row_of("we\"b\xff");
	struct lxe_stats one = { &row, 1 }, none = { 0 };
	json_t *json = lxe_stats_json(&one), *o = json_array_get(json, 0);

	cr_assert_eq(json_array_size(json), 1);
	cr_assert_str_eq(json_string_value(json_object_get(o, "id")), "0123456789ab");
	cr_assert_str_eq(json_string_value(json_object_get(o, "name")), "we\"b\\xff");
	cr_assert_str_eq(json_string_value(json_object_get(o, "state")), "running");
	cr_assert_eq(json_integer_value(json_object_get(o, "pid")), 4711);
	cr_assert_eq(json_integer_value(json_object_get(o, "cpu_us")), 1500000);
	cr_assert_float_eq(json_real_value(json_object_get(o, "cpu_percent")), 50.0, 0.001);
	cr_assert_eq(json_integer_value(json_object_get(o, "memory")), 12 * 1024 * 1024);
	cr_assert_eq(json_integer_value(json_object_get(o, "memory_peak")), 2147483648);
	cr_assert_eq(json_integer_value(json_object_get(o, "pids")), 3);
	cr_assert_eq(json_integer_value(json_object_get(o, "execs")), 2);
	cr_assert_eq(json_integer_value(json_object_get(o, "bytes_in")), 1023);
	cr_assert_eq(json_integer_value(json_object_get(o, "bytes_out")), 1024);
	cr_assert_eq(json_integer_value(json_object_get(o, "uptime_ms")), 3698000);
	json_decref(json);
	row.m.bytes_in = UNKNOWN;
	row.m.pids = LXE_METRIC_UNKNOWN32;
	row.m.pid = 0;
	row.name[0] = '\0';
	row.cpu_percent = -1;
	row.uptime_us = UNKNOWN;
	json = lxe_stats_json(&one);
	o = json_array_get(json, 0);
	cr_assert(json_is_null(json_object_get(o, "bytes_in")));
	cr_assert(json_is_null(json_object_get(o, "pids")));
	cr_assert(json_is_null(json_object_get(o, "pid")));
	cr_assert(json_is_null(json_object_get(o, "name")));
	cr_assert(json_is_null(json_object_get(o, "cpu_percent")));
	cr_assert(json_is_null(json_object_get(o, "uptime_ms")));
	json_decref(json);
	json = lxe_stats_json(&none);
	cr_assert_eq(json_array_size(json), 0);
	json_decref(json);
}

/* ---- Prometheus ---- */

static bool has_line(const char *text, const char *line)
{
	size_t len = strlen(line);

	for (const char *at = text; (at = strstr(at, line)); at += len)
		if ((at == text || at[-1] == '\n') && at[len] == '\n')
			return true;
	return false;
}

Test(stats, prometheus_text_has_a_head_for_each_family_units_and_labels)
{
	struct lxe_stats_row row = row_of("web");
	struct lxe_stats one = { &row, 1 };
	char *text = text_of(lxe_stats_prometheus, &one);

	cr_assert(has_line(text, "# TYPE lxc_exec_sandbox_cpu_seconds_total counter"));
	cr_assert(has_line(text, "# HELP lxc_exec_sandbox_memory_bytes Memory in use."));
#define LABELS "{id=\"0123456789ab\",name=\"web\"} "
	cr_assert(has_line(text, "lxc_exec_sandbox_cpu_seconds_total" LABELS "1.500000"));
	cr_assert(has_line(text, "lxc_exec_sandbox_memory_bytes" LABELS "12582912"));
	cr_assert(has_line(text, "lxc_exec_sandbox_memory_peak_bytes" LABELS "2147483648"));
	cr_assert(has_line(text, "lxc_exec_sandbox_processes" LABELS "3"));
	cr_assert(has_line(text, "lxc_exec_sandbox_execs" LABELS "2"));
	cr_assert(has_line(text, "lxc_exec_sandbox_input_bytes_total" LABELS "1023"));
	cr_assert(has_line(text, "lxc_exec_sandbox_output_bytes_total" LABELS "1024"));
	cr_assert(has_line(text, "lxc_exec_sandbox_uptime_seconds" LABELS "3698.000000"));
	cr_assert(has_line(text, "lxc_exec_sandbox_info{id=\"0123456789ab\",name=\"web\","
				 "state=\"running\"} 1"));
	free(text);
	row.m.bytes_in = UNKNOWN;
	text = text_of(lxe_stats_prometheus, &one);
	cr_assert_null(strstr(text, "\nlxc_exec_sandbox_input_bytes_total{"), "no line, not zero");
	free(text);
}

Test(stats, prometheus_labels_are_escaped)
{
	struct lxe_stats_row row = row_of("a\"b\\c\nd\033");
	struct lxe_stats one = { &row, 1 };
	char *text = text_of(lxe_stats_prometheus, &one);

	cr_assert_not_null(strstr(text, "name=\"a\\\"b\\\\x5cc\\\\x0ad\\\\x1b\"} 3\n"), "%s", text);
	free(text);
}

/* ---- samples ---- */

static const char *name_of(void *arg, const char *id)
{
	return strcmp(id, "aaaaaaaaaaaa") == 0 ? arg : NULL;
}

Test(stats, without_slots_there_is_an_empty_sample)
{
	struct lxe_stats stats = { 0 };

	cr_assert_eq(lxe_stats_take(&stats, "/tmp/lxe-test-absent", NULL, NULL, NULL), 0);
	cr_assert_eq(stats.n, 0);
	lxe_stats_release(&stats);
}

Test(stats, a_sample_has_names_ages_and_the_dead)
{
	struct slots_run run = slots_run_new();
	char name[] = "web";
	struct lxe_stats_names names = { name_of, name };
	struct lxe_stats stats = { 0 };
	pid_t dead = slots_owner(&run, "bbbbbbbbbbbb", true);
	struct lxe_slots *s = slots_own(&run);
	struct lxe_slot_handle h;

	cr_assert_eq(lxe_slot_reserve(s, "aaaaaaaaaaaa", &h, NULL), 0);
	kill(dead, SIGKILL);
	waitpid(dead, NULL, 0);
	cr_assert_eq(lxe_stats_take(&stats, run.path, &names, NULL, NULL), 0);
	cr_assert_eq(stats.n, 2);
	cr_assert_str_eq(stats.row[0].id, "bbbbbbbbbbbb", "the oldest first");
	cr_assert_str_eq(lxe_stats_state(&stats.row[0]), "crashed");
	cr_assert_str_eq(stats.row[0].name, "");
	cr_assert_str_eq(stats.row[1].name, "web");
	cr_assert_str_eq(lxe_stats_state(&stats.row[1]), "creating");
	lxe_stats_release(&stats);
	lxe_slots_close(s);
	slots_run_end(&run);
}

Test(stats, a_bad_slots_file_is_an_error)
{
	struct slots_run run = slots_run_new();
	struct lxe_stats stats = { 0 };
	struct lxe_err err = { 0 };
	int fd = open(run.file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	close(fd);
	cr_assert_eq(lxe_stats_take(&stats, run.path, NULL, NULL, &err), -EBADMSG);
	cr_assert_not_null(strstr(err.hint, "remove"));
	cr_assert_null(stats.row);
	slots_run_end(&run);
}

Test(stats, the_last_form_that_is_asked_for_counts)
{
	const struct lxe_option *mine = lxe_option_find("format", 6, LXE_VERB_STATS);
	struct lxe_request req;

	lxe_request_init(&req);
	cr_assert_eq(mine->set(&req, mine, "--format", "prometheus", NULL), 0);
	cr_assert(req.prometheus);
	cr_assert_eq(mine->set(&req, mine, "--format", "json", NULL), 0);
	cr_assert(!req.prometheus && req.output == LXE_OUTPUT_JSON);
	cr_assert_eq(mine->set(&req, mine, "--format", "xml", NULL), -EINVAL);
	cr_assert_eq(mine->set_in_profile(&req, mine, "format", "prometheus", NULL), -EINVAL);
	lxe_request_release(&req);
}
