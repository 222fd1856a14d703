#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/spec.h"
#include "proto/wire.h"
#include "spec_full.h"

static void assert_same_strv(const struct lxe_strv *a, const struct lxe_strv *b)
{
	cr_assert_eq(a->n, b->n);
	for (size_t i = 0; i < a->n; i++)
		cr_assert_str_eq(a->v[i], b->v[i]);
}

static void assert_same_mount(const struct lxe_mount *a, const struct lxe_mount *b)
{
	cr_assert_eq(a->kind, b->kind);
	cr_assert_eq(!a->src, !b->src);
	cr_assert(!a->src || strcmp(a->src, b->src) == 0);
	cr_assert_str_eq(a->dst, b->dst);
	cr_assert_eq(a->ro, b->ro);
	cr_assert_eq(a->cow, b->cow);
	cr_assert_eq(a->unshifted, b->unshifted);
	cr_assert_eq(a->size, b->size);
	cr_assert_eq(a->mode, b->mode);
}

static void assert_same(const struct lxe_spec *a, const struct lxe_spec *b)
{
	cr_assert_str_eq(a->name, b->name);
	cr_assert_str_eq(a->image, b->image);
	cr_assert_str_eq(a->cwd, b->cwd);
	cr_assert_str_eq(a->user, b->user);
	cr_assert_str_eq(a->term, b->term);
	cr_assert_str_eq(a->result, b->result);
	assert_same_strv(&a->argv, &b->argv);
	assert_same_strv(&a->env, &b->env);
	assert_same_strv(&a->deny, &b->deny);
	cr_assert_eq(a->mounts.n, b->mounts.n);
	for (size_t i = 0; i < a->mounts.n; i++)
		assert_same_mount(&a->mounts.v[i], &b->mounts.v[i]);
	cr_assert_eq(a->tty, b->tty);
	cr_assert_eq(a->settling.dry_run, b->settling.dry_run);
	cr_assert_eq(a->settling.on_success, b->settling.on_success);
	cr_assert_eq(a->settling.on_failure, b->settling.on_failure);
	cr_assert_eq(a->settling.on_disk, b->settling.on_disk);
	cr_assert_eq(a->memory, b->memory);
	cr_assert_eq(a->pids, b->pids);
	cr_assert_eq(a->pids_asked, b->pids_asked);
	cr_assert_eq(a->timeout_ms, b->timeout_ms);
	cr_assert_eq(a->ttl_ms, b->ttl_ms);
	cr_assert_eq(a->idle_ms, b->idle_ms);
	cr_assert_eq(a->output_limit, b->output_limit);
	cr_assert_str_eq(a->spill, b->spill);
	cr_assert_eq(a->caps, b->caps);
	cr_assert_eq(a->new_privs, b->new_privs);
	cr_assert_eq(a->limits.cpus, b->limits.cpus);
	cr_assert_str_eq(a->limits.cpuset, b->limits.cpuset);
	assert_same_strv(&a->limits.io, &b->limits.io);
	assert_same_strv(&a->limits.ulimits, &b->limits.ulimits);
	cr_assert_eq(a->limits.cpu_time_ms, b->limits.cpu_time_ms);
	cr_assert_eq(a->limits.disk, b->limits.disk);
	cr_assert_eq(a->limits.grace_ms, b->limits.grace_ms);
	cr_assert_str_eq(a->apparmor, b->apparmor);
	cr_assert_str_eq(a->seccomp, b->seccomp);
	cr_assert_str_eq(a->seccomp_text, b->seccomp_text);
	cr_assert_eq(a->seccomp_log, b->seccomp_log);
	cr_assert_eq(a->no_explain, b->no_explain);
	cr_assert_str_eq(a->learn, b->learn);
	cr_assert_eq(a->net.mode, b->net.mode);
	assert_same_strv(&a->net.allow, &b->net.allow);
	assert_same_strv(&a->net.deny, &b->net.deny);
	assert_same_strv(&a->net.publish, &b->net.publish);
	cr_assert_str_eq(a->net.proxy, b->net.proxy);
	cr_assert_str_eq(a->net.proxy_userinfo, b->net.proxy_userinfo);
	cr_assert_str_eq(a->net.subnet, b->net.subnet);
	cr_assert_eq(a->rows, b->rows);
	cr_assert_eq(a->cols, b->cols);
	cr_assert_eq(a->verbose, b->verbose);
}

Test(spec, defaults)
{
	struct lxe_spec spec;

	lxe_spec_init(&spec);
	cr_assert_str_eq(spec.image, "host");
	cr_assert_eq(spec.tty, LXE_TTY_AUTO);
	cr_assert_eq(spec.memory, 0);
	cr_assert_eq(spec.pids, 2048);
	cr_assert_eq(spec.timeout_ms, LXE_TIMEOUT_NONE);
	cr_assert_eq(spec.ttl_ms, 0);
	cr_assert_eq(spec.idle_ms, 0);
	cr_assert_eq(spec.verbose, 0);
	lxe_spec_release(&spec);
	lxe_spec_release(&spec);
}

