"""Limits: what holds, what is said of a command that ran into one, and what is refused before it runs."""

import contextlib
import itertools
import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest

import lxe

NAME = "box"
USER = ("--user", "1000:1000")

FORK_BOMB = "import os\nwhile True: os.fork()"
STUBBORN_BOMB = """
import os, signal
for s in (signal.SIGTERM, signal.SIGHUP): signal.signal(s, signal.SIG_IGN)
while True:
    try: os.fork()
    except OSError: pass"""
MEMORY_BOMB = "x = []\nwhile True: x.append(bytearray(1 << 20))"
HOT = "while True: pass"
# Two that no session and no parent ties to the command, one of them stopped, all of them deaf.
HIDING = """trap '' TERM HUP
setsid sh -c 'trap "" TERM HUP; (sleep 1000 &); sleep 1000' &
(setsid sh -c 'kill -STOP $$; sleep 1000' &)
sleep 1000"""

# How a command comes to run: its own sandbox's, the sandbox's own, or one more in it; each as root
# and as somebody else, with a terminal and without.
WAYS = ["run", "run-user", "run-pty", "init", "init-user", "exec", "exec-user", "exec-pty"]


@pytest.fixture(scope="module", autouse=True)
def groups_of_the_user(session_world):
    """Most of these need the kernel's cgroups: what is refused without is in test_rootless.py."""
    with session_world.user.delegation() if session_world.user else contextlib.nullcontext():
        yield


def python(program):
    return ("/usr/bin/python3", "-c", program)


class Ended:
    def __init__(self, status, record, said, seconds):
        self.status, self.record, self.said, self.seconds = status, record, said, seconds

    def __getitem__(self, key):
        return self.record[key]


def run_once(world, path, options, command, terminal):
    words = ("run", *options, "--result", str(path), "--", *command)
    if terminal:
        with world.pty(*words) as pty:
            return pty.wait(), b""
    result = world.run(*words)
    return result.returncode, result.stderr


def run_as_init(world, path, options, command):
    lxe.ok(world.run("create", *options, "--result", str(path), NAME, "--", *command))
    lxe.ok(world.run("start", NAME))
    result = world.run("wait", NAME)
    return result.returncode, result.stderr


def run_in_another(world, path, sandbox, options, command, terminal):
    lxe.ok(world.run("create", *sandbox, NAME, "--", "sleep", "1000"))
    lxe.ok(world.run("start", NAME))
    words = ("exec", *options, "--result", str(path), NAME, "--", *command)
    if terminal:
        with world.pty(*words) as pty:
            status, said = pty.wait(), b""
    else:
        result = world.run(*words)
        status, said = result.returncode, result.stderr
    seen = json.loads(lxe.ok(world.run("inspect", NAME)).stdout)
    assert seen["state"] == "running", "the sandbox's own command has nothing to do with it"
    return status, said


def end_of(world, tmp_path, way, command, sandbox=(), own=()):
    """Runs it that way, `sandbox` being limits of a sandbox and `own` of a command, to its end."""
    path = tmp_path / "result"
    kind, _, how = way.partition("-")
    own = (*own, *(USER if how == "user" else ()))
    begun = time.monotonic()
    if kind == "run":
        status, said = run_once(world, path, (*sandbox, *own), command, how == "pty")
    elif kind == "init":
        status, said = run_as_init(world, path, (*sandbox, *own), command)
    else:
        status, said = run_in_another(world, path, sandbox, own, command, how == "pty")
    seconds = time.monotonic() - begun
    if kind != "run":
        lxe.ok(world.run("destroy", "--force", NAME))
    world.assert_clean(timeout=2.0 * lxe.SLACK)
    return Ended(status, json.loads(path.read_text()), said.decode(), seconds)


