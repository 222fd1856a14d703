"""Runs inside a sandbox and tries to get out of it, in every way it knows.

Its argument is a JSON object: what there is on the host to be reached. The last line that it prints is
a JSON object with the outcome of every attempt: how it was refused, or what it has reached.
"""

import ctypes
import errno
import fcntl
import glob
import json
import os
import socket
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
NUMBERS = {  # of system calls without a function in the C library, by machine
    "x86_64": dict(
        ptrace=101, syslog=103, unshare=272, setns=308, mount=165, umount2=166, pivot_root=155, bpf=321,
        perf_event_open=298, userfaultfd=323, io_uring_setup=425, kexec_load=246, init_module=175,
        finit_module=313, delete_module=176, open_by_handle_at=304, process_vm_readv=310, kcmp=312,
        add_key=248, request_key=249, keyctl=250, clone=56, clone3=435, fsopen=430, open_tree=428,
        move_mount=429, mount_setattr=442, clock_settime=227, settimeofday=164, clock_adjtime=305,
        reboot=169, swapon=167, acct=163, quotactl=179, iopl=172, sethostname=170, move_pages=279,
        capset=126,
    ),
    "aarch64": dict(
        ptrace=117, syslog=116, unshare=97, setns=268, mount=40, umount2=39, pivot_root=41, bpf=280,
        perf_event_open=241, userfaultfd=282, io_uring_setup=425, kexec_load=104, init_module=105,
        finit_module=273, delete_module=106, open_by_handle_at=265, process_vm_readv=270, kcmp=272,
        add_key=217, request_key=218, keyctl=219, clone=220, clone3=435, fsopen=430, open_tree=428,
        move_mount=429, mount_setattr=442, clock_settime=112, settimeofday=170, clock_adjtime=266,
        reboot=142, swapon=224, acct=89, quotactl=60, iopl=-1, sethostname=161, move_pages=239,
        capset=91,
    ),
}[os.uname().machine]  # fmt: skip
HERE = os.open(".", os.O_RDONLY)
REFUSED = (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EROFS)


class Reached(Exception):
    """An attempt that got somewhere."""


def call(name, *args):
    """A system call that has to be refused; any other answer means that it was looked at."""
    ctypes.set_errno(0)
    args = [a if isinstance(a, (bytes, type(None))) else ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    result = libc.syscall(ctypes.c_long(NUMBERS[name]), *args)
    number = ctypes.get_errno()
    if result >= 0:
        raise Reached(f"{name} = {result}")
    if number not in REFUSED:
        raise Reached(f"{name} was let through: {errno.errorcode[number]}")


def is_open(path, flags):
    """Opens, for whatever it is worth: a closed descriptor again, or nothing."""
    try:
        os.close(os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY))
    except OSError:
        return False
    return True


def is_link(path):
    try:
        return bool(os.readlink(path))
    except OSError:
        return False


def nothing_of(paths, flags, what):
    opened = [path for path in paths if is_open(path, flags)]
    if opened:
        raise Reached(f"{what}: {opened[:5]}")


def proc_sys(host):
    paths = "kernel/core_pattern kernel/modprobe kernel/hostname kernel/randomize_va_space vm/drop_caches".split()
    paths += "vm/overcommit_memory net/ipv4/ip_forward fs/binfmt_misc/register fs/suid_dumpable".split()
    nothing_of(["/proc/sys/" + path for path in paths] + ["/proc/sysrq-trigger"], os.O_WRONLY, "writable")


def core_pattern(host):
    open("/proc/sys/kernel/core_pattern", "w").write("|/tmp/evil")
    raise Reached("core_pattern")


def sysfs(host):
    paths = glob.glob("/sys/kernel/*") + glob.glob("/sys/kernel/*/*") + glob.glob("/sys/bus/*/*")
    paths += glob.glob("/sys/module/*/parameters/*")
    nothing_of([path for path in paths if os.path.isfile(path)], os.O_WRONLY, "writable")
    if not os.statvfs("/sys").f_flag & os.ST_RDONLY:
        raise Reached("/sys is writable")


