#include "policy/nearest.h"

#include <string.h>

#define WORD_MAX 32

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

/* Levenshtein's distance, with one row of the matrix kept. */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
	size_t row[WORD_MAX + 1];

	for (size_t j = 0; j <= m; j++)
		row[j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t above = row[j];

			row[j] =
				min3(row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[m];
}

void lxe_nearest_offer(struct lxe_nearest *n, const char *word, size_t len, const char *candidate)
{
	size_t m = strlen(candidate), limit, d;

	if (len == 0 || len > WORD_MAX || m > WORD_MAX)
		return;
	/* A third of the word may be wrong; what begins like the candidate was cut short. */
	limit = (len > m ? len : m) / 3 + 1;
	d = len >= 2 && len < m && memcmp(word, candidate, len) == 0
		    ? 1
		    : distance(word, len, candidate, m);
	if (d > limit || d >= m || (n->best && d >= n->distance))
		return;
	*n = (struct lxe_nearest){ .best = candidate, .distance = d };
}
