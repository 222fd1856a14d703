/*
 * What a sandbox's directory says of it for as long as it exists: who it is, who made it, and from
 * which spec. Written once, by whoever makes the sandbox, readable by its owner alone, because it
 * holds the nonce that opens its socket. Encoding and decoding are pure; only lxe_record_read() looks at files.
 */
#ifndef LXE_PROTO_RECORD_H
#define LXE_PROTO_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/msg.h"
#include "store/outcome.h"
#include "sys/boot.h"

#define LXE_BOOT_ID_LEN SYS_BOOT_ID_LEN

struct lxe_record {
	char id[LXE_ID_LEN + 1];
	char name[129]; /* empty: none */
	bool keep;	/* it stays when its command has ended */
	uid_t owner;
	pid_t creator;
	char origin[256]; /* argv[0] of the creator; bytes */
	uint64_t created_at_ms;
	char boot[LXE_BOOT_ID_LEN + 1]; /* of the kernel on which it runs */
	unsigned char nonce[LXE_NONCE_LEN];
	unsigned char *spec; /* encoded; the record's own */
	size_t spec_len;
};

/*
 * Was the machine restarted since? Then nothing of the kernel's is left of what is kept: it is
 * stopped, although nobody has ended it. False when nobody knows.
 */
bool lxe_record_is_of_earlier_boot(const struct lxe_record *r);

#define LXE_RESTARTED "the machine was restarted"

void lxe_record_release(struct lxe_record *r);

/* Into allocated memory (the caller frees *ret). */
int lxe_record_encode(const struct lxe_record *r, unsigned char **ret, size_t *len);

/* -EBADMSG for what is no record or cut short, -EPROTONOSUPPORT for one of another version. */
int lxe_record_decode(struct lxe_record *ret, const unsigned char *buf, size_t len);

/* The same for the record of the sandbox whose directory is `dir`; -ENOENT: it has none. Released by the caller. */
int lxe_record_read(struct lxe_record *ret, int dir);

#endif
