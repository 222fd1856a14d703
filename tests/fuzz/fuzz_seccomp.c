/*
 * Whatever is accepted as a seccomp profile is written such that it is read again, and to the same rules;
 * everything else is an error that says something, and leaves nothing behind.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "confine/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct lxe_rules_for who = { .capabilities = 0xa80425fb, .kernel = 6 << 16 | 1 };
	struct lxe_rules rules = { 0 }, again = { 0 };
	struct lxe_err err = { 0 };
	char *json, *second;

	if (lxe_rules_from_json(&rules, "p.json", (const char *)data, size, &who, &err) < 0) {
		if (strncmp(err.msg, "p.json:", 7) != 0 || rules.rules)
			abort();
		return 0;
	}
	json = lxe_rules_to_json(&rules);
	if (!json || lxe_rules_from_json(&again, "again", json, strlen(json), &who, &err) < 0)
		abort();
	second = lxe_rules_to_json(&again);
	if (!second || strcmp(json, second) != 0)
		abort();
	free(json);
	free(second);
	lxe_rules_release(&rules);
	lxe_rules_release(&again);
	return 0;
}
