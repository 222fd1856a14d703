/*
 * Who leads those who set rules of this network namespace at once, and how the others reach him: a
 * lock, and two sockets of his. See together.h.
 */
#ifndef LXE_NETWORK_LEAD_H
#define LXE_NETWORK_LEAD_H

#include <errno.h>

#define LXE_TOGETHER_ID 9 /* bytes of the beginning of an id */

enum lxe_together_kind {
	LXE_TOGETHER_SET,
	LXE_TOGETHER_UNDO,
	LXE_TOGETHER_KINDS,
};

/* What is asked of a leader. */
struct lxe_lead_request {
	enum lxe_together_kind kind;
	char id[LXE_TOGETHER_ID];
};

/* What comes with it. */
struct lxe_lead_files {
	int texts;
	int later; /* what is to be closed when he has ended his tools, or negative; see together.h */
};

#define LXE_LEAD_NO_FILES ((struct lxe_lead_files){ .texts = -EBADF, .later = -EBADF })

struct lxe_lead {
	int dir, lock;
	int queues[LXE_TOGETHER_KINDS]; /* where others come; negative: he leads himself alone */
	unsigned int nth;		/* of those who have handed on the same lock */
};

#define LXE_LEAD_NONE                                                       \
	(struct lxe_lead)                                                   \
	{                                                                   \
		.dir = -EBADF, .lock = -EBADF, .queues = { -EBADF, -EBADF } \
	}

/*
 * Get the lead, or have it done by who has it. 1: it is done. 0: this one leads. Negative: neither.
 * To be ended in any case.
 */
int lxe_lead_get(struct lxe_lead *ret, const char *run, const struct lxe_lead_request *request,
	const struct lxe_lead_files *files);

/* Who waits? A bit for each kind; waits for `timeout_ms` until somebody does. */
unsigned int lxe_lead_look(const struct lxe_lead *lead, int timeout_ms);

/*
 * The next one of a kind: his socket, and his request and files, the caller's. -EAGAIN: there is none;
 * -ETIMEDOUT: there was one who said nothing.
 */
int lxe_lead_accept(const struct lxe_lead *lead, enum lxe_together_kind kind,
	struct lxe_lead_request *ret, struct lxe_lead_files *files);

void lxe_lead_close(struct lxe_lead_files *files);

/* What he has asked for is done. Whose socket is closed without that does it himself. */
void lxe_lead_answer(int socket);

/* Hand it on, with the lock, to one who waits; rather to one whose sandbox ends. */
void lxe_lead_end(struct lxe_lead *lead);

#endif
