/* How many descriptors this process has open: what a test compares before and after. */
#ifndef LXE_TESTS_FDS_H
#define LXE_TESTS_FDS_H

#include <dirent.h>
#include <stdlib.h>

static inline int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	if (!dir)
		abort();
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

#endif
