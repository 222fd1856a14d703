#include "network/naming.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "network/resolvconf.h"
#include "network/tool.h"
#include "sys/fd.h"
#include "sys/proc.h"

#define LOOK_UP_MS 12000 /* for all of them */
#define RESOLV_CONF_MAX 65536

static bool take_addr(struct lxe_net_addr *ret, const struct sockaddr *addr, bool v6)
{
	*ret = (struct lxe_net_addr){ 0 };
	if (addr->sa_family == AF_INET) {
		*ret = (struct lxe_net_addr){ .family = LXE_NET_V4, .prefix = 32 };
		memcpy(ret->bytes, &((const struct sockaddr_in *)addr)->sin_addr, 4);
		return true;
	}
	if (addr->sa_family != AF_INET6 || !v6)
		return false;
	*ret = (struct lxe_net_addr){ .family = LXE_NET_V6, .prefix = 128 };
	memcpy(ret->bytes, &((const struct sockaddr_in6 *)addr)->sin6_addr, 16);
	return true;
}

/* 0, or the reason as getaddrinfo(3) has it. *list is to be freed. */
static const char *ask(const char *name, struct addrinfo **list)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	int r;

	*list = NULL;
	r = getaddrinfo(name, NULL, &hints, list);
	if (r == EAI_SYSTEM)
		return strerror(errno);
	return r ? gai_strerror(r) : NULL;
}

static int cannot(struct lxe_err *err, const char *what, const char *name, const char *why)
{
	lxe_fail_msg(err, -ENOENT, "%s '%s': the name cannot be resolved: %s", what, name, why);
	return -ENOENT;
}

static int add_known(struct lxe_naming *n, size_t set, const struct lxe_net_addr *addr)
{
	struct lxe_resolver_known *longer =
		reallocarray(n->known, n->n_known + 1, sizeof(*n->known));

	if (!longer)
		return -ENOMEM;
	n->known = longer;
	n->known[n->n_known++] = (struct lxe_resolver_known){ true, set, *addr };
	return 0;
}

/* All addresses, also of a family that the sandbox does not have: what cannot be reached needs no rule. */
static int look_up_denied(
	struct lxe_naming *n, const struct lxe_net_rule *rule, size_t set, struct lxe_err *err)
{
	struct lxe_net_addr addr;
	struct addrinfo *list;
	const char *why = ask(rule->name, &list);
	int r = 0;

	if (why && rule->host == LXE_NET_BELOW)
		return 0;
	if (why) {
		cannot(err, "--deny-net", rule->name, why);
		lxe_hint(err, "what has no address cannot be denied by it: deny its networks, or "
			      "leave the rule out");
		return -ENOENT;
	}
	for (const struct addrinfo *i = list; r == 0 && i; i = i->ai_next)
		if (take_addr(&addr, i->ai_addr, true))
			r = add_known(n, set, &addr);
	freeaddrinfo(list);
	return r < 0 ? lxe_fail(err, r, "look up '%s'", rule->name) : 0;
}

static int look_up_all_denied(struct lxe_naming *n, struct lxe_err *err)
{
	LXE_AUTOFREE struct lxe_net_rule *denied = NULL;
	uint64_t end = sys_now_ms() + LOOK_UP_MS;
	size_t count = 0;
	int r = lxe_net_denied(&n->spec, &denied, &count);

	for (size_t i = 0; r == 0 && i < count; i++) {
		if (!lxe_net_rule_has_set(&denied[i]))
			continue;
		r = look_up_denied(n, &denied[i], lxe_net_set_of(denied, i), err);
		if (r == 0 && sys_now_ms() > end)
			r = cannot(err, "--deny-net", denied[i].name, "it takes too long");
	}
	return r;
}

/* One rule for each address takes the place of the proxy's own, which names it. */
static int allow_proxy(struct lxe_naming *n, const struct lxe_net_rule *target)
{
	struct lxe_net_rule rule = *target;
	char text[LXE_NET_RULE_TEXT];
	int r = 0;

	rule.host = LXE_NET_ADDR;
	for (size_t i = 0; r == 0 && i < n->n_proxy; i++) {
		rule.addr = n->proxy[i];
		r = lxe_net_rule_format(&rule, text, sizeof(text));
		if (r == 0)
			r = lxe_net_rule_parse(&rule, text, NULL);
		if (r == 0)
			r = lxe_strv_add(&n->spec.allow, text);
	}
	free(take_ptr(n->spec.proxy));
	return r;
}