def device_nodes(host):
    """A disk, the kernel's memory and messages: made by ourselves, or there already."""
    import stat

    for where in ("/tmp", "/dev", "/dev/shm", "/"):
        for kind, device in ((stat.S_IFBLK, d) for d in [os.makedev(8, 0)] + [os.makedev(*d) for d in host["disks"]]):
            path = f"{where}/lxe-disk"
            try:
                os.mknod(path, kind | 0o666, device)
            except OSError:
                continue
            readable = is_open(path, os.O_RDONLY)
            os.unlink(path)
            if readable:
                raise Reached(f"{path} is {device}")
    nothing_of(["/dev/mem", "/dev/kmem", "/dev/port", "/dev/kmsg", "/dev/sda", "/dev/vda", "/dev/fuse"], os.O_RDONLY, "open")
    nothing_of(["/dev/loop-control", "/dev/kvm", "/dev/net/tun"], os.O_RDONLY, "open")


def mounts(host):
    flags = {"rdonly": 1, "remount": 32, "bind": 4096}
    for kind in (b"tmpfs", b"proc", b"sysfs", b"cgroup", b"cgroup2", b"overlay", b"devtmpfs", b"ext4", b"debugfs"):
        call("mount", kind, b"/tmp", kind, 0, None)
    call("mount", b"/", b"/tmp", None, flags["bind"], None)
    call("mount", None, b"/usr", None, flags["bind"] | flags["remount"], None)
    call("mount", None, b"/proc/sys", None, flags["bind"] | flags["remount"], None)
    call("fsopen", b"tmpfs", 0)
    call("open_tree", -100, b"/", 1)
    call("move_mount", HERE, b"", -100, b"/tmp", 4)
    call("mount_setattr", -100, b"/usr", 0, b"\0" * 32, 32)
    call("pivot_root", b"/tmp", b"/tmp")


def unmask(host):
    for path in (b"/proc/kallsyms", b"/proc/keys", b"/proc/sys", b"/sys/firmware", b"/sys", b"/proc"):
        call("umount2", path, 2)


def namespaces(host):
    """New ones of our own, in which we would have every capability."""
    for bit in (0x10000000, 0x00020000, 0x20000000, 0x40000000, 0x08000000, 0x04000000, 0x02000000):
        call("unshare", bit)
        call("clone", bit | 17, 0, 0, 0, 0)
    call("unshare", 0x10000000 | 0x00020000)
    call("clone3", b"\0" * 88, 88)


def setns(host):
    """The way of nsenter: into those of pid 1, or into our own again."""
    nothing_of(glob.glob("/proc/1/ns/*"), os.O_RDONLY, "open")
    for name in ("user", "mnt", "pid", "net"):
        fd = os.open(f"/proc/self/ns/{name}", os.O_RDONLY)
        call("setns", fd, 0)
        os.close(fd)


def host_processes(host):
    seen = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    if len(seen) > 40 or os.getpid() > 1000:
        raise Reached(f"{len(seen)} processes, we are {os.getpid()}")
    for pid in seen:
        name = open(f"/proc/{pid}/comm").read().strip()
        if name in host["processes"]:
            raise Reached(f"{name} is the host's")
    if os.getppid() not in [0, *seen]:
        raise Reached(f"our parent is {os.getppid()}")


def cgroups(host):
    """release_agent, or any file that changes a group."""
    for line in open("/proc/self/mountinfo"):
        if " - cgroup" in line:
            raise Reached(line)
    found = glob.glob("/sys/fs/cgroup/**", recursive=True)
    if [path for path in found if os.path.isfile(path)]:
        raise Reached(str(found[:5]))
    names = open("/proc/self/cgroup").read()
    if "lxe-" in names:
        raise Reached(names)
    call("mount", b"cgroup", b"/tmp", b"cgroup", 0, b"memory")


def programs(host):
    """CVE-2019-5736: the program of a process that comes from the host, opened for writing."""
    for pid in [name for name in os.listdir("/proc") if name.isdigit()]:
        nothing_of([f"/proc/{pid}/exe"], os.O_WRONLY, "writable")
        nothing_of([f"/proc/{pid}/exe"], os.O_RDWR | os.O_TRUNC, "writable")
        try:
            maps = os.listdir(f"/proc/{pid}/map_files")
        except OSError:
            continue
        nothing_of([f"/proc/{pid}/map_files/{name}" for name in maps], os.O_RDWR, "writable")


