#include "changes/render.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"

static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "symlink";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	default:
		return "device";
	}
}

static const char *full_path(const struct lxe_changes *c, const char *path, char buf[LXE_SHOWN_MAX])
{
	const char *where = c->layer.where;
	const char *slash = *where && where[strlen(where) - 1] != '/' ? "/" : "";

	if (*where && strcmp(path, ".") == 0)
		snprintf(buf, LXE_SHOWN_MAX, "%s", where);
	else
		snprintf(buf, LXE_SHOWN_MAX, "%s%s%s", where, slash, path);
	return buf;
}

static const char *shown_path(
	const struct lxe_changes *c, const char *path, char buf[LXE_SHOWN_MAX])
{
	char full[LXE_SHOWN_MAX];

	full_path(c, path, full);
	lxe_escape(buf, LXE_SHOWN_MAX, full, strlen(full));
	return buf;
}

static mode_t mode_of(const struct lxe_change *change)
{
	return change->after.mode ? change->after.mode : change->before.mode;
}

/* ---- text ---- */

/* In the order of enum lxe_change_kind. */
static const char letters[] = "ADMTm";

struct remarks {
	FILE *out;
	size_t n;
};

static FILE *next(struct remarks *r)
{
	fputs(r->n++ ? ", " : " (", r->out);
	return r->out;
}

static uint32_t owner(const struct lxe_changes *c, uint32_t id)
{
	return id == c->layer.root ? 0 : id;
}

static void remark_owner(
	struct remarks *r, const struct lxe_changes *c, const struct lxe_change *change)
{
	const struct lxe_change_side *a = &change->before, *b = &change->after;

	fprintf(next(r), "owner %u:%u -> %u:%u", owner(c, a->uid), owner(c, a->gid),
		owner(c, b->uid), owner(c, b->gid));
}

static void remark_differences(
	struct remarks *r, const struct lxe_changes *c, const struct lxe_change *change)
{
	const struct lxe_change_side *a = &change->before, *b = &change->after;

	if (change->kind == LXE_CHANGE_TYPE)
		fprintf(next(r), "%s -> %s", type_name(a->mode), type_name(b->mode));
	if (change->what & LXE_CHANGED_MODE)
		fprintf(next(r), "mode %04o -> %04o", a->mode & 07777, b->mode & 07777);
	if (change->what & LXE_CHANGED_OWNER)
		remark_owner(r, c, change);
	if (change->what & LXE_CHANGED_XATTR)
		fputs("attributes", next(r));
	if (change->kind == LXE_CHANGE_META && change->what & LXE_CHANGED_TIME)
		fputs("time", next(r));
}

/* What somebody who keeps a change should have seen. */
static void remark_new(struct remarks *r, const struct lxe_change *change)
{
	mode_t mode = S_ISREG(change->after.mode) ? change->after.mode : 0;

	if (mode & S_ISUID && !(change->before.mode & S_ISUID))
		fputs("setuid", next(r));
	if (mode & S_ISGID && !(change->before.mode & S_ISGID))
		fputs("setgid", next(r));
	if (change->skipped)
		fprintf(next(r), "a %s, not carried over", type_name(change->after.mode));
}

static void text_line(const struct lxe_changes *c, const struct lxe_change *change, FILE *out)
{
	struct remarks r = { .out = out };
	char path[LXE_SHOWN_MAX];

	fprintf(out, "%c %s%s", letters[change->kind], shown_path(c, change->path, path),
		S_ISDIR(mode_of(change)) && strcmp(change->path, ".") != 0 ? "/" : "");
	remark_differences(&r, c, change);
	remark_new(&r, change);
	if (change->link)
		fprintf(next(&r), "link to %s", shown_path(c, change->link, path));
	fputs(r.n ? ")\n" : "\n", out);
}

static bool is_shown(const struct lxe_change *change)
{
	return change->selected && change->kind != LXE_CHANGE_NONE;
}

static void write_text(const struct lxe_changes *c, FILE *out)
{
	for (size_t i = 0; i < c->n && !ferror(out); i++)
		if (is_shown(&c->v[i]))
			text_line(c, &c->v[i], out);
}

/* ---- JSON ---- */

static const char *const kind_names[] = { "added", "deleted", "modified", "type", "metadata" };
static const char *const conflict_names[] = { "", "changed", "gone", "replaced" };