static int look_up_proxy(struct lxe_naming *n, bool v6, struct lxe_err *err)
{
	struct lxe_net_proxy proxy;
	struct addrinfo *list;
	const char *why;
	int r = lxe_net_proxy_parse(&proxy, n->spec.proxy, err);

	if (r < 0 || proxy.target.host != LXE_NET_NAME)
		return r;
	why = ask(proxy.target.name, &list);
	if (why)
		return cannot(err, "--proxy", proxy.target.name, why);
	for (const struct addrinfo *i = list; i && n->n_proxy < LXE_NAMING_PROXY_MAX;
		i = i->ai_next)
		n->n_proxy += take_addr(&n->proxy[n->n_proxy], i->ai_addr, v6);
	freeaddrinfo(list);
	if (n->n_proxy == 0)
		return cannot(
			err, "--proxy", proxy.target.name, "no address that a sandbox can reach");
	r = allow_proxy(n, &proxy.target);
	if (r == 0)
		return 0;
	lxe_fail_msg(err, r, "--proxy '%s': its address is one of this machine's loopback",
		proxy.target.name);
	lxe_hint(err,
		"a sandbox has a loopback of its own: have the proxy listen on another address");
	return r;
}

static int copy_list(struct lxe_strv *to, const struct lxe_strv *from)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < from->n; i++)
		r = lxe_strv_add(to, from->v[i]);
	return r;
}

static int copy_spec(struct lxe_net_spec *to, const struct lxe_net_spec *from)
{
	int r = copy_list(&to->allow, &from->allow);

	to->mode = from->mode;
	if (r == 0)
		r = copy_list(&to->deny, &from->deny);
	if (r == 0)
		r = copy_list(&to->publish, &from->publish);
	if (r == 0)
		r = lxe_str_set(&to->proxy, from->proxy);
	if (r == 0)
		r = lxe_str_set(&to->subnet, from->subnet);
	return r;
}

int lxe_naming_look_up(
	struct lxe_naming *ret, const struct lxe_net_spec *spec, bool v6, struct lxe_err *err)
{
	struct lxe_naming n = { 0 };
	int r = copy_spec(&n.spec, spec);

	if (r < 0)
		lxe_fail(err, r, "read the rules of the network");
	/* The patience of whoever waits for the sandbox is shorter than a resolver's. */
	setenv("RES_OPTIONS", "timeout:2 attempts:2", 1);
	if (r == 0 && n.spec.proxy)
		r = look_up_proxy(&n, v6, err);
	if (r == 0)
		r = look_up_all_denied(&n, err);
	if (r < 0) {
		lxe_naming_release(&n);
		return r;
	}
	*ret = n;
	return 0;
}

void lxe_naming_release(struct lxe_naming *n)
{
	lxe_net_release(&n->spec);
	free(n->known);
	*n = (struct lxe_naming){ 0 };
}

static void fill(
	struct lxe_resolver_in *in, const struct lxe_naming *n, const struct lxe_net_plan_in *plan)
{
	*in = (struct lxe_resolver_in){
		.spec = &n->spec,
		.id8 = plan->id8,
		.v6 = plan->v6,
		.shielded = plan->shielded,
		.n_shielded = plan->n_shielded,
		.known = n->known,
		.n_known = n->n_known,
	};
}

/* As resolv.conf(5) has it: where no server is named, the machine itself is asked. */
static int read_upstream(struct lxe_strv *ret)
{
	char text[RESOLV_CONF_MAX];
	int r = 0;

	if (sys_read_file(AT_FDCWD, "/etc/resolv.conf", text, sizeof(text)) >= 0)
		r = lxe_resolvconf_servers(ret, text);
	return r == 0 && ret->n == 0 ? lxe_strv_add(ret, "127.0.0.1") : r;
}

