/*
 * The encoding of records that travel between our processes: a sequence of fields, each a tag
 * (1 byte), a length (4 bytes, little endian) and that many bytes. Numbers are 8 bytes, little
 * endian. Pure: nothing here does I/O. The reader checks a length before it looks at a body.
 */
#ifndef LXE_PROTO_WIRE_H
#define LXE_PROTO_WIRE_H

#include <stddef.h>
#include <stdint.h>

/* A growing buffer; all-zero is empty. A failed allocation is remembered and reported at the end. */
struct lxe_writer {
	unsigned char *buf;
	size_t len, size;
	int error; /* 0 or -ENOMEM */
};

void lxe_put_bytes(struct lxe_writer *w, uint8_t tag, const void *bytes, size_t len);
void lxe_put_text(struct lxe_writer *w, uint8_t tag, const char *text); /* NULL: no field */
void lxe_put_u64(struct lxe_writer *w, uint8_t tag, uint64_t value);
void lxe_writer_release(struct lxe_writer *w);

struct lxe_field {
	uint8_t tag;
	const unsigned char *bytes; /* points into the record */
	size_t len;
};

struct lxe_reader {
	const unsigned char *p;
	size_t left;
};

/* The next field: 1, 0 at the clean end of the record, -EBADMSG when it is cut short. */
int lxe_next_field(struct lxe_reader *r, struct lxe_field *ret);

/* The field as a number or as newly allocated text without NUL inside: 0 or -EBADMSG/-ENOMEM. */
int lxe_field_u64(const struct lxe_field *f, uint64_t *ret);
int lxe_field_text(const struct lxe_field *f, char **ret);

/* The field as text in a buffer of `size` bytes. */
int lxe_field_copy(const struct lxe_field *f, char *buf, size_t size);

#endif
