/*
 * Texts for the standard inputs of tools, so that one knows when each has been read to its end, and
 * none sees the end of file before all have come that far. A tool that does not read ahead has done
 * by then what it was told.
 */
#ifndef LXE_NETWORK_FEED_H
#define LXE_NETWORK_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LXE_FEEDS_MAX 4

/* A pipe of one page: room for the next one says that the one before it has been read to its end. */
struct lxe_feed {
	const char *text; /* in lines, in which one that begins with # says nothing; the caller's */
	size_t len;
	size_t at;	/* written up to here */
	size_t remarks; /* written behind it */
	bool gone;	/* nobody reads it any more */
	int r;		/* negative: why it cannot be written, which is not the reader's doing */
	int reading;	/* for the tool; closed by the caller when that has it */
	int writing;
};

#define LXE_FEED_NONE                        \
	(struct lxe_feed)                    \
	{                                    \
		.reading = -1, .writing = -1 \
	}

/* Has all of it been read, and does the reader ask for more? */
bool lxe_feed_is_read(const struct lxe_feed *f);

int lxe_feed_open(struct lxe_feed *ret, const char *text);
void lxe_feed_close(struct lxe_feed *f);

/* Behind one that has been read. */
void lxe_feed_next(struct lxe_feed *f, const char *text);

/*
 * Feed `n`, LXE_FEEDS_MAX at most, until each has been read to its end and the reader asks for more,
 * or is gone. None sees the end of file before its feed is closed. Negative, -ETIMEDOUT after `end`
 * (sys_now_ms()): one may have got a part alone, and is not to take it for the whole. SIGPIPE has to
 * be blocked.
 */
int lxe_feed_all(struct lxe_feed *const *feeds, size_t n, uint64_t end);

#endif
