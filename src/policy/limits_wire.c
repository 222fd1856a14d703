#include <errno.h>
#include <string.h>

#include "policy/limits.h"
#include "proto/wire.h"

/* Never renumber. */
enum tag { TAG_CPUS = 1, TAG_CPUSET, TAG_IO, TAG_ULIMIT, TAG_CPU_TIME, TAG_DISK, TAG_GRACE };

static void put_number(struct lxe_writer *w, enum tag tag, uint64_t value)
{
	if (value)
		lxe_put_u64(w, (uint8_t)tag, value);
}

static void put_list(struct lxe_writer *w, enum tag tag, const struct lxe_strv *list)
{
	for (size_t i = 0; i < list->n; i++)
		lxe_put_text(w, (uint8_t)tag, list->v[i]);
}

void lxe_limits_encode(struct lxe_writer *w, uint8_t tag, const struct lxe_limits *limits)
{
	struct lxe_writer inner = { 0 };

	put_number(&inner, TAG_CPUS, limits->cpus);
	lxe_put_text(&inner, TAG_CPUSET, limits->cpuset);
	put_list(&inner, TAG_IO, &limits->io);
	put_list(&inner, TAG_ULIMIT, &limits->ulimits);
	put_number(&inner, TAG_CPU_TIME, limits->cpu_time_ms);
	put_number(&inner, TAG_DISK, limits->disk);
	put_number(&inner, TAG_GRACE, limits->grace_ms);
	if (inner.error)
		w->error = inner.error;
	else if (inner.len)
		lxe_put_bytes(w, tag, inner.buf, inner.len);
	lxe_writer_release(&inner);
}

static int get_item(const struct lxe_field *f, struct lxe_strv *list)
{
	if (f->len && memchr(f->bytes, '\0', f->len))
		return -EBADMSG;
	return lxe_strv_addn(list, (const char *)f->bytes, f->len);
}

static int get_cpuset(struct lxe_limits *limits, const struct lxe_field *f)
{
	char again[LXE_CPUSET_TEXT];
	int r = lxe_field_text(f, &limits->cpuset);

	if (r == 0 && (lxe_cpuset_normalize(limits->cpuset, again, sizeof(again)) < 0 ||
			      strcmp(again, limits->cpuset) != 0))
		return -EBADMSG;
	return r;
}

static int get_io(struct lxe_limits *limits, const struct lxe_field *f)
{
	struct lxe_io_limit parsed;
	int r = get_item(f, &limits->io);

	if (r == 0 && lxe_io_parse(limits->io.v[limits->io.n - 1], &parsed, NULL) < 0)
		return -EBADMSG;
	return r;
}

static int get_ulimit(struct lxe_limits *limits, const struct lxe_field *f)
{
	struct lxe_ulimit parsed;
	int r = get_item(f, &limits->ulimits);

	if (r == 0 && lxe_ulimit_parse(limits->ulimits.v[limits->ulimits.n - 1], &parsed, NULL) < 0)
		return -EBADMSG;
	return r;
}

static int get(struct lxe_limits *limits, const struct lxe_field *f)
{
	switch ((enum tag)f->tag) {
	case TAG_CPUS:
		return lxe_field_u64(f, &limits->cpus);
	case TAG_CPUSET:
		return get_cpuset(limits, f);
	case TAG_IO:
		return get_io(limits, f);
	case TAG_ULIMIT:
		return get_ulimit(limits, f);
	case TAG_CPU_TIME:
		return lxe_field_u64(f, &limits->cpu_time_ms);
	case TAG_DISK:
		return lxe_field_u64(f, &limits->disk);
	case TAG_GRACE:
		return lxe_field_u64(f, &limits->grace_ms);
	}
	return -EBADMSG;
}

int lxe_limits_decode(struct lxe_limits *ret, const struct lxe_field *field)
{
	struct lxe_reader reader = { .p = field->bytes, .left = field->len };
	struct lxe_limits limits = { 0 };
	struct lxe_field f = { 0 };
	unsigned int seen = 0;
	int r;

	while ((r = lxe_next_field(&reader, &f)) > 0) {
		unsigned int bit = f.tag <= TAG_GRACE ? 1U << f.tag : 0;

		r = (seen & bit) && f.tag != TAG_IO && f.tag != TAG_ULIMIT ? -EBADMSG
									   : get(&limits, &f);
		if (r < 0)
			break;
		seen |= bit;
	}
	if (r == 0 && limits.cpus > (uint64_t)LXE_CPU_MAX * LXE_CPUS_UNIT + LXE_CPUS_UNIT)
		r = -EBADMSG;
	if (r < 0) {
		lxe_limits_release(&limits);
		return r;
	}
	*ret = limits;
	return 0;
}
