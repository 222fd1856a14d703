#include "cli/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/num.h"

int lxe_stdio_fill(void)
{
	static const int wrong_way[] = { O_WRONLY, O_RDONLY, O_RDWR };

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		/* The lowest free number is what open(2) takes. */
		if (open("/dev/null", wrong_way[fd] | O_NOCTTY) != fd)
			return -EBADF;
	}
	return 0;
}

static bool open_for(int fd, int direction)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || (flags & O_PATH))
		return false;
	return (flags & O_ACCMODE) == O_RDWR || (flags & O_ACCMODE) == direction;
}

/*
 * The command gets these descriptors, and from a directory of the host's it could walk to all others:
 * a mount namespace is no barrier to who holds a way around it.
 */
static int refuse_directory(int fd, struct lxe_err *err)
{
	static const char *const names[] = { "input", "output", "error" };
	struct stat st;

	if (fstat(fd, &st) < 0 || (!S_ISDIR(st.st_mode) && !(fcntl(fd, F_GETFL) & O_PATH)))
		return 0;
	lxe_fail_msg(err, -EISDIR, "standard %s is a directory", names[fd]);
	if (fd == STDIN_FILENO)
		lxe_hint(err, "a command without input is run with </dev/null");
	else
		lxe_hint(err, "the command would reach the host's files through it");
	return -EISDIR;
}

int lxe_stdio_check(struct lxe_err *err)
{
	int r;

	if (!open_for(STDIN_FILENO, O_RDONLY)) {
		lxe_fail_msg(err, -EBADF, "standard input is closed");
		lxe_hint(err, "a command without input is run with </dev/null");
		return -EBADF;
	}
	if (!open_for(STDOUT_FILENO, O_WRONLY)) {
		lxe_fail_msg(err, -EBADF, "standard output is closed");
		lxe_hint(err, "output that nobody wants goes to >/dev/null");
		return -EBADF;
	}
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		r = refuse_directory(fd, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int lxe_stdio_check_writable(const char *option, const char *where, struct lxe_err *err)
{
	int fd;

	if (!where || strncmp(where, "fd:", 3) != 0)
		return 0;
	if (lxe_parse_int(where + 3, 0, INT_MAX, &fd) == 0 && open_for(fd, O_WRONLY))
		return 0;
	lxe_fail_msg(
		err, -EBADF, "%s '%s': this descriptor is not open for writing", option, where);
	lxe_hint(err, "lxc-exec run %s fd:3 … 3>FILE", option);
	return -EBADF;
}

/* Does a run with this setting use a terminal of the container's own? */
static bool wants_tty(enum lxe_tty tty)
{
	switch (tty) {
	case LXE_TTY_ON:
		return true;
	case LXE_TTY_OFF:
		return false;
	case LXE_TTY_AUTO:
		break;
	}
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

/* terminfo(5): a directory of it has one subdirectory per first character. */
static bool is_known(const char *term, const char *dir, bool *any)
{
	char path[PATH_MAX];

	if (access(dir, X_OK) < 0)
		return false;
	*any = true;
	if (lxe_format(path, sizeof(path), "%s/%c/%s", dir, term[0], term) < 0)
		return false;
	return access(path, F_OK) == 0;
}

static bool has_terminfo(const char *term)
{
	static const char *const dirs[] = {
		"/lib/terminfo",
		"/usr/share/terminfo",
		"/etc/terminfo",
	};
	const char *home = getenv("HOME");
	char own[PATH_MAX];
	bool any = false;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (is_known(term, dirs[i], &any))
			return true;
	if (home && lxe_format(own, sizeof(own), "%s/.terminfo", home) == 0 &&
		is_known(term, own, &any))
		return true;
	return !any; /* a machine without the data base cannot judge */
}

int lxe_stdio_set_term(struct lxe_spec *spec, struct lxe_err *err)
{
	const char *term = getenv("TERM");
	int r;

	if (!wants_tty(spec->tty))
		return 0;
	if (!term || !*term)
		term = "xterm"; /* what container engines assume, and nearly every terminal is */
	for (size_t i = 0; i < spec->env.n; i++)
		if (lxe_starts_with(spec->env.v[i], "TERM="))
			return 0;
	if (lxe_name_validate(term, NULL) < 0 || !has_terminfo(term)) {
		lxe_fail_msg(err, -EINVAL, "TERM '%.64s' is not a terminal known here", term);
		lxe_hint(err, "TERM=xterm-256color lxc-exec …");
		return -EINVAL;
	}
	r = lxe_str_set(&spec->term, term);
	return r < 0 ? lxe_fail(err, r, "take over TERM") : 0;
}
