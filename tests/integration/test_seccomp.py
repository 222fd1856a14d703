"""The system call filter: the built-in profiles, profiles of one's own, and what is wrong with them."""

import json
import os
import re

import pytest

import lxe
from lxe import ok, refusal, stdout_of

# Calls by number, each in a form that fails for another reason, or works, without a filter.
PROBE = """
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)
CALLS = {"keyctl": (250, 0, 0), "bpf": (321, 99, 0, 0), "mount": (165, 0, b"/x", 0, 0, 0), "setns": (308, -1, 0),
    "unshare": (272, 0x10000000), "io_uring_setup": (425, 0, 0), "userfaultfd": (323, 1 << 30), "clone3": (435, 0, 0),
    "perf_event_open": (298, 0, 0, -1, -1, 0), "new": (999,), "vsock": (41, 40, 1, 0), "tiocsti": (16, 0, 0x5412, b"x"),
    "process_vm_readv": (310, 1, 0, 0, 0, 0, 1), "clock_settime": (227, 99, 0), "chroot": (161, b"/nowhere"),
    "inet": (41, 2, 1, 0), "unix": (41, 1, 1, 0), "getppid": (110,)}
for name, (number, *args) in CALLS.items():
    ctypes.set_errno(0)
    r = libc.syscall(ctypes.c_long(number), *(a if isinstance(a, bytes) else ctypes.c_long(a) for a in args))
    print(name, "ok" if r >= 0 else errno.errorcode[ctypes.get_errno()])
"""
DANGEROUS = "keyctl bpf mount setns unshare io_uring_setup userfaultfd perf_event_open vsock tiocsti process_vm_readv clock_settime"


def probe(text):
    return dict(line.split() for line in text.strip().replace("\r", "").splitlines())


def probed(world, *options):
    return probe(stdout_of(world.run("run", *options, "--", "python3", "-c", PROBE)))


def is_default(calls):
    assert {name: calls[name] for name in DANGEROUS.split()} == dict.fromkeys(DANGEROUS.split(), "EPERM"), calls
    assert (calls["clone3"], calls["new"]) == ("ENOSYS", "ENOSYS"), calls
    assert (calls["getppid"], calls["inet"], calls["unix"], calls["chroot"]) == ("ok", "ok", "ok", "ENOENT"), calls


@pytest.mark.parametrize("user", ["0", "1000"])
def test_the_default_profile(world, user):
    calls = probed(world, "--user", user)
    # Whoever has no capabilities may not change the root, whatever the filter says.
    is_default(calls if user == "0" else calls | {"chroot": "ENOENT"})


def test_with_a_terminal_it_is_the_same(world):
    with world.pty("run", "--", "python3", "-c", PROBE) as terminal:
        assert terminal.wait() == 0
        is_default(probe(terminal.seen.decode()))


def test_every_command_of_a_sandbox_has_the_filter_that_it_was_made_with(world):
    ok(world.run("create", "--seccomp", "strict", "lxe-filter", "--", "sleep", "1000"))
    ok(world.run("start", "lxe-filter"))
    for user in ("0", "1000"):
        calls = probe(stdout_of(world.run("exec", "--user", user, "lxe-filter", "--", "python3", "-c", PROBE)))
        assert (calls["inet"], calls["unix"], calls["chroot"]) == ("EPERM", "ok", "EPERM"), calls
        assert {calls[name] for name in DANGEROUS.split()} == {"EPERM"}
    script = "grep -h ^Seccomp /proc/[0-9]*/status"
    modes = stdout_of(world.run("exec", "lxe-filter", "--", "sh", "-c", script))
    assert modes.count("Seccomp:\t2") >= 2
    ok(world.run("destroy", "--force", "lxe-filter"))


