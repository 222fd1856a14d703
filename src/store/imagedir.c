#include "store/imagedir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "store/dirs.h"
#include "store/rootless.h"
#include "sys/fd.h"

/* How many bytes of it are a word that may stand alone. */
static size_t word_length(const char *text)
{
	if (text[0] == '.' || text[0] == '-')
		return 0;
	return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			    "0123456789._-");
}

static bool name_is_valid(const char *name)
{
	size_t n = word_length(name), m;

	if (n == 0 || strlen(name) > LXE_IMAGE_NAME_MAX)
		return false;
	if (name[n] != ':')
		return !name[n];
	m = word_length(name + n + 1);
	return m > 0 && !name[n + 1 + m];
}

int lxe_image_check_name(const char *name, struct lxe_err *err)
{
	char shown[2 * LXE_IMAGE_NAME_MAX];

	if (name_is_valid(name))
		return 0;
	lxe_excerpt(shown, sizeof(shown), name, strlen(name));
	lxe_fail_msg(err, -EINVAL, "'%s' is no name of an image", shown);
	lxe_hint(err, "use at most %d letters, digits, '.', '_' and '-', a letter or digit first",
		LXE_IMAGE_NAME_MAX);
	return -EINVAL;
}

int lxe_imagedir_open(const char *state, bool make, struct lxe_err *err)
{
	char path[PATH_MAX];
	int fd, r;

	r = lxe_format(path, sizeof(path), "%s/images", state);
	if (r < 0)
		return lxe_fail(err, r, "open the images below '%s'", state);
	if (make) {
		r = lxe_dirs_make(path, err);
		if (r < 0)
			return r;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return lxe_fail(err, -errno, "open '%s'", path);
	return fd;
}

static int try_name(int images, const char *file, void (*waits)(void *arg), void *arg)
{
	LXE_AUTOCLOSE int fd =
		openat(images, file, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return -errno;
		if (waits)
			waits(arg);
		while (flock(fd, LOCK_EX) < 0)
			if (errno != EINTR)
				return -errno;
	}
	if (fstat(fd, &st) < 0)
		return -errno;
	/* Whoever had it took its name away with it. */
	return st.st_nlink ? take_fd(&fd) : -EAGAIN;
}

int lxe_imagedir_lock_name(const char *state, const char *name, void (*waits)(void *arg), void *arg,
	struct lxe_err *err)
{
	LXE_AUTOCLOSE int images = lxe_imagedir_open(state, true, err);
	char file[LXE_IMAGE_NAME_MAX + sizeof(LXE_IMAGE_RECIPE)];
	int r;

	if (images < 0)
		return images;
	r = lxe_format(file, sizeof(file), LXE_IMAGE_RECIPE "%s", name);
	if (r < 0)
		return lxe_fail(err, r, "lock the name '%s'", name);
	do {
		r = try_name(images, file, waits, arg);
		waits = NULL;
	} while (r == -EAGAIN);
	return r < 0 ? lxe_fail(err, r, "lock the name '%s'", name) : r;
}

void lxe_imagedir_unlock_name(const char *state, const char *name, int *lock)
{
	char path[PATH_MAX];

	if (*lock >= 0 && lxe_format(path, sizeof(path), "%s/images/" LXE_IMAGE_RECIPE "%s", state,
				  name) == 0)
		unlink(path);
	lxe_drop_fd(lock);
}

static int is_lock(const struct dirent *e)
{
	return lxe_starts_with(e->d_name, LXE_IMAGE_RECIPE);
}

/* What nobody has locked nobody needs. */
static void sweep_locks(int images)
{
	struct dirent **found;
	int n = scandirat(images, ".", &found, is_lock, alphasort);

	for (int i = 0; i < n; i++) {
		LXE_AUTOCLOSE int fd =
			openat(images, found[i]->d_name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			unlinkat(images, found[i]->d_name, 0);
		free(found[i]);
	}
	if (n >= 0)
		free(found);
}

static int is_leftover(const struct dirent *e)
{
	return lxe_starts_with(e->d_name, LXE_IMAGE_BUILD);
}

int lxe_imagedir_sweep(int images, bool dry_run, lxe_imagedir_report report, void *arg)
{
	struct dirent **found;
	int n, first = 0;

	if (!dry_run)
		sweep_locks(images);
	n = scandirat(images, ".", &found, is_leftover, alphasort);
	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		int r = dry_run ? 0 : lxe_tree_remove(images, found[i]->d_name);

		if (report)
			report(arg, found[i]->d_name + strlen(LXE_IMAGE_BUILD), r);
		first = first < 0 ? first : r;
		free(found[i]);
	}
	free(found);
	return first;
}

static int copy_string(char *buf, size_t size, const json_t *from)
{
	const char *text = json_string_value(from);

	return text ? lxe_format(buf, size, "%s", text) : -EBADMSG;
}

static int parse_record(struct lxe_image_record *ret, const json_t *json)
{
	const json_t *host_trees = json_object_get(json, "host_trees");
	const json_t *size = json_object_get(json, "size");
	struct lxe_image_record record = { 0 };

	if (copy_string(record.name, sizeof(record.name), json_object_get(json, "name")) < 0)
		return -EBADMSG;
	if (copy_string(record.template, sizeof(record.template),
		    json_object_get(json, "template")) < 0)
		return -EBADMSG;
	if (copy_string(record.created_at, sizeof(record.created_at),
		    json_object_get(json, "created_at")) < 0)
		return -EBADMSG;
	/* Records of before it have none. */
	if (json_object_get(json, "source") && copy_string(record.source, sizeof(record.source),
						       json_object_get(json, "source")) < 0)
		return -EBADMSG;
	if (!json_is_boolean(host_trees) || !json_is_integer(size) || json_integer_value(size) < 0)
		return -EBADMSG;
	record.host_trees = json_is_true(host_trees);
	record.size = (uint64_t)json_integer_value(size);
	*ret = record;
	return 0;
}

int lxe_image_record_read(struct lxe_image_record *ret, int image)
{
	char text[2048];
	ssize_t n = sys_read_file(image, LXE_IMAGE_RECORD, text, sizeof(text));
	json_t *json;
	int r;

	if (n < 0)
		return n == -E2BIG ? -EBADMSG : (int)n;
	json = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
	if (!json)
		return -EBADMSG;
	r = parse_record(ret, json);
	json_decref(json);
	return r;
}

int lxe_image_record_probe(int image, bool *host_trees)
{
	struct stat st;

	if (fstatat(image, LXE_IMAGE_RECORD, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return -EBADMSG;
	if (fstatat(image, LXE_IMAGE_HOST_TREES, &st, AT_SYMLINK_NOFOLLOW) == 0)
		*host_trees = true;
	else if (errno == ENOENT)
		*host_trees = false;
	else
		return -errno;
	return 0;
}

static char *format_record(const struct lxe_image_record *record)
{
	json_t *json = json_pack("{s:s, s:s, s:s, s:b, s:I}", "name", record->name, "created_at",
		record->created_at, "template", record->template, "host_trees",
		(int)record->host_trees, "size", (json_int_t)record->size);
	/* A path that is no UTF-8 is not said. */
	json_t *source = record->source[0] ? json_string(record->source) : NULL;

	if (source && json)
		json_object_set_new(json, "source", source);
	char *text = json ? json_dumps(json, JSON_INDENT(2) | JSON_PRESERVE_ORDER) : NULL;

	json_decref(json);
	return text;
}

static int write_line(int image, const char *name, const char *text)
{
	LXE_AUTOCLOSE int fd = openat(image, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	int r;

	/* The umask must not hide it from whoever lists images. */
	if (fd < 0 || fchmod(fd, 0644) < 0)
		return -errno;
	r = sys_write_all(fd, text, strlen(text));
	return r < 0 ? r : sys_write_all(fd, "\n", 1);
}

int lxe_image_record_write(const struct lxe_image_record *record, int image)
{
	LXE_AUTOFREE char *text = format_record(record);
	int r = 0;

	if (!text)
		return -ENOMEM;
	if (record->host_trees)
		r = write_line(image, LXE_IMAGE_HOST_TREES, "");
	return r < 0 ? r : write_line(image, LXE_IMAGE_RECORD, text);
}
