#include "proto/msg.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "proto/msg_fields.h"
#include "proto/wire.h"
#include "sys/socket.h"

void lxe_msg_init(struct lxe_msg *msg, enum lxe_msg_type type)
{
	memset(msg, 0, sizeof(*msg));
	msg->type = type;
	for (size_t i = 0; i < LXE_FD_ROLES; i++)
		msg->fds[i] = -EBADF;
}

void lxe_msg_release(struct lxe_msg *msg)
{
	for (size_t i = 0; i < LXE_FD_ROLES; i++)
		lxe_drop_fd(&msg->fds[i]);
}

ssize_t lxe_msg_encode(const struct lxe_msg *msg, unsigned char *buf, size_t size)
{
	struct lxe_writer w = { 0 };
	ssize_t r;

	lxe_msg_put_fields(&w, msg);
	if (w.error) {
		r = w.error;
	} else if (w.len > size) {
		r = -EMSGSIZE;
	} else {
		memcpy(buf, w.buf, w.len);
		r = (ssize_t)w.len;
	}
	lxe_writer_release(&w);
	return r;
}

static int decode(
	struct lxe_msg *msg, const unsigned char *buf, size_t len, const int *fds, size_t n_fds)
{
	struct lxe_reader reader = { .p = buf, .left = len };
	struct lxe_field f;
	uint32_t seen = 0, bit;
	int r;

	while ((r = lxe_next_field(&reader, &f)) > 0) {
		bit = f.tag < 32 ? UINT32_C(1) << f.tag : 0;
		if (!bit || (seen & bit))
			return -EBADMSG;
		seen |= bit;
		r = lxe_msg_get_field(msg, &f, fds, n_fds);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	return seen && seen == lxe_msg_fields_of(msg->type) ? 0 : -EBADMSG;
}

int lxe_msg_decode(
	struct lxe_msg *msg, const unsigned char *buf, size_t len, const int *fds, size_t n_fds)
{
	int r;

	lxe_msg_init(msg, 0);
	r = decode(msg, buf, len, fds, n_fds);
	/* The descriptors are still the caller's: a release of msg must not close them too. */
	if (r < 0)
		lxe_msg_init(msg, 0);
	return r;
}

int lxe_msg_send(int fd, const struct lxe_msg *msg)
{
	unsigned char buf[LXE_MSG_MAX];
	int fds[LXE_FD_ROLES];
	size_t n = 0;
	ssize_t len;

	for (size_t i = 0; i < LXE_FD_ROLES; i++)
		if (msg->fds[i] >= 0)
			fds[n++] = msg->fds[i];
	len = lxe_msg_encode(msg, buf, sizeof(buf));
	if (len < 0)
		return (int)len;
	return sys_send(fd, buf, (size_t)len, fds, n);
}

int lxe_msg_recv(int fd, struct lxe_msg *msg)
{
	unsigned char buf[LXE_MSG_MAX];
	int fds[SYS_SOCKET_FDS_MAX];
	size_t n_fds = SYS_SOCKET_FDS_MAX;
	ssize_t len;
	int r;

	lxe_msg_init(msg, 0);
	len = sys_recv(fd, buf, sizeof(buf), fds, &n_fds);
	/* A peer that went with a message of ours unread: that comes first, then what it had sent. */
	if (len == -ECONNRESET) {
		n_fds = SYS_SOCKET_FDS_MAX;
		len = sys_recv(fd, buf, sizeof(buf), fds, &n_fds);
	}
	if (len <= 0) {
		/* A keeper that died with our last message unread resets the connection. */
		return len == -ECONNRESET ? 0 : (int)len;
	}
	r = lxe_msg_decode(msg, buf, (size_t)len, fds, n_fds);
	if (r < 0) {
		for (size_t i = 0; i < n_fds; i++)
			lxe_close(fds[i]);
		return r;
	}
	return 1;
}
