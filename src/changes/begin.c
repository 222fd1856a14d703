#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "changes/layer.h"

/* Who is nobody inside: the last of the range stands in for an owner that nobody there has. */
static uint32_t owner_above(const struct lxe_cow_ids *ids, uint32_t lower)
{
	uint32_t id = lxe_ids_up(ids, lower);

	return id == (uint32_t)-1 && ids->count ? ids->from + ids->count - 1 : id;
}

static int copy_attributes(const struct lxe_cow_layer *layer, int lower, int upper)
{
	const struct lxe_cow_ids up = { layer->ids.to, layer->ids.from, layer->ids.count };
	struct lxe_xattrs x = { 0 };
	struct stat st;
	int r;

	if (fstat(lower, &st) < 0)
		return -errno;
	if (fchown(upper, owner_above(&layer->ids, st.st_uid),
		    owner_above(&layer->ids, st.st_gid)) < 0 ||
		fchmod(upper, st.st_mode & 07777) < 0)
		return -errno;
	r = lxe_xattrs_read(&x, lower, &up);
	if (r == 0)
		r = lxe_xattrs_write(upper, &x);
	lxe_xattrs_release(&x);
	if (r == 0 && futimens(upper, (struct timespec[]){ st.st_atim, st.st_mtim }) < 0)
		r = -errno;
	return r;
}

int lxe_changes_begin(struct lxe_cow_layer *layer, struct lxe_err *err)
{
	LXE_AUTOCLOSE int lower = lxe_layer_open(layer->lower, ".", O_RDONLY | O_DIRECTORY);
	LXE_AUTOCLOSE int upper = lxe_layer_open(layer->upper, ".", O_RDONLY | O_DIRECTORY);
	int r = lower < 0 ? lower : upper;

	if (r >= 0)
		r = copy_attributes(layer, lower, upper);
	if (r >= 0 && clock_gettime(CLOCK_REALTIME_COARSE, &layer->since) < 0)
		r = -errno;
	return r < 0 ? lxe_fail(err, r, "begin to write over '%s'", layer->where) : 0;
}
