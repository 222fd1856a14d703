/*
 * The limits of a sandbox that are more than one number: their values, the strict parsers of their
 * texts, and how they travel inside a spec. Pure; a struct lxe_limits owns what it points to.
 */
#ifndef LXE_POLICY_LIMITS_H
#define LXE_POLICY_LIMITS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include "base/err.h"
#include "base/str.h"

#define LXE_CPUS_UNIT 100 /* limits of processor time are kept in hundredths of a CPU */
#define LXE_CPU_MAX 8192  /* CPUs that a kernel can have */
#define LXE_CPUSET_TEXT 4096
#define LXE_GRACE_MS 2000 /* between SIGTERM and the end by force */

struct lxe_limits {
	uint64_t cpus;		 /* hundredths, 0: no limit */
	char *cpuset;		 /* as lxe_cpuset_normalize() writes it; NULL: all */
	struct lxe_strv io;	 /* each is one for lxe_io_parse() */
	struct lxe_strv ulimits; /* each is one for lxe_ulimit_parse(); the last of a name wins */
	uint64_t cpu_time_ms;	 /* of all processes together, 0: no limit */
	uint64_t disk;		 /* bytes of the writable layer, 0: no limit */
	uint64_t grace_ms;	 /* between SIGTERM and the end by force, when the time is up */
};

void lxe_limits_init(struct lxe_limits *limits);
void lxe_limits_release(struct lxe_limits *limits);

/* "1.5", ".5" or "2" in hundredths: -EINVAL for no such number, -ERANGE for 0 or too many. */
int lxe_cpus_parse(const char *text, uint64_t *ret);

/* "0-2,5" in ascending order and as short as it can be. -EINVAL, or -ERANGE for no such CPU. */
int lxe_cpuset_normalize(const char *text, char *buf, size_t size);

enum lxe_io_key { LXE_IO_RBPS, LXE_IO_WBPS, LXE_IO_RIOPS, LXE_IO_WIOPS };

#define LXE_IO_KEYS 4

struct lxe_io_limit {
	const char *device; /* in the text, and not terminated; NULL: the sandbox's own */
	size_t device_len;
	enum lxe_io_key key;
	uint64_t value; /* bytes or operations a second */
};

/* One limit, "[DEVICE:]KEY=VALUE". */
int lxe_io_parse(const char *text, struct lxe_io_limit *ret, struct lxe_err *err);

struct lxe_ulimit {
	const char *name; /* ours */
	int resource;	  /* RLIMIT_* */
	struct rlimit limit;
};

/* "NAME=SOFT[:HARD]"; without HARD it is the same as SOFT. */
int lxe_ulimit_parse(const char *text, struct lxe_ulimit *ret, struct lxe_err *err);

struct lxe_field;
struct lxe_writer;

/* One field of a spec, which is absent when no limit is set. */
void lxe_limits_encode(struct lxe_writer *w, uint8_t tag, const struct lxe_limits *limits);
int lxe_limits_decode(struct lxe_limits *ret, const struct lxe_field *field);

#endif
