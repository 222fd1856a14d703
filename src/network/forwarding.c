#include "network/forwarding.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "network/lease.h"
#include "network/shared.h"
#include "network/sysctl.h"
#include "sys/fd.h"

#define PATH_SIZE 96
#define NOTES_MAX (1024 * 1024)
#define ALL4 "/proc/sys/net/ipv4/conf/all/forwarding"
#define ALL6 "/proc/sys/net/ipv6/conf/all/forwarding"
#define ALL6_FORCE "/proc/sys/net/ipv6/conf/all/force_forwarding" /* Linux 6.17 */

bool lxe_forwarding_v6_is_harmless(void)
{
	return lxe_sysctl_read(ALL6) == '1' || lxe_sysctl_read(ALL6_FORCE) > 0;
}

struct notes {
	int fd; /* locked */
	char *text;
	size_t len;
};

static void close_notes(struct notes *notes)
{
	free(take_ptr(notes->text));
	lxe_drop_fd(&notes->fd);
}

/* Lines of "PATH VALUE", one for each setting that was changed: what it was. */
static int open_notes(struct notes *ret, const char *run, struct lxe_err *err)
{
	struct notes notes = { .fd = lxe_net_shared_open(run, "forwarding", err) };
	int r = 0;

	if (notes.fd < 0)
		return notes.fd;
	while (flock(notes.fd, LOCK_EX) < 0 && r == 0)
		r = errno == EINTR ? 0 : -errno;
	if (r == 0)
		r = sys_read_whole(notes.fd, NOTES_MAX, &notes.text, &notes.len);
	if (r < 0) {
		close_notes(&notes);
		return lxe_fail(err, r, "read what was changed for forwarding");
	}
	*ret = notes;
	return 0;
}

static bool is_noted(const struct notes *notes, const char *path)
{
	const char *at = notes->text;
	size_t len = strlen(path);

	while ((at = strstr(at, path))) {
		if ((at == notes->text || at[-1] == '\n') && at[len] == ' ')
			return true;
		at += len;
	}
	return false;
}

static int switch_on(struct notes *notes, const char *path)
{
	char line[PATH_SIZE + 8];
	int before = lxe_sysctl_read(path), r = 0;

	if (before != '0')
		return before < 0 ? before : 0;
	if (!is_noted(notes, path)) {
		r = lxe_format(line, sizeof(line), "%s %c\n", path, before);
		if (r == 0 && lseek(notes->fd, 0, SEEK_END) < 0)
			r = -errno;
		if (r == 0)
			r = sys_write_all(notes->fd, line, strlen(line));
	}
	return r < 0 ? r : sys_write_file(AT_FDCWD, path, "1");
}

static int path_of(char path[PATH_SIZE], const struct lxe_host_link *link, bool v6)
{
	return lxe_format(path, PATH_SIZE,
		v6 ? "/proc/sys/net/ipv6/conf/%s/force_forwarding"
		   : "/proc/sys/net/ipv4/conf/%s/forwarding",
		link->name);
}

static int switch_link(struct notes *notes, const struct lxe_host_link *link, bool v6)
{
	char path[PATH_SIZE];
	int r;

	r = path_of(path, link, v6);
	if (r == 0)
		r = switch_on(notes, path);
	/* Gone, or without IPv6: nothing comes in there. */
	return r == -ENOENT ? 0 : r;
}

/* Where answers may come in. */
static bool has_route(const struct lxe_host_net *host, unsigned int index)
{
	for (size_t i = 0; i < host->n_routes; i++)
		if (host->routes[i].out == index)
			return true;
	return false;
}

static bool is_outside(const struct lxe_host_net *host, const struct lxe_host_link *link)
{
	return !link->loopback && !lxe_host_link_is_ours(link) && has_route(host, link->index);
}

static int switch_links(struct notes *notes, const struct lxe_host_net *host, bool v6)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < host->n_links; i++) {
		const struct lxe_host_link *link = &host->links[i];

		if (is_outside(host, link))
			r = switch_link(notes, link, v6);
	}
	return r;
}

static void find_guards(const struct notes *notes, const struct lxe_host_net *host, bool v6,
	struct lxe_net_guard *list, size_t *n)
{
	/* It is switched on for all devices at once, where it cannot be for each. */
	const bool whole = v6 && lxe_sysctl_read(ALL6_FORCE) == -ENOENT;
	char path[PATH_SIZE];

