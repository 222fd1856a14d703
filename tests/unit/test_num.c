#include "base/num.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "random.h"

#define DAY_MS (24ULL * 60 * 60 * 1000)

static const char *const no_numbers[] = { "", " ", "x", "-", "+", "-1", "+1", " 1", "1 ", "\t1",
	"1\n", "00", "01", "007", "0x10", "1e3", "1.0", "1,000", "1_000", "12abc", "a1", "\xd9\xa1",
	"--", "-0", "0 ", "1-" };

Test(num, what_is_no_number_is_refused_by_every_parser_of_numbers)
{
	uint64_t u64 = 77;
	int n = 77;

	for (size_t i = 0; i < sizeof(no_numbers) / sizeof(no_numbers[0]); i++) {
		const char *t = no_numbers[i];

		cr_assert_eq(lxe_parse_u64(t, 0, UINT64_MAX, &u64), -EINVAL, "'%s'", t);
		cr_assert_eq(lxe_parse_int(t, 0, INT_MAX, &n), -EINVAL, "'%s'", t);
		cr_assert_eq(lxe_parse_size(t, &u64), -EINVAL, "'%s'", t);
		cr_assert_eq(lxe_parse_duration(t, &u64), -EINVAL, "'%s'", t);
	}
	cr_assert_eq(u64, 77, "the result is left alone");
	cr_assert_eq(n, 77, "the result is left alone");
}

static void expect_u64(const char *text, uint64_t min, uint64_t max, int result, uint64_t value)
{
	uint64_t got = 12345;

	cr_assert_eq(lxe_parse_u64(text, min, max, &got), result, "'%s'", text);
	cr_assert_eq(got, result == 0 ? value : 12345, "'%s' gives %" PRIu64, text, got);
}

Test(num, bounds_are_inclusive)
{
	expect_u64("0", 0, 0, 0, 0);
	expect_u64("1", 0, 0, -ERANGE, 0);
	expect_u64("5", 5, 9, 0, 5);
	expect_u64("9", 5, 9, 0, 9);
	expect_u64("4", 5, 9, -ERANGE, 0);
	expect_u64("10", 5, 9, -ERANGE, 0);
}

Test(num, overflow_is_out_of_range)
{
	expect_u64("18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX);
	expect_u64("18446744073709551616", 0, UINT64_MAX, -ERANGE, 0);
	expect_u64("18446744073709551620", 0, UINT64_MAX, -ERANGE, 0);
	expect_u64("99999999999999999999999999999999999999", 0, UINT64_MAX, -ERANGE, 0);
}

Test(num, ints_end_at_their_maximum)
{
	int n = -1;

	cr_assert_eq(lxe_parse_int("2147483647", 0, INT_MAX, &n), 0);
	cr_assert_eq(n, INT_MAX);
	cr_assert_eq(lxe_parse_int("2147483648", 0, INT_MAX, &n), -ERANGE);
	cr_assert_eq(lxe_parse_int("4294967296", 0, INT_MAX, &n), -ERANGE);
	cr_assert_eq(lxe_parse_int("0", 1, 9, &n), -ERANGE);
	cr_assert_eq(n, INT_MAX);
}

Test(num, random_numbers_come_back)
{
	uint64_t list[SEEDS];
	size_t n = seeds(list);

	for (size_t s = 0; s < n; s++) {
		uint64_t state = list[s];

		for (int i = 0; i < 20000; i++) {
			uint64_t value = rnd(&state) >> rnd_below(&state, 64), got = 0;
			uint64_t min = rnd(&state) >> rnd_below(&state, 64);
			char text[32];
			int r;

			snprintf(text, sizeof(text), "%" PRIu64, value);
			cr_assert_eq(lxe_parse_u64(text, 0, UINT64_MAX, &got), 0);
			cr_assert_eq(got, value, "seed %" PRIu64, list[s]);
			r = lxe_parse_u64(text, min, UINT64_MAX, &got);
			cr_assert_eq(r, value < min ? -ERANGE : 0, "seed %" PRIu64, list[s]);
		}
	}
}

/* What may follow a digit is found by trying every byte. */
Test(num, one_wrong_byte_anywhere_is_refused)
{
	for (int c = 1; c < 256; c++) {
		char behind[] = { '1', (char)c, '\0' }, before[] = { (char)c, '1', '\0' };
		bool digit = c >= '0' && c <= '9';
		uint64_t got;

		cr_assert_eq(lxe_parse_u64(behind, 0, 99, &got), digit ? 0 : -EINVAL, "%d", c);
		cr_assert_eq(lxe_parse_u64(before, 0, 99, &got), digit && c != '0' ? 0 : -EINVAL,
			"%d", c);
	}
}

static const struct unit_model {
	const char *name;
	unsigned int shift;
} sizes[] = {
	{ "", 0 },
	{ "B", 0 },
	{ "K", 10 },
	{ "k", 10 },
	{ "KB", 10 },
	{ "KiB", 10 },
	{ "M", 20 },
	{ "m", 20 },
	{ "MB", 20 },
	{ "MiB", 20 },
	{ "G", 30 },
	{ "g", 30 },
	{ "GB", 30 },
	{ "GiB", 30 },
	{ "T", 40 },
	{ "TB", 40 },
	{ "TiB", 40 },
};

Test(num, sizes_have_units)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t got = 1, most = (uint64_t)INT64_MAX >> sizes[i].shift;
		char text[64];

		snprintf(text, sizeof(text), "0%s", sizes[i].name);
		cr_assert_eq(lxe_parse_size(text, &got), 0, "'%s'", text);
		cr_assert_eq(got, 0);
		snprintf(text, sizeof(text), "%" PRIu64 "%s", most, sizes[i].name);
		cr_assert_eq(lxe_parse_size(text, &got), 0, "'%s'", text);
		cr_assert_eq(got, most << sizes[i].shift, "'%s'", text);
		snprintf(text, sizeof(text), "%" PRIu64 "%s", most + 1, sizes[i].name);
		cr_assert_eq(lxe_parse_size(text, &got), -ERANGE, "'%s'", text);
		/* A product that wraps round to a small number is no small number. */
		snprintf(text, sizeof(text), "18446744073709551615%s", sizes[i].name);
		cr_assert_eq(lxe_parse_size(text, &got), -ERANGE, "'%s'", text);
	}
}

