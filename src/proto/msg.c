#include "proto/msg.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "proto/outcome_wire.h"
#include "proto/wire.h"
#include "sys/socket.h"

#define VERSION 2

enum field {
	FIELD_VERSION = 1,
	FIELD_TYPE,
	FIELD_ROLES, /* one byte a descriptor, in the order in which they travel */
	FIELD_BEGUN,
	FIELD_STATE,
	FIELD_LIBEXEC,
	FIELD_DATA,
	FIELD_TTY_SAVED,
	FIELD_TTY_RAW,
	FIELD_IMAGE,
	FIELD_ID,
	FIELD_PID,
	FIELD_SIGNAL,
	FIELD_OUTCOME,
	FIELD_FLAGS,
	FIELD_NONCE,
	FIELD_ROLE,
	FIELD_PROCESS,
	FIELD_GRACE,
};

#define FIELD_LAST FIELD_GRACE

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

static void put_roles(struct lxe_writer *w, const struct lxe_msg *msg)
{
	unsigned char roles[LXE_FD_ROLES];
	size_t n = 0;

	for (size_t i = 0; i < LXE_FD_ROLES; i++)
		if (msg->fds[i] >= 0)
			roles[n++] = (unsigned char)i;
	lxe_put_bytes(w, FIELD_ROLES, roles, n);
}

static void put_outcome(struct lxe_writer *w, const struct lxe_outcome *o)
{
	struct lxe_writer inner = { 0 };

	lxe_outcome_encode(&inner, o);
	if (inner.error)
		w->error = inner.error;
	lxe_put_bytes(w, FIELD_OUTCOME, inner.buf, inner.len);
	lxe_writer_release(&inner);
}

static void put_body(struct lxe_writer *w, const struct lxe_msg *msg)
{
	switch (msg->type) {
	case LXE_MSG_CREATE:
	case LXE_MSG_BUILD:
		lxe_put_u64(w, FIELD_BEGUN, msg->begun_us);
		lxe_put_text(w, FIELD_STATE, msg->dirs.state);
		lxe_put_text(w, FIELD_LIBEXEC, msg->dirs.libexec);
		lxe_put_text(w, FIELD_DATA, msg->dirs.data);
		lxe_put_text(w, FIELD_IMAGE, msg->image);
		lxe_put_text(w, FIELD_ID, msg->id);
		lxe_put_bytes(w, FIELD_TTY_SAVED, &msg->tty_saved, sizeof(msg->tty_saved));
		lxe_put_bytes(w, FIELD_TTY_RAW, &msg->tty_raw, sizeof(msg->tty_raw));
		lxe_put_u64(w, FIELD_FLAGS, msg->flags);
		break;
	case LXE_MSG_EXEC:
		lxe_put_u64(w, FIELD_BEGUN, msg->begun_us);
		lxe_put_bytes(w, FIELD_TTY_SAVED, &msg->tty_saved, sizeof(msg->tty_saved));
		lxe_put_bytes(w, FIELD_TTY_RAW, &msg->tty_raw, sizeof(msg->tty_raw));
		break;
	case LXE_MSG_HELLO:
		lxe_put_bytes(w, FIELD_NONCE, msg->nonce, sizeof(msg->nonce));
		lxe_put_u64(w, FIELD_ROLE, (uint64_t)msg->role);
		lxe_put_u64(w, FIELD_PROCESS, msg->process);
		lxe_put_u64(w, FIELD_FLAGS, msg->flags);
		break;
	case LXE_MSG_CREATED:
	case LXE_MSG_STARTED:
		lxe_put_u64(w, FIELD_PID, (uint64_t)msg->pid);
		break;
	case LXE_MSG_STOP:
		lxe_put_u64(w, FIELD_GRACE, msg->grace_ms);
		lxe_put_u64(w, FIELD_FLAGS, msg->flags);
		lxe_put_u64(w, FIELD_SIGNAL, (uint64_t)msg->signal);
		break;
	case LXE_MSG_SIGNAL:
		lxe_put_u64(w, FIELD_SIGNAL, (uint64_t)msg->signal);
		break;
	case LXE_MSG_DONE:
		put_outcome(w, &msg->outcome);
		break;
	case LXE_MSG_BUILDING:
	case LXE_MSG_EXITED:
	case LXE_MSG_DRAINED:
	case LXE_MSG_BYE:
	case LXE_MSG_START:
	case LXE_MSG_WAIT:
	case LXE_MSG_DETACH:
	case LXE_MSG_OK:
		break;
	}
}

