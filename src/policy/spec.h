/*
 * What is to be run and under which policy, with every default resolved and every value validated.
 * A spec is made by the client from flags and profiles, travels to the keeper as a sequence of
 * fields (lxe_spec_encode), and is read-only from there on. It owns everything it points to.
 */
#ifndef LXE_POLICY_SPEC_H
#define LXE_POLICY_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "policy/limits.h"
#include "policy/mounts.h"
#include "policy/net.h"

#define LXE_NAME_MAX 128 /* bytes of a sandbox name */
#define LXE_APPARMOR_NAME_MAX 200
#define LXE_TIMEOUT_NONE 0
#define LXE_OUTPUT_LIMIT_MIN 64
#define LXE_OUTPUT_LIMIT_MAX (1024 * 1024 * 1024)

enum lxe_tty { LXE_TTY_AUTO, LXE_TTY_ON, LXE_TTY_OFF };

/* Enough for a parallel build, far too little for a fork bomb. */
#define LXE_DEFAULT_PIDS 2048

/* What becomes of the changes in copy-on-write binds when the command has ended. */
enum lxe_settle { LXE_SETTLE_NONE, LXE_SETTLE_COMMIT, LXE_SETTLE_DISCARD };

struct lxe_settling {
	bool dry_run; /* they are shown and dropped */
	enum lxe_settle on_success, on_failure;
	bool on_disk; /* their layers need a disk, although nothing is kept */
};

struct lxe_spec {
	char *name; /* NULL: none asked for */
	char *image;
	struct lxe_strv argv;	  /* never empty; bytes, not necessarily UTF-8 */
	struct lxe_strv env;	  /* K=V, in the order given; the last of a name wins */
	struct lxe_strv deny;	  /* absolute paths inside that are out of reach */
	struct lxe_mounts mounts; /* of the caller's files */
	char *user;		  /* UID[:GID] or a name inside; NULL: root */
	char *cwd;		  /* absolute, inside; NULL: the image's default */
	char *term;		  /* TERM of the caller when a terminal is used, else NULL */
	char *result;		  /* where the result record goes: a path, "fd:N" or NULL */
	enum lxe_tty tty;	  /* resolved to ON or OFF before it is sent */
	uint64_t memory;	  /* bytes, 0: no limit */
	uint64_t pids;		  /* processes and threads, 0: no limit */
	struct lxe_limits limits; /* all others */
	struct lxe_net_spec net;
	uint64_t timeout_ms; /* wall clock from the start of the command, 0: none */
	uint64_t ttl_ms;     /* wall clock from the making of the sandbox, 0: none */
	uint64_t idle_ms;    /* without any use, 0: for ever */
	uint64_t caps;	     /* capabilities of the bounding set, as in /proc/PID/status */
	bool new_privs;	     /* setuid programs and file capabilities work */
	char *seccomp;	     /* default, strict, unconfined, or a profile's path; NULL: default */
	char *seccomp_text;  /* that profile; NULL: a built-in one */
	bool seccomp_log;    /* what it would deny is logged instead */
	char *apparmor;	     /* default, unconfined, or a profile's name; NULL: default */
	char *learn;	     /* path of the profile that is made of what is used, or NULL */
	bool pids_asked;     /* somebody has said how many: that holds, or nothing runs */
	bool no_explain;     /* what it is denied is not told, whoever asks */
	bool keep;	     /* it stays when its command has ended */
	struct lxe_settling settling;
	uint16_t rows, cols; /* terminal size, 0: unknown */
	int verbose;	     /* -1 quiet, 0, 1.. */

	/* NAME=SOURCE, as given: the client's alone, neither sent nor written (policy/secret.h). */
	struct lxe_strv secrets;

	/* Of what it puts out, in bytes for each stream; 0: it has the caller's own files. */
	uint64_t output_limit;
	char *spill; /* path of the file that gets all of it, or NULL */
};

void lxe_spec_init(struct lxe_spec *spec); /* the built-in defaults */
void lxe_spec_release(struct lxe_spec *spec);

/* Is anything to be done with its changes at its end? */
bool lxe_spec_settles(const struct lxe_spec *spec);

/* Is what it writes on a disk, because it is kept, or may have to be? */
bool lxe_spec_on_disk(const struct lxe_spec *spec);

/* What --dry-run, --on-success and --on-failure mean for the binds, or contradict. */
int lxe_spec_settle(struct lxe_spec *spec, struct lxe_err *err);

/* Encode into allocated memory (the caller frees *ret). */
int lxe_spec_encode(const struct lxe_spec *spec, unsigned char **ret, size_t *ret_len);

/*
 * Decode what lxe_spec_encode() made. Unknown, duplicate, truncated or trailing bytes: -EBADMSG
 * and *ret untouched. *ret must be released or zero beforehand.
 */
int lxe_spec_decode(struct lxe_spec *ret, const unsigned char *buf, size_t len);

/* 1..128 bytes of UTF-8 without control characters or '/', not "." or "..", no leading '-'. */
int lxe_name_validate(const char *name, struct lxe_err *err);

#endif
