#include "keeper/environment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Set or replace: entries are few, so a search is all it takes. */
static int put(struct lxe_strv *env, const char *entry)
{
	size_t name = strcspn(entry, "=") + 1;

	for (size_t i = 0; i < env->n; i++)
		if (strncmp(env->v[i], entry, name) == 0)
			return lxe_str_set(&env->v[i], entry);
	return lxe_strv_add(env, entry);
}

static int put_pair(struct lxe_strv *env, const char *name, const char *value)
{
	char entry[512];
	int r;

	r = lxe_format(entry, sizeof(entry), "%s=%s", name, value);
	return r < 0 ? r : put(env, entry);
}

static int put_user(struct lxe_strv *env, const struct lxe_user *user)
{
	int r = put_pair(env, "HOME", user->home);

	if (r == 0 && user->name[0])
		r = put_pair(env, "USER", user->name);
	if (r == 0 && user->name[0])
		r = put_pair(env, "LOGNAME", user->name);
	return r;
}

int lxe_environment(struct lxe_strv *ret, const struct lxe_spec *spec, const struct lxe_user *user,
	struct lxe_err *err)
{
	static const char *const always[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"LANG=C.UTF-8",
		/* How systemd and others recognise a container (systemd.io/CONTAINER_INTERFACE). */
		"container=lxc",
	};
	struct lxe_strv env = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(always) / sizeof(always[0]); i++)
		r = put(&env, always[i]);
	if (r == 0)
		r = put_user(&env, user);
	if (r == 0 && spec->term)
		r = put_pair(&env, "TERM", spec->term);
	for (size_t i = 0; r == 0 && i < spec->env.n; i++)
		r = put(&env, spec->env.v[i]);
	if (r < 0) {
		lxe_strv_release(&env);
		return lxe_fail(err, r, "make the command's environment");
	}
	*ret = env;
	return 0;
}
