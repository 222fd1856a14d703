#include "sys/caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BIT(cap) (1ULL << (cap))
#define BITS 64

uint64_t sys_caps_known(void)
{
	uint64_t known = 0;

	/* EINVAL marks the first that the kernel does not know. */
	for (int cap = 0; cap < BITS && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		known |= BIT(cap);
	return known;
}

int sys_caps_bound(uint64_t keep)
{
	/* The kernel may know more capabilities than this build. */
	for (int cap = 0; cap < BITS; cap++) {
		if (keep & BIT(cap))
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		if (errno == EINVAL && cap > CAP_LAST_CAP)
			break;
		return -errno;
	}
	return 0;
}

static int set(uint64_t caps, uint64_t inheritable)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++, caps >>= 32, inheritable >>= 32)
		data[i] = (struct __user_cap_data_struct){
			.effective = (uint32_t)caps,
			.permitted = (uint32_t)caps,
			.inheritable = (uint32_t)inheritable,
		};
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int sys_caps_set(uint64_t caps)
{
	return set(caps, 0);
}

int sys_caps_set_ambient(uint64_t caps)
{
	int r = set(caps, caps);

	for (int cap = 0; r == 0 && cap < BITS; cap++)
		if ((caps & BIT(cap)) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			r = -errno;
	return r;
}
