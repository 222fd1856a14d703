/*
 * genman: fills a manual page's template (standard input) with what the tables of verbs and options
 * say, so that the manual, --help, profiles and the parser cannot drift apart. A line @OPTIONS@,
 * @VERBS@, @EXAMPLES@, @KEYS@ or @SECTIONS@ is replaced; everything else is copied.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/verbs.h"
#include "policy/options.h"

#define ALL_RUNS (LXE_VERB_RUN | LXE_VERB_SHELL)

/* One line of text: what roff(7) would take for its own is escaped. */
static void put_line_of(const char *text, size_t len)
{
	if (len && (*text == '.' || *text == '\''))
		fputs("\\&", stdout);
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\\')
			fputs("\\e", stdout);
		else
			putchar(text[i]);
	}
	putchar('\n');
}

/* Prose: each sentence on a line of its own, as mdoc(7) wants it; "\n\n" parts paragraphs. */
static void put_text(const char *text)
{
	while (*text) {
		const char *paragraph = strstr(text, "\n\n"), *sentence = strstr(text, ". ");
		size_t len = strlen(text);

		if (paragraph)
			len = (size_t)(paragraph - text);
		if (sentence && (size_t)(sentence - text) < len)
			len = (size_t)(sentence - text) + 1;
		put_line_of(text, len);
		text += len;
		if (*text == '\n')
			puts(".Pp");
		text += strspn(text, " \n");
	}
}

/* A sentence made of a phrase of --help. */
static void put_sentence(const char *phrase)
{
	printf("%c%s.\n", phrase[0] >= 'a' && phrase[0] <= 'z' ? phrase[0] - 'a' + 'A' : phrase[0],
		phrase + 1);
}

static void put_detail(const struct lxe_option *o)
{
	if (o->detail)
		put_text(o->detail);
}

/* Which verbs take it is worth saying only where run and shell do not. */
static void put_verbs_of(const struct lxe_option *o)
{
	const char *separator = "For ";

	if (o->verbs & ALL_RUNS)
		return;
	for (const struct lxe_verb_info *v = lxe_verbs(); v->name; v++) {
		if (!(o->verbs & v->verb))
			continue;
		printf("%s%s", separator, v->name);
		separator = ", ";
	}
	puts(".");
}

static void put_options(void)
{
	for (const struct lxe_option *o = lxe_options(); o->name; o++) {
		fputs(".It ", stdout);
		if (o->letter)
			printf("Fl %c , ", o->letter);
		printf("Fl -%s", o->name);
		if (o->placeholder)
			printf(" Ar %s", o->placeholder);
		putchar('\n');
		put_sentence(o->help);
		put_detail(o);
		put_verbs_of(o);
	}
}

static void put_verbs(void)
{
	for (const struct lxe_verb_info *v = lxe_verbs(); v->name; v++) {
		printf(".It Cm %s Ar \"%s\"\n", v->name, v->usage);
		put_text(v->text);
	}
}

static void put_examples(void)
{
	puts(".Bd -literal");
	for (const struct lxe_verb_info *v = lxe_verbs(); v->name; v++) {
		for (size_t i = 0; i < LXE_VERB_EXAMPLES && v->examples[i].command; i++) {
			printf("# %s\n", v->examples[i].what);
			put_line_of(v->examples[i].command, strlen(v->examples[i].command));
		}
	}
	puts(".Ed");
}

static void put_keys(void)
{
	for (const struct lxe_option *o = lxe_options(); o->name; o++) {
		if (o->in_profile != LXE_PROFILE_KEY && o->in_profile != LXE_PROFILE_BOTH)
			continue;
		printf(".It Cm %s\n", o->name);
		put_sentence(o->help);
		printf("Value: %s.\n", o->values);
		put_detail(o);
		put_verbs_of(o);
	}
}

static void put_sections(void)
{
	for (const struct lxe_option *o = lxe_options(); o->name; o++) {
		if (o->in_profile != LXE_PROFILE_SECTION && o->in_profile != LXE_PROFILE_BOTH)
			continue;
		printf(".Ss [%s]\nOne line for each value of\n.Fl -%s ,\nwritten\n"
		       ".Ql NAME = value .\nA NAME has letters, digits and\n.Ql _ .\n",
			o->name, o->name);
	}
}

static const struct {
	const char *mark;
	void (*put)(void);
} marks[] = {
	{ "@OPTIONS@\n", put_options },
	{ "@VERBS@\n", put_verbs },
	{ "@EXAMPLES@\n", put_examples },
	{ "@KEYS@\n", put_keys },
	{ "@SECTIONS@\n", put_sections },
};

static void put_line(const char *line)
{
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		if (strcmp(line, marks[i].mark) == 0) {
			marks[i].put();
			return;
		}
	}
	fputs(line, stdout);
}

int main(void)
{
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0)
		put_line(line);
	free(line);
	return fflush(stdout) == 0 && !ferror(stdin) ? 0 : 1;
}
