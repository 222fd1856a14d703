#include "network/blocked.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/blocked.h"
#include "store/outcome.h"

static struct lxe_blocked blocked;
static struct lxe_net_spec spec;
static struct lxe_net_addr subnet;
static char text[LXE_BLOCKED_TEXT];

static void begin(void)
{
	memset(&blocked, 0, sizeof(blocked));
	spec = (struct lxe_net_spec){ .mode = LXE_NET_FILTERED };
	lxe_net_addr_parse(&subnet, "10.213.0.0/16", NULL);
}

static void end(void)
{
	lxe_net_release(&spec);
}

TestSuite(blocked, .init = begin, .fini = end);

static bool add(const char *addr, uint8_t proto, uint16_t port, const char *name)
{
	struct lxe_nflog_packet packet = { .proto = proto, .port = port };

	cr_assert_eq(lxe_net_addr_parse(&packet.to, addr, NULL), 0);
	return lxe_blocked_add(&blocked, &packet, false, name);
}

static void is(const char *wanted)
{
	lxe_blocked_text(&blocked, &spec, &subnet, text, sizeof(text));
	cr_expect_str_eq(text, wanted);
}

Test(blocked, nothing_is_no_text)
{
	is("");
}

Test(blocked, each_destination_once_with_what_would_allow_it)
{
	lxe_strv_add(&spec.deny, "udp://198.51.100.0/24:1-100");
	cr_expect(add("198.51.100.7", 6, 443, NULL));
	cr_expect_not(add("198.51.100.7", 6, 443, NULL));
	cr_expect(add("198.51.100.7", 17, 53, NULL));
	cr_expect(add("198.51.100.7", 1, 0, NULL));
	cr_expect(add("2001:db8::1", 6, 80, NULL));
	cr_expect(add("10.213.0.6", 6, 80, NULL));
	cr_expect(add("198.51.100.7", 47, 0, NULL));
	cr_expect(add("198.51.100.9", 6, 80, "web.example"));
	cr_expect(lxe_blocked_add_name(&blocked, "evil.example"));
	cr_expect_not(lxe_blocked_add_name(&blocked, "evil.example"));
	is("tcp 198.51.100.7 443 2 --allow tcp://198.51.100.7:443\n"
	   "udp 198.51.100.7 53 1 --deny-net udp://198.51.100.0/24:1-100 denies it\n"
	   "icmp 198.51.100.7 - 1 --allow icmp://198.51.100.7\n"
	   "tcp 2001:db8::1 80 1 --allow tcp://[2001:db8::1]:80\n"
	   "tcp 10.213.0.6 80 1 sandboxes do not reach each other\n"
	   "47 198.51.100.7 - 1 --allow 198.51.100.7\n"
	   "tcp 198.51.100.9 80 1 --allow tcp://web.example:80\n"
	   "dns evil.example - 2 --allow evil.example\n");
}

Test(blocked, no_option_leads_to_another_sandbox_whatever_subnet_it_is_in)
{
	struct lxe_nflog_packet packet = { .proto = 6, .port = 80 };

	cr_assert_eq(lxe_net_addr_parse(&packet.to, "10.99.0.6", NULL), 0);
	cr_expect(lxe_blocked_add(&blocked, &packet, true, NULL));
	cr_expect(lxe_blocked_add(&blocked, &packet, false, NULL), "as when it is gone");
	is("tcp 10.99.0.6 80 1 sandboxes do not reach each other\n"
	   "tcp 10.99.0.6 80 1 --allow tcp://10.99.0.6:80\n");
}

static bool add_in(const char *to, uint8_t proto, uint16_t port, bool neighbour)
{
	struct lxe_nflog_packet packet = { .proto = proto, .port = port };

	cr_assert_eq(lxe_net_addr_parse(&packet.from, "203.0.113.9", NULL), 0);
	cr_assert_eq(lxe_net_addr_parse(&packet.to, to, NULL), 0);
	return lxe_blocked_add_in(&blocked, &packet, neighbour);
}

Test(blocked, what_came_in_is_told_behind_what_went_out_and_how_it_is_let_in)
{
	lxe_strv_add(&spec.deny, "*");
	cr_expect(add_in("10.213.0.6", 6, 80, false));
	cr_expect_not(add_in("10.213.0.6", 6, 80, false));
	cr_expect(add_in("10.213.0.6", 6, 80, true));
	cr_expect(add_in("10.213.0.6", 17, 53, false));
	cr_expect(add_in("10.213.0.6", 1, 0, false));
	cr_expect(add_in("fd00:213::ad5:6", 6, 81, false));
	cr_expect(add_in("fd00:213::ad5:6", 6, 82, true));
	cr_expect(add("10.213.0.6", 6, 80, NULL), "the same the other way");
	is("tcp 10.213.0.6 80 1 --deny-net * denies it\n"
	   "in/tcp 10.213.0.6 80 2 --publish 80:80\n"
	   "in/tcp 10.213.0.6 80 1 sandboxes do not reach each other\n"
	   "in/udp 10.213.0.6 53 1 --publish 53:53/udp\n"
	   "in/icmp 10.213.0.6 - 1 only ports that are published let in\n"
	   "in/tcp fd00:213::ad5:6 81 1 --publish 81:81\n"
	   "in/tcp fd00:213::ad5:6 82 1 sandboxes do not reach each other\n");
}

