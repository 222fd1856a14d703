/* The system call filter and its cache. See confine.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "confine/compile.h"
#include "confine/confine.h"
#include "confine/rules.h"
#include "store/dirs.h"
#include "sys/dir.h"
#include "sys/fd.h"

#define MAGIC "lxefilt1"
#define CACHE_FILES 64 /* of other builds and other profiles; more than that is forgotten */
#define CACHE_MAX (LXE_RULES_TEXT_MAX + 4096 + BPF_MAXINSNS * sizeof(struct sock_filter))

/*
 * What a filter was compiled from, whole: it stands in the file before the filter, so that a file is
 * believed by what it says and not by its name, which is only a hash of it.
 */
struct key {
	char *bytes;
	size_t len;
};

struct header {
	char magic[8];
	uint32_t key_len, n;
	uint64_t sum; /* of what follows */
};

/* FNV-1a: for names and torn files, not for enemies, who could as well write a whole file. */
static uint64_t hash(uint64_t h, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3;
	return h;
}

#define HASH_BEGIN 0xcbf29ce484222325

/* "6.18.44" as version << 16 | patch level. */
static unsigned int kernel_version(void)
{
	unsigned int number[2] = { 0 };
	struct utsname name;
	const char *at = name.release;

	if (uname(&name) < 0)
		return 0;
	for (int i = 0; i < 2; i++, at += *at == '.')
		for (; *at >= '0' && *at <= '9' && number[i] < 1000; at++)
			number[i] = 10 * number[i] + (unsigned int)(*at - '0');
	return number[0] << 16 | number[1];
}

/*
 * A filter is only as good as the rules it was compiled from, and for built-in ones these are the
 * program's: so the key tells the very program, and the library, that compiled it.
 */
static int make_key(struct key *ret, const struct lxe_filter_how *how)
{
	const struct scmp_version *v = seccomp_version();
	struct stat exe;
	char *bytes = NULL;
	int len;

	if (stat("/proc/self/exe", &exe) < 0)
		return -ENOENT;
	len = asprintf(&bytes, "%llx.%lx %llx\n%u.%u.%u\n%llx %x\n%s\n%.*s",
		(unsigned long long)exe.st_mtim.tv_sec, exe.st_mtim.tv_nsec,
		(unsigned long long)exe.st_size, v ? v->major : 0, v ? v->minor : 0,
		v ? v->micro : 0, (unsigned long long)how->caps, how->text ? kernel_version() : 0,
		how->text ? "" : how->name, how->text ? (int)how->len : 0,
		how->text ? how->text : "");
	if (len < 0 || !bytes)
		return -ENOMEM;
	*ret = (struct key){ .bytes = bytes, .len = (size_t)len };
	return 0;
}

static int cache_path(char *path, size_t size, const char *state, const struct key *key)
{
	return lxe_format(path, size, "%s/cache/seccomp-%016llx.bpf", state,
		(unsigned long long)hash(HASH_BEGIN, key->bytes, key->len));
}

static uint64_t sum_of(const struct key *key, const struct sock_filter *v, size_t n)
{
	return hash(hash(HASH_BEGIN, key->bytes, key->len), v, n * sizeof(*v));
}

/* Whole, and of these very rules? A crash leaves files that lack their end or blocks of it. */
static int parse_cache(struct lxe_filter *ret, const char *bytes, size_t len, const struct key *key)
{
	struct header header;
	struct sock_filter *v;

	if (len < sizeof(header))
		return -EBADMSG;
	memcpy(&header, bytes, sizeof(header));
	if (memcmp(header.magic, MAGIC, sizeof(header.magic)) != 0 || header.key_len != key->len ||
		!header.n || header.n > BPF_MAXINSNS ||
		len != sizeof(header) + key->len + header.n * sizeof(*v) ||
		memcmp(bytes + sizeof(header), key->bytes, key->len) != 0)
		return -EBADMSG;
	v = calloc(header.n, sizeof(*v));
	if (!v)
		return -ENOMEM;
	memcpy(v, bytes + sizeof(header) + key->len, header.n * sizeof(*v));
	if (sum_of(key, v, header.n) != header.sum) {
		free(v);
		return -EBADMSG;
	}
	*ret = (struct lxe_filter){ .instructions = v, .n = (unsigned short)header.n };
	return 0;
}

/*
 * Whoever wrote this file decides what commands may do: it counts only if it is ours. Anything else
 * at its place is taken away, or each run would compile again.
 */
static int read_cache(struct lxe_filter *ret, const char *path, const struct key *key)
{
	LXE_AUTOCLOSE int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	LXE_AUTOFREE char *bytes = NULL;
	size_t len = 0;
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
		!(st.st_mode & (S_IWGRP | S_IWOTH)) &&
		sys_read_whole(fd, CACHE_MAX, &bytes, &len) == 0 &&
		parse_cache(ret, bytes, len, key) == 0)
		return 0;
	unlink(path);
	return -EBADMSG;
}

