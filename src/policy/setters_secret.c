/* --secret. See setters.h and secret.h. */
#include <errno.h>
#include <string.h>

#include "policy/secret.h"
#include "policy/setters.h"

/* The last of a name wins, as with variables. */
static int put(struct lxe_strv *list, const char *text)
{
	size_t name = strcspn(text, "=") + 1;

	for (size_t i = 0; i < list->n; i++)
		if (strncmp(list->v[i], text, name) == 0)
			return lxe_str_set(&list->v[i], text);
	return list->n < LXE_SECRETS_MAX ? lxe_strv_add(list, text) : -E2BIG;
}

LXE_SETTER(lxe_set_secret)
{
	struct lxe_secret_source source;
	int r = lxe_secret_parse(&source, text, err);

	(void)o;
	if (r < 0)
		return r;
	r = put(&req->spec.secrets, text);
	if (r == -E2BIG)
		return lxe_fail_msg(err, r, "%s: more than %d secrets", as, LXE_SECRETS_MAX);
	return r < 0 ? lxe_fail(err, r, "%s", as) : 0;
}

/* A profile is used from any directory and with any descriptors. */
LXE_SETTER(lxe_set_secret_in_profile)
{
	struct lxe_secret_source source;
	int r = lxe_secret_parse(&source, text, err);

	if (r < 0)
		return r;
	if (source.kind == LXE_SECRET_ENV ||
		(source.kind == LXE_SECRET_FILE && source.from[0] == '/'))
		return lxe_set_secret(req, o, as, text, err);
	lxe_fail_msg(err, -EINVAL, "secret '%s': '%s' is not for a profile", source.name,
		strchr(text, '=') + 1);
	lxe_hint(err, "env:VARIABLE, or file: and an absolute path; fd:N is for the command line");
	return -EINVAL;
}
