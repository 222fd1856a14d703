#include "proto/msg.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fds.h"
#include "msg_random.h"
#include "proto/wire.h"
#include "random.h"
#include "sys/fd.h"
#include "sys/socket.h"

/* The fields that every message begins with, by their tags on the wire. */
enum { TAG_VERSION = 1, TAG_TYPE, TAG_ROLES };

static void expect_same(const struct lxe_msg *a, const struct lxe_msg *b, uint64_t seed)
{
	unsigned char first[LXE_MSG_MAX], second[LXE_MSG_MAX];
	ssize_t n = lxe_msg_encode(a, first, sizeof(first));

	cr_assert_gt(n, 0);
	cr_assert_eq(a->type, b->type);
	cr_assert_eq(lxe_msg_encode(b, second, sizeof(second)), n, "seed %" PRIu64, seed);
	cr_assert_eq(memcmp(first, second, (size_t)n), 0, "seed %" PRIu64, seed);
}

/* Descriptors that are known by their size: the role's number. At most what one record carries. */
static void add_random_fds(struct lxe_msg *msg, uint64_t *state)
{
	size_t n = 0;

	for (size_t i = 0; i < LXE_FD_ROLES && n < SYS_SOCKET_FDS_MAX; i++)
		if (rnd_below(state, 3)) {
			msg->fds[i] = sys_memfd("lxe-test", i);
			cr_assert_geq(msg->fds[i], 0);
			n++;
		}
}

static void expect_same_fds(const struct lxe_msg *sent, const struct lxe_msg *got)
{
	for (size_t i = 0; i < LXE_FD_ROLES; i++) {
		struct stat st;

		cr_assert_eq(sent->fds[i] >= 0, got->fds[i] >= 0, "role %zu", i);
		if (got->fds[i] < 0)
			continue;
		cr_assert_eq(fstat(got->fds[i], &st), 0);
		cr_assert_eq(st.st_size, (off_t)i, "role %zu", i);
		cr_assert(fcntl(got->fds[i], F_GETFD) & FD_CLOEXEC);
	}
}

Test(msg, every_type_travels_with_its_fields_and_descriptors)
{
	static struct lxe_msg sent, got;
	int ends[2], before = open_fds();
	uint64_t list[SEEDS];
	size_t n = seeds(list);

	cr_assert_eq(sys_socketpair(ends), 0);
	for (size_t s = 0; s < n; s++) {
		uint64_t state = list[s];

		for (int i = 0; i < 210; i++) {
			random_msg(&sent, (enum lxe_msg_type)(1 + i % LXE_MSG_LAST), &state);
			add_random_fds(&sent, &state);
			cr_assert_eq(lxe_msg_send(ends[0], &sent), 0, "seed %" PRIu64, list[s]);
			cr_assert_eq(lxe_msg_recv(ends[1], &got), 1, "seed %" PRIu64, list[s]);
			expect_same_fds(&sent, &got);
			expect_same(&sent, &got, list[s]);
			lxe_msg_release(&sent);
			lxe_msg_release(&got);
			cr_assert_eq(got.fds[0], -EBADF);
		}
	}
	close(ends[0]);
	cr_assert_eq(lxe_msg_recv(ends[1], &got), 0);
	cr_assert_eq(got.fds[0], -EBADF, "what was not received can be released");
	cr_assert_eq(lxe_msg_send(ends[1], &sent), -EPIPE);
	close(ends[1]);
	cr_assert_eq(open_fds(), before);
}

static const int numbers[] = { 901, 902, 903, 904 };

static void expect_bad(const unsigned char *buf, size_t len, size_t n_fds, const char *what)
{
	static struct lxe_msg msg;
	unsigned char *exact = malloc(len ? len : 1);

	memcpy(exact, buf, len);
	cr_assert_eq(lxe_msg_decode(&msg, exact, len, numbers, n_fds), -EBADMSG, "%s", what);
	for (size_t i = 0; i < LXE_FD_ROLES; i++)
		cr_assert_eq(msg.fds[i], -EBADF, "%s: they are still the caller's", what);
	free(exact);
}

