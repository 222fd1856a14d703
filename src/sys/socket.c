#include "sys/socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"

union control {
	struct cmsghdr align;
	char room[CMSG_SPACE(sizeof(int) * SYS_SOCKET_FDS_MAX)];
};

int sys_socketpair(int ends[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ? -errno : 0;
}

/* By way of the directory's descriptor, because a path in sun_path has 107 bytes (unix(7)). */
static int open_socket(int type, int dir, const char *name, struct sockaddr_un *address)
{
	int r;

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	r = lxe_format(
		address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/%s", dir, name);
	if (r < 0)
		return r;
	r = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | type, 0);
	return r < 0 ? -errno : r;
}

int sys_listen(int dir, const char *name)
{
	struct sockaddr_un address;
	LXE_AUTOCLOSE int fd = open_socket(SOCK_NONBLOCK, dir, name, &address);

	if (fd < 0)
		return fd;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	if (fchmodat(dir, name, 0600, 0) < 0 || listen(fd, SOMAXCONN) < 0) {
		int r = -errno;

		unlinkat(dir, name, 0);
		return r;
	}
	return take_fd(&fd);
}

int sys_connect(int dir, const char *name)
{
	struct sockaddr_un address;
	LXE_AUTOCLOSE int fd = open_socket(0, dir, name, &address);

	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return take_fd(&fd);
}

pid_t sys_peer(int fd, uid_t *uid)
{
	struct ucred cred = { 0 };
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	*uid = cred.uid;
	return cred.pid;
}

int sys_send(int fd, const void *buf, size_t len, const int *fds, size_t n_fds)
{
	union control control = { 0 };
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (n_fds > SYS_SOCKET_FDS_MAX)
		return -EINVAL;
	if (n_fds) {
		struct cmsghdr *c;

		msg.msg_control = control.room;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	do {
		n = sendmsg(fd, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* Take the descriptors out of a received message: how many there were, kept or not. */
static size_t take_fds(struct msghdr *msg, int *fds, size_t room)
{
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++, n++) {
			int received;

			memcpy(&received, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (n < room)
				fds[n] = received;
			else
				lxe_close(received);
		}
	}
	return n;
}

ssize_t sys_recv(int fd, void *buf, size_t len, int *fds, size_t *n_fds)
{
	union control control;
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room),
	};
	size_t room = n_fds ? *n_fds : 0, got;
	ssize_t n;

	do {
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	got = take_fds(&msg, fds, room);
	/* An empty record looks like the end, after which nobody takes descriptors. */
	if (got > room || (n == 0 && got) || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		for (size_t i = 0; i < got && i < room; i++)
			lxe_close(fds[i]);
		if (n_fds)
			*n_fds = 0;
		return -EBADMSG;
	}
	if (n_fds)
		*n_fds = got;
	return n;
}
