#include <string.h>

#include "policy/options.h"

const struct lxe_option *lxe_option_find(const char *name, size_t len, unsigned int verbs)
{
	for (const struct lxe_option *o = lxe_options(); o->name; o++)
		if (strlen(o->name) == len && memcmp(o->name, name, len) == 0 &&
			(!verbs || (o->verbs & verbs)))
			return o;
	return NULL;
}
