#include "keeper/network_user.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "keeper/view.h"
#include "network/resolvconf.h"
#include "network/tool.h"
#include "network/user_deny.h"
#include "rootfs/etc.h"
#include "store/rootless.h"
#include "sys/fd.h"
#include "sys/proc.h"

#define SLIRP "slirp4netns"
#define PASTA "pasta"
#define READY_MS 10000
#define TUN_HINT "see whether /dev/net/tun is there for everybody, or use --network none"
#define DEVICE "eth0"
#define NAMESERVER "10.0.2.3" /* its own, in the network that it gives by default */
/* Their numbers in that program. */
#define READY_FD 3
#define ALIVE_FD 4

static int refuse(const char *what, struct lxe_err *err)
{
	lxe_hint(err, "run lxc-exec as root, or with --network open alone");
	return lxe_fail_msg(err, -EPERM, "%s needs root: the firewall's rules are root's", what);
}

/* The name of that which there is, or NULL. */
static const char *find_program(char path[LXE_TOOL_PATH])
{
	return lxe_tool_find(path, SLIRP) == 0	 ? SLIRP
	       : lxe_tool_find(path, PASTA) == 0 ? PASTA
						 : NULL;
}

int lxe_user_network_check(const struct lxe_net_spec *spec, struct lxe_err *err)
{
	char path[LXE_TOOL_PATH];

	if (spec->mode != LXE_NET_OPEN)
		return refuse("--network filtered", err);
	if (spec->deny.n)
		return refuse("--deny-net", err);
	if (spec->publish.n)
		return refuse("--publish", err);
	if (spec->subnet)
		return refuse("--subnet", err);
	/* It would open nothing: what is reached is what the user reaches. */
	if (spec->allow.n)
		return refuse("--allow", err);
	if (find_program(path))
		return 0;
	lxe_hint(err, "install one (Debian: apt-get install " SLIRP "), or use --network none");
	return lxe_fail_msg(err, -ENOENT,
		"--network open without root needs '" SLIRP "' or '" PASTA
		"', of which none is installed");
}

struct start {
	const char *program;
	char path[LXE_TOOL_PATH];
	char userns[48], netns[48];
	int ready, alive, errors; /* its ends */
	pid_t keeper;
};

static char *const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };

static void become_slirp(const struct start *start)
{
	const char *const argv[] = { SLIRP, "--configure", "--mtu=65520", "--disable-host-loopback",
		"--ready-fd=3", "--exit-fd=4", "--netns-type=path", "--userns-path", start->userns,
		start->netns, DEVICE, NULL };

	execve(start->path, (char *const *)argv, environment);
}

/* The same network as slirp4netns gives; it writes its number when it is ready. */
static void become_pasta(const struct start *start)
{
	const char *const argv[] = { PASTA, "--foreground", "--quiet", "--config-net",
		"--no-map-gw", "--ipv4-only", "--address", "10.0.2.100", "--netmask", "24",
		"--gateway", "10.0.2.2", "--mtu", "65520", "--dns-forward", NAMESERVER,
		"--tcp-ports", "none", "--udp-ports", "none", "--tcp-ns", "none", "--udp-ns",
		"none", "--ns-ifname", DEVICE, "--pid", "/proc/self/fd/3", "--userns",
		start->userns, "--netns", start->netns, NULL };

	execve(start->path, (char *const *)argv, environment);
}

/* It has nothing like slirp4netns's --exit-fd, and the kernel forgets PR_SET_PDEATHSIG when it enters namespaces. */
static void keep_pasta(const struct start *start)
{
	struct pollfd wait[2] = { { .fd = ALIVE_FD, .events = POLLIN }, { .events = POLLIN } };
	pid_t pid;

	/* The keeper's end is not this one's before it has been pasta's, of which the pipe tells. */
	prctl(PR_SET_PDEATHSIG, 0);
	pid = fork();

	/* One that is ignored already is an error to it. */
	if (pid == 0 && signal(SIGPIPE, SIG_DFL) != SIG_ERR)
		become_pasta(start);
	if (pid <= 0)
		_exit(127);
	close(READY_FD);
	wait[1].fd = sys_pidfd_open(pid);
	while (wait[1].fd >= 0 && poll(wait, 2, -1) < 0 && errno == EINTR)
		;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	_exit(0);
}

/* Between fork and exec. */
static void become(const struct start *start)
{
	sigset_t none;

	/* Of the namespace that the container's is in, because it is to enter that. */
	if (lxe_rootless_become_root() < 0)
		_exit(127);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != start->keeper)
		_exit(127);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(start->errors, STDOUT_FILENO) < 0 || dup2(start->errors, STDERR_FILENO) < 0 ||
		dup2(start->ready, READY_FD) < 0 || dup2(start->alive, ALIVE_FD) < 0 ||
		sys_close_from(ALIVE_FD + 1, NULL, 0) < 0)
		_exit(127);
	if (strcmp(start->program, PASTA) == 0)
		keep_pasta(start);
	become_slirp(start);
	_exit(127);
}

/* Out of the way of the numbers that they are moved to. */
static int high_pipe(int ends[2])
{
	int low[2], r = sys_pipe(low);

	if (r < 0)
		return r;
	for (int i = 0; i < 2; i++)
		ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, ALIVE_FD + 1);
	r = ends[0] < 0 || ends[1] < 0 ? -errno : 0;
	lxe_close(low[0]);
	lxe_close(low[1]);
	return r;
}

