#include "sys/notice.h"

#include <errno.h>
#include <sys/ioctl.h>

int sys_notice_receive(int listener, struct sys_notice *ret)
{
	/* What the kernel has not filled must be zero. */
	*ret = (struct sys_notice){ .call_room = { 0 }, .answer_room = { 0 } };
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &ret->call) < 0)
		return -errno;
	ret->answer.id = ret->call.id;
	return 0;
}

int sys_notice_answer(int listener, struct sys_notice *notice)
{
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &notice->answer) < 0 ? -errno : 0;
}