def test_files_in_memory_are_out_of_memory_too(world, tmp_path):
    """They are no process's: what the kernel ends must be the command, not what holds the sandbox."""
    # An instrumented monitor is as large as all of these.
    limits = ("96M",) if lxe.IS_ASAN else ("8M", "20M")
    for limit, way in itertools.product(limits, WAYS):
        end = end_of(world, tmp_path, way, ["dd", "if=/dev/zero", "of=/dev/shm/x", "bs=1M", "count=200"],
                     sandbox=("--memory", limit))
        assert (end.status, end["cause"], end["rule"]) == (137, "oom", f"memory {limit}"), (limit, way)


@pytest.mark.parametrize("way", WAYS)
def test_a_memory_bomb_is_out_of_memory(world, tmp_path, way):
    end = end_of(world, tmp_path, way, python(MEMORY_BOMB), sandbox=("--memory", "48M"))
    assert (end.status, end["cause"], end["signal"]) == (137, "oom", 9)
    assert end["rule"] == "memory 48M" and "--memory" in end["hint"]
    assert end["oom_kills"] >= 1
    if not way.endswith("pty"):
        assert "out of memory" in end.said and "--memory" in end.said


@pytest.mark.parametrize("way", WAYS)
def test_a_fork_bomb_is_out_of_processes(world, tmp_path, way):
    end = end_of(world, tmp_path, way, python(FORK_BOMB), sandbox=("--pids", "30"))
    assert (end.status, end["cause"]) == (1, "limit")
    assert end["rule"] == "pids 30" and "--pids" in end["hint"]
    assert end["pids_refused"] >= 1


@pytest.mark.parametrize("way", ["run", "exec-user"])
def test_a_fork_bomb_that_goes_on_ends_with_its_time(world, tmp_path, way):
    limits = ("--timeout", lxe.span(300), "--stop-timeout", "100ms")
    end = end_of(
        world, tmp_path, way, python(STUBBORN_BOMB), sandbox=("--pids", "40"), own=limits
    )
    assert (end.status, end["cause"]) == (124, "timeout")
    assert end["pids_refused"] >= 1 and end.seconds < 5 * lxe.SLACK


@pytest.mark.parametrize("way", WAYS)
def test_a_timeout_finds_whoever_hides(world, tmp_path, way):
    limits = ("--timeout", "100ms", "--stop-timeout", "100ms")
    end = end_of(world, tmp_path, way, ("sh", "-c", HIDING), own=limits)
    assert (end.status, end["cause"]) == (124, "timeout")
    assert end.seconds < 5 * lxe.SLACK
    if not way.endswith("pty"):
        assert "timed out after 100 ms" in end.said


@pytest.mark.parametrize("way", WAYS)
def test_processor_time_is_a_limit(world, tmp_path, way):
    end = end_of(world, tmp_path, way, python(HOT), own=("--cpu-time", "100ms"))
    assert (end.status, end["cause"], end["signal"]) == (137, "limit", 9)
    assert end["rule"] == "cpu-time 100 ms" and "--cpu-time" in end["hint"]
    used = end["rusage"]["user_us"] + end["rusage"]["system_us"]
    assert 80_000 < used < 500_000 * lxe.SLACK
    if not way.endswith("pty"):
        assert "processor time" in end.said


def test_the_processor_time_of_children_counts(world, tmp_path):
    """Also of those that nobody waits for, and that have run away from their session."""
    script = f"setsid python3 -c '{HOT}' & setsid python3 -c '{HOT}' & sleep 1000"
    end = end_of(world, tmp_path, "run", ("sh", "-c", script), own=("--cpu-time", "300ms"))
    assert (end["cause"], end["rule"]) == ("limit", "cpu-time 300 ms")


def test_who_sleeps_uses_no_processor_time(world, tmp_path):
    end = end_of(world, tmp_path, "run", ("sleep", "0.6"), own=("--cpu-time", "300ms"))
    assert (end.status, end["cause"]) == (0, "exit")


