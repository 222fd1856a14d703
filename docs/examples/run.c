/*
 * Run a command in a sandbox of its own, another one beside it, and say how both ended:
 *
 *   cc run.c $(pkg-config --cflags --libs lxc-exec) && sudo ./a.out
 */
#include <stdio.h>

#include <lxc-exec.h>

static int failed(const lxe_error *error)
{
	fprintf(stderr, "run: %s\n", lxe_error_message(error));
	if (*lxe_error_hint(error))
		fprintf(stderr, "hint: %s\n", lxe_error_hint(error));
	return 125;
}

static int say_hello(lxe_sandbox *sandbox, lxe_error *error)
{
	static const char *const words[] = { "sh", "-c", "echo \"hello from $(hostname)\"", NULL };
	lxe_options *options = NULL;
	lxe_process *process = NULL;
	int r;

	r = lxe_options_new(&options, error);
	if (r == 0)
		r = lxe_options_command(options, words, error);
	if (r == 0)
		r = lxe_options_stdio(options, -1, 1, 2, error);
	if (r == 0)
		r = lxe_exec(sandbox, options, 10000, &process, error);
	if (r == 0)
		r = lxe_wait(process, 10000, error);
	if (r == 0)
		printf("it has ended: %s, %d\n", lxe_result_cause(process),
			lxe_result_exit_code(process));
	lxe_process_close(process);
	lxe_options_free(options);
	return r;
}

static int run(lxe_error *error)
{
	static const char *const words[] = { "sleep", "1000", NULL };
	lxe_options *options = NULL;
	lxe_sandbox *sandbox = NULL;
	int r;

	r = lxe_options_new(&options, error);
	if (r == 0)
		r = lxe_options_set(options, "memory", "256M", error);
	if (r == 0)
		r = lxe_options_command(options, words, error);
	if (r == 0)
		r = lxe_run(options, 30000, &sandbox, error);
	if (r == 0)
		r = say_hello(sandbox, error);
	/* Asked to end, and given five seconds for it. */
	if (r == 0)
		r = lxe_drain(lxe_sandbox_process(sandbox), 5000, error);
	if (r == 0)
		printf("%s", lxe_result_json(lxe_sandbox_process(sandbox)));
	lxe_sandbox_close(sandbox);
	lxe_options_free(options);
	return r;
}

int main(void)
{
	lxe_error *error = lxe_error_new();
	int status = error && run(error) == 0 ? 0 : failed(error);

	lxe_error_free(error);
	return status;
}
