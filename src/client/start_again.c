/* Apart from again.c, which the library needs as well: this drives a session. See again.h. */
#include <errno.h>

#include "client/again.h"
#include "client/client.h"

static void take_secrets(struct lxe_spec *spec, struct lxe_strv *secrets)
{
	lxe_strv_release(&spec->secrets);
	spec->secrets = *secrets;
	*secrets = (struct lxe_strv){ 0 };
}

int lxe_client_start_again(const struct lxe_place *place, const struct lxe_dirs *dirs,
	struct lxe_strv *secrets, struct lxe_outcome *outcome, struct lxe_err *err)
{
	struct lxe_info info = { 0 };
	pid_t pid;
	int r = lxe_client_look(place, dirs, "start", err);

	if (r == 0) {
		r = lxe_registry_read(place, &info);
		if (r < 0)
			lxe_fail(err, r, "start: open sandbox '%s'", place->id);
	}
	if (r < 0)
		return r;
	take_secrets(&info.spec, secrets);
	/* The descriptor was its creator's. */
	if (info.spec.result && lxe_starts_with(info.spec.result, "fd:"))
		lxe_str_set(&info.spec.result, NULL);
	pid = lxe_client_create_again(&info.spec, dirs, place, outcome, err);
	lxe_info_release(&info);
	if (pid > 0)
		return 0;
	if (pid < 0)
		return pid;
	return lxe_outcome_fail(outcome, -EIO, err);
}
