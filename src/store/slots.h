/*
 * Metrics slots: RUN/slots, a file that all keepers of a run directory map and write into, each in
 * a slot of its own, and that `stats` reads without asking anybody. A slot is *reserved* before the
 * sandbox starts, *active* while it runs, and *free* after.
 *
 * Who owns a slot is known to the kernel: an F_OFD_SETLK lock on the slot's bytes, held by the
 * owner's open file description. It ends with the owner however that ends, in the same moment and
 * without a look at /proc, and who can take it may take the slot back. A pid with its start time
 * would be two steps (look, then act) with a race between them, and says nothing across pid
 * namespaces; a robust futex belongs to a thread and cannot be handed over. What follows from it:
 * a child that keeps the descriptor keeps the slot, so children close it as they close the
 * sandbox's own lock. The mapping would hold the lock as well, therefore it is not inherited.
 *
 * While an owner lives nobody else gets its slot, so a write needs no lock: a handle is checked by
 * the slot's generation, and one that was released, or that a fork brought along, does nothing.
 * Readers never see torn data: each slot has two copies, the writer fills the one that is not shown
 * and then turns the slot's sequence. A writer that is stopped or killed in the middle shows the
 * copy before.
 *
 * Nobody wakes up for freshness' sake: `stats` asks (lxe_slots_ask), keepers have a descriptor to
 * poll (lxe_slots_watch), publish once, and the asker sleeps on a futex until they have.
 *
 * The file is trusted as its owner is: it is refused unless it is ours alone. Whoever cuts it short
 * while it is mapped ends its users by SIGBUS; a full file system does not (space is taken before a
 * page is touched). An object belongs to one thread. Only lxe_slots_await_fresh() blocks.
 */
#ifndef LXE_STORE_SLOTS_H
#define LXE_STORE_SLOTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/outcome.h"

#define LXE_SLOTS_MAX 4096

/* The state as the sandbox's keeper sees it; the values are those of keeper/state.h. */
enum lxe_metrics_state {
	LXE_METRICS_CREATING,
	LXE_METRICS_CREATED,
	LXE_METRICS_RUNNING,
	LXE_METRICS_STOPPED,
	LXE_METRICS_FAILED,
};

#define LXE_METRICS_STATES 5

/* "running"; "unknown" for a value that is none. */
const char *lxe_metrics_state_name(uint32_t state);

/* A figure that nobody could tell: bytes that pass by us, a counter that the host does not have. */
#define LXE_METRIC_UNKNOWN UINT64_MAX
#define LXE_METRIC_UNKNOWN32 UINT32_MAX

/* Times are sys_now_us() (CLOCK_MONOTONIC), 0: not yet. The layout is part of the file's. */
struct lxe_metrics {
	uint64_t cpu_us;
	uint64_t memory_now, memory_peak; /* bytes */
	uint64_t bytes_in, bytes_out;	  /* through the terminal */
	uint64_t created_us, started_us,
		stopped_us;  /* created_us: 0 means the slot's reservation */
	uint64_t updated_us; /* set by lxe_slot_publish() */
	uint32_t state;	     /* enum lxe_metrics_state */
	uint32_t pids;
	int32_t pid; /* of the command, on the host; 0: none */
	uint32_t execs;
};

struct lxe_slots;

enum lxe_slots_use {
	LXE_SLOTS_OWN,	/* to reserve: the file is made if it is missing */
	LXE_SLOTS_LOOK, /* to read: -ENOENT, without a message, when there is none */
};

/*
 * -EBADMSG, -EPROTONOSUPPORT or -EPERM for a file that is none of ours, of another version, or that
 * others can write; the hint names the remedy. Without slots a sandbox runs as well, unmeasured.
 */
int lxe_slots_open(
	struct lxe_slots **ret, const char *run, enum lxe_slots_use use, struct lxe_err *err);

/* Release the slots that are still held, and everything else. NULL is allowed. */
void lxe_slots_close(struct lxe_slots *s);

/* A plain value; it does not keep the slots open. */
struct lxe_slot_handle {
	struct lxe_slots *slots; /* NULL: no slot, and every call on it does nothing */
	uint32_t index, generation;
};

#define LXE_SLOT_NONE ((struct lxe_slot_handle){ .slots = NULL })

/*
 * Take a slot for the sandbox; readers see it as "creating" at once. A free one, else one whose
 * owner is dead; -ENOSPC when all have living owners.
 */
int lxe_slot_reserve(
	struct lxe_slots *s, const char *id, struct lxe_slot_handle *ret, struct lxe_err *err);

/* 0; -ESTALE, and nothing is touched, when the slot is not the handle's any more. */
int lxe_slot_activate(const struct lxe_slot_handle *h);
int lxe_slot_publish(const struct lxe_slot_handle *h, const struct lxe_metrics *m);

/* Idempotent; the handle is LXE_SLOT_NONE afterwards. */
void lxe_slot_release(struct lxe_slot_handle *h);

enum lxe_slot_phase { LXE_SLOT_FREE, LXE_SLOT_RESERVED, LXE_SLOT_ACTIVE };

/* What a reader sees of a slot that is not free: a copy of one moment. */
struct lxe_slot_view {
	uint32_t index, generation;
	enum lxe_slot_phase phase;
	char id[LXE_ID_LEN + 1];
	struct lxe_metrics metrics;
};

/*
 * Visit each slot that is not free, in the order of their numbers, with no system call. A `visit`
 * that returns anything but 0 ends it, and that is returned; otherwise how many were visited. A
 * slot that is written without a pause, or changes its owner in this moment, may be left out.
 */
typedef int (*lxe_slots_visit)(void *arg, const struct lxe_slot_view *view);
int lxe_slots_read(struct lxe_slots *s, lxe_slots_visit visit, void *arg);

/*
 * Has the slot that was seen a living owner? 1, 0, or a negative errno: -ESTALE when it was released
 * or given to another since. One system call.
 */
int lxe_slots_is_owned(struct lxe_slots *s, const struct lxe_slot_view *view);

/*
 * Free the slots of dead owners: those of one sandbox, or all with a NULL id, which costs a system
 * call for each slot in use. How many, or a negative errno. Needs LXE_SLOTS_OWN.
 */
int lxe_slots_collect(struct lxe_slots *s, const char *id);

/*
 * Ask all keepers to publish. *since_us is the moment of the request: what was updated later is an
 * answer to it. That nobody listens is no failure. Needs LXE_SLOTS_LOOK.
 */
int lxe_slots_ask(struct lxe_slots *s, uint64_t *since_us, struct lxe_err *err);

/*
 * Block until each active slot with a living owner was updated at since_us or later, or until the
 * time is up: how many were not, or a negative errno.
 */
int lxe_slots_await_fresh(struct lxe_slots *s, uint64_t since_us, uint32_t timeout_ms);

/*
 * A descriptor (the caller's to close) that poll(2) reports, with POLLHUP, once somebody has asked.
 * Then: lxe_slots_asked(), which makes it ready for the next time, and after that one publish for
 * however many requests. Negative from it: take the descriptor out of the poll set. The path is not
 * needed any more once it is open.
 *
 * It is the FIFO RUN/slots.ask: a reader that opened it before a writer came is told when that
 * writer goes, and so are all others. Of inotify instances an owner has 128
 * (fs.inotify.max_user_instances), fewer than sandboxes.
 */
int lxe_slots_watch(const char *run, struct lxe_err *err);
int lxe_slots_asked(int fd);

#endif
