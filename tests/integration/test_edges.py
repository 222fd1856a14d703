"""Narrow windows and odd callers: each of these once lost bytes, hung, or left something behind."""

import fcntl
import json
import os
import pty
import signal
import subprocess
import time

import lxe
from lxe import ok, refusal, stdout_of

F_SETPIPE_SZ = 1031


def strace(world, rule, *words, **more):
    command = [*world.strace("-f", "-e", rule), str(world.binary), *words]
    return subprocess.Popen(
        command,
        env=world.env_without_leak_check(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **more,
    )


def test_a_slow_reader_gets_the_last_byte(world):
    """More than the relay holds back is in the pty when the command ends, and nobody reads yet."""
    for extra in (5135, 8727, 8928):
        total = (1 << 20) + (128 << 10) + extra
        reading, writing = os.pipe()
        fcntl.fcntl(writing, F_SETPIPE_SZ, 1 << 20)
        script = f"stty raw; head -c {total} /dev/zero"
        process = world.popen("run", "-t", "--", "sh", "-c", script, stdout=writing)
        os.close(writing)
        lxe.poll_until(lambda: fill(reading) >= (1 << 20) - (64 << 10), what="a full pipe")
        lxe.pause(1.0)  # this is how slow the reader is: longer than anybody's patience with it
        with open(reading, "rb") as stream:
            assert stream.read().count(0) == total  # the echoed ^D is not
        assert process.wait(lxe.DEADLINE) == 0


def fill(fd):
    """Bytes that wait in a pipe: FIONREAD."""
    return int.from_bytes(fcntl.ioctl(fd, 0x541B, bytes(4)), "little")


def test_a_command_may_let_go_of_its_terminal_and_come_back(world):
    script = "exec </dev/null >/dev/null 2>&1; sleep .3; echo late >/dev/tty"
    with world.pty("run", "--", "sh", "-c", script) as terminal:
        assert terminal.wait() == 0
        assert b"late" in terminal.seen


def test_a_command_that_is_killed_before_its_pid_is_known(world):
    process = strace(world, "inject=poll:delay_enter=200000", "run", "--", "sleep", "100")
    victim = lxe.poll_until(lambda: command_of(world), what="the command's process")
    os.kill(victim, signal.SIGKILL)
    process.communicate(timeout=lxe.DEADLINE)
    assert process.returncode in (125, 137)
    world.assert_clean(timeout=2.0)


def command_of(world):
    """The parked command: a process of the group x0, where there is one, that is not the starter."""
    if not world.has_cgroup:
        return next((pid for pid in world.our_processes() if in_pid_namespace(pid, first=False)), None)
    for sandbox in world.current_ids():
        for top, _, files in os.walk("/sys/fs/cgroup"):
            if not top.endswith(f"lxe-{sandbox}/x0"):
                continue
            with open(f"{top}/cgroup.procs", encoding="ascii") as stream:
                pids = [int(line) for line in stream]
            for pid in pids:
                if in_pid_namespace(pid):
                    return pid
    return None


def in_pid_namespace(pid, first=True):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as stream:
            lines = [line for line in stream if line.startswith("NSpid:")]
        numbers = lines[0].split()[1:]
        return len(numbers) > 1 and (first or numbers[-1] != "1")
    except (OSError, IndexError):
        return False


def test_looking_at_a_sandbox_in_the_making_leaves_nothing(world):
    process = strace(world, "inject=mkdirat:delay_exit=300000", "run", "--", "true")
    while process.poll() is None:
        ok(world.run("gc", "--dry-run"))
    assert process.returncode == 0
    world.assert_clean()


def test_a_directory_of_the_host_is_not_handed_in(world):
    root = os.open("/", os.O_RDONLY)
    try:
        for stream in ("stdin", "stderr"):
            result = world.run("run", "--", "cat", "/proc/self/fd/2/etc/passwd", **{stream: root})
            assert result.returncode == 125 and not result.stdout, stream
    finally:
        os.close(root)


def test_a_record_is_written_of_a_mistake_before_it(world, tmp_path):
    path = tmp_path / "result"
    refusal(world.run("run", "--bogus", "--result", str(path), "--", "true"))
    assert json.loads(path.read_text())["exit_code"] == 125


def test_a_record_that_cannot_be_written_is_a_failure(world):
    refusal(world.run("run", "--result", "/dev/full", "--", "true"), says="no space left")


def test_a_terminal_that_is_not_ours_to_control_hangs_up(world):
    """An agent that opened a pty for us, without a session around it, and died."""
    master, slave = pty.openpty()
    world.give(slave)
    streams = {"stdin": slave, "stdout": slave, "stderr": subprocess.DEVNULL}
    process = world.popen("run", "--", "sleep", "100", start_new_session=True, **streams)
    os.close(slave)
    lxe.poll_until(lambda: any(command_of(world) for _ in [0]), what="the command")
    begin = time.monotonic()
    os.close(master)
    assert process.wait(lxe.DEADLINE) == 128 + signal.SIGHUP
    assert time.monotonic() - begin < 2.0 * lxe.SLACK
    world.assert_clean()


def test_the_umask_inside_is_not_the_callers(world):
    for mask in (0, 0o77):
        result = world.popen("run", "--", "sh", "-c", "umask", preexec_fn=lambda m=mask: os.umask(m))
        assert result.communicate(timeout=lxe.DEADLINE)[0] == b"0022\n"


def test_names_do_not_turn_text_around(world):
    for name in ("a\u2066b", "a\u202eb", "a\u061cb"):
        refusal(world.run("run", "--name", name, "--", "true"), says="control")


def test_what_cannot_be_removed_does_not_hold_up_later_runs(world):
    """A record whose group is of no hierarchy here: gc says so, a run does not wait for it."""
    record = world.run_dir / "sandboxes" / "0123456789ab"
    ok(world.run("run", "--", "true"))
    record.mkdir(mode=0o711)
    (record / "journal").write_text("cgroup /nonexistent/lxe-0123456789ab\n")
    world.give(record)
    world.give(record / "journal")
    begin = time.monotonic()
    assert stdout_of(world.run("run", "--", "echo", "fast")) == "fast\n"
    assert time.monotonic() - begin < 2.0 * lxe.SLACK
    assert world.run("gc").returncode == 125
    for name in ("journal", "deferred"):
        (record / name).unlink()
    record.rmdir()


def test_ctrl_c_ends_a_silent_program(world):
    """It never prints and never reads: the gate would hold everything back for its five seconds."""
    with world.pty("run", "--", "sleep", "100") as terminal:
        lxe.poll_until(lambda: command_of(world), what="the command")
        begin = time.monotonic()
        terminal.write(b"\x03")
        assert terminal.wait() == 128 + signal.SIGINT
        assert time.monotonic() - begin < 1.5 * lxe.SLACK


def test_a_timeout_does_not_wait_for_a_reader(world):
    reading, writing = os.pipe()
    words = ("run", "-t", "--timeout", "500ms", "--", "yes")
    process = world.popen(*words, stdout=writing)
    os.close(writing)
    assert process.wait(5.0 * lxe.SLACK) == 124
    os.close(reading)


def test_a_record_is_added_to_what_the_descriptor_has(world, tmp_path):
    path = tmp_path / "log"
    path.write_text("old\n")
    with open(path, "ab") as stream:
        world.popen("run", "--result", "fd:1", "--", "echo", "hello", stdout=stream).wait(lxe.DEADLINE)
    lines = path.read_text().splitlines()
    assert lines[:2] == ["old", "hello"] and json.loads(lines[2])["exit_code"] == 0


def from_bash(world, script):
    """A caller's shell; "$0" is the program."""
    return subprocess.run(
        ["bash", "-c", script, str(world.binary)],
        env=world.env(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=lxe.DEADLINE,
        **world.as_whom({}),
    )


def test_a_record_goes_into_a_pipe_by_path(world):
    script = '"$0" run --result /dev/fd/3 -- true 3>&1 >/dev/null | cat'
    result = from_bash(world, script)
    assert json.loads(result.stdout)["exit_code"] == 0, result


def test_the_hosts_vsock_is_out_of_reach(world):
    program = "import socket; socket.socket(40, socket.SOCK_STREAM)"
    result = world.run("run", "--", "python3", "-c", program)
    assert result.returncode == 1 and b"Operation not permitted" in result.stderr


def test_memory_that_ran_out_in_a_child_is_told(world, tmp_path):
    path = tmp_path / "result"
    script = 'python3 -c "x = bytearray(10**9)"; exit $?'
    options = ("--memory", "64M", "--result", str(path))
    result = world.run("run", *options, "--", "sh", "-c", script)
    if world.refuses_limits(result):
        return
    assert result.returncode == 137
    assert json.loads(path.read_text())["cause"] == "oom"


def test_a_low_limit_of_open_files_is_the_commands_alone(world):
    script = 'ulimit -Sn 30; exec "$0" run -- sh -c "ulimit -Sn"'
    result = from_bash(world, script)
    assert result.stdout == b"30\n", result


def test_the_client_is_killed_when_its_directory_is_just_made(world):
    """Its keeper is being loaded and knows of no directory yet."""
    command = world.strace("-e", "inject=fchmod:signal=KILL:when=1")
    process = subprocess.Popen(
        [*command, str(world.binary), "run", "--", "true"], env=world.env_without_leak_check(), stdin=subprocess.DEVNULL
    )
    assert process.wait(lxe.DEADLINE) in (-signal.SIGKILL, 128 + signal.SIGKILL)
    world.assert_clean(timeout=2.0 * lxe.SLACK)


def test_a_message_to_a_terminal_that_nobody_reads(world):
    """There is room for a part of it."""
    master, slave = lxe.full_terminal(60)
    try:
        result = world.run("run", "--no-such-option", stderr=slave)
        assert result.returncode == 125
    finally:
        os.close(master)
        os.close(slave)
