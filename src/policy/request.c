#include "policy/request.h"

#include <stdlib.h>

#define STOP_TIMEOUT_MS 10000

void lxe_request_init(struct lxe_request *req)
{
	*req = (struct lxe_request){ .output = LXE_OUTPUT_TABLE,
		.stop_timeout_ms = STOP_TIMEOUT_MS };
	lxe_spec_init(&req->spec);
}

void lxe_request_release(struct lxe_request *req)
{
	lxe_spec_release(&req->spec);
	free(req->profile);
	free(req->detach_keys);
	*req = (struct lxe_request){ 0 };
}
