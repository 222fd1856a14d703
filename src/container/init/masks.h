/*
 * What of a sandbox's /proc and /sys nobody in it sees, or can change: covered by pid 1 before it takes
 * anybody else in, and looked for by every command's process. Read-only data for programs without a C library.
 */
#ifndef LXE_CONTAINER_INIT_MASKS_H
#define LXE_CONTAINER_INIT_MASKS_H

/* Files are covered by /dev/null, directories by an empty one, in the way of container engines. */
enum lxe_mask_kind { LXE_HIDDEN_FILE, LXE_HIDDEN_DIRECTORY, LXE_READ_ONLY };

static const struct lxe_mask {
	enum lxe_mask_kind kind;
	const char *path;
} lxe_masks[] = {
	/* Addresses and contents of the kernel's memory. */
	{ LXE_HIDDEN_FILE, "/proc/kallsyms" },
	{ LXE_HIDDEN_FILE, "/proc/kcore" },
	{ LXE_HIDDEN_FILE, "/proc/iomem" },
	{ LXE_HIDDEN_FILE, "/proc/ioports" },
	{ LXE_HIDDEN_FILE, "/proc/slabinfo" },
	{ LXE_HIDDEN_FILE, "/proc/vmallocinfo" },
	{ LXE_HIDDEN_FILE, "/proc/timer_list" },
	{ LXE_HIDDEN_FILE, "/proc/timer_stats" },
	{ LXE_HIDDEN_FILE, "/proc/latency_stats" },
	{ LXE_HIDDEN_FILE, "/proc/sched_debug" },
	/* How the host was started, what belongs to it, what it is doing. */
	{ LXE_HIDDEN_FILE, "/proc/cmdline" },
	{ LXE_HIDDEN_FILE, "/proc/interrupts" },
	{ LXE_HIDDEN_FILE, "/proc/keys" },
	{ LXE_HIDDEN_FILE, "/proc/key-users" },
	{ LXE_HIDDEN_FILE, "/proc/partitions" },
	{ LXE_HIDDEN_FILE, "/proc/diskstats" },
	{ LXE_HIDDEN_DIRECTORY, "/proc/acpi" },
	{ LXE_HIDDEN_DIRECTORY, "/proc/asound" },
	{ LXE_HIDDEN_DIRECTORY, "/proc/scsi" },
	{ LXE_HIDDEN_DIRECTORY, "/sys/firmware" },
	{ LXE_HIDDEN_DIRECTORY, "/sys/devices/virtual/powercap" },
	{ LXE_HIDDEN_DIRECTORY, "/sys/block" },
	{ LXE_HIDDEN_DIRECTORY, "/sys/class/block" },
	{ LXE_HIDDEN_DIRECTORY, "/sys/dev/block" },
	{ LXE_HIDDEN_DIRECTORY, "/sys/fs/selinux" },
	/* What changes the host when it is written. */
	{ LXE_READ_ONLY, "/proc/sys" },
	{ LXE_READ_ONLY, "/proc/bus" },
	{ LXE_READ_ONLY, "/proc/fs" },
	{ LXE_READ_ONLY, "/proc/irq" },
	{ LXE_READ_ONLY, "/proc/sysrq-trigger" },
};

#define LXE_MASKS (sizeof(lxe_masks) / sizeof(lxe_masks[0]))

#endif
