#include "cgroup/hierarchy.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"

/* One line of mountinfo, proc_pid_mountinfo(5). The strings lie in the text. */
struct mount_line {
	char *root, *point, *type, *options;
};

/* The kernel writes blank, tab, newline and backslash as \ooo. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *p = text; *p; to++) {
		if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' &&
			p[3] >= '0' && p[3] <= '7') {
			*to = (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
			p += 4;
		} else {
			*to = *p++;
		}
	}
	*to = '\0';
}

/* Fields: id, parent, major:minor, root, point, options, optional ones up to "-", type, source. */
static int parse_mount(char *line, struct mount_line *ret)
{
	char *field[6], *word;

	for (size_t i = 0; i < sizeof(field) / sizeof(field[0]); i++) {
		field[i] = strsep(&line, " ");
		if (!field[i])
			return -EBADMSG;
	}
	do {
		word = strsep(&line, " ");
		if (!word)
			return -EBADMSG;
	} while (strcmp(word, "-") != 0);
	ret->root = field[3];
	ret->point = field[4];
	ret->type = strsep(&line, " ");
	strsep(&line, " ");
	ret->options = strsep(&line, " ");
	if (!ret->options)
		return -EBADMSG;
	unescape(ret->root);
	unescape(ret->point);
	return 0;
}

bool lxe_cgroup_has_word(const char *list, const char *separators, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; *p;) {
		size_t n = strcspn(p, separators);

		if (n == len && memcmp(p, word, len) == 0)
			return true;
		p += n;
		p += *p != '\0';
	}
	return false;
}

/*
 * The path of this process's group in the v1 hierarchy with `controller`, or in v2 (NULL). Lines are
 * id:controllers:path, cgroups(7); a path may hold colons, the other two may not.
 */
static int own_group(const char *self, const char *controller, char *buf, size_t size)
{
	for (const char *line = self; *line;) {
		size_t len = strcspn(line, "\n");
		const char *list = memchr(line, ':', len);
		const char *path =
			list ? memchr(list + 1, ':', len - (size_t)(list + 1 - line)) : NULL;
		char names[256];

		if (!path)
			return -EBADMSG;
		if (lxe_format(names, sizeof(names), "%.*s", (int)(path - list - 1), list + 1) < 0)
			return -EBADMSG;
		if (controller ? lxe_cgroup_has_word(names, ",", controller) : !names[0])
			return lxe_format(
				buf, size, "%.*s", (int)(line + len - path - 1), path + 1);
		line += len + (line[len] == '\n');
	}
	return -ENOENT;
}

/* `path` as seen below a mount that shows the hierarchy from `root` on. */
static int below_root(const char *root, const char *path, char *buf, size_t size)
{
	size_t len = strcmp(root, "/") == 0 ? 0 : strlen(root);

	/* "/../x": outside of a cgroup namespace, on either side, nothing can be said. */
	if (lxe_starts_with(root, "/..") || lxe_starts_with(path, "/.."))
		return -EXDEV;
	if (strncmp(path, root, len) != 0 || (path[len] != '/' && path[len] != '\0'))
		return -EXDEV;
	path += len;
	while (*path == '/')
		path++;
	return lxe_format(buf, size, "%s", path);
}

static int place(struct lxe_hierarchy *h, const struct mount_line *m, const char *self,
	const char *controller)
{
	char own[PATH_MAX];
	int r;

	r = own_group(self, controller, own, sizeof(own));
	if (r < 0)
		return r;
	r = below_root(m->root, own, h->own, sizeof(h->own));
	if (r < 0)
		return r;
	memcpy(h->self, h->own, sizeof(h->self));
	h->v2 = !controller;
	return lxe_format(h->mount, sizeof(h->mount), "%s", m->point);
}