	for (size_t i = 0; i < host->n_links; i++) {
		const struct lxe_host_link *link = &host->links[i];
		int now;

		if (!is_outside(host, link) || path_of(path, link, v6) < 0)
			continue;
		now = lxe_sysctl_read(path);
		/* What cannot be read is guarded. */
		if (!whole && now > 0 && now != '0' && !is_noted(notes, path))
			continue;
		list[*n].family = v6 ? LXE_NET_V6 : LXE_NET_V4;
		list[*n].bridge = link->bridge;
		snprintf(list[(*n)++].link, sizeof(list->link), "%s", link->name);
	}
}

static bool is_router(const struct notes *notes, const char *all)
{
	return lxe_sysctl_read(all) == '1' && !is_noted(notes, all);
}

int lxe_forwarding_guards(const char *run, const struct lxe_host_net *host, bool v6,
	struct lxe_net_guard **ret, size_t *n, struct lxe_err *err)
{
	struct lxe_net_guard *list = calloc(2 * host->n_links + 1, sizeof(*list));
	struct notes notes = { .fd = -EBADF };
	int r = list ? open_notes(&notes, run, err) : -ENOMEM;

	*n = 0;
	if (r < 0) {
		free(list);
		return lxe_fail(err, r, "find what forwards");
	}
	if (!is_router(&notes, ALL4))
		find_guards(&notes, host, false, list, n);
	if (v6 && !is_router(&notes, ALL6))
		find_guards(&notes, host, true, list, n);
	close_notes(&notes);
	for (size_t i = 0; i < *n && r == 0; i++)
		if (strpbrk(list[i].link, "\"'\\!+#") || list[i].link[0] == '-')
			r = lxe_fail_msg(err, -EINVAL,
				"the network device '%s' has a name that no rule can have",
				list[i].link);
	if (r < 0)
		free(list);
	else
		*ret = list;
	return r;
}

int lxe_forwarding_begin(
	const char *run, const struct lxe_host_net *host, bool v6, struct lxe_err *err)
{
	struct notes notes = { .fd = -EBADF };
	int r;

	r = open_notes(&notes, run, err);
	if (r < 0)
		return r;
	if (lxe_sysctl_read(ALL4) != '1')
		r = switch_links(&notes, host, false);
	if (r == 0 && v6 && lxe_sysctl_read(ALL6) != '1')
		r = lxe_sysctl_read(ALL6_FORCE) == -ENOENT ? switch_on(&notes, ALL6)
							   : switch_links(&notes, host, true);
	close_notes(&notes);
	return r < 0 ? lxe_fail(err, r, "switch on forwarding") : 0;
}

static int restore(const char *path, char value)
{
	const char text[2] = { value, '\0' };
	const char *all = lxe_starts_with(path, "/proc/sys/net/ipv4/") ? ALL4 : ALL6;
	int r;

	if (!lxe_starts_with(path, "/proc/sys/net/ipv") || strstr(path, "/../"))
		return -EBADMSG;
	/* The setting for all of IPv6 is ours when it is noted; any other one gives way to it. */
	if (strcmp(path, all) != 0 && lxe_sysctl_read(all) == '1')
		return 0;
	r = sys_write_file(AT_FDCWD, path, text);
	return r == -ENOENT ? 0 : r;
}

static int restore_all(struct notes *notes)
{
	char *line = notes->text, *end;
	int r = 0, each;

	for (; (end = strchr(line, '\n')); line = end + 1) {
		if (end - line < 3 || end[-2] != ' ')
			continue;
		end[-2] = '\0';
		each = restore(line, end[-1]);
		r = r < 0 ? r : each;
	}
	if (r == 0 && ftruncate(notes->fd, 0) < 0)
		r = -errno;
	return r;
}

/*
 * Devices of sandboxes that other run directories have: their leases are elsewhere. What was changed stays
 * noted then, and is undone by the next one of ours that ends when there is none.
 */
static int has_sandboxes(void)
{
	struct if_nameindex *list = if_nameindex();
	bool found = false;

	if (!list)
		return -errno;
	for (const struct if_nameindex *i = list; !found && i->if_index; i++) {
		struct lxe_host_link link = { .index = i->if_index };

		found = lxe_format(link.name, sizeof(link.name), "%s", i->if_name) == 0 &&
			lxe_host_link_is_ours(&link);
	}
	if_freenameindex(list);
	return found;
}

int lxe_forwarding_end(const char *run, struct lxe_err *err)
{
	struct notes notes = { .fd = -EBADF };
	int r;

	r = open_notes(&notes, run, err);
	if (r < 0)
		return r;
	if (notes.len) {
		r = lxe_lease_any(run);
		if (r == 0)
			r = has_sandboxes();
		if (r == 0)
			r = restore_all(&notes);
	}
	close_notes(&notes);
	return r < 0 ? lxe_fail(err, r, "switch forwarding back") : 0;
}
