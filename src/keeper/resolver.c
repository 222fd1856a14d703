#include "keeper/resolver.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "keeper/keeper.h"
#include "network/reach.h"
#include "network/resolvconf.h"
#include "sys/caps.h"
#include "sys/fd.h"
#include "sys/proc.h"

#define LISTEN_TIMEOUT_MS 10000
#define RESOLV_CONF_MAX 65536
#define READS_MAX 32
#define CAPS ((1ULL << CAP_NET_ADMIN) | (1ULL << CAP_NET_BIND_SERVICE))

struct start {
	const char *program;
	const struct lxe_cgroup_leaf *leaf;
	uid_t uid;
	gid_t gid;
	pid_t keeper;
	int config, log;
};

static const char *find_program(void)
{
	static const char *const paths[] = { "/usr/sbin/dnsmasq", "/usr/local/sbin/dnsmasq",
		"/sbin/dnsmasq", "/usr/bin/dnsmasq" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (access(paths[i], X_OK) == 0)
			return paths[i];
	return NULL;
}

/* Its packages make a user for it. */
static int find_user(struct start *s)
{
	const struct passwd *user = getpwnam("dnsmasq");

	if (!user)
		user = getpwnam("nobody");
	if (!user || user->pw_uid == 0)
		return -ENOENT;
	s->uid = user->pw_uid;
	s->gid = user->pw_gid;
	return 0;
}

/*
 * dnsmasq can drop its privileges itself, but the kernel forgets PR_SET_PDEATHSIG with that (prctl(2)).
 * Between fork and execve: async-signal-safe calls alone.
 */
static int become_dnsmasq(const struct start *s)
{
	int r;

	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || sys_caps_bound(CAPS) < 0)
		return -errno;
	if (setgroups(0, NULL) < 0 || setresgid(s->gid, s->gid, s->gid) < 0 ||
		setresuid(s->uid, s->uid, s->uid) < 0)
		return -errno;
	r = sys_caps_set_ambient(CAPS);
	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != s->keeper)
		return -ESRCH;
	return 0;
}

/*
 * Its libraries are loaded while its configuration is on its way. One that does not come, or half of one, would be
 * a dnsmasq that answers the whole world: so it listens on no port but the one that its last line names.
 */
static int run_dnsmasq(const struct start *s)
{
	char *const argv[] = { "dnsmasq", "--keep-in-foreground", "--port=0", "--no-resolv",
		"--conf-file=-", NULL };
	char *const env[] = { NULL };
	sigset_t none;
	int r;

	sigemptyset(&none);
	if (lxe_cgroup_leaf_enter(s->leaf) < 0)
		return -EIO;
	if (dup2(s->config, 0) < 0 || dup2(s->log, 1) < 0 || dup2(s->log, 2) < 0)
		return -errno;
	r = sys_close_from(3, NULL, 0);
	if (r == 0)
		r = become_dnsmasq(s);
	if (r < 0)
		return r;
	if (chdir("/") < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		return -errno;
	execve(s->program, argv, env);
	return -errno;
}

static void take_line(struct lxe_dnsmasq *d)
{
	const char *said = strstr(d->line, "]: ");
	char name[LXE_DNSLOG_NAME];

	said = said ? said + 3 : d->line;
	lxe_escape(d->last, sizeof(d->last), said, strlen(said));
	switch (lxe_dnslog_take(d->keeper->resolver.log, d->line, name)) {
	case LXE_DNSLOG_STARTED:
		d->listening = true;
		break;
	case LXE_DNSLOG_REFUSED:
		lxe_keeper_name_refused(d->keeper, name, strlen(name));
		break;
	case LXE_DNSLOG_NOTHING:
		break;
	}
}

const char *lxe_keeper_name_of(const struct lxe_keeper *k, const struct lxe_net_addr *addr)
{
	return k->resolver.log ? lxe_dnslog_name_of(k->resolver.log, addr) : NULL;
}

static void take_bytes(struct lxe_dnsmasq *d, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] != '\n') {
			if (d->len < sizeof(d->line) - 1)
				d->line[d->len++] = bytes[i];
			continue;
		}
		d->line[d->len] = '\0';
		d->len = 0;
		take_line(d);
	}
}

static void report_end(struct lxe_dnsmasq *d)
{
	struct lxe_keeper *k = d->keeper;
	char line[400];

	if (!k->resolver.ready || k->stopping || k->over)
		return;
	snprintf(line, sizeof(line),
		"the sandbox's resolver has ended: no name is known inside any more (it said: %s)",
		d->last);
	lxe_sandbox_log(&k->sandbox, line);
}

/* -EAGAIN: there is no more for now. */
static int take_log_once(struct lxe_dnsmasq *d)
{
	char buf[4096];
	ssize_t n = sys_read(d->log, buf, sizeof(buf));

	if (n == -EAGAIN)
		return -EAGAIN;
	if (n > 0) {
		take_bytes(d, buf, (size_t)n);
		return 0;
	}
	d->over = true;
	lxe_loop_remove(d->keeper->loop, &d->source);
	lxe_drop_fd(&d->log);
	report_end(d);
	return 0;
}

static void take_log(void *dnsmasq, uint32_t events)
{
	(void)events;
	take_log_once(dnsmasq);
}

void lxe_keeper_resolver_read(struct lxe_keeper *k)
{
	for (size_t i = 0; i < k->resolver.n; i++)
		for (int turn = 0; k->resolver.dnsmasq[i].log >= 0 && turn < READS_MAX; turn++)
			if (take_log_once(&k->resolver.dnsmasq[i]) == -EAGAIN)
				break;
}

