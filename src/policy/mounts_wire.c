#include <errno.h>
#include <string.h>

#include "policy/mounts.h"

/* Never renumber. */
enum tag {
	TAG_KIND = 1,
	TAG_SRC,
	TAG_DST,
	TAG_RO,
	TAG_UNSHIFTED,
	TAG_SIZE,
	TAG_MODE,
	TAG_COW,
	TAG_RW
};

static void put(struct lxe_writer *w, const struct lxe_mount *m)
{
	lxe_put_u64(w, TAG_KIND, m->kind);
	lxe_put_text(w, TAG_SRC, m->src);
	lxe_put_text(w, TAG_DST, m->dst);
	if (m->ro)
		lxe_put_u64(w, TAG_RO, 1);
	if (m->cow)
		lxe_put_u64(w, TAG_COW, 1);
	if (m->rw)
		lxe_put_u64(w, TAG_RW, 1);
	if (m->unshifted)
		lxe_put_u64(w, TAG_UNSHIFTED, 1);
	if (m->size)
		lxe_put_u64(w, TAG_SIZE, m->size);
	if (m->mode)
		lxe_put_u64(w, TAG_MODE, m->mode);
}

void lxe_mounts_encode(struct lxe_writer *w, uint8_t tag, const struct lxe_mounts *list)
{
	for (size_t i = 0; i < list->n; i++) {
		struct lxe_writer inner = { 0 };

		put(&inner, &list->v[i]);
		if (inner.error)
			w->error = inner.error;
		else
			lxe_put_bytes(w, tag, inner.buf, inner.len);
		lxe_writer_release(&inner);
	}
}

static int get_number(const struct lxe_field *f, uint64_t max, uint64_t *ret)
{
	uint64_t value;

	if (lxe_field_u64(f, &value) < 0 || value == 0 || value > max)
		return -EBADMSG;
	*ret = value;
	return 0;
}

static int get(struct lxe_mount *m, const struct lxe_field *f)
{
	uint64_t value = 0;
	int r;

	switch ((enum tag)f->tag) {
	case TAG_KIND:
		r = get_number(f, LXE_MOUNT_DISK, &value);
		m->kind = (enum lxe_mount_kind)value;
		return r;
	case TAG_SRC:
		return m->src ? -EBADMSG : lxe_field_text(f, &m->src);
	case TAG_DST:
		return m->dst ? -EBADMSG : lxe_field_text(f, &m->dst);
	case TAG_RO:
		r = get_number(f, 1, &value);
		m->ro = value;
		return r;
	case TAG_COW:
		r = get_number(f, 1, &value);
		m->cow = value;
		return r;
	case TAG_UNSHIFTED:
		r = get_number(f, 1, &value);
		m->unshifted = value;
		return r;
	case TAG_SIZE:
		return get_number(f, UINT64_MAX, &m->size);
	case TAG_MODE:
		r = get_number(f, 0777, &value);
		m->mode = (uint32_t)value;
		return r;
	case TAG_RW:
		r = get_number(f, 1, &value);
		m->rw = value;
		return r;
	}
	return -EBADMSG;
}

static bool is_valid(const struct lxe_mount *m)
{
	bool tmpfs = m->kind == LXE_MOUNT_TMPFS;

	return m->kind && m->dst && lxe_mount_dst_is_valid(m->dst) && !m->src == tmpfs &&
	       (!m->src || m->src[0] == '/') && !m->size == !tmpfs &&
	       (!m->cow || (m->kind == LXE_MOUNT_BIND && !m->ro)) &&
	       (!m->rw || (m->kind == LXE_MOUNT_DISK && !m->ro));
}

int lxe_mounts_decode(struct lxe_mounts *list, const struct lxe_field *f)
{
	struct lxe_reader reader = { .p = f->bytes, .left = f->len };
	struct lxe_mount m = { 0 };
	struct lxe_field inner;
	int r;

	while ((r = lxe_next_field(&reader, &inner)) > 0) {
		r = get(&m, &inner);
		if (r < 0)
			break;
	}
	if (r == 0 && !is_valid(&m))
		r = -EBADMSG;
	if (r < 0) {
		lxe_mount_release(&m);
		return r;
	}
	r = lxe_mounts_add(list, &m, NULL);
	return r == -EEXIST || r == -E2BIG ? -EBADMSG : r;
}
