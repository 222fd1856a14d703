/*
 * What the steps of a recipe print: shown as it comes to who looks on, and otherwise kept, its beginning and its end, until a
 * step has failed. Somebody else's text: a terminal gets it escaped, everybody else byte for byte.
 */
#ifndef LXE_CLI_IMAGE_STEPS_H
#define LXE_CLI_IMAGE_STEPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lxe_image_steps {
	bool live;     /* it is shown as it comes */
	bool terminal; /* standard error is one */
	char cut[4];   /* the beginning of a character whose end has not come yet */
	size_t n_cut;
	char head[32768];
	size_t n_head;
	char tail[32768]; /* a ring */
	uint64_t n_tail;  /* all that came after the head */
};

void lxe_image_steps_begin(struct lxe_image_steps *steps, int verbose);

/* Waits for a terminal that is slow, but not for long. */
void lxe_image_steps_take(void *arg, const char *text, size_t len);

/* A step has failed: what was kept, with a line where something is missing. */
void lxe_image_steps_show(const struct lxe_image_steps *steps);

#endif
