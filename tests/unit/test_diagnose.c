#include "keeper/diagnose.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "random.h"

static const char *needs(const void *bytes, size_t n)
{
	static char text[16];

	lxe_diagnose_needs(bytes, n, text, sizeof(text));
	return text;
}

Test(diagnose, what_a_script_needs)
{
	cr_assert_str_eq(needs("#!/bin/sh\necho", 14), "/bin/sh");
	cr_assert_str_eq(needs("#! \t/bin/awk -f\n", 16), "/bin/awk");
	cr_assert_str_eq(needs("#!/bin/sh", 9), "/bin/sh", "no line feed");
	cr_assert_str_eq(needs("#!", 2), "");
	cr_assert_str_eq(needs("#!\n", 3), "");
	cr_assert_str_eq(needs("#!/a/very/long/path/to/it\n", 26), "/a/very/long/pa", "cut");
	cr_assert_str_eq(needs("echo", 4), "");
}

Test(diagnose, what_a_program_needs)
{
	unsigned char bytes[4096];
	char text[64];
	FILE *file = fopen("/proc/self/exe", "r");
	size_t n = fread(bytes, 1, sizeof(bytes), file);

	fclose(file);
	lxe_diagnose_needs(bytes, n, text, sizeof(text));
	cr_assert(strstr(text, "/ld-") != NULL, "%s", text);
	/* Whatever is cut off or turned over: within its bytes. */
	for (size_t len = 0; len < 1000; len++) {
		unsigned char *copy = malloc(len + 1);

		memcpy(copy, bytes, len);
		lxe_diagnose_needs(copy, len, text, sizeof(text));
		cr_assert_lt(strlen(text), sizeof(text));
		free(copy);
	}
}

Test(diagnose, any_bytes)
{
	uint64_t state = 3;
	unsigned char bytes[256];
	char text[32];

	for (int i = 0; i < 20000; i++) {
		size_t n = rnd_below(&state, sizeof(bytes) + 1);

		for (size_t j = 0; j < n; j++)
			bytes[j] = (unsigned char)rnd(&state);
		if (n > 64)
			memcpy(bytes, rnd_below(&state, 2) ? "\177ELF\2\1\1" : "#!/a\n\0\0", 7);
		/* The program headers are near: numbers that may be right. */
		if (n > 64 && rnd_below(&state, 2)) {
			memset(bytes + 32, 0, 8);
			bytes[32] = (unsigned char)rnd_below(&state, 250);
			bytes[64] = 3;
			memset(bytes + 65, 0, 3);
		}
		lxe_diagnose_needs(bytes, n, text, sizeof(text));
		cr_assert_lt(strlen(text), sizeof(text));
	}
}

static enum lxe_trouble_kind look(const char *name, const char *path, int error)
{
	struct lxe_trouble t;

	lxe_diagnose_exec(&t, name, path, error);
	return t.kind;
}

Test(diagnose, files)
{
	char dir[] = "/tmp/lxe-test-diagnose-XXXXXX", file[100];
	FILE *f;

	cr_assert_not_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/prog", dir);
	cr_assert_eq(look(file, NULL, ENOENT), LXE_TROUBLE_ABSENT);
	cr_assert_eq(look("prog", dir, ENOENT), LXE_TROUBLE_ABSENT);
	f = fopen(file, "w");
	fprintf(f, "#!/no/such/interpreter\n");
	fclose(f);
	chmod(file, 0644);
	cr_assert_eq(look(file, NULL, EACCES), LXE_TROUBLE_MODE);
	cr_assert_eq(look("prog", dir, EACCES), LXE_TROUBLE_MODE);
	chmod(file, 0755);
	cr_assert_eq(look(file, NULL, ENOENT), LXE_TROUBLE_NEEDS);
	cr_assert_eq(look("prog", "::/none:", ENOENT), LXE_TROUBLE_ABSENT);
	cr_assert_eq(look(file, NULL, ENOMEM), LXE_TROUBLE_UNKNOWN);
	cr_assert_eq(look(dir, NULL, EACCES), LXE_TROUBLE_DIRECTORY);
	unlink(file);
	rmdir(dir);
}
