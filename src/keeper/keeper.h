/*
 * The keeper of one sandbox: the only process that calls liblxc and mounts. It makes what the
 * client's spec asks for, parks the command, releases it, serves whoever connects, and tears
 * everything down, whatever ends the run. One thread, one loop; what has to be waited for on the way
 * to the first command is waited for in that loop.
 */
#ifndef LXE_KEEPER_KEEPER_H
#define LXE_KEEPER_KEEPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "cgroup/cgroup.h"
#include "confine/confine.h"
#include "confine/watch.h"
#include "container/container.h"
#include "keeper/channel.h"
#include "keeper/cow.h"
#include "keeper/life.h"
#include "keeper/limits.h"
#include "keeper/loop.h"
#include "keeper/metrics.h"
#include "keeper/process.h"
#include "keeper/resolver.h"
#include "keeper/state.h"
#include "rootfs/rootfs.h"
#include "store/live.h"
#include "store/outcome.h"
#include "store/sandbox.h"

/* Processes of ours in the sandbox's group: pid 1 and its monitor, for good. */
#define LXE_OWN_PROCESSES 2

#define LXE_SHORTAGE_MS 100 /* between two looks whether there are descriptors again */

/* A child that was reaped before anybody knew who it was. */
struct lxe_ended {
	struct lxe_ended *next;
	pid_t pid;
	/* `next_number` when it was reaped: a process of this number or later is another. */
	uint32_t before;
	int status;
	struct rusage usage;
};

struct lxe_keeper {
	struct lxe_loop *loop;
	int signals; /* signalfd: SIGCHLD and what ends us */
	struct lxe_source signalled;
	pid_t creator; /* who holds the other end of our first connection */
	struct lxe_channel *channels;
	bool creator_gone;
	int listening; /* the sandbox's socket */
	struct lxe_source connected;
	struct lxe_timer full; /* until there may be descriptors for who connects */

	struct lxe_process *processes;
	struct lxe_process *main; /* the sandbox's command; NULL before the request */
	uint32_t next_number;
	unsigned int starting;	 /* processes between spawn and park */
	struct lxe_ended *early; /* who ended while a process's pid was not known: one may be it */

	enum lxe_state state;
	struct rlimit nofile; /* as the caller has it, for the commands */
	struct lxe_sandbox sandbox;
	unsigned char nonce[LXE_NONCE_LEN];
	int live; /* where its state is written (store/live.h) */
	struct lxe_live now;
	uint32_t
		kept_owner; /* of one that is started again: the host's uid of root inside as it was */
	struct lxe_keeper_metrics metrics;
	struct lxe_keeper_life life;
	struct lxe_timer rest; /* until what only the beginning needed is given back */

	struct lxe_cgroup_host *cgroups;
	struct lxe_cgroup *cgroup;
	struct lxe_keeper_limits limits;
	struct lxe_cgroup_leaf *init_leaf;
	int host_view; /* the mount namespace to go back to */
	struct lxe_filter filter;
	struct lxe_learnt *learnt; /* NULL: nothing is learnt */
	struct lxe_watch watch;	   /* made for the first command that is watched */
	struct lxe_watcher *watchers;
	struct lxe_idmap idmap;
	struct lxe_image image;
	struct lxe_strv denied; /* with binds: what is denied, under all its paths */
	struct lxe_keeper_cow cow;
	struct lxe_keeper_resolver resolver;
	struct lxe_keeper_blocked *blocked; /* NULL: nothing is */
	struct lxe_container *container;
	struct lxe_network *network; /* NULL: none */
	pid_t monitor;		     /* 0: none, or reaped */

	bool stopping;	  /* a client, or a signal, asked for the end */
	int stop_signal;  /* the one the client got */
	bool established; /* whoever made it has left it to itself, or its command has begun */
	bool destroy;	  /* nothing is kept, whatever the spec says */
	bool over;	  /* the command has ended, and nothing more of it is waited for */
	bool told;	  /* everything has ended, and who wanted to know was told how */

	uint64_t lap_us; /* when the current span began */
	struct lxe_outcome outcome;
};

/* The span ends here, and the next one begins. */
void lxe_keeper_lap(struct lxe_keeper *k, enum lxe_span span);

/*
 * Serve one client on `control` (taken): the sandbox whose directory comes with its request, lock
 * included. `title` is where ps(1) looks for our argument, room for an id: it is put there. Returns
 * when nothing of the sandbox is left, or when what is left was reported and stays in the journal. An `early`
 * failure is reported as its own.
 */
int lxe_keeper_run(int control, char *title, const struct lxe_err *early);

/* build.c: serve one request to make or read an image. An end of the client, its STOP or a signal ends the build. */
int lxe_keeper_build(int control, const struct lxe_err *early);

/* build.c: build an image that is missing in the request's dirs. -ECANCELED when it was ended from outside. */
int lxe_keeper_make_image(struct lxe_keeper *k, const char *name, struct lxe_err *err);

/* What a keeper of either kind begins with: loop, signals, its client, being a subreaper; and ends with.
 * What `err` says already is reported to that client: it is then the result. */
int lxe_keeper_set_up(struct lxe_keeper *k, int control, struct lxe_err *err);
void lxe_keeper_clean_up(struct lxe_keeper *k);
int lxe_keeper_await_request(struct lxe_keeper *k, enum lxe_msg_type type, struct lxe_err *err);
void lxe_keeper_send_done(struct lxe_keeper *k);

