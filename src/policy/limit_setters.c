#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/setters.h"

static bool is_none(const char *text)
{
	return strcmp(text, "none") == 0;
}

LXE_SETTER(lxe_set_cpus)
{
	uint64_t value = 0;
	int r = is_none(text) ? 0 : lxe_cpus_parse(text, &value);

	(void)o;
	if (r < 0) {
		lxe_fail_msg(err, -EINVAL, "%s '%s' %s", as, text,
			r == -ERANGE ? "is out of range" : "is not a number of CPUs");
		lxe_hint(err, "from 0.01, with at most two decimals, or none: 1.5");
		return -EINVAL;
	}
	req->spec.limits.cpus = value;
	return 0;
}

LXE_SETTER(lxe_set_cpuset)
{
	char list[LXE_CPUSET_TEXT];
	int r;

	(void)o;
	if (is_none(text)) {
		lxe_str_set(&req->spec.limits.cpuset, NULL);
		return 0;
	}
	r = lxe_cpuset_normalize(text, list, sizeof(list));
	if (r < 0) {
		lxe_fail_msg(err, -EINVAL, "%s '%s' %s", as, text,
			r == -ERANGE ? "is out of range" : "is not a list of CPUs");
		lxe_hint(err, "numbers and ranges in ascending order, or none: 0-2,5");
		return -EINVAL;
	}
	r = lxe_str_set(&req->spec.limits.cpuset, list);
	return r < 0 ? lxe_fail(err, r, "%s", as) : 0;
}

/* One limit of the list, to which the device before it belongs when it names none itself. */
static int add_io(struct lxe_request *req, const char *as, const char *text, size_t len,
	const char *device, size_t device_len, struct lxe_err *err)
{
	LXE_AUTOFREE char *one = NULL;
	struct lxe_io_limit limit;
	int r;

	if (asprintf(&one, "%.*s%s%.*s", (int)device_len, device, device_len ? ":" : "", (int)len,
		    text) < 0) {
		one = NULL;
		return lxe_fail(err, -ENOMEM, "%s", as);
	}
	r = lxe_io_parse(one, &limit, err);
	if (r < 0)
		return lxe_fail(err, r, "%s", as);
	r = lxe_strv_add(&req->spec.limits.io, one);
	return r < 0 ? lxe_fail(err, r, "%s", as) : 0;
}

LXE_SETTER(lxe_set_io)
{
	const char *device = "";
	size_t device_len = 0, len;

	(void)o;
	if (is_none(text)) {
		lxe_strv_release(&req->spec.limits.io);
		return 0;
	}
	for (const char *p = text;; p += len + 1) {
		const char *colon;
		int r;

		len = strcspn(p, ",");
		colon = memrchr(p, ':', len);
		r = add_io(req, as, p, len, device, colon ? 0 : device_len, err);
		if (r < 0)
			return r;
		if (colon) {
			device = p;
			device_len = (size_t)(colon - p);
		}
		if (!p[len])
			return 0;
	}
}

LXE_SETTER(lxe_set_ulimit)
{
	struct lxe_ulimit parsed;
	int r = lxe_ulimit_parse(text, &parsed, err);

	(void)o;
	if (r < 0)
		return lxe_fail(err, r, "%s", as);
	r = lxe_strv_add(&req->spec.limits.ulimits, text);
	return r < 0 ? lxe_fail(err, r, "%s", as) : 0;
}

LXE_SETTER(lxe_set_grace)
{
	const struct lxe_option at_grace = {
		.offset = offsetof(struct lxe_request, spec.limits.grace_ms),
	};
	int r = lxe_set_duration(req, &at_grace, as, text, err);

	(void)o;
	if (r == 0)
		req->stop_timeout_ms = req->spec.limits.grace_ms;
	return r;
}
