/*
 * What a sandbox wanted to reach and may not, and what wanted to reach it, as the text that a keeper makes of it and
 * that others show: a line each,
 *
 *   PROTOCOL DESTINATION PORT COUNT HINT...
 *
 * where PORT is '-' when there is none, and PROTOCOL begins with "in/" for what came in. A DESTINATION '*' stands for
 * all that had no room. Pure.
 */
#ifndef LXE_STORE_BLOCKED_H
#define LXE_STORE_BLOCKED_H

#include <stdbool.h>
#include <stddef.h>

#define LXE_BLOCKED_TEXT 2048
#define LXE_BLOCKED_WORD 160
#define LXE_BLOCKED_IN "in/"

struct json_t;

struct lxe_blocked_line {
	bool in;
	char proto[16], destination[LXE_BLOCKED_WORD], port[8], count[24];
	char hint[LXE_BLOCKED_WORD + 32];
};

/* The line at `text`: where the next one begins, or NULL when there is none, or it is none of ours. */
const char *lxe_blocked_line(struct lxe_blocked_line *ret, const char *text);

/* An array of objects; lines that are none of ours are left out. */
struct json_t *lxe_blocked_json(const char *text);

#endif
