"""What the command finds itself in, seen from inside and from the host."""

import fcntl
import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

import lxe
from lxe import ok, stdout_of

NAMESPACES = ["user", "pid", "mnt", "ipc", "uts", "net", "cgroup"]


def inside(world, script, *options):
    return stdout_of(world.run("run", *options, "--", "sh", "-c", script))


class Running:
    """A command that waits inside, and the host's view of it."""

    def __init__(self, world, *options):
        script = "echo up; exec sleep 1000"
        self.process = world.popen("run", *options, "--", "sh", "-c", script)
        assert self.process.stdout.readline() == b"up\n", self.process.stderr.read()
        self.id = world.sandbox_id()
        self.group = f"lxe-{self.id}"

    def groups(self, leaf=""):
        found = [path / leaf for path in lxe.cgroup_dirs() if path.name == self.group]
        return [path for path in found if path.is_dir()]

    def pids(self, leaf):
        def read():
            text = "".join((path / "cgroup.procs").read_text() for path in self.groups(leaf))
            return sorted({int(word) for word in text.split()})

        return lxe.poll_until(read, what=f"a process in {leaf}")

    def command(self):
        """Alone in its group, once the starter that has forked it there is gone."""
        return lxe.poll_until(lambda: len(pids := self.pids("x0")) == 1 and pids[0], what="one process")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate(timeout=lxe.DEADLINE)


def test_root_inside_is_nobody_outside(world):
    assert inside(world, "id -u; id -g").split() == ["0", "0"]
    with Running(world) as run:
        pid = run.command()
        first, outside, count = map(int, lxe.read_proc(pid, "uid_map").split())
        assert first == 0 and outside >= 65536 and count >= 65536
        uids = re.search(rb"^Uid:\s+(.*)$", lxe.read_proc(pid, "status"), re.M)[1].split()
        assert all(int(uid) >= 65536 for uid in uids)


def test_every_namespace_is_its_own(world):
    with Running(world) as run:
        pid = run.command()
        for name in NAMESPACES:
            ours, theirs = os.readlink(f"/proc/self/ns/{name}"), os.readlink(f"/proc/{pid}/ns/{name}")
            assert ours != theirs, name


def test_pid_1_reaps_orphans(world):
    script = """
        for i in 1 2 3 4 5; do sh -c '(sleep 0.01; exit 3) & exit 0'; done
        for try in $(seq 500); do
            n=0; for p in /proc/[0-9]*/stat; do
                read -r a b c d < $p 2>/dev/null && [ "$d" = 1 ] && n=$((n + 1))
                [ "$c" = Z ] && n=$((n + 1))
            done
            [ $n = 0 ] && { echo reaped; exit 0; }
            sleep 0.01
        done
        ps -ef; exit 1"""
    assert inside(world, script) == "reaped\n"


def test_pid_1_is_small_and_unreadable(world):
    script = "cat /proc/1/comm; readlink /proc/1/exe || echo unreadable"
    result = ok(world.run("run", "--", "sh", "-c", script))
    assert b"unreadable" in result.stdout, result.stdout


def test_the_network_is_loopback_and_it_is_up(world):
    script = "ls /sys/class/net; cat /sys/class/net/lo/operstate; cat /sys/class/net/lo/flags"
    links, _, flags = inside(world, script).split()
    assert links == "lo" and int(flags, 16) & 1
    connect = "import socket as s; l=s.create_server(('127.0.0.1',0)); s.create_connection(l.getsockname())"
    ok(world.run("run", "--", "python3", "-c", connect))


def test_dev_is_private_and_minimal(world):
    names = set(inside(world, "ls -A /dev").split())
    needed = {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "fd", "stdin", "stdout", "stderr"}
    assert needed <= names, needed - names
    # The last is liblxc's: what it binds over the boot_id in /proc, so that each has its own.
    allowed = {"shm", "mqueue", "console", "core", "log", "initctl", ".lxc-boot-id"}
    assert names <= needed | allowed, names
    script = "head -c 4 /dev/zero | wc -c; echo x > /dev/null; ls /dev/pts; ls -A /dev/shm | wc -l"
    assert inside(world, script).split() == ["4", "ptmx", "0"]


def test_no_device_can_be_made_or_reached(world):
    script = "mknod /tmp/disk b 8 0 2>&1 && cat /tmp/disk; mknod /tmp/mem c 1 1 2>&1 && cat /tmp/mem; echo end"
    text = inside(world, script)
    assert "not permitted" in text and text.endswith("end\n")


def test_proc_and_sys_are_private(world):
    pids = inside(world, "ls /proc | grep -E '^[0-9]+$'").split()
    assert 1 <= len(pids) <= 6 and "1" in pids
    script = """
        for f in /proc/sys/kernel/hostname /proc/sys/vm/swappiness /proc/sysrq-trigger \
                 /sys/kernel/mm/transparent_hugepage/enabled; do
            [ -e $f ] && ( echo x > $f ) 2>/dev/null && echo "writable $f"
        done; true"""
    assert "writable /proc/sys/vm" not in inside(world, script)
    assert "sysrq" not in inside(world, script)


