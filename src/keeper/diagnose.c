#include "keeper/diagnose.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/fd.h"

#define LOOK 4096 /* where the loader is named */

static void copy(char *ret, size_t size, const void *text, size_t len)
{
	if (len >= size)
		len = size - 1;
	memcpy(ret, text, len);
	ret[len] = '\0';
}

static void script_needs(const unsigned char *bytes, size_t n, char *ret, size_t size)
{
	size_t from = 2, to;

	while (from < n && (bytes[from] == ' ' || bytes[from] == '\t'))
		from++;
	for (to = from; to < n && bytes[to] > ' '; to++)
		;
	copy(ret, size, bytes + from, to - from);
}

static void program_needs(const unsigned char *bytes, size_t n, char *ret, size_t size)
{
	Elf64_Ehdr header;
	Elf64_Phdr part;

	if (n < sizeof(header))
		return;
	memcpy(&header, bytes, sizeof(header));
	for (size_t i = 0; i < header.e_phnum; i++) {
		size_t at = header.e_phoff + i * sizeof(part);

		if (header.e_phoff > n || at + sizeof(part) > n)
			return;
		memcpy(&part, bytes + at, sizeof(part));
		if (part.p_type != PT_INTERP)
			continue;
		if (part.p_offset < n && part.p_filesz <= n - part.p_offset)
			copy(ret, size, bytes + part.p_offset,
				strnlen((const char *)bytes + part.p_offset, part.p_filesz));
		return;
	}
}

void lxe_diagnose_needs(const unsigned char *bytes, unsigned long n, char *ret, unsigned long size)
{
	ret[0] = '\0';
	if (n > 2 && bytes[0] == '#' && bytes[1] == '!')
		script_needs(bytes, n, ret, size);
	else if (n > SELFMAG && memcmp(bytes, ELFMAG, SELFMAG) == 0 &&
		 bytes[EI_CLASS] == ELFCLASS64)
		program_needs(bytes, n, ret, size);
}

/* The first of that name along PATH, executable or not; the first that nobody may even look for goes to *t. */
static const char *find(
	struct lxe_trouble *t, const char *name, const char *path, char buf[PATH_MAX])
{
	size_t len = strlen(name);

	if (strchr(name, '/'))
		return access(name, F_OK) == 0 ? name : NULL;
	while (path && *path) {
		size_t dir = strcspn(path, ":");

		if (dir && dir + 1 + len < PATH_MAX) {
			memcpy(buf, path, dir);
			buf[dir] = '/';
			memcpy(buf + dir + 1, name, len + 1);
			if (access(buf, F_OK) == 0)
				return buf;
			if (errno == EACCES && !t->file[0])
				copy(t->file, sizeof(t->file), buf, dir + 1 + len);
		}
		path += dir + (path[dir] == ':');
	}
	return NULL;
}

/* Does what it names not exist, or cannot that be executed either? */
static bool lacks(struct lxe_trouble *t, const char *file)
{
	LXE_AUTOCLOSE int fd = open(file, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	unsigned char bytes[LOOK];
	ssize_t n = fd < 0 ? 0 : sys_read(fd, bytes, sizeof(bytes));

	if (n <= 0)
		return false;
	lxe_diagnose_needs(bytes, (size_t)n, t->needs, sizeof(t->needs));
	return t->needs[0] && access(t->needs, X_OK) < 0;
}

void lxe_diagnose_exec(struct lxe_trouble *ret, const char *name, const char *path, int error)
{
	char buf[PATH_MAX];
	const char *file;
	struct statvfs vfs;
	struct stat st;

	*ret = (struct lxe_trouble){ .kind = LXE_TROUBLE_UNKNOWN };
	file = find(ret, name, path, buf);
	if (!file) {
		if (error == ENOENT)
			ret->kind = LXE_TROUBLE_ABSENT;
		return;
	}
	copy(ret->file, sizeof(ret->file), file, strlen(file));
	if (stat(file, &st) < 0)
		return;
	if (S_ISDIR(st.st_mode))
		ret->kind = LXE_TROUBLE_DIRECTORY;
	else if (error == EACCES && statvfs(file, &vfs) == 0 && (vfs.f_flag & ST_NOEXEC))
		ret->kind = LXE_TROUBLE_NOEXEC;
	else if (error == EACCES && access(file, X_OK) < 0)
		ret->kind = LXE_TROUBLE_MODE;
	else if ((error == ENOENT || error == EACCES) && lacks(ret, file))
		ret->kind = LXE_TROUBLE_NEEDS;
}
