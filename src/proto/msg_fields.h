/* The fields of messages. Internal to proto/. */
#ifndef LXE_PROTO_MSG_FIELDS_H
#define LXE_PROTO_MSG_FIELDS_H

#include "proto/msg.h"
#include "proto/wire.h"

/* The fields of a message of this type, as a set of bits by tag: all of them, and no others. */
uint32_t lxe_msg_fields_of(enum lxe_msg_type type);

void lxe_msg_put_fields(struct lxe_writer *w, const struct lxe_msg *msg);

/* A tag that is unknown, or a value that does not fit: -EBADMSG. */
int lxe_msg_get_field(struct lxe_msg *msg, const struct lxe_field *f, const int *fds, size_t n_fds);

#endif
