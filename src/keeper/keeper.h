/*
 * The keeper of one sandbox: the only process that calls liblxc and mounts. It makes what the
 * client's spec asks for, parks the command, releases it, waits for it, and tears everything down,
 * whatever ends the run. One thread; every wait also listens to the client and to signals.
 */
#ifndef LXE_KEEPER_KEEPER_H
#define LXE_KEEPER_KEEPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "cgroup/cgroup.h"
#include "confine/confine.h"
#include "container/container.h"
#include "keeper/state.h"
#include "policy/spec.h"
#include "proto/msg.h"
#include "rootfs/rootfs.h"
#include "store/outcome.h"
#include "store/sandbox.h"
#include "terminal/pty.h"
#include "terminal/ring.h"

/* A child that was reaped before anybody knew who it was. */
struct lxe_ended {
	pid_t pid;
	int status;
	struct rusage usage;
};

/* The command: its process, and the ends of its two pipes. */
struct lxe_command {
	struct lxe_ended early[4]; /* who ended while `pid` was not known: one of them may be it */
	unsigned int n_early;
	pid_t pid;   /* 0: none */
	int report;  /* what the child says (child.h) */
	int release; /* a byte releases it, closing it ends the park */
	bool ended;
	int status; /* its wait status, once ended */
};

struct lxe_keeper {
	int control; /* to the client; -EBADF once it is gone */
	pid_t client;
	int signals; /* signalfd: SIGCHLD and what ends us */
	int timer;   /* the run's deadline */
	enum lxe_state state;
	struct rlimit nofile; /* as the caller has it, for the command */

	struct lxe_sandbox sandbox;
	struct lxe_msg request; /* CREATE, with its descriptors */
	struct lxe_spec spec;
	struct lxe_ring *ring;

	struct lxe_cgroup_host *cgroups;
	struct lxe_cgroup *cgroup;
	struct lxe_cgroup_leaf *init_leaf, *command_leaf;
	int host_view; /* the mount namespace to go back to */
	struct lxe_filter filter;
	struct lxe_idmap idmap;
	struct lxe_image image;
	struct lxe_container *container;
	pid_t monitor; /* 0: none, or reaped */
	struct lxe_pty pty;
	struct lxe_command command;

	bool client_gone;
	bool stopping;	 /* the client, or a signal, asked for the end */
	int stop_signal; /* the one the client got */
	bool bye;	 /* the client has restored its terminal */
	bool drained;	 /* the client has delivered the terminal's last bytes */
	bool timed_out;

	uint64_t lap_us; /* when the current span began */
	struct lxe_outcome outcome;
};

/* judge.c: fill in the outcome's cause, statuses and counters. */
void lxe_keeper_judge(struct lxe_keeper *k);

/* The span ends here, and the next one begins. */
void lxe_keeper_lap(struct lxe_keeper *k, enum lxe_span span);

/*
 * Serve one client on `control` (taken): the sandbox whose directory comes with its request, lock
 * included. `title` is where ps(1) looks for our argument, room for an id: it is put there. Returns
 * when nothing of the sandbox is left, or when what is left was reported and stays in the journal.
 */
int lxe_keeper_run(int control, char *title);

/* build.c: serve one request to build an image. An end of the client, its STOP or a signal ends the build. */
int lxe_keeper_build(int control);

/* build.c: build an image in request.dirs. -ECANCELED when it was ended from outside. */
int lxe_keeper_make_image(
	struct lxe_keeper *k, const char *name, bool replace, struct lxe_err *err);

/* What a keeper of either kind begins with: signals, the timer, being a subreaper; and ends with. */
int lxe_keeper_set_up(struct lxe_keeper *k, struct lxe_err *err);
void lxe_keeper_send_done(struct lxe_keeper *k);

/* create.c: everything up to the parked command. -ECANCELED when the wait was ended from outside. */
int lxe_keeper_create(struct lxe_keeper *k, struct lxe_err *err);

/* command.c: fork the command into the container and park it; release it. */
int lxe_command_park(struct lxe_keeper *k, struct lxe_err *err);
int lxe_command_release(struct lxe_keeper *k, struct lxe_err *err);

/*
 * wait.c: wait until `fd` is readable (negative: for events only), at most timeout_ms (negative: no
 * limit), while messages, signals and ended children are taken note of in *k. 0 when it is, -ETIMEDOUT,
 * -ECANCELED when the run is to end; with a negative fd it returns 0 after each event.
 */
int lxe_keeper_wait(struct lxe_keeper *k, int fd, int timeout_ms);

/* The command's pid is known from now on, and perhaps its end as well. */
void lxe_keeper_know_command(struct lxe_keeper *k, pid_t pid);

/* Take note of a child that was reaped: the command's end, the monitor's, or anybody else's. */
void lxe_keeper_reaped(void *keeper, pid_t pid, int status, const struct rusage *usage);

#endif
