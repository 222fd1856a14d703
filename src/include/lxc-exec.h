/*
 * lxc-exec: Linux containers in milliseconds, for programs. See lxc-exec(3).
 *
 * Everything is opaque and reached by functions. A function that can fail returns a negative errno
 * and describes it in an error value of the caller's, which may be NULL. Functions that may have to
 * wait take a limit in milliseconds: 0 does not wait at all, a negative one has no limit; past it
 * they return -ETIMEDOUT, and what was asked for may still happen. Nothing is printed, and signals,
 * working directory, umask and standard files of the program are left alone; every descriptor is
 * closed by exec(3).
 *
 * Different handles may be used by different threads at the same time, one handle by one thread.
 * After fork(2) a handle belongs to the parent: the child can only close it, which ends nothing.
 */
#ifndef LXC_EXEC_H
#define LXC_EXEC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LXE_API __attribute__((visibility("default")))

typedef struct lxe_error lxe_error;	       /* what went wrong */
typedef struct lxe_options lxe_options;	       /* what is to be run, and how */
typedef struct lxe_sandbox_handle lxe_sandbox; /* a container and its command */
typedef struct lxe_process_handle lxe_process; /* a command in one */

/* The library's version, as "0.1.0". */
LXE_API const char *lxe_version(void);

/* Errors: one value for any number of calls; it holds the last failure. NULL: no memory. */
LXE_API lxe_error *lxe_error_new(void);
LXE_API void lxe_error_free(lxe_error *error);
LXE_API int lxe_error_code(const lxe_error *error); /* negative errno; 0: nothing failed yet */
LXE_API const char *lxe_error_message(const lxe_error *error);
LXE_API const char *lxe_error_hint(const lxe_error *error); /* a remedy; "" when there is none */

/*
 * Options: those of the command line, by the same names and with the same values. They begin with
 * the machine's and the user's defaults (lxc-exec.conf(5)); later settings win. A flag's value is
 * yes or no, NULL means yes; "profile" reads that profile at once. An options object can be used for
 * any number of sandboxes and commands.
 */
LXE_API int lxe_options_new(lxe_options **ret, lxe_error *error);
LXE_API int lxe_options_set(
	lxe_options *options, const char *name, const char *value, lxe_error *error);
/* The command: a list that ends with NULL, copied. */
LXE_API int lxe_options_command(lxe_options *options, const char *const *argv, lxe_error *error);
/*
 * What it gets as standard input, output and error: -1 is /dev/null, which is also the default. They
 * stay the caller's and must be open when the sandbox or the command is made.
 */
LXE_API int lxe_options_stdio(lxe_options *options, int in, int out, int err, lxe_error *error);
/* Or a terminal of its own: its size, 0: 24 by 80. See lxe_pty_fd(). */
LXE_API int lxe_options_pty(
	lxe_options *options, unsigned int rows, unsigned int cols, lxe_error *error);
LXE_API void lxe_options_free(lxe_options *options);

/*
 * Sandboxes. Create makes one whose command is parked right before its execve, start releases it, and
 * run does both. Start and run fail when the command cannot be executed: -ENOENT, -ENOEXEC.
 *
 * Start also starts one again that has ended and was kept ("keep"): as it was made, with what it has
 * written, but without its secrets, and with /dev/null or a new terminal as its files. Its process is
 * the new command then, and what was known of the old one's end is freed. A handle that ends it when
 * it is closed still does; one that was attached or disarmed does not, and has no terminal. -EBUSY:
 * it runs, is gone, or somebody else is at it.
 */
LXE_API int lxe_create(
	const lxe_options *options, int timeout_ms, lxe_sandbox **ret, lxe_error *error);
LXE_API int lxe_start(lxe_sandbox *sandbox, int timeout_ms, lxe_error *error);
LXE_API int lxe_run(
	const lxe_options *options, int timeout_ms, lxe_sandbox **ret, lxe_error *error);

/* One that is there, by name or id; closing the handle does not end it. */
LXE_API int lxe_attach(const char *name, int timeout_ms, lxe_sandbox **ret, lxe_error *error);

LXE_API const char *lxe_id(const lxe_sandbox *sandbox);
LXE_API const char *lxe_name(const lxe_sandbox *sandbox); /* "" when it has none */
/* "creating", "created", "running", "stopped", "failed", "crashed" or "gone": as of now. */
LXE_API const char *lxe_state(const lxe_sandbox *sandbox);

/* Its own command; part of the sandbox, and closed with it alone. */
LXE_API lxe_process *lxe_sandbox_process(lxe_sandbox *sandbox);

/* From now on it lives on when the handle is closed, or the program ends. */
LXE_API int lxe_sandbox_disarm(lxe_sandbox *sandbox, lxe_error *error);

/* End whatever runs in it and remove all of it, also what was to be kept. */
LXE_API int lxe_destroy(lxe_sandbox *sandbox, int timeout_ms, lxe_error *error);

/*
 * Let go of it, and end it unless it is disarmed or was attached. Does not wait for that: who wants
 * to know that everything is gone calls lxe_destroy(). NULL is allowed, and errno is kept.
 */
LXE_API void lxe_sandbox_close(lxe_sandbox *sandbox);

