#include "store/deferred.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "store/sandbox.h"

static const char keeps[] = "keep\n", removes[] = "remove\n";

int lxe_deferred_put(int dir, bool keep, const char *reason)
{
	char text[LXE_DEFERRED_MAX + sizeof(removes)];
	int r = lxe_format(text, sizeof(text), "%s%s", keep ? keeps : removes, reason);

	return r < 0 ? r : lxe_sandbox_put(dir, LXE_SANDBOX_DEFERRED, text, strlen(text));
}

int lxe_deferred_get(int dir, bool *keep, char reason[LXE_DEFERRED_MAX])
{
	LXE_AUTOFREE unsigned char *bytes = NULL;
	const char *text;
	size_t len = 0;
	bool kept;
	int r = lxe_sandbox_get(dir, LXE_SANDBOX_DEFERRED, &bytes, &len);

	if (r < 0)
		return r;
	text = (const char *)bytes;
	if (memchr(text, '\0', len))
		return -EBADMSG;
	kept = lxe_starts_with(text, keeps);
	if (!kept && !lxe_starts_with(text, removes))
		return -EBADMSG;
	r = lxe_format(reason, LXE_DEFERRED_MAX, "%s",
		text + (kept ? sizeof(keeps) : sizeof(removes)) - 1);
	if (r < 0)
		return -EBADMSG;
	*keep = kept;
	return 0;
}

void lxe_deferred_drop(int dir)
{
	unlinkat(dir, LXE_SANDBOX_DEFERRED, 0);
}
