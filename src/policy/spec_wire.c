#include "policy/spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/wire.h"

#define VERSION 1

/* Never renumber: client and keeper may come from two installations for a moment. */
enum tag {
	TAG_VERSION = 1,
	TAG_NAME,
	TAG_IMAGE,
	TAG_ARG,
	TAG_ENV,
	TAG_CWD,
	TAG_TERM,
	TAG_RESULT,
	TAG_TTY,
	TAG_MEMORY,
	TAG_PIDS,
	TAG_TIMEOUT,
	TAG_ROWS,
	TAG_COLS,
	TAG_VERBOSE,
	TAG_KEEP,
	TAG_USER,
	TAG_TTL,
	TAG_IDLE,
	TAG_CAPS,
	TAG_NEW_PRIVS,
	TAG_OUTPUT_LIMIT,
	TAG_SPILL,
	TAG_LIMITS,
	TAG_SECCOMP,
	TAG_SECCOMP_TEXT,
	TAG_SECCOMP_LOG,
	TAG_NO_EXPLAIN,
	TAG_LEARN,
	TAG_DENY,
	TAG_NET,
	TAG_PIDS_ASKED,
	TAG_APPARMOR,
	TAG_MOUNT,
	TAG_SETTLING,
};

#define VERBOSE_BIAS 1 /* numbers on the wire have no sign, and -1 is quiet */
#define VERBOSE_MAX 1000

static void put_list(struct lxe_writer *w, enum tag tag, const struct lxe_strv *list)
{
	for (size_t i = 0; i < list->n; i++)
		lxe_put_text(w, (uint8_t)tag, list->v[i]);
}

/* Two bits for each of what is done, one for each of the others. */
static void put_settling(struct lxe_writer *w, const struct lxe_settling *s)
{
	uint64_t all = s->on_success | (unsigned int)s->on_failure << 2 |
		       (unsigned int)s->dry_run << 4 | (unsigned int)s->on_disk << 5;

	if (all)
		lxe_put_u64(w, TAG_SETTLING, all);
}

int lxe_spec_encode(const struct lxe_spec *spec, unsigned char **ret, size_t *ret_len)
{
	struct lxe_writer w = { 0 };
	int verbose = spec->verbose < VERBOSE_MAX ? spec->verbose : VERBOSE_MAX;

	if (!spec->image || !spec->argv.n)
		return -EINVAL;
	lxe_put_u64(&w, TAG_VERSION, VERSION);
	lxe_put_text(&w, TAG_NAME, spec->name);
	lxe_put_text(&w, TAG_IMAGE, spec->image);
	put_list(&w, TAG_ARG, &spec->argv);
	put_list(&w, TAG_ENV, &spec->env);
	put_list(&w, TAG_DENY, &spec->deny);
	lxe_mounts_encode(&w, TAG_MOUNT, &spec->mounts);
	lxe_put_text(&w, TAG_CWD, spec->cwd);
	lxe_put_text(&w, TAG_USER, spec->user);
	lxe_put_text(&w, TAG_TERM, spec->term);
	lxe_put_text(&w, TAG_RESULT, spec->result);
	lxe_put_u64(&w, TAG_TTY, spec->tty);
	lxe_put_u64(&w, TAG_MEMORY, spec->memory);
	lxe_put_u64(&w, TAG_PIDS, spec->pids);
	if (spec->pids_asked)
		lxe_put_u64(&w, TAG_PIDS_ASKED, 1);
	lxe_limits_encode(&w, TAG_LIMITS, &spec->limits);
	lxe_net_encode(&w, TAG_NET, &spec->net);
	lxe_put_u64(&w, TAG_KEEP, spec->keep);
	put_settling(&w, &spec->settling);
	lxe_put_text(&w, TAG_APPARMOR, spec->apparmor);
	lxe_put_text(&w, TAG_SECCOMP, spec->seccomp);
	lxe_put_text(&w, TAG_SECCOMP_TEXT, spec->seccomp_text);
	lxe_put_u64(&w, TAG_SECCOMP_LOG, spec->seccomp_log);
	lxe_put_u64(&w, TAG_NO_EXPLAIN, spec->no_explain);
	lxe_put_text(&w, TAG_LEARN, spec->learn);
	lxe_put_u64(&w, TAG_CAPS, spec->caps);
	lxe_put_u64(&w, TAG_NEW_PRIVS, spec->new_privs);
	lxe_put_u64(&w, TAG_TIMEOUT, spec->timeout_ms);
	lxe_put_u64(&w, TAG_TTL, spec->ttl_ms);
	lxe_put_u64(&w, TAG_IDLE, spec->idle_ms);
	lxe_put_u64(&w, TAG_OUTPUT_LIMIT, spec->output_limit);
	lxe_put_text(&w, TAG_SPILL, spec->spill);
	lxe_put_u64(&w, TAG_ROWS, spec->rows);
	lxe_put_u64(&w, TAG_COLS, spec->cols);
	lxe_put_u64(&w, TAG_VERBOSE, (uint64_t)verbose + VERBOSE_BIAS);
	if (w.error) {
		int r = w.error;

		lxe_writer_release(&w);
		return r;
	}
	*ret = w.buf;
	*ret_len = w.len;
	return 0;
}

