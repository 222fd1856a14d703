#include "proto/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "proto/wire.h"
#include "store/sandbox.h"

#define VERSION 1

enum tag {
	TAG_VERSION = 1,
	TAG_ID,
	TAG_NAME,
	TAG_KEEP,
	TAG_OWNER,
	TAG_CREATOR,
	TAG_ORIGIN,
	TAG_CREATED,
	TAG_BOOT,
	TAG_NONCE,
	TAG_SPEC, /* last: with it the record is whole */
};

void lxe_record_release(struct lxe_record *r)
{
	free(r->spec);
	*r = (struct lxe_record){ 0 };
}

bool lxe_record_is_of_earlier_boot(const struct lxe_record *r)
{
	char boot[LXE_BOOT_ID_LEN + 1];

	return r->boot[0] && sys_boot_id(boot) == 0 && strcmp(r->boot, boot) != 0;
}

int lxe_record_encode(const struct lxe_record *r, unsigned char **ret, size_t *len)
{
	struct lxe_writer w = { 0 };

	lxe_put_u64(&w, TAG_VERSION, VERSION);
	lxe_put_text(&w, TAG_ID, r->id);
	lxe_put_text(&w, TAG_NAME, r->name);
	lxe_put_u64(&w, TAG_KEEP, r->keep);
	lxe_put_u64(&w, TAG_OWNER, r->owner);
	lxe_put_u64(&w, TAG_CREATOR, (uint64_t)r->creator);
	lxe_put_text(&w, TAG_ORIGIN, r->origin);
	lxe_put_u64(&w, TAG_CREATED, r->created_at_ms);
	lxe_put_text(&w, TAG_BOOT, r->boot);
	lxe_put_bytes(&w, TAG_NONCE, r->nonce, sizeof(r->nonce));
	lxe_put_bytes(&w, TAG_SPEC, r->spec, r->spec_len);
	if (w.error) {
		int e = w.error;

		lxe_writer_release(&w);
		return e;
	}
	*ret = w.buf;
	*len = w.len;
	return 0;
}

static int get_number(const struct lxe_field *f, uint64_t max, uint64_t *ret)
{
	int r = lxe_field_u64(f, ret);

	if (r < 0)
		return r;
	return *ret <= max ? 0 : -EBADMSG;
}

static int get_bytes(struct lxe_record *r, const struct lxe_field *f)
{
	if (f->tag == TAG_NONCE) {
		if (f->len != sizeof(r->nonce))
			return -EBADMSG;
		memcpy(r->nonce, f->bytes, f->len);
		return 0;
	}
	r->spec = malloc(f->len + 1);
	if (!r->spec)
		return -ENOMEM;
	memcpy(r->spec, f->bytes, f->len);
	r->spec_len = f->len;
	return 0;
}

static int get_field(struct lxe_record *r, const struct lxe_field *f)
{
	uint64_t value = 0;
	int e;

	switch ((enum tag)f->tag) {
	case TAG_VERSION:
		e = lxe_field_u64(f, &value);
		return e < 0 ? e : value == VERSION ? 0 : -EPROTONOSUPPORT;
	case TAG_ID:
		return lxe_field_copy(f, r->id, sizeof(r->id));
	case TAG_NAME:
		return lxe_field_copy(f, r->name, sizeof(r->name));
	case TAG_KEEP:
		e = get_number(f, 1, &value);
		r->keep = value;
		return e;
	case TAG_OWNER:
		e = get_number(f, UINT32_MAX, &value);
		r->owner = (uid_t)value;
		return e;
	case TAG_CREATOR:
		e = get_number(f, INT32_MAX, &value);
		r->creator = (pid_t)value;
		return e;
	case TAG_ORIGIN:
		return lxe_field_copy(f, r->origin, sizeof(r->origin));
	case TAG_CREATED:
		return lxe_field_u64(f, &r->created_at_ms);
	case TAG_BOOT:
		return lxe_field_copy(f, r->boot, sizeof(r->boot));
	case TAG_NONCE:
	case TAG_SPEC:
		return get_bytes(r, f);
	}
	return -EBADMSG;
}

static int decode(struct lxe_record *record, struct lxe_reader *reader)
{
	struct lxe_field f;
	uint8_t expected = TAG_VERSION;
	int r;

	/* All of them, in their order: whatever else it is, it is not ours. */
	while ((r = lxe_next_field(reader, &f)) > 0) {
		if (f.tag != expected)
			return -EBADMSG;
		r = get_field(record, &f);
		if (r < 0)
			return r;
		expected++;
	}
	if (r < 0)
		return r;
	return expected == TAG_SPEC + 1 ? 0 : -EBADMSG;
}

int lxe_record_decode(struct lxe_record *ret, const unsigned char *buf, size_t len)
{
	struct lxe_reader reader = { .p = buf, .left = len };
	struct lxe_record record = { 0 };
	int r = decode(&record, &reader);

	if (r < 0) {
		lxe_record_release(&record);
		return r;
	}
	*ret = record;
	return 0;
}

int lxe_record_read(struct lxe_record *ret, int dir)
{
	LXE_AUTOFREE unsigned char *bytes = NULL;
	size_t len = 0;
	int r = lxe_sandbox_get(dir, LXE_SANDBOX_RECORD, &bytes, &len);

	return r < 0 ? r : lxe_record_decode(ret, bytes, len);
}
