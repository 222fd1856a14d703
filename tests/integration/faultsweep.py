"""Fails the n-th call of every system call that the client, the keeper and the keeper's forks make in
the life of a run, one at a time, and asserts that the run ends in time, with a status that says so,
and leaves nothing. Of the forks, up to what they execute: the monitor, pid 1, the starter,
the command; there the command must not have run either, or else with all of its policy on.
With --kill each fork is killed at each of its calls instead.

strace(1) injects the failures into one process and none of its children. Into the client from its
start; the keeper is replaced by a script that stops itself, is attached to from outside (a tracer
that it started would inherit its locks and sockets), goes on, and becomes the real one. Its forks
are followed by tracer.py, attached in the same way.
"""

import argparse
import collections
import errno
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import lxe
import tracer

COMMAND = ["run", "--", "true"]
# What the command can see of its policy, but for what is new in each run.
PROBE = """
grep -Ev '^(Pid|PPid|NSpid|NStgid|NSpgid|NSsid|Tgid|Ngid|Vm|Rss|Hugetlb|Cpus|Mems|vol|nonvol|State|Sig[QP])' /proc/self/status
cut -d' ' -f4- /proc/self/mountinfo
cut -d' ' -f5-8 /proc/self/stat
cat /proc/self/limits /proc/self/uid_map /proc/self/gid_map /proc/1/status | grep -E '^(Max|Cap|NoNew|Uid|Gid|Groups| )'
stat -c '%n %A %u %g %t:%T' /dev /dev/* /dev/pts/ptmx /proc/sys
readlink /proc/self/ns/* /proc/self/fd/* /dev/fd /dev/stdin /dev/ptmx
ls /sys/class/net; cat /sys/class/net/lo/flags; umask; pwd; env
"""
PROBING = ["run", "--", "sh", "-c", PROBE]
GRACE = 3.0 * lxe.SLACK
# What liblxc may leave out: nothing of it keeps anybody from anything.
OPTIONAL = re.compile(r"/dev/mqueue | /proc/sys/net | /proc/sys/kernel/random/boot_id ")
# After a failure in a fork: long before any of the keeper's own timeouts.
SOON = 2.0 * lxe.SLACK
# Where pid 1 cannot send its devpts, it and the monitor wait for each other: that is liblxc's, and only
# the keeper's limit of a start, 20 s, ends it.
LATE = {("init", "sendmsg"): 22.0 * lxe.SLACK}
# The error of each call that its manual names and that a full or broken machine gives; EIO otherwise.
ERRORS = {
    "EMFILE": "openat open openat2 open_tree dup dup2 dup3 fcntl socket socketpair pipe2 eventfd2 "
    "memfd_create timerfd_create signalfd4 epoll_create1 pidfd_open fsopen fsmount inotify_init1",
    "ENOMEM": "mmap mprotect mremap madvise sendmsg recvmsg epoll_ctl",
    "EAGAIN": "clone clone3 fork vfork",
    "ENOSPC": "write pwrite64 writev mkdir mkdirat ftruncate symlink symlinkat fallocate fsync",
    "EPERM": "mount mount_setattr move_mount umount2 unshare setns prctl "
    "fchown fchownat chown lchown fchmod fchmodat chmod seccomp setsid setpgid capset capget",
    "EBUSY": "unlinkat rmdir unlink",
    "EINTR": "epoll_wait epoll_pwait epoll_pwait2 poll ppoll select pselect6 wait4 waitid nanosleep "
    "clock_nanosleep flock",
    "ENOENT": "readlink readlinkat access faccessat faccessat2 execve execveat",
    "ENOSYS": "statx close_range getrandom rseq",
    "EACCES": "getdents64",
}
ERROR_OF = {call: error for error, calls in ERRORS.items() for call in calls.split()}
# Not executed at all, these would leave a state that no kernel makes: close(2) always closes, and
# root can always kill what it has not yet waited for. brk(2) reports a failure by its result alone.
NEVER = {"close", "kill", "pidfd_send_signal", "munmap", "exit", "exit_group", "brk", "rt_sigreturn", "restart_syscall", "arch_prctl"}
NEVER |= {"set_tid_address", "set_robust_list", "rseq", "getpid", "gettid", "getppid", "getuid"}
NEVER |= {"geteuid", "getgid", "getegid", "umask", "alarm", "rt_sigaction", "rt_sigprocmask", "close_range"}

