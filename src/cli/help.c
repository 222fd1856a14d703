#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/cli.h"
#include "cli/print.h"

#define WIDTH 79
#define OPTION_COLUMN 28

/* Print text in lines of at most WIDTH columns; "\n\n" separates paragraphs. */
static void print_wrapped(const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t len = strcspn(text, " \n");

		if (column && column + 1 + len > WIDTH) {
			lxe_print("\n");
			column = 0;
		}
		lxe_print("%s%.*s", column ? " " : "", (int)len, text);
		column += len + (column ? 1 : 0);
		text += len;
		if (*text == '\n') {
			lxe_print("\n\n");
			column = 0;
		}
		text += strspn(text, " \n");
	}
	lxe_print("\n");
}

static void print_option(const struct lxe_option *o)
{
	char left[64];

	snprintf(left, sizeof(left), "%c%c%s --%s%s%s", o->letter ? '-' : ' ',
		o->letter ? o->letter : ' ', o->letter ? "," : " ", o->name,
		o->placeholder ? " " : "", o->placeholder ? o->placeholder : "");
	lxe_print("  %-*s %s\n", OPTION_COLUMN, left, o->help);
}

static void print_examples(const struct lxe_verb_info *info)
{
	lxe_print("\nExamples:\n");
	for (size_t i = 0; i < LXE_VERB_EXAMPLES && info->examples[i].command; i++)
		lxe_print("  # %s\n  %s\n", info->examples[i].what, info->examples[i].command);
}

void lxe_help_verb(const struct lxe_verb_info *info)
{
	lxe_print("Usage: lxc-exec %s %s\n\n", info->name, info->usage);
	print_wrapped(info->text);
	lxe_print("\nOptions:\n");
	for (const struct lxe_option *o = lxe_options(); o->name; o++)
		if (o->verbs & info->verb)
			print_option(o);
	print_examples(info);
}

static void print_overview(void)
{
	lxe_print("Usage: lxc-exec [OPTIONS]                   open a shell in a fresh container\n"
		  "       lxc-exec [OPTIONS] -- COMMAND...     run a command in one\n"
		  "       lxc-exec VERB [OPTIONS] ...\n\nVerbs:\n");
	for (const struct lxe_verb_info *v = lxe_verbs(); v->name; v++)
		lxe_print("  %-13s %s\n", v->name, v->summary);
	lxe_print("\nlxc-exec help VERB explains one of them; the options are those of run.\n");
}

static void print_all_of(const char *group)
{
	size_t len = strlen(group);
	bool first = true;

	for (const struct lxe_verb_info *v = lxe_verbs(); v->name; v++) {
		if (strncmp(v->name, group, len) != 0 || v->name[len] != ' ')
			continue;
		if (!first)
			lxe_print("\n");
		first = false;
		lxe_help_verb(v);
	}
}

static int print_about(int argc, char **argv, struct lxe_err *err)
{
	const struct lxe_verb_info *info;
	int words;

	if (argc == 0) {
		print_overview();
		return 0;
	}
	if (argc == 1 && strcmp(argv[0], "image") == 0) {
		print_all_of(argv[0]);
		return 0;
	}
	info = lxe_verb_find(argc, argv, &words, err);
	if (!info)
		return err->code;
	lxe_help_verb(info);
	return 0;
}

int lxe_cli_help(int argc, char **argv)
{
	struct lxe_cli cli;
	int r;

	r = lxe_cli_begin(&cli, LXE_VERB_HELP, false, argc, argv);
	if (r == 0)
		r = print_about(cli.argc, cli.argv, &cli.err);
	return lxe_cli_end(&cli, r, 0);
}
