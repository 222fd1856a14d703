#include "policy/limits.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/options.h"
#include "policy/request.h"

static void expect_cpus(const char *text, int result, uint64_t value)
{
	uint64_t got = 77;

	cr_expect_eq(lxe_cpus_parse(text, &got), result, "'%s'", text);
	cr_expect_eq(got, result == 0 ? value : 77, "'%s' gives %" PRIu64, text, got);
}

Test(limits, cpus)
{
	static const char *const none[] = { "", ".", "1.", "-1", "+1", "1.234", "1e3", "nan", "NaN",
		"inf", "0x1", "1,5", " 1", "1 ", "01", "1.5.5", "1.-5", "1. 5", "x", "1K" };

	expect_cpus("1", 0, 100);
	expect_cpus("1.5", 0, 150);
	expect_cpus("1.05", 0, 105);
	expect_cpus("0.01", 0, 1);
	expect_cpus(".5", 0, 50);
	expect_cpus("8192", 0, 819200);
	expect_cpus("0", -ERANGE, 0);
	expect_cpus("0.0", -ERANGE, 0);
	expect_cpus(".00", -ERANGE, 0);
	expect_cpus("8193", -ERANGE, 0);
	expect_cpus("18446744073709551617", -ERANGE, 0);
	expect_cpus("184467440737095516161844674407370955161.5", -ERANGE, 0);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		expect_cpus(none[i], -EINVAL, 0);
}

static void expect_cpuset(const char *text, const char *wanted)
{
	char got[LXE_CPUSET_TEXT];
	int r = lxe_cpuset_normalize(text, got, sizeof(got));

	cr_expect_eq(r, wanted ? 0 : r, "'%s'", text);
	cr_expect_eq(r < 0, !wanted, "'%s': %d", text, r);
	if (wanted && r == 0)
		cr_expect_str_eq(got, wanted);
}

Test(limits, cpuset)
{
	static const char *const bad[] = { "", ",", "0,", ",0", "0,,1", "1-0", "-", "-1", "1-", "a",
		"0-", "8192", "0-8192", "0-1-2", "0 1", " 0", "0:1", "0-3/2", "00", "0x1",
		"18446744073709551616", "0-18446744073709551617",
		"999999999999999999999999999999999" };

	expect_cpuset("0", "0");
	expect_cpuset("0-1", "0-1");
	expect_cpuset("0,1", "0-1");
	expect_cpuset("3,1,0", "0-1,3");
	expect_cpuset("5-7,6-9,0", "0,5-9");
	expect_cpuset("2,2,2", "2");
	expect_cpuset("0-8191", "0-8191");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_cpuset(bad[i], NULL);
}

Test(limits, a_cpuset_of_every_other_cpu_is_too_long_and_says_so)
{
	char *text = calloc(1, 8192 * 6), got[LXE_CPUSET_TEXT];
	size_t used = 0;

	for (int i = 0; i < 8192; i += 2)
		used += (size_t)sprintf(text + used, "%s%d", i ? "," : "", i);
	cr_expect_eq(lxe_cpuset_normalize(text, got, sizeof(got)), -ERANGE);
	free(text);
}

static void expect_io(const char *text, const char *device, enum lxe_io_key key, uint64_t value)
{
	struct lxe_io_limit got;
	struct lxe_err err = { 0 };

	cr_assert_eq(lxe_io_parse(text, &got, &err), 0, "'%s': %s", text, err.msg);
	cr_expect_eq(got.key, key, "'%s'", text);
	cr_expect_eq(got.value, value, "'%s'", text);
	cr_expect_eq(got.device_len, strlen(device), "'%s'", text);
	cr_expect(strncmp(text, device, got.device_len) == 0, "'%s'", text);
}