/*
 * What was written in its copy-on-write binds ("bind", "workdir" with ":cow"), while it runs or after its
 * end: listed, carried over to where it came from, or dropped (only of one that is stopped). `paths`, a list
 * that ends with NULL, says which, as on the command line; NULL: all. `each` is called in this thread for each
 * change, when all is done: with A, D, M, T or m, the path on the host, and the object that lxc-exec diff
 * --format json has for it; both last until it returns. What it returns but 0 ends the list and is returned;
 * it may be NULL. Commit carries over all or nothing: -ESTALE when the source has changed as well, and then `each`
 * hears of those changes alone, of which the object says how ("conflict").
 *
 * These and the four below are done by a process that is nobody's child here and goes on when the limit
 * has passed.
 */
typedef int lxe_change_fn(void *arg, char change, const char *path, const char *json);
LXE_API int lxe_diff(lxe_sandbox *sandbox, const char *const *paths, lxe_change_fn *each, void *arg,
	int timeout_ms, lxe_error *error);
LXE_API int lxe_commit(lxe_sandbox *sandbox, const char *const *paths, lxe_change_fn *each,
	void *arg, int timeout_ms, lxe_error *error);
LXE_API int lxe_discard(lxe_sandbox *sandbox, int timeout_ms, lxe_error *error);

/*
 * The files of one that is stopped: remembered by a name, gone back to, and shared with a new sandbox, which is
 * stopped as well and found by lxe_attach(). A snapshot of NULL is the files as they are. Nothing is copied.
 * -EEXIST, -ENOENT: of the snapshot, or of the new name; -EBUSY: it runs, or has changes that are pending.
 */
LXE_API int lxe_snapshot(
	lxe_sandbox *sandbox, const char *snapshot, int timeout_ms, lxe_error *error);
LXE_API int lxe_snapshot_remove(
	lxe_sandbox *sandbox, const char *snapshot, int timeout_ms, lxe_error *error);
LXE_API int lxe_restore(
	lxe_sandbox *sandbox, const char *snapshot, int timeout_ms, lxe_error *error);
LXE_API int lxe_fork(lxe_sandbox *sandbox, const char *snapshot, const char *name, int timeout_ms,
	lxe_error *error);

/* Processes: one more command in a sandbox that runs; fails as lxe_start() does. */
LXE_API int lxe_exec(lxe_sandbox *sandbox, const lxe_options *options, int timeout_ms,
	lxe_process **ret, lxe_error *error);

LXE_API pid_t lxe_pid(const lxe_process *process); /* on the host; 0: none any more */

/*
 * Readable when something has happened to it, and for ever after its end: for poll(2), after which
 * comes lxe_try_wait(). It stays the library's.
 */
LXE_API int lxe_fd(const lxe_process *process);

/* Wait for its end; of a sandbox's own command, until everything is removed. 0, -ETIMEDOUT. */
LXE_API int lxe_wait(lxe_process *process, int timeout_ms, lxe_error *error);
/* Has it ended? 1 or 0; never waits. */
LXE_API int lxe_try_wait(lxe_process *process, lxe_error *error);

/*
 * Send a signal: SIGKILL to everything that the command has started (the sandbox's own command: to
 * the whole sandbox), any other to the command. -ESRCH when it has ended.
 */
LXE_API int lxe_kill(lxe_process *process, int signal, int timeout_ms, lxe_error *error);
/* Ask it to end by its stop signal, and wait; one that has not ended by then goes on: -ETIMEDOUT. */
LXE_API int lxe_drain(lxe_process *process, int timeout_ms, lxe_error *error);

/*
 * Its terminal: the master, which stays the library's and does not block, to be polled and written
 * to; -ENOTTY when it has none. Reading is for lxe_pty_read() alone, which keeps what others are to
 * see of it: bytes read, 0 when nobody holds the terminal inside any more, or a negative errno.
 */
LXE_API int lxe_pty_fd(const lxe_process *process);
LXE_API ssize_t lxe_pty_read(
	lxe_process *process, void *buf, size_t size, int timeout_ms, lxe_error *error);
LXE_API int lxe_resize(
	lxe_process *process, unsigned int rows, unsigned int cols, lxe_error *error);

/* As for a sandbox: from now on it lives on; let go of it, and end it unless it is disarmed. */
LXE_API int lxe_process_disarm(lxe_process *process, lxe_error *error);
LXE_API void lxe_process_close(lxe_process *process);

/*
 * How it ended, once it has; texts stay the handle's. The exit code is what lxc-exec(1) would exit
 * with; the signal is 0 when there was none; the cause is one of "exit", "signal", "timeout", "oom",
 * "limit", "policy", "killed" and "error"; the JSON object is that of --result. Before the end:
 * -EAGAIN, or NULL.
 */
LXE_API int lxe_result_exit_code(const lxe_process *process);
LXE_API int lxe_result_signal(const lxe_process *process);
LXE_API const char *lxe_result_cause(const lxe_process *process);
LXE_API const char *lxe_result_message(const lxe_process *process); /* "": nothing to say */
LXE_API const char *lxe_result_hint(const lxe_process *process);
LXE_API const char *lxe_result_json(lxe_process *process);

#ifdef __cplusplus
}
#endif

#endif
