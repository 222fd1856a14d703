#include "confine/apparmor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "policy/spec.h"
#include "sys/fd.h"

#define LIST_MAX (1024 * 1024)

/* The first that is loaded, as liblxc prefers them. */
static const char *const defaults[] = { "lxc-container-default-cgns", "lxc-container-default" };

bool lxe_apparmor_is_on(void)
{
	char enabled[8];

	return sys_read_file(AT_FDCWD, "/sys/module/apparmor/parameters/enabled", enabled,
		       sizeof(enabled)) > 0 &&
	       enabled[0] == 'Y';
}

int lxe_apparmor_choose(const char **ret, const char *asked, struct lxe_err *err)
{
	const char *profile = asked ? asked : "default";
	bool on, any = strcmp(profile, "default") == 0;

	*ret = NULL;
	if (strcmp(profile, "unconfined") == 0)
		return 0;
	on = lxe_apparmor_is_on();
	if (!on && !any) {
		lxe_hint(
			err, "--apparmor default takes the profile that there is, if there is one");
		return lxe_fail_msg(err, -EOPNOTSUPP,
			"enter the AppArmor profile '%s': AppArmor is off on this host", profile);
	}
	*ret = on ? profile : NULL;
	return 0;
}

/* Opened anew each time: what has been written to it stays its position. */
static int open_label(void)
{
	int fd = open("/proc/self/attr/apparmor/current", O_RDWR | O_CLOEXEC | O_NOCTTY);
	struct statfs fs;

	if (fd < 0)
		return -errno;
	/* Whoever may mount inside could have put something of his own there. */
	if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC) {
		close(fd);
		return -ESRCH;
	}
	return fd;
}

static int read_label(char *ret, size_t size)
{
	LXE_AUTOCLOSE int fd = open_label();
	ssize_t n;

	if (fd < 0)
		return fd;
	n = sys_read(fd, ret, size - 1);
	if (n < 0)
		return (int)n;
	ret[n] = '\0';
	return 0;
}

/* "NAME (MODE)", and "unconfined" alone. */
static bool is_label(const char *label, const char *profile)
{
	size_t len = strlen(profile);

	return strncmp(label, profile, len) == 0 && strchr(" \n", label[len]);
}

/* Of a file in securityfs, which has a profile a line. */
int lxe_apparmor_find_default(const char *list, const char **ret)
{
	LXE_AUTOCLOSE int fd = open(list, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	LXE_AUTOFREE char *text = NULL;
	bool loaded[2] = { false, false };
	size_t len = 0;
	int r = fd < 0 ? -errno : sys_read_whole(fd, LIST_MAX, &text, &len);

	if (r < 0)
		return r;
	for (char *line = text, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		for (size_t i = 0; i < 2; i++)
			loaded[i] |= is_label(line, defaults[i]);
	}
	*ret = loaded[0] ? defaults[0] : loaded[1] ? defaults[1] : NULL;
	return 0;
}

static int write_label(const char *profile)
{
	LXE_AUTOCLOSE int fd = open_label();
	char line[LXE_APPARMOR_NAME_MAX + sizeof("changeprofile ")] = "changeprofile ";
	size_t len = strlen(line), more = strlen(profile);
	ssize_t n;

	if (fd < 0)
		return fd;
	if (more > LXE_APPARMOR_NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(line + len, profile, more + 1);
	n = sys_write(fd, line, len + more);
	return n < 0 ? (int)n : 0;
}

static int enter(const char *profile)
{
	char label[512];
	int r = write_label(profile);

	if (r == 0)
		r = read_label(label, sizeof(label));
	if (r < 0)
		return r;
	return is_label(label, profile) ? 0 : -EPERM;
}

int lxe_apparmor_child(const char *profile)
{
	char label[512];
	int r;

	if (strcmp(profile, "default") != 0)
		return enter(profile);
	r = read_label(label, sizeof(label));
	if (r < 0)
		return r;
	/* Ours to enter one is only who is in none: what has confined us confines the sandbox as well. */
	if (!is_label(label, "unconfined") && !strstr(label, " (unconfined)"))
		return 0;
	r = enter(defaults[0]);
	if (r == -ENOENT)
		r = enter(defaults[1]);
	return r == -ENOENT ? 0 : r;
}