Test(spec, survives_the_wire)
{
	struct lxe_spec spec, got = { 0 };
	unsigned char *buf;
	size_t len;

	fill_spec(&spec);
	cr_assert_eq(lxe_spec_encode(&spec, &buf, &len), 0);
	cr_assert_eq(lxe_spec_decode(&got, buf, len), 0);
	assert_same(&spec, &got);
	free(buf);
	lxe_spec_release(&spec);
	lxe_spec_release(&got);
}

Test(spec, absent_texts_stay_absent)
{
	struct lxe_spec spec, got = { 0 };
	unsigned char *buf;
	size_t len;

	lxe_spec_init(&spec);
	lxe_strv_add(&spec.argv, "true");
	cr_assert_eq(lxe_spec_encode(&spec, &buf, &len), 0);
	cr_assert_eq(lxe_spec_decode(&got, buf, len), 0);
	cr_assert_null(got.name);
	cr_assert_null(got.cwd);
	cr_assert_null(got.term);
	cr_assert_null(got.result);
	cr_assert_eq(got.env.n, 0);
	free(buf);
	lxe_spec_release(&spec);
	lxe_spec_release(&got);
}

Test(spec, every_cut_is_refused)
{
	struct lxe_spec spec, got = { 0 };
	unsigned char *buf;
	size_t len;

	fill_spec(&spec);
	cr_assert_eq(lxe_spec_encode(&spec, &buf, &len), 0);
	for (size_t cut = 0; cut < len; cut++) {
		/* In a block of its own size, so that a read past the cut is seen by ASan. */
		unsigned char *part = malloc(cut ? cut : 1);

		memcpy(part, buf, cut);
		cr_assert_eq(lxe_spec_decode(&got, part, cut), -EBADMSG, "cut at %zu", cut);
		cr_assert_null(got.image);
		free(part);
	}
	free(buf);
	lxe_spec_release(&spec);
}

/* Decode a good record with one more field at its end. */
static int decode_with(uint8_t tag, const void *bytes, size_t n)
{
	struct lxe_spec spec, got = { 0 };
	struct lxe_writer w = { 0 };
	unsigned char *buf;
	size_t len;
	int r;

	fill_spec(&spec);
	cr_assert_eq(lxe_spec_encode(&spec, &buf, &len), 0);
	lxe_put_bytes(&w, tag, bytes, n);
	buf = realloc(buf, len + w.len);
	memcpy(buf + len, w.buf, w.len);
	r = lxe_spec_decode(&got, buf, len + w.len);
	lxe_writer_release(&w);
	free(buf);
	lxe_spec_release(&spec);
	lxe_spec_release(&got);
	return r;
}

Test(spec, more_arguments_are_welcome_and_nothing_else)
{
	cr_assert_eq(decode_with(4, "more", 4), 0);
	cr_assert_eq(decode_with(5, "K=V", 3), 0);
	cr_assert_eq(decode_with(5, "KV", 2), -EBADMSG);
	cr_assert_eq(decode_with(5, "=V", 2), -EBADMSG);
	cr_assert_eq(decode_with(4, "a\0b", 3), -EBADMSG);
	for (int tag = 0; tag < 256; tag++)
		if (tag != 4 && tag != 5)
			cr_assert_eq(decode_with((uint8_t)tag, "12345678", 8), -EBADMSG, "%d", tag);
}

static int decode_patched(void (*patch)(struct lxe_spec *spec))
{
	struct lxe_spec spec, got = { 0 };
	unsigned char *buf;
	size_t len;
	int r;

	fill_spec(&spec);
	patch(&spec);
	r = lxe_spec_encode(&spec, &buf, &len);
	if (r == 0) {
		r = lxe_spec_decode(&got, buf, len);
		free(buf);
	}
	lxe_spec_release(&spec);
	lxe_spec_release(&got);
	return r;
}

static void bad_name(struct lxe_spec *spec)
{
	lxe_str_set(&spec->name, "../x");
}

static void bad_image(struct lxe_spec *spec)
{
	lxe_str_set(&spec->image, "");
}

static void bad_cpus(struct lxe_spec *spec)
{
	spec->limits.cpus = UINT64_MAX;
}

static void bad_cpuset(struct lxe_spec *spec)
{
	lxe_str_set(&spec->limits.cpuset, "1,0");
}

static void bad_io(struct lxe_spec *spec)
{
	lxe_strv_add(&spec->limits.io, "wbps=1");
}

static void bad_ulimit(struct lxe_spec *spec)
{
	lxe_strv_add(&spec->limits.ulimits, "nofile=-1");
}

static void bad_cwd(struct lxe_spec *spec)
{
	lxe_str_set(&spec->cwd, "srv");
}

