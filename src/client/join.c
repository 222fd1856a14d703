#include "client/join.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "proto/record.h"
#include "store/sandbox.h"
#include "sys/fd.h"
#include "sys/proc.h"
#include "sys/socket.h"

static int read_nonce(int dir, unsigned char nonce[LXE_NONCE_LEN])
{
	struct lxe_record record = { 0 };
	int r = lxe_record_read(&record, dir);

	if (r == 0)
		memcpy(nonce, record.nonce, LXE_NONCE_LEN);
	lxe_record_release(&record);
	return r;
}

int lxe_join(const struct lxe_place *place, enum lxe_role role, struct lxe_err *err)
{
	LXE_AUTOCLOSE int dir = lxe_sandbox_open(place->base, place->id);
	LXE_AUTOCLOSE int fd = -EBADF;
	struct lxe_msg msg;
	int r;

	if (dir < 0)
		return lxe_fail(err, dir, "open sandbox '%s'", place->id);
	lxe_msg_init(&msg, LXE_MSG_HELLO);
	msg.role = role;
	r = read_nonce(dir, msg.nonce);
	if (r < 0)
		return lxe_fail(err, r, "read the record of sandbox '%s'", place->id);
	fd = sys_connect(dir, LXE_SANDBOX_SOCKET);
	if (fd < 0) {
		lxe_hint(err, "lxc-exec ps shows what runs");
		return lxe_fail(err, fd, "connect to sandbox '%s'", place->id);
	}
	r = lxe_msg_send(fd, &msg);
	return r < 0 ? lxe_fail(err, r, "talk to sandbox '%s'", place->id) : take_fd(&fd);
}

int lxe_await(int fd, int timeout_ms, struct lxe_msg *ret, struct lxe_err *err)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };
	int r;

	lxe_msg_init(ret, 0);
	do {
		r = poll(&polled, 1, timeout_ms);
	} while (r < 0 && errno == EINTR);
	if (r == 0)
		return lxe_fail(err, -ETIMEDOUT, "wait for the sandbox's keeper");
	r = r < 0 ? -errno : lxe_msg_recv(fd, ret);
	if (r == 0)
		r = -ECONNRESET;
	if (r < 0)
		return lxe_fail(err, r, "hear from the sandbox's keeper");
	return 0;
}

static int ask_on(int fd, const struct lxe_place *place, const struct lxe_msg *msg, int timeout_ms,
	struct lxe_msg *ret, struct lxe_err *err)
{
	int r = lxe_msg_send(fd, msg);

	if (r < 0)
		return lxe_fail(err, r, "talk to sandbox '%s'", place->id);
	return lxe_await(fd, timeout_ms, ret, err);
}

int lxe_ask(const struct lxe_place *place, const struct lxe_msg *msg, int timeout_ms,
	struct lxe_msg *ret, struct lxe_err *err)
{
	LXE_AUTOCLOSE int fd = lxe_join(place, LXE_ROLE_CONTROL, err);
	int r;

	lxe_msg_init(ret, 0);
	if (fd < 0)
		return fd;
	r = ask_on(fd, place, msg, timeout_ms, ret, err);
	while (r == 0 && ret->type == LXE_MSG_BUILDING) {
		lxe_msg_release(ret);
		r = lxe_await(fd, LXE_LONG_ANSWER_MS, ret, err);
	}
	return r;
}

int lxe_ask_for_end(const struct lxe_place *place, const struct lxe_msg *msg, int timeout_ms,
	struct lxe_msg *ret, struct lxe_err *err)
{
	LXE_AUTOCLOSE int fd = lxe_join(place, LXE_ROLE_CONTROL, err);
	LXE_AUTOCLOSE int keeper = -EBADF;
	uid_t uid;
	int r;

	lxe_msg_init(ret, 0);
	if (fd < 0)
		return fd;
	/* Before it can have ended and its number be somebody else's. */
	keeper = sys_pidfd_open(sys_peer(fd, &uid));
	r = ask_on(fd, place, msg, timeout_ms, ret, err);
	if (r == 0 && keeper >= 0)
		sys_pidfd_wait(keeper, LXE_KEEPER_END_MS);
	return r;
}

int lxe_spec_memfd(const struct lxe_spec *spec, struct lxe_err *err)
{
	LXE_AUTOCLOSE int fd = sys_memfd("lxe-spec", 0);
	LXE_AUTOFREE unsigned char *bytes = NULL;
	size_t len = 0;
	int r;

	if (fd < 0)
		return lxe_fail(err, fd, "make a memory file");
	r = lxe_spec_encode(spec, &bytes, &len);
	if (r == 0)
		r = sys_write_all(fd, bytes, len);
	return r < 0 ? lxe_fail(err, r, "encode the spec") : take_fd(&fd);
}
