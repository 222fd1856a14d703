/* A spec with every field set, for the tests and as what the fuzzer begins with. */
#ifndef SPEC_FULL_H
#define SPEC_FULL_H

#include <string.h>

#include "policy/spec.h"

static inline void fill_spec(struct lxe_spec *spec)
{
	lxe_spec_init(spec);
	lxe_str_set(&spec->name, "web \xc3\xa4");
	lxe_str_set(&spec->cwd, "/srv");
	lxe_str_set(&spec->user, "33:44");
	lxe_str_set(&spec->term, "xterm");
	lxe_str_set(&spec->result, "fd:3");
	lxe_strv_add(&spec->argv, "printf");
	lxe_strv_add(&spec->argv, "");
	lxe_strv_add(&spec->argv, "\xff\x01 not UTF-8");
	lxe_strv_add(&spec->env, "A=");
	lxe_strv_add(&spec->env, "A=\xfe=x");
	spec->tty = LXE_TTY_OFF;
	spec->settling = (struct lxe_settling){ .dry_run = true,
		.on_success = LXE_SETTLE_COMMIT,
		.on_failure = LXE_SETTLE_DISCARD,
		.on_disk = true };
	spec->memory = UINT64_MAX;
	spec->pids = 7;
	spec->pids_asked = true;
	spec->timeout_ms = 1500;
	spec->ttl_ms = 86400000;
	spec->idle_ms = UINT64_MAX;
	spec->output_limit = LXE_OUTPUT_LIMIT_MAX;
	lxe_str_set(&spec->spill, "/tmp/all of it");
	lxe_strv_add(&spec->deny, "/a");
	lxe_strv_add(&spec->deny, "/b:c");
	lxe_mounts_add(&spec->mounts,
		&(struct lxe_mount){ .kind = LXE_MOUNT_BIND,
			.src = strdup("/s"),
			.dst = strdup("/d:\n"),
			.ro = true,
			.unshifted = true },
		NULL);
	lxe_mounts_add(&spec->mounts,
		&(struct lxe_mount){ .kind = LXE_MOUNT_TMPFS, .dst = strdup("/t"), .size = 4096 },
		NULL);
	lxe_mounts_add(&spec->mounts,
		&(struct lxe_mount){ .kind = LXE_MOUNT_FILE,
			.src = strdup("/s"),
			.dst = strdup("/f"),
			.mode = 0640 },
		NULL);
	lxe_mounts_add(&spec->mounts,
		&(struct lxe_mount){ .kind = LXE_MOUNT_DISK,
			.src = strdup("/i"),
			.dst = strdup("/k"),
			.rw = true,
			.unshifted = true },
		NULL);
	spec->caps = UINT64_MAX;
	spec->new_privs = true;
	spec->limits.cpus = 150;
	lxe_str_set(&spec->limits.cpuset, "0-1,3");
	lxe_strv_add(&spec->limits.io, "wbps=1M");
	lxe_strv_add(&spec->limits.io, "/dev/sda:riops=5");
	lxe_strv_add(&spec->limits.ulimits, "nofile=5:6");
	spec->limits.cpu_time_ms = 5;
	spec->limits.disk = 1 << 20;
	spec->limits.grace_ms = 7;
	lxe_str_set(&spec->seccomp, "p.json");
	lxe_str_set(&spec->seccomp_text, "{}");
	spec->seccomp_log = true;
	spec->no_explain = true;
	lxe_str_set(&spec->apparmor, "lxc-container-default");
	lxe_str_set(&spec->learn, "learnt.json");
	spec->net.mode = LXE_NET_FILTERED;
	lxe_strv_add(&spec->net.allow, "tcp://*.example.org:80,443");
	lxe_strv_add(&spec->net.allow, "[2001:db8::/32]:1-65535");
	lxe_strv_add(&spec->net.deny, "198.51.100.0/24");
	lxe_strv_add(&spec->net.publish, "[2001:db8::1]:8080:80/udp");
	lxe_str_set(&spec->net.proxy, "socks5h://proxy.example.org:1080");
	lxe_str_set(&spec->net.proxy_userinfo, "u:p%40");
	lxe_str_set(&spec->net.subnet, "10.0.0.0/8");
	spec->rows = 65535;
	spec->cols = 1;
	spec->verbose = -1;
}

#endif