/* One valid record of each type, with two descriptors. */
static size_t valid_record(unsigned char buf[LXE_MSG_MAX], enum lxe_msg_type type)
{
	static struct lxe_msg msg, got;
	uint64_t state = 4;
	ssize_t len;

	random_msg(&msg, type, &state);
	msg.fds[LXE_FD_STDIN] = numbers[0];
	msg.fds[LXE_FD_RING] = numbers[1];
	len = lxe_msg_encode(&msg, buf, LXE_MSG_MAX);
	cr_assert_gt(len, 0);
	cr_assert_eq(lxe_msg_decode(&got, buf, (size_t)len, numbers, 2), 0);
	cr_assert_eq(got.fds[LXE_FD_STDIN], numbers[0]);
	cr_assert_eq(got.fds[LXE_FD_RING], numbers[1]);
	return (size_t)len;
}

Test(msg, no_part_of_a_record_is_a_record)
{
	unsigned char buf[LXE_MSG_MAX];

	for (enum lxe_msg_type type = LXE_MSG_CREATE; type <= LXE_MSG_LAST; type++) {
		size_t len = valid_record(buf, type);

		for (size_t cut = 0; cut < len; cut++)
			expect_bad(buf, cut, 2, "a cut record");
	}
}

Test(msg, descriptors_must_be_as_many_as_roles)
{
	unsigned char buf[LXE_MSG_MAX];
	size_t len = valid_record(buf, LXE_MSG_CREATE);

	for (size_t n = 0; n <= 4; n++)
		if (n != 2)
			expect_bad(buf, len, n, "surplus or missing descriptors");
}

/* Copy a record: the field `skip` is left out, the field `twice` appears twice (0: none). */
static void copy_fields(
	struct lxe_writer *w, const unsigned char *buf, size_t len, uint8_t skip, uint8_t twice)
{
	struct lxe_reader reader = { .p = buf, .left = len };
	struct lxe_field f;

	while (lxe_next_field(&reader, &f) > 0) {
		if (f.tag != skip)
			lxe_put_bytes(w, f.tag, f.bytes, f.len);
		if (f.tag == twice)
			lxe_put_bytes(w, f.tag, f.bytes, f.len);
	}
}

Test(msg, each_field_is_there_once)
{
	unsigned char buf[LXE_MSG_MAX];

	for (enum lxe_msg_type type = LXE_MSG_CREATE; type <= LXE_MSG_LAST; type++) {
		size_t len = valid_record(buf, type);
		struct lxe_reader reader = { .p = buf, .left = len };
		struct lxe_field f;

		while (lxe_next_field(&reader, &f) > 0) {
			struct lxe_writer without = { 0 }, twice = { 0 };

			copy_fields(&without, buf, len, f.tag, 0);
			expect_bad(without.buf, without.len, 2, "a missing field");
			lxe_writer_release(&without);
			copy_fields(&twice, buf, len, 0, f.tag);
			expect_bad(twice.buf, twice.len, 2, "a field twice");
			lxe_writer_release(&twice);
		}
	}
}

/* A field of another type, and tags that nobody knows. */
Test(msg, a_foreign_field_is_refused)
{
	unsigned char buf[LXE_MSG_MAX], other[LXE_MSG_MAX];
	size_t len = valid_record(buf, LXE_MSG_EXITED), other_len;
	struct lxe_writer w;
	struct lxe_field f;

	for (enum lxe_msg_type type = LXE_MSG_CREATE; type <= LXE_MSG_LAST; type++) {
		struct lxe_reader reader = { .p = other };

		other_len = valid_record(other, type);
		reader.left = other_len;
		while (lxe_next_field(&reader, &f) > 0) {
			if (f.tag <= TAG_ROLES)
				continue;
			w = (struct lxe_writer){ 0 };
			copy_fields(&w, buf, len, 0, 0);
			lxe_put_bytes(&w, f.tag, f.bytes, f.len);
			expect_bad(w.buf, w.len, 2, "a field of another type");
			lxe_writer_release(&w);
		}
	}
	for (unsigned int tag = 0; tag < 256; tag++) {
		w = (struct lxe_writer){ 0 };
		copy_fields(&w, buf, len, 0, 0);
		lxe_put_u64(&w, (uint8_t)tag, 1);
		expect_bad(w.buf, w.len, 2, "an unknown field");
		lxe_writer_release(&w);
	}
}