static int get_number(const struct lxe_field *f, uint64_t max, uint64_t *ret)
{
	uint64_t value;
	int r = lxe_field_u64(f, &value);

	if (r < 0 || value > max)
		return -EBADMSG;
	*ret = value;
	return 0;
}

static int get_item(const struct lxe_field *f, struct lxe_strv *list)
{
	if (f->len && memchr(f->bytes, '\0', f->len))
		return -EBADMSG;
	return lxe_strv_addn(list, (const char *)f->bytes, f->len);
}

static int get_env(const struct lxe_field *f, struct lxe_strv *list)
{
	const unsigned char *equals = f->len ? memchr(f->bytes, '=', f->len) : NULL;

	if (!equals || equals == f->bytes)
		return -EBADMSG;
	return get_item(f, list);
}

static int get_settling(struct lxe_settling *s, const struct lxe_field *f)
{
	uint64_t all = 0;

	if (get_number(f, 0x3f, &all) < 0 || (all & 3) > LXE_SETTLE_DISCARD ||
		(all >> 2 & 3) > LXE_SETTLE_DISCARD)
		return -EBADMSG;
	s->on_success = (enum lxe_settle)(all & 3);
	s->on_failure = (enum lxe_settle)(all >> 2 & 3);
	s->dry_run = all >> 4 & 1;
	s->on_disk = all >> 5;
	return 0;
}

static int get_numeric(struct lxe_spec *spec, const struct lxe_field *f)
{
	uint64_t value = 0;
	int r;

	switch ((enum tag)f->tag) {
	case TAG_VERSION:
		r = get_number(f, VERSION, &value);
		return r < 0 || value != VERSION ? -EBADMSG : 0;
	case TAG_TTY:
		r = get_number(f, LXE_TTY_OFF, &value);
		spec->tty = (enum lxe_tty)value;
		return r;
	case TAG_KEEP:
		r = get_number(f, 1, &value);
		spec->keep = value;
		return r;
	case TAG_NEW_PRIVS:
		r = get_number(f, 1, &value);
		spec->new_privs = value;
		return r;
	case TAG_SECCOMP_LOG:
		r = get_number(f, 1, &value);
		spec->seccomp_log = value;
		return r;
	case TAG_PIDS_ASKED:
		r = get_number(f, 1, &value);
		spec->pids_asked = value;
		return r;
	case TAG_NO_EXPLAIN:
		r = get_number(f, 1, &value);
		spec->no_explain = value;
		return r;
	case TAG_CAPS:
		return get_number(f, UINT64_MAX, &spec->caps);
	case TAG_MEMORY:
		return get_number(f, UINT64_MAX, &spec->memory);
	case TAG_PIDS:
		return get_number(f, UINT64_MAX, &spec->pids);
	case TAG_TIMEOUT:
		return get_number(f, UINT64_MAX, &spec->timeout_ms);
	case TAG_TTL:
		return get_number(f, UINT64_MAX, &spec->ttl_ms);
	case TAG_IDLE:
		return get_number(f, UINT64_MAX, &spec->idle_ms);
	case TAG_OUTPUT_LIMIT:
		return get_number(f, LXE_OUTPUT_LIMIT_MAX, &spec->output_limit);
	case TAG_ROWS:
		r = get_number(f, UINT16_MAX, &value);
		spec->rows = (uint16_t)value;
		return r;
	case TAG_COLS:
		r = get_number(f, UINT16_MAX, &value);
		spec->cols = (uint16_t)value;
		return r;
	case TAG_VERBOSE:
		r = get_number(f, VERBOSE_MAX + VERBOSE_BIAS, &value);
		spec->verbose = (int)value - VERBOSE_BIAS;
		return r;
	case TAG_NAME:
	case TAG_IMAGE:
	case TAG_ARG:
	case TAG_DENY:
	case TAG_MOUNT:
	case TAG_ENV:
	case TAG_CWD:
	case TAG_TERM:
	case TAG_RESULT:
	case TAG_USER:
	case TAG_SPILL:
	case TAG_LIMITS:
	case TAG_NET:
	case TAG_APPARMOR:
	case TAG_SECCOMP:
	case TAG_SECCOMP_TEXT:
	case TAG_LEARN:
	case TAG_SETTLING:
		break;
	}
	return -EBADMSG;
}

