/*
 * The one strict parser of numbers: the whole text is a number within its bounds, or it is an
 * error. No sign, no leading zero or blank, no octal, no half-read text. Pure.
 */
#ifndef LXE_BASE_NUM_H
#define LXE_BASE_NUM_H

#include <stdint.h>

/* Decimal, min <= value <= max. -EINVAL when it is no number, -ERANGE when out of bounds. */
int lxe_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret);

/* As above for 0..INT_MAX. */
int lxe_parse_int(const char *text, int min, int max, int *ret);

/* Bytes: a number with an optional K, M, G or T (powers of 1024; an "iB" or "B" may follow). */
int lxe_parse_size(const char *text, uint64_t *ret);

/* Milliseconds: a number with ms, s, m or h; a bare number is seconds. At most 365 days. */
int lxe_parse_duration(const char *text, uint64_t *ret_ms);

/* yes/no, true/false, on/off, 1/0. */
int lxe_parse_bool(const char *text, int *ret);

#endif