def test_the_processor_time_of_a_sandbox_is_that_of_all_in_it(world, tmp_path):
    path, of_exec = tmp_path / "result", tmp_path / "exec"
    words = ("--cpu-time", "300ms", "--result", str(path))
    lxe.ok(world.run("create", *words, NAME, "--", "sleep", "1000"))
    lxe.ok(world.run("start", NAME))
    result = world.run("exec", "--result", str(of_exec), NAME, "--", *python(HOT))
    assert result.returncode == 137
    world.run("wait", NAME)
    lxe.poll_until(lambda: path.read_text(), what="the sandbox's end")
    for record in (json.loads(path.read_text()), json.loads(of_exec.read_text())):
        assert (record["cause"], record["rule"]) == ("limit", "cpu-time 300 ms")
    lxe.ok(world.run("destroy", "--force", NAME))


def test_a_plain_kill_is_no_limit(world, tmp_path):
    """Also beside limits, and in a sandbox in which another command ran out of memory."""
    limits = ("--memory", "64M", "--pids", "50", "--cpu-time", "60s", "--timeout", "60s")
    end = end_of(world, tmp_path, "run", ("sh", "-c", "kill -9 $$"), own=limits)
    assert (end.status, end["cause"], end["signal"]) == (137, "signal", 9)
    assert end["rule"] is None and "memory" not in end.said


def test_a_kill_by_the_user_is_no_limit(world, tmp_path):
    path = tmp_path / "result"
    words = ("--memory", "64M", "--cpu-time", "60s", "--result", str(path))
    lxe.ok(world.run("create", *words, NAME, "--", "sleep", "1000"))
    lxe.ok(world.run("start", NAME))
    lxe.ok(world.run("kill", NAME))
    world.run("wait", NAME)
    assert json.loads(lxe.poll_until(lambda: path.read_text()))["cause"] == "killed"
    lxe.ok(world.run("destroy", NAME))


def test_who_runs_out_of_memory_is_told_from_who_does_not(world, tmp_path):
    """An exec that ran out of memory is not why the sandbox's own command, or another exec, dies."""
    path, other = tmp_path / "result", tmp_path / "other"
    words = ("--memory", "48M", "--result", str(path))
    lxe.ok(world.run("create", *words, NAME, "--", "sh", "-c", "sleep 1000; kill -9 $$"))
    lxe.ok(world.run("start", NAME))
    bystander = world.popen(
        "exec", "--result", str(other), NAME, "--", "sh", "-c", "echo up; read x; kill -9 $$",
        stdin=-1,
    )
    assert bystander.stdout.readline() == b"up\n"
    assert world.run("exec", NAME, "--", *python(MEMORY_BOMB)).returncode == 137
    bystander.communicate(b"go\n", timeout=lxe.DEADLINE)
    assert json.loads(other.read_text())["cause"] == "signal"
    # The sandbox may end before it says so.
    world.run("exec", NAME, "--", "pkill", "-x", "sleep")
    world.run("wait", NAME)
    record = json.loads(lxe.poll_until(lambda: path.read_text()))
    assert (record["cause"], record["signal"], record["oom_kills"]) == ("signal", 9, 1)
    lxe.ok(world.run("destroy", NAME))


def test_a_timeout_asks_first(world, tmp_path):
    """All that belong to it: a shell acts on its signal only when what it waits for has ended."""
    script = "trap 'echo bye; exit 3' TERM; sleep 1000"
    path = tmp_path / "result"
    words = ("run", "--timeout", lxe.span(200), "--result", str(path), "--", "sh", "-c", script)
    result = world.run(*words)
    assert (result.returncode, result.stdout) == (124, b"bye\n")
    assert json.loads(path.read_text())["cause"] == "timeout"


def test_without_a_stop_timeout_nobody_is_asked(world):
    script = "trap 'echo bye; exit 3' TERM; sleep 1000"
    words = ("--timeout", "100ms", "--stop-timeout", "none")
    result = world.run("run", *words, "--", "sh", "-c", script)
    assert (result.returncode, result.stdout) == (124, b"")


def test_a_failure_by_a_limit_is_told_only_to_who_asks(world):
    command = ("--pids", "10", "--", *python(FORK_BOMB))
    assert b"--pids" not in lxe.ok(world.run("run", *command), 1).stderr
    assert b"hint: --pids" in lxe.ok(world.run("run", "-v", *command), 1).stderr