/* Other builds and other profiles have left theirs; compiling again costs less than to find out which. */
static void forget_many(const char *dir)
{
	SYS_AUTODIR DIR *d = opendir(dir);
	const struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d)))
		if (lxe_starts_with(e->d_name, "seccomp-") && ++n > CACHE_FILES)
			unlinkat(dirfd(d), e->d_name, 0);
}

/* The file gets its name when it is whole: a reader sees all of it, a crash leaves nothing. */
static void write_cache(
	const struct lxe_filter *filter, const char *state, const char *path, const struct key *key)
{
	struct header header = { .key_len = (uint32_t)key->len, .n = filter->n };
	char dir[PATH_MAX];
	LXE_AUTOCLOSE int fd = -EBADF;

	if (lxe_format(dir, sizeof(dir), "%s/cache", state) < 0 || lxe_dirs_make(dir, NULL) < 0)
		return;
	forget_many(dir);
	fd = open(dir, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	memcpy(header.magic, MAGIC, sizeof(header.magic));
	header.sum = sum_of(key, filter->instructions, filter->n);
	if (sys_write_all(fd, &header, sizeof(header)) < 0 ||
		sys_write_all(fd, key->bytes, key->len) < 0 ||
		sys_write_all(fd, filter->instructions, filter->n * sizeof(*filter->instructions)) <
			0)
		return;
	/* Of several that compile at once one wins; the next run compiles again if none does. */
	(void)sys_link_fd(fd, AT_FDCWD, path);
}

int lxe_filter_rules(struct lxe_rules *ret, const struct lxe_filter_how *how, struct lxe_err *err)
{
	const struct lxe_rules_for who = { .capabilities = how->caps, .kernel = kernel_version() };
	int r;

	if (how->text)
		return lxe_rules_from_json(ret, how->name, how->text, how->len, &who, err);
	r = lxe_rules_builtin(ret, how->name, &who);
	return r < 0 ? lxe_fail(err, r, "read the seccomp profile '%s'", how->name) : 0;
}

static int compile(struct lxe_filter *ret, const struct lxe_filter_how *how, struct lxe_err *err)
{
	struct lxe_rules rules = { 0 };
	int r = lxe_filter_rules(&rules, how, err);

	if (r < 0)
		return r;
	r = lxe_compile(ret, &rules, err);
	lxe_rules_release(&rules);
	return r;
}

static int load(struct lxe_filter *ret, const char *state, const struct lxe_filter_how *how,
	struct lxe_err *err)
{
	struct key key = { 0 };
	char path[PATH_MAX];
	/* Without a cache everything works as well, and takes longer. */
	bool caches = make_key(&key, how) == 0 && cache_path(path, sizeof(path), state, &key) == 0;
	int r = caches ? read_cache(ret, path, &key) : -ENOENT;

	if (r < 0) {
		r = compile(ret, how, err);
		if (r == 0 && caches)
			write_cache(ret, state, path, &key);
	}
	free(key.bytes);
	return r;
}

static bool kills(const struct lxe_filter *filter)
{
	for (size_t i = 0; i < filter->n; i++) {
		const struct sock_filter *f = &filter->instructions[i];
		uint32_t action = f->k & SECCOMP_RET_ACTION_FULL;

		if (f->code == (BPF_RET | BPF_K) &&
			(action == SECCOMP_RET_KILL_PROCESS || action == SECCOMP_RET_KILL_THREAD ||
				action == SECCOMP_RET_TRAP))
			return true;
	}
	return false;
}

int lxe_filter_load(struct lxe_filter *ret, const char *state, const struct lxe_filter_how *how,
	struct lxe_err *err)
{
	struct lxe_filter filter = { 0 };
	int r = 0;

	if (!how->text && strcmp(how->name, "unconfined") == 0 && !how->learn) {
		*ret = filter;
		return 0;
	}
	r = load(&filter, state, how, err);
	if (r == 0 && how->log)
		lxe_compile_log(&filter);
	if (r == 0 && how->learn) {
		r = lxe_compile_learn(&filter);
		if (r < 0)
			lxe_fail(err, r, "make a filter that learns");
	}
	if (r < 0) {
		lxe_filter_release(&filter);
		return r;
	}
	filter.listens = how->learn;
	filter.kills = kills(&filter);
	*ret = filter;
	return 0;
}

void lxe_filter_release(struct lxe_filter *filter)
{
	free(filter->instructions);
	*filter = (struct lxe_filter){ 0 };
}
