"""Without a terminal: the command has the caller's own descriptors, and its status is ours."""

import os
import random
import signal
import subprocess
import time

import pytest

import lxe
from lxe import ok, refusal, stdout_of

EVERY_BYTE = bytes(range(256))


def test_bytes_are_exact_both_ways(world):
    data = EVERY_BYTE * 1000 + random.Random(1).randbytes(100_000)
    result = ok(world.run("run", "--", "cat", input=data))
    assert result.stdout == data
    assert result.stderr == b""


def test_stderr_stays_apart(world):
    result = ok(world.run("run", "--", "sh", "-c", "echo out; echo err >&2; printf 'a\\r\\nb'"))
    assert result.stdout == b"out\na\r\nb"
    assert result.stderr == b"err\n"


def test_end_of_file_arrives(world):
    assert stdout_of(world.run("run", "--", "wc", "-c")).strip() == "0"
    assert stdout_of(world.run("run", "--", "wc", "-c", input=b"12345")).strip() == "5"


def test_an_open_pipe_does_not_hold_up_a_command_that_does_not_read(world):
    reading, writing = os.pipe()
    try:
        ok(world.run("run", "--", "true", stdin=reading, timeout=10))
    finally:
        os.close(reading)
        os.close(writing)


def test_a_reader_that_leaves_ends_the_run(world):
    script = '"$0" run -- yes | head -n 1; echo "${PIPESTATUS[0]}"'
    begin = time.monotonic()
    result = subprocess.run(
        ["bash", "-c", script, str(world.binary)],
        env=world.env(),
        timeout=20 * lxe.SLACK,
        **world.as_whom({"capture_output": True}),
    )
    assert result.stdout == b"y\n141\n", result
    assert time.monotonic() - begin < 2.0 * lxe.SLACK


