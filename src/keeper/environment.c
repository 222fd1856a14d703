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

/* Curl reads http_proxy in small letters only, others want capitals. */
static int put_proxy(struct lxe_strv *env, const struct lxe_net_spec *net)
{
	static const char *const names[] = { "http_proxy", "https_proxy", "ftp_proxy", "all_proxy",
		"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY" };
	static const char *const none[] = { "no_proxy", "NO_PROXY" };
	const char *host = strstr(net->proxy, "://") + 3;
	const char *userinfo = net->proxy_userinfo ? net->proxy_userinfo : "";
	char url[LXE_NET_USERINFO_MAX + LXE_NET_NAME_MAX + 64], entry[sizeof(url) + 16];
	int r;

	r = lxe_format(url, sizeof(url), "%.*s%s%s%s", (int)(host - net->proxy), net->proxy,
		userinfo, *userinfo ? "@" : "", host);
	for (size_t i = 0; r == 0 && i < sizeof(names) / sizeof(names[0]); i++) {
		r = lxe_format(entry, sizeof(entry), "%s=%s", names[i], url);
		if (r == 0)
			r = put(env, entry);
	}
	for (size_t i = 0; r == 0 && i < sizeof(none) / sizeof(none[0]); i++)
		r = put_pair(env, none[i], "localhost,127.0.0.1,::1");
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
	if (r == 0 && spec->net.proxy)
		r = put_proxy(&env, &spec->net);
	for (size_t i = 0; r == 0 && i < spec->env.n; i++)
		r = put(&env, spec->env.v[i]);
	if (r < 0) {
		lxe_strv_release(&env);
		return lxe_fail(err, r, "make the command's environment");
	}
	*ret = env;
	return 0;
}
