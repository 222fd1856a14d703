#include "terminal/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/fd.h"

#define DEFAULT_ROWS 24
#define DEFAULT_COLS 80
#define SLAVE_MODE 0620	   /* as grantpt(3) leaves it; tty(1), write(1) and mesg(1) look at it */
#define PTMX makedev(5, 2) /* Linux: Documentation/admin-guide/devices.txt */

/* The devpts is the container's: what lies there under the name must really be a multiplexer. */
static int open_master(int devpts)
{
	LXE_AUTOCLOSE int master =
		openat(devpts, "ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	struct stat st;
	int locked = 0;

	if (master < 0 || fstat(master, &st) < 0)
		return -errno;
	if (!S_ISCHR(st.st_mode) || st.st_rdev != PTMX)
		return -ENODEV;
	if (ioctl(master, TIOCSPTLCK, &locked) < 0)
		return -errno;
	return take_fd(&master);
}

/* The slave by its master and not by a name, which could mean another devpts (ioctl_tty(2)). */
static int open_peer(int master)
{
	int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);

	return slave < 0 ? -errno : slave;
}

static int open_inside(int devpts, int *master, int *slave, struct lxe_err *err)
{
	*master = open_master(devpts);
	if (*master < 0)
		return lxe_fail(err, *master, "allocate a pty in the container's devpts");
	*slave = open_peer(*master);
	if (*slave < 0)
		return lxe_fail(err, *slave, "open the pty's slave");
	return 0;
}

static int open_outside(int *master, int *slave, struct lxe_err *err)
{
	int r = 0;

	if (openpty(master, slave, NULL, NULL, NULL) < 0)
		return lxe_fail(err, -errno, "allocate a pty");
	r = sys_set_cloexec(*master, true);
	if (r == 0)
		r = sys_set_cloexec(*slave, true);
	if (r == 0)
		r = sys_set_nonblock(*master, true);
	return r < 0 ? lxe_fail(err, r, "set the flags of a pty") : 0;
}

/* An ordinary user may not even chown(2) to what is already so. */
static int give_to(int slave, uid_t uid, gid_t gid)
{
	struct stat st;

	if (fstat(slave, &st) < 0)
		return -errno;
	if ((st.st_uid != uid || st.st_gid != gid) && fchown(slave, uid, gid) < 0)
		return -errno;
	if ((st.st_mode & 07777) != SLAVE_MODE && fchmod(slave, SLAVE_MODE) < 0)
		return -errno;
	return 0;
}

/* The kernel's own settings for a new pty are the sane ones; only the erasing of UTF-8 is off. */
static int set_up(int slave, uint16_t rows, uint16_t cols)
{
	struct winsize ws = { .ws_row = rows ? rows : DEFAULT_ROWS,
		.ws_col = cols ? cols : DEFAULT_COLS };
	struct termios tio;

	if (tcgetattr(slave, &tio) < 0)
		return -errno;
	tio.c_iflag |= IUTF8;
	if (tcsetattr(slave, TCSANOW, &tio) < 0 || ioctl(slave, TIOCSWINSZ, &ws) < 0)
		return -errno;
	return 0;
}

int lxe_pty_open(struct lxe_pty *ret, int devpts, uid_t uid, gid_t gid, uint16_t rows,
	uint16_t cols, struct lxe_err *err)
{
	LXE_AUTOCLOSE int master = -EBADF, slave = -EBADF;
	int r;

	r = devpts < 0 ? open_outside(&master, &slave, err)
		       : open_inside(devpts, &master, &slave, err);
	if (r < 0)
		return r;
	r = give_to(slave, uid, gid);
	if (r < 0)
		return lxe_fail(err, r, "give the pty to user %u and group %u", uid, gid);
	r = set_up(slave, rows, cols);
	if (r < 0)
		return lxe_fail(err, r, "set up the pty");
	*ret = (struct lxe_pty){ .master = take_fd(&master), .slave = take_fd(&slave) };
	return 0;
}

void lxe_pty_release(struct lxe_pty *pty)
{
	lxe_drop_fd(&pty->master);
	lxe_drop_fd(&pty->slave);
}

int lxe_pty_become_controlling(int slave)
{
	/* A session leader already is refused, and is what is needed; TIOCSCTTY is what decides. */
	if (setsid() < 0 && errno != EPERM)
		return -errno;
	return ioctl(slave, TIOCSCTTY, 0) < 0 ? -errno : 0;
}