ssize_t lxe_msg_encode(const struct lxe_msg *msg, unsigned char *buf, size_t size)
{
	struct lxe_writer w = { 0 };
	ssize_t r;

	lxe_put_u64(&w, FIELD_VERSION, VERSION);
	lxe_put_u64(&w, FIELD_TYPE, (uint64_t)msg->type);
	put_roles(&w, msg);
	put_body(&w, msg);
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

static int get_int(const struct lxe_field *f, uint64_t min, uint64_t max, int *ret)
{
	uint64_t value;
	int r;

	r = lxe_field_u64(f, &value);
	if (r < 0)
		return r;
	if (value < min || value > max)
		return -EBADMSG;
	*ret = (int)value;
	return 0;
}

static int get_raw(const struct lxe_field *f, void *ret, size_t size)
{
	if (f->len != size)
		return -EBADMSG;
	memcpy(ret, f->bytes, size);
	return 0;
}

static int get_roles(const struct lxe_field *f, struct lxe_msg *msg, const int *fds, size_t n_fds)
{
	if (f->len != n_fds)
		return -EBADMSG;
	for (size_t i = 0; i < n_fds; i++) {
		if (f->bytes[i] >= LXE_FD_ROLES || msg->fds[f->bytes[i]] >= 0)
			return -EBADMSG;
		msg->fds[f->bytes[i]] = fds[i];
	}
	return 0;
}

/* The fields of HELLO and those that say how something is to be done. */
static int get_manner(struct lxe_msg *msg, const struct lxe_field *f)
{
	int value, r;

	switch ((enum field)f->tag) {
	case FIELD_FLAGS:
		r = get_int(f, 0, 1, &value);
		if (r == 0)
			msg->flags = (uint32_t)value;
		return r;
	case FIELD_NONCE:
		return get_raw(f, msg->nonce, sizeof(msg->nonce));
	case FIELD_ROLE:
		r = get_int(f, LXE_ROLE_CONTROL, LXE_ROLE_WATCH, &value);
		if (r == 0)
			msg->role = (enum lxe_role)value;
		return r;
	case FIELD_PROCESS:
		r = get_int(f, 0, INT32_MAX, &value);
		if (r == 0)
			msg->process = (uint32_t)value;
		return r;
	case FIELD_GRACE:
		return lxe_field_u64(f, &msg->grace_ms);
	case FIELD_VERSION:
	case FIELD_TYPE:
	case FIELD_ROLES:
	case FIELD_BEGUN:
	case FIELD_STATE:
	case FIELD_LIBEXEC:
	case FIELD_DATA:
	case FIELD_TTY_SAVED:
	case FIELD_TTY_RAW:
	case FIELD_IMAGE:
	case FIELD_ID:
	case FIELD_PID:
	case FIELD_SIGNAL:
	case FIELD_OUTCOME:
		break;
	}
	return -EBADMSG;
}

static int get_field(struct lxe_msg *msg, const struct lxe_field *f, const int *fds, size_t n_fds)
{
	int value, r;

	switch ((enum field)f->tag) {
	case FIELD_VERSION:
		return get_int(f, VERSION, VERSION, &value);
	case FIELD_TYPE:
		r = get_int(f, LXE_MSG_CREATE, LXE_MSG_LAST, &value);
		if (r == 0)
			msg->type = (enum lxe_msg_type)value;
		return r;
	case FIELD_ROLES:
		return get_roles(f, msg, fds, n_fds);
	case FIELD_BEGUN:
		return lxe_field_u64(f, &msg->begun_us);
	case FIELD_STATE:
		return lxe_field_copy(f, msg->dirs.state, sizeof(msg->dirs.state));
	case FIELD_LIBEXEC:
		return lxe_field_copy(f, msg->dirs.libexec, sizeof(msg->dirs.libexec));
	case FIELD_DATA:
		return lxe_field_copy(f, msg->dirs.data, sizeof(msg->dirs.data));
	case FIELD_TTY_SAVED:
		return get_raw(f, &msg->tty_saved, sizeof(msg->tty_saved));
	case FIELD_TTY_RAW:
		return get_raw(f, &msg->tty_raw, sizeof(msg->tty_raw));
	case FIELD_ID:
		return lxe_field_copy(f, msg->id, sizeof(msg->id));
	case FIELD_IMAGE:
		return lxe_field_copy(f, msg->image, sizeof(msg->image));
	case FIELD_PID:
		return get_int(f, 1, INT32_MAX, &msg->pid);
	case FIELD_SIGNAL:
		return get_int(f, 0, 64, &msg->signal);
	case FIELD_OUTCOME:
		return lxe_outcome_decode(&msg->outcome, f->bytes, f->len);
	case FIELD_FLAGS:
	case FIELD_NONCE:
	case FIELD_ROLE:
	case FIELD_PROCESS:
	case FIELD_GRACE:
		return get_manner(msg, f);
	}
	return -EBADMSG;
}

#define BIT(field) (1U << (field))

/* The fields of a message of this type: all of them, and no others. */
static uint32_t fields_of(enum lxe_msg_type type)
{
	uint32_t always = BIT(FIELD_VERSION) | BIT(FIELD_TYPE) | BIT(FIELD_ROLES);

	switch (type) {
	case LXE_MSG_CREATE:
	case LXE_MSG_BUILD:
		return always | BIT(FIELD_BEGUN) | BIT(FIELD_STATE) | BIT(FIELD_LIBEXEC) |
		       BIT(FIELD_DATA) | BIT(FIELD_IMAGE) | BIT(FIELD_ID) | BIT(FIELD_TTY_SAVED) |
		       BIT(FIELD_TTY_RAW) | BIT(FIELD_FLAGS);
	case LXE_MSG_EXEC:
		return always | BIT(FIELD_BEGUN) | BIT(FIELD_TTY_SAVED) | BIT(FIELD_TTY_RAW);
	case LXE_MSG_HELLO:
		return always | BIT(FIELD_NONCE) | BIT(FIELD_ROLE) | BIT(FIELD_PROCESS) |
		       BIT(FIELD_FLAGS);
	case LXE_MSG_CREATED:
	case LXE_MSG_STARTED:
		return always | BIT(FIELD_PID);
	case LXE_MSG_STOP:
		return always | BIT(FIELD_SIGNAL) | BIT(FIELD_GRACE) | BIT(FIELD_FLAGS);
	case LXE_MSG_SIGNAL:
		return always | BIT(FIELD_SIGNAL);
	case LXE_MSG_DONE:
		return always | BIT(FIELD_OUTCOME);
	case LXE_MSG_BUILDING:
	case LXE_MSG_EXITED:
	case LXE_MSG_DRAINED:
	case LXE_MSG_BYE:
	case LXE_MSG_START:
	case LXE_MSG_WAIT:
	case LXE_MSG_DETACH:
	case LXE_MSG_OK:
		return always;
	}
	return 0;
}

static int decode(
	struct lxe_msg *msg, const unsigned char *buf, size_t len, const int *fds, size_t n_fds)
{
	struct lxe_reader reader = { .p = buf, .left = len };
	struct lxe_field f;
	uint32_t seen = 0;
	int r;

	while ((r = lxe_next_field(&reader, &f)) > 0) {
		if (f.tag > FIELD_LAST || (seen & BIT(f.tag)))
			return -EBADMSG;
		seen |= BIT(f.tag);
		r = get_field(msg, &f, fds, n_fds);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	return seen && seen == fields_of(msg->type) ? 0 : -EBADMSG;
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