Test(limits, io)
{
	static const char *const bad[] = { "", "=", "wbps", "wbps=", "wbps=0", "wbps=-1", "wbps=1",
		"wbps=65535", "wbps=1X", "wbps=1.5M", "bps=1M", "WBPS=1M", "wiops=0", "wiops=1K",
		"riops=4294967295", "wiops=nan", ":wbps=1M", "sda:wbps=1M", "8:0:wbps=1M",
		"/dev/\x1b[1m:wbps=1M", "wbps=99999999999999999999", "wbps=1M ", "wbps=512T",
		"wbps==1M", "/dev/sda:=1M", "/dev/sda=1M" };
	struct lxe_io_limit got;

	expect_io("wbps=64K", "", LXE_IO_WBPS, 65536);
	expect_io("rbps=1M", "", LXE_IO_RBPS, 1 << 20);
	expect_io("riops=1", "", LXE_IO_RIOPS, 1);
	expect_io("wiops=4294967294", "", LXE_IO_WIOPS, 4294967294);
	expect_io("/dev/disk/by-path/pci-0000:00:1f:rbps=2M", "/dev/disk/by-path/pci-0000:00:1f",
		LXE_IO_RBPS, 2 << 20);
	expect_io("/dev/a=b:riops=5", "/dev/a=b", LXE_IO_RIOPS, 5);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct lxe_err err = { 0 };

		cr_expect_eq(lxe_io_parse(bad[i], &got, &err), -EINVAL, "'%s'", bad[i]);
		cr_expect(err.msg[0] && err.hint[0], "'%s'", bad[i]);
	}
}

static void expect_ulimit(const char *text, int resource, rlim_t soft, rlim_t hard)
{
	struct lxe_ulimit got;
	struct lxe_err err = { 0 };

	cr_assert_eq(lxe_ulimit_parse(text, &got, &err), 0, "'%s': %s", text, err.msg);
	cr_expect_eq(got.resource, resource, "'%s'", text);
	cr_expect_eq(got.limit.rlim_cur, soft, "'%s'", text);
	cr_expect_eq(got.limit.rlim_max, hard, "'%s'", text);
}

Test(limits, ulimit)
{
	static const char *const bad[] = { "", "=", "nofile",
		"nofile=", "nofile=:", "nofile=1:", "nofile=:1", "nofile=-1", "nofile=1:-1",
		"nofile=2:1", "nofile=unlimited:5", "nofile=0", "nofile=1K", "nofile=1.5",
		"nofile=nan", "nofile=1:2:3", "NOFILE=1", "files=1", "cpu=0", "cpu=1s", "stack=0",
		"as=1X", "core=9223372036854775808", "nofile=2147483648", "nice=41", "rtprio=100",
		"nproc=0x10", "nofile = 1", "core=18446744073709551615", "=1", "nofile=Unlimited",
		"nofile=00000000000000000000000000000000000001" };
	struct lxe_ulimit got;

	expect_ulimit("nofile=1024", RLIMIT_NOFILE, 1024, 1024);
	expect_ulimit("nofile=1024:4096", RLIMIT_NOFILE, 1024, 4096);
	expect_ulimit("core=0", RLIMIT_CORE, 0, 0);
	expect_ulimit("stack=8M:unlimited", RLIMIT_STACK, 8 << 20, RLIM_INFINITY);
	expect_ulimit("memlock=unlimited", RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY);
	expect_ulimit("rttime=5:7", RLIMIT_RTTIME, 5, 7);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct lxe_err err = { 0 };

		cr_expect_eq(lxe_ulimit_parse(bad[i], &got, &err), -EINVAL, "'%s'", bad[i]);
		cr_expect(err.msg[0] && err.hint[0], "'%s'", bad[i]);
	}
}

Test(limits, ulimit_knows_every_resource_of_the_kernel)
{
	static const char *const names[] = { "as", "core", "cpu", "data", "fsize", "locks",
		"memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime",
		"sigpending", "stack" };
	bool seen[RLIM_NLIMITS] = { false };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct lxe_ulimit got;
		char text[32];

		snprintf(text, sizeof(text), "%s=1", names[i]);
		cr_assert_eq(lxe_ulimit_parse(text, &got, NULL), 0, "%s", text);
		cr_expect_str_eq(got.name, names[i]);
		seen[got.resource] = true;
	}
	for (size_t i = 0; i < RLIM_NLIMITS; i++)
		cr_expect(seen[i], "resource %zu", i);
}

static int set(struct lxe_request *req, const char *name, const char *value)
{
	return lxe_request_set(req, name, value, NULL);
}

