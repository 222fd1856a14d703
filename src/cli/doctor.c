#include "cli/doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/cli.h"
#include "cli/print.h"

static const char *const health_names[] = {
	[LXE_HEALTH_OK] = "ok",
	[LXE_HEALTH_WARN] = "warn",
	[LXE_HEALTH_FAIL] = "fail",
	[LXE_HEALTH_UNKNOWN] = "unknown",
};

#define NAME_COLUMN 9
#define DETAIL_COLUMN 28

struct lxe_check *lxe_doctor_add(
	struct lxe_doctor *d, const char *name, enum lxe_health health, const char *detail, ...)
{
	struct lxe_check *c = &d->check[d->n < LXE_CHECKS_MAX ? d->n++ : LXE_CHECKS_MAX - 1];
	va_list ap;

	c->name = name;
	c->health = health;
	c->remedy[0] = '\0';
	va_start(ap, detail);
	vsnprintf(c->detail, sizeof(c->detail), detail, ap);
	va_end(ap);
	return c;
}

void lxe_check_remedy(struct lxe_check *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->remedy, sizeof(c->remedy), fmt, ap);
	va_end(ap);
}

static void print_table(const struct lxe_doctor *d)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct lxe_check *c = &d->check[i];

		lxe_print("%-*s%-*s", NAME_COLUMN, health_names[c->health],
			DETAIL_COLUMN - NAME_COLUMN, c->name);
		lxe_print_field(c->detail, 0);
		lxe_print("\n");
		if (!c->remedy[0])
			continue;
		lxe_print("%*shint: ", DETAIL_COLUMN, "");
		lxe_print_field(c->remedy, 0);
		lxe_print("\n");
	}
}

/* Paths are bytes; JSON wants UTF-8. */
static json_t *json_text(const char *text)
{
	char escaped[4 * sizeof(((struct lxe_check *)0)->detail) + 1];

	lxe_escape(escaped, sizeof(escaped), text, strlen(text));
	return json_string(escaped);
}

static void print_json(const struct lxe_doctor *d, bool ok)
{
	json_t *checks = json_array();

	for (size_t i = 0; i < d->n; i++) {
		const struct lxe_check *c = &d->check[i];

		json_array_append_new(checks,
			json_pack("{s:s, s:s, s:o, s:o}", "name", c->name, "status",
				health_names[c->health], "detail", json_text(c->detail), "remedy",
				c->remedy[0] ? json_text(c->remedy) : json_null()));
	}
	lxe_print_json(json_pack("{s:b, s:o}", "ok", ok, "checks", checks));
}

static void examine(struct lxe_doctor *d)
{
	lxe_doctor_kernel(d);
	lxe_doctor_mounts(d);
	lxe_doctor_cgroups(d);
	if (d->root)
		lxe_doctor_ids(d);
	else
		lxe_doctor_rootless(d);
	lxe_doctor_users(d);
	lxe_doctor_installation(d);
	lxe_doctor_network(d);
	lxe_doctor_directories(d);
}

static int diagnose(struct lxe_cli *cli, int *status)
{
	struct lxe_doctor *d = calloc(1, sizeof(*d));
	bool ok = true;

	if (!d)
		return lxe_fail(&cli->err, -ENOMEM, "check this machine");
	d->dirs = &cli->dirs;
	d->root = geteuid() == 0;
	examine(d);
	for (size_t i = 0; i < d->n; i++)
		ok = ok && d->check[i].health != LXE_HEALTH_FAIL;
	switch (cli->req.output) {
	case LXE_OUTPUT_TABLE:
		print_table(d);
		break;
	case LXE_OUTPUT_JSON:
		print_json(d, ok);
		break;
	}
	free(d);
	*status = ok ? 0 : 1;
	return 0;
}

int lxe_cli_doctor(int argc, char **argv)
{
	struct lxe_cli cli;
	int r, status = 0;

	r = lxe_cli_begin(&cli, LXE_VERB_DOCTOR, false, argc, argv);
	if (r == 0 && cli.req.fix)
		return lxe_cli_end(&cli, lxe_doctor_fix(&cli), 0);
	if (r == 0)
		r = lxe_cli_want_none(&cli);
	if (r == 0)
		r = diagnose(&cli, &status);
	return lxe_cli_end(&cli, r, status);
}
