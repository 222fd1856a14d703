/*
 * Whatever our reading of a profile accepts, iniparser reads in the same way: the strict grammar
 * leaves no line that can be read in two.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/ini.h"
#include "policy/profile.h"

/* What a good profile builds on is found without an error, and is what its key says. */
static void check_base(const struct lxe_request *req, const char *text, size_t size)
{
	unsigned int line;
	char *base = NULL;
	int r = lxe_profile_base("p.conf", text, size, &base, &line, NULL);

	if (r < 0 || r != (req->profile != NULL) || (r && strcmp(base, req->profile) != 0))
		abort();
	free(base);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct lxe_err err = { 0 };
	struct lxe_request req;
	struct lxe_ini ini;

	if (lxe_ini_scan(&ini, "p.conf", text, size, &err) == 0) {
		if (lxe_ini_agree(&ini, "p.conf", text, size, &err) < 0)
			abort();
	} else if (!err.msg[0]) {
		abort();
	}
	lxe_ini_release(&ini);

	err = (struct lxe_err){ 0 };
	lxe_request_init(&req);
	if (lxe_profile_parse(&req, "p.conf", text, size, &err) == 0)
		check_base(&req, text, size);
	else if (strncmp(err.msg, "p.conf:", 7) != 0)
		abort();
	lxe_request_release(&req);
	return 0;
}