def pid_1(host):
    """It has all capabilities: its memory, its files and its root are nobody's inside."""
    names = "exe mem environ maps cwd root root/etc auxv".split()
    nothing_of([f"/proc/1/{name}" for name in names], os.O_RDONLY, "open")
    nothing_of([f"/proc/1/fd/{fd}" for fd in range(200)], os.O_RDONLY, "open")
    for look in (lambda: os.readlink("/proc/1/fd/0"), lambda: open("/proc/1/stack").read(), lambda: open("/proc/1/syscall").read()):
        try:
            raise Reached(f"of pid 1: {look()}")
        except OSError:
            pass
    call("ptrace", 16, 1, 0, 0)
    call("ptrace", 0x4206, 1, 0, 0)
    call("process_vm_readv", 1, 0, 0, 0, 0, 0)
    call("kcmp", 1, os.getpid(), 0, 0, 0)
    call("move_pages", 1, 0, 0, 0, 0, 0)
    os.kill(1, 9)  # ignored by the kernel, or we would not be here any more
    os.kill(1, 0) if host["root"] else None


def terminal_input(host):
    """Words in the mouth of whoever is at the caller's terminal (CVE-2016-2568 and its like)."""
    terminals = [0]
    for path in ("/dev/tty", "/dev/console", "/dev/tty0"):
        try:
            terminals.append(os.open(path, os.O_RDWR | os.O_NOCTTY))
        except OSError:
            pass
    for fd in terminals:
        # The kernel reads 32 bits of the request: what is above must not hide it (CVE-2019-10063).
        for request in (0x5412, 0x541C, 0x100005412, 0x7FFFFFFF00005412):
            for byte in (b"x", b"\x02", b"\x03"):
                ctypes.set_errno(0)
                answer = libc.ioctl(fd, ctypes.c_ulong(request), byte)
                if answer >= 0 or ctypes.get_errno() != errno.EPERM:
                    raise Reached(f"{request:#x} of {fd}: {errno.errorcode.get(ctypes.get_errno())}")
        os.close(fd) if fd else None


def descriptors(host):
    listing = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY)
    names = set(os.listdir(listing)) - {str(HERE), str(listing)}
    found = {int(name): os.readlink(f"/proc/self/fd/{name}") for name in names if is_link(f"/proc/self/fd/{name}")}
    extra = {fd: target for fd, target in found.items() if fd > 2}
    if extra:
        raise Reached(str(extra))
    for fd in (0, 1, 2):
        if os.path.isdir(f"/proc/self/fd/{fd}"):
            raise Reached(f"descriptor {fd} is {found[fd]}")


def keys(host):
    call("keyctl", 0, -3, 1)
    call("keyctl", 10, -3, b"user", b"lxe-secret", 0)
    call("add_key", b"user", b"x", b"y", 1, -3)
    call("request_key", b"user", b"lxe-secret", None, -3)
    if open("/proc/keys").read():
        raise Reached("/proc/keys")


def kernel(host):
    """Large and old parts of the kernel, and what is the machine's."""
    for name in "bpf perf_event_open userfaultfd io_uring_setup kexec_load init_module finit_module".split():
        call(name, 0, 0, 0, 0, 0)
    for name in "delete_module open_by_handle_at syslog reboot swapon acct quotactl iopl".split():
        if NUMBERS[name] >= 0:
            call(name, 0, 0, 0, 0, 0)


def clocks(host):
    call("clock_settime", 0, struct.pack("ll", 0, 0))
    call("settimeofday", struct.pack("ll", 0, 0), None)
    call("clock_adjtime", 0, b"\0" * 256)


def hostname(host):
    call("sethostname", b"evil", 4)