/*
 * stay.c: for those that have not heard everything yet, or not given their terminals back.
 * The creator has done both: its files are given back, and BYE tells it that the keeper stays for others only.
 */
void lxe_keeper_stay(struct lxe_keeper *k);
void lxe_keeper_dismiss(struct lxe_keeper *k);

/* create.c: everything up to the parked command. -ECANCELED when the wait was ended from outside. */
int lxe_keeper_create(struct lxe_keeper *k, struct lxe_err *err);

/* create.c: room in the sandbox's cgroup for what is ours, beside what the user allows himself. */
int lxe_keeper_limit_pids(struct lxe_keeper *k, struct lxe_err *err);

/* ending.c: pid 1 and its monitor die, and everything in the sandbox with them. Does not wait. */
void lxe_keeper_kill_container(struct lxe_keeper *k);

/*
 * network.c: before the container is killed: what is being made of its network is ended, and taking it back
 * begins. Who does that, for lxe_teardown(); NULL: nobody, or there is none.
 */
struct lxe_net_helper *lxe_network_undo(struct lxe_keeper *k);
void lxe_network_free(struct lxe_keeper *k);

/* network.c: a child has ended. If it is who waits to take the network back, somebody else will do that. */
void lxe_network_reaped(struct lxe_keeper *k, pid_t pid);

/*
 * ending.c: is there no cgroup to end what runs by? Then each command has a uts namespace of its own, by
 * which its tree is found and killed, whatever it does to hide. Before any command is put in, what could hide one is
 * closed, and pid 1 is journalled; an exec that could hide all the same is refused with the remedy.
 */
bool lxe_keeper_lacks_cgroup(const struct lxe_keeper *k);
int lxe_keeper_prepare_ending(struct lxe_keeper *k, struct lxe_err *err);
int lxe_process_refuse_to_hide(const struct lxe_process *p, struct lxe_err *err);
void lxe_process_know_tree(struct lxe_process *p);
void lxe_process_kill_tree(struct lxe_process *p);
void lxe_process_signal_tree(const struct lxe_process *p, int signal);

/*
 * ending.c: where there is no cgroup whose end the teardown waits for: reap everything of the sandbox, which
 * must have been killed. False when it does not end in time.
 */
bool lxe_keeper_await_end(struct lxe_keeper *k);

/*
 * wait.c: go on serving events until `fd` is readable, at most timeout_ms (negative: no limit): 0,
 * -ETIMEDOUT, or -ECANCELED when the run is to end.
 */
int lxe_keeper_wait(struct lxe_keeper *k, int fd, int timeout_ms);

/* The same until `done` says so, but the end of the run is the caller's to look for. */
int lxe_keeper_wait_until(
	struct lxe_keeper *k, bool (*done)(const struct lxe_keeper *k), int timeout_ms);

/* wait.c: the process's pid is known from now on, and perhaps its end as well. */
void lxe_keeper_know_process(struct lxe_process *p);

/* wait.c: take note of a child that was reaped: a command's end, the monitor's, or anybody else's. */
void lxe_keeper_reaped(void *keeper, pid_t pid, int status, const struct rusage *usage);

/* serve.c: what came in on a connection, and its end; the message is released by the caller. */
void lxe_keeper_take(struct lxe_channel *c, struct lxe_msg *msg);
void lxe_keeper_lost(struct lxe_channel *c);

/* progress.c: nobody holds the other end of its pty any more, and all was read. */
void lxe_keeper_hung_up(struct lxe_process *p);

/* progress.c: what it had put out was delivered, after its end (output.h). */
void lxe_keeper_delivered(struct lxe_process *p);

/* progress.c: a deadline has passed for who reads what an ended one has put out. */
void lxe_keeper_give_up_delivery(struct lxe_process *p);

/* progress.c: a process is in another state. */
void lxe_keeper_moved(struct lxe_process *p);

/*
 * rest.c: the sandbox's command waits, or runs: memory that only its start needed is given back in a
 * while, counted anew each time.
 */
void lxe_keeper_rest_soon(struct lxe_keeper *k);

/* progress.c: begin the end of the whole sandbox; with a grace, by the command's stop signal first. */
void lxe_keeper_stop(struct lxe_keeper *k, int signal, uint64_t grace_ms);

/* progress.c: the same for one process. */
void lxe_process_stop(struct lxe_process *p, int signal, uint64_t grace_ms);

/* progress.c: nothing more of it is waited for. */
void lxe_keeper_finish(struct lxe_process *p);

/* progress.c: whoever is being put into the container needs room for its starter. */
void lxe_keeper_count_starting(struct lxe_process *p, bool on);

/* progress.c: release the sandbox's command, whose client is told first. */
void lxe_keeper_start(struct lxe_process *p);

/* progress.c: give back the processes that are over; after the teardown every one is, and is told so. */
void lxe_keeper_sweep(struct lxe_keeper *k, bool all);

/* The sandbox's own state. */
void lxe_keeper_move(struct lxe_keeper *k, enum lxe_state to);

/* seclude.c: keep the caller's keyring, and our own memory, out of a sandbox's reach. */
int lxe_keeper_seclude(struct lxe_err *err);

#endif