def test_the_host_image_shows_no_secrets(world):
    script = """
        cat /etc/shadow /etc/gshadow 2>/dev/null; ls -A /root /srv /mnt /media /boot 2>/dev/null
        find /etc -name '*_key' -o -name '*.key' -o -name 'sudoers*'; find /home -type f -not -name '.*'; ls /var/lib/lxc* 2>/dev/null; true"""
    listed = [line for line in inside(world, script).splitlines() if not line.endswith(":")]
    assert [line for line in listed if line.strip() and not line.startswith(".")] == []


def test_usr_is_read_only_and_the_rest_is_fresh(world):
    script = """
        ( : > /usr/x ) 2>/dev/null || echo usr-read-only
        ( : > /bin/x ) 2>/dev/null || echo bin-read-only
        for d in / /etc /tmp /root /var/tmp /home; do ( : > ${d%/}/lxe-mark ) && echo wrote $d; done
        ls -d /lxe-mark /tmp/lxe-mark"""
    lines = inside(world, script).splitlines()
    assert lines[:2] == ["usr-read-only", "bin-read-only"]
    assert {"wrote /", "wrote /etc", "wrote /tmp", "wrote /root"} <= set(lines)
    again = inside(world, "ls -d /lxe-mark /etc/lxe-mark /tmp/lxe-mark /root/lxe-mark 2>/dev/null; true")
    assert again == ""
    for path in ("/lxe-mark", "/etc/lxe-mark", "/tmp/lxe-mark", "/root/lxe-mark"):
        assert not os.path.lexists(path)


def test_usr_is_the_hosts(world):
    probe = "/usr/bin/env"
    there = inside(world, f"stat -c %s {probe}").strip()
    assert int(there) == os.stat(probe).st_size


def test_directories_are_owned_by_root_inside(world):
    text = inside(world, "stat -c '%u:%g %a %n' / /etc /etc/passwd /tmp /root /usr /usr/bin/env")
    owners = {line.split()[2]: line.split()[:2] for line in text.splitlines()}
    # What is the host's belongs to nobody in an ordinary user's sandbox.
    hosts = {path: owner for path, (owner, _) in owners.items() if path.startswith("/usr")}
    assert set(hosts.values()) == {"65534:65534" if world.user else "0:0"}, text
    assert {owner for path, (owner, _) in owners.items() if path not in hosts} == {"0:0"}, text
    assert owners["/tmp"][1] == "1777"


def test_no_host_path_shows_in_the_mounts(world):
    assert str(world.base) not in inside(world, "cat /proc/self/mountinfo /proc/mounts")


def test_nothing_can_be_gained(world):
    text = inside(world, "cat /proc/self/status")
    fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    assert fields["Seccomp"] == "2"
    assert fields["NoNewPrivs"] == "1"
    bound = int(fields["CapBnd"], 16)
    # What container engines give: chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap,
    # net_bind_service, net_raw, sys_chroot, mknod, audit_write, setfcap.
    engines = sum(1 << n for n in (0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31))
    assert bound & ~engines == 0, hex(bound & ~engines)
    for name in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
        assert int(fields[name], 16) & ~bound == 0, name


@pytest.mark.parametrize(
    "command",
    [
        "mount -t tmpfs none /mnt",
        "unshare -m true",
        "hostname other",
        "chroot / mount -o remount,rw /usr",
        "nsenter -t 1 -m true",
        "ip link add dummy0 type dummy",
    ],
)
def test_privileged_calls_are_refused(world, command):
    assert world.run("run", "--", "sh", "-c", command + " 2>/dev/null").returncode != 0


def test_the_limits_of_memory_hold(world):
    result = world.run("run", "--memory", "64M", "--", "python3", "-c", "x = bytearray(200 << 20)")
    assert result.returncode == 137
    ok(world.run("run", "--memory", "64M", "--", "python3", "-c", "x = bytearray(8 << 20)"))


def test_the_limits_of_processes_hold(world):
    program = """
import os
n = 0
try:
    while n < 60:
        if os.fork() == 0:
            os.execlp("sleep", "sleep", "100")
        n += 1
except BlockingIOError:
    pass
print(n)"""
    result = world.run("run", "--pids", "20", "--", "python3", "-c", program)
    assert 10 <= int(stdout_of(result)) < 20


