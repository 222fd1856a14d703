/* The fields of messages: which type has which, and each one's encoding. See msg.h. */
#include "proto/msg_fields.h"

#include <errno.h>
#include <string.h>

#include "proto/outcome_wire.h"

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
	FIELD_MODES,
	FIELD_ROWS,
	FIELD_COLS,
	FIELD_SIZE,
	FIELD_BYTES,
};

#define FIELD_LAST FIELD_BYTES

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

#define BIT(field) (1U << (field))

/* The fields of a message of this type: all of them, and no others. */
uint32_t lxe_msg_fields_of(enum lxe_msg_type type)
{
	uint32_t always = BIT(FIELD_VERSION) | BIT(FIELD_TYPE) | BIT(FIELD_ROLES);

	switch (type) {
	case LXE_MSG_BUILD:
		return lxe_msg_fields_of(LXE_MSG_CREATE) | BIT(FIELD_BYTES);
	case LXE_MSG_CREATE:
		return always | BIT(FIELD_BEGUN) | BIT(FIELD_STATE) | BIT(FIELD_LIBEXEC) |
		       BIT(FIELD_DATA) | BIT(FIELD_IMAGE) | BIT(FIELD_ID) | BIT(FIELD_TTY_SAVED) |
		       BIT(FIELD_TTY_RAW) | BIT(FIELD_FLAGS);
	case LXE_MSG_EXEC:
		return always | BIT(FIELD_BEGUN) | BIT(FIELD_TTY_SAVED) | BIT(FIELD_TTY_RAW) |
		       BIT(FIELD_FLAGS);
	case LXE_MSG_HELLO:
		return always | BIT(FIELD_NONCE) | BIT(FIELD_ROLE) | BIT(FIELD_PROCESS);
	case LXE_MSG_ATTACH:
		return always | BIT(FIELD_FLAGS) | BIT(FIELD_TTY_SAVED) | BIT(FIELD_TTY_RAW);
	case LXE_MSG_SNAPSHOT:
		return always | BIT(FIELD_MODES) | BIT(FIELD_ROWS) | BIT(FIELD_COLS) |
		       BIT(FIELD_SIZE);
	case LXE_MSG_DATA:
		return always | BIT(FIELD_BYTES);
	case LXE_MSG_CREATED:
	case LXE_MSG_STARTED:
		return always | BIT(FIELD_PID);
	case LXE_MSG_STOP:
		return always | BIT(FIELD_SIGNAL) | BIT(FIELD_GRACE) | BIT(FIELD_FLAGS);
	case LXE_MSG_SIGNAL:
		return always | BIT(FIELD_SIGNAL);
	case LXE_MSG_DONE:
	case LXE_MSG_SETTLE:
		return always | BIT(FIELD_OUTCOME);
	case LXE_MSG_SETTLED:
		return always | BIT(FIELD_OUTCOME) | BIT(FIELD_FLAGS);
	case LXE_MSG_LAYER:
		return always | BIT(FIELD_PROCESS) | BIT(FIELD_FLAGS);
	case LXE_MSG_BUILDING:
	case LXE_MSG_EXITED:
	case LXE_MSG_DRAINED:
	case LXE_MSG_BYE:
	case LXE_MSG_START:
	case LXE_MSG_WAIT:
	case LXE_MSG_DETACH:
	case LXE_MSG_OK:
	case LXE_MSG_YIELD:
	case LXE_MSG_YIELDED:
	case LXE_MSG_BELL:
	case LXE_MSG_WATCH:
		return always;
	}
	return 0;
}