/* Cut the text into lines and keep the cgroup mounts: at most `max`, the first ones. */
static size_t cgroup_mounts(char *mountinfo, struct mount_line *mounts, size_t max)
{
	size_t n = 0;
	char *line;

	while (n < max && (line = strsep(&mountinfo, "\n"))) {
		/* What is no mountinfo line names no cgroup: the result is "missing". */
		if (parse_mount(line, &mounts[n]) < 0)
			continue;
		if (strcmp(mounts[n].type, "cgroup") == 0 || strcmp(mounts[n].type, "cgroup2") == 0)
			n++;
	}
	return n;
}

/*
 * The first mount that shows the hierarchy and has this process's group below its root, into the next
 * free place. False: there is none.
 */
static bool add_hierarchy(struct lxe_cgroup_host *host, const struct mount_line *mounts, size_t n,
	const char *self, const char *controller)
{
	struct lxe_hierarchy *h = &host->hierarchy[host->n_known];

	for (size_t i = 0; i < n; i++) {
		if (strcmp(mounts[i].type, controller ? "cgroup" : "cgroup2") != 0)
			continue;
		if (controller && !lxe_cgroup_has_word(mounts[i].options, ",", controller))
			continue;
		if (place(h, &mounts[i], self, controller) < 0)
			continue;
		if (controller)
			h->offers = lxe_cgroup_controllers_in(mounts[i].options, ",", false);
		h->controllers = h->offers & LXE_CONTROLLERS_ALL;
		host->n_known++;
		return true;
	}
	return false;
}

static unsigned int controllers_of(const struct lxe_cgroup_host *host)
{
	unsigned int set = 0;

	for (size_t i = 0; i < host->n_known; i++)
		set |= host->hierarchy[i].controllers;
	return set;
}

/*
 * v2 goes last: see lxe_cgroup_paths(). When it has to carry controllers, our groups go to its top:
 * the group of this process has a process in it, and may not have children with controllers.
 */
static void add_v2(
	struct lxe_cgroup_host *host, const struct mount_line *mounts, size_t n, const char *self)
{
	struct lxe_hierarchy *h = &host->hierarchy[host->n_known];
	unsigned int wanted = LXE_CONTROLLERS_ALL & ~controllers_of(host);

	if (!add_hierarchy(host, mounts, n, self, NULL) || !wanted)
		return;
	h->controllers = wanted;
	h->own[0] = '\0';
}

/* The v1 hierarchies that only some limits need. */
static void add_others(
	struct lxe_cgroup_host *host, const struct mount_line *mounts, size_t n, const char *self)
{
	unsigned int known = 0;

	for (size_t i = 0; i < host->n_known; i++)
		known |= host->hierarchy[i].offers;
	for (unsigned int bit = 0; bit < LXE_CONTROLLERS; bit++) {
		if (known & 1U << bit || host->n_known == LXE_HIERARCHIES_MAX)
			continue;
		if (add_hierarchy(host, mounts, n, self, lxe_controller_name(bit, false)))
			known |= host->hierarchy[host->n_known - 1].offers;
	}
}

unsigned int lxe_cgroup_parse(struct lxe_cgroup_host *host, char *mountinfo, const char *self)
{
	struct mount_line mounts[64];
	size_t n = cgroup_mounts(mountinfo, mounts, sizeof(mounts) / sizeof(mounts[0])), v1;

	/* Memory before pids: without v2, pids is the one to kill by, and the last is. */
	add_hierarchy(host, mounts, n, self, "memory");
	if (!(controllers_of(host) & LXE_CONTROLLER_PIDS))
		add_hierarchy(host, mounts, n, self, "pids");
	v1 = host->n_known;
	add_v2(host, mounts, n, self);
	host->n = host->n_known;

	if (host->n == 0)
		host->mode = n ? LXE_CGROUP_V1 : LXE_CGROUP_NONE;
	else if (host->n == v1)
		host->mode = LXE_CGROUP_V1;
	else
		host->mode = v1 ? LXE_CGROUP_HYBRID : LXE_CGROUP_V2;
	if (host->n)
		host->hierarchy[host->n - 1].leaves = true;
	add_others(host, mounts, n, self);
	return LXE_CONTROLLERS_ALL & ~controllers_of(host);
}
