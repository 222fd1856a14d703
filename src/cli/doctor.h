/*
 * What lxc-exec doctor looks at. A check only looks: it makes nothing, mounts nothing that stays,
 * and without root it says that it could not look instead of what it would have found. Each file
 * doctor_*.c adds the checks of one kind; the pure parts are at the end.
 */
#ifndef LXE_CLI_DOCTOR_H
#define LXE_CLI_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/subid.h"
#include "store/dirs.h"

enum lxe_health {
	LXE_HEALTH_OK,
	LXE_HEALTH_WARN,    /* it works, but not as well as it could */
	LXE_HEALTH_FAIL,    /* no sandbox, or no image, can be made */
	LXE_HEALTH_UNKNOWN, /* needs root to look */
};

#define LXE_CHECKS_MAX 40

struct lxe_check {
	const char *name; /* static */
	enum lxe_health health;
	char detail[512];
	char remedy[256]; /* a command, or a line for a file; empty: none */
};

struct lxe_doctor {
	const struct lxe_dirs *dirs;
	bool root;
	struct lxe_check check[LXE_CHECKS_MAX];
	size_t n;
};

struct lxe_cli;

/* doctor --fix: do for the users that are named what takes root, and say what was done. */
int lxe_doctor_fix(struct lxe_cli *cli);

/* Add a check with its finding. Never NULL: when there are too many, the last one is overwritten. */
struct lxe_check *lxe_doctor_add(struct lxe_doctor *d, const char *name, enum lxe_health health,
	const char *detail, ...) __attribute__((format(printf, 4, 5)));

void lxe_check_remedy(struct lxe_check *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

void lxe_doctor_kernel(struct lxe_doctor *d);
void lxe_doctor_mounts(struct lxe_doctor *d); /* overlayfs, and idmapped mounts where it matters */
void lxe_doctor_cgroups(struct lxe_doctor *d);
void lxe_doctor_ids(struct lxe_doctor *d);
void lxe_doctor_users(struct lxe_doctor *d);	/* what an ordinary user would need */
void lxe_doctor_rootless(struct lxe_doctor *d); /* what the ordinary user who asks has of it */
void lxe_doctor_installation(struct lxe_doctor *d);
void lxe_doctor_network(struct lxe_doctor *d);
void lxe_doctor_directories(struct lxe_doctor *d);

/* Does the release ("6.1.0-18-amd64") say at least major.minor? */
bool lxe_release_at_least(const char *release, int major, int minor);

/* The first line of somebody else than root that has ids in start..start+count-1, or NULL. */
const struct lxe_subid *lxe_subid_overlap(
	const struct lxe_subid *lines, size_t n, uint64_t start, uint64_t count);

/*
 * The lowest start, a multiple of 65536 and at least `from`, of `count` ids that nobody but root has:
 * -ERANGE when there is none below 2^32 - 1.
 */
int lxe_subid_free(
	const struct lxe_subid *lines, size_t n, uint64_t from, uint64_t count, uint64_t *ret);

#endif
