#include "policy/args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "policy/nearest.h"

struct parser {
	struct lxe_args *args;
	enum lxe_verb verb;
	const char *name; /* of the verb */
	int argc, next;
	char *const *argv;
	struct lxe_err *err;
};

static int misuse(struct parser *p, const char *word, size_t len, const char *what)
{
	lxe_fail_msg(p->err, -EINVAL, "option '%.*s' %s", (int)len, word, what);
	lxe_hint(p->err, "lxc-exec %s --help", p->name);
	return -EINVAL;
}

/* What is said when a sandbox is made holds for all that is put into it later. */
static bool is_for_making(struct parser *p, const char *word, size_t len)
{
	const struct lxe_option *o =
		lxe_option_find(word + 2, len - 2, LXE_VERB_RUN | LXE_VERB_CREATE);

	if (!o)
		return false;
	lxe_fail_msg(p->err, -EINVAL, "option '--%s' is not for %s", o->name, p->name);
	lxe_hint(p->err, "it is the sandbox's, said when that is made: lxc-exec %s --%s%s%s …",
		o->verbs & LXE_VERB_CREATE ? "create" : "run", o->name, o->placeholder ? " " : "",
		o->placeholder ? o->placeholder : "");
	return true;
}

static int unknown(struct parser *p, const char *word, size_t len)
{
	struct lxe_nearest near = { 0 };

	if (is_for_making(p, word, len))
		return -EINVAL;

	for (const struct lxe_option *o = lxe_options(); o->name; o++)
		if (o->verbs & p->verb)
			lxe_nearest_offer(&near, word + 2, len - 2, o->name);
	if (near.best)
		lxe_hint(p->err, "did you mean --%s? See: lxc-exec %s --help", near.best, p->name);
	return misuse(p, word, len, "is not known");
}

static int add(struct parser *p, const struct lxe_option *o, const char *value, bool by_letter)
{
	struct lxe_args *args = p->args;
	struct lxe_given *grown;

	grown = realloc(args->given, (args->n + 1) * sizeof(*grown));
	if (!grown)
		return lxe_fail(p->err, -ENOMEM, "read the command line");
	args->given = grown;
	grown[args->n++] =
		(struct lxe_given){ .option = o, .value = value, .by_letter = by_letter };
	return 0;
}

/* The value that belongs to the option spelt `word`: `attached`, or else the next word. */
static int add_with_value(struct parser *p, const struct lxe_option *o, const char *word,
	size_t len, const char *attached)
{
	bool by_letter = word[1] != '-';

	if (!attached && p->next < p->argc)
		attached = p->argv[p->next++];
	if (!attached)
		return misuse(p, word, len, "wants a value");
	if (!*attached)
		return misuse(p, word, len, "wants a value that is not empty");
	return add(p, o, attached, by_letter);
}

static int parse_long(struct parser *p, const char *word)
{
	const char *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);
	const struct lxe_option *o = lxe_option_find(word + 2, len - 2, p->verb);

	if (!o)
		return unknown(p, word, len);
	if (o->placeholder)
		return add_with_value(p, o, word, len, equals ? equals + 1 : NULL);
	if (equals)
		return misuse(p, word, len, "takes no value");
	return add(p, o, NULL, false);
}

static const struct lxe_option *find_letter(char letter, unsigned int verb)
{
	for (const struct lxe_option *o = lxe_options(); o->name; o++)
		if (o->letter == letter && (o->verbs & verb))
			return o;
	return NULL;
}

/* "-t", "-tq", "-eK=V", "-te K=V": flags, of which the last may take the rest as its value. */
static int parse_letters(struct parser *p, const char *word)
{
	for (const char *letter = word + 1; *letter; letter++) {
		const struct lxe_option *o = find_letter(*letter, p->verb);
		char alone[] = { '-', *letter, '\0' };
		int r;

		if (!o)
			return misuse(p, word, strlen(word), "is not known");
		if (o->placeholder)
			return add_with_value(p, o, alone, 2, letter[1] ? letter + 1 : NULL);
		r = add(p, o, NULL, true);
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_options(struct parser *p)
{
	int r = 0;

	while (r == 0 && p->next < p->argc) {
		const char *word = p->argv[p->next];

		if (word[0] != '-' || word[1] == '\0')
			break;
		p->next++;
		if (strcmp(word, "--") == 0) {
			p->args->dashes = true;
			break;
		}
		r = word[1] == '-' ? parse_long(p, word) : parse_letters(p, word);
	}
	return r;
}

int lxe_args_parse(struct lxe_args *ret, enum lxe_verb verb, const char *name, int argc,
	char *const argv[], struct lxe_err *err)
{
	struct parser p = { ret, verb, name, argc, 0, argv, err };
	int r;

	*ret = (struct lxe_args){ 0 };
	r = parse_options(&p);
	if (r < 0)
		return r;
	if (ret->dashes && p.next < argc && strcmp(argv[p.next], "--") == 0) {
		lxe_fail_msg(err, -EINVAL, "'--' is given twice");
		lxe_hint(err, "one '--' ends the options: lxc-exec %s [OPTIONS] -- COMMAND", name);
		return -EINVAL;
	}
	ret->rest = p.next;
	return 0;
}

void lxe_args_release(struct lxe_args *args)
{
	free(args->given);
	*args = (struct lxe_args){ 0 };
}

bool lxe_args_have(const struct lxe_args *args, const char *name, const char **value)
{
	bool have = false;

	for (size_t i = 0; i < args->n; i++) {
		if (strcmp(args->given[i].option->name, name) != 0)
			continue;
		have = true;
		if (value)
			*value = args->given[i].value;
	}
	return have;
}

int lxe_args_apply(const struct lxe_args *args, struct lxe_request *req, struct lxe_err *err)
{
	char as[64];
	int r = 0;

	lxe_request_next_source(req);
	for (size_t i = 0; r == 0 && i < args->n; i++) {
		const struct lxe_given *g = &args->given[i];

		if (g->by_letter)
			r = lxe_format(as, sizeof(as), "-%c", g->option->letter);
		else
			r = lxe_format(as, sizeof(as), "--%s", g->option->name);
		if (r == 0)
			r = g->option->set(req, g->option, as, g->value, err);
	}
	return r;
}
