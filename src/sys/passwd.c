#include "sys/passwd.h"

#include <errno.h>
#include <pwd.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "sys/fd.h"
#include "sys/proc.h"

#define GETENT "/usr/bin/getent"

/* Takes the stream. */
static int find_in(FILE *stream, struct sys_user *ret, const char *name, uid_t uid)
{
	const struct passwd *pw;
	int r = -ENOENT;

	while (r == -ENOENT && (pw = fgetpwent(stream)))
		if (name ? strcmp(pw->pw_name, name) == 0 : pw->pw_uid == uid) {
			ret->uid = pw->pw_uid;
			r = lxe_format(ret->name, sizeof(ret->name), "%s", pw->pw_name);
		}
	fclose(stream);
	return r < 0 ? r : 0;
}

static int spawn_getent(pid_t *pid, char *key, int output)
{
	char *const argv[] = { GETENT, "--", "passwd", key, NULL };
	char *const envp[] = { NULL };
	posix_spawn_file_actions_t actions;
	int r = -posix_spawn_file_actions_init(&actions);

	if (r < 0)
		return r;
	r = -posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	if (r == 0)
		r = -posix_spawn(pid, argv[0], &actions, NULL, argv, envp);
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

static int ask_getent(struct sys_user *ret, const char *name, uid_t uid)
{
	char key[SYS_USER_NAME_MAX];
	LXE_AUTOCLOSE int reading = -EBADF;
	int ends[2], status, r;
	FILE *stream;
	pid_t pid = -1;

	r = name ? lxe_format(key, sizeof(key), "%s", name)
		 : lxe_format(key, sizeof(key), "%u", uid);
	if (r < 0)
		return r;
	r = sys_pipe(ends);
	if (r < 0)
		return r;
	reading = ends[0];
	r = spawn_getent(&pid, key, ends[1]);
	lxe_close(ends[1]);
	if (r < 0)
		return r;
	stream = fdopen(reading, "re");
	if (stream)
		take_fd(&reading);
	r = stream ? find_in(stream, ret, name, uid) : -errno;
	sys_wait(pid, &status);
	return r;
}

int sys_user_find(struct sys_user *ret, const char *name, uid_t uid)
{
	FILE *file = fopen("/etc/passwd", "re");
	int r = file ? find_in(file, ret, name, uid) : -ENOENT;

	return r == -ENOENT ? ask_getent(ret, name, uid) : r;
}
