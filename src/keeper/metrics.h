/*
 * What the keeper tells of its sandbox in shared memory (store/slots.h): a slot from before the first
 * part is made until the sandbox is gone. It is written at each change and when somebody asks, never
 * by the clock. Without a slot all of this does nothing: a sandbox runs unmeasured as well. Nothing
 * here blocks.
 */
#ifndef LXE_KEEPER_METRICS_H
#define LXE_KEEPER_METRICS_H

#include "cgroup/cgroup.h"
#include "keeper/loop.h"
#include "store/slots.h"

struct lxe_keeper;

struct lxe_keeper_metrics {
	struct lxe_slots *slots;
	struct lxe_slot_handle slot;
	int asked; /* readable when somebody wants fresh figures; negative: none */
	struct lxe_source asking;
	struct lxe_timer again; /* until it may be listened to again */
	uint64_t started_us, stopped_us;
	struct lxe_cgroup_usage usage; /* as it was last measured */
	uint64_t cpu_before;	       /* what it took to park the command */
	uint64_t bytes_in, bytes_out;  /* of processes that are gone */
	bool terminal;		       /* one of them had a terminal */
};

/* Reserve the slot and listen; before the keeper leaves the host's view of the mounts. */
void lxe_metrics_open(struct lxe_keeper *k);
void lxe_metrics_close(struct lxe_keeper *k);

/* In a fork of the keeper: it must not keep the slot when the keeper is killed. */
void lxe_metrics_forget(struct lxe_keeper *k);

/* The sandbox is in another state. */
void lxe_metrics_moved(struct lxe_keeper *k);

/* Measure and publish. */
void lxe_metrics_publish(struct lxe_keeper *k);

/* A process is about to be given back: what it has put out stays counted. */
struct lxe_process;
void lxe_metrics_gone(struct lxe_process *p);

/* Free the slots below `run` whose keepers are dead: of one sandbox, or of all with a NULL id. */
void lxe_metrics_collect(const char *run, const char *id);

#endif
