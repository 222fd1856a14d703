/* The names that a sandbox has given to layers: a line each, "TOP TIME NAME". See layers.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "base/str.h"
#include "store/layers.h"
#include "store/sandbox.h"

#define LINE_MAX_LEN (LXE_ID_LEN + 1 + 20 + 1 + 128 + 1)

void lxe_snapshots_release(struct lxe_snapshots *list)
{
	free(list->v);
	*list = (struct lxe_snapshots){ 0 };
}

int lxe_snapshots_add(struct lxe_snapshots *list, const struct lxe_snapshot *one)
{
	struct lxe_snapshot *grown = reallocarray(list->v, list->n + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	list->v = grown;
	grown[list->n++] = *one;
	return 0;
}

struct lxe_snapshot *lxe_snapshots_find(const struct lxe_snapshots *list, const char *name)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i].name, name) == 0)
			return &list->v[i];
	return NULL;
}

static int parse_line(char *line, struct lxe_snapshot *ret)
{
	const char *top = strsep(&line, " "), *time = strsep(&line, " ");
	bool none = strcmp(top, "-") == 0;

	if (!line || !*line || (!none && !lxe_id_valid(top)))
		return -EBADMSG;
	if (lxe_parse_u64(time, 0, UINT64_MAX, &ret->made_ms) < 0)
		return -EBADMSG;
	snprintf(ret->top, sizeof(ret->top), "%s", none ? "" : top);
	return lxe_format(ret->name, sizeof(ret->name), "%s", line) < 0 ? -EBADMSG : 0;
}

int lxe_snapshots_read(int sandbox, struct lxe_snapshots *ret)
{
	LXE_AUTOFREE unsigned char *bytes = NULL;
	struct lxe_snapshots list = { 0 };
	char *rest, *line;
	size_t len = 0;
	int r = lxe_sandbox_get(sandbox, LXE_SANDBOX_SNAPSHOTS, &bytes, &len);

	if (r == -ENOENT)
		*ret = list;
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (len == 0 || bytes[len - 1] != '\n' || strlen((char *)bytes) != len)
		return -EBADMSG;
	bytes[len - 1] = '\0';
	rest = (char *)bytes;
	while (r == 0 && (line = strsep(&rest, "\n")) != NULL) {
		struct lxe_snapshot one = { 0 };

		r = parse_line(line, &one);
		if (r == 0)
			r = lxe_snapshots_add(&list, &one);
	}
	if (r < 0)
		lxe_snapshots_release(&list);
	else
		*ret = list;
	return r;
}

static size_t format_all(char *text, const struct lxe_snapshots *list)
{
	size_t len = 0;

	for (size_t i = 0; i < list->n; i++)
		len += (size_t)snprintf(text + len, LINE_MAX_LEN + 1, "%s %" PRIu64 " %s\n",
			list->v[i].top[0] ? list->v[i].top : "-", list->v[i].made_ms,
			list->v[i].name);
	return len;
}

int lxe_snapshots_write(int sandbox, const struct lxe_snapshots *list)
{
	char *text;
	int r;

	if (!list->n)
		return lxe_sandbox_drop(sandbox, LXE_SANDBOX_SNAPSHOTS);
	text = malloc(list->n * LINE_MAX_LEN + 1);
	if (!text)
		return -ENOMEM;
	r = lxe_sandbox_put(sandbox, LXE_SANDBOX_SNAPSHOTS, text, format_all(text, list));
	free(text);
	return r;
}
