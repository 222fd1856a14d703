#include "policy/setters.h"

#include <errno.h>
#include <signal.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "base/str.h"

/* Less than these is a forgotten unit, almost always; less memory does not even hold pid 1 and a shell. */
#define USER_MAX 32
#define MEMORY_MIN (8 * 1024 * 1024)
#define SIZE_MIN (1024 * 1024)
#define MEMORY_MAX (UINT64_C(1) << 50) /* what no machine has limits nothing */
#define PIDS_MAX 4194304	       /* PID_MAX_LIMIT of the kernel */

static void *field_of(struct lxe_request *req, const struct lxe_option *o)
{
	return (char *)req + o->offset;
}

static int bad(struct lxe_err *err, const char *as, const char *text, const char *what)
{
	return lxe_fail_msg(err, -EINVAL, "%s '%s' %s", as, text, what);
}

static int parse_flag(const char *as, const char *text, int *ret, struct lxe_err *err)
{
	*ret = 1;
	if (!text || lxe_parse_bool(text, ret) == 0)
		return 0;
	bad(err, as, text, "is neither yes nor no");
	return -EINVAL;
}

LXE_SETTER(lxe_set_flag)
{
	int on, r = parse_flag(as, text, &on, err);

	if (r < 0)
		return r;
	*(bool *)field_of(req, o) = on;
	return 0;
}

LXE_SETTER(lxe_set_text)
{
	int r = lxe_str_set(field_of(req, o), text);

	return r < 0 ? lxe_fail(err, r, "%s", as) : 0;
}

LXE_SETTER(lxe_set_detach_keys)
{
	int r = lxe_detach_parse(field_of(req, o), text, err);

	return r < 0 ? lxe_fail(err, r, "%s", as) : 0;
}

LXE_SETTER(lxe_set_name)
{
	int r = lxe_name_validate(text, err);

	return r < 0 ? lxe_fail(err, r, "%s", as) : lxe_set_text(req, o, as, text, err);
}

LXE_SETTER(lxe_set_path)
{
	if (text[0] != '/') {
		bad(err, as, text, "is not an absolute path");
		lxe_hint(err, "it is a path inside the container and begins with /");
		return -EINVAL;
	}
	return lxe_set_text(req, o, as, text, err);
}

/* As useradd(8) takes names, and numbers; whether there is such a user only the sandbox knows. */
LXE_SETTER(lxe_set_user)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
	static const char digits[] = "0123456789";
	size_t n = strspn(text, digits), len = strlen(text);
	bool number = n && (!text[n] || (text[n] == ':' && text[n + 1] &&
						n + 1 + strspn(text + n + 1, digits) == len));
	bool name = strchr(letters, text[0]) && len <= USER_MAX && text[0] &&
		    strcspn(text, ":/ \t\n") == len && !lxe_has_controls(text, len);

	if (!number && !name) {
		bad(err, as, text, "is not a user");
		lxe_hint(err, "UID, UID:GID, or a name of the container's /etc/passwd");
		return -EINVAL;
	}
	return lxe_set_text(req, o, as, text, err);
}

static int set_size(struct lxe_request *req, const struct lxe_option *o, const char *as,
	const char *text, uint64_t min, struct lxe_err *err)
{
	uint64_t value = 0;
	int r;

	if (strcmp(text, "none") != 0) {
		r = lxe_parse_size(text, &value);
		if (r == 0 && value > MEMORY_MAX)
			r = -ERANGE;
		if (r < 0) {
			bad(err, as, text, r == -ERANGE ? "is too large" : "is not a size");
			lxe_hint(err, "a size is a whole number with K, M, G or T, or none: 512M");
			return -EINVAL;
		}
		if (value < min) {
			bad(err, as, text,
				min == MEMORY_MIN ? "is less than 8M" : "is less than 1M");
			lxe_hint(err, "a size without a unit is in bytes; none means no limit");
			return -EINVAL;
		}
	}
	*(uint64_t *)field_of(req, o) = value;
	return 0;
}

LXE_SETTER(lxe_set_size)
{
	return set_size(req, o, as, text, SIZE_MIN, err);
}

LXE_SETTER(lxe_set_memory)
{
	return set_size(req, o, as, text, MEMORY_MIN, err);
}

LXE_SETTER(lxe_set_pids)
{
	uint64_t value = 0;
	int r;

	if (strcmp(text, "none") != 0) {
		r = lxe_parse_u64(text, 1, PIDS_MAX, &value);
		if (r == -ERANGE)
			bad(err, as, text, "is out of range");
		else if (r < 0)
			bad(err, as, text, "is not a number");
		if (r < 0) {
			lxe_hint(err, "a whole number from 1 to %d, or none", PIDS_MAX);
			return -EINVAL;
		}
	}
	(void)o;
	req->spec.pids = value;
	req->spec.pids_asked = true;
	return 0;
}

LXE_SETTER(lxe_set_duration)
{
	uint64_t value = LXE_TIMEOUT_NONE;
	int r;

	if (strcmp(text, "none") != 0) {
		r = lxe_parse_duration(text, &value);
		if (r == -ERANGE)
			bad(err, as, text, "is too long");
		else if (r < 0)
			bad(err, as, text, "is not a duration");
		else if (value == 0)
			r = bad(err, as, text, "is no time at all");
		if (r < 0) {
			lxe_hint(err, "a whole number with ms, s, m or h, or none: 30s");
			return -EINVAL;
		}
	}
	*(uint64_t *)field_of(req, o) = value;
	return 0;
}