def test_sixty_megabytes_through_stdin_and_back(world, tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_bytes(random.Random(2).randbytes(1_000_000) * 60)
    feed = subprocess.Popen(["cat", str(source)], stdout=subprocess.PIPE)
    with target.open("wb") as out:
        ok(world.run("run", "--", "cat", stdin=feed.stdout, stdout=out, timeout=60))
    feed.stdout.close()
    assert feed.wait() == 0
    assert target.stat().st_size == 60_000_000
    assert subprocess.run(["cmp", str(source), str(target)]).returncode == 0


def test_a_file_as_stdin_is_the_callers_own(world, tmp_path):
    path = tmp_path / "lines"
    path.write_text("first\nsecond\n")
    with path.open("rb", buffering=0) as stdin:
        result = world.run("run", "--", "sh", "-c", 'read -r line; echo "<$line>"', stdin=stdin)
        assert stdout_of(result) == "<first>\n"
        assert stdin.read() == b"second\n"


def test_a_file_as_stdout_is_appended_to(world, tmp_path):
    path = tmp_path / "log"
    path.write_text("before\n")
    with path.open("ab") as out:
        ok(world.run("run", "--", "echo", "after", stdout=out))
    assert path.read_text() == "before\nafter\n"


def test_no_descriptor_but_three_reaches_the_command(world, tmp_path):
    with (tmp_path / "secret").open("w") as extra:
        high = os.dup2(extra.fileno(), 200)
        try:
            result = world.run(
                "run", "--", "ls", "/proc/self/fd", pass_fds=(extra.fileno(), high)
            )
        finally:
            os.close(high)
    # The fourth is the directory that ls reads.
    assert stdout_of(result).split() == ["0", "1", "2", "3"]


def test_the_first_run_prints_nothing_of_its_own():
    fresh = lxe.World()
    try:
        for _ in range(2):
            assert ok(fresh.run("run", "--", "true")).stdout == b""
        fresh.assert_clean()
    finally:
        fresh.close()


@pytest.mark.parametrize("status", [0, 1, 2, 42, 100, 123, 124, 125, 126, 127, 128, 130, 143, 255])
def test_the_exit_status_is_the_commands(world, status):
    assert world.run("run", "--", "sh", "-c", f"exit {status}").returncode == status


@pytest.mark.parametrize("name", "HUP INT QUIT ABRT KILL USR1 SEGV PIPE ALRM TERM".split())
def test_death_by_signal_is_128_and_its_number(world, name):
    result = world.run("run", "--", "dash", "-c", f"kill -{name} $$")
    assert result.returncode == 128 + getattr(signal, f"SIG{name}")


def test_command_not_found_is_127(world):
    assert "no-such-command" in refusal(world.run("run", "--", "no-such-command"), 127)
    assert "/no/such/path" in refusal(world.run("run", "--", "/no/such/path"), 127)


@pytest.mark.parametrize("path", ["/etc/passwd", "/usr"])
def test_found_but_not_executable_is_126(world, path):
    assert path in refusal(world.run("run", "--", path), 126)


def test_a_timeout_is_124(world):
    begin = time.monotonic()
    result = world.run("run", "--timeout", "300ms", "--", "sleep", "1000")
    assert result.returncode == 124
    assert 0.3 <= time.monotonic() - begin < 1.5 * lxe.SLACK


def test_arguments_are_exact(world):
    words = [b"", b" ", b"two\nlines", b"\xff\xfe\x80", "ä".encode(), b"--", b"-x", b"$HOME", b"'\""]
    result = world.run("run", "--", "printf", "%s\\0", *words)
    assert ok(result).stdout == b"\0".join(words) + b"\0"


def test_large_arguments_arrive(world):
    words = ["x" * 100_000, *(f"word-{n}" for n in range(2000))]
    result = world.run("run", "--", "sh", "-c", 'echo $# ${#1}; shift 2000; echo "$1"', "sh", *words)
    assert stdout_of(result) == "2001 100000\nword-1999\n"


def test_the_environment_is_clean_but_for_what_is_asked(world):
    env = world.env(A_SECRET="leaked", EMPTY="")
    result = world.run("run", "-e", "A=1", "-e", "B=x=y z", "-e", "A=2", "--", "env", env=env)
    inside = dict(line.split("=", 1) for line in stdout_of(result).splitlines())
    assert inside["A"] == "2" and inside["B"] == "x=y z"
    assert "A_SECRET" not in inside and "LXC_EXEC_RUN_DIR" not in inside
    assert "/usr/bin" in inside["PATH"].split(":") and inside["HOME"] == "/root"


def test_the_working_directory(world):
    assert stdout_of(world.run("run", "-w", "/usr/share", "--", "pwd")) == "/usr/share\n"
    line = refusal(world.run("run", "-w", "/no/such/directory", "--", "pwd"))
    assert "/no/such/directory" in line


def test_no_terminal_means_no_terminal(world):
    result = world.run("run", "-T", "--", "sh", "-c", "tty; test -t 0 || echo none")
    assert ok(result).stdout == b"not a tty\nnone\n"


def test_default_signals_inside_whatever_the_caller_ignores_and_blocks(world):
    def callers():
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGTERM, signal.SIGALRM])

    result = world.run("run", "--", "cat", "/proc/self/status", preexec_fn=callers)
    fields = dict(line.split(":\t", 1) for line in stdout_of(result).splitlines())
    assert fields["SigBlk"] == fields["SigIgn"] == "0" * 16
    assert fields["SigCgt"] == "0" * 16


def test_a_script_on_stdin(world):
    result = world.run(input=b"echo one\nexit 3\n")
    assert result.stdout == b"one\n"
    assert result.returncode == 3


def test_background_processes_do_not_outlive_the_command(world):
    result = world.run("run", "--", "sh", "-c", "sleep 1000 & setsid sleep 1000 & echo done")
    assert stdout_of(result) == "done\n"
    world.assert_clean()


def test_many_at_once(world):
    runs = [world.popen("run", "--", "sh", "-c", f"echo {n}; exit {n}") for n in range(12)]
    for n, process in enumerate(runs):
        out, err = process.communicate(timeout=60)
        assert (out, process.returncode) == (f"{n}\n".encode(), n), err
    world.assert_clean()
