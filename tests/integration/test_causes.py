"""Whose fault an ending is: what a command met with itself, what may be the reason, and what is not."""

import json
import signal

import pytest

import lxe
from lxe import ok


def ended(world, tmp_path, *words, verb="run"):
    """Its status, its record, and what was said of it."""
    path = tmp_path / "record"
    result = world.run(verb, "--result", str(path), *words)
    entry = json.loads(path.read_text())
    lines = result.stderr.decode().splitlines()
    for kind in ("rule", "hint"):
        assert f"{kind}: {entry[kind]}" in lines or not any(line.startswith(f"{kind}: ") for line in lines)
    return result.returncode, entry, "\n".join(lines)


@pytest.fixture
def box(world):
    """Makes a sandbox that does what it is told, and waits until it has begun."""

    def make(script, *options):
        script = f"{script} : >/tmp/up; exec sleep 1000"
        ok(world.run("create", *options, "box", "--", "sh", "-c", script))
        ok(world.run("start", "box"))
        up = ("exec", "box", "--", "test", "-e", "/tmp/up")
        full = b"no process can be added"
        lxe.poll_until(lambda: (r := world.run(*up)).returncode == 0 or full in r.stderr, what="the box")

    yield make
    world.run("destroy", "--force", "box")


def test_a_timeout_names_its_option(world, tmp_path):
    status, entry, said = ended(world, tmp_path, "--timeout", "100ms", "--", "sleep", "1000")
    assert (status, entry["cause"], entry["rule"]) == (124, "timeout", "timeout 100 ms")
    assert "--timeout" in entry["hint"] and "hint: --timeout" in said
    status, entry, said = ended(world, tmp_path, "--ttl", "200ms", "--", "sleep", "1000")
    assert (status, entry["rule"]) == (124, "ttl 200 ms") and "hint: --ttl" in said


@pytest.mark.parametrize("limit", ["as=1", "data=1", "stack=1"])
def test_a_ulimit_that_leaves_no_memory(world, tmp_path, limit):
    status, entry, said = ended(world, tmp_path, "--ulimit", limit, "--", "true")
    assert status in (128 + signal.SIGSEGV, 128 + signal.SIGKILL) and entry["cause"] == "signal"
    assert entry["rule"] == f"ulimit {limit}" and "hint: --ulimit" in said


def test_a_profile_under_which_nothing_gets_memory(world, tmp_path):
    names = ["read", "write", "execve", "exit_group"]
    calls = [{"names": names, "action": "SCMP_ACT_ALLOW"}]
    profile = tmp_path / "profile.json"
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": calls}))
    words = ("--seccomp", str(profile), "--", "true")
    status, entry, said = ended(world, tmp_path, "--no-explain", *words)
    assert status == 128 + signal.SIGSEGV and entry["rule"] == f"seccomp {profile}"
    assert "hint: --learn" in said
    # Who is watched is told more.
    status, entry, said = ended(world, tmp_path, *words)
    assert status == 128 + signal.SIGSEGV and entry["rule"].startswith(f"seccomp {profile}: ")
    assert "--learn" in entry["hint"] and "brk" in {d["call"] for d in entry["denials"]}


def test_a_status_is_not_a_death_by_the_filter(world, tmp_path):
    calls = [{"names": ["sched_rr_get_interval"], "action": "SCMP_ACT_KILL"}]
    profile = tmp_path / "profile.json"
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": calls}))
    status, entry, said = ended(world, tmp_path, "--seccomp", str(profile), "--", "sh", "-c", "exit 159")
    assert (status, entry["cause"]) == (159, "exit")
    # Shells tell the deaths of their own so: it is a hint, and said to who asks.
    assert entry["rule"] == f"seccomp {profile}" and not said


def test_a_sandbox_without_room_for_a_process(world, tmp_path, box):
    if world.refuses_limits(world.run("run", "--pids", "3", "--", "true")):
        return
    box("sleep 1000 & sleep 1000 &", "--pids", "3")
    status, entry, said = ended(world, tmp_path, "box", "--", "true", verb="exec")
    assert (status, entry["cause"]) == (125, "error") and "Failed to clone" not in said
    assert "--pids 3" in entry["rule"] and "--pids" in entry["hint"]


FULL = """
import os, signal
open("/tmp/go").read()
try:
    while True:
        if os.fork() == 0: signal.pause()
except OSError: os.close(os.open("/tmp/full", os.O_WRONLY))
signal.pause()"""


def test_a_shortage_of_processes_is_told_of_who_met_with_it(world, tmp_path, box):
    if world.refuses_limits(world.run("run", "--pids", "9", "--", "true")):
        return
    box(f"mkfifo /tmp/go /tmp/full; python3 -c '{FULL}' &", "--pids", "12")
    # The other one forks until it cannot, and this one fails for a reason of its own.
    script = "echo go >/tmp/go; read x </tmp/full; exit 3"
    status, entry, said = ended(world, tmp_path, "-v", "box", "--", "sh", "-c", script, verb="exec")
    assert entry["pids_refused"] >= 1
    assert (status, entry["cause"]) == (3, "exit")
    # Where the kernel does not tell whose it was it is a hint, and else not even that.
    assert entry["rule"] is None or "maybe" in entry["message"]


def test_a_full_disk_may_be_another_s(world, tmp_path):
    script = "head -c 8M /dev/zero >/a; : >/dev/shm/up; exec sleep 1000"
    with world.popen("run", "--name", "box", "--disk", "4M", "--", "sh", "-c", script) as run:
        up = ("exec", "box", "--", "test", "-e", "/dev/shm/up")
        lxe.poll_until(lambda: world.run(*up).returncode == 0, what="the box")
        words = ("-v", "box", "--", "sh", "-c", "exit 3")
        status, entry, said = ended(world, tmp_path, *words, verb="exec")
        run.send_signal(signal.SIGTERM)
    assert (status, entry["cause"], entry["rule"]) == (3, "exit", "disk 4M")
    assert "maybe" in entry["message"] and "hint: --disk" in said


def test_whose_sandbox_runs_out_of_memory_is_told(world, tmp_path, box):
    if world.refuses_limits(world.run("run", "--memory", "64M", "--", "true")):
        return
    # The larger one is what the kernel ends: the sandbox's own command, and with it everything else.
    large = "import time; x = bytearray(b'x') * (MB << 20); open('/tmp/MB', 'w').close(); time.sleep(1000)"
    limit, most = ("512M", 300) if lxe.IS_ASAN else ("128M", 80)
    ok(world.run("create", "--memory", limit, "box", "--", "python3", "-c", large.replace("MB", str(most))))
    ok(world.run("start", "box"))
    up = ("exec", "box", "--", "test", "-e", f"/tmp/{most}")
    lxe.poll_until(lambda: world.run(*up).returncode == 0, what="the box")
    grow = "x = []\nwhile True: x.append(bytearray(b'x') * (1 << 20))"
    status, entry, said = ended(world, tmp_path, "box", "--", "python3", "-c", grow, verb="exec")
    assert status == 137
    assert entry["rule"] == f"memory {limit}" and "out of memory" in entry["message"]
    assert "hint: --memory" in said
