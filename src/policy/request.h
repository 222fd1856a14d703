/*
 * What the command line and the profiles ask for: the spec of a run, and what concerns only the
 * program that reads it. The options' setters fill it; it owns everything it points to.
 */
#ifndef LXE_POLICY_REQUEST_H
#define LXE_POLICY_REQUEST_H

#include <stdbool.h>

#include "policy/caps.h"
#include "policy/detach_keys.h"
#include "policy/spec.h"

enum lxe_output { LXE_OUTPUT_TABLE, LXE_OUTPUT_JSON };

struct lxe_request {
	struct lxe_spec spec;
	struct lxe_caps_wish caps; /* of the source that is being read; see spec.caps */
	struct {
		size_t allow, deny, publish;
		bool proxy;
	} net_before;  /* how much of spec.net is from sources before that one */
	char *profile; /* a name, or a path when it holds a '/'; NULL: none */
	char *recipe;  /* of image build: its path; NULL: none */
	char *include; /* of image build: packages, with commas between them; NULL: none */
	char *mirror;  /* of image build; NULL: the template's own */
	enum lxe_output output;
	bool dry_run;
	bool fix;
	bool patch;
	bool force;
	bool rm, size;
	bool read_only, take_over;
	bool follow;
	struct lxe_detach_keys detach_keys;
	int signal;		  /* 0: the verb's own */
	uint64_t stop_timeout_ms; /* between the stop signal and the end by force */
	bool help;
	bool watch;
	bool prometheus; /* instead of `output`, for stats alone */
};

void lxe_request_init(struct lxe_request *req); /* the built-in defaults */
void lxe_request_release(struct lxe_request *req);

/* What follows comes from another source: where it contradicts those before, it wins. */
void lxe_request_next_source(struct lxe_request *req);

/*
 * Set one option of `run` or `exec` by its long name, as the command line would: a flag without a
 * value is set. -EINVAL for one that is unknown, or for its value.
 */
int lxe_request_set(
	struct lxe_request *req, const char *name, const char *value, struct lxe_err *err);

#endif
