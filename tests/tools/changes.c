/*
 * The engine of src/changes on two directories, for tests that make overlays:
 *
 *	changes LOWER UPPER RECORD SINCE FROM,TO,COUNT[,userxattr] VERB [PATH...]
 *
 * begin prints SINCE; text, json and patch list; check prints conflicts; apply commits; recover tidies up. With
 * LXE_NO_EXCHANGE renames without flags are all that there is.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "changes/layer.h"
#include "sys/stamp.h"

static int fail(const struct lxe_err *err)
{
	fprintf(stderr, "%s\n%s\n", err->msg, err->hint);
	return err->code == -ESTALE ? 3 : 1;
}

static int parse(const char *text, char end, uint64_t *ret, const char **rest)
{
	char number[32] = "";
	size_t n = strcspn(text, ",.");

	if (n >= sizeof(number))
		return -1;
	memcpy(number, text, n);
	*rest = text + n + (text[n] == end);
	return lxe_parse_u64(number, 0, UINT64_MAX, ret);
}

static int read_layer(struct lxe_cow_layer *layer, char **argv)
{
	uint64_t sec, nsec, from, to, count;
	const char *rest;

	layer->where = argv[1];
	layer->lower = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	layer->upper = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	layer->record = open(argv[3], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (layer->lower < 0 || layer->upper < 0 || layer->record < 0)
		return -1;
	if (parse(argv[4], '.', &sec, &rest) < 0 || parse(rest, '.', &nsec, &rest) < 0)
		return -1;
	layer->since = (struct timespec){ (time_t)sec, (long)nsec };
	if (parse(argv[5], ',', &from, &rest) < 0 || parse(rest, ',', &to, &rest) < 0 ||
		parse(rest, ',', &count, &rest) < 0)
		return -1;
	layer->ids = (struct lxe_cow_ids){ (uint32_t)from, (uint32_t)to, (uint32_t)count };
	layer->userxattr = strcmp(rest, "userxattr") == 0;
	return 0;
}

/* Who is nobody inside: the last of the range stands in for an owner that nobody there has. */
static uint32_t owner_above(const struct lxe_cow_ids *ids, uint32_t lower)
{
	uint32_t id = lxe_ids_up(ids, lower);

	return id == (uint32_t)-1 && ids->count ? ids->from + ids->count - 1 : id;
}

static int copy_attributes(const struct lxe_cow_layer *layer, int lower, int upper)
{
	const struct lxe_cow_ids up = { layer->ids.to, layer->ids.from, layer->ids.count };
	struct lxe_xattrs x = { 0 };
	struct stat st;
	int r;

	if (fstat(lower, &st) < 0)
		return -errno;
	if (fchown(upper, owner_above(&layer->ids, st.st_uid),
		    owner_above(&layer->ids, st.st_gid)) < 0 ||
		fchmod(upper, st.st_mode & 07777) < 0)
		return -errno;
	r = lxe_xattrs_read(&x, lower, &up);
	if (r == 0)
		r = lxe_xattrs_write(upper, &x);
	lxe_xattrs_release(&x);
	if (r == 0 && futimens(upper, (struct timespec[]){ st.st_atim, st.st_mtim }) < 0)
		r = -errno;
	return r;
}

/* As the product does it before the overlay is mounted: rootfs/cow.c. */
static int begin(struct lxe_cow_layer *layer)
{
	int r = sys_stamp(layer->upper, &layer->since);

	if (r == 0)
		r = copy_attributes(layer, layer->lower, layer->upper);
	if (r < 0) {
		fprintf(stderr, "begin: %s\n", strerror(-r));
		return 1;
	}
	printf("%lld.%ld\n", (long long)layer->since.tv_sec, layer->since.tv_nsec);
	return 0;
}

static void no_exchange(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);

	if (!ctx ||
		seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(renameat2), 1,
			(struct scmp_arg_cmp){ .arg = 4, .op = SCMP_CMP_NE }) < 0 ||
		seccomp_load(ctx) < 0)
		abort();
	seccomp_release(ctx);
}

static int print_conflicts(struct lxe_changes *c, struct lxe_err *err)
{
	size_t n = 0;

	if (lxe_changes_check(c, &n, err) < 0)
		return fail(err);
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i].conflict)
			printf("%d %s%c%s%c", c->v[i].conflict, c->v[i].path, 0,
				c->v[i].culprit ? c->v[i].culprit : "", 0);
	return n ? 3 : 0;
}

/* In ms of processor time, what the listing alone takes: of a loaded machine no other can be told. */
static void print_time(const struct timespec *begun)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	fprintf(stderr, "%.3f\n",
		(double)(now.tv_sec - begun->tv_sec) * 1e3 +
			(double)(now.tv_nsec - begun->tv_nsec) / 1e6);
}

static int run(struct lxe_changes *c, const char *verb, struct lxe_err *err)
{
	if (strcmp(verb, "check") == 0)
		return print_conflicts(c, err);
	if (strcmp(verb, "apply") == 0)
		return lxe_changes_apply(&c, 1, err) < 0 ? fail(err) : 0;
	return lxe_changes_write(c,
		       strcmp(verb, "json") == 0    ? LXE_CHANGES_JSON
		       : strcmp(verb, "patch") == 0 ? LXE_CHANGES_PATCH
						    : LXE_CHANGES_TEXT,
		       stdout, err) < 0
		       ? fail(err)
		       : 0;
}

int main(int argc, char **argv)
{
	struct lxe_cow_layer layer = { 0 };
	struct lxe_changes c = { 0 };
	struct lxe_err err = { 0 };
	struct timespec begun;
	int status;

	if (argc < 7 || read_layer(&layer, argv) < 0) {
		fprintf(stderr, "usage: changes LOWER UPPER RECORD SINCE IDS VERB [PATH...]\n");
		return 2;
	}
	if (getenv("LXE_NO_EXCHANGE"))
		no_exchange();
	if (strcmp(argv[6], "begin") == 0)
		return begin(&layer);
	if (strcmp(argv[6], "recover") == 0)
		return lxe_changes_recover(&layer, &err) < 0 ? fail(&err) : 0;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begun);
	if (lxe_changes_scan(&c, &layer, &err) < 0)
		return fail(&err);
	if (argc > 7 &&
		lxe_changes_select(&c, (const char *const *)argv + 7, (size_t)argc - 7, &err) < 0)
		return fail(&err);
	status = run(&c, argv[6], &err);
	if (getenv("LXE_TIMED"))
		print_time(&begun);
	lxe_changes_release(&c);
	return status;
}
