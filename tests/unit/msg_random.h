/* Messages with every field set, for the tests and as what the fuzzer begins with. */
#ifndef MSG_RANDOM_H
#define MSG_RANDOM_H

#include "proto/msg.h"
#include "random.h"

static inline void random_text(char *buf, size_t size, uint64_t *state)
{
	size_t len = rnd_below(state, size < 200 ? size : 200);

	for (size_t i = 0; i < len; i++)
		buf[i] = (char)(1 + rnd_below(state, 255));
	buf[len] = '\0';
}

static inline void random_bytes(void *p, size_t size, uint64_t *state)
{
	for (size_t i = 0; i < size; i++)
		((unsigned char *)p)[i] = (unsigned char)rnd(state);
}

static inline void random_outcome(struct lxe_outcome *o, uint64_t *state)
{
	random_text(o->id, sizeof(o->id), state);
	random_text(o->name, sizeof(o->name), state);
	o->cause = (enum lxe_cause)rnd_below(state, LXE_CAUSE_ERROR + 1);
	o->has_status = rnd_below(state, 2);
	o->status = (int)rnd(state);
	o->signal = (int)rnd_below(state, 65);
	o->error = (int)rnd_below(state, 128);
	random_text(o->message, sizeof(o->message), state);
	random_text(o->rule, sizeof(o->rule), state);
	random_text(o->hint, sizeof(o->hint), state);
	o->created_at_ms = rnd(state);
	o->started_at_ms = rnd(state);
	o->ended_at_ms = rnd(state);
	o->user_us = rnd(state);
	o->system_us = rnd(state);
	o->max_rss = rnd(state);
	for (size_t i = 0; i < LXE_SPANS; i++)
		o->spans_us[i] = rnd(state);
	o->peak_memory = rnd(state);
	o->bytes_out = (int64_t)rnd(state);
	o->truncated = rnd_below(state, 2);
	o->output_limit = rnd(state);
	for (size_t i = 0; i < LXE_STREAMS; i++) {
		o->written[i] = rnd(state);
		o->dropped[i] = rnd(state);
	}
	o->spills = rnd_below(state, 2);
	o->spilled = rnd(state);
	random_text(o->spill_error, sizeof(o->spill_error), state);
	o->teardown_ok = rnd_below(state, 2);
	random_text(o->residue, sizeof(o->residue), state);
}

/* A message of this type with every field set, and no descriptor. */
static inline void random_msg(struct lxe_msg *msg, enum lxe_msg_type type, uint64_t *state)
{
	lxe_msg_init(msg, type);
	switch (type) {
	case LXE_MSG_CREATE:
	case LXE_MSG_BUILD:
		msg->begun_us = rnd(state);
		random_text(msg->dirs.state, sizeof(msg->dirs.state), state);
		random_text(msg->dirs.libexec, sizeof(msg->dirs.libexec), state);
		random_text(msg->dirs.data, sizeof(msg->dirs.data), state);
		random_bytes(&msg->tty_saved, sizeof(msg->tty_saved), state);
		random_bytes(&msg->tty_raw, sizeof(msg->tty_raw), state);
		random_text(msg->image, sizeof(msg->image), state);
		random_text(msg->id, sizeof(msg->id), state);
		msg->flags = (uint32_t)rnd_below(state, 4);
		break;
	case LXE_MSG_EXEC:
		msg->begun_us = rnd(state);
		msg->flags = (uint32_t)rnd_below(state, 2);
		random_bytes(&msg->tty_saved, sizeof(msg->tty_saved), state);
		random_bytes(&msg->tty_raw, sizeof(msg->tty_raw), state);
		break;
	case LXE_MSG_HELLO:
		random_bytes(msg->nonce, sizeof(msg->nonce), state);
		msg->role = (enum lxe_role)(LXE_ROLE_CONTROL + rnd_below(state, 3));
		msg->process = (uint32_t)rnd_below(state, INT32_MAX);
		break;
	case LXE_MSG_ATTACH:
		msg->flags = (uint32_t)rnd_below(state, 2);
		random_bytes(&msg->tty_saved, sizeof(msg->tty_saved), state);
		random_bytes(&msg->tty_raw, sizeof(msg->tty_raw), state);
		break;
	case LXE_MSG_SNAPSHOT:
		random_bytes(msg->modes, sizeof(msg->modes), state);
		msg->rows = (uint16_t)rnd(state);
		msg->cols = (uint16_t)rnd(state);
		msg->size = rnd(state);
		break;
	case LXE_MSG_LAYER:
		msg->process = (uint32_t)rnd_below(state, INT32_MAX);
		msg->flags = (uint32_t)rnd_below(state, 2);
		break;
	case LXE_MSG_DATA:
		msg->n_bytes = rnd_below(state, sizeof(msg->bytes) + 1);
		random_bytes(msg->bytes, msg->n_bytes, state);
		break;
	case LXE_MSG_CREATED:
	case LXE_MSG_STARTED:
		msg->pid = 1 + (pid_t)rnd_below(state, INT32_MAX);
		break;
	case LXE_MSG_STOP:
		msg->grace_ms = rnd(state);
		msg->flags = (uint32_t)rnd_below(state, 2);
		msg->signal = (int)rnd_below(state, 65);
		break;
	case LXE_MSG_SIGNAL:
		msg->signal = (int)rnd_below(state, 65);
		break;
	case LXE_MSG_SETTLED:
		msg->flags = (uint32_t)rnd_below(state, 2);
		random_outcome(&msg->outcome, state);
		break;
	case LXE_MSG_SETTLE:
	case LXE_MSG_DONE:
		random_outcome(&msg->outcome, state);
		break;
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
		break;
	}
}

#endif