def capabilities(host):
    """None that was not given, and none to be had back."""
    status = dict(line.split(":\t") for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
    allowed = 0xA80425FB
    if int(status["CapBnd"], 16) & ~allowed or int(status["CapPrm"], 16) & ~(allowed if host["root"] else 0):
        raise Reached(status["CapPrm"])
    if int(status["CapInh"], 16) or int(status["CapAmb"], 16):
        raise Reached("inheritable or ambient capabilities")
    if (status["NoNewPrivs"], status["Seccomp"], status.get("Groups", "").strip()) != ("1", "2", ""):
        raise Reached(str((status["NoNewPrivs"], status["Seccomp"], status.get("Groups"))))
    wanted = struct.pack("IiIIIIII", 0x20080522, 0, 1 << 21, 1 << 21, 0, 0, 0, 0)
    call("capset", wanted[:8], wanted[8:])


def chroot(host):
    """The oldest way: a working directory outside of one's root."""
    before, outside = os.stat("/"), os.open("/", os.O_RDONLY)
    pid = os.fork()
    if pid == 0:
        try:
            os.makedirs("/tmp/lxe-root", exist_ok=True)
            os.chroot("/tmp/lxe-root")
            os.fchdir(outside)
            for _ in range(64):
                os.chdir("..")
            os.chroot(".")
            after = os.stat("/")
            os._exit(0 if (after.st_dev, after.st_ino) == (before.st_dev, before.st_ino) else 1)
        except PermissionError:
            os._exit(0)
    status = os.waitpid(pid, 0)[1]
    os.close(outside)
    if status or os.path.exists(host["file"]):
        raise Reached("another root")


def host_files(host):
    for path in (host["file"], "/proc/1/root" + host["file"], "/proc/1/cwd" + host["file"]):
        if os.path.exists(path):
            raise Reached(path)
    if not os.statvfs("/usr").f_flag & os.ST_RDONLY or is_open("/usr/bin/env", os.O_WRONLY):
        raise Reached("/usr is writable")


def host_sockets(host):
    """Abstract names belong to the network namespace, and so do addresses."""
    for address in ("\0" + host["socket"],):
        with socket.socket(socket.AF_UNIX) as s:
            if s.connect_ex(address) == 0:
                raise Reached(host["socket"])
    with socket.socket() as s:
        if s.connect_ex(("127.0.0.1", host["port"])) == 0:
            raise Reached("the host's loopback")
    try:
        socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
    except PermissionError:
        return
    raise Reached("AF_VSOCK")


def host_ipc(host):
    """A segment of System V shared memory, by its key."""
    if libc.shmget(host["shm_key"], 1, 0) >= 0 or os.path.exists("/dev/shm/" + host["shm"]):
        raise Reached("shared memory")


def own_devices(host):
    """The devices in /dev are the host's own inodes."""
    for name in ("null", "zero", "tty", "urandom"):
        for change in (lambda p: os.chmod(p, 0), lambda p: os.chown(p, 0, 0), lambda p: os.utime(p, (0, 0))):
            try:
                change("/dev/" + name)
            except OSError:
                continue
            raise Reached(name)


def limits(host):
    import resource

    for which in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_MEMLOCK):
        hard = resource.getrlimit(which)[1]
        if hard == resource.RLIM_INFINITY:
            continue
        try:
            resource.setrlimit(which, (hard + 1, hard + 1))
        except (ValueError, OSError):
            continue
        raise Reached(f"limit {which}")


ATTEMPTS = [
    proc_sys, core_pattern, sysfs, device_nodes, mounts, unmask, namespaces, setns, host_processes, cgroups,
    programs, pid_1, terminal_input, descriptors, keys, kernel, clocks, hostname, capabilities, chroot, host_files,
    host_sockets, host_ipc, own_devices, limits,
]  # fmt: skip


# With all capabilities, new privileges and no filter: what stands then is the user namespace.


def mount(kind, where, source=None, flags=0, data=None):
    """True when it was done: it may be refused, or be nobody's business but the sandbox's."""
    os.makedirs(where, exist_ok=True)
    encode = lambda text: text.encode() if text else None  # noqa: E731
    arguments = (encode(source or kind), where.encode(), encode(kind), ctypes.c_ulong(flags), encode(data))
    return libc.mount(*arguments) == 0