def test_who_lives_with_a_limit_has_not_run_into_it(world, tmp_path):
    program = """
import os, signal
try:
    while True:
        if os.fork() == 0: signal.pause()
except OSError: pass"""
    end = end_of(world, tmp_path, "run", python(program), sandbox=("--pids", "10"))
    assert (end.status, end["cause"], end["rule"]) == (0, "exit", None)
    assert end["pids_refused"] >= 1


# What the limits are inside.


def test_a_share_of_the_processor(world):
    program = """
import time
begun, used = time.monotonic(), time.process_time()
while time.monotonic() - begun < 0.4: pass
print((time.process_time() - used) / (time.monotonic() - begun))"""
    share = float(lxe.stdout_of(world.run("run", "--cpus", ".25", "--", *python(program))))
    assert share < 0.4


def test_a_tree_that_is_slowed_down_ends_at_once(world):
    """A hundredth of a CPU is not enough to end forty processes in a second."""
    limits = ("--cpus", "0.05", "--pids", "60", "--timeout", lxe.span(500), "--stop-timeout", "100ms")
    script = "for i in $(seq 20); do sleep 1000 & done; while :; do :; done"
    begun = time.monotonic()
    lxe.ok(world.run("run", *limits, "--", "sh", "-c", script), 124)
    assert time.monotonic() - begun < 4 * lxe.SLACK
    world.assert_clean(timeout=1.0)


def test_a_set_of_cpus(world):
    last = max(os.sched_getaffinity(0))
    assert lxe.stdout_of(world.run("run", "--cpuset", str(last), "--", "nproc")) == "1\n"


def test_a_disk_of_limited_size(world, tmp_path):
    script = "head -c 8M /dev/zero >/tmp/a; head -c 8M /dev/zero >/root/b; du -cm /tmp/a /root/b"
    path = tmp_path / "result"
    words = ("run", "--disk", "4M", "--result", str(path), "--")
    result = lxe.ok(world.run(*words, "sh", "-c", script))
    assert int(re.findall(r"(\d+)\ttotal", result.stdout.decode())[0]) <= 4
    lxe.ok(world.run(*words, "sh", "-c", "head -c 8M /dev/zero >/a"), 1)
    record = json.loads(path.read_text())
    assert (record["cause"], record["rule"]) == ("limit", "disk 4M")
    # Empty files cost memory as well.
    lxe.ok(world.run(*words, "sh", "-c", "cd /tmp; for i in $(seq 9999); do : >$i || exit 1; done"), 2)


def test_resource_limits(world):
    limits = ("--ulimit", "nofile=100:200", "--ulimit", "core=0", "--ulimit", "nofile=90:200")
    script = "ulimit -n; ulimit -Hn; ulimit -c; ulimit -l"
    for user in ((), USER):
        words = lxe.stdout_of(
            world.run("run", *limits, "--ulimit", "memlock=3M", *user, "--", "sh", "-c", script)
        ).split()
        assert words == ["90", "200", "0", "3072"]


def test_resource_limits_of_a_sandbox_are_those_of_its_execs(world):
    lxe.ok(world.run("create", "--ulimit", "nofile=80", "--ulimit", "core=4K", NAME))
    lxe.ok(world.run("start", NAME))
    show = ("--", "sh", "-c", "ulimit -n; ulimit -c")
    assert lxe.stdout_of(world.run("exec", NAME, *show)).split() == ["80", "8"]
    words = ("exec", "--ulimit", "nofile=70", NAME)
    assert lxe.stdout_of(world.run(*words, *show)).split() == ["70", "8"]
    lxe.ok(world.run("destroy", "--force", NAME))


