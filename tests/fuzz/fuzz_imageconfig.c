/* The configuration of an image that anybody may have made: what is taken of it can be run with. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/imageconfig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lxe_image_config config = { 0 };
	struct lxe_err err = { 0 };

	if (lxe_image_config_parse_oci(&config, (const char *)data, size, &err) < 0)
		return 0;
	for (size_t i = 0; i < config.env.n; i++)
		if (!strchr(config.env.v[i], '=') || config.env.v[i][0] == '=')
			abort();
	if ((config.cwd && config.cwd[0] != '/') || (config.user && !*config.user))
		abort();
	lxe_image_config_release(&config);
	return 0;
}
