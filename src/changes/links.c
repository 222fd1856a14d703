#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "changes/layer.h"

/* Files of one inode are neighbours; the first is what the others are linked to: one that is as it was, if there is. */
static int by_inode(const void *a, const void *b)
{
	const struct lxe_change *x = *(struct lxe_change *const *)a;
	const struct lxe_change *y = *(struct lxe_change *const *)b;
	bool p = x->kind != LXE_CHANGE_NONE, q = y->kind != LXE_CHANGE_NONE;

	if (x->after.ino != y->after.ino)
		return x->after.ino < y->after.ino ? -1 : 1;
	if (p != q)
		return p - q;
	return lxe_path_compare(x->path, y->path);
}

static bool may_be_linked(const struct lxe_change *change)
{
	return change->after.mode && !S_ISDIR(change->after.mode) && change->after.nlink > 1;
}

static void link_to(struct lxe_change *change, const struct lxe_change *first)
{
	bool there = change->kind == LXE_CHANGE_NONE || change->kind == LXE_CHANGE_META;

	/* Two names of one file below, and of one above. */
	if (there && first->kind == LXE_CHANGE_NONE && change->before.ino == first->before.ino)
		return;
	change->link = first->path;
	if (change->kind == LXE_CHANGE_NONE)
		change->kind = LXE_CHANGE_META;
	if (change->before.mode)
		change->what |= LXE_CHANGED_LINK;
}

int lxe_changes_link(struct lxe_changes *c)
{
	LXE_AUTOFREE struct lxe_change **v = NULL;
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++)
		n += may_be_linked(&c->v[i]);
	if (n < 2)
		return 0;
	v = malloc(n * sizeof(struct lxe_change *));
	if (!v)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < c->n; i++)
		if (may_be_linked(&c->v[i]))
			v[n++] = &c->v[i];
	qsort(v, n, sizeof(struct lxe_change *), by_inode);
	for (size_t i = 1, first = 0; i < n; i++) {
		if (v[i]->after.ino == v[first]->after.ino)
			link_to(v[i], v[first]);
		else
			first = i;
	}
	return 0;
}
