#include "policy/net.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/options.h"
#include "policy/profile.h"
#include "policy/request.h"

static struct lxe_request req;
static struct lxe_err err;

static void begin(void)
{
	err = (struct lxe_err){ 0 };
	lxe_request_init(&req);
}

static void end(void)
{
	lxe_request_release(&req);
}

TestSuite(net, .init = begin, .fini = end);

static void sets(const char *name, const char *value)
{
	cr_assert_eq(
		lxe_request_set(&req, name, value, &err), 0, "%s '%s': %s", name, value, err.msg);
}

static void refuses(const char *name, const char *value, const char *message)
{
	err = (struct lxe_err){ 0 };
	cr_assert_lt(lxe_request_set(&req, name, value, &err), 0, "%s '%s'", name, value);
	cr_expect_str_eq(err.msg, message);
	cr_expect(err.hint[0], "%s", message);
}

static void settles(enum lxe_net_mode mode)
{
	cr_assert_eq(lxe_net_settle(&req.spec.net, &err), 0, "%s", err.msg);
	cr_assert_eq(req.spec.net.mode, mode);
	cr_assert_eq(lxe_net_settle(&req.spec.net, &err), 0, "%s", err.msg);
	cr_assert_eq(req.spec.net.mode, mode);
}

static void contradicts(const char *message)
{
	err = (struct lxe_err){ 0 };
	cr_assert_eq(lxe_net_settle(&req.spec.net, &err), -EINVAL);
	cr_expect_str_eq(err.msg, message);
	cr_expect(err.hint[0]);
}

static void reads(const char *profile)
{
	cr_assert_eq(lxe_profile_parse(&req, "p.conf", profile, strlen(profile), &err), 0, "%s",
		err.msg);
	lxe_request_next_source(&req);
}

Test(net, modes)
{
	settles(LXE_NET_NONE);
	sets("network", "open");
	settles(LXE_NET_OPEN);
	sets("network", "filtered");
	settles(LXE_NET_FILTERED);
	sets("network", "none");
	settles(LXE_NET_NONE);
	refuses("network", "host", "network 'host' is neither none, filtered nor open");
	refuses("network", "OPEN", "network 'OPEN' is neither none, filtered nor open");
}

Test(net, what_asks_for_a_network_implies_a_filtered_one)
{
	sets("allow", "a.example");
	settles(LXE_NET_FILTERED);
	end();
	begin();
	sets("publish", "8080:80");
	settles(LXE_NET_FILTERED);
	end();
	begin();
	sets("proxy", "http://a.example:3128");
	settles(LXE_NET_FILTERED);
	end();
	begin();
	sets("proxy", "env:PROXY");
	settles(LXE_NET_FILTERED);
}

Test(net, contradictions)
{
	sets("deny-net", "a.example");
	contradicts("--deny-net means nothing with --network none");
	sets("network", "none");
	contradicts("--deny-net means nothing with --network none");
	sets("allow", "a.example");
	contradicts("--allow means nothing with --network none");
	end();
	begin();
	sets("publish", "1:1");
	sets("network", "none");
	contradicts("--publish means nothing with --network none");
	sets("network", "open");
	settles(LXE_NET_OPEN);
	sets("proxy", "http://a.example:3128");
	contradicts("--proxy means nothing with --network open");
	sets("proxy", "none");
	settles(LXE_NET_OPEN);
}

Test(net, the_command_line_beats_a_profile)
{
	reads("[run]\nnetwork = filtered\npublish = 1:1 2:2\nproxy = http://p.example:1\n"
	      "[allow]\nweb = a.example b.example:80\n[deny-net]\nx = 198.51.100.0/24\n");
	cr_assert_eq(req.spec.net.allow.n, 2);
	cr_assert_eq(req.spec.net.publish.n, 2);
	settles(LXE_NET_FILTERED);
	sets("network", "none");
	settles(LXE_NET_NONE);
	cr_assert_eq(req.spec.net.allow.n, 0);
	sets("allow", "c.example");
	contradicts("--allow means nothing with --network none");
	end();
	begin();
	reads("[run]\nproxy = http://p.example:1\n[allow]\nweb = a.example\n");
	sets("allow", "c.example");
	sets("network", "open");
	settles(LXE_NET_OPEN);
	cr_assert_eq(req.spec.net.allow.n, 2);
	cr_assert_null(req.spec.net.proxy);
}

Test(net, a_list_in_a_profile)
{
	reads("[allow]\na = \"  tcp://A.example:443\ta.example \"\nb = [2001:db8::1]:1\n");
	cr_assert_eq(req.spec.net.allow.n, 3);
	cr_assert_str_eq(req.spec.net.allow.v[0], "tcp://a.example:443");
	cr_assert_str_eq(req.spec.net.allow.v[1], "a.example");
	cr_assert_str_eq(req.spec.net.allow.v[2], "[2001:db8::1]:1");
	cr_assert_lt(lxe_profile_parse(&req, "p.conf", "[allow]\na = b:0\n", 16, &err), 0);
	cr_assert_str_eq(err.msg, "p.conf:2: allow: rule 'b:0', character 3: '0' is no port");
	err = (struct lxe_err){ 0 };
	cr_assert_lt(lxe_profile_parse(&req, "p.conf", "[allow]\na =\n", 12, &err), 0);
	cr_assert_str_eq(err.msg, "p.conf:2: allow: 'a=' has no rule");
}

