/* Which sandboxes need an image, and what is said of one. */
#ifndef LXE_CLI_IMAGE_USE_H
#define LXE_CLI_IMAGE_USE_H

#include <jansson.h>

#include "cli/cli.h"

/* Those that run on it, and those that are kept and will again: [{name, id, state}], or NULL. */
json_t *lxe_cli_image_users(struct lxe_cli *cli, const char *image);

/* -EBUSY, described with their names, when there are any. */
int lxe_cli_image_refuse_used(struct lxe_cli *cli, const char *image);

#endif