static void expect_refused_value(uint8_t tag, uint64_t value)
{
	unsigned char buf[LXE_MSG_MAX];
	struct lxe_writer w = { 0 };
	size_t len = valid_record(buf, LXE_MSG_EXITED);

	copy_fields(&w, buf, len, tag, 0);
	lxe_put_u64(&w, tag, value);
	expect_bad(w.buf, w.len, 2, "a bad value");
	lxe_writer_release(&w);
}

Test(msg, other_versions_and_types_are_refused)
{
	expect_refused_value(TAG_VERSION, 0);
	expect_refused_value(TAG_VERSION, 1);
	expect_refused_value(TAG_VERSION, 3);
	expect_refused_value(TAG_VERSION, 1ULL << 32 | 2);
	expect_refused_value(TAG_TYPE, 0);
	expect_refused_value(TAG_TYPE, LXE_MSG_LAST + 1);
	expect_refused_value(TAG_TYPE, 1ULL << 32 | LXE_MSG_EXITED);
	/* Types that need more fields. */
	expect_refused_value(TAG_TYPE, LXE_MSG_STARTED);
	expect_refused_value(TAG_TYPE, LXE_MSG_DONE);
}

static void expect_refused_roles(const unsigned char *roles, size_t n)
{
	unsigned char buf[LXE_MSG_MAX];
	struct lxe_writer w = { 0 };
	size_t len = valid_record(buf, LXE_MSG_EXITED);

	copy_fields(&w, buf, len, TAG_ROLES, 0);
	lxe_put_bytes(&w, TAG_ROLES, roles, n);
	expect_bad(w.buf, w.len, 2, "bad roles");
	lxe_writer_release(&w);
}

Test(msg, a_role_is_known_and_named_once)
{
	expect_refused_roles((const unsigned char[]){ 3, 3 }, 2);
	expect_refused_roles((const unsigned char[]){ 3, LXE_FD_ROLES }, 2);
	expect_refused_roles((const unsigned char[]){ 255, 0 }, 2);
	expect_refused_roles((const unsigned char[]){ 3 }, 1);
	expect_refused_roles((const unsigned char[]){ 1, 2, 3 }, 3);
	expect_refused_roles((const unsigned char[]){ 0 }, 0);
}

/* Whatever is wrong with a record, its descriptors are closed. */
Test(msg, a_refused_record_leaks_no_descriptor)
{
	static struct lxe_msg got;
	unsigned char buf[LXE_MSG_MAX];
	int ends[2], sent[4], before;
	size_t len = valid_record(buf, LXE_MSG_CREATE);

	cr_assert_eq(sys_socketpair(ends), 0);
	for (size_t i = 0; i < 4; i++)
		sent[i] = sys_memfd("lxe-test", 0);
	before = open_fds();
	for (size_t n = 0; n <= 4; n++) {
		cr_assert_eq(sys_send(ends[0], buf, len - (n == 2), sent, n), 0);
		cr_assert_eq(lxe_msg_recv(ends[1], &got), -EBADMSG, "%zu descriptors", n);
		lxe_msg_release(&got);
		cr_assert_eq(open_fds(), before, "%zu descriptors", n);
	}
	cr_assert_eq(sys_send(ends[0], buf, len, sent, 2), 0);
	cr_assert_eq(lxe_msg_recv(ends[1], &got), 1);
	lxe_msg_release(&got);
	cr_assert_eq(open_fds(), before);
	for (size_t i = 0; i < 4; i++)
		close(sent[i]);
	close(ends[0]);
	close(ends[1]);
}

Test(msg, what_does_not_fit_is_not_encoded)
{
	static struct lxe_msg msg;
	unsigned char buf[LXE_MSG_MAX];
	ssize_t len;

	lxe_msg_init(&msg, LXE_MSG_EXITED);
	len = lxe_msg_encode(&msg, buf, sizeof(buf));
	cr_assert_eq(lxe_msg_encode(&msg, buf, (size_t)len), len);
	cr_assert_eq(lxe_msg_encode(&msg, buf, (size_t)len - 1), -EMSGSIZE);
	lxe_msg_init(&msg, LXE_MSG_CREATE);
	memset(msg.dirs.state, 'x', sizeof(msg.dirs.state) - 1);
	memset(msg.dirs.data, 'x', sizeof(msg.dirs.data) - 1);
	cr_assert_eq(lxe_msg_encode(&msg, buf, sizeof(buf)), -EMSGSIZE);
}