def test_a_group_per_sandbox_and_one_per_command(world):
    with Running(world, "--memory", "100M", "--pids", "50") as run:
        for controller, name, value in (
            ("memory", "memory.limit_in_bytes memory.max", 100 << 20),
            ("pids", "pids.max", 50),
        ):
            files = [path / file for path in run.groups() for file in name.split()]
            values = [int(file.read_text()) for file in files if file.exists()]
            # Our own pid 1 and the monitor are not the command's.
            assert any(value <= v <= value + 3 for v in values), (controller, values)
        command = run.command()
        assert b"sleep" in lxe.read_proc(command, "cmdline")
        assert command not in run.pids("init")
        controllers = lxe.read_proc(command, "cgroup").decode()
        assert f"{run.group}/x0" in controllers


def test_two_sandboxes_do_not_see_each_other(world):
    with Running(world):
        text = inside(world, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
        assert "sleep 1000" not in text


def test_no_lxc_tool_is_ever_executed(tmp_path):
    """Fakes that leave a mark come first in PATH; a fresh world builds its image on the way."""
    log = tmp_path / "called"
    fakes = tmp_path / "fakes"
    fakes.mkdir()
    tools = "attach autostart cgroup checkconfig config console copy create destroy device execute"
    tools += " freeze info ls monitor snapshot start stop top unfreeze unshare usernsexec wait"
    for name in [*(f"lxc-{tool}" for tool in tools.split()), "newuidmap", "newgidmap"]:
        fake = fakes / name
        fake.write_text(f'#!/bin/sh\necho "$0 $*" >> {log}\nexit 1\n')
        fake.chmod(0o755)
    world = lxe.World()
    try:
        env = world.env(PATH=f"{fakes}:{os.environ['PATH']}")
        assert stdout_of(world.run("run", "--", "echo", "works", env=env)) == "works\n"
        assert not log.exists(), log.read_text()
        world.assert_clean()
    finally:
        world.close()


def test_only_our_own_programs_are_executed(world, tmp_path):
    log = tmp_path / "trace"
    ok(world.run("run", "--", "true"))  # the image is there
    trace = world.strace("-f", "-e", "trace=execve,execveat", "-o", str(log))
    ok(subprocess.run([*trace, str(world.binary), "run", "--", "true"], env=world.env_without_leak_check()))
    done = [line for line in log.read_text().splitlines() if "exec" in line and "= 0" in line]
    programs = [match[1] for line in done if (match := re.search(r'"([^"]*)"', line))]
    ours = {str(world.binary.parent / name) for name in ("lxc-exec", "lxc-exec-keeper", "lxc-exec-scope")}
    mappers = ("/newuidmap", "/newgidmap") if world.user else ()
    for program in programs:
        allowed = program in ours or program.startswith(("/proc/self/fd/", "/proc/self/exe"))
        assert allowed or program == "" or program.endswith(("/true", *mappers)), programs
    assert len(programs) <= (9 if world.user else 5), programs


def test_an_idle_client_and_its_keeper_give_back_what_only_the_start_needed(world, tmp_path):
    """However long that takes. How much less is mapped then is the kernel's: by 64 KiB, or by what it read the file in."""
    trace = tmp_path / "trace"
    calls = world.strace("-f", "-o", str(trace), "-e", "trace=madvise,execve")
    ok(world.run("run", "--", "true"))
    image = os.open(world.state / "images" / "host", os.O_RDONLY)
    fcntl.flock(image, fcntl.LOCK_EX)
    process = subprocess.Popen([*calls, str(world.binary), "run", "--", "sleep", "1"], env=world.env_without_leak_check(),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    world.keeper()
    lxe.pause(0.5)  # it begins later than it would give anything back
    os.close(image)
    _, said = process.communicate(timeout=lxe.DEADLINE)
    assert process.returncode == 0, said
    programs = {}
    given = set()
    for line in trace.read_text().splitlines():
        pid, call = line.split(maxsplit=1)
        if call.startswith("execve("):
            programs.setdefault(pid, call.split('"')[1].rpartition("/")[2])  # a user's keeper once more
            assert not given, line
        elif "MADV_DONTNEED" in call:
            given.add(programs[pid])
    assert given == {"lxc-exec", "lxc-exec-keeper"}


def test_the_hosts_binaries_cannot_be_reached_through_proc(world):
    script = "for p in /proc/[0-9]*; do readlink $p/exe; done; cat /proc/1/maps; true"
    result = world.run("run", "--", "sh", "-c", script)
    assert b"lxc" not in ok(result).stdout


def test_the_cgroup_of_the_caller_is_left_alone(world):
    before = Path("/proc/self/cgroup").read_text()
    with Running(world) as run:
        groups = lxe.read_proc(run.process.pid, "cgroup").decode()
        assert "lxe-" not in groups and groups == before


def test_file_modes_of_the_run_directory(world):
    with Running(world) as run:
        mode = stat.S_IMODE((world.sandboxes / run.id).stat().st_mode)
        assert mode & 0o066 == 0, oct(mode)