/* A name that is no text is escaped, and given as bytes beside. */
static void put_path(json_t *object, const char *key, const struct lxe_changes *c, const char *path)
{
	char full[LXE_SHOWN_MAX], shown[LXE_SHOWN_MAX], key_bytes[32];
	size_t len;

	full_path(c, path, full);
	len = strlen(full);
	if (lxe_utf8_valid(full, len)) {
		json_object_set_new(object, key, json_stringn(full, len));
		return;
	}
	json_object_set_new(object, key, json_string(shown_path(c, path, shown)));
	for (size_t i = 0; i < len; i++)
		snprintf(shown + 2 * i, 3, "%02x", (unsigned char)full[i]);
	if (lxe_format(key_bytes, sizeof(key_bytes), "%s_hex", key) == 0)
		json_object_set_new(object, key_bytes, json_string(shown));
}

static json_t *side(const struct lxe_changes *c, const struct lxe_change_side *s)
{
	char mode[8];
	json_t *object;

	snprintf(mode, sizeof(mode), "%04o", s->mode & 07777);
	object = json_pack("{s:s, s:s, s:I, s:I}", "type", type_name(s->mode), "mode", mode, "uid",
		(json_int_t)owner(c, s->uid), "gid", (json_int_t)owner(c, s->gid));
	if (object && S_ISREG(s->mode))
		json_object_set_new(object, "size", json_integer((json_int_t)s->size));
	return object;
}

static json_t *parts(const struct lxe_change *change)
{
	static const char *const names[] = { "mode", "owner", "attributes", "time", "link" };
	json_t *all = json_array();

	if (change->kind == LXE_CHANGE_CONTENT)
		json_array_append_new(all, json_string("content"));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (change->what & 1U << i)
			json_array_append_new(all, json_string(names[i]));
	return all;
}

static json_t *json_change(const struct lxe_changes *c, const struct lxe_change *change)
{
	json_t *object = json_pack("{s:s}", "change", kind_names[change->kind]);

	if (!object)
		return NULL;
	put_path(object, "path", c, change->path);
	if (change->before.mode)
		json_object_set_new(object, "before", side(c, &change->before));
	if (change->after.mode)
		json_object_set_new(object, "after", side(c, &change->after));
	if (change->before.mode && change->after.mode)
		json_object_set_new(object, "parts", parts(change));
	if (change->link)
		put_path(object, "link", c, change->link);
	if (change->skipped)
		json_object_set_new(object, "skipped", json_true());
	if (change->conflict)
		json_object_set_new(
			object, "conflict", json_string(conflict_names[change->conflict]));
	if (change->culprit)
		put_path(object, "conflict_at", c, change->culprit);
	return object;
}

/* One after the other, so that a long list needs no memory of its size once more. */
static int write_json(const struct lxe_changes *c, FILE *out)
{
	json_t *source = json_object();
	const char *comma = "";
	char *text;

	put_path(source, "source", c, ".");
	text = json_dumps(source, JSON_COMPACT);
	json_decref(source);
	if (!text)
		return -ENOMEM;
	/* Without its closing brace. */
	fprintf(out, "%.*s,\"changes\":[", (int)strlen(text) - 1, text);
	free(text);
	for (size_t i = 0; i < c->n && !ferror(out); i++) {
		json_t *object = is_shown(&c->v[i]) ? json_change(c, &c->v[i]) : NULL;

		if (!object && is_shown(&c->v[i]))
			return -ENOMEM;
		if (!object)
			continue;
		fprintf(out, "%s\n", comma);
		json_dumpf(object, out, JSON_COMPACT | JSON_PRESERVE_ORDER);
		json_decref(object);
		comma = ",";
	}
	fputs("\n]}", out);
	return 0;
}

int lxe_changes_write(
	const struct lxe_changes *c, enum lxe_changes_format format, FILE *out, struct lxe_err *err)
{
	int r = 0;

	errno = 0;
	switch (format) {
	case LXE_CHANGES_TEXT:
		write_text(c, out);
		break;
	case LXE_CHANGES_JSON:
		r = write_json(c, out);
		break;
	case LXE_CHANGES_PATCH:
		r = lxe_changes_patch(c, out, err);
		break;
	}
	if (r == 0 && (fflush(out) == EOF || ferror(out)))
		r = errno ? -errno : -EIO;
	return r < 0 ? lxe_fail(err, r, "write the list of changes") : 0;
}