def kernel_settings(host):
    """With the masks taken away, and in a /proc and a /sys of our own making."""
    for path in (b"/proc/sys", b"/proc/kallsyms", b"/proc/irq", b"/sys/firmware"):
        libc.umount2(path, 2)
    mount("proc", "/tmp/proc"), mount("sysfs", "/tmp/sys")
    names = "kernel/core_pattern kernel/modprobe kernel/randomize_va_space vm/drop_caches vm/overcommit_memory"
    for proc in ("/proc", "/tmp/proc"):
        nothing_of([f"{proc}/sys/{name}" for name in names.split()] + [f"{proc}/sysrq-trigger"], os.O_WRONLY, "writable")
        if any(line.split()[0].strip("0") for line in open(proc + "/kallsyms") if line.split()):
            raise Reached("addresses of the kernel")
    for pattern in ("/sys/kernel/*", "/tmp/sys/kernel/*", "/tmp/sys/module/*/parameters/*", "/tmp/sys/power/*"):
        nothing_of([path for path in glob.glob(pattern) if os.path.isfile(path)], os.O_WRONLY, "writable")


def own_groups(host):
    """release_agent (CVE-2022-0492), and the sandbox's own limits."""
    kinds = [("cgroup2", None)] + [("cgroup", name) for name in ("memory", "pids", "cpu", "devices", "freezer")]
    for kind, controller in kinds:
        where = f"/tmp/group-{controller}"
        if not mount(kind, where, data=controller):
            continue
        names = "release_agent notify_on_release memory.max memory.limit_in_bytes pids.max devices.allow cgroup.kill"
        nothing_of([f"{where}/{name}" for name in names.split()], os.O_WRONLY, "writable")


def disks(host):
    import stat

    mount("tmpfs", "/tmp/devices")
    for number in host["disks"]:
        try:
            os.mknod("/tmp/devices/disk", stat.S_IFBLK | 0o666, os.makedev(*number))
        except OSError:
            continue
        nothing_of(["/tmp/devices/disk"], os.O_RDONLY, "open")
        os.unlink("/tmp/devices/disk")
    for kind in ("ext4", "xfs", "btrfs", "vfat", "devtmpfs", "debugfs", "tracefs", "securityfs", "pstore", "efivarfs"):
        if mount(kind, "/tmp/disk", "/dev/vda"):
            raise Reached(kind)


def callers_keys(host):
    for ring in (-2, -3, -4, -5):
        if libc.syscall(ctypes.c_long(NUMBERS["keyctl"]), 10, ring, b"user", host["key"].encode(), 0) >= 0:
            raise Reached(f"keyring {ring}")


def read_only_trees(host):
    """The host's own files, with their mounts made writable."""
    for flags in (32 | 4096, 32):
        libc.mount(None, b"/usr", None, ctypes.c_ulong(flags), None)
    nothing_of(["/usr/bin/env", "/usr/bin/python3", "/usr/lib/os-release"], os.O_WRONLY, "writable")
    for change in (lambda p: os.chmod(p, 0o4755), lambda p: os.unlink(p), lambda p: os.rename(p, p + "2")):
        try:
            change("/usr/bin/env")
        except OSError:
            continue
        raise Reached("/usr/bin/env")


def root_of_the_host(host):
    """Host ids that a map, or a file with capabilities, could make ours."""
    # An ordinary user's map is in one of his own, and tells nothing of the host's.
    if not host["nested"] and any(int(line.split()[1]) < 65536 for line in open("/proc/self/uid_map")):
        raise Reached(open("/proc/self/uid_map").read())
    for name in ("reboot", "swapon", "acct", "init_module", "kexec_load", "settimeofday", "iopl"):
        if NUMBERS[name] < 0 or name == "reboot":
            continue
        ctypes.set_errno(0)
        if libc.syscall(ctypes.c_long(NUMBERS[name]), host["file"].encode(), 0, 0, 0) >= 0:
            raise Reached(name)


PRIVILEGED = [
    kernel_settings, own_groups, disks, callers_keys, read_only_trees, root_of_the_host, host_files, host_processes,
    host_ipc, own_devices, programs,
]  # fmt: skip


def attempt(function, host):
    try:
        function(host)
    except Reached as reached:
        return f"REACHED: {reached}"
    except OSError as refused:
        return f"refused: {refused}"
    return "refused"


if __name__ == "__main__":
    host = json.loads(sys.argv[1])
    host["root"] = os.getuid() == 0
    outcome = json.dumps({function.__name__: attempt(function, host) for function in (PRIVILEGED if "key" in host else ATTEMPTS)})
    print("\n" + outcome, flush=True)
    if "output" in host:
        with open(host["output"] + ".new", "w") as f:
            f.write(outcome)
        os.rename(host["output"] + ".new", host["output"])