TRACE = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long] * 4
libc.ptrace.restype = ctypes.c_long
assert libc.ptrace(16, 1, 0, 0) == 0, "attach"
os.waitpid(1, 0x40000000)
regs = (ctypes.c_ulonglong * 27)()
assert libc.ptrace(12, 1, 0, ctypes.addressof(regs)) == 0, "look"
saved = bytes(regs)
ip = regs[16] - 2
regs[16], regs[10], regs[15] = ip, 161, (1 << 64) - 1  # chroot at the call it waits in
regs[14] = 0
assert libc.ptrace(13, 1, 0, ctypes.addressof(regs)) == 0, "change"
assert libc.ptrace(9, 1, 0, 0) == 0
os.waitpid(1, 0x40000000)
assert libc.ptrace(12, 1, 0, ctypes.addressof(regs)) == 0
print(ctypes.c_longlong(regs[10]).value)
"""


def test_pid_1_can_do_nothing_for_whoever_may_trace_it(world):
    """It has all capabilities of the container: with them chroot(NULL) would be EFAULT."""
    options = ("--cap-add", "SYS_PTRACE", "--apparmor", "unconfined")
    assert stdout_of(world.run("run", *options, "--", "python3", "-c", TRACE)) == "-1\n"
    status = stdout_of(world.run("run", "--", "cat", "/proc/1/status"))
    assert "Seccomp:\t2" in status


def test_without_confinement_there_is_no_filter_of_ours(world):
    own = re.search(r"^Seccomp_filters:\s+(\d+)$", open("/proc/self/status").read(), re.M)[1]
    status = stdout_of(world.run("run", "--seccomp", "unconfined", "--", "cat", "/proc/self/status"))
    assert re.search(r"^Seccomp_filters:\s+(\d+)$", status, re.M)[1] == own
    assert probed(world, "--seccomp", "unconfined")["unshare"] == "ok"


def test_what_would_be_denied_is_let_happen(world):
    calls = probed(world, "--seccomp-log")
    assert calls["unshare"] == "ok" and calls["keyctl"] != "EPERM" and calls["clone3"] != "ENOSYS", calls


def test_programs_work_under_strict(world):
    script = "cd /tmp; echo 'int main(){return 7;}' >a.c; gcc a.c; ./a.out; echo $?; python3 -c 'print(6*7)' | sort | tail -1"
    assert stdout_of(world.run("run", "--seccomp", "strict", "--", "sh", "-c", script)).split() == ["7", "42"]


@pytest.fixture
def profile(tmp_path):
    def write(content):
        path = tmp_path / "profile.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    return write


def allowing(*rules, **more):
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": list(rules), **more}


def test_a_profile_of_ones_own(world, profile):
    path = profile(
        allowing(
            {"names": ["getppid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 71},
            {"names": ["keyctl"], "action": "SCMP_ACT_ERRNO", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["chroot"], "action": "SCMP_ACT_ERRNO", "errnoRet": 74, "excludes": {"caps": ["CAP_NET_ADMIN"]}},
        )
    )
    calls = probed(world, "--seccomp", path)
    assert (calls["getppid"], calls["chroot"], calls["unshare"]) == ("EPROTO", "EBADMSG", "ok") and calls["keyctl"] != "EPERM"
    calls = probed(world, "--seccomp", path, "--cap-add", "SYS_ADMIN,NET_ADMIN")
    assert (calls["keyctl"], calls["chroot"]) == ("EPERM", "ENOENT")


@pytest.mark.parametrize(
    "content, message",
    [
        ("{\n  nonsense\n}", ":2:10: "),
        ("[" * 100000, "depth"),
        ({"defaultAction": "SCMP_ACT_PERHAPS"}, ": defaultAction: 'SCMP_ACT_PERHAPS' is not an action"),
        (allowing({"names": ["read", "raed"], "action": "SCMP_ACT_ERRNO"}), ": syscalls[0].names[1]: 'raed' is not a system call"),
        (allowing(comment="x" * 10_000_000), "is larger than 1024 KiB"),
        ("", ":1:0: "),
    ],
)
def test_a_profile_that_is_wrong_is_told_with_its_place(world, profile, content, message):
    before = world.ids | {"x"}
    done = world.run("run", "--seccomp", profile(content), "--", "true")
    assert message in refusal(done)
    world.marks()
    assert world.ids <= before, "nothing was started"


def test_a_profile_that_is_not_there(world, tmp_path):
    assert "no such file" in refusal(world.run("run", "--seccomp", str(tmp_path / "x"), "--", "true"))
    assert "is not a file" in refusal(world.run("run", "--seccomp", str(tmp_path), "--", "true"))


# ---- learning ----


def learnt(path):
    """Of a profile, the calls that it permits."""
    rules = json.loads(path.read_text())["syscalls"]
    return {name for rule in rules if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}


@pytest.mark.parametrize("user", ["0", "1000"])
def test_what_is_learnt_is_enough_and_no_more(world, tmp_path, user):
    path = tmp_path / "learnt.json"
    script = "ls / >/dev/null; (cat /proc/self/status | wc -l) & wait; echo done"
    command = ("--user", user, "--", "sh", "-c", script)
    assert "done" in stdout_of(world.run("run", "--learn", str(path), *command))
    calls = learnt(path)
    assert {"read", "write", "execve", "openat", "wait4", "exit_group"} <= calls, calls
    assert not {"socket", "mount", "ptrace", "keyctl", "setuid"} & calls, calls
    assert "done" in stdout_of(world.run("run", "--seccomp", str(path), *command))
    # What was not used is not there; what the default refuses is refused as before.
    lost = probed_roughly(world, "--seccomp", str(path))
    assert "Operation not permitted" in lost or "Function not implemented" in lost, lost


def probed_roughly(world, *options):
    done = world.run("run", *options, "--", "chroot", "/", "true")
    assert done.returncode != 0
    return done.stderr.decode()


THREADS = """
import os, socket, threading
os.umask(0)
t = threading.Thread(target=lambda: socket.socketpair()[0].getsockname())
t.start(); t.join()
if os.fork() == 0:
    os.sync(); os._exit(0)
