"""The system call filter: the built-in profiles, profiles of one's own, and what is wrong with them."""

import json
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
    is_default(probed(world, "--user", user) | ({"chroot": "ENOENT"} if user != "0" else {}))


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
