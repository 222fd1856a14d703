/*
 * lxc-exec-scope PID: have the user's service manager put a process into a scope of its own, whose cgroup is delegated: what
 * is made in it is left alone. Returns when that is done. A program of its own, so that a run that needs none does not load libsystemd,
 * and so that whoever asks is still known by his own uid when the keeper has become another in its namespace.
 * 0, or 1 with the reason in one line on stderr.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "base/str.h"

#define MANAGER "org.freedesktop.systemd1"
#define PATH "/org/freedesktop/systemd1"
#define INTERFACE "org.freedesktop.systemd1.Manager"
#define PATIENCE_S 5

/* The job that was asked for, and how it ended: a job that is over sooner than the answer is kept by its path. */
struct job {
	char path[128];
	char over[8][128];
	char result[8][32];
	unsigned int n;
};

static int job_removed(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	struct job *job = arg;
	const char *path, *unit, *result;
	uint32_t id;
	unsigned int at = job->n % 8;

	(void)error;
	if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) < 0)
		return 0;
	(void)unit;
	if (lxe_format(job->over[at], sizeof(job->over[at]), "%s", path) == 0 &&
		lxe_format(job->result[at], sizeof(job->result[at]), "%s", result) == 0)
		job->n++;
	return 0;
}

/* NULL: it is not over yet. */
static const char *result_of(const struct job *job)
{
	for (unsigned int i = 0; i < job->n && i < 8; i++)
		if (strcmp(job->over[i], job->path) == 0)
			return job->result[i];
	return NULL;
}

static int ask(sd_bus *bus, uint32_t pid, struct job *job, sd_bus_error *error)
{
	sd_bus_message *answer = NULL;
	char name[64];
	const char *path;
	int r;

	snprintf(name, sizeof(name), "lxc-exec-%u-%llx.scope", pid, (unsigned long long)time(NULL));
	r = sd_bus_call_method(bus, MANAGER, PATH, INTERFACE, "StartTransientUnit", error, &answer,
		"ssa(sv)a(sa(sv))", name, "fail", 4, "Description", "s", "a sandbox of lxc-exec",
		"PIDs", "au", 1, pid, "Delegate", "b", 1, "CollectMode", "s", "inactive-or-failed",
		0);
	if (r >= 0)
		r = sd_bus_message_read(answer, "o", &path);
	if (r >= 0)
		r = lxe_format(job->path, sizeof(job->path), "%s", path);
	sd_bus_message_unref(answer);
	return r;
}

static int await(sd_bus *bus, const struct job *job, const char **result)
{
	time_t end = time(NULL) + PATIENCE_S;

	while (!(*result = result_of(job))) {
		int r = sd_bus_process(bus, NULL);

		if (r == 0)
			r = sd_bus_wait(bus, 1000000);
		if (r < 0)
			return r;
		if (time(NULL) > end)
			return -ETIMEDOUT;
	}
	return 0;
}

static int connect_user(sd_bus **ret)
{
	char address[64];
	sd_bus *bus = NULL;
	int r = sd_bus_new(&bus);

	/* The environment of a keeper names no bus; this is where every login has it. */
	snprintf(address, sizeof(address), "unix:path=/run/user/%u/bus", getuid());
	if (r >= 0)
		r = sd_bus_set_address(bus, address);
	if (r >= 0)
		r = sd_bus_set_bus_client(bus, 1);
	if (r >= 0)
		r = sd_bus_start(bus);
	*ret = bus;
	return r;
}

static int fail(const char *what, int r, const sd_bus_error *error)
{
	fprintf(stderr, "%s: %s\n", what, error && error->message ? error->message : strerror(-r));
	return 1;
}

int main(int argc, char **argv)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	struct job job = { .n = 0 };
	const char *result = NULL;
	sd_bus *bus = NULL;
	uint64_t pid;
	int r;

	if (argc != 2 || lxe_parse_u64(argv[1], 1, INT32_MAX, &pid) < 0)
		return fail("this is started by lxc-exec-keeper", -EINVAL, NULL);
	r = connect_user(&bus);
	if (r < 0)
		return fail("connect to the user's service manager", r, NULL);
	r = sd_bus_match_signal(
		bus, NULL, MANAGER, PATH, INTERFACE, "JobRemoved", job_removed, &job);
	if (r >= 0)
		r = sd_bus_call_method(
			bus, MANAGER, PATH, INTERFACE, "Subscribe", &error, NULL, NULL);
	if (r >= 0)
		r = ask(bus, (uint32_t)pid, &job, &error);
	if (r >= 0)
		r = await(bus, &job, &result);
	if (r < 0)
		return fail("ask for a scope", r, &error);
	if (strcmp(result, "done") == 0)
		return 0;
	fprintf(stderr, "the scope's job ended as '%s'\n", result);
	return 1;
}
