#include "client/make.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "client/again.h"
#include "client/spawn.h"
#include "keeper/teardown.h"
#include "proto/record.h"
#include "store/names.h"
#include "sys/boot.h"
#include "sys/fd.h"
#include "sys/proc.h"
#include "sys/socket.h"

/* So that gc can say how the run ended when neither of us is left to say it. */
static int journal_result(struct lxe_make *m, struct lxe_err *err)
{
	char path[PATH_MAX];
	struct lxe_entry entry = { LXE_ENTRY_RESULT, path };
	struct stat st;

	if (!m->spec->result || lxe_starts_with(m->spec->result, "fd:"))
		return 0;
	/* Only a file is still there for somebody else to write to. */
	if (fstat(m->request.fds[LXE_FD_RESULT], &st) < 0 || !S_ISREG(st.st_mode) ||
		!realpath(m->spec->result, path))
		return 0;
	return lxe_journal_add(&m->sandbox, &entry, 1, err);
}

/* The name is ours before anything is made under it. */
static int take_name(struct lxe_make *m, struct lxe_err *err)
{
	char path[PATH_MAX];
	struct lxe_entry entry = { LXE_ENTRY_NAME, path };
	int r;

	if (!m->spec->name)
		return 0;
	r = lxe_name_path(m->dirs, m->spec->name, path, sizeof(path));
	if (r < 0)
		return lxe_fail(err, r, "take the name '%s'", m->spec->name);
	r = lxe_journal_add(&m->sandbox, &entry, 1, err);
	return r < 0 ? r : lxe_name_take(m->dirs, m->spec->name, m->sandbox.id, err);
}

static int fill_record(const struct lxe_make *m, struct lxe_record *record)
{
	int r;

	record->keep = m->spec->keep;
	record->owner = geteuid();
	record->creator = getpid();
	record->created_at_ms = sys_epoch_ms();
	memcpy(record->id, m->sandbox.id, sizeof(record->id));
	r = lxe_format(
		record->name, sizeof(record->name), "%s", m->spec->name ? m->spec->name : "");
	/* What is longer than 255 bytes is cut. */
	snprintf(record->origin, sizeof(record->origin), "%s", program_invocation_name);
	if (r == 0)
		r = sys_boot_id(record->boot);
	if (r == 0 && getrandom(record->nonce, sizeof(record->nonce), 0) !=
			      (ssize_t)sizeof(record->nonce))
		r = -EIO;
	return r < 0 ? r : lxe_spec_encode(m->spec, &record->spec, &record->spec_len);
}

int lxe_make_record(struct lxe_make *m, struct lxe_err *err)
{
	struct lxe_record record = { 0 };
	LXE_AUTOFREE unsigned char *bytes = NULL;
	size_t len = 0;
	int r;

	r = fill_record(m, &record);
	if (r == 0)
		r = lxe_record_encode(&record, &bytes, &len);
	if (r == 0)
		r = lxe_sandbox_put(m->sandbox.dir, LXE_SANDBOX_RECORD, bytes, len);
	lxe_record_release(&record);
	if (r < 0) {
		lxe_fail(err, r, "write the record of sandbox '%s'", m->sandbox.id);
		lxe_hint(err, "free space in the run directory, or set LXC_EXEC_RUN_DIR");
	}
	return r;
}

static int start_keeper(struct lxe_make *m, struct lxe_err *err)
{
	int ends[2], r;
	pid_t pid = 0;

	r = sys_socketpair(ends);
	if (r < 0)
		return lxe_fail(err, r, "make the control socket");
	m->control = ends[0];
	if (m->apart)
		r = lxe_spawn_keeper_apart(m->dirs, ends[1], err);
	else
		pid = lxe_spawn_keeper(m->dirs, LXE_KEEPER_RUN, &ends[1], 1, err);
	lxe_close(ends[1]);
	if (r < 0 || pid < 0)
		return r < 0 ? r : pid;
	m->keeper = pid;
	return 0;
}

/* A keeper that could not even begin has said why before it went. One that is there waits for us. */
static int refused(const struct lxe_make *m, int r, struct lxe_err *err)
{
	struct lxe_msg msg;

	if (r != -EPIPE && r != -ECONNRESET)
		return lxe_fail(err, r, "send the request to the keeper");
	if (lxe_msg_recv(m->control, &msg) > 0 && msg.type == LXE_MSG_DONE &&
		msg.outcome.message[0]) {
		lxe_outcome_fail(&msg.outcome, r, err);
	} else {
		lxe_fail(err, r, "send the request to the keeper");
	}
	lxe_msg_release(&msg);
	return r;
}

static int send_create(struct lxe_make *m, struct lxe_err *err)
{
	int r;

	m->request.dirs = *m->dirs;
	memcpy(m->request.id, m->sandbox.id, sizeof(m->request.id));
	m->request.fds[LXE_FD_PARENT] = m->sandbox.parent;
	m->request.fds[LXE_FD_DIR] = m->sandbox.dir;
	r = lxe_msg_send(m->control, &m->request);
	return r < 0 ? refused(m, r, err) : 0;
}

static void ignore_report(void *arg, const char *id, const char *residue)
{
	(void)arg;
	(void)id;
	(void)residue;
}

int lxe_make_directory(struct lxe_make *m, struct lxe_err *err)
{
	int r = lxe_sandbox_new(
		&m->sandbox, lxe_spec_on_disk(m->spec) ? m->dirs->state : m->dirs->run, err);

	return r < 0 ? r : take_name(m, err);
}

static int make_anew(struct lxe_make *m, struct lxe_err *err)
{
	int r = lxe_make_directory(m, err);

	return r < 0 ? r : lxe_make_record(m, err);
}

int lxe_make(struct lxe_make *m, struct lxe_err *err)
{
	int r;

	/* First of all: while its program is loaded there is something to do here. */
	r = start_keeper(m, err);
	if (r < 0)
		return r;
	/* What cannot be removed now is reported by `gc`. */
	if (m->reconcile_ms)
		lxe_gc(m->dirs, m->reconcile_ms, ignore_report, NULL, NULL);
	r = m->again ? lxe_client_renew(m->again, m->dirs, &m->sandbox, err) : make_anew(m, err);
	if (r == 0)
		r = journal_result(m, err);
	return r < 0 ? r : send_create(m, err);
}
