/*
 * Why a program could not be executed: looked at by the process that has failed to, where it is and as
 * whom it is. Async-signal-safe.
 */
#ifndef LXE_KEEPER_DIAGNOSE_H
#define LXE_KEEPER_DIAGNOSE_H

enum lxe_trouble_kind {
	LXE_TROUBLE_UNKNOWN, /* errno says all that there is to say */
	LXE_TROUBLE_ABSENT,
	LXE_TROUBLE_DIRECTORY,
	LXE_TROUBLE_NOEXEC, /* its filesystem is mounted noexec */
	LXE_TROUBLE_MODE,   /* its x bit is not set for this user */
	LXE_TROUBLE_NEEDS,  /* a script's interpreter, or a program's loader, is not there */
};

struct lxe_trouble {
	enum lxe_trouble_kind kind;
	char file[160];	 /* what was found, or may not be looked for; cut */
	char needs[100]; /* and what it needs; cut */
};

/* `name` as execvp(3) takes it, and the errno (positive) with which that has failed. */
void lxe_diagnose_exec(struct lxe_trouble *ret, const char *name, const char *path, int error);

/* The first bytes of a file: what it names as its interpreter or loader; empty: nothing. Pure. */
void lxe_diagnose_needs(const unsigned char *bytes, unsigned long n, char *ret, unsigned long size);

#endif