Test(blocked, whoever_scans_its_ports_does_not_hide_what_it_wanted)
{
	uint64_t total = 0;
	struct lxe_blocked_line line;
	const char *p = text;

	for (uint16_t port = 1; port <= 100; port++)
		add_in("10.213.0.6", 6, port, false);
	cr_expect(add("198.51.100.7", 6, 443, NULL));
	cr_expect_eq(blocked.n, LXE_BLOCKED_IN_MAX + 1);
	lxe_blocked_text(&blocked, &spec, &subnet, text, sizeof(text));
	cr_expect_eq(strncmp(text, "tcp 198.51.100.7 443 1 ", 23), 0, "%s", text);
	while ((p = lxe_blocked_line(&line, p)))
		total += strtoull(line.count, NULL, 10);
	cr_expect_eq(total, 101);
}

Test(blocked, a_name_that_is_denied)
{
	lxe_strv_add(&spec.deny, "tcp://*.evil.example:443");
	lxe_blocked_add_name(&blocked, "www.Evil.example");
	lxe_blocked_add_name(&blocked, "notevil.example");
	is("dns www.Evil.example - 1 --deny-net tcp://*.evil.example:443 denies it\n"
	   "dns notevil.example - 1 --allow notevil.example\n");
}

/* A name is what the sandbox asks for: any bytes. */
Test(blocked, a_name_is_a_word_of_a_line)
{
	char longer[400];

	lxe_blocked_add_name(&blocked, "a b\\\n\x1b[1m\xff");
	lxe_blocked_add_name(&blocked, "");
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	lxe_blocked_add_name(&blocked, longer);
	lxe_blocked_text(&blocked, &spec, &subnet, text, sizeof(text));
	cr_expect(strstr(text, "dns a_b\\??[1m? - 1 "), "%s", text);
	cr_expect(strstr(text, "dns . - 1 "), "%s", text);
	cr_expect_not(strchr(text, '\x1b'));
}

static size_t lines(uint64_t *total)
{
	struct lxe_blocked_line line;
	const char *p = text;
	size_t n = 0;

	*total = 0;
	for (; (p = lxe_blocked_line(&line, p)); n++)
		*total += strtoull(line.count, NULL, 10);
	return n;
}

Test(blocked, what_has_no_room_is_counted)
{
	uint64_t total;

	for (int i = 0; i < 1000; i++) {
		char addr[32];

		snprintf(addr, sizeof(addr), "198.51.%d.%d", 100 + i / 250, i % 250);
		add(addr, 6, 65535, NULL);
	}
	cr_expect_eq(blocked.n, LXE_BLOCKED_MAX);
	lxe_blocked_text(&blocked, &spec, &subnet, text, sizeof(text));
	cr_expect_gt(lines(&total), 15);
	cr_expect_eq(total, 1000, "%s", text);
	cr_expect_eq(text[strlen(text) - 1], '\n');
}

Test(blocked, any_room_is_enough)
{
	uint64_t total;

	for (int i = 0; i < 20; i++)
		add("198.51.100.7", 6, (uint16_t)(i + 1), NULL);
	for (size_t size = 40; size <= sizeof(text); size++) {
		lxe_blocked_text(&blocked, &spec, &subnet, text, size);
		cr_assert_gt(lines(&total), 0);
		cr_assert_eq(total, 20, "%zu: %s", size, text);
	}
}

Test(blocked, lines_that_are_none_of_ours)
{
	static const char *const bad[] = { "", "\n", "tcp", "tcp a", "tcp a 1", "tcp a 1 2",
		"tcp a 1 2 x", " tcp a 1 2 x\n", "tcp  a 1 2 x\n",
		"averyveryverylongprotocol a 1 2 x\n" };
	struct lxe_blocked_line line;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_null(lxe_blocked_line(&line, bad[i]), "'%s'", bad[i]);
	cr_assert_not_null(lxe_blocked_line(&line, "tcp a - 2 \n"));
	cr_expect_str_eq(line.hint, "");
}

static void direction_is(json_t *list, size_t i, const char *wanted)
{
	json_t *value = json_object_get(json_array_get(list, i), "direction");

	if (wanted)
		cr_expect_str_eq(json_string_value(value), wanted);
	else
		cr_expect(json_is_null(value));
}

Test(blocked, is_in_the_record)
{
	struct lxe_outcome o = { .bytes_out = -1, .teardown_ok = true };
	json_t *root, *list;
	char *json;

	strcpy(o.blocked, "tcp 198.51.100.7 443 3 --allow tcp://198.51.100.7:443\n"
			  "in/tcp 10.213.0.6 80 1 --publish 80:80\n* * - 7 \n");
	json = lxe_outcome_json(&o);
	root = json_loads(json, 0, NULL);
	list = json_object_get(root, "blocked");
	cr_assert_eq(json_array_size(list), 3);
	direction_is(list, 0, "out");
	direction_is(list, 1, "in");
	direction_is(list, 2, NULL);
	cr_expect_str_eq(
		json_string_value(json_object_get(json_array_get(list, 1), "protocol")), "tcp");
	cr_expect_str_eq(json_string_value(json_object_get(json_array_get(list, 0), "destination")),
		"198.51.100.7");
	cr_expect_eq(json_integer_value(json_object_get(json_array_get(list, 0), "port")), 443);
	cr_expect_eq(json_integer_value(json_object_get(json_array_get(list, 0), "count")), 3);
	cr_expect_str_eq(json_string_value(json_object_get(json_array_get(list, 0), "hint")),
		"--allow tcp://198.51.100.7:443");
	cr_expect(json_is_null(json_object_get(json_array_get(list, 2), "destination")));
	cr_expect_eq(json_integer_value(json_object_get(json_array_get(list, 2), "count")), 7);
	json_decref(root);
	free(json);
}

Test(blocked, what_no_rule_can_name_has_no_hint)
{
	lxe_blocked_add_name(&blocked, "<name unprintable>");
	is("dns <name_unprintable> - 1 \n");
}
