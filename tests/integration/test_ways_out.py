"""Every way out: the exit status, the record, the terminal as it was, and nothing left behind."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

import lxe
import tracer
from lxe import ok, refusal, shell

FATAL = ["HUP", "INT", "TERM", "QUIT"]
# A tree that does whatever it can to survive: other sessions, other parents, signals ignored.
STUBBORN = """
trap '' HUP INT TERM QUIT
( setsid sh -c "trap '' HUP INT TERM QUIT; while :; do sleep 0.2; done" & )
setsid sleep 1000 &
echo up
while :; do sleep 0.2; done
"""
IDLE = "echo up; exec sleep 1000"


def number_of(name):
    return getattr(signal, f"SIG{name}")


def started(world, script, *options):
    process = world.popen("run", *options, "--", "sh", "-c", script)
    line = process.stdout.readline()
    assert line == b"up\n", (line, process.stderr.read())
    return process


def end_of(process, timeout=lxe.DEADLINE):
    """Waits for the end: its status, and what it wrote to stderr."""
    _, err = process.communicate(timeout=timeout)
    return process.returncode, err.decode()


def record(path):
    """The result record: one JSON object with all that every way out must tell."""
    value = json.loads(path.read_text())
    assert {"id", "exit_code", "signal", "cause", "message", "teardown"} <= value.keys(), value
    assert value["teardown"] == {"ok": True, "residue": []}, value
    return value


@pytest.mark.parametrize("name", FATAL)
def test_a_fatal_signal_is_128_and_its_number(world, name):
    times = []
    for _ in range(3):
        process = started(world, IDLE)
        begin = time.monotonic()
        process.send_signal(number_of(name))
        status, _ = end_of(process)
        times.append(time.monotonic() - begin)
        assert status == 128 + number_of(name)
        world.assert_clean()
    assert min(times) < 0.1 * lxe.SLACK, times


@pytest.mark.parametrize("name", FATAL)
def test_a_fatal_signal_ends_a_stubborn_tree(world, name):
    process = started(world, STUBBORN)
    process.send_signal(number_of(name))
    assert end_of(process)[0] == 128 + number_of(name)
    world.assert_clean()


@pytest.mark.parametrize("name", FATAL)
def test_a_fatal_signal_gives_the_terminal_back(world, name):
    with shell(world) as terminal:
        before = lxe.Pty(["true"], {})
        plain = before.termios()
        before.close()
        assert terminal.is_raw()
        terminal.signal(number_of(name))
        assert terminal.wait() == 128 + number_of(name)
        assert terminal.termios() == plain
        world.assert_clean()


def test_a_terminal_that_goes_away_ends_the_run(world):
    with shell(world) as terminal:
        terminal.hang_up()
        assert terminal.wait() == 128 + signal.SIGHUP
        world.assert_clean()


@pytest.mark.parametrize("mode", ["-t", "-T"])
@pytest.mark.parametrize("late", ["stopped", "unread"])
def test_a_run_ends_whoever_reads_the_output_of_an_exec_in_it(world, mode, late):
    """Its caller's files are nobody else's then, and the exec hears all of it when it goes on."""
    script = "echo up; exec head -n 1"
    words = ("run", mode, "--output-limit", "64K", "--name", "box", "--", "sh", "-c", script)
    first = world.popen(*words, stdin=subprocess.PIPE)
    assert first.stdout.readline().rstrip() == b"up"
    reading, writing = os.pipe()
    script = "yes | head -c 100000; : >/tmp/written; exec sleep 1000"
    with open(reading, "rb") as shown, world.pty("exec", "-t", "box", "--", "sh", "-c", script, stdout=writing) as second:
        os.close(writing)
        lxe.poll_until(lambda: world.run("exec", "box", "--", "test", "-e", "/tmp/written").returncode == 0)
        if late == "stopped":
            second.signal(signal.SIGSTOP)
        first.communicate(b"go on\n", timeout=lxe.DEADLINE)
        assert first.returncode == 0 and not world.current_ids()
        assert second.process.poll() is None and world.keepers()
        second.signal(signal.SIGCONT)
        assert shown.read().split() == 50000 * [b"y"]
        assert second.wait() == 137
    world.assert_clean(timeout=2.0)


def test_signals_during_start(world):
    """From the first moment on: never another status than the signal's or the command's."""
    for step in range(25):
        process = world.popen("run", "--", "sleep", "1000", stderr=subprocess.DEVNULL)
        lxe.pause(step * 0.001 * lxe.SLACK)
        process.terminate()
        assert process.wait(lxe.DEADLINE) in (143, -signal.SIGTERM), step
        world.assert_clean(timeout=1.0)


def test_a_second_signal_during_teardown(world):
    for first, second in (("TERM", "INT"), ("INT", "INT"), ("HUP", "TERM"), ("QUIT", "TERM")):
        process = started(world, STUBBORN)
        process.send_signal(number_of(first))
        process.send_signal(number_of(second))
        assert end_of(process)[0] in (128 + number_of(first), 128 + number_of(second))
        world.assert_clean()


@pytest.mark.parametrize("script", [IDLE, STUBBORN], ids=["idle", "stubborn"])
def test_the_client_is_killed(world, script):
    process = started(world, script)
    process.kill()
    end_of(process)
    world.assert_clean(timeout=2.0)


def test_the_client_is_killed_and_the_terminal_comes_back(world):
    with shell(world) as terminal:
        terminal.process.kill()
        terminal.wait()
        lxe.poll_until(lambda: not terminal.is_raw(), timeout=2.0, what="a sane terminal")
        world.assert_clean(timeout=2.0)


def test_the_client_is_killed_when_it_is_about_to_restore_the_terminal(world, tmp_path):
    """The last moment at which a terminal can be left raw: everything else is torn down by then."""
    trace = tmp_path / "trace"
    run = [world.binary, "run", "--", "true"]
    env = world.env_without_leak_check()
    with lxe.Pty([*world.strace("-o", trace, "-e", "trace=ioctl"), *run], env) as terminal:
        assert terminal.wait() == 0
    calls = [line for line in trace.read_text().splitlines() if line.startswith("ioctl(")]
    last = max(n for n, line in enumerate(calls, 1) if "TCSETS" in line)
    strike = [*world.strace("-o", trace, "-e", f"inject=ioctl:signal=KILL:when={last}"), *run]
    with lxe.Pty(strike, env) as terminal:
        terminal.wait()
        assert "killed by SIGKILL" in trace.read_text()
        lxe.poll_until(lambda: not terminal.is_raw(), timeout=2.0, what="a sane terminal")
        world.assert_clean(timeout=2.0)


@pytest.mark.parametrize("script", [IDLE, STUBBORN], ids=["idle", "stubborn"])
def test_the_keeper_is_killed(world, tmp_path, script):
    process = started(world, script, "--result", str(tmp_path / "result"))
    os.kill(world.keeper(), signal.SIGKILL)
    status, err = end_of(process)
    assert status == 125
    assert err.startswith("lxc-exec: ") and "keeper" in err, err
    world.assert_clean(timeout=2.0)
    assert record(tmp_path / "result")["cause"] in ("error", "killed")


def test_the_keeper_is_killed_and_the_terminal_comes_back(world):
    with shell(world) as terminal:
        os.kill(world.keeper(), signal.SIGKILL)
        assert terminal.wait() == 125
        assert not terminal.is_raw()
        assert b"keeper" in terminal.seen


def kill_both(world, script):
    process = started(world, script)
    keeper = world.keeper()
    process.send_signal(signal.SIGSTOP)
    lxe.kill(keeper)
    process.kill()
    end_of(process)


@pytest.mark.parametrize("script", [IDLE, STUBBORN], ids=["idle", "stubborn"])
def test_both_are_killed_and_gc_cleans_up(world, script):
    kill_both(world, script)
    (sandbox,) = world.current_ids()
    listed = ok(world.run("gc", "--dry-run"))
    assert sandbox in listed.stdout.decode() and world.current_ids() == {sandbox}
    ok(world.run("gc"))
    world.assert_clean(timeout=lxe.ORPHANS)
    assert sandbox not in ok(world.run("gc")).stdout.decode()


@pytest.fixture
def ending(world):
    """A sandbox whose client is dead, and whose keeper is killed and on its way, which the kernel does not let it end."""
    process = started(world, IDLE)
    keeper = world.keeper()
    tracer.ptrace(tracer.SEIZE, keeper, 0, tracer.TRACE_EXIT)
    process.send_signal(signal.SIGSTOP)
    os.kill(keeper, signal.SIGKILL)
    assert os.waitpid(keeper, tracer.WALL)[1] >> 8 == signal.SIGTRAP | tracer.EXIT << 8
    process.kill()
    process.wait(lxe.DEADLINE)
    yield keeper
    with contextlib.suppress(ProcessLookupError):
        tracer.ptrace(tracer.DETACH, keeper)
    end_of(process)


def test_gc_waits_for_a_keeper_that_has_been_killed(world, ending):
    """It holds its lock and listens, until the kernel has closed what it had open."""
    (sandbox,) = world.current_ids()
    gc = world.popen("gc")
    lxe.poll_until(lambda: gc.poll() is not None or lxe.process_state(gc.pid) == "S" and
                   any(sandbox in lxe.link_target(fd) for fd in Path(f"/proc/{gc.pid}/fd").iterdir()), what="gc to wait")
    tracer.ptrace(tracer.DETACH, ending)
    out, _ = gc.communicate(timeout=lxe.DEADLINE)
    assert gc.returncode == 0 and sandbox in out.decode()
    world.assert_clean(timeout=lxe.ORPHANS)


def test_both_are_killed_and_the_next_run_cleans_up(world):
    kill_both(world, IDLE)
    ok(world.run("run", "--", "true"))
    world.assert_clean(timeout=lxe.ORPHANS)


def test_a_living_sandbox_survives_gc(world):
    process = started(world, IDLE)
    sandbox = world.sandbox_id()
    result = ok(world.run("gc"))
    assert sandbox not in result.stdout.decode()
    assert process.poll() is None and world.current_ids() == {sandbox}
    process.terminate()
    assert end_of(process)[0] == 143


@pytest.fixture
def owned(world):
    """A sandbox that somebody owns, and where we hear who calls."""
    path = world.sandboxes / "0123456789ab"
    path.mkdir(0o700)
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    (path / "journal").touch(0o600)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path / "socket"))
        listener.listen()
        listener.setblocking(False)
        yield listener
    shutil.rmtree(path)
    os.close(lock)


def test_a_run_leaves_those_alone_that_somebody_owns(world, owned):
    """Each of them would have to wake up for it, and a run would pay for as many as there are."""
    ok(world.run("run", "--", "true"))
    with pytest.raises(BlockingIOError):
        owned.accept()


@pytest.mark.parametrize("script", [IDLE, STUBBORN], ids=["idle", "stubborn"])
def test_a_timeout_ends_the_whole_tree(world, tmp_path, script):
    path = tmp_path / "result"
    result = world.run("run", "--timeout", lxe.span(500), "--result", str(path), "--", "sh", "-c", script)
    assert result.returncode == 124
    world.assert_clean()
    assert record(path)["cause"] == "timeout" and record(path)["exit_code"] == 124


def test_a_timeout_on_a_terminal_gives_it_back(world):
    with world.pty("run", "--timeout", lxe.span(500), *lxe.BASH) as terminal:
        assert terminal.wait() == 124
        assert not terminal.is_raw()


RESULTS = [
    (["true"], 0, "exit", None),
    (["sh", "-c", "exit 7"], 7, "exit", None),
    (["bash", "-c", "kill -USR1 $$"], 138, "signal", signal.SIGUSR1),
    (["no-such-command"], 127, "error", None),
    (["/etc/passwd"], 126, "error", None),
]


@pytest.mark.parametrize("command,status,cause,number", RESULTS)
def test_the_result_record(world, tmp_path, command, status, cause, number):
    path = tmp_path / "result"
    path.write_text("x" * 10_000)
    world.give(path)
    result = world.run("run", "--result", str(path), "--", *command)
    value = record(path)
    assert result.returncode == status == value["exit_code"]
    assert value["cause"] == cause and value["signal"] in (number, number or 0)
    assert len(value["id"]) == 12
    assert bool(value["message"]) == (cause == "error")


def test_the_result_record_on_a_descriptor(world):
    reading, writing = os.pipe()
    with os.fdopen(reading) as pipe:
        ok(world.run("run", "--result", f"fd:{writing}", "--", "true", pass_fds=(writing,)))
        os.close(writing)
        assert json.loads(pipe.read())["cause"] == "exit"


@pytest.mark.parametrize("name", FATAL)
def test_the_result_record_after_a_signal(world, tmp_path, name):
    process = started(world, IDLE, "--result", str(tmp_path / "result"))
    process.send_signal(number_of(name))
    end_of(process)
    value = record(tmp_path / "result")
    assert value["cause"] == "killed" and value["exit_code"] == 128 + number_of(name)


def test_the_result_record_after_the_client_was_killed(world, tmp_path):
    path = tmp_path / "result"
    process = started(world, IDLE, "--result", str(path))
    process.kill()
    end_of(process)
    world.assert_clean(timeout=2.0)
    assert lxe.poll_until(lambda: path.exists() and path.read_text(), 2.0)
    assert record(path)["cause"] == "killed"


def test_the_result_record_after_both_were_killed(world, tmp_path):
    path = tmp_path / "result"
    process = started(world, IDLE, "--result", str(path))
    keeper = world.keeper()
    process.send_signal(signal.SIGSTOP)
    lxe.kill(keeper)
    process.kill()
    end_of(process)
    ok(world.run("gc"))
    assert record(path)["cause"] == "killed"


def test_out_of_memory_says_so(world, tmp_path):
    path = tmp_path / "result"
    command = ["python3", "-c", "x = bytearray(300 << 20)"]
    result = world.run("run", "--memory", "64M", "--result", str(path), "--", *command)
    value = record(path)
    if world.refuses_limits(result):
        assert value["cause"] == "error"
        return
    assert result.returncode == 137
    assert value["cause"] == "oom"


# Failures while it is being made: one clear line, 125, nothing left.


def in_namespace(world, script, *words, **more):
    """Runs lxc-exec WORDS in a mount namespace of its own, after a script has changed the mounts."""
    user = world.user
    whose = ["setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups"] if user else []
    run = 'exec "$@"'
    command = ["unshare", "-m", "sh", "-ec", f"{script}; {run}", "sh", *whose, str(world.binary), *words]
    return subprocess.run(
        command,
        env=world.env(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=lxe.DEADLINE,
    )


def test_an_image_that_does_not_exist(world):
    refusal(world.run("run", "--image", "no-such-image", "--", "true"), says="no-such-image")


def test_a_read_only_state_directory():
    fresh = lxe.World()
    try:
        script = f"mount --bind {fresh.state} {fresh.state}; mount -o remount,ro,bind {fresh.state}"
        result = in_namespace(fresh, script, "run", "--", "true")
        refusal(result, says="read-only")
        fresh.assert_clean()
    finally:
        fresh.close()


def test_a_read_only_run_directory(world):
    script = f"mount --bind {world.run_dir} {world.run_dir}; mount -o remount,ro,bind {world.run_dir}"
    result = in_namespace(world, script, "run", "--", "true")
    # Before Linux 6.6 a tmpfs has no extended attributes of users: a sandbox of theirs is in the state directory.
    if world.user and lxe.KERNEL < (6, 6):
        ok(result)
    else:
        refusal(result, says="read-only")


@pytest.mark.parametrize("kind", ["state", "run"])
def test_a_full_directory(kind):
    fresh = lxe.World()
    try:
        path = fresh.state if kind == "state" else fresh.run_dir
        script = f"mount -t tmpfs -o size=4k,nr_inodes=8,mode=711 full {path}; mkdir -p {path}/sandboxes; chmod 711 {path}/*; head -c 8192 /dev/zero > {path}/fill 2>/dev/null || :"
        refusal(in_namespace(fresh, script, "run", "--", "true"), says="no space left")
        fresh.assert_clean()
    finally:
        fresh.close()


@pytest.mark.parametrize("controller", ["pids", "memory"])
def test_a_cgroup_that_cannot_be_written(world, controller):
    script = f"""
        for d in /sys/fs/cgroup/{controller} /sys/fs/cgroup; do
            [ -e $d/cgroup.procs ] && {{ mount --bind $d $d; mount -o remount,ro,bind $d; break; }}
        done"""
    result = in_namespace(world, script, "run", "--", "true")
    # To an ordinary user it is one that he has not got.
    ok(result) if world.user else refusal(result, says="cgroup")


def test_a_missing_keeper(world):
    copy = world.base / "lonely"
    copy.mkdir()
    try:
        binary = copy / "lxc-exec"
        binary.write_bytes(lxe.BIN.read_bytes())
        binary.chmod(0o755)
        result = world.run("run", "--", "true", binary=binary)
        refusal(result, says="lxc-exec-keeper|keeper")
    finally:
        for path in copy.iterdir():
            path.unlink()
        copy.rmdir()


def test_nothing_is_mounted_on_a_host_with_shared_propagation(world):
    """systemd makes every mount of its hosts shared: a copy that stays their peer would leak."""
    script = "mount --make-rshared /"
    result = in_namespace(world, script, "run", "--", "sh", "-c", "true")
    assert result.returncode == 0, result.stderr
    assert not result.stderr, result.stderr