os.wait()
print("all of them")
"""


def test_threads_and_children_are_learnt_with_a_terminal_too(world, tmp_path):
    path = tmp_path / "learnt.json"
    with world.pty("run", "--learn", str(path), "--", "python3", "-c", THREADS) as terminal:
        assert terminal.wait() == 0, terminal.seen
        assert b"all of them" in terminal.seen
    assert {"umask", "socketpair", "getsockname", "sync"} <= learnt(path)
    with world.pty("run", "--seccomp", str(path), "--", "python3", "-c", THREADS) as terminal:
        assert terminal.wait() == 0, terminal.seen


def test_an_exec_is_learnt_from_as_well(world, tmp_path):
    path = tmp_path / "learnt.json"
    run = world.popen("run", "--name", "lxe-learn", "--learn", str(path), "--", "sh", "-c", "echo up; read x", stdin=-1)
    assert run.stdout.readline() == b"up\n"
    assert stdout_of(world.run("exec", "lxe-learn", "--", "python3", "-c", "import os; os.sync(); print(1)")) == "1\n"
    run.communicate(b"\n", timeout=lxe.DEADLINE)
    assert run.returncode == 0
    assert "sync" in learnt(path)


def test_what_would_have_been_denied_is_learnt_when_it_is_logged(world, tmp_path):
    path = tmp_path / "learnt.json"
    command = ("--", "unshare", "-U", "true")
    assert world.run("run", "--learn", str(path), *command).returncode != 0
    assert "unshare" not in learnt(path)
    ok(world.run("run", "--seccomp-log", "--learn", str(path), *command))
    assert "unshare" in learnt(path)
    ok(world.run("run", "--seccomp", str(path), *command))


def test_what_is_learnt_is_the_callers_alone_and_follows_no_link(world, tmp_path):
    path, link, other = tmp_path / "learnt.json", tmp_path / "link", tmp_path / "other"
    stdout_of(world.run("run", "--learn", str(path), "--", "true"))
    assert path.stat().st_mode & 0o777 == 0o600
    other.write_text("precious")
    world.give(other)
    link.symlink_to(other)
    refusal(world.run("run", "--learn", str(link), "--", "true"), says="'.*link' is not a plain file[^$]*hint: ")
    assert other.read_text() == "precious"
    reading, writing = os.pipe()
    ok(world.run("run", "--learn", f"fd:{writing}", "--", "true", pass_fds=(writing,), cwd=tmp_path))
    os.close(writing)
    with open(reading, "rb") as stream:
        assert json.loads(stream.read())["defaultAction"] == json.loads(path.read_text())["defaultAction"]


def test_a_file_that_cannot_be_learnt_into_is_told_before_anything_runs(world, tmp_path):
    marker = tmp_path / "x"
    done = world.run("run", "--learn", "/proc/lxe/absent", "--", "touch", str(marker))
    assert "for --learn" in refusal(done)
    assert "is not a plain file" in refusal(world.run("run", "--learn", "/dev/null", "--", "true"))
    path = tmp_path / "learnt.json"
    path.write_text("as it was")
    assert world.run("run", "--learn", str(path), "--image", "lxe-absent", "--", "true").returncode == 125
    assert path.read_text() == "as it was"


def test_a_learner_that_is_stopped_leaves_nothing(world, tmp_path):
    path = tmp_path / "learnt.json"
    loop = "while :; do ls / >/dev/null; done"
    done = world.run("run", "--timeout", lxe.span(300), "--learn", str(path), "--", "sh", "-c", loop)
    assert done.returncode == 124, done.stderr
    assert "openat" in learnt(path)


# ---- what a profile does to a command is told ----


def told(world, tmp_path, *options):
    path = tmp_path / "result.json"
    done = world.run("run", "--result", str(path), *options)
    return done, json.loads(path.read_text())


@pytest.mark.parametrize("action", ["SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL", "SCMP_ACT_TRAP"])
def test_a_death_by_the_filter_has_its_cause(world, tmp_path, profile, action):
    path = profile(allowing({"names": ["getppid"], "action": action}))
    command = ("--seccomp", path, "--", "python3", "-c", "import os; os.getppid()")
    done, record = told(world, tmp_path, *command)
    assert done.returncode == 159 and (record["cause"], record["rule"]) == ("policy", f"seccomp {path}"), record
    lines = done.stderr.decode().splitlines()
    assert "SIGSYS" in lines[0] and "--seccomp-log" in lines[-1], lines
    # Through a shell, and as what it is when no filter of ours has done it.
    done, record = told(world, tmp_path, *command[:3], "sh", "-c", "python3 -c 'import os; os.getppid()'; exit $?")
    assert (done.returncode, record["cause"]) == (159, "policy")
    done, record = told(world, tmp_path, "--", "sh", "-c", "kill -SYS $$")
    assert (done.returncode, record["cause"]) == (159, "signal")


@pytest.mark.parametrize(
    "content, status",
    [
        (allowing({"names": ["execve"], "action": "SCMP_ACT_ERRNO"}), 126),
        ({"defaultAction": "SCMP_ACT_KILL_PROCESS"}, 125),
        # A sanitizer's own calls must not fail for ever: it would try for ever.
        ({"defaultAction": "SCMP_ACT_KILL_PROCESS" if lxe.IS_ASAN else "SCMP_ACT_ERRNO"}, 125),
    ],
)
def test_a_profile_under_which_nothing_can_start_is_told(world, tmp_path, profile, content, status):
    done, record = told(world, tmp_path, "--seccomp", profile(content), "--", "true")
    assert done.returncode == status and record["cause"] == "error"
    assert "has to permit read, write, execve" in record["hint"] and "--learn" in record["hint"] and record["rule"].startswith("seccomp ")
