/*
 * What an image says of the commands that are run in it, as an OCI image's configuration does: variables, user,
 * directory, and the command when nobody names one. It lies beside the image's record; an image that says nothing has no such
 * file, and a run that finds none has paid one system call. The text is somebody else's: it is checked when it comes in.
 */
#ifndef LXE_STORE_IMAGECONFIG_H
#define LXE_STORE_IMAGECONFIG_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

#define LXE_IMAGE_CONFIG "defaults.json"
#define LXE_IMAGE_CONFIG_MAX (256 * 1024)

/* It owns all of it; an all-zero value says nothing. */
struct lxe_image_config {
	struct lxe_strv env; /* NAME=VALUE */
	char *user;	     /* as --user has it; NULL: none */
	char *cwd;	     /* absolute; NULL: none */
	struct lxe_strv entrypoint, cmd;
};

/*
 * Of the configuration of an OCI image (image-spec, config.md). -EINVAL, described, for what no command could be
 * run with.
 */
int lxe_image_config_parse_oci(
	struct lxe_image_config *ret, const char *text, size_t len, struct lxe_err *err);

/* Write it into an image's directory that nobody else looks at yet; not if it says nothing. */
int lxe_image_config_write(const struct lxe_image_config *config, int image);

/* Read that of an image: -ENOENT when there is none, -EBADMSG when it is bad. */
int lxe_image_config_of(struct lxe_image_config *ret, const char *state, const char *name);

void lxe_image_config_release(struct lxe_image_config *config);

#endif