static int get_field(struct lxe_spec *spec, const struct lxe_field *f)
{
	switch ((enum tag)f->tag) {
	case TAG_NAME:
		return lxe_field_text(f, &spec->name);
	case TAG_IMAGE:
		return lxe_field_text(f, &spec->image);
	case TAG_ARG:
		return get_item(f, &spec->argv);
	case TAG_DENY:
		return f->len && f->bytes[0] == '/' ? get_item(f, &spec->deny) : -EBADMSG;
	case TAG_MOUNT:
		return lxe_mounts_decode(&spec->mounts, f);
	case TAG_ENV:
		return get_env(f, &spec->env);
	case TAG_CWD:
		return lxe_field_text(f, &spec->cwd);
	case TAG_USER:
		return lxe_field_text(f, &spec->user);
	case TAG_TERM:
		return lxe_field_text(f, &spec->term);
	case TAG_RESULT:
		return lxe_field_text(f, &spec->result);
	case TAG_SPILL:
		return lxe_field_text(f, &spec->spill);
	case TAG_LIMITS:
		return lxe_limits_decode(&spec->limits, f);
	case TAG_NET:
		return lxe_net_decode(&spec->net, f);
	case TAG_APPARMOR:
		return lxe_field_text(f, &spec->apparmor);
	case TAG_SECCOMP:
		return lxe_field_text(f, &spec->seccomp);
	case TAG_SECCOMP_TEXT:
		return lxe_field_text(f, &spec->seccomp_text);
	case TAG_LEARN:
		return lxe_field_text(f, &spec->learn);
	case TAG_SETTLING:
		return get_settling(&spec->settling, f);
	case TAG_VERSION:
	case TAG_SECCOMP_LOG:
	case TAG_NO_EXPLAIN:
	case TAG_TTY:
	case TAG_KEEP:
	case TAG_CAPS:
	case TAG_NEW_PRIVS:
	case TAG_MEMORY:
	case TAG_PIDS:
	case TAG_PIDS_ASKED:
	case TAG_TIMEOUT:
	case TAG_TTL:
	case TAG_IDLE:
	case TAG_OUTPUT_LIMIT:
	case TAG_ROWS:
	case TAG_COLS:
	case TAG_VERBOSE:
		return get_numeric(spec, f);
	}
	return -EBADMSG;
}

static int get_fields(struct lxe_spec *spec, struct lxe_reader *r, uint64_t *seen)
{
	struct lxe_field f = { 0 };
	int n, err;

	while ((n = lxe_next_field(r, &f)) > 0) {
		uint64_t bit = f.tag < 64 ? UINT64_C(1) << f.tag : 0;

		/* What the version means must be known before anything else is read. */
		if (!*seen && f.tag != TAG_VERSION)
			return -EBADMSG;
		if ((*seen & bit) && f.tag != TAG_ARG && f.tag != TAG_ENV && f.tag != TAG_DENY &&
			f.tag != TAG_MOUNT)
			return -EBADMSG;
		*seen |= bit;
		err = get_field(spec, &f);
		if (err < 0)
			return err;
	}
	return n;
}

static bool complete(const struct lxe_spec *spec, uint64_t seen)
{
	const uint32_t needed = 1U << TAG_VERSION | 1U << TAG_IMAGE | 1U << TAG_ARG |
				1U << TAG_TTY | 1U << TAG_MEMORY | 1U << TAG_PIDS |
				1U << TAG_TIMEOUT | 1U << TAG_ROWS | 1U << TAG_COLS |
				1U << TAG_VERBOSE | 1U << TAG_KEEP | 1U << TAG_CAPS |
				1U << TAG_NEW_PRIVS;

	return (seen & needed) == needed && lxe_name_validate(spec->image, NULL) == 0 &&
	       (!spec->name || lxe_name_validate(spec->name, NULL) == 0) &&
	       (!spec->cwd || spec->cwd[0] == '/');
}

int lxe_spec_decode(struct lxe_spec *ret, const unsigned char *buf, size_t len)
{
	struct lxe_reader reader = { .p = buf, .left = len };
	struct lxe_spec spec = { 0 };
	uint64_t seen = 0;
	int r;

	r = get_fields(&spec, &reader, &seen);
	if (r == 0 && !complete(&spec, seen))
		r = -EBADMSG;
	if (r < 0) {
		lxe_spec_release(&spec);
		return r;
	}
	*ret = spec;
	return 0;
}