static int fail_with(const char *program, int errors, int r, struct lxe_err *err)
{
	LXE_AUTOFREE char *text = NULL;
	const char *line;
	char said[200];
	size_t len = 0;

	if (sys_read_whole(errors, 65536, &text, &len) < 0 || len == 0) {
		lxe_hint(err, TUN_HINT);
		return lxe_fail(err, r, "wait for '%s'", program);
	}
	line = text;
	/* pasta's first line may be that it cannot reach syslog. */
	for (const char *at = text; strcmp(program, PASTA) == 0 && *at;) {
		line = at;
		at += strcspn(at, "\n");
		at += *at == '\n';
	}
	lxe_excerpt(said, sizeof(said), line, strcspn(line, "\n"));
	/* Debian 12's profile for it is passt's, and says nothing of namespaces. */
	if (strcmp(program, PASTA) == 0 && strstr(said, "namespace") &&
		strstr(said, "Permission denied"))
		lxe_hint(err, "an AppArmor profile may forbid it: apt-get install " SLIRP
			      ", which is then taken, or use --network none");
	lxe_hint(err, TUN_HINT);
	return lxe_fail_msg(err, r, "%s: %s", program, said);
}

static int await_ready(
	struct lxe_keeper *k, const char *program, int ready, int errors, struct lxe_err *err)
{
	char byte;
	int r = lxe_keeper_wait(k, ready, READY_MS);

	if (r == 0 && sys_read(ready, &byte, 1) != 1)
		r = -EIO;
	return r < 0 ? fail_with(program, errors, r, err) : 0;
}

static int put_nameserver(const struct lxe_keeper *k, struct lxe_err *err)
{
	LXE_AUTOFREE char *text = NULL;
	struct lxe_strv servers = { 0 };
	int r;

	r = lxe_strv_add(&servers, NAMESERVER);
	if (r == 0)
		r = lxe_resolvconf_text(&text, &servers, "");
	lxe_strv_release(&servers);
	if (r < 0)
		return lxe_fail(err, r, "write the sandbox's resolv.conf");
	return lxe_etc_put(LXE_VIEW_DIR "/m", "resolv.conf", text, k->idmap.host_start, err);
}

/* As root of the sandbox's namespaces, which the keeper does not enter itself. */
static int deny_metadata(const struct lxe_keeper *k, struct lxe_err *err)
{
	LXE_AUTOCLOSE int pidfd = lxe_container_pidfd(k->container);
	pid_t pid;
	int status = -1, r = pidfd < 0 ? pidfd : 0;

	pid = r == 0 ? fork() : -1;
	if (pid == 0) {
		r = lxe_rootless_become_root();
		if (r == 0 && setns(pidfd, CLONE_NEWUSER | CLONE_NEWNET) < 0)
			r = -errno;
		_exit(r < 0 ? -r : -lxe_user_deny(DEVICE));
	}
	if (r == 0)
		r = pid < 0 ? -errno : sys_wait(pid, &status);
	if (r == 0)
		r = WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
	if (r == 0)
		return 0;
	lxe_hint(err, "that takes Linux 5.16 with nf_tables: load it, or use --network none");
	return lxe_fail(err, r, "keep clouds' metadata out of the sandbox's reach");
}

int lxe_user_network_connect(
	struct lxe_keeper *k, struct lxe_user_network *net, struct lxe_err *err)
{
	int ready[2] = { -EBADF, -EBADF }, alive[2] = { -EBADF, -EBADF };
	LXE_AUTOCLOSE int errors = sys_memfd("lxe-errors", 0);
	pid_t init = lxe_container_init(k->container);
	struct start start = { .errors = errors, .keeper = getpid() };
	int r;

	r = errors < 0 ? errors : init <= 0 ? -ESRCH : 0;
	start.program = find_program(start.path);
	if (r == 0 && !start.program)
		r = -ENOENT;
	if (r == 0)
		r = high_pipe(ready);
	/* Opened again by its name in /proc, by another user of the same one's. */
	if (r == 0 && fchmod(ready[1], 0622) < 0)
		r = -errno;
	if (r == 0)
		r = high_pipe(alive);
	if (r == 0) {
		snprintf(start.userns, sizeof(start.userns), "/proc/%d/ns/user", init);
		snprintf(start.netns, sizeof(start.netns), "/proc/%d/ns/net", init);
		start.ready = ready[1];
		start.alive = alive[0];
		net->alive = take_fd(&alive[1]);
		net->pid = fork();
		if (net->pid == 0)
			become(&start);
		r = net->pid < 0 ? -errno : 0;
	}
	lxe_close(ready[1]);
	lxe_close(alive[0]);
	r = r < 0 ? lxe_fail(err, r, "start '%s'", start.program ? start.program : SLIRP)
		  : await_ready(k, start.program, ready[0], errors, err);
	lxe_close(ready[0]);
	if (r == 0)
		r = deny_metadata(k, err);
	return r < 0 ? r : put_nameserver(k, err);
}

void lxe_user_network_end(struct lxe_user_network *net)
{
	/* Not by its number: it may have been reaped by now. The container's end is its end as well. */
	lxe_drop_fd(&net->alive);
	net->pid = 0;
}