Test(num, other_units_of_size_are_refused)
{
	static const char *const bad[] = { "1b", "1kb", "1KIB", "1Ki", "1P", "1 K", "1K ", "K",
		"1KK", "1.5G", "1MiBB", "1s", "-1K" };
	uint64_t got = 7;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(lxe_parse_size(bad[i], &got), -EINVAL, "'%s'", bad[i]);
	cr_assert_eq(got, 7);
}

static void expect_duration(const char *text, int result, uint64_t ms)
{
	uint64_t got = 7;

	cr_assert_eq(lxe_parse_duration(text, &got), result, "'%s'", text);
	cr_assert_eq(got, result == 0 ? ms : 7, "'%s' gives %" PRIu64, text, got);
}

Test(num, durations_have_units_and_end_after_a_year)
{
	expect_duration("0", 0, 0);
	expect_duration("5", 0, 5000);
	expect_duration("5s", 0, 5000);
	expect_duration("5ms", 0, 5);
	expect_duration("5m", 0, 300000);
	expect_duration("5h", 0, 18000000);
	expect_duration("8760h", 0, 365 * DAY_MS);
	expect_duration("31536000000ms", 0, 365 * DAY_MS);
	expect_duration("31536000001ms", -ERANGE, 0);
	expect_duration("8761h", -ERANGE, 0);
	/* 2^64 / 3600000, rounded up: the product would wrap to almost nothing. */
	expect_duration("5124095576031h", -ERANGE, 0);
	expect_duration("18446744073709551615", -ERANGE, 0);
	expect_duration("5d", -EINVAL, 0);
	expect_duration("5S", -EINVAL, 0);
	expect_duration("1h30m", -EINVAL, 0);
	expect_duration("5 s", -EINVAL, 0);
	expect_duration("1.5s", -EINVAL, 0);
	expect_duration("s", -EINVAL, 0);
}

Test(num, a_yes_is_one_of_four_words)
{
	static const char *const yes[] = { "yes", "true", "on", "1" };
	static const char *const no[] = { "no", "false", "off", "0" };
	static const char *const bad[] = { "", "Yes", "y", "2", "01", "on ", " on", "yess" };
	int got = 7;

	for (size_t i = 0; i < 8; i++)
		cr_assert_eq(lxe_parse_bool(bad[i], &got), -EINVAL, "'%s'", bad[i]);
	cr_assert_eq(got, 7);
	for (size_t i = 0; i < 4; i++) {
		cr_assert_eq(lxe_parse_bool(yes[i], &got), 0);
		cr_assert_eq(got, 1);
		cr_assert_eq(lxe_parse_bool(no[i], &got), 0);
		cr_assert_eq(got, 0);
	}
}