int lxe_naming_configure(struct lxe_resolver_plan *ret, const struct lxe_naming *n,
	const struct lxe_net_plan_in *plan, struct lxe_err *err)
{
	struct lxe_strv upstream = { 0 };
	char listen[INET_ADDRSTRLEN];
	struct lxe_resolver_in in;
	int r;

	fill(&in, n, plan);
	in.listen = listen;
	in.upstream = &upstream;
	r = inet_ntop(AF_INET, &plan->gateway4, listen, sizeof(listen)) ? 0 : -errno;
	if (r == 0)
		r = read_upstream(&upstream);
	if (r < 0)
		lxe_fail(err, r, "configure dnsmasq");
	else
		r = lxe_resolver_plan(ret, &in, err);
	lxe_strv_release(&upstream);
	return r;
}

int lxe_naming_tell(const struct lxe_resolver_plan *configs, const int *pipes, size_t n_pipes,
	struct lxe_err *err)
{
	int r = configs->n == n_pipes ? 0 : -EPROTO;

	for (size_t i = 0; r == 0 && i < n_pipes; i++) {
		r = sys_write_all(pipes[i], configs->config[i], strlen(configs->config[i]));
		/* One that has ended already is told of by the keeper, with what it has said. */
		if (r == -EPIPE)
			r = 0;
	}
	return r < 0 ? lxe_fail(err, r, "configure dnsmasq") : 0;
}

static int restore(const char *text, struct lxe_err *err, const char *what)
{
	static const char *const argv[] = { "ipset", "restore", NULL };
	struct lxe_tool tool = { .argv = argv, .text = text };
	int r = lxe_tools_run(&tool, 1);

	if (r == -ENOENT) {
		lxe_fail_msg(err, r, "rules with names need ipset, which is not installed");
		lxe_hint(err, "install the package ipset, or write the rules with addresses");
	} else if (r < 0) {
		r = lxe_tool_fail(&tool, err, what);
	}
	lxe_tools_release(&tool, 1);
	return r;
}

int lxe_naming_make_sets(
	const struct lxe_naming *n, const struct lxe_net_plan_in *plan, struct lxe_err *err)
{
	LXE_AUTOFREE char *text = NULL;
	struct lxe_resolver_in in;
	int r;

	fill(&in, n, plan);
	r = lxe_resolver_sets(&text, &in, err);
	if (r < 0 || !text)
		return r;
	return restore(text, err, "make the sandbox's ipsets");
}

/* One line to destroy each of the names that are a sandbox's. NULL: none. */
static int destroy_text(char **ret, const char *names, const char *id8)
{
	char prefix[LXE_NET_SET_NAME];
	const char *end;
	size_t len = 0;
	FILE *out = open_memstream(ret, &len);

	if (!out)
		return -ENOMEM;
	snprintf(prefix, sizeof(prefix), "LXE-%.8s-", id8);
	for (; *names; names = end + (*end == '\n')) {
		end = strchrnul(names, '\n');
		if (lxe_starts_with(names, prefix))
			fprintf(out, "destroy %.*s\n", (int)(end - names), names);
	}
	return fclose(out) != 0 ? -ENOMEM : 0;
}

int lxe_naming_remove_sets(const char *id8, struct lxe_err *err)
{
	static const char *const argv[] = { "ipset", "list", "-name", NULL };
	struct lxe_tool tool = { .argv = argv };
	LXE_AUTOFREE char *names = NULL;
	LXE_AUTOFREE char *text = NULL;
	int r = lxe_tools_run(&tool, 1);

	if (r == 0)
		r = lxe_tool_output(&tool, &names);
	else if (r != -ENOENT)
		r = lxe_tool_fail(&tool, err, "list ipsets");
	lxe_tools_release(&tool, 1);
	/* Without ipset nobody has made one. */
	if (r < 0 || !names)
		return r == -ENOENT ? 0 : r;
	r = destroy_text(&text, names, id8);
	if (r < 0)
		return lxe_fail(err, r, "list ipsets");
	return *text ? restore(text, err, "remove the sandbox's ipsets") : 0;
}
