#include "cli/confinement_json.h"

#include "cli/print.h"
#include "policy/caps.h"

static json_t *capabilities_of(uint64_t caps)
{
	json_t *names = json_array();
	const char *name;

	for (unsigned int bit = 0; bit < 64; bit++)
		if ((caps & UINT64_C(1) << bit) && (name = lxe_cap_name(bit)))
			json_array_append_new(names, json_string(name));
	return names;
}

static json_t *denied_by(const struct lxe_strv *paths)
{
	json_t *all = json_array();

	for (size_t i = 0; i < paths->n; i++)
		json_array_append_new(all, lxe_json_text(paths->v[i]));
	return all;
}

json_t *lxe_json_confinement(const struct lxe_spec *spec)
{
	return json_pack("{s:o, s:o, s:o, s:b, s:b, s:o}", "capabilities",
		capabilities_of(spec->caps), "denied", denied_by(&spec->deny), "seccomp",
		lxe_json_text(spec->seccomp ? spec->seccomp : "default"), "seccomp_log",
		spec->seccomp_log, "new_privs", spec->new_privs, "user",
		lxe_json_text(spec->user ? spec->user : "0"));
}
