/*
 * What a sandbox's network is to be: mode, rules, published ports, proxy, and the addresses that
 * sandboxes are given. Pure. A struct lxe_net_spec is a part of the spec and owns what it points to;
 * texts in it have been parsed once and are in their one form.
 */
#ifndef LXE_POLICY_NET_H
#define LXE_POLICY_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "policy/net_rule.h"

/* Private, and what neither container engines nor virtual machines take by default. */
#define LXE_NET_SUBNET "10.213.0.0/16"
#define LXE_NET_SUBNET_MIN 8
#define LXE_NET_SUBNET_MAX 29
#define LXE_NET_PUBLISH_MAX 256
#define LXE_NET_USERINFO_MAX 512

enum lxe_net_mode { LXE_NET_NONE, LXE_NET_FILTERED, LXE_NET_OPEN };

struct lxe_net_spec {
	enum lxe_net_mode mode;	 /* NONE: nothing below has a meaning */
	bool chosen;		 /* somebody said which mode; the client's alone */
	struct lxe_strv allow;	 /* each one for lxe_net_rule_parse() */
	struct lxe_strv deny;	 /* likewise; these beat the others */
	struct lxe_strv publish; /* each one for lxe_net_publish_parse() */
	char *proxy;		 /* SCHEME://HOST:PORT, never with credentials; or NULL */
	char *proxy_userinfo;	 /* USER:PASSWORD for it, as a URL has it: never printed; or NULL */
	char *proxy_source;	 /* env:, file: or fd: that has all of it; the client's alone */
	char *subnet;		 /* of all sandboxes, IPv4; NULL: LXE_NET_SUBNET */
};

void lxe_net_release(struct lxe_net_spec *net);

const char *lxe_net_mode_name(enum lxe_net_mode mode);

/*
 * After the last option: what implies a mode, and what contradicts it. -EINVAL with the option. Doing it
 * twice changes nothing.
 */
int lxe_net_settle(struct lxe_net_spec *net, struct lxe_err *err);

/* [IP:]HOSTPORT:PORT[/tcp|/udp] */
struct lxe_net_publish {
	bool anywhere; /* no IP was given: every address of the host */
	struct lxe_net_addr at;
	uint16_t host_port, port;
	bool udp;
};

int lxe_net_publish_parse(struct lxe_net_publish *ret, const char *text, struct lxe_err *err);
int lxe_net_publish_format(const struct lxe_net_publish *p, char *buf, size_t size);

/*
 * A proxy's URL. `target` is what has to be reached: a name or an address, TCP, one port. The user and
 * password between "//" and '@' are pointed to in `text`, as they are written (percent-encoded).
 */
struct lxe_net_proxy {
	char scheme[8]; /* http, https, socks5, socks5h */
	struct lxe_net_rule target;
	const char *userinfo; /* NULL: none */
	size_t userinfo_len;
};

/* Nothing of the userinfo is in any message. */
int lxe_net_proxy_parse(struct lxe_net_proxy *ret, const char *text, struct lxe_err *err);
int lxe_net_proxy_format(const struct lxe_net_proxy *p, char *buf, size_t size); /* without it */

/* IPv4, with a prefix of LXE_NET_SUBNET_MIN to MAX bits, of private or shared addresses. */
int lxe_net_subnet_parse(struct lxe_net_addr *ret, const char *text, struct lxe_err *err);

/* All that is allowed, the proxy as the last of them. Allocated: free(*ret). */
int lxe_net_allowed(const struct lxe_net_spec *net, struct lxe_net_rule **ret, size_t *n);
int lxe_net_denied(const struct lxe_net_spec *net, struct lxe_net_rule **ret, size_t *n);

struct lxe_field;
struct lxe_writer;

/* One field of a spec, which is absent when there is no network. */
void lxe_net_encode(struct lxe_writer *w, uint8_t tag, const struct lxe_net_spec *net);
int lxe_net_decode(struct lxe_net_spec *ret, const struct lxe_field *field);

#endif