static int start_one(struct lxe_dnsmasq *d, struct start *s)
{
	LXE_AUTOCLOSE int reading = -EBADF, writing = -EBADF;
	struct lxe_keeper *k = d->keeper;
	int ends[2] = { -EBADF, -EBADF }, r;
	pid_t pid;

	r = sys_pipe(ends);
	if (r < 0)
		return r;
	reading = ends[0];
	writing = ends[1];
	r = sys_set_nonblock(reading, true);
	if (r < 0)
		return r;
	s->config = d->config;
	s->log = writing;
	pid = sys_fork_into(lxe_cgroup_leaf_fork_fd(k->init_leaf));
	if (pid < 0)
		return (int)pid;
	if (pid == 0) {
		r = run_dnsmasq(s);
		dprintf(2, "dnsmasq[0]: %s\n", strerrordesc_np(-r));
		_exit(127);
	}
	lxe_drop_fd(&d->config);
	r = lxe_loop_add(k->loop, &d->source, reading, EPOLLIN);
	if (r == 0)
		d->log = take_fd(&reading);
	return r;
}

int lxe_keeper_resolver_start(struct lxe_keeper *k, struct lxe_err *err)
{
	struct start s = { .program = find_program(), .leaf = k->init_leaf, .keeper = getpid() };
	int r = 0;

	if (k->resolver.n == 0)
		return 0;
	r = s.program ? find_user(&s) : -ENOENT;
	if (r < 0)
		return lxe_fail(err, r, "find a user for dnsmasq");
	for (size_t i = 0; r == 0 && i < k->resolver.n; i++)
		r = start_one(&k->resolver.dnsmasq[i], &s);
	return r < 0 ? lxe_fail(err, r, "start dnsmasq") : 0;
}

static int open_one(struct lxe_keeper *k, int *writing)
{
	struct lxe_dnsmasq *d = &k->resolver.dnsmasq[k->resolver.n];
	int ends[2] = { -EBADF, -EBADF }, r = sys_pipe(ends);

	if (r < 0)
		return r;
	*d = (struct lxe_dnsmasq){ .keeper = k, .config = ends[0], .log = -EBADF };
	d->source = (struct lxe_source){ .fd = -EBADF, .ready = take_log, .arg = d };
	*writing = ends[1];
	k->resolver.n++;
	return 0;
}

static int refuse_missing(struct lxe_err *err)
{
	lxe_fail_msg(err, -ENOENT, "rules with names need dnsmasq, which is not installed");
	lxe_hint(err, "install the package dnsmasq-base, or write the rules with addresses");
	return -ENOENT;
}

int lxe_keeper_resolver_open(
	struct lxe_keeper *k, int writing[LXE_RESOLVERS_MAX], size_t *n, struct lxe_err *err)
{
	char text[RESOLV_CONF_MAX] = "";
	int count, r;

	*n = 0;
	/* One that cannot be read names no server, as for every program of the host. */
	if (sys_read_file(AT_FDCWD, "/etc/resolv.conf", text, sizeof(text)) < 0)
		text[0] = '\0';
	r = lxe_resolvconf_servers(&k->resolver.servers, text);
	if (r == 0 && k->main->spec.net.mode == LXE_NET_OPEN)
		r = lxe_reach_keep(&k->resolver.servers, &k->main->spec.net);
	count = r < 0 ? r : lxe_resolver_count(&k->main->spec.net, &k->resolver.servers);
	if (count < 0)
		return lxe_fail(err, count, "read the rules of the network");
	if (count > 0 && !find_program())
		return refuse_missing(err);
	if (count > 0) {
		k->resolver.log = calloc(1, sizeof(*k->resolver.log));
		r = k->resolver.log ? 0 : -ENOMEM;
	}
	for (; r == 0 && *n < (size_t)count; *n += r == 0)
		r = open_one(k, &writing[*n]);
	if (r == 0)
		return 0;
	while (*n)
		lxe_close(writing[--*n]);
	return lxe_fail(err, r, "make a pipe for dnsmasq");
}

static bool is_settled(const struct lxe_keeper *k)
{
	size_t listening = 0;

	for (size_t i = 0; i < k->resolver.n; i++) {
		if (k->resolver.dnsmasq[i].over)
			return true;
		listening += k->resolver.dnsmasq[i].listening;
	}
	return listening == k->resolver.n || k->stopping;
}

int lxe_keeper_resolver_await(struct lxe_keeper *k, struct lxe_err *err)
{
	int r = lxe_keeper_wait_until(k, is_settled, LISTEN_TIMEOUT_MS);

	if (r == 0 && k->stopping)
		r = -ECANCELED;
	for (size_t i = 0; r == 0 && i < k->resolver.n; i++) {
		const struct lxe_dnsmasq *d = &k->resolver.dnsmasq[i];

		if (!d->over)
			continue;
		lxe_fail_msg(err, -EIO, "dnsmasq does not listen: %s", d->last);
		lxe_hint(err,
			"port 53 of the sandbox's gateway must be free: 'ss -lnpu sport = 53' "
			"says who else listens on every address");
		return -EIO;
	}
	if (r < 0)
		return lxe_fail(err, r, "wait until dnsmasq listens");
	k->resolver.ready = true;
	return 0;
}

void lxe_keeper_resolver_release(struct lxe_keeper *k)
{
	for (size_t i = 0; i < k->resolver.n; i++) {
		struct lxe_dnsmasq *d = &k->resolver.dnsmasq[i];

		lxe_loop_remove(k->loop, &d->source);
		lxe_drop_fd(&d->log);
		lxe_drop_fd(&d->config);
	}
	k->resolver.n = 0;
	free(take_ptr(k->resolver.log));
	lxe_strv_release(&k->resolver.servers);
}
