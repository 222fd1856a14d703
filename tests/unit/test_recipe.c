#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "policy/recipe.h"

static struct lxe_recipe recipe;
static struct lxe_err err;

static int parse(const char *text)
{
	lxe_recipe_release(&recipe);
	err = (struct lxe_err){ 0 };
	return lxe_recipe_parse(&recipe, "r", "/d:e", text, strlen(text), &err);
}

static void fails(const char *text, const char *says)
{
	cr_assert_lt(parse(text), 0, "%s", text);
	cr_assert(strncmp(err.msg, says, strlen(says)) == 0, "%s: %s", text, err.msg);
	lxe_recipe_release(&recipe);
}

Test(recipe, steps_keep_their_order)
{
	cr_assert_eq(parse("[image]\nfrom = busybox\n[env]\nA = b c\n[steps]\nrun = \"a; b\"\n"
			   "copy-x = x/./y:/z:640\nrun-2 = c\ncopy = /q:/w\n"),
		0, "%s", err.msg);
	cr_assert_str_eq(recipe.from, "busybox");
	cr_assert_eq(recipe.env.n, 1);
	cr_assert_str_eq(recipe.env.v[0], "A=b c");
	cr_assert_eq(recipe.n, 4);
	cr_assert_str_eq(recipe.v[0].text, "a; b");
	cr_assert_str_eq(recipe.v[1].src, "/d:e/x/y");
	cr_assert_str_eq(recipe.v[1].dst, "/z");
	cr_assert_eq(recipe.v[1].mode, 0640);
	cr_assert_str_eq(recipe.v[1].label, "copy-x");
	cr_assert_str_eq(recipe.v[2].text, "c");
	cr_assert_eq(recipe.v[2].line, 8);
	cr_assert_str_eq(recipe.v[3].src, "/q");
	lxe_recipe_release(&recipe);
}

Test(recipe, what_is_wrong_is_said_with_its_line)
{
	fails("", "r: it does not say from which image");
	fails("[image]\nfrom = a\nfrom = b\n", "r:3: 'from' is there already");
	fails("[image]\nto = a\n", "r:2: there is no key 'to'");
	fails("[image]\nfrom = ../a\n", "r:2: ");
	fails("[run]\nx = y\n", "r:1: there is no section 'run'");
	fails("[steps]\nrunx = y\n", "r:2: there is no step 'runx'");
	fails("[steps]\nrun- = y\n", "r:2: there is no step 'run-'");
	fails("[steps]\nrun =\n", "r:2: there is no value for 'run'");
	fails("[steps]\ncopy = a\n", "r:2: ");
	fails("[steps]\ncopy = a:b\n", "r:2: 'b' is not an absolute path");
	fails("[steps]\ncopy = a:/b:999\n", "r:2: '999' is no mode");
	fails("[env]\nA-B = c\n", "r:2: this is no name of a variable: 'A-B'");
	fails("[steps]\nrun = a; b\n", "r:2: the value holds a ';'");
}
