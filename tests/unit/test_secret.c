#include "policy/secret.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client/secrets.h"
#include "random.h"

static struct lxe_err err;

static int parse(struct lxe_secret_source *s, const char *text)
{
	err = (struct lxe_err){ 0 };
	return lxe_secret_parse(s, text, &err);
}

Test(secret, where_it_comes_from)
{
	struct lxe_secret_source s;

	cr_assert_eq(parse(&s, "token=env:API_TOKEN"), 0);
	cr_assert(s.kind == LXE_SECRET_ENV && strcmp(s.name, "token") == 0 &&
		  strcmp(s.from, "API_TOKEN") == 0);
	cr_assert_eq(parse(&s, "A.b-c_9=file:/a=b c"), 0);
	cr_assert(s.kind == LXE_SECRET_FILE && strcmp(s.from, "/a=b c") == 0);
	cr_assert_eq(parse(&s, "x=fd:7"), 0);
	cr_assert(s.kind == LXE_SECRET_FD && s.fd == 7);
}

Test(secret, what_is_none)
{
	static const char *const bad[] = { "", "x", "=env:A",
		"x=", "x=env:", "x=file:", "x=fd:", "x=fd:-1", "x=fd:1x", "x=fd:99999999999",
		"x=env:A=B", "../x=env:A", "a/b=env:A", ".x=env:A", "-x=env:A", "x y=env:A",
		"x\n=env:A", "\xc3\xa4=env:A", "x=ENV:A", "x=https://a" };
	char text[100];
	struct lxe_secret_source s;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert_eq(parse(&s, bad[i]), -EINVAL, "%s", bad[i]);
		cr_assert(err.msg[0] && err.hint[0]);
	}
	memset(text, 'n', sizeof(text));
	strcpy(text + LXE_SECRET_NAME_MAX, "=env:A");
	cr_assert_eq(parse(&s, text), 0);
	strcpy(text + LXE_SECRET_NAME_MAX + 1, "=env:A");
	text[LXE_SECRET_NAME_MAX] = 'n';
	cr_assert_eq(parse(&s, text), -EINVAL);
}

/* Who puts the value itself there by mistake does not find it in a log. */
Test(secret, the_value_is_not_repeated)
{
	struct lxe_secret_source s;

	cr_assert_eq(parse(&s, "token=hunter2"), -EINVAL);
	cr_assert_null(strstr(err.msg, "hunter2"));
	cr_assert_eq(parse(&s, "hunter2"), -EINVAL);
	cr_assert_null(strstr(err.msg, "hunter2"));
}

static unsigned char *opened(const struct lxe_strv *list, size_t *len)
{
	unsigned char *p;
	int fd;

	err = (struct lxe_err){ 0 };
	cr_assert_eq(lxe_secrets_open(list, true, &fd, &err), 0, "%s", err.msg);
	*len = (size_t)lseek(fd, 0, SEEK_END);
	p = mmap(NULL, *len, PROT_READ, MAP_PRIVATE, fd, 0);
	cr_assert_neq(p, MAP_FAILED);
	close(fd);
	return p;
}

Test(secret, values_arrive_as_they_are)
{
	struct lxe_strv list = { 0 };
	unsigned char *bytes;
	struct lxe_secret s;
	char text[32];
	int ends[2];
	size_t len;
	long n;

	cr_assert_eq(pipe(ends), 0);
	cr_assert_eq(write(ends[1], "a\0b\xff", 4), 4);
	close(ends[1]);
	setenv("LXE_TEST_SECRET", "from the environment", 1);
	snprintf(text, sizeof(text), "two=fd:%d", ends[0]);
	lxe_strv_add(&list, "one=env:LXE_TEST_SECRET");
	lxe_strv_add(&list, text);
	lxe_strv_add(&list, "three=file:/dev/null");
	bytes = opened(&list, &len);

	n = lxe_secret_next(&s, bytes, len);
	cr_assert(n > 0 && s.size == 20 && memcmp(s.value, "from the environment", 20) == 0);
	bytes += n;
	len -= (size_t)n;
	n = lxe_secret_next(&s, bytes, len);
	cr_assert(n > 0 && s.size == 4 && memcmp(s.value, "a\0b\xff", 4) == 0);
	bytes += n;
	len -= (size_t)n;
	n = lxe_secret_next(&s, bytes, len);
	cr_assert(n > 0 && s.size == 0 && strcmp(s.name, "three") == 0);
	cr_assert_eq(lxe_secret_next(&s, bytes + n, len - (size_t)n), 0);
	/* Where /proc/PID/environ shows it, it is not any more. */
	cr_assert_str_eq(getenv("LXE_TEST_SECRET"), "");
	lxe_strv_release(&list);
	close(ends[0]);
}

Test(secret, the_largest_and_one_more)
{
	char path[] = "/tmp/lxe-test-secret-XXXXXX", text[64];
	struct lxe_strv list = { 0 };
	struct lxe_secret s;
	int fd = mkstemp(path), memfd;
	unsigned char *bytes;
	size_t len;

	snprintf(text, sizeof(text), "big=file:%s", path);
	lxe_strv_add(&list, text);
	cr_assert_eq(ftruncate(fd, LXE_SECRET_MAX), 0);
	bytes = opened(&list, &len);
	cr_assert_eq(lxe_secret_next(&s, bytes, len), LXE_SECRET_HEADER + LXE_SECRET_MAX);
	cr_assert_eq(ftruncate(fd, LXE_SECRET_MAX + 1), 0);
	cr_assert_eq(lxe_secrets_open(&list, true, &memfd, &err), -EFBIG);
	cr_assert(strstr(err.msg, "512 KiB") && memfd < 0);
	unlink(path);
	close(fd);
	lxe_strv_release(&list);
}

Test(secret, any_bytes_are_refused_or_stay_within)
{
	unsigned char bytes[400];
	struct lxe_secret s = { 0 };
	uint64_t state = 5;

	for (int i = 0; i < 50000; i++) {
		size_t len = rnd_below(&state, sizeof(bytes) + 1);
		long n;

		for (size_t j = 0; j < len; j++)
			bytes[j] = rnd_below(&state, 4) ? 0 : (unsigned char)rnd(&state);
		if (len >= LXE_SECRET_HEADER && rnd_below(&state, 2))
			lxe_secret_put_header(
				bytes, "name", (uint32_t)rnd_below(&state, sizeof(bytes)));
		n = lxe_secret_next(&s, bytes, len);
		cr_assert(n == -EBADMSG || (n >= 0 && (size_t)n <= len));
		cr_assert(n <= 0 || s.value + s.size == bytes + n);
	}
}