def test_the_signals_of_resource_limits_are_told(world, tmp_path):
    for ulimit, signal, program in (
        ("cpu=1:5", 24, HOT),
        ("fsize=1K", 25, "import signal\nsignal.signal(25, signal.SIG_DFL)\n"
         "open('/tmp/x', 'wb', 0).write(bytes(9999))\nopen('/tmp/x', 'ab', 0).write(b'x')"),
    ):
        end = end_of(world, tmp_path, "run", python(program), own=("--ulimit", ulimit))
        assert (end.status, end["cause"]) == (128 + signal, "limit"), ulimit
        assert end["rule"] == f"ulimit {ulimit}" and f"ulimit {ulimit}" in end.said


def test_shared_memory_is_limited_as_the_disk_is(world):
    script = "head -c 8M /dev/zero >/dev/shm/a; stat -fc '%b %S' /dev/shm; stat -c %s /dev/shm/a"
    blocks, size, written = map(int, lxe.stdout_of(world.run("run", "--disk", "4M", "--", "sh", "-c", script)).split())
    assert blocks * size == written == 4 << 20


def loops(world):
    """Loop devices whose files are this world's."""
    files = (path.read_text() for path in Path("/sys/block").glob("loop*/loop/backing_file"))
    return [name for name in files if str(world.base) in name]


def test_the_disk_of_a_sandbox_that_is_kept(world):
    made = world.run("create", "--disk", "16M", NAME, "--", "sleep", "1000")
    if world.user:
        lxe.refusal(made, says="--disk cannot be enforced for a sandbox that is kept[^$]*hint: run as root")
        return
    lxe.ok(made)
    lxe.ok(world.run("start", NAME))
    script = "echo kept >/srv/file; head -c 32M /dev/zero >/srv/big; du -cm /srv /tmp"
    full = world.run("exec", NAME, "--", "sh", "-c", script)
    assert b"No space left" in full.stderr
    assert 8 <= int(re.findall(r"(\d+)\ttotal", full.stdout.decode())[0]) <= 16
    box = next(world.kept.iterdir())
    assert (box / "disk").stat().st_size == 16 << 20 and not (box / "rw").exists()
    lxe.ok(world.run("stop", NAME))
    lxe.poll_until(lambda: not loops(world), what="a device that is let go")
    words = ["debugfs", "-R", "cat /u/srv/file", str(box / "disk")]
    assert subprocess.run(words, capture_output=True, check=True).stdout == b"kept\n"
    lxe.ok(world.run("destroy", NAME))
    lxe.ok(world.run("create", "--disk", "16M", NAME, "--", "sleep", "1000"))
    lxe.kill(world.keeper())
    lxe.poll_until(lambda: not loops(world), what="a device that is let go")
    lxe.ok(world.run("destroy", "--force", NAME))
    lxe.poll_until(lambda: not loops(world), what="a device that is let go")
    lxe.ok(world.run("run", "--keep", "--name", NAME, "--disk", "1M", "--", "true"))
    lxe.ok(world.run("destroy", NAME))


# What is refused: nothing is started then.

REFUSED = [
    ("--cpus 4097", "cpus.*fewer CPUs"),
    ("--cpuset 8000", "cpuset 8000.*not all there"),
    ("--io /dev/null:wbps=1M", "no disk"),
    ("--io /proc:wbps=1M", "no disk of its own"),
    ("--io /no/such/disk:wbps=1M", "no such file"),
    ("--ulimit nofile=unlimited", "ulimit nofile"),
    ("--ulimit nofile=2147483647", "fs.nr_open"),
    ("--cpus 0", "--cpus '0' is out of range"),
    ("--cpus nan", "--cpus 'nan' is not a number"),
    ("--cpus -1", "--cpus '-1'"),
    ("--cpuset 1-0", "--cpuset '1-0'"),
    ("--cpuset 99999999999999999999", "out of range"),
    ("--memory 0", "less than 8M"),
    ("--memory -1", "--memory '-1'"),
    ("--memory 99999999999999999999T", "too large"),
    ("--memory 8000000T", "too large"),
    ("--memory 64X", "not a size"),
    ("--pids 0", "out of range"),
    ("--pids 1K", "not a number"),
    ("--disk 0", "--disk '0'"),
    ("--io wbps=0", "out of range"),
    ("--io wbps", "no '='"),
    ("--io bps=5", "not known"),
    ("--ulimit files=1", "no resource"),
    ("--ulimit nofile=-1", "no whole number"),
    ("--ulimit nofile=20:10", "above its hard"),
    ("--cpu-time 0", "no time at all"),
    ("--cpu-time 1d", "not a duration"),
    ("--timeout 99999999999h", "too long"),
    ("--stop-timeout -1s", "not a duration"),
]


