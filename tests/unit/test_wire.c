#include "proto/wire.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

#define FIELDS_MAX 12
#define HEADER 5

struct record {
	struct lxe_writer w;
	size_t n, start[FIELDS_MAX + 1]; /* where each field begins, and the end */
	uint8_t tag[FIELDS_MAX];
	unsigned char body[FIELDS_MAX][600];
	size_t len[FIELDS_MAX];
};

static void make_record(struct record *rec, uint64_t *state)
{
	memset(rec, 0, sizeof(*rec));
	rec->n = rnd_below(state, FIELDS_MAX + 1);
	for (size_t i = 0; i < rec->n; i++) {
		rec->tag[i] = (uint8_t)rnd(state);
		rec->len[i] = rnd_below(state, rnd_below(state, 4) ? 20 : 600);
		for (size_t k = 0; k < rec->len[i]; k++)
			rec->body[i][k] = (unsigned char)rnd(state);
		rec->start[i] = rec->w.len;
		lxe_put_bytes(&rec->w, rec->tag[i], rec->body[i], rec->len[i]);
	}
	rec->start[rec->n] = rec->w.len;
	cr_assert_eq(rec->w.error, 0);
}

/* Reads the first `len` bytes of the record: as many fields as lie whole in them, then the end. */
static void expect_prefix(const struct record *rec, size_t len, uint64_t seed)
{
	/* Of its own size, so that a sanitizer sees a read beyond the end. */
	unsigned char *bytes = malloc(len ? len : 1);
	struct lxe_reader reader = { .p = bytes, .left = len };
	struct lxe_field f;
	size_t i = 0;
	int r;

	if (len)
		memcpy(bytes, rec->w.buf, len);
	for (; (r = lxe_next_field(&reader, &f)) > 0; i++) {
		cr_assert_lt(i, rec->n);
		cr_assert_eq(f.tag, rec->tag[i], "seed %" PRIu64, seed);
		cr_assert_eq(f.len, rec->len[i], "seed %" PRIu64, seed);
		cr_assert_eq(memcmp(f.bytes, rec->body[i], f.len), 0, "seed %" PRIu64, seed);
	}
	cr_assert_leq(rec->start[i], len);
	if (len == rec->start[i])
		cr_assert_eq(r, 0, "seed %" PRIu64 " length %zu", seed, len);
	else
		cr_assert_eq(r, -EBADMSG, "seed %" PRIu64 " length %zu", seed, len);
	if (i < rec->n)
		cr_assert_lt(len, rec->start[i + 1]);
	free(bytes);
}

Test(wire, random_records_come_back_and_every_truncation_is_seen)
{
	uint64_t list[SEEDS];
	size_t n = seeds(list);
	static struct record rec;

	for (size_t s = 0; s < n; s++) {
		uint64_t state = list[s];

		for (int i = 0; i < 100; i++) {
			make_record(&rec, &state);
			for (size_t len = 0; len <= rec.w.len; len++)
				expect_prefix(&rec, len, list[s]);
			lxe_writer_release(&rec.w);
		}
	}
}

Test(wire, the_bytes_are_those_that_the_header_promises)
{
	static const unsigned char want[] = { 7, 2, 0, 0, 0, 'a', 'b', 255, 8, 0, 0, 0, 8, 7, 6, 5,
		4, 3, 2, 1, 9, 0, 0, 0, 0 };
	struct lxe_writer w = { 0 };

	lxe_put_text(&w, 7, "ab");
	lxe_put_u64(&w, 255, 0x0102030405060708);
	lxe_put_text(&w, 8, NULL);
	lxe_put_text(&w, 9, "");
	cr_assert_eq(w.len, sizeof(want));
	cr_assert_eq(memcmp(w.buf, want, sizeof(want)), 0);
	lxe_writer_release(&w);
	cr_assert_null(w.buf);
}

Test(wire, a_length_beyond_the_record_is_refused_before_the_body_is_read)
{
	static const unsigned char lengths[][4] = { { 2, 0, 0, 0 }, { 255, 255, 255, 255 },
		{ 0, 1, 0, 0 }, { 0, 0, 0, 128 }, { 251, 255, 255, 255 } };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		unsigned char bytes[HEADER + 1] = { 1 };
		struct lxe_reader reader = { .p = bytes, .left = sizeof(bytes) };
		struct lxe_field f;

		memcpy(bytes + 1, lengths[i], 4);
		cr_assert_eq(lxe_next_field(&reader, &f), -EBADMSG);
		cr_assert_eq(reader.left, sizeof(bytes));
	}
}

Test(wire, numbers_are_eight_bytes)
{
	static const unsigned char bytes[9] = { 1, 2, 3, 4, 5, 6, 7, 0x88, 9 };

	for (size_t len = 0; len <= 9; len++) {
		struct lxe_field f = { .bytes = bytes, .len = len };
		uint64_t value = 77;

		cr_assert_eq(lxe_field_u64(&f, &value), len == 8 ? 0 : -EBADMSG);
		cr_assert_eq(value, len == 8 ? 0x8807060504030201 : 77);
	}
}

Test(wire, text_has_no_nul_inside)
{
	struct lxe_field good = { .bytes = (const unsigned char *)"abc", .len = 3 };
	struct lxe_field nul = { .bytes = (const unsigned char *)"a\0c", .len = 3 };
	struct lxe_field empty = { .bytes = (const unsigned char *)"", .len = 0 };
	char *text = NULL, buf[4] = "old";

	cr_assert_eq(lxe_field_text(&good, &text), 0);
	cr_assert_str_eq(text, "abc");
	cr_assert_eq(lxe_field_text(&nul, &text), -EBADMSG);
	cr_assert_str_eq(text, "abc", "what was there stays");
	cr_assert_eq(lxe_field_text(&empty, &text), 0);
	cr_assert_str_eq(text, "");
	free(text);

	cr_assert_eq(lxe_field_copy(&nul, buf, sizeof(buf)), -EBADMSG);
	cr_assert_eq(lxe_field_copy(&good, buf, 3), -EBADMSG, "no room for its end");
	cr_assert_str_eq(buf, "old");
	cr_assert_eq(lxe_field_copy(&good, buf, 4), 0);
	cr_assert_str_eq(buf, "abc");
	cr_assert_eq(lxe_field_copy(&empty, buf, 1), 0);
	cr_assert_str_eq(buf, "");
	cr_assert_eq(lxe_field_copy(&empty, buf, 0), -EBADMSG);
}
