/* An outcome as fields of the wire encoding. Pure. */
#ifndef LXE_PROTO_OUTCOME_WIRE_H
#define LXE_PROTO_OUTCOME_WIRE_H

#include "proto/wire.h"
#include "store/outcome.h"

void lxe_outcome_encode(struct lxe_writer *w, const struct lxe_outcome *o);

/* -EBADMSG for anything that lxe_outcome_encode() does not make. */
int lxe_outcome_decode(struct lxe_outcome *ret, const unsigned char *buf, size_t len);

#endif