static void publishes(const char *text, const char *form)
{
	struct lxe_net_publish p;
	char got[128];

	cr_assert_eq(lxe_net_publish_parse(&p, text, &err), 0, "%s", err.msg);
	cr_assert_eq(lxe_net_publish_format(&p, got, sizeof(got)), 0);
	cr_expect_str_eq(got, form);
}

Test(net, publish)
{
	static const char *const bad[] = { "", ":", "80", "80:", ":80", "0:80", "80:0", "65536:80",
		"80:65536", "80:80/sctp", "80:80/", "80:80/TCP", "::80:80", "[::1:80:80", "x:80:80",
		"10.0.0.0/8:80:80", "[10.0.0.1]:80:80:80", "1.2.3.4:80", "80-90:80", "080:80",
		"1.2.3:80:80", " 80:80", "80:80 ", "[fe80::1%eth0]:80:80", "a.example:80:80",
		"::1:80:80", "[]:80:80", "[::1/64]:80:80", "[::1]:80:80" };
	struct lxe_net_publish p;

	publishes("8080:80", "8080:80/tcp");
	publishes("8080:80/tcp", "8080:80/tcp");
	publishes("53:5353/udp", "53:5353/udp");
	publishes("127.0.0.1:8080:80", "127.0.0.1:8080:80/tcp");
	publishes("[2001:db8::1]:8080:80/udp", "[2001:db8::1]:8080:80/udp");
	publishes("[2001:DB8::0]:1:65535", "[2001:db8::]:1:65535/tcp");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err = (struct lxe_err){ 0 };
		cr_expect_eq(lxe_net_publish_parse(&p, bad[i], &err), -EINVAL, "'%s'", bad[i]);
		cr_expect(err.msg[0] && err.hint[0], "'%s'", bad[i]);
	}
}

Test(net, a_port_of_the_host_is_published_once)
{
	sets("publish", "8080:80");
	sets("publish", "8080:80/udp");
	sets("publish", "8081:80");
	settles(LXE_NET_FILTERED);
	sets("publish", "127.0.0.1:8080:81");
	contradicts(
		"--publish '8080:80/tcp' and '127.0.0.1:8080:81/tcp' are the same port of the host");
	end();
	begin();
	sets("publish", "198.51.100.1:8080:81");
	sets("publish", "198.51.100.2:8080:81");
	sets("publish", "[2001:db8::1]:8080:81");
	settles(LXE_NET_FILTERED);
	for (int i = 3; i < LXE_NET_PUBLISH_MAX; i++) {
		char text[32];

		snprintf(text, sizeof(text), "%d:1", i);
		sets("publish", text);
	}
	refuses("publish", "9999:1", "publish: more than 256 ports");
}

static void proxies(const char *text, const char *form, const char *userinfo)
{
	struct lxe_net_proxy p;
	char got[LXE_NET_RULE_TEXT];

	cr_assert_eq(lxe_net_proxy_parse(&p, text, &err), 0, "%s", err.msg);
	cr_assert_eq(lxe_net_proxy_format(&p, got, sizeof(got)), 0);
	cr_expect_str_eq(got, form);
	cr_expect_eq(p.userinfo_len, strlen(userinfo));
	cr_expect(strncmp(p.userinfo ? p.userinfo : "", userinfo, strlen(userinfo)) == 0);
}

Test(net, proxy_urls)
{
	static const char *const bad[] = { "", "a.example:1", "ftp://a.example:1", "http://",
		"http://a.example", "http://a.example:0", "http://a.example:1,2",
		"http://a.example:1-2", "http://*:1", "http://*.a.example:1", "http://10.0.0.0/8:1",
		"http://a.example:1/x", "http://a.example:1?x", "HTTP://a.example:1",
		"http://s3cret word@a.example:1", "http://s3cret\"@a.example:1",
		"http://@a.example:1", "http://s3cret@a.example:0", "http://s3cret@",
		"s3cret@a.example:1", "http://u:s3cret@@:1", "http://127.0.0.1:3128" };
	struct lxe_net_proxy p;

	proxies("http://A.example:3128", "http://a.example:3128", "");
	proxies("https://198.51.100.7:443/", "https://198.51.100.7:443", "");
	proxies("socks5h://[2001:db8::1]:1080", "socks5h://[2001:db8::1]:1080", "");
	proxies("http://u:p%40:x@a.example:3128", "http://a.example:3128", "u:p%40:x");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err = (struct lxe_err){ 0 };
		cr_expect_eq(lxe_net_proxy_parse(&p, bad[i], &err), -EINVAL, "'%s'", bad[i]);
		cr_expect(err.msg[0] && err.hint[0], "'%s'", bad[i]);
		cr_expect_not(strstr(err.msg, "s3cret"), "%s", err.msg);
		cr_expect_not(strstr(err.hint, "s3cret"), "%s", err.hint);
	}
}

