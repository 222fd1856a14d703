/*
 * Calls that a process makes and that somebody else is asked about: seccomp_unotify(2). The listener is the
 * caller's. The kernel's structures may have grown since this was built, so there is room for more.
 */
#ifndef LXE_SYS_NOTICE_H
#define LXE_SYS_NOTICE_H

#include <linux/seccomp.h>

#define SYS_NOTICE_ROOM 512

struct sys_notice {
	union {
		struct seccomp_notif call;
		char call_room[SYS_NOTICE_ROOM];
	};
	union {
		struct seccomp_notif_resp answer;
		char answer_room[SYS_NOTICE_ROOM];
	};
};

/* The next call, with an answer to it that is all zero yet. -ENOENT: whoever has asked was killed meanwhile. */
int sys_notice_receive(int listener, struct sys_notice *ret);

/* Give the answer that is in it. -ENOENT as above. */
int sys_notice_answer(int listener, struct sys_notice *notice);

#endif
