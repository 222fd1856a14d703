#include "cgroup/group.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/num.h"
#include "base/str.h"
#include "sys/fd.h"

#define LINES_MAX 16384

struct rate {
	const char *v2, *v1;
	size_t offset;
};

static const struct rate rates[] = {
	{ "rbps", "blkio.throttle.read_bps_device", offsetof(struct lxe_cgroup_io, rbps) },
	{ "wbps", "blkio.throttle.write_bps_device", offsetof(struct lxe_cgroup_io, wbps) },
	{ "riops", "blkio.throttle.read_iops_device", offsetof(struct lxe_cgroup_io, riops) },
	{ "wiops", "blkio.throttle.write_iops_device", offsetof(struct lxe_cgroup_io, wiops) },
};

#define N_RATES (sizeof(rates) / sizeof(rates[0]))

static uint64_t rate_of(const struct lxe_cgroup_io *io, const struct rate *rate)
{
	return *(const uint64_t *)((const char *)io + rate->offset);
}

/* The rest of the line of a device: "MAJOR:MINOR REST". NULL: there is none. */
static char *line_of(char *text, const struct lxe_cgroup_io *io)
{
	char begin[32], *line;

	snprintf(begin, sizeof(begin), "%u:%u ", io->major, io->minor);
	while ((line = strsep(&text, "\n")))
		if (lxe_starts_with(line, begin))
			return line + strlen(begin);
	return NULL;
}

static int does_not_hold(const struct lxe_group_dir *d, const char *file, const char *wanted,
	const char *got, struct lxe_err *err)
{
	return lxe_fail_msg(err, -ERANGE,
		"cgroup limit '%s/%s' does not hold: asked for '%s', it is '%.100s'", d->path, file,
		wanted, got ? got : "");
}

static int write_line(const struct lxe_group_dir *d, const char *file, const char *line,
	char lines[LINES_MAX], struct lxe_err *err)
{
	ssize_t n;
	int r = sys_write_file(d->fd, file, line);

	if (r == -ENODEV)
		lxe_hint(err, "name a whole disk: --io /dev/DISK:wbps=10M");
	else if (r == -EOPNOTSUPP || r == -ENOENT)
		lxe_hint(err, "the kernel needs CONFIG_BLK_DEV_THROTTLING");
	if (r < 0)
		return lxe_fail(err, r, "set '%s/%s' to '%s'", d->path, file, line);
	n = sys_read_file(d->fd, file, lines, LINES_MAX);
	return n < 0 ? lxe_fail(err, (int)n, "read back '%s/%s'", d->path, file) : 0;
}

static int set_v1(
	const struct lxe_group_dir *d, const struct lxe_cgroup_io *io, struct lxe_err *err)
{
	char wanted[64], lines[LINES_MAX];
	int r = 0;

	for (size_t i = 0; r == 0 && i < N_RATES; i++) {
		const char *got, *number;

		if (!rate_of(io, &rates[i]))
			continue;
		snprintf(wanted, sizeof(wanted), "%u:%u %" PRIu64, io->major, io->minor,
			rate_of(io, &rates[i]));
		r = write_line(d, rates[i].v1, wanted, lines, err);
		if (r < 0)
			return r;
		number = strchr(wanted, ' ') + 1;
		got = line_of(lines, io);
		if (!got || strcmp(got, number) != 0)
			r = does_not_hold(d, rates[i].v1, wanted, got, err);
	}
	return r;
}

static int set_v2(
	const struct lxe_group_dir *d, const struct lxe_cgroup_io *io, struct lxe_err *err)
{
	char wanted[160], lines[LINES_MAX], pair[32];
	const char *got;
	size_t used;
	int r;

	used = (size_t)snprintf(wanted, sizeof(wanted), "%u:%u", io->major, io->minor);
	for (size_t i = 0; i < N_RATES; i++)
		if (rate_of(io, &rates[i]))
			used += (size_t)snprintf(wanted + used, sizeof(wanted) - used,
				" %s=%" PRIu64, rates[i].v2, rate_of(io, &rates[i]));
	r = write_line(d, "io.max", wanted, lines, err);
	if (r < 0)
		return r;
	got = line_of(lines, io);
	for (size_t i = 0; i < N_RATES; i++) {
		if (!rate_of(io, &rates[i]))
			continue;
		snprintf(pair, sizeof(pair), "%s=%" PRIu64, rates[i].v2, rate_of(io, &rates[i]));
		if (!got || !lxe_cgroup_has_word(got, " ", pair))
			return does_not_hold(d, "io.max", wanted, got, err);
	}
	return 0;
}