Test(net, a_password_on_the_command_line_is_refused_and_not_repeated)
{
	refuses("proxy", "http://u:s3cret@a.example:1", "proxy has a user or a password in it");
	refuses("proxy", "fd:x", "proxy does not say where the URL is");
	refuses("proxy", "env:", "proxy does not say where the URL is");
	sets("proxy", "file:relative");
	sets("proxy", "fd:5");
	cr_assert_str_eq(req.spec.net.proxy_source, "fd:5");
	sets("proxy", "http://a.example:1");
	cr_assert_null(req.spec.net.proxy_source);
	cr_assert_lt(lxe_profile_parse(&req, "p.conf", "[run]\nproxy = fd:3\n", 19, &err), 0);
	cr_assert_str_eq(err.msg, "p.conf:2: proxy 'fd:3' is not for a profile");
	err = (struct lxe_err){ 0 };
	cr_assert_lt(lxe_profile_parse(&req, "p.conf", "[run]\nproxy = file:p\n", 21, &err), 0);
}

Test(net, subnets)
{
	sets("subnet", "10.0.0.0/8");
	cr_assert_str_eq(req.spec.net.subnet, "10.0.0.0/8");
	sets("subnet", "192.168.7.0/29");
	refuses("subnet", "10.0.0.0/30", "subnet: '10.0.0.0/30' is no IPv4 network of /8 to /29");
	refuses("subnet", "10.0.0.1", "subnet: '10.0.0.1' is no IPv4 network of /8 to /29");
	refuses("subnet", "10.0.0.1/24", "subnet: '10.0.0.1/24' has bits set behind its prefix");
	refuses("subnet", "8.8.8.0/24", "subnet: '8.8.8.0/24' is a network of public addresses");
	refuses("subnet", "2001:db8::/64",
		"subnet: '2001:db8::/64' is no IPv4 network of /8 to /29");
	refuses("subnet", "x", "subnet: 'x' is no IPv4 address");
}

Test(net, the_proxy_is_the_last_that_is_allowed)
{
	struct lxe_net_rule *rules;
	size_t n;

	sets("allow", "a.example");
	sets("proxy", "http://p.example:3128");
	cr_assert_eq(lxe_net_allowed(&req.spec.net, &rules, &n), 0);
	cr_assert_eq(n, 2);
	cr_assert_str_eq(rules[1].name, "p.example");
	cr_assert_eq(rules[1].ports[0].lo, 3128);
	free(rules);
	cr_assert_eq(lxe_net_denied(&req.spec.net, &rules, &n), 0);
	cr_assert_eq(n, 0);
	free(rules);
}

/* As many as a profile can hold, and over the wire. */
Test(net, ten_thousand_rules)
{
	char *text = NULL;
	size_t len, wire_len, n;
	FILE *out = open_memstream(&text, &len);
	struct lxe_net_rule *rules;
	struct lxe_spec got = { 0 };
	unsigned char *wire;

	fputs("[run]\nnetwork = filtered\n[allow]\n", out);
	for (unsigned int i = 0; i < 10000; i++)
		fprintf(out,
			i % 20 ? " tcp://198.51.%u.%u:443" : "\nl%3$u = tcp://198.51.%1$u.%2$u:443",
			i / 250, i % 250, i);
	fclose(out);
	cr_assert_eq(lxe_profile_parse(&req, "p.conf", text, len, &err), 0, "%s", err.msg);
	free(text);
	cr_assert_eq(req.spec.net.allow.n, 10000);
	lxe_strv_add(&req.spec.argv, "true");
	cr_assert_eq(lxe_spec_encode(&req.spec, &wire, &wire_len), 0);
	cr_assert_eq(lxe_spec_decode(&got, wire, wire_len), 0);
	free(wire);
	cr_assert_eq(got.net.allow.n, 10000);
	cr_assert_eq(lxe_net_allowed(&got.net, &rules, &n), 0);
	cr_assert_eq(n, 10000);
	free(rules);
	lxe_spec_release(&got);
}

Test(net, what_is_in_another_form_is_not_ours)
{
	static const char *const bad[] = { "A.example", "a.example.", "a:80,81", "a:0", "" };
	struct lxe_spec got = { 0 };
	unsigned char *wire;
	size_t len;

	lxe_strv_add(&req.spec.argv, "true");
	sets("network", "open");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		lxe_strv_release(&req.spec.net.allow);
		lxe_strv_add(&req.spec.net.allow, bad[i]);
		cr_assert_eq(lxe_spec_encode(&req.spec, &wire, &len), 0);
		cr_expect_eq(lxe_spec_decode(&got, wire, len), -EBADMSG, "'%s'", bad[i]);
		free(wire);
	}
	lxe_strv_release(&req.spec.net.allow);
	lxe_str_set(&req.spec.net.proxy, "http://u:p@a.example:1");
	cr_assert_eq(lxe_spec_encode(&req.spec, &wire, &len), 0);
	cr_expect_eq(lxe_spec_decode(&got, wire, len), -EBADMSG);
	free(wire);
}
