#include "changes/render.h"

#include <errno.h>

int lxe_changes_patch(const struct lxe_changes *c, FILE *out, struct lxe_err *err)
{
	(void)c, (void)out;
	return lxe_fail(err, -ENOSYS, "write a patch");
}
