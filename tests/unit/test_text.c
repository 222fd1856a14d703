#include <criterion/criterion.h>

#include <stdio.h>

#include "sys/text.h"

/* KiB of code that this process has mapped from files whose path holds `name`. */
static long mapped(const char *name)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	bool counts = false;
	char line[512];
	long kib, sum = 0;

	cr_assert_not_null(smaps);
	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%*x-%*x %*s %*x %*s %ld", &kib) == 1)
			counts = strstr(line, " r-xp ") && strstr(line, name);
		else if (counts && sscanf(line, "Rss: %ld kB", &kib) == 1)
			sum += kib;
	}
	fclose(smaps);
	return sum;
}

/* Libraries of what runs this test: one is used all the time, the other only between tests. */
#define USED "/libcriterion.so"
#define IDLE "/libnanomsg.so"

Test(text, what_is_dropped_is_mapped_again_where_it_is_used)
{
	cr_assert_gt(mapped(IDLE), 0);
	cr_assert_gt(mapped(USED), 0);
	sys_drop_text(NULL);
	cr_expect_eq(mapped(IDLE), 0);
	cr_expect_gt(mapped(USED), 0);
}

Test(text, not_of_the_file_that_is_named)
{
	long before = mapped(IDLE);

	cr_assert_gt(before, 0);
	sys_drop_text(IDLE);
	cr_expect_eq(mapped(IDLE), before);
}