@pytest.mark.parametrize("options,says", REFUSED, ids=[options for options, _ in REFUSED])
def test_what_cannot_be_enforced_is_refused(world, tmp_path, options, says):
    marker = tmp_path / "ran"
    words = options.split()
    lxe.refusal(world.run("run", *words, "--", "sh", "-c", f"echo >{marker}; echo ran"), says=says)
    world.assert_clean()


def test_the_place_in_a_profile_is_named(world, tmp_path):
    profile = tmp_path / "p.conf"
    for number, text in enumerate(("cpus = 0", "io = wbps=1", "cpuset = x", "disk = -5")):
        profile.write_text(f"[run]\n# a comment\n{text}\n")
        lxe.refusal(
            world.run("run", "--profile", str(profile), "--", "true"),
            says=rf"{re.escape(str(profile))}:3: .*{text.split()[0]}",
        )
    profile.write_text("[ulimit]\nnofile = 5:1\n")
    lxe.refusal(
        world.run("run", "--profile", str(profile), "--", "true"),
        says=rf"{re.escape(str(profile))}:2: ulimit.*above",
    )
    profile.write_text("[run]\ncpus = 0.5\n[ulimit]\nnofile = 64\n")
    result = world.run("run", "--profile", str(profile), "--", "sh", "-c", "ulimit -n")
    assert lxe.stdout_of(result) == "64\n"


def test_what_is_said_of_limits_is_what_was_asked(world):
    words = ("--memory", "64M", "--cpus", "0.5", "--cpuset", "0", "--cpu-time", "9s")
    lxe.ok(world.run("create", *words, "--ulimit", "nofile=5:6", NAME))
    limits = json.loads(lxe.ok(world.run("inspect", NAME)).stdout)["limits"]
    assert limits["memory"] == 64 << 20 and limits["cpus"] == 0.5 and limits["cpuset"] == "0"
    assert limits["cpu_time_ms"] == 9000 and limits["ulimits"] == {"nofile": "5:6"}
    assert limits["disk"] is None and limits["io"] == [] and limits["pids"] == 2048
    lxe.ok(world.run("destroy", "--force", NAME))


def test_disk_traffic_is_limited(world):
    """Reads that go to the disk itself: writes are put off by the kernel, on v1 without a limit."""
    script = "dd if=$(readlink -f /usr/bin/python3) of=/dev/null bs=64k count=16 iflag=direct"
    result = world.run("run", "--io", "rbps=2M", "--", "sh", "-c", script)
    if result.returncode == 125:
        assert b"no disk of its own" in result.stderr
        return
    seconds = float(re.search(r"copied, ([0-9.e-]+) s", lxe.ok(result).stderr.decode())[1])
    assert seconds > 0.25, result.stderr


def test_the_groups_of_all_limits_go_with_a_keeper_that_is_killed(world):
    """Those of the further hierarchies too, and however little the tree may use of a processor."""
    limits = ("--memory", "64M", "--cpus", "0.1", "--cpuset", "0", "--cpu-time", "60s")
    script = "for i in $(seq 5); do sleep 1000 & done; echo up; wait"
    process = world.popen("run", *limits, "--", "sh", "-c", script)
    assert process.stdout.readline() == b"up\n", process.stderr.read()
    keeper = world.keeper()
    process.kill()
    os.kill(keeper, 9)
    process.wait(lxe.DEADLINE)
    lxe.poll_until(lambda: not lxe.is_alive(keeper))
    lxe.ok(world.run("gc"))
    world.assert_clean(timeout=2.0 * lxe.SLACK)
