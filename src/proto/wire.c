#include "proto/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEADER 5

static unsigned char *room_for(struct lxe_writer *w, size_t len)
{
	size_t need = w->len + HEADER + len, size = w->size ? w->size : 256;
	unsigned char *grown;

	if (w->error)
		return NULL;
	while (size < need)
		size *= 2;
	if (size != w->size) {
		grown = realloc(w->buf, size);
		if (!grown) {
			w->error = -ENOMEM;
			return NULL;
		}
		w->buf = grown;
		w->size = size;
	}
	return w->buf + w->len;
}

void lxe_put_bytes(struct lxe_writer *w, uint8_t tag, const void *bytes, size_t len)
{
	unsigned char *p;

	if (len > UINT32_MAX) {
		w->error = -ENOMEM;
		return;
	}
	p = room_for(w, len);
	if (!p)
		return;
	p[0] = tag;
	for (int i = 0; i < 4; i++)
		p[1 + i] = (unsigned char)(len >> (8 * i));
	if (len)
		memcpy(p + HEADER, bytes, len);
	w->len += HEADER + len;
}

void lxe_put_text(struct lxe_writer *w, uint8_t tag, const char *text)
{
	if (text)
		lxe_put_bytes(w, tag, text, strlen(text));
}

void lxe_put_u64(struct lxe_writer *w, uint8_t tag, uint64_t value)
{
	unsigned char bytes[8];

	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char)(value >> (8 * i));
	lxe_put_bytes(w, tag, bytes, sizeof(bytes));
}

void lxe_writer_release(struct lxe_writer *w)
{
	free(w->buf);
	*w = (struct lxe_writer){ 0 };
}

int lxe_next_field(struct lxe_reader *r, struct lxe_field *ret)
{
	size_t len = 0;

	if (r->left == 0)
		return 0;
	if (r->left < HEADER)
		return -EBADMSG;
	for (int i = 0; i < 4; i++)
		len |= (size_t)r->p[1 + i] << (8 * i);
	if (len > r->left - HEADER)
		return -EBADMSG;
	*ret = (struct lxe_field){ .tag = r->p[0], .bytes = r->p + HEADER, .len = len };
	r->p += HEADER + len;
	r->left -= HEADER + len;
	return 1;
}

int lxe_field_u64(const struct lxe_field *f, uint64_t *ret)
{
	uint64_t value = 0;

	if (f->len != 8)
		return -EBADMSG;
	for (int i = 0; i < 8; i++)
		value |= (uint64_t)f->bytes[i] << (8 * i);
	*ret = value;
	return 0;
}

int lxe_field_text(const struct lxe_field *f, char **ret)
{
	char *text;

	if (f->len && memchr(f->bytes, '\0', f->len))
		return -EBADMSG;
	text = malloc(f->len + 1);
	if (!text)
		return -ENOMEM;
	memcpy(text, f->bytes, f->len);
	text[f->len] = '\0';
	free(*ret);
	*ret = text;
	return 0;
}

int lxe_field_copy(const struct lxe_field *f, char *buf, size_t size)
{
	if (f->len >= size || (f->len && memchr(f->bytes, '\0', f->len)))
		return -EBADMSG;
	memcpy(buf, f->bytes, f->len);
	buf[f->len] = '\0';
	return 0;
}
