#include "keeper/learn.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "confine/compile.h"
#include "confine/rules.h"
#include "keeper/keeper.h"
#include "sys/fd.h"
#include "sys/notice.h"
#include "sys/socket.h"

#define WRITE_MS 2000
#define X32_BIT 0x40000000U

#if defined(__x86_64__)
static const uint32_t arches[LXE_LEARN_ARCHES] = { AUDIT_ARCH_X86_64, AUDIT_ARCH_I386,
	AUDIT_ARCH_X86_64 };
#elif defined(__aarch64__)
static const uint32_t arches[LXE_LEARN_ARCHES] = { AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM, 0 };
#else
static const uint32_t arches[LXE_LEARN_ARCHES] = { 0 };
#endif

void lxe_learner_init(struct lxe_learner *l, struct lxe_keeper *k)
{
	*l = (struct lxe_learner){ .keeper = k, .messenger = -EBADF, .listener = -EBADF };
	l->told.fd = l->asked.fd = -EBADF;
}

static void stop_asking(struct lxe_learner *l)
{
	lxe_loop_remove(l->keeper->loop, &l->asked);
	lxe_drop_fd(&l->listener);
}

static void stop_telling(struct lxe_learner *l)
{
	lxe_loop_remove(l->keeper->loop, &l->told);
	lxe_drop_fd(&l->messenger);
}

void lxe_learner_close(struct lxe_learner *l)
{
	stop_asking(l);
	stop_telling(l);
}

static void note(struct lxe_learnt *learnt, const struct seccomp_data *call)
{
	size_t arch = call->arch == arches[0] ? 0 : 1;
	uint32_t number = (uint32_t)call->nr;

	if (arch == 0 && number & X32_BIT) {
		arch = 2;
		number &= ~X32_BIT;
	}
	if (number < LXE_LEARN_CALLS)
		learnt->seen[arch][number / 64] |= UINT64_C(1) << number % 64;
}

/*
 * Whoever asks is in the middle of its call, and waits. The answer only lets the filter's word stand: what
 * it permits is decided by the filter, so nothing is won by changing the arguments meanwhile.
 */
static void hear_call(void *learner, uint32_t events)
{
	struct lxe_learner *l = learner;
	struct sys_notice notice;

	if (events & EPOLLIN && sys_notice_receive(l->listener, &notice) == 0) {
		int r;

		note(l->keeper->learnt, &notice.call.data);
		notice.answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		r = sys_notice_answer(l->listener, &notice);
		/* Whoever has asked may have been killed meanwhile. */
		if (r < 0 && r != -ENOENT)
			stop_asking(l);
	} else if (!(events & EPOLLIN)) {
		/* Nobody is left who could ask. */
		stop_asking(l);
	}
}

static void hear_messenger(void *learner, uint32_t events)
{
	struct lxe_learner *l = learner;
	int fd = -EBADF;
	size_t n = 1;
	char word;

	(void)events;
	if (sys_recv(l->messenger, &word, 1, &fd, &n) == 1 && n == 1) {
		l->listener = fd;
		l->asked.ready = hear_call;
		l->asked.arg = l;
		/* Unheard, its first call would wait for ever. */
		if (lxe_loop_add(l->keeper->loop, &l->asked, fd, EPOLLIN) < 0)
			lxe_drop_fd(&l->listener);
	}
	stop_telling(l);
}

int lxe_learner_open(struct lxe_learner *l, int *child, struct lxe_err *err)
{
	int ends[2], r;

	if (!l->keeper->filter.listens)
		return 0;
	if (!l->keeper->learnt)
		l->keeper->learnt = calloc(1, sizeof(*l->keeper->learnt));
	r = l->keeper->learnt ? sys_socketpair(ends) : -ENOMEM;
	if (r < 0)
		return lxe_fail(err, r, "make the learner's socket");
	l->messenger = ends[0];
	*child = ends[1];
	l->told.ready = hear_messenger;
	l->told.arg = l;
	r = lxe_loop_add(l->keeper->loop, &l->told, l->messenger, EPOLLIN);
	return r < 0 ? lxe_fail(err, r, "listen to the command's filter") : 0;
}

int lxe_learner_tell_child(int messenger, int listener)
{
	return sys_send(messenger, "L", 1, &listener, 1);
}

struct lxe_filter_how lxe_keeper_filter_how(const struct lxe_keeper *k)
{
	const struct lxe_spec *spec = &k->main->spec;

	return (struct lxe_filter_how){
		.name = spec->seccomp ? spec->seccomp : "default",
		.text = spec->seccomp_text,
		.len = spec->seccomp_text ? strlen(spec->seccomp_text) : 0,
		.caps = spec->caps,
		.log = spec->seccomp_log,
		.learn = spec->learn,
	};
}

static int add_once(struct lxe_strv *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->v[i], name) == 0)
			return 0;
	return lxe_strv_add(names, name);
}

static int name_calls(struct lxe_strv *ret, const struct lxe_learnt *learnt)
{
	int r = 0;

	for (const char *const *name = lxe_compile_always(); r == 0 && *name; name++)
		r = add_once(ret, *name);
	for (size_t arch = 0; arch < LXE_LEARN_ARCHES; arch++) {
		for (uint32_t n = 0; r == 0 && n < LXE_LEARN_CALLS; n++) {
			LXE_AUTOFREE char *name = NULL;

			if (!(learnt->seen[arch][n / 64] >> n % 64 & 1))
				continue;
			name = lxe_compile_name(arches[arch], (int)(n | (arch == 2 ? X32_BIT : 0)));
			if (name)
				r = add_once(ret, name);
		}
	}
	return r;
}

static int make_profile(char **ret, const struct lxe_keeper *k, struct lxe_err *err)
{
	const struct lxe_filter_how how = lxe_keeper_filter_how(k);
	struct lxe_rules base = { 0 }, tight = { 0 };
	struct lxe_strv used = { 0 };
	int r = lxe_filter_rules(&base, &how, err);

	if (r == 0)
		r = name_calls(&used, k->learnt);
	if (r == 0)
		r = lxe_rules_tighten(&tight, &base, &used);
	if (r == 0) {
		*ret = lxe_rules_to_json(&tight);
		r = *ret ? 0 : -ENOMEM;
	}
	lxe_strv_release(&used);
	lxe_rules_release(&base);
	lxe_rules_release(&tight);
	return r;
}

int lxe_keeper_write_learnt(const struct lxe_keeper *k, struct lxe_err *err)
{
	LXE_AUTOFREE char *json = NULL;
	int fd = k->main ? k->main->request.fds[LXE_FD_LEARN] : -EBADF, r;

	if (fd < 0 || !k->learnt || !k->main->outcome.started_at_ms)
		return 0;
	r = make_profile(&json, k, err);
	if (r == 0 && !lxe_starts_with(k->main->spec.learn, "fd:") && ftruncate(fd, 0) < 0)
		r = -errno;
	/* A descriptor of the caller's may be a pipe that nobody reads. */
	if (r == 0)
		r = sys_write_within(fd, json, strlen(json), WRITE_MS);
	return r < 0 ? lxe_fail(err, r, "write what was learnt to '%s'", k->main->spec.learn) : 0;
}
