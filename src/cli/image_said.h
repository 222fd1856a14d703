/*
 * What is printed while an image is made: on a terminal the line that it is at, which the next one replaces; and
 * all of it, as far as it is kept, when the work has failed. Somebody else's text: it is escaped.
 */
#ifndef LXE_CLI_IMAGE_SAID_H
#define LXE_CLI_IMAGE_SAID_H

#include <stdbool.h>
#include <stddef.h>

#include "store/imagedir.h"

struct lxe_image_said {
	const char *name; /* of the image */
	bool shows;	  /* standard error is a terminal that wants it */
	bool shown;	  /* there is a line to be taken away */
	unsigned int lines;
	char line[200];
	size_t used;
	char kept[16384]; /* the end of it */
	size_t n_kept;
};

void lxe_image_said_begin(struct lxe_image_said *said, const char *name, int verbose);
void lxe_image_said_take(void *arg, const char *text, size_t len);
void lxe_image_said_end(struct lxe_image_said *said, bool failed);

#endif
