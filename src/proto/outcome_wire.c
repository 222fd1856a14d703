#include "proto/outcome_wire.h"

#include <errno.h>
#include <string.h>

enum kind { TEXT, NUMBER_32, NUMBER_64, FLAG };

/* The members of struct lxe_outcome that travel; a member's tag is its place here plus one. */
static const struct member {
	enum kind kind;
	size_t offset, size;
} members[] = {
#define MEMBER(kind, name)                                                                        \
	{                                                                                         \
		kind, offsetof(struct lxe_outcome, name), sizeof(((struct lxe_outcome *)0)->name) \
	}
	MEMBER(TEXT, id),
	MEMBER(TEXT, name),
	MEMBER(NUMBER_32, cause),
	MEMBER(FLAG, has_status),
	MEMBER(NUMBER_32, status),
	MEMBER(NUMBER_32, signal),
	MEMBER(NUMBER_32, error),
	MEMBER(TEXT, message),
	MEMBER(TEXT, rule),
	MEMBER(TEXT, hint),
	MEMBER(NUMBER_64, created_at_ms),
	MEMBER(NUMBER_64, started_at_ms),
	MEMBER(NUMBER_64, ended_at_ms),
	MEMBER(NUMBER_64, user_us),
	MEMBER(NUMBER_64, system_us),
	MEMBER(NUMBER_64, max_rss),
	MEMBER(NUMBER_64, spans_us[LXE_SPAN_SPAWN]),
	MEMBER(NUMBER_64, spans_us[LXE_SPAN_OPEN]),
	MEMBER(NUMBER_64, spans_us[LXE_SPAN_CGROUP]),
	MEMBER(NUMBER_64, spans_us[LXE_SPAN_ROOTFS]),
	MEMBER(NUMBER_64, spans_us[LXE_SPAN_START]),
	MEMBER(NUMBER_64, spans_us[LXE_SPAN_ATTACH]),
	MEMBER(NUMBER_64, spans_us[LXE_SPAN_EXEC]),
	MEMBER(NUMBER_64, spans_us[LXE_SPAN_TEARDOWN]),
	MEMBER(NUMBER_64, peak_memory),
	MEMBER(NUMBER_64, oom_kills),
	MEMBER(NUMBER_64, pids_refused),
	MEMBER(NUMBER_64, bytes_out),
	MEMBER(FLAG, truncated),
	MEMBER(NUMBER_64, output_limit),
	MEMBER(NUMBER_64, written[LXE_STREAM_OUT]),
	MEMBER(NUMBER_64, written[LXE_STREAM_ERR]),
	MEMBER(NUMBER_64, dropped[LXE_STREAM_OUT]),
	MEMBER(NUMBER_64, dropped[LXE_STREAM_ERR]),
	MEMBER(FLAG, spills),
	MEMBER(NUMBER_64, spilled),
	MEMBER(TEXT, spill_error),
	MEMBER(TEXT, denials),
	MEMBER(NUMBER_64, denied),
	MEMBER(FLAG, teardown_ok),
	MEMBER(TEXT, residue),
	MEMBER(TEXT, blocked),
	MEMBER(NUMBER_32, settled),
	MEMBER(NUMBER_64, added),
	MEMBER(NUMBER_64, modified),
	MEMBER(NUMBER_64, deleted),
	MEMBER(NUMBER_64, conflicts),
#undef MEMBER
};

#define N_MEMBERS (sizeof(members) / sizeof(members[0]))

void lxe_outcome_encode(struct lxe_writer *w, const struct lxe_outcome *o)
{
	for (size_t i = 0; i < N_MEMBERS; i++) {
		const char *p = (const char *)o + members[i].offset;
		uint8_t tag = (uint8_t)(i + 1);
		uint32_t n32;
		uint64_t n64;

		switch (members[i].kind) {
		case TEXT:
			lxe_put_text(w, tag, p);
			break;
		case NUMBER_32:
			memcpy(&n32, p, sizeof(n32));
			lxe_put_u64(w, tag, n32);
			break;
		case NUMBER_64:
			memcpy(&n64, p, sizeof(n64));
			lxe_put_u64(w, tag, n64);
			break;
		case FLAG:
			lxe_put_u64(w, tag, *(const bool *)p);
			break;
		}
	}
}

static int get_number(const struct member *m, const struct lxe_field *f, char *p)
{
	uint64_t value;
	uint32_t narrow;

	if (lxe_field_u64(f, &value) < 0)
		return -EBADMSG;
	if (m->kind == NUMBER_64) {
		memcpy(p, &value, sizeof(value));
		return 0;
	}
	if (value > (m->kind == FLAG ? 1 : UINT32_MAX))
		return -EBADMSG;
	if (m->kind == FLAG) {
		*(bool *)p = value;
		return 0;
	}
	narrow = (uint32_t)value;
	memcpy(p, &narrow, sizeof(narrow));
	return 0;
}

int lxe_outcome_decode(struct lxe_outcome *ret, const unsigned char *buf, size_t len)
{
	struct lxe_reader reader = { .p = buf, .left = len };
	struct lxe_outcome o = { 0 };
	struct lxe_field f;
	size_t next = 0;
	int r;

	/* Written by the same table: every member, once, in order. */
	for (; (r = lxe_next_field(&reader, &f)) > 0; next++) {
		char *p;

		if (next >= N_MEMBERS || f.tag != next + 1)
			return -EBADMSG;
		p = (char *)&o + members[next].offset;
		r = members[next].kind == TEXT ? lxe_field_copy(&f, p, members[next].size)
					       : get_number(&members[next], &f, p);
		if (r < 0)
			return r;
	}
	if (r < 0 || next != N_MEMBERS || o.cause > LXE_CAUSE_ERROR)
		return -EBADMSG;
	*ret = o;
	return 0;
}