int lxe_cgroup_set_io(
	const struct lxe_group_dir *d, const struct lxe_cgroup_io *io, struct lxe_err *err)
{
	return d->v2 ? set_v2(d, io, err) : set_v1(d, io, err);
}

/* A request that waits for its turn cannot be killed. */
static void unlimit_io(int dir, const char *file, const char *value)
{
	char lines[LINES_MAX], line[128], *rest = lines, *one;

	if (sys_read_file(dir, file, lines, sizeof(lines)) < 0)
		return;
	while ((one = strsep(&rest, "\n"))) {
		const char *device = strsep(&one, " ");

		if (one && lxe_format(line, sizeof(line), "%s %s", device, value) == 0)
			sys_write_file(dir, file, line);
	}
}

void lxe_cgroup_unthrottle(int dir)
{
	sys_write_file(dir, "cpu.max", "max");
	sys_write_file(dir, "cpu.cfs_quota_us", "-1");
	unlimit_io(dir, "io.max", "rbps=max wbps=max riops=max wiops=max");
	for (size_t i = 0; i < N_RATES; i++)
		unlimit_io(dir, rates[i].v1, "0");
}

void lxe_cgroup_let_end(const struct lxe_cgroup *cg)
{
	for (size_t i = 0; i < cg->n; i++)
		if (cg->dir[i].controllers & (LXE_CONTROLLER_CPU | LXE_CONTROLLER_IO))
			lxe_cgroup_unthrottle(cg->dir[i].fd);
}

static int refuse_device(const char *path, const char *why, struct lxe_err *err)
{
	lxe_hint(err, "name the disk: --io /dev/DISK:wbps=10M; lsblk shows what there is");
	return lxe_fail_msg(err, -ENODEV, "disk traffic cannot be limited for '%s': %s", path, why);
}

/* The disk that a partition is part of: its directory is in the disk's. */
static int whole_disk(unsigned int *major, unsigned int *minor)
{
	char path[96], text[64], *colon;
	uint64_t of_major, of_minor;
	struct stat st;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/partition", *major, *minor);
	if (stat(path, &st) < 0)
		return 0;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/../dev", *major, *minor);
	n = sys_read_file(AT_FDCWD, path, text, sizeof(text));
	if (n < 0)
		return (int)n;
	text[strcspn(text, "\n")] = '\0';
	colon = strchr(text, ':');
	if (!colon)
		return -EBADMSG;
	*colon = '\0';
	if (lxe_parse_u64(text, 0, UINT32_MAX, &of_major) < 0 ||
		lxe_parse_u64(colon + 1, 0, UINT32_MAX, &of_minor) < 0)
		return -EBADMSG;
	*major = (unsigned int)of_major;
	*minor = (unsigned int)of_minor;
	return 0;
}

int lxe_cgroup_io_device(const char *path, struct lxe_cgroup_io *ret, struct lxe_err *err)
{
	unsigned int device_major, device_minor;
	struct stat st;
	dev_t device;
	int r;

	if (stat(path, &st) < 0)
		return lxe_fail(err, -errno, "look at '%s'", path);
	if (S_ISCHR(st.st_mode))
		return refuse_device(path, "it is no disk", err);
	device = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
	device_major = major(device);
	device_minor = minor(device);
	if (device_major == 0)
		return refuse_device(path, "its filesystem is on no disk of its own", err);
	r = whole_disk(&device_major, &device_minor);
	if (r < 0)
		return lxe_fail(err, r, "find the disk of '%s'", path);
	*ret = (struct lxe_cgroup_io){ .major = device_major, .minor = device_minor };
	return 0;
}
