#include "keeper/environment.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The value of a name that must be there exactly once; NULL when it is not there. */
static const struct lxe_user root = { .name = "root", .home = "/root" };
static const char *value_of(const struct lxe_strv *env, const char *name)
{
	const char *value = NULL;
	size_t len = strlen(name);

	for (size_t i = 0; i < env->n; i++) {
		if (strncmp(env->v[i], name, len) != 0 || env->v[i][len] != '=')
			continue;
		cr_assert_null(value, "%s is there twice", name);
		value = env->v[i] + len + 1;
	}
	return value;
}

static void make(struct lxe_strv *env, const char *term, const char *const *entries)
{
	struct lxe_spec spec;
	struct lxe_err err = { 0 };

	lxe_spec_init(&spec);
	cr_assert_eq(lxe_str_set(&spec.term, term), 0);
	for (; *entries; entries++)
		cr_assert_eq(lxe_strv_add(&spec.env, *entries), 0);
	cr_assert_eq(lxe_environment(env, &spec, &root, &err), 0);
	cr_assert_null(env->v[env->n]);
	lxe_spec_release(&spec);
}

#define MAKE(env, term, ...) make(env, term, (const char *const[]){ __VA_ARGS__, NULL })

Test(environment, is_clean_and_has_the_well_known_names)
{
	struct lxe_strv env = { 0 };

	setenv("LXE_TEST_SECRET", "of the host", 1);
	MAKE(&env, NULL, NULL);
	cr_assert_eq(env.n, 6);
	cr_assert_str_eq(value_of(&env, "HOME"), "/root");
	cr_assert_str_eq(value_of(&env, "USER"), "root");
	cr_assert_str_eq(value_of(&env, "LOGNAME"), "root");
	cr_assert_str_eq(value_of(&env, "container"), "lxc");
	cr_assert_not_null(value_of(&env, "PATH"));
	cr_assert_not_null(value_of(&env, "LANG"));
	cr_assert_null(value_of(&env, "TERM"));
	cr_assert_null(value_of(&env, "LXE_TEST_SECRET"));
	lxe_strv_release(&env);
}

Test(environment, what_was_asked_for_overrides_and_the_last_of_a_name_wins)
{
	struct lxe_strv env = { 0 };

	MAKE(&env, "xterm", "PATH=/x", "A=1", "AB=2", "A=3", "TERM=dumb", "EMPTY=", "EQ=a=b",
		"A=4=5", "AB=");
	cr_assert_str_eq(value_of(&env, "PATH"), "/x");
	cr_assert_str_eq(value_of(&env, "A"), "4=5");
	cr_assert_str_eq(value_of(&env, "AB"), "");
	cr_assert_str_eq(value_of(&env, "TERM"), "dumb");
	cr_assert_str_eq(value_of(&env, "EMPTY"), "");
	cr_assert_str_eq(value_of(&env, "EQ"), "a=b");
	cr_assert_str_eq(value_of(&env, "HOME"), "/root");
	cr_assert_eq(env.n, 11);
	lxe_strv_release(&env);
}

Test(environment, the_terminal_of_the_caller_is_known)
{
	struct lxe_strv env = { 0 };

	MAKE(&env, "xterm-256color", "TERMINFO=/x");
	cr_assert_str_eq(value_of(&env, "TERM"), "xterm-256color");
	cr_assert_str_eq(value_of(&env, "TERMINFO"), "/x");
	lxe_strv_release(&env);
}

Test(environment, a_term_that_does_not_fit_is_an_error)
{
	struct lxe_strv env = { 0 };
	struct lxe_err err = { 0 };
	struct lxe_spec spec;
	char term[600];

	memset(term, 'x', sizeof(term) - 1);
	term[sizeof(term) - 1] = '\0';
	lxe_spec_init(&spec);
	cr_assert_eq(lxe_str_set(&spec.term, term), 0);
	cr_assert_eq(lxe_environment(&env, &spec, &root, &err), -ENAMETOOLONG);
	cr_assert_null(env.v);
	cr_assert_neq(err.msg[0], '\0');
	lxe_spec_release(&spec);
}

Test(environment, the_proxy_is_in_the_usual_variables)
{
	struct lxe_strv env = { 0 };
	struct lxe_spec spec;
	struct lxe_err err = { 0 };

	lxe_spec_init(&spec);
	lxe_str_set(&spec.net.proxy, "http://a.example:3128");
	lxe_str_set(&spec.net.proxy_userinfo, "u:p%40");
	lxe_strv_add(&spec.env, "https_proxy=http://mine");
	cr_assert_eq(lxe_environment(&env, &spec, &root, &err), 0);
	cr_assert_str_eq(value_of(&env, "http_proxy"), "http://u:p%40@a.example:3128");
	cr_assert_str_eq(value_of(&env, "ALL_PROXY"), "http://u:p%40@a.example:3128");
	cr_assert_str_eq(value_of(&env, "https_proxy"), "http://mine");
	cr_assert_str_eq(value_of(&env, "no_proxy"), "localhost,127.0.0.1,::1");
	lxe_strv_release(&env);
	lxe_str_set(&spec.net.proxy_userinfo, NULL);
	cr_assert_eq(lxe_environment(&env, &spec, &root, &err), 0);
	cr_assert_str_eq(value_of(&env, "http_proxy"), "http://a.example:3128");
	lxe_strv_release(&env);
	lxe_spec_release(&spec);
}