Test(limits, a_device_is_for_what_follows_it)
{
	struct lxe_request req;

	lxe_request_init(&req);
	cr_assert_eq(set(&req, "io", "wbps=1M,/dev/sda:rbps=2M,wiops=5,/dev/b:riops=7"), 0);
	cr_assert_eq(set(&req, "io", "riops=9"), 0);
	cr_assert_eq(req.spec.limits.io.n, 5);
	cr_expect_str_eq(req.spec.limits.io.v[0], "wbps=1M");
	cr_expect_str_eq(req.spec.limits.io.v[1], "/dev/sda:rbps=2M");
	cr_expect_str_eq(req.spec.limits.io.v[2], "/dev/sda:wiops=5");
	cr_expect_str_eq(req.spec.limits.io.v[3], "/dev/b:riops=7");
	cr_expect_str_eq(req.spec.limits.io.v[4], "riops=9");
	cr_expect_lt(set(&req, "io", "wbps=1M,,riops=1"), 0);
	cr_expect_lt(set(&req, "io", "wbps=1M,"), 0);
	cr_assert_eq(set(&req, "io", "none"), 0);
	cr_expect_eq(req.spec.limits.io.n, 0);
	lxe_request_release(&req);
}

Test(limits, none_takes_a_limit_back)
{
	struct lxe_request req;

	lxe_request_init(&req);
	cr_expect_eq(set(&req, "cpus", "1.5"), 0);
	cr_expect_eq(set(&req, "cpuset", "1,0"), 0);
	cr_expect_eq(set(&req, "stop-timeout", "3s"), 0);
	cr_expect_eq(req.spec.limits.cpus, 150);
	cr_expect_str_eq(req.spec.limits.cpuset, "0-1");
	cr_expect_eq(req.spec.limits.grace_ms, 3000);
	cr_expect_eq(req.stop_timeout_ms, 3000);
	cr_expect_eq(set(&req, "cpus", "none"), 0);
	cr_expect_eq(set(&req, "cpuset", "none"), 0);
	cr_expect_eq(set(&req, "stop-timeout", "none"), 0);
	cr_expect_eq(req.spec.limits.cpus, 0);
	cr_expect_null(req.spec.limits.cpuset);
	cr_expect_eq(req.spec.limits.grace_ms, 0);
	lxe_request_release(&req);
}

/* Whatever the option: these are never a limit, and whoever gives one is told of the option. */
Test(limits, no_option_takes_a_number_that_is_none)
{
	static const char *const options[] = { "memory", "pids", "cpus", "cpuset", "io", "disk",
		"cpu-time", "timeout", "ttl", "idle", "stop-timeout", "ulimit" };
	static const char *const values[] = { "0x10", "-1", "-0", "+5", "nan", "NaN", "inf",
		"Infinity", "1e9", " 1", "1 ", "1\n", "1;2", "99999999999999999999999999",
		"18446744073709551616", "-9223372036854775808", "1Q", "1 G", "lots", "\xff", "0001",
		"--", "%d" };

	for (size_t o = 0; o < sizeof(options) / sizeof(options[0]); o++) {
		for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
			struct lxe_request req;
			struct lxe_err err = { 0 };

			lxe_request_init(&req);
			cr_expect_lt(lxe_request_set(&req, options[o], values[v], &err), 0,
				"--%s '%s'", options[o], values[v]);
			cr_expect(strstr(err.msg, options[o]), "--%s '%s': %s", options[o],
				values[v], err.msg);
			lxe_request_release(&req);
		}
	}
}

Test(limits, nothing_is_limited_to_nothing)
{
	static const char *const options[] = { "memory", "pids", "cpus", "disk", "cpu-time",
		"timeout", "ttl", "idle", "stop-timeout" };

	for (size_t o = 0; o < sizeof(options) / sizeof(options[0]); o++) {
		struct lxe_request req;
		struct lxe_err err = { 0 };

		lxe_request_init(&req);
		cr_expect_lt(lxe_request_set(&req, options[o], "0", &err), 0, "%s", options[o]);
		cr_expect(strstr(err.msg, options[o]), "%s: %s", options[o], err.msg);
		lxe_request_release(&req);
	}
}
