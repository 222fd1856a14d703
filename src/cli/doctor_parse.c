#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "cli/doctor.h"

bool lxe_release_at_least(const char *release, unsigned int major, unsigned int minor)
{
	unsigned int have_major = 0, have_minor = 0;

	if (sscanf(release, "%u.%u", &have_major, &have_minor) < 1)
		return false;
	return have_major > major || (have_major == major && have_minor >= minor);
}
