#include "rootfs/diskholder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "proto/record.h"
#include "store/sandbox.h"
#include "sys/lock.h"

#define KEEPER "lxc-exec-keeper"

/* "PATH/lxc-exec-keeper\0ID": only what is a keeper's is taken for an id. */
static bool id_of(pid_t pid, char id[LXE_ID_LEN + 1])
{
	char path[32], words[512] = "";
	LXE_AUTOCLOSE int fd = -EBADF;
	const char *base;
	ssize_t n;

	lxe_format(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, words, sizeof(words) - 2);
	if (n <= 0)
		return false;
	base = strrchr(words, '/');
	base = base ? base + 1 : words;
	if (strcmp(base, KEEPER) != 0 || !lxe_id_valid(words + strlen(words) + 1))
		return false;
	return lxe_format(id, LXE_ID_LEN + 1, "%s", words + strlen(words) + 1) == 0;
}

static void name_of(struct lxe_diskholder *h, const char *directory)
{
	LXE_AUTOCLOSE int dir = lxe_sandbox_open(directory, h->id);
	struct lxe_record record = { 0 };

	if (dir < 0 || lxe_record_read(&record, dir) < 0)
		return;
	if (lxe_format(h->name, sizeof(h->name), "%s", record.name) < 0)
		h->name[0] = '\0';
	lxe_record_release(&record);
}

static void describe(struct lxe_diskholder *h, pid_t pid)
{
	if (h->ourselves)
		snprintf(h->text, sizeof(h->text), "this sandbox itself");
	else if (h->name[0])
		snprintf(h->text, sizeof(h->text), "sandbox '%s'", h->name);
	else if (h->id[0])
		snprintf(h->text, sizeof(h->text), "sandbox %s", h->id);
	else if (h->lives)
		snprintf(h->text, sizeof(h->text), "process %d", (int)pid);
	else
		snprintf(h->text, sizeof(h->text), "a process that cannot be seen here");
}

void lxe_diskholder_find(struct lxe_diskholder *ret, dev_t dev, ino_t ino,
	const char *const *directories, size_t n_directories)
{
	struct sys_flock_holder flock = { 0 };

	*ret = (struct lxe_diskholder){ 0 };
	if (sys_flock_find(dev, ino, &flock) == 0) {
		char path[32];

		lxe_format(path, sizeof(path), "/proc/%d/exe", (int)flock.pid);
		ret->lives = flock.pid > 0 && access(path, F_OK) == 0;
		ret->ourselves = flock.pid == getpid();
		ret->writes = flock.writes;
		if (ret->lives && id_of(flock.pid, ret->id))
			for (size_t i = 0; i < n_directories && !ret->name[0]; i++)
				name_of(ret, directories[i]);
	}
	describe(ret, flock.pid);
}