LXE_SETTER(lxe_set_tty)
{
	int on = 1;

	(void)o;
	if (text && strcmp(text, "auto") == 0) {
		req->spec.tty = LXE_TTY_AUTO;
		return 0;
	}
	if (text && lxe_parse_bool(text, &on) < 0)
		return bad(err, as, text, "is not yes, no or auto");
	req->spec.tty = on ? LXE_TTY_ON : LXE_TTY_OFF;
	return 0;
}

/* `no` takes a `yes` of another profile back; it does not ask for a terminal. */
LXE_SETTER(lxe_set_no_tty)
{
	int on, r = parse_flag(as, text, &on, err);

	(void)o;
	if (r < 0)
		return r;
	if (on)
		req->spec.tty = LXE_TTY_OFF;
	else if (req->spec.tty == LXE_TTY_OFF)
		req->spec.tty = LXE_TTY_AUTO;
	return 0;
}

LXE_SETTER(lxe_set_env)
{
	LXE_AUTOFREE char *pair = NULL;
	const char *value;

	(void)o;
	if (text[0] == '=')
		return bad(err, as, text, "has no name before the '='");
	if (!strchr(text, '=')) {
		value = getenv(text);
		if (!value)
			return 0; /* as container engines do: nothing to pass on */
		if (asprintf(&pair, "%s=%s", text, value) < 0) {
			pair = NULL;
			return lxe_fail(err, -ENOMEM, "%s '%s'", as, text);
		}
		text = pair;
	}
	if (lxe_strv_add(&req->spec.env, text) < 0)
		return lxe_fail(err, -ENOMEM, "%s", as);
	return 0;
}

LXE_SETTER(lxe_set_destination)
{
	int fd;

	if (lxe_starts_with(text, "fd:") && lxe_parse_int(text + 3, 0, INT_MAX, &fd) < 0) {
		bad(err, as, text, "does not name a descriptor");
		lxe_hint(err, "fd:3 is descriptor 3; a file of that name is ./%s", text);
		return -EINVAL;
	}
	return lxe_set_text(req, o, as, text, err);
}

/*
 * A profile is used from any directory and with any descriptors: a relative name could be a link
 * that somebody has planted there, a number whatever file the caller happens to have open.
 */
LXE_SETTER(lxe_set_result_file)
{
	if (text[0] == '/')
		return lxe_set_text(req, o, as, text, err);
	bad(err, as, text, "is not an absolute path");
	lxe_hint(
		err, "fd:N and a file of the current directory are for the command line: --result");
	return -EINVAL;
}

/* -q is -1; each -v is one more, and takes back a -q of the profile. `no` takes back its own. */
LXE_SETTER(lxe_set_verbose)
{
	int on, r = parse_flag(as, text, &on, err), *level = &req->spec.verbose;

	if (r < 0)
		return r;
	if (!on)
		*level = *level * o->value > 0 ? 0 : *level;
	else if (text)
		*level = o->value;
	else if (o->value < 0)
		*level = -1;
	else
		*level = *level < 0 ? 1 : *level + 1;
	return 0;
}

/* TERM, SIGTERM or 15. */
static int parse_signal(const char *text)
{
	const char *name = lxe_starts_with(text, "SIG") ? text + 3 : text;
	int number;

	if (lxe_parse_int(text, 1, SIGRTMAX, &number) == 0)
		return number;
	for (int s = 1; s < NSIG; s++)
		if (sigabbrev_np(s) && strcmp(sigabbrev_np(s), name) == 0)
			return s;
	return -EINVAL;
}

LXE_SETTER(lxe_set_signal)
{
	int number = parse_signal(text);

	if (number < 0) {
		bad(err, as, text, "is not a signal");
		lxe_hint(err, "a name such as TERM or INT, or a number; kill -l lists them");
		return -EINVAL;
	}
	*(int *)field_of(req, o) = number;
	return 0;
}

static int deny_one(
	struct lxe_request *req, const char *as, const char *path, size_t len, struct lxe_err *err)
{
	if (len == 0 || path[0] != '/') {
		lxe_hint(err, "it is a path inside the container, and begins with '/'");
		return lxe_fail_msg(err, -EINVAL, "%s '%.*s' is not an absolute path", as,
			(int)(len < 128 ? len : 128), path);
	}
	if (strspn(path, "/") >= len) {
		lxe_hint(err,
			"name a directory or a file in it: nothing could run without the rest");
		return lxe_fail_msg(err, -EINVAL, "%s '/' would deny all of the container", as);
	}
	if (lxe_strv_addn(&req->spec.deny, path, len) < 0)
		return lxe_fail(err, -ENOMEM, "%s", as);
	return 0;
}

LXE_SETTER(lxe_set_deny)
{
	(void)o;
	return deny_one(req, as, text, strlen(text), err);
}

LXE_SETTER(lxe_set_deny_list)
{
	int r = 0;

	(void)o;
	for (const char *end; r == 0 && *text; text = *end ? end + 1 : end) {
		end = strchrnul(text, ':');
		r = deny_one(req, as, text, (size_t)(end - text), err);
	}
	return r;
}

LXE_SETTER(lxe_set_caps)
{
	int r = lxe_caps_wish(&req->caps, o->value, text, err);

	if (r < 0)
		return lxe_fail(err, r, "%s", as);
	req->spec.caps = lxe_caps_result(&req->caps);
	return 0;
}

LXE_SETTER(lxe_set_output)
{
	(void)o;
	if (strcmp(text, "table") == 0)
		req->output = LXE_OUTPUT_TABLE;
	else if (strcmp(text, "json") == 0)
		req->output = LXE_OUTPUT_JSON;
	else
		return bad(err, as, text, "is neither table nor json");
	return 0;
}

LXE_SETTER(lxe_set_format)
{
	req->prometheus = strcmp(text, "prometheus") == 0;
	return req->prometheus ? 0 : lxe_set_output(req, o, as, text, err);
}
