/* What an image says of its commands: taken from somebody else's text, written, and read again. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/imageconfig.h"
#include "store/imagedir.h"
#include "sys/tree.h"

static int parse(struct lxe_image_config *ret, const char *text, struct lxe_err *err)
{
	return lxe_image_config_parse_oci(ret, text, strlen(text), err);
}

static void is_refused(const char *text, const char *why)
{
	struct lxe_image_config config = { 0 };
	struct lxe_err err = { 0 };

	cr_assert_lt(parse(&config, text, &err), 0, "%s", text);
	cr_assert(strstr(err.msg, why), "%s: %s", text, err.msg);
	cr_assert_null(config.user);
}

Test(imageconfig, what_no_command_could_be_run_with_is_refused)
{
	is_refused("", "configuration");
	is_refused("[]", "configuration");
	is_refused("{\"config\": {\"Env\": \"A=1\"}}", "configuration");
	is_refused("{\"config\": {\"Env\": [1]}}", "configuration");
	is_refused("{\"config\": {\"Env\": [\"A\"]}}", "the variable 'A'");
	is_refused("{\"config\": {\"Env\": [\"=1\"]}}", "the variable '=1'");
	is_refused("{\"config\": {\"User\": 0}}", "configuration");
	is_refused("{\"config\": {\"User\": \"a\\u001b[m\"}}", "the user 'a\x1b[m'");
	is_refused("{\"config\": {\"User\": \":0\"}}", "the user ''");
	is_refused("{\"config\": {\"WorkingDir\": \"here\"}}", "the working directory 'here'");
	is_refused("{\"config\": {\"Cmd\": {\"a\": 1}}}", "configuration");
}

static void check_user(const char *said, const char *taken)
{
	struct lxe_image_config config = { 0 };
	char text[128];

	snprintf(text, sizeof(text), "{\"config\": {\"User\": \"%s\"}}", said);
	cr_assert_eq(parse(&config, text, NULL), 0);
	cr_assert_str_eq(config.user, taken);
	lxe_image_config_release(&config);
}

Test(imageconfig, a_group_by_name_is_that_of_the_user)
{
	check_user("ann", "ann");
	check_user("7:8", "7:8");
	check_user("ann:staff", "ann");
	check_user("ann:8", "ann");
	check_user("7:staff", "7");
}

/* A directory that is STATE, with images/it in it. */
static int new_image(char state[64])
{
	char path[128];

	snprintf(state, 64, "/var/tmp/lxe-test-XXXXXX");
	cr_assert(mkdtemp(state));
	snprintf(path, sizeof(path), "%s/images", state);
	cr_assert_eq(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/images/it", state);
	cr_assert_eq(mkdir(path, 0755), 0);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

Test(imageconfig, it_is_read_as_it_was_written)
{
	static const char text[] =
		"{\"config\": {\"Env\": [\"A=1\", \"B=\"], \"User\": \"7:8\","
		"\"WorkingDir\": \"/x y\", \"Entrypoint\": [\"/bin/e\"], \"Cmd\": null}}";
	struct lxe_image_config config = { 0 }, again = { 0 };
	char state[64];
	int dir = new_image(state);

	cr_assert_eq(lxe_image_config_of(&again, state, "it"), -ENOENT);
	cr_assert_eq(parse(&config, text, NULL), 0);
	cr_assert_eq(lxe_image_config_write(&config, dir), 0);
	lxe_image_config_release(&config);
	cr_assert_eq(lxe_image_config_of(&again, state, "it"), 0);
	cr_assert_eq(again.env.n, 2);
	cr_assert_str_eq(again.env.v[1], "B=");
	cr_assert_str_eq(again.user, "7:8");
	cr_assert_str_eq(again.cwd, "/x y");
	cr_assert_eq(again.entrypoint.n, 1);
	cr_assert_eq(again.cmd.n, 0);
	lxe_image_config_release(&again);
	close(dir);
	cr_assert_eq(sys_tree_remove(AT_FDCWD, state), 0);
}

Test(imageconfig, one_that_says_nothing_is_no_file)
{
	struct lxe_image_config config = { 0 };
	char state[64];
	int dir = new_image(state);

	cr_assert_eq(parse(&config, "{\"config\": {\"User\": \"\", \"Env\": []}}", NULL), 0);
	cr_assert_eq(lxe_image_config_write(&config, dir), 0);
	cr_assert_neq(faccessat(dir, LXE_IMAGE_CONFIG, F_OK, 0), 0);
	close(dir);
	cr_assert_eq(sys_tree_remove(AT_FDCWD, state), 0);
}

Test(imageconfig, a_release_may_follow_the_name)
{
	cr_assert_eq(lxe_image_check_name("debian:bookworm", NULL), 0);
	cr_assert_eq(lxe_image_check_name("debian", NULL), 0);
	cr_assert_eq(lxe_image_check_name("debian:", NULL), -EINVAL);
	cr_assert_eq(lxe_image_check_name(":x", NULL), -EINVAL);
	cr_assert_eq(lxe_image_check_name("a:b:c", NULL), -EINVAL);
	cr_assert_eq(lxe_image_check_name("a:../b", NULL), -EINVAL);
	cr_assert_eq(lxe_image_check_name("a:-b", NULL), -EINVAL);
}
