/*
 * A command line of any words, NUL between them; the first byte chooses the verb. Whatever comes
 * out is within the words, every failure has a message, and what was set is a valid spec.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/args.h"
#include "policy/request.h"
#include "text.h"

#define WORDS_MAX 32

static int split(char *text, size_t len, char *words[])
{
	int n = 0;

	for (char *p = text, *end = text + len; p < end && n < WORDS_MAX; p += strlen(p) + 1)
		words[n++] = p;
	words[n] = NULL;
	return n;
}

/* What the setters accept must survive the way to the keeper. */
static void check_spec(struct lxe_request *req)
{
	struct lxe_spec got = { 0 };
	unsigned char *buf;
	size_t len;

	if (lxe_strv_add(&req->spec.argv, "x") < 0 || lxe_spec_encode(&req->spec, &buf, &len) < 0)
		abort();
	if (lxe_spec_decode(&got, buf, len) < 0)
		abort();
	free(buf);
	lxe_spec_release(&got);
}

static void try_words(enum lxe_verb verb, int n, char *words[])
{
	struct lxe_err err = { 0 };
	struct lxe_request req;
	struct lxe_args args;
	int r;

	lxe_request_init(&req);
	r = lxe_args_parse(&args, verb, "run", n, words, &err);
	if (r == 0 && (args.rest < 0 || args.rest > n))
		abort();
	if (r == 0)
		r = lxe_args_apply(&args, &req, &err);
	if (r == 0)
		check_spec(&req);
	else if (!err.msg[0])
		abort();
	lxe_args_release(&args);
	lxe_request_release(&req);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *words[WORDS_MAX + 1], *text = text_of(data, size);

	if (!text)
		return 0;
	try_words((enum lxe_verb)(1U << data[0] % 9), split(text, size, words), words);
	free(text);
	return 0;
}
