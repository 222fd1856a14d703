#include "keeper/user.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "base/str.h"
#include "sys/fd.h"
#include "sys/mount.h"

#define PASSWD_MAX (1024 * 1024)
#define FIELDS 7

enum { NAME, PASSWORD, UID, GID, GECOS, HOME, SHELL };

struct field {
	const char *text;
	size_t len;
};

static const struct lxe_user root = { .name = "root", .home = "/root" };

/* Split a line of passwd(5); false when it is none. */
static bool split(const char *line, size_t len, struct field fields[FIELDS])
{
	for (int i = 0; i < FIELDS; i++) {
		const char *colon = i < FIELDS - 1 ? memchr(line, ':', len) : line + len;

		if (!colon)
			return false;
		fields[i] = (struct field){ line, (size_t)(colon - line) };
		len -= i < FIELDS - 1 ? fields[i].len + 1 : fields[i].len;
		line = colon + 1;
	}
	return true;
}

static bool is_text(const struct field *f, const char *text)
{
	return f->len == strlen(text) && memcmp(f->text, text, f->len) == 0;
}

static int number_of(const struct field *f, uint32_t count, uint32_t *ret)
{
	char digits[16];
	uint64_t value = 0;

	if (f->len >= sizeof(digits) ||
		lxe_format(digits, sizeof(digits), "%.*s", (int)f->len, f->text) < 0)
		return -EINVAL;
	if (lxe_parse_u64(digits, 0, count - 1, &value) < 0)
		return -EINVAL;
	*ret = (uint32_t)value;
	return 0;
}

static void copy(char *to, size_t size, const struct field *f)
{
	if (f->len < size)
		snprintf(to, size, "%.*s", (int)f->len, f->text);
}

/* Does the line describe who is looked for, by name (if there is one) or by number? */
static bool take_line(struct lxe_user *user, const char *name, struct field fields[FIELDS],
	uint32_t count, bool own_group)
{
	uint32_t uid, gid;

	if (number_of(&fields[UID], count, &uid) < 0 || number_of(&fields[GID], count, &gid) < 0)
		return false;
	if (name ? !is_text(&fields[NAME], name) : uid != user->uid)
		return false;
	user->uid = uid;
	if (!own_group)
		user->gid = gid;
	copy(user->name, sizeof(user->name), &fields[NAME]);
	if (fields[HOME].len && fields[HOME].text[0] == '/')
		copy(user->home, sizeof(user->home), &fields[HOME]);
	return true;
}

static bool look(
	struct lxe_user *user, const char *name, const char *passwd, uint32_t count, bool own_group)
{
	struct field fields[FIELDS];

	while (*passwd) {
		const char *end = strchrnul(passwd, '\n');

		if (split(passwd, (size_t)(end - passwd), fields) &&
			take_line(user, name, fields, count, own_group))
			return true;
		passwd = *end ? end + 1 : end;
	}
	return false;
}

int lxe_user_parse(struct lxe_user *ret, const char *text, const char *passwd, uint32_t count,
	struct lxe_err *err)
{
	struct lxe_user user = { .home = "/" };
	const char *colon = strchr(text, ':');
	struct field uid = { text, colon ? (size_t)(colon - text) : strlen(text) };
	struct field gid = { colon ? colon + 1 : text, colon ? strlen(colon + 1) : uid.len };
	bool number = number_of(&uid, count, &user.uid) == 0;

	if (number && number_of(&gid, count, &user.gid) == 0) {
		look(&user, NULL, passwd, count, colon != NULL);
	} else if (number || colon || !look(&user, text, passwd, count, false)) {
		lxe_fail_msg(err, -ENOENT, "there is no user '%.64s' in the sandbox", text);
		lxe_hint(err, "name one of its /etc/passwd, or UID[:GID] with numbers below %u",
			count);
		return -ENOENT;
	}
	*ret = user;
	return 0;
}

static int read_passwd(const char *rootfs, char **ret)
{
	LXE_AUTOCLOSE int dir = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	LXE_AUTOCLOSE int fd = -EBADF;
	struct stat st;
	size_t len;

	if (dir < 0)
		return -errno;
	fd = sys_open_in_root(dir, "etc/passwd");
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return sys_read_whole(fd, PASSWD_MAX, ret, &len);
}

int lxe_user_find(struct lxe_user *ret, const char *text, const char *rootfs, uint32_t count,
	struct lxe_err *err)
{
	LXE_AUTOFREE char *passwd = NULL;

	if (!text) {
		*ret = root;
		return 0;
	}
	/* A sandbox without the file has numbers only. */
	if (read_passwd(rootfs, &passwd) < 0 || !passwd)
		return lxe_user_parse(ret, text, "", count, err);
	return lxe_user_parse(ret, text, passwd, count, err);
}
