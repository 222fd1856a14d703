#include "client/defaults.h"

#include <errno.h>

static int merge(struct lxe_strv *ret, const struct lxe_strv *first, const struct lxe_strv *second)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < first->n; i++)
		r = lxe_strv_add(ret, first->v[i]);
	for (size_t i = 0; r == 0 && i < second->n; i++)
		r = lxe_strv_add(ret, second->v[i]);
	return r;
}

int lxe_defaults_read(struct lxe_defaults *ret, const struct lxe_spec *spec,
	const struct lxe_dirs *dirs, struct lxe_err *err)
{
	int r;

	*ret = (struct lxe_defaults){ 0 };
	r = lxe_image_config_of(&ret->config, dirs->state, spec->image);
	/* An image that cannot be opened is told of where it is used; so is one of another user. */
	if (r == -ENOENT || r == -ENOTDIR || r == -EACCES)
		return 0;
	if (r == 0)
		r = merge(&ret->env, &ret->config.env, &spec->env);
	if (r < 0) {
		lxe_defaults_release(ret);
		return lxe_fail(err, r, "read the configuration of image '%s'", spec->image);
	}
	return 0;
}

void lxe_defaults_release(struct lxe_defaults *defaults)
{
	lxe_image_config_release(&defaults->config);
	lxe_strv_release(&defaults->env);
}

int lxe_defaults_apply(struct lxe_spec *spec, const struct lxe_dirs *dirs, struct lxe_err *err)
{
	struct lxe_defaults d;
	int r = lxe_defaults_read(&d, spec, dirs, err);

	if (r < 0)
		return r;
	if (d.config.env.n) {
		lxe_strv_release(&spec->env);
		spec->env = d.env;
		d.env = (struct lxe_strv){ 0 };
	}
	if (!spec->user)
		r = lxe_str_set(&spec->user, d.config.user);
	if (r == 0 && !spec->cwd)
		r = lxe_str_set(&spec->cwd, d.config.cwd);
	if (r == 0 && !spec->argv.n)
		r = merge(&spec->argv, &d.config.entrypoint, &d.config.cmd);
	lxe_defaults_release(&d);
	return r < 0 ? lxe_fail(err, r, "take what image '%s' says", spec->image) : 0;
}