STOPPING = '#!/bin/sh\nkill -STOP $$\nexec "{keeper}" "$@"\n'


class Tree:
    """A copy of the build whose keeper waits to be traced."""

    def __init__(self, world):
        self.path = world.base / "stopping"
        self.path.mkdir()
        shutil.copy2(world.binary, self.path / "lxc-exec")
        for name in ("lxc-exec-init", "lxc-templates", "conf"):
            (self.path / name).symlink_to(world.binary.parent / name)
        keeper = self.path / "lxc-exec-keeper"
        keeper.write_text(STOPPING.format(keeper=world.binary.parent / "lxc-exec-keeper"))
        keeper.chmod(0o755)
        self.binary = self.path / "lxc-exec"


class Ended:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err
        self.said = out + err


def finish(world, process):
    try:
        out, err = process.communicate(timeout=lxe.DEADLINE)
    except subprocess.TimeoutExpired:
        world.purge()  # whoever holds the pipes
        process.kill()
        out, err = process.communicate(timeout=5)
        return Ended("no end", out.decode(errors="replace"), err.decode(errors="replace"))
    return Ended(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


def run_client(world, _tree, options):
    command = ["strace", "-qq", *options, str(world.binary), *COMMAND]
    process = subprocess.Popen(
        command,
        env=world.env(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    return finish(world, process)


def stopped_child(client):
    for pid in lxe.all_pids():
        if lxe.parent_of(pid) == client and lxe.process_state(pid) == "T":
            return pid
    return None


def tracer_of(pid):
    match = re.search(rb"^TracerPid:\s+(\d+)", lxe.read_proc(pid, "status"), re.M)
    return int(match[1]) if match else 0


def run_keeper(world, tree, options):
    process = world.popen(*COMMAND, binary=tree.binary)
    keeper = lxe.poll_until(lambda: stopped_child(process.pid), what="a stopped keeper")
    tracer = subprocess.Popen(
        ["strace", "-qq", *options, "-p", str(keeper)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    lxe.poll_until(lambda: tracer_of(keeper), what="a tracer")
    os.kill(keeper, signal.SIGCONT)
    ended = finish(world, process)
    try:
        tracer.wait(lxe.DEADLINE)
    except subprocess.TimeoutExpired:
        tracer.kill()
        tracer.wait()
        ended.status = "the keeper has no end"
    return ended


# What is swept of the forks: the command also on its way to a terminal.
FORKS = [*tracer.ROLES, "terminal"]
TRACER = [sys.executable, "-IS", tracer.__file__]


def probing(target):
    return PROBING if target in tracer.ROLES else ["run", "-t", *PROBING[1:]]


def run_fork(world, tree, target, *point):
    """A run of which tracer.py follows one fork; what it said in .trace."""
    role = target if target in tracer.ROLES else "command"
    process = world.popen(*probing(target), binary=tree.binary, env=world.env_without_leak_check())
    keeper = lxe.poll_until(lambda: stopped_child(process.pid), what="a stopped keeper")
    follower = subprocess.Popen(
        [*TRACER, str(keeper), role, *map(str, point)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    lxe.poll_until(lambda: tracer_of(keeper), what="a tracer")
    begin = time.monotonic()
    os.kill(keeper, signal.SIGCONT)
    ended = finish(world, process)
    ended.seconds = time.monotonic() - begin
    ended.trace = follower.communicate(timeout=lxe.DEADLINE)[0].decode()
    ended.reached = follower.returncode != 3
    assert follower.returncode in (0, 3), "the tracer failed"
    return ended


TARGETS = {"client": run_client, "keeper": run_keeper}
# On a descriptor that is open these cannot fail.
CERTAIN = re.compile(r"F_GETFD|F_SETFD|F_GETFL|F_SETFL")
CALL = re.compile(r"(\w+)\(")


def before_main(lines):
    """How many calls the loader made: until it has released its cache, after the last execve."""
    begin = max((n for n, line in enumerate(lines) if line.startswith("execve(")), default=0)
    limit = next((n for n in range(begin, len(lines)) if "RLIMIT_STACK" in lines[n]), begin)
    return next((n + 1 for n in range(limit, len(lines)) if lines[n].startswith("munmap(")), begin)


def points_of(world, tree, target):
    log = world.base / f"trace-{target}"
    ended = TARGETS[target](world, tree, ["-o", str(log)])
    assert ended.status == 0, (target, ended.status, ended.said)
    lines = [line for line in log.read_text().splitlines() if CALL.match(line)]
    skip, counts, points = before_main(lines), collections.Counter(), []
    for number, line in enumerate(lines):
        call = CALL.match(line)[1]
        counts[call] += 1
        if number >= skip and call not in NEVER and not CERTAIN.search(line):
            points.append((target, call, counts[call]))
    return points


def complaint_about(world, ended):
    """What is wrong with this end, and whether a gc was needed."""
    if ended.status not in (0, 125):
        return f"status {ended.status}: {ended.said[-600:]}", False
    if ended.status == 125 and "lxc-exec: " not in ended.said:
        return f"125 without a word: {ended.said!r}", False
    try:
        world.assert_clean(timeout=GRACE if ended.status == 0 else 0.5)
        return None, False
    except AssertionError as error:
        if ended.status == 0:
            return f"status 0, and {error}", False
        first = str(error)
    swept = world.run("gc")
    try:
        world.assert_clean(timeout=GRACE)
    except AssertionError as error:
        return f"after gc ({swept.returncode}): {error}; it had said: {ended.said}", True
    if "teardown" in ended.said or "left" in ended.said or "remove" in ended.said:
        return None, True
    return f"not said ({ended.said!r}): {first}", True


def numbers_of_calls():
    """{number: name} of this machine's system calls, as the C library's headers have them."""
    text = subprocess.run(
        ["cc", "-dM", "-E", "-include", "sys/syscall.h", "-xc", os.devnull],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    pairs = re.findall(r"^#define __NR_(\w+) (\d+)$", text, re.M)
    return {int(number): name for name, number in pairs}


class Forks:
    """The sweep of what the keeper forks."""

    def __init__(self, world, tree, kill):
        self.world, self.tree, self.kill = world, tree, kill
        self.names = numbers_of_calls()
        self.numbers = {name: number for number, name in self.names.items()}
        self.policy = {
            target: self.policy_of(lxe.ok(world.run(*probing(target))).stdout.decode())
            for target in FORKS
        }

    @staticmethod
    def policy_of(text):
        """What the probe said, without what differs from run to run, and with what must differ told."""
        for name in os.listdir("/proc/self/ns"):
            text = text.replace(lxe.link_target(f"/proc/self/ns/{name}"), f"the host's {name}")
        text = re.sub(r" devpts (none|devpts) rw(,gid=\d+)?", " devpts", text)
        return re.sub(r"lxe-[0-9a-f]+|(?<=/sandboxes/)[0-9a-f]+|:\[\d+\]|/proc/\d+|(?<=shared:)\d+|(?<=master:)\d+|\d{7,}", "*", text)

    def points(self, target):
        counts, points = collections.Counter(), []
        for line in run_fork(self.world, self.tree, target).trace.splitlines():
            number, second = map(int, line.split())
            call = self.names[number]
            counts[call] += 1
            certain = call == "fcntl" and second in (1, 2, 3, 4)
            if self.kill or (call not in NEVER - {"close_range"} and not certain):
                points.append((target, call, counts[call]))
        return points

    def complaint(self, ended, point):
        target, call, _ = point
        allowed = (0, 125)
        if target in ("command", "terminal") and call in ("read", "execve"):
            # Parked and released: the end is the command's own, by execve's failure or a signal.
            allowed = (125, 137) if self.kill else (0, 125, 126, 127)
        if ended.status not in allowed:
            return f"status {ended.status}: {ended.said[-600:]}"
        if ended.seconds > (SOON if self.kill else LATE.get((target, call), SOON)):
            return f"took {ended.seconds:.1f} s: {ended.err}"
        if ended.status == 137:
            return ended.said and f"137, but {ended.said!r}"
        if ended.status:
            lines = [line for line in ended.err.splitlines() if not line.startswith("hint: ")]
            if len(lines) != 1 or not lines[0].startswith("lxc-exec: "):
                return f"{ended.status} without one clear line: {ended.err!r}"
            return ended.out and f"{ended.status}, but the command ran: {ended.err!r}"
        if ended.err:
            return f"status 0, but {ended.err!r}"
        got, want = self.policy_of(ended.out).splitlines(), self.policy[target].splitlines()
        lost = [line for line in want if line not in got and not OPTIONAL.search(line)]
        more = [line for line in got if line not in want and not OPTIONAL.search(line)]
        return (lost or more) and f"another policy: {lost} became {more}"

    def try_point(self, point):
        target, call, number = point
        error = "SIGKILL" if self.kill else ERROR_OF.get(call, "EIO")
        code = 0 if self.kill else getattr(errno, error)
        try:
            ended = run_fork(self.world, self.tree, target, self.numbers[call], number, code)
            if not ended.reached:
                return None, False, "not reached"
            complaint = self.complaint(ended, point)
            self.world.assert_clean(timeout=GRACE)
        except AssertionError as failure:
            return f"{error}: {failure}", False, None
        return complaint and f"{error}: {complaint}", False, ended.status


def try_point(world, tree, point):
    target, call, number = point
    error = ERROR_OF.get(call, "EIO")
    inject = f"inject={call}:error={error}:when={number}"
    try:
        ended = TARGETS[target](world, tree, ["-o", "/dev/null", "-e", inject])
        complaint, swept = complaint_about(world, ended)
    except AssertionError as failure:
        return str(failure), False, None
    return complaint and f"{error}: {complaint}", swept, ended.status


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--points", type=int, default=0, help="how many; 0: every one")
    parser.add_argument("--target", choices=[*TARGETS, *FORKS], action="append")
    parser.add_argument("--kill", action="store_true", help="kill the forks instead")
    parser.add_argument("--call", action="append", help="only these system calls")
    options = parser.parse_args()
    world = lxe.World()
    counts, failures = collections.Counter(), 0
    try:
        lxe.ok(world.run(*COMMAND))
        tree = Tree(world)
        forks = Forks(world, tree, options.kill)
        targets = options.target or [*([] if options.kill else TARGETS), *FORKS]
        points = []
        for target in targets:
            points += points_of(world, tree, target) if target in TARGETS else forks.points(target)
        if options.call:
            points = [point for point in points if point[1] in options.call]
        every = len(points)
        if options.points and options.points < every:
            points = random.Random(options.seed).sample(points, options.points)
        for point in points:
            if point[0] in TARGETS:
                complaint, swept, status = try_point(world, tree, point)
            else:
                complaint, swept, status = forks.try_point(point)
            counts[status] += 1
            counts["gc"] += swept
            if complaint:
                failures += 1
                print(f"{' '.join(map(str, point))} {complaint}", flush=True)
                world.purge()
    finally:
        world.close()
    print(
        f"faultsweep: {len(points)} of {every} points, {counts[0]} survived, {counts[125]} refused, "
        f"{counts['gc']} after a gc, {counts['not reached']} not reached, {failures} failures"
    )
    return 1 if failures or not points else 0


if __name__ == "__main__":
    sys.exit(main())