static void bad_tty(struct lxe_spec *spec)
{
	spec->tty = (enum lxe_tty)3;
}

static void no_command(struct lxe_spec *spec)
{
	lxe_strv_release(&spec->argv);
}

Test(spec, values_are_checked_on_arrival)
{
	cr_assert_eq(decode_patched(bad_name), -EBADMSG);
	cr_assert_eq(decode_patched(bad_image), -EBADMSG);
	cr_assert_eq(decode_patched(bad_cwd), -EBADMSG);
	cr_assert_eq(decode_patched(bad_cpus), -EBADMSG);
	cr_assert_eq(decode_patched(bad_cpuset), -EBADMSG);
	cr_assert_eq(decode_patched(bad_io), -EBADMSG);
	cr_assert_eq(decode_patched(bad_ulimit), -EBADMSG);
	cr_assert_eq(decode_patched(bad_tty), -EBADMSG);
	cr_assert_eq(decode_patched(no_command), -EINVAL);
}

Test(spec, version_comes_first)
{
	struct lxe_writer w = { 0 };
	struct lxe_spec got = { 0 };

	lxe_put_u64(&w, 1, 2);
	cr_assert_eq(lxe_spec_decode(&got, w.buf, w.len), -EBADMSG);
	w.len = 0;
	lxe_put_text(&w, 3, "host");
	lxe_put_u64(&w, 1, 1);
	cr_assert_eq(lxe_spec_decode(&got, w.buf, w.len), -EBADMSG);
	lxe_writer_release(&w);
}

Test(spec, names)
{
	static const char *const good[] = { "a", "web-1", "\xc3\xa4", "a b", "..." };
	static const char *const bad[] = { "", " ", " a", "a ", ".", "..", "a/b", "-x", "a\nb",
		"\x7f", "\xff", "\xc2\x85", "\xe2\x80\xae", "\xed\xa0\x80" };
	char longest[LXE_NAME_MAX + 2];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		cr_assert_eq(lxe_name_validate(good[i], NULL), 0, "%zu", i);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(lxe_name_validate(bad[i], NULL), -EINVAL, "%zu", i);
	memset(longest, 'n', sizeof(longest));
	longest[LXE_NAME_MAX] = '\0';
	cr_assert_eq(lxe_name_validate(longest, NULL), 0);
	longest[LXE_NAME_MAX] = 'n';
	longest[LXE_NAME_MAX + 1] = '\0';
	cr_assert_eq(lxe_name_validate(longest, NULL), -EINVAL);
}

static int settles(struct lxe_settling how, bool keep, const char *bind, bool *cow)
{
	struct lxe_spec spec = { .keep = keep, .settling = how };
	struct lxe_err error = { 0 };
	struct lxe_mount m = { 0 };
	int r;

	cr_assert_eq(lxe_mount_parse(&m, LXE_MOUNT_BIND, bind, NULL), 0);
	cr_assert_eq(lxe_mounts_add(&spec.mounts, &m, NULL), 0);
	r = lxe_spec_settle(&spec, &error);
	cr_assert_eq(r < 0, error.hint[0] != '\0');
	*cow = spec.mounts.v[0].cow;
	lxe_mounts_release(&spec.mounts);
	return r;
}

Test(spec, what_becomes_of_changes_has_to_be_about_some)
{
	const struct lxe_settling none = { 0 }, dry = { .dry_run = true },
				  commits = { .on_success = LXE_SETTLE_COMMIT },
				  both = { .dry_run = true, .on_failure = LXE_SETTLE_DISCARD };
	bool cow;

	cr_assert_eq(settles(none, true, "/a", &cow), 0);
	cr_assert_not(cow);
	cr_assert_eq(settles(dry, false, "/a", &cow), 0);
	cr_assert(cow);
	cr_assert_eq(settles(dry, false, "/a:ro", &cow), -EINVAL);
	cr_assert_not(cow);
	cr_assert_eq(settles(dry, true, "/a", &cow), -EINVAL);
	cr_assert_eq(settles(commits, false, "/a", &cow), -EINVAL);
	cr_assert_eq(settles(commits, false, "/a:cow", &cow), 0);
	cr_assert_eq(settles(both, false, "/a:cow", &cow), -EINVAL);
}

Test(spec, what_may_have_to_be_kept_is_on_a_disk)
{
	struct lxe_spec spec = { 0 };

	cr_assert_not(lxe_spec_on_disk(&spec));
	spec.settling.on_success = LXE_SETTLE_DISCARD;
	cr_assert_not(lxe_spec_on_disk(&spec));
	spec.settling.on_failure = LXE_SETTLE_COMMIT;
	cr_assert(lxe_spec_on_disk(&spec));
	spec = (struct lxe_spec){ .keep = true };
	cr_assert(lxe_spec_on_disk(&spec));
}
