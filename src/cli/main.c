/*
 * lxc-exec: finds the verb and hands the words to it. The only exit(3) of the program.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/help.h"
#include "cli/print.h"
#include "cli/stdio.h"
#include "store/outcome.h"

static bool is(const char *word, const char *letter, const char *name)
{
	return strcmp(word, letter) == 0 || strcmp(word, name) == 0;
}

static bool asks_for_help_on_images(int argc, char **argv)
{
	return argc == 3 && strcmp(argv[1], "image") == 0 && is(argv[2], "-h", "--help");
}

static int dispatch(int argc, char **argv)
{
	const struct lxe_verb_info *info;
	struct lxe_err err = { 0 };
	int words;

	if (argc == 2 && is(argv[1], "-h", "--help"))
		return lxe_cli_help(1, argv + 1);
	if (argc == 2 && is(argv[1], "-V", "--version"))
		return lxe_cli_version(1, argv + 1);
	if (asks_for_help_on_images(argc, argv))
		return lxe_cli_help(2, (char *[]){ "help", "image", NULL });
	if (argc < 2 || argv[1][0] == '-')
		return lxe_cli_bare(argc, argv);
	info = lxe_verb_find(argc - 1, argv + 1, &words, &err);
	if (!info)
		return lxe_print_error(&err);
	return info->main(argc - words, argv + words);
}

int main(int argc, char **argv)
{
	if (lxe_stdio_fill() < 0)
		exit(LXE_EXIT_ERROR);
	exit(dispatch(argc, argv));
}
