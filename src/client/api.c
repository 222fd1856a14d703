/* The public library: versions, errors, and what is to be run. See include/lxc-exec.h. */
#include "client/api.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "client/client.h"
#include "policy/profile.h"
#include "sys/proc.h"

const char *lxe_version(void)
{
	return LXE_VERSION;
}

lxe_error *lxe_error_new(void)
{
	return calloc(1, sizeof(lxe_error));
}

void lxe_error_free(lxe_error *error)
{
	free(error);
}

int lxe_error_code(const lxe_error *error)
{
	return error->err.code;
}

const char *lxe_error_message(const lxe_error *error)
{
	return error->err.msg;
}

const char *lxe_error_hint(const lxe_error *error)
{
	return error->err.hint;
}

int lxe_api_fail(lxe_error *error, int r, const struct lxe_err *err)
{
	if (r < 0 && error) {
		error->err = *err;
		error->err.code = r;
	}
	return r;
}

uint64_t lxe_api_end(int timeout_ms)
{
	return timeout_ms < 0 ? LXE_FOREVER : sys_now_ms() + (uint64_t)timeout_ms;
}

int lxe_api_left(uint64_t end_ms)
{
	uint64_t now;

	if (end_ms == LXE_FOREVER)
		return -1;
	now = sys_now_ms();
	return end_ms > now ? (int)(end_ms - now) : 0;
}

/* A library that has its keeper beside it is used from the tree. */
static void look_beside(struct lxe_dirs *dirs)
{
	LXE_AUTOFREE char *path = NULL;
	char keeper[PATH_MAX];
	Dl_info info;
	char *slash;

	if (!dladdr((const void *)(uintptr_t)lxe_version, &info))
		return;
	path = realpath(info.dli_fname, NULL);
	slash = path ? strrchr(path, '/') : NULL;
	if (!slash)
		return;
	*slash = '\0';
	if (lxe_format(keeper, sizeof(keeper), "%s/lxc-exec-keeper", path) < 0 ||
		access(keeper, X_OK) < 0)
		return;
	/* It has just fitted with a longer name behind it. */
	lxe_format(dirs->libexec, sizeof(dirs->libexec), "%s", path);
	lxe_format(dirs->data, sizeof(dirs->data), "%s", path);
}

int lxe_api_dirs(struct lxe_dirs *dirs, struct lxe_err *err)
{
	int r = lxe_dirs_find(dirs, err);

	if (r == 0)
		look_beside(dirs);
	return r;
}

static int options_new(lxe_options **ret, struct lxe_err *err)
{
	lxe_options *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return lxe_fail(err, -ENOMEM, "make the options");
	lxe_request_init(&o->req);
	o->stdio[0] = o->stdio[1] = o->stdio[2] = -1;
	r = lxe_api_dirs(&o->dirs, err);
	if (r == 0)
		r = lxe_profile_load_defaults(&o->req, &o->dirs, err);
	if (r < 0) {
		lxe_options_free(o);
		return r;
	}
	*ret = o;
	return 0;
}

int lxe_options_new(lxe_options **ret, lxe_error *error)
{
	struct lxe_err err = { 0 };

	return lxe_api_fail(error, options_new(ret, &err), &err);
}

void lxe_options_free(lxe_options *options)
{
	if (!options)
		return;
	lxe_request_release(&options->req);
	free(options);
}

static int options_set(lxe_options *o, const char *name, const char *value, struct lxe_err *err)
{
	if (strcmp(name, "tty") == 0 || strcmp(name, "no-tty") == 0) {
		lxe_hint(err, "lxe_options_pty() and lxe_options_stdio() say what it gets");
		return lxe_fail_msg(err, -EINVAL, "option '%s' is not the library's", name);
	}
	if (strcmp(name, "profile") == 0 && value && *value)
		return lxe_profile_load(&o->req, &o->dirs, value, err);
	return lxe_request_set(&o->req, name, value, err);
}

int lxe_options_set(lxe_options *options, const char *name, const char *value, lxe_error *error)
{
	struct lxe_err err = { 0 };

	return lxe_api_fail(error, options_set(options, name, value, &err), &err);
}

int lxe_options_command(lxe_options *options, const char *const *argv, lxe_error *error)
{
	struct lxe_strv words = { 0 };
	struct lxe_err err = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && argv[i]; i++)
		r = lxe_strv_add(&words, argv[i]);
	if (r < 0) {
		lxe_strv_release(&words);
		return lxe_api_fail(error, lxe_fail(&err, r, "take the command"), &err);
	}
	lxe_strv_release(&options->req.spec.argv);
	options->req.spec.argv = words;
	return 0;
}

int lxe_options_stdio(lxe_options *options, int in, int out, int err_fd, lxe_error *error)
{
	const int fds[] = { in, out, err_fd };
	struct lxe_err err = { 0 };

	for (int i = 0; i < 3; i++)
		if (fds[i] < -1 || (fds[i] >= 0 && fcntl(fds[i], F_GETFD) < 0))
			return lxe_api_fail(error,
				lxe_fail(&err, -EBADF, "descriptor %d of the command", fds[i]),
				&err);
	memcpy(options->stdio, fds, sizeof(fds));
	options->pty = false;
	return 0;
}

int lxe_options_pty(lxe_options *options, unsigned int rows, unsigned int cols, lxe_error *error)
{
	struct lxe_err err = { 0 };

	if (rows > UINT16_MAX || cols > UINT16_MAX)
		return lxe_api_fail(
			error, lxe_fail(&err, -ERANGE, "a terminal of %u by %u", rows, cols), &err);
	options->pty = true;
	options->req.spec.rows = (uint16_t)rows;
	options->req.spec.cols = (uint16_t)cols;
	return 0;
}

static bool has_term(const struct lxe_spec *spec)
{
	for (size_t i = 0; i < spec->env.n; i++)
		if (lxe_starts_with(spec->env.v[i], "TERM="))
			return true;
	return false;
}

struct lxe_spec lxe_api_spec(const struct lxe_options *o)
{
	static char term[] = "xterm"; /* what nearly every terminal is; TERM in `env` says more */
	struct lxe_spec spec = o->req.spec;

	spec.tty = o->pty ? LXE_TTY_ON : LXE_TTY_OFF;
	spec.term = o->pty && !has_term(&spec) ? term : NULL;
	return spec;
}

int lxe_api_give_stdio(const struct lxe_options *o, struct lxe_msg *msg, int *null, int *spill,
	struct lxe_err *err)
{
	static const enum lxe_fd_role roles[] = { LXE_FD_STDIN, LXE_FD_STDOUT, LXE_FD_STDERR };
	int r = lxe_client_open_spill(&o->req.spec, !o->pty, spill, err);

	if (r < 0 || o->pty)
		return r;
	msg->fds[LXE_FD_SPILL] = *spill;
	*null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (*null < 0)
		return lxe_fail(err, -errno, "open '/dev/null'");
	for (int i = 0; i < 3; i++)
		msg->fds[roles[i]] = o->stdio[i] < 0 ? *null : o->stdio[i];
	return 0;
}
