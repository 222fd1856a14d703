#include "cli/limits_json.h"

#include <string.h>

#include "cli/print.h"

static json_t *number_or_null(uint64_t value)
{
	return value ? json_integer((json_int_t)value) : json_null();
}

static json_t *texts_of(const struct lxe_strv *list)
{
	json_t *texts = json_array();

	for (size_t i = 0; i < list->n; i++)
		json_array_append_new(texts, lxe_json_text(list->v[i]));
	return texts;
}

/* The last of a name wins here as it does there. */
static json_t *ulimits_of(const struct lxe_strv *list)
{
	json_t *ulimits = json_object();

	for (size_t i = 0; i < list->n; i++) {
		const char *equals = strchr(list->v[i], '=');
		json_t *value = equals ? lxe_json_text(equals + 1) : json_null();

		json_object_setn_new(ulimits, list->v[i], strcspn(list->v[i], "="), value);
	}
	return ulimits;
}

json_t *lxe_json_limits(const struct lxe_spec *spec)
{
	const struct lxe_limits *l = &spec->limits;
	json_t *all = json_object();

	json_object_set_new(all, "memory", number_or_null(spec->memory));
	json_object_set_new(all, "pids", number_or_null(spec->pids));
	json_object_set_new(
		all, "cpus", l->cpus ? json_real((double)l->cpus / LXE_CPUS_UNIT) : json_null());
	json_object_set_new(all, "cpuset", lxe_json_text(l->cpuset));
	json_object_set_new(all, "io", texts_of(&l->io));
	json_object_set_new(all, "disk", number_or_null(l->disk));
	json_object_set_new(all, "ulimits", ulimits_of(&l->ulimits));
	json_object_set_new(all, "cpu_time_ms", number_or_null(l->cpu_time_ms));
	json_object_set_new(all, "timeout_ms", number_or_null(spec->timeout_ms));
	json_object_set_new(all, "ttl_ms", number_or_null(spec->ttl_ms));
	return all;
}
