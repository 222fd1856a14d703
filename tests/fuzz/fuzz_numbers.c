/*
 * The parsers of numbers and of the limits that are made of them; the first byte chooses one. What is
 * accepted is within its bounds, what is refused leaves the result alone, and a list of CPUs in its
 * shortest form is the same again.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "policy/limits.h"
#include "text.h"

#define UNTOUCHED UINT64_C(0x7e57ab1e7e57ab1e)
#define YEAR_MS (UINT64_C(365) * 24 * 60 * 60 * 1000)

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static void expect_number(int r, uint64_t value, uint64_t min, uint64_t max)
{
	expect(r == 0 ? value >= min && value <= max : value == UNTOUCHED);
}

static void try_cpuset(const char *text)
{
	char once[LXE_CPUSET_TEXT], twice[LXE_CPUSET_TEXT];

	if (lxe_cpuset_normalize(text, once, sizeof(once)) < 0)
		return;
	expect(once[0] && lxe_cpuset_normalize(once, twice, sizeof(twice)) == 0);
	expect(strcmp(once, twice) == 0);
}

static void try_io(const char *text)
{
	struct lxe_io_limit io;
	struct lxe_err err = { 0 };

	if (lxe_io_parse(text, &io, &err) < 0) {
		expect(err.msg[0]);
		return;
	}
	expect(io.value > 0 && io.key < LXE_IO_KEYS);
	expect(!io.device || (io.device[0] == '/' && io.device_len < strlen(text)));
}

static void try_ulimit(const char *text)
{
	struct lxe_ulimit ulimit;
	struct lxe_err err = { 0 };

	if (lxe_ulimit_parse(text, &ulimit, &err) < 0) {
		expect(err.msg[0]);
		return;
	}
	expect(ulimit.limit.rlim_cur <= ulimit.limit.rlim_max);
	expect(ulimit.resource >= 0 && ulimit.resource < RLIM_NLIMITS);
}

static void try_number(int which, const char *text)
{
	uint64_t value = UNTOUCHED;
	int small = -7, r;

	switch (which) {
	case 0:
		r = lxe_parse_size(text, &value);
		expect_number(r, value, 0, INT64_MAX);
		break;
	case 1:
		r = lxe_cpus_parse(text, &value);
		expect_number(r, value, 1, (uint64_t)(LXE_CPU_MAX + 1) * LXE_CPUS_UNIT);
		break;
	case 5:
		r = lxe_parse_duration(text, &value);
		expect_number(r, value, 0, YEAR_MS);
		break;
	default:
		r = lxe_parse_u64(text, 5, UINT64_MAX - 1, &value);
		expect_number(r, value, 5, UINT64_MAX - 1);
		r = lxe_parse_int(text, 1, 1000, &small);
		expect(r == 0 ? small >= 1 && small <= 1000 : small == -7);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = text_of(data, size);

	if (!text)
		return 0;
	switch (data[0] % 8) {
	case 2:
		try_cpuset(text);
		break;
	case 3:
		try_io(text);
		break;
	case 4:
		try_ulimit(text);
		break;
	default:
		try_number(data[0] % 8, text);
		break;
	}
	free(text);
	return 0;
}
