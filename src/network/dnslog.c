#include "network/dnslog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"

/* "dnsmasq[PID]: NUMBER ADDRESS/PORT WORDS": the words, or NULL. */
static const char *read_number(uint64_t *number, const char *said)
{
	size_t digits = strspn(said, "0123456789");
	char text[24];

	if (digits == 0 || said[digits] != ' ' ||
		lxe_format(text, sizeof(text), "%.*s", (int)digits, said) < 0 ||
		lxe_parse_u64(text, 0, UINT64_MAX, number) < 0)
		return NULL;
	said = strchr(said + digits + 1, ' ');
	return said ? said + 1 : NULL;
}

/* The name between the word in front and the last of the words behind: a name may hold anything. */
static bool cut_name(char name[LXE_DNSLOG_NAME], const char *words, const char *behind)
{
	const char *end = NULL, *begin = strchr(words, ' ');

	for (const char *at = begin; at && (at = strstr(at, behind)); at++)
		end = at;
	if (!end || end <= begin)
		return false;
	snprintf(name, LXE_DNSLOG_NAME, "%.*s", (int)(end - begin - 1), begin + 1);
	return name[0] != '\0';
}

static void take_question(struct lxe_dnslog *log, uint64_t number, const char *words)
{
	size_t i = number % LXE_DNSLOG_ASKED;

	log->asked[i].number = number;
	if (!cut_name(log->asked[i].name, words, " from "))
		log->asked[i].name[0] = '\0';
}

static void take_answer(struct lxe_dnslog *log, uint64_t number, const char *words)
{
	size_t asked = number % LXE_DNSLOG_ASKED, i = log->n_answers % LXE_DNSLOG_ANSWERS;
	const char *text = strrchr(words, ' ');
	struct lxe_net_addr addr;
	const char *known;

	if (!text || lxe_net_addr_parse(&addr, text + 1, NULL) < 0 ||
		log->asked[asked].number != number || !log->asked[asked].name[0])
		return;
	known = lxe_dnslog_name_of(log, &addr);
	if (known && strcmp(known, log->asked[asked].name) == 0)
		return;
	log->answers[i].addr = addr;
	memcpy(log->answers[i].name, log->asked[asked].name, LXE_DNSLOG_NAME);
	log->n_answers++;
}

/* Who asks whose address something is asks for no name. */
static bool is_reverse(const char *name)
{
	size_t len = strlen(name);

	return len >= 5 && strcmp(name + len - 5, ".arpa") == 0;
}

enum lxe_dnslog_says lxe_dnslog_take(
	struct lxe_dnslog *log, const char *line, char name[LXE_DNSLOG_NAME])
{
	const char *said = strstr(line, "]: "), *words;
	uint64_t number;

	if (!said)
		return LXE_DNSLOG_NOTHING;
	said += 3;
	if (lxe_starts_with(said, "started, ") && !strstr(said, "DNS disabled"))
		return LXE_DNSLOG_STARTED;
	words = read_number(&number, said);
	if (!words)
		return LXE_DNSLOG_NOTHING;
	if (lxe_starts_with(words, "query["))
		take_question(log, number, words);
	else if (lxe_starts_with(words, "reply "))
		take_answer(log, number, words);
	else if (lxe_starts_with(words, "config ") && cut_name(name, words, " is NXDOMAIN") &&
		 !is_reverse(name))
		return LXE_DNSLOG_REFUSED;
	return LXE_DNSLOG_NOTHING;
}

const char *lxe_dnslog_name_of(const struct lxe_dnslog *log, const struct lxe_net_addr *addr)
{
	size_t n = log->n_answers;

	for (size_t back = 1; back <= LXE_DNSLOG_ANSWERS && back <= n; back++) {
		size_t i = (n - back) % LXE_DNSLOG_ANSWERS;

		if (log->answers[i].addr.family == addr->family &&
			memcmp(log->answers[i].addr.bytes, addr->bytes, sizeof(addr->bytes)) == 0)
			return log->answers[i].name;
	}
	return NULL;
}
