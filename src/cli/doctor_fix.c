/* lxc-exec doctor --fix USER: what root can do for an ordinary user, said line by line. Doing it again does nothing. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/doctor.h"
#include "cli/doctor_probe.h"
#include "cli/print.h"
#include "store/rootless.h"
#include "sys/fd.h"
#include "sys/passwd.h"
#include "sys/proc.h"

#define LINES_MAX 8192
#define FIRST 100000u /* as useradd(8) has it (SUB_UID_MIN) */
#define UNIT_DIR "/etc/systemd/system/user@.service.d"
#define DROP_IN UNIT_DIR "/lxc-exec.conf"

static const char delegation[] =
	"# Written by lxc-exec doctor --fix: what users may limit their sandboxes by.\n"
	"[Service]\n"
	"Delegate=cpu cpuset io memory pids\n";

struct all_lines {
	struct lxe_subid line[LINES_MAX];
	size_t n;
};

static int slurp(const char *path, char **ret)
{
	LXE_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	return sys_read_whole(fd, (size_t)1024 * 1024, ret, &len);
}

/* The free range is free of root's ids as well. */
static int collect(struct all_lines *all, const char *path)
{
	LXE_AUTOFREE char *text = NULL;
	const char *rest;
	int r = slurp(path, &text);

	if (r < 0)
		return r;
	rest = text ? text : "";
	while (all->n < LINES_MAX && lxe_subid_next(&rest, &all->line[all->n]))
		snprintf(all->line[all->n++].owner, sizeof(all->line[0].owner), "taken");
	return 0;
}

/* For both kinds the same: one number to remember. */
static int free_range(uint64_t *start)
{
	struct all_lines *all = calloc(1, sizeof(*all));
	int r = all ? collect(all, LXE_SUBUID_FILE) : -ENOMEM;

	if (r == 0)
		r = collect(all, LXE_SUBGID_FILE);
	if (r == 0)
		r = lxe_subid_free(all->line, all->n, FIRST, LXE_ROOTLESS_COUNT, start);
	free(all);
	return r;
}

static int run_tool(char *const argv[])
{
	char *const envp[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	int status = -1;
	pid_t pid;
	int r = -posix_spawnp(&pid, argv[0], NULL, NULL, argv, envp);

	if (r == 0)
		r = sys_wait(pid, &status);
	if (r < 0)
		return r;
	return status == 0 ? 0 : -EIO;
}

static int has_line(const char *path, const struct sys_user *user)
{
	LXE_AUTOFREE char *text = NULL;
	struct lxe_subid line;
	int r = slurp(path, &text);

	if (r < 0)
		return r;
	return text && lxe_rootless_line(text, user->name, user->uid, &line);
}

static int add_line(
	const char *path, const char *option, const struct sys_user *user, struct lxe_err *err)
{
	uint64_t start = 0;
	char range[48];
	char *const argv[] = { "/usr/sbin/usermod", (char *)option, range, (char *)user->name,
		NULL };
	int r = has_line(path, user);

	if (r > 0) {
		lxe_print("%s: '%s' has %u ids already\n", path, user->name, LXE_ROOTLESS_COUNT);
		return 0;
	}
	if (r == 0)
		r = free_range(&start);
	if (r < 0)
		return lxe_fail(err, r, "find free ids in '%s'", path);
	snprintf(range, sizeof(range), "%" PRIu64 "-%" PRIu64, start,
		start + LXE_ROOTLESS_COUNT - 1);
	/* It takes the lock of these files. */
	r = run_tool(argv);
	if (r < 0)
		return lxe_fail(err, r, "usermod %s %s %s", option, range, user->name);
	lxe_print("%s: gave %s to '%s'\n", path, range, user->name);
	return 0;
}

static int write_drop_in(void)
{
	LXE_AUTOCLOSE int fd = -EBADF;
	int r;

	if (mkdir(UNIT_DIR, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = open(DROP_IN ".new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	r = sys_write_all(fd, delegation, strlen(delegation));
	if (r == 0 && (fchmod(fd, 0644) < 0 || rename(DROP_IN ".new", DROP_IN) < 0))
		r = -errno;
	return r;
}

static int delegate(struct lxe_err *err)
{
	char *const argv[] = { "systemctl", "daemon-reload", NULL };
	LXE_AUTOFREE char *text = NULL;
	int r = slurp(DROP_IN, &text);

	if (access("/run/systemd/system", F_OK) < 0) {
		lxe_print("cgroups: there is no systemd here that could delegate them\n");
		return 0;
	}
	if (r == 0 && text && strcmp(text, delegation) == 0) {
		lxe_print("%s: is there already\n", DROP_IN);
		return 0;
	}
	r = write_drop_in();
	if (r == 0)
		r = run_tool(argv);
	if (r < 0)
		return lxe_fail(err, r, "write '%s'", DROP_IN);
	lxe_print("%s: written; it counts from the next login on\n", DROP_IN);
	return 0;
}

static int fix_user(const char *name, struct lxe_err *err)
{
	struct sys_user user;
	int r = sys_user_find(&user, name, 0);

	if (r == -ENOENT)
		return lxe_fail_msg(err, r, "there is no user '%s'", name);
	if (r < 0)
		return lxe_fail(err, r, "look for user '%s'", name);
	if (user.uid == 0)
		return lxe_fail_msg(err, -EINVAL, "'%s' is root, who needs none of it", name);
	r = add_line(LXE_SUBUID_FILE, "--add-subuids", &user, err);
	return r < 0 ? r : add_line(LXE_SUBGID_FILE, "--add-subgids", &user, err);
}

int lxe_doctor_fix(struct lxe_cli *cli)
{
	int r = lxe_cli_want_some(cli, "the name of a user");

	if (r == 0 && geteuid() != 0) {
		lxe_hint(&cli->err, "sudo lxc-exec doctor --fix %s", cli->argv[0]);
		r = lxe_fail_msg(
			&cli->err, -EPERM, "doctor: only root can change what is the host's");
	}
	for (int i = 0; r == 0 && i < cli->argc; i++)
		r = fix_user(cli->argv[i], &cli->err);
	if (r == 0 && !lxe_rootless_tool(false))
		lxe_print("newuidmap: is missing (apt-get install uidmap)\n");
	return r < 0 ? r : delegate(&cli->err);
}
