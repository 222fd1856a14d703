/* Whom a rule is for: the conditions of the engines' format. See json.h. */
#include <string.h>

#include "base/num.h"
#include "confine/json.h"
#include "policy/caps.h"

/* Of a list of conditions: how many there are, and how many hold. */
struct holding {
	size_t n, hold;
};

static int check_capability(struct lxe_json *p, const char *text, void *arg)
{
	struct holding *h = arg;
	const char *name;

	for (unsigned int bit = 0; (name = lxe_cap_name(bit)); bit++) {
		if (strcmp(name, text) == 0) {
			h->n++;
			h->hold += p->who->capabilities >> bit & 1;
			return 0;
		}
	}
	return lxe_json_bad(p, "'%.64s' is not a capability", text);
}

/* As Go names architectures: the engines are written in it. */
static int check_arch(struct lxe_json *p, const char *text, void *arg)
{
#if defined(__x86_64__)
	static const char native[] = "amd64";
#elif defined(__aarch64__)
	static const char native[] = "arm64";
#else
	static const char native[] = "";
#endif
	struct holding *h = arg;

	(void)p;
	h->n++;
	h->hold += strcmp(text, native) == 0;
	return 0;
}

/* "4.8": does the kernel have that version? */
static int check_kernel(struct lxe_json *p, const json_t *object, struct holding *h)
{
	uint64_t major, minor;
	const char *text = NULL;
	char number[8];
	size_t len, at;
	int r = lxe_json_string(p, object, "minKernel", false, &text);

	if (r < 0 || !text)
		return r;
	at = lxe_json_enter(p, ".minKernel");
	len = strcspn(text, ".");
	if (text[len] != '.' || len >= sizeof(number))
		return lxe_json_bad(p, "'%.64s' is not a version such as 4.8", text);
	memcpy(number, text, len);
	number[len] = '\0';
	if (lxe_parse_u64(number, 0, 999, &major) < 0 ||
		lxe_parse_u64(text + len + 1, 0, UINT16_MAX, &minor) < 0)
		return lxe_json_bad(p, "'%.64s' is not a version such as 4.8", text);
	lxe_json_leave(p, at);
	h->n++;
	h->hold += p->who->kernel >= (major << 16 | minor);
	return 0;
}

struct conditions {
	struct holding capabilities, arches, kernel;
};

static int get_conditions(
	struct lxe_json *p, const json_t *rule, const char *key, struct conditions *ret)
{
	static const char *const keys[] = { "caps", "arches", "minKernel", NULL };
	json_t *object = lxe_json_get(rule, key);
	size_t at = lxe_json_enter(p, ".%s", key);
	int r = object ? lxe_json_only(p, object, keys) : 0;

	if (r == 0)
		r = lxe_json_each(p, object, "caps", check_capability, &ret->capabilities);
	if (r == 0)
		r = lxe_json_each(p, object, "arches", check_arch, &ret->arches);
	if (r == 0)
		r = check_kernel(p, object, &ret->kernel);
	if (r == 0)
		lxe_json_leave(p, at);
	return r;
}

/* Included are all capabilities and one of the architectures; excluded is any of them. */
int lxe_json_applies(struct lxe_json *p, const json_t *rule)
{
	struct conditions in = { 0 }, out = { 0 };
	int r = get_conditions(p, rule, "includes", &in);

	if (r == 0)
		r = get_conditions(p, rule, "excludes", &out);
	if (r < 0)
		return r;
	return in.capabilities.hold == in.capabilities.n && (!in.arches.n || in.arches.hold) &&
	       in.kernel.hold == in.kernel.n && !out.capabilities.hold && !out.arches.hold &&
	       !out.kernel.hold;
}
