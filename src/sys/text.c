#include "sys/text.h"

#include <link.h>
#include <sys/mman.h>

static int drop(struct dl_phdr_info *object, size_t size, void *arg)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	const char *but = arg;

	(void)size;
	if (but && strstr(object->dlpi_name, but))
		return 0;
	for (size_t i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
		uintptr_t from = object->dlpi_addr + segment->p_vaddr;
		uintptr_t to = from + segment->p_memsz;

		from -= from % page;
		if (segment->p_type == PT_LOAD && !(segment->p_flags & PF_W))
			madvise((void *)from, to - from, MADV_DONTNEED);
	}
	return 0;
}

void sys_drop_text(const char *but)
{
	dl_iterate_phdr(drop, (void *)but);
}
