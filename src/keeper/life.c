#include "keeper/life.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "keeper/keeper.h"
#include "sys/proc.h"

/* Of the latest timer: what is beyond is as good as never, and must not overflow. */
#define FOREVER_MS (UINT64_C(1) << 48)

void lxe_life_duration(char *buf, size_t size, uint64_t ms)
{
	if (ms % 1000)
		snprintf(buf, size, "%" PRIu64 " ms", ms);
	else
		snprintf(buf, size, "%" PRIu64 " s", ms / 1000);
}

static void tell(struct lxe_outcome *o, const char *before, uint64_t ms, const char *after,
	const char *option)
{
	char duration[32];

	lxe_life_duration(duration, sizeof(duration), ms);
	snprintf(o->message, sizeof(o->message), "%s%s%s", before, duration, after);
	snprintf(o->rule, sizeof(o->rule), "%s %s", option, duration);
	snprintf(o->hint, sizeof(o->hint), "--%s DURATION sets the limit", option);
}

void lxe_life_tell(const struct lxe_keeper *k, struct lxe_outcome *ret)
{
	const struct lxe_spec *spec = &k->main->spec;

	switch (k->life.expired) {
	case LXE_EXPIRY_NONE:
		break;
	case LXE_EXPIRY_TTL:
		tell(ret, "the sandbox's time to live of ", spec->ttl_ms, " is over", "ttl");
		break;
	case LXE_EXPIRY_IDLE:
		tell(ret, "nobody has used the sandbox for ", spec->idle_ms, "", "idle");
		break;
	}
}

static void expire(struct lxe_keeper *k, enum lxe_expiry why)
{
	/* What has come to its natural end, or is being ended, needs no reason of ours. */
	if (k->over || k->stopping)
		return;
	if (k->main->reaped) {
		if (k->main->state == LXE_PROCESS_ENDED && !k->main->finished)
			k->life.expired = why;
		lxe_keeper_give_up_delivery(k->main);
		return;
	}
	k->life.expired = why;
	for (struct lxe_process *p = k->processes; p; p = p->next)
		p->timed_out = p->timed_out || p->state != LXE_PROCESS_ENDED;
	lxe_keeper_stop(k, 0, 0);
}

static void ttl_passed(void *keeper)
{
	expire(keeper, LXE_EXPIRY_TTL);
}

static bool is_attached(const struct lxe_keeper *k)
{
	const struct lxe_channel *c = k->channels;

	while (c && (c->role == 0 || c->role == LXE_ROLE_CONTROL))
		c = c->next;
	return c;
}

static bool is_in_use(const struct lxe_keeper *k)
{
	if (k->state == LXE_CREATING || is_attached(k))
		return true;
	for (const struct lxe_process *p = k->processes; p; p = p->next)
		if (p->driver || (p != k->main && !p->finished))
			return true;
	return false;
}

static void idle_passed(void *keeper)
{
	struct lxe_keeper *k = keeper;
	uint64_t idle = k->main->spec.idle_ms, quiet;

	if (is_in_use(k))
		lxe_life_used(k);
	quiet = sys_now_ms() - k->life.used_ms;
	if (quiet >= idle)
		expire(k, LXE_EXPIRY_IDLE);
	else
		lxe_loop_set_timer(k->loop, &k->life.idle, idle - quiet);
}

static uint64_t at_most_forever(uint64_t ms)
{
	return ms < FOREVER_MS ? ms : FOREVER_MS;
}

void lxe_life_begin(struct lxe_keeper *k, uint64_t created_at_ms)
{
	const struct lxe_spec *spec = &k->main->spec;
	uint64_t now = sys_epoch_ms(), age = now > created_at_ms ? now - created_at_ms : 0;
	struct lxe_keeper_life *life = &k->life;

	life->ttl = (struct lxe_timer){ .passed = ttl_passed, .arg = k };
	life->idle = (struct lxe_timer){ .passed = idle_passed, .arg = k };
	lxe_life_used(k);
	if (spec->ttl_ms) {
		lxe_loop_set_timer(k->loop, &life->ttl,
			at_most_forever(spec->ttl_ms > age ? spec->ttl_ms - age : 0));
		/* For whoever looks; a full disk must not end what runs. */
		if (spec->ttl_ms < FOREVER_MS)
			k->now.expires_at_ms = now - age + spec->ttl_ms;
		lxe_live_write(k->live, &k->now);
	}
	if (spec->idle_ms)
		lxe_loop_set_timer(k->loop, &life->idle, at_most_forever(spec->idle_ms));
}

void lxe_life_resume(struct lxe_keeper *k)
{
	struct lxe_live before;

	if (lxe_live_read(k->sandbox.dir, &before) == 0)
		k->now.idmap_start = k->kept_owner = before.idmap_start;
	unlinkat(k->sandbox.dir, LXE_SANDBOX_OUTCOME, 0);
}

void lxe_life_end(struct lxe_keeper *k)
{
	if (!k->loop)
		return;
	lxe_loop_clear_timer(k->loop, &k->life.ttl);
	lxe_loop_clear_timer(k->loop, &k->life.idle);
}

void lxe_life_used(struct lxe_keeper *k)
{
	k->life.used_ms = sys_now_ms();
}
