/* Memory that only the beginning of a command needed. */
#include "keeper/keeper.h"
#include "sys/text.h"

/* The monitor has what it uses of liblxc mapped as well. */
static void rest(void *keeper)
{
	(void)keeper;
	sys_drop_text(LXE_CONTAINER_LIBRARY);
}

void lxe_keeper_rest_soon(struct lxe_keeper *k)
{
	k->rest.passed = rest;
	lxe_loop_set_timer(k->loop, &k->rest, SYS_REST_MS);
}
