#include "keeper/resolver.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "keeper/keeper.h"
#include "sys/caps.h"
#include "sys/fd.h"
#include "sys/proc.h"

#define LISTEN_TIMEOUT_MS 10000
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

static int run_dnsmasq(const struct start *s)
{
	char *const argv[] = { "dnsmasq", "--keep-in-foreground", "--conf-file=-", NULL };
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

const char *lxe_resolver_log_refused(const char *line, size_t *len)
{
	const char *name = strstr(line, "]: config "), *end;

	if (!name)
		return NULL;
	name += strlen("]: config ");
	end = strstr(name, " is NXDOMAIN");
	/* Who asks whose address this is, asks about no name. */
	if (!end || end == name || (end - name > 5 && memcmp(end - 5, ".arpa", 5) == 0))
		return NULL;
	*len = (size_t)(end - name);
	return name;
}

bool lxe_resolver_log_listens(const char *line)
{
	return strstr(line, "]: listening on ") != NULL;
}

static void take_line(struct lxe_dnsmasq *d)
{
	const char *said = strstr(d->line, "]: "), *name;
	size_t len;

	lxe_escape(d->last, sizeof(d->last), said ? said + 3 : d->line,
		strlen(said ? said + 3 : d->line));
	if (lxe_resolver_log_listens(d->line))
		d->listening = true;
	if (strstr(d->line, "]: failed to create listening socket"))
		d->failed = true;
	name = lxe_resolver_log_refused(d->line, &len);
	if (name)
		lxe_keeper_name_refused(d->keeper, name, len);
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

static void take_log(void *dnsmasq, uint32_t events)
{
	struct lxe_dnsmasq *d = dnsmasq;
	char buf[4096];
	ssize_t n = sys_read(d->log, buf, sizeof(buf));

	(void)events;
	if (n == -EAGAIN)
		return;
	if (n > 0) {
		take_bytes(d, buf, (size_t)n);
		return;
	}
	d->over = true;
	lxe_loop_remove(d->keeper->loop, &d->source);
	lxe_drop_fd(&d->log);
	report_end(d);
}

static int start_one(struct lxe_keeper *k, struct start *s, const char *config)
{
	struct lxe_dnsmasq *d = &k->resolver.dnsmasq[k->resolver.n];
	LXE_AUTOCLOSE int memfd = sys_memfd("lxe-dnsmasq", 0), reading = -EBADF, writing = -EBADF;
	int ends[2] = { -EBADF, -EBADF }, r;
	pid_t pid;

	r = memfd < 0 ? memfd : sys_write_all(memfd, config, strlen(config));
	if (r == 0)
		r = sys_pipe(ends);
	if (r < 0)
		return r;
	reading = ends[0];
	writing = ends[1];
	r = sys_set_nonblock(reading, true);
	if (r < 0 || lseek(memfd, 0, SEEK_SET) < 0)
		return r < 0 ? r : -errno;
	s->config = memfd;
	s->log = writing;
	pid = sys_fork_into(lxe_cgroup_leaf_fork_fd(k->init_leaf));
	if (pid < 0)
		return (int)pid;
	if (pid == 0) {
		r = run_dnsmasq(s);
		dprintf(2, "dnsmasq[0]: %s\n", strerrordesc_np(-r));
		_exit(127);
	}
	*d = (struct lxe_dnsmasq){ .keeper = k, .log = -EBADF };
	d->source = (struct lxe_source){ .fd = -EBADF, .ready = take_log, .arg = d };
	r = lxe_loop_add(k->loop, &d->source, reading, EPOLLIN);
	if (r < 0)
		return r;
	d->log = take_fd(&reading);
	k->resolver.n++;
	return 0;
}

int lxe_keeper_resolver_start(
	struct lxe_keeper *k, const struct lxe_resolver_plan *plan, struct lxe_err *err)
{
	struct start s = { .program = find_program(), .leaf = k->init_leaf, .keeper = getpid() };
	int r;

	if (!s.program) {
		lxe_fail_msg(err, -ENOENT, "rules with names need dnsmasq, which is not here");
		lxe_hint(
			err, "install the package dnsmasq-base, or write the rules with addresses");
		return -ENOENT;
	}
	r = find_user(&s);
	if (r < 0)
		return lxe_fail(err, r, "find a user for dnsmasq");
	for (size_t i = 0; r == 0 && i < plan->n; i++)
		r = start_one(k, &s, plan->config[i]);
	return r < 0 ? lxe_fail(err, r, "start dnsmasq") : 0;
}

static bool has_failed(const struct lxe_dnsmasq *d)
{
	return d->over || (d->failed && !d->listening);
}

static bool is_settled(const struct lxe_keeper *k)
{
	size_t listening = 0;

	for (size_t i = 0; i < k->resolver.n; i++) {
		if (has_failed(&k->resolver.dnsmasq[i]))
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

		if (!has_failed(d))
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
	}
	k->resolver.n = 0;
}
