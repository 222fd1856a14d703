/*
 * How the value of an option gets into a request: one strict parser per kind of value, shared by
 * the command line and the profiles.
 */
#ifndef LXE_POLICY_SETTERS_H
#define LXE_POLICY_SETTERS_H

#include "policy/options.h"

#define LXE_SETTER(name)                                                              \
	int name(struct lxe_request *req, const struct lxe_option *o, const char *as, \
		const char *text, struct lxe_err *err)

LXE_SETTER(lxe_set_flag);	 /* bool at offset */
LXE_SETTER(lxe_set_text);	 /* char * at offset */
LXE_SETTER(lxe_set_name);	 /* char * at offset, a valid name */
LXE_SETTER(lxe_set_path);	 /* char * at offset, absolute */
LXE_SETTER(lxe_set_user);	 /* char * at offset: UID[:GID] or a name */
LXE_SETTER(lxe_set_size);	 /* uint64_t at offset, bytes or "none" */
LXE_SETTER(lxe_set_memory);	 /* the same, and what pid 1 and a shell fit into */
LXE_SETTER(lxe_set_pids);	 /* also that it was asked for */
LXE_SETTER(lxe_set_duration);	 /* uint64_t at offset, milliseconds or "none" */
LXE_SETTER(lxe_set_cpus);	 /* spec.limits.cpus: N[.NN] or "none" */
LXE_SETTER(lxe_set_cpuset);	 /* spec.limits.cpuset: a list, or "none" */
LXE_SETTER(lxe_set_io);		 /* more of spec.limits.io, or "none" */
LXE_SETTER(lxe_set_ulimit);	 /* one more of spec.limits.ulimits */
LXE_SETTER(lxe_set_grace);	 /* spec.limits.grace_ms and stop_timeout_ms */
LXE_SETTER(lxe_set_tty);	 /* spec.tty: yes, no or auto */
LXE_SETTER(lxe_set_no_tty);	 /* spec.tty: no terminal */
LXE_SETTER(lxe_set_env);	 /* one more of spec.env: K=V, or K for the caller's value */
LXE_SETTER(lxe_set_destination); /* char * at offset: a path or fd:N */
LXE_SETTER(lxe_set_result_file); /* spec.result: an absolute path */
LXE_SETTER(lxe_set_verbose);	 /* spec.verbose; `value` is the direction */
LXE_SETTER(lxe_set_detach_keys); /* struct lxe_detach_keys at offset */
LXE_SETTER(lxe_set_signal);	 /* int at offset: a number or a name */
LXE_SETTER(lxe_set_output);	 /* output: table or json */
LXE_SETTER(lxe_set_format);	 /* output, or prometheus */
LXE_SETTER(lxe_set_caps);	 /* spec.caps; `value` is 1 to add, 0 to drop */

/* setters_secret.c: one more of spec.secrets; in a profile not from a descriptor */
LXE_SETTER(lxe_set_secret);
LXE_SETTER(lxe_set_secret_in_profile);

/* setters_output.c */
LXE_SETTER(lxe_set_output_limit); /* spec.output_limit: bytes or "none" */
LXE_SETTER(lxe_set_spill_file);	  /* spec.spill: an absolute path */
LXE_SETTER(lxe_set_file);	  /* char * at offset, an absolute path of the host */
LXE_SETTER(lxe_set_apparmor);	  /* char * at offset: the name of an AppArmor profile */
LXE_SETTER(lxe_set_seccomp_file); /* the same, or the name of a built-in profile */

LXE_SETTER(lxe_set_deny);      /* one more of spec.deny: an absolute path */
LXE_SETTER(lxe_set_deny_list); /* several, with ':' between them */

/* setters_mounts.c: one more of spec.mounts, of the kind that `value` is */
LXE_SETTER(lxe_set_mount);
LXE_SETTER(lxe_set_mount_labelled); /* the same: LABEL=, and from no relative path */
LXE_SETTER(lxe_set_dry_run);	    /* of whatever it is said */
LXE_SETTER(lxe_set_settle);	    /* enum lxe_settle at offset */
LXE_SETTER(lxe_set_workdir);	    /* also spec.cwd */
LXE_SETTER(lxe_set_workdir_in_profile);
LXE_SETTER(lxe_set_disk); /* uint64_t at offset, or one more of spec.mounts */
LXE_SETTER(lxe_set_disk_in_profile);

/* setters_net.c */
LXE_SETTER(lxe_set_network);	      /* spec.net.mode */
LXE_SETTER(lxe_set_net_rule);	      /* struct lxe_strv at offset: one more rule */
LXE_SETTER(lxe_set_net_rules);	      /* the same: LABEL= and several, with blanks between them */
LXE_SETTER(lxe_set_publish);	      /* one more of spec.net.publish */
LXE_SETTER(lxe_set_publish_list);     /* several, with blanks between them */
LXE_SETTER(lxe_set_proxy);	      /* spec.net.proxy or proxy_source, or "none" */
LXE_SETTER(lxe_set_proxy_in_profile); /* the same, but from no descriptor or relative path */
LXE_SETTER(lxe_set_subnet);	      /* spec.net.subnet */

#endif
