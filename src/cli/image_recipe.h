/* image build -f RECIPE [NAME]: see policy/recipe.h and client/recipe.h. Blocks until the image is there, or nothing of it. */
#ifndef LXE_CLI_IMAGE_RECIPE_H
#define LXE_CLI_IMAGE_RECIPE_H

#include "cli/cli.h"

/* Options of the other way of building an image are refused, with -f or without it. */
int lxe_cli_image_recipe_check(struct lxe_cli *cli);

/* -ECANCELED with its number in *signal when one has ended it. */
int lxe_cli_image_recipe(struct lxe_cli *cli, int *signal);

#endif