static void put_field(struct lxe_writer *w, const struct lxe_msg *msg, enum field field)
{
	uint8_t tag = (uint8_t)field;

	switch (field) {
	case FIELD_VERSION:
		lxe_put_u64(w, tag, VERSION);
		break;
	case FIELD_TYPE:
		lxe_put_u64(w, tag, (uint64_t)msg->type);
		break;
	case FIELD_ROLES:
		put_roles(w, msg);
		break;
	case FIELD_BEGUN:
		lxe_put_u64(w, tag, msg->begun_us);
		break;
	case FIELD_STATE:
		lxe_put_text(w, tag, msg->dirs.state);
		break;
	case FIELD_LIBEXEC:
		lxe_put_text(w, tag, msg->dirs.libexec);
		break;
	case FIELD_DATA:
		lxe_put_text(w, tag, msg->dirs.data);
		break;
	case FIELD_TTY_SAVED:
		lxe_put_bytes(w, tag, &msg->tty_saved, sizeof(msg->tty_saved));
		break;
	case FIELD_TTY_RAW:
		lxe_put_bytes(w, tag, &msg->tty_raw, sizeof(msg->tty_raw));
		break;
	case FIELD_IMAGE:
		lxe_put_text(w, tag, msg->image);
		break;
	case FIELD_ID:
		lxe_put_text(w, tag, msg->id);
		break;
	case FIELD_PID:
		lxe_put_u64(w, tag, (uint64_t)msg->pid);
		break;
	case FIELD_SIGNAL:
		lxe_put_u64(w, tag, (uint64_t)msg->signal);
		break;
	case FIELD_OUTCOME:
		put_outcome(w, &msg->outcome);
		break;
	case FIELD_FLAGS:
		lxe_put_u64(w, tag, msg->flags);
		break;
	case FIELD_NONCE:
		lxe_put_bytes(w, tag, msg->nonce, sizeof(msg->nonce));
		break;
	case FIELD_ROLE:
		lxe_put_u64(w, tag, (uint64_t)msg->role);
		break;
	case FIELD_PROCESS:
		lxe_put_u64(w, tag, msg->process);
		break;
	case FIELD_GRACE:
		lxe_put_u64(w, tag, msg->grace_ms);
		break;
	case FIELD_MODES:
		lxe_put_bytes(w, tag, msg->modes, sizeof(msg->modes));
		break;
	case FIELD_ROWS:
		lxe_put_u64(w, tag, msg->rows);
		break;
	case FIELD_COLS:
		lxe_put_u64(w, tag, msg->cols);
		break;
	case FIELD_SIZE:
		lxe_put_u64(w, tag, msg->size);
		break;
	case FIELD_BYTES:
		lxe_put_bytes(w, tag, msg->bytes, msg->n_bytes);
		break;
	}
}

void lxe_msg_put_fields(struct lxe_writer *w, const struct lxe_msg *msg)
{
	for (enum field f = FIELD_VERSION; f <= FIELD_LAST; f++)
		if (lxe_msg_fields_of(msg->type) & BIT(f))
			put_field(w, msg, f);
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

/* The fields of what a watcher is told. */
static int get_screen(struct lxe_msg *msg, const struct lxe_field *f)
{
	int value = 0, r = 0;

	if (f->tag == FIELD_MODES)
		return get_raw(f, msg->modes, sizeof(msg->modes));
	if (f->tag == FIELD_SIZE)
		return lxe_field_u64(f, &msg->size);
	if (f->tag == FIELD_BYTES) {
		if (f->len > sizeof(msg->bytes))
			return -EBADMSG;
		memcpy(msg->bytes, f->bytes, f->len);
		msg->n_bytes = f->len;
		return 0;
	}
	r = get_int(f, 0, UINT16_MAX, &value);
	*(f->tag == FIELD_ROWS ? &msg->rows : &msg->cols) = (uint16_t)value;
	return r;
}

/* The fields of HELLO and those that say how something is to be done. */
static int get_manner(struct lxe_msg *msg, const struct lxe_field *f)
{
	int value, r;

	switch ((enum field)f->tag) {
	case FIELD_FLAGS:
		r = get_int(f, 0, LXE_CREATE_START | LXE_CREATE_HOLD | LXE_CREATE_AGAIN, &value);
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
	case FIELD_MODES:
	case FIELD_ROWS:
	case FIELD_COLS:
	case FIELD_SIZE:
	case FIELD_BYTES:
		return get_screen(msg, f);
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

int lxe_msg_get_field(struct lxe_msg *msg, const struct lxe_field *f, const int *fds, size_t n_fds)
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
	case FIELD_MODES:
	case FIELD_ROWS:
	case FIELD_COLS:
	case FIELD_SIZE:
	case FIELD_BYTES:
		return get_manner(msg, f);
	}
	return -EBADMSG;
}
