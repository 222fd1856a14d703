/*
 * A dnsmasq's log and a resolv.conf: no line makes the parsers read past its end, a name is always ended, and a
 * server is always an address.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "network/dnslog.h"
#include "network/resolvconf.h"

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static void read_log(char *text)
{
	struct lxe_dnslog *log = calloc(1, sizeof(*log));
	char name[LXE_DNSLOG_NAME], *save = NULL;

	expect(log != NULL);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		memset(name, 'x', sizeof(name));
		if (lxe_dnslog_take(log, line, name) == LXE_DNSLOG_REFUSED)
			expect(name[0] && memchr(name, '\0', sizeof(name)));
	}
	for (size_t i = 0; i < LXE_DNSLOG_ANSWERS && i < log->n_answers; i++)
		expect(lxe_dnslog_name_of(log, &log->answers[i].addr) != NULL);
	free(log);
}

static void read_resolv_conf(const char *text)
{
	struct lxe_strv servers = { 0 };

	expect(lxe_resolvconf_servers(&servers, text) == 0);
	for (size_t i = 0; i < servers.n; i++)
		expect(strpbrk(servers.v[i], " \t\r\n#/,") == NULL && servers.v[i][0]);
	lxe_strv_release(&servers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = calloc(1, size + 1);

	expect(text != NULL);
	memcpy(text, data, size);
	read_resolv_conf(text);
	read_log(text);
	free(text);
	return 0;
}
