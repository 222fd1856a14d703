#include "client/cow_said.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

void lxe_cow_count(struct lxe_cow_told *told, const struct lxe_changes *c)
{
	for (size_t i = 0; i < c->n; i++) {
		if (!c->v[i].selected || c->v[i].kind == LXE_CHANGE_NONE)
			continue;
		told->added += c->v[i].kind == LXE_CHANGE_ADDED;
		told->deleted += c->v[i].kind == LXE_CHANGE_DELETED;
		told->modified +=
			c->v[i].kind != LXE_CHANGE_ADDED && c->v[i].kind != LXE_CHANGE_DELETED;
	}
}

bool lxe_cow_has_some(const struct lxe_changes *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i].selected && c->v[i].kind != LXE_CHANGE_NONE)
			return true;
	return false;
}

static const char *conflict_words(enum lxe_conflict conflict)
{
	switch (conflict) {
	case LXE_CONFLICT_CHANGED:
		return "was changed in the source as well";
	case LXE_CONFLICT_GONE:
		return "is gone from the source";
	case LXE_CONFLICT_REPLACED:
		return "is another one in the source by now";
	case LXE_CONFLICT_NONE:
		break;
	}
	return "";
}

void lxe_cow_tell_conflicts(int to, const struct lxe_changes *c)
{
	char path[1024], culprit[1024] = "";

	for (size_t i = 0; i < c->n && to >= 0; i++) {
		const struct lxe_change *one = &c->v[i];

		if (!one->selected || one->conflict == LXE_CONFLICT_NONE)
			continue;
		lxe_escape(path, sizeof(path), one->path, strlen(one->path));
		culprit[0] = '\0';
		if (one->culprit)
			lxe_escape(culprit, sizeof(culprit), one->culprit, strlen(one->culprit));
		dprintf(to, "conflict: %s%s%s: %s%s%s\n", c->layer.where,
			*c->layer.where ? "/" : "", path, culprit[0] ? culprit : "it", " ",
			conflict_words(one->conflict));
	}
}
