"""Coming back to a terminal: attach, detach, watch, take over, logs."""

import contextlib
import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import termios
import time

import pytest

import lxe

NAME = "box"
DETACH = b"\x1d"
BASH = ["env", "PS1=ready> ", "bash", "--norc", "--noprofile", "-i"]


def running(world, *command, options=()):
    lxe.ok(world.run("create", *options, NAME, "--", *command))
    lxe.ok(world.run("start", NAME))


def state(world):
    return json.loads(lxe.ok(world.run("inspect", NAME)).stdout)["state"]


def keeper(world):
    return json.loads(lxe.ok(world.run("inspect", NAME)).stdout)["keeper"]


def destroy(world):
    lxe.ok(world.run("destroy", "--force", NAME))
    world.assert_clean()


def logs(world):
    return lxe.ok(world.run("logs", NAME)).stdout.decode()


def unread(terminal):
    return struct.unpack("i", fcntl.ioctl(terminal.slave, termios.FIONREAD, b"\0" * 4))[0]


def detach(terminal):
    terminal.write(DETACH)
    terminal.expect(rb"detached from 'box'")
    assert terminal.wait() == 0


def test_leave_and_come_back(world):
    running(world, *BASH)
    with world.pty("attach", NAME) as terminal:
        terminal.expect(rb"ready>")
        terminal.write(b"echo first $((6 * 7))\r")
        terminal.expect(rb"first 42\r\n")
        before = terminal.termios()
        detach(terminal)
        assert terminal.termios() != before  # cooked again
    assert state(world) == "running"
    with world.pty("attach", NAME) as terminal:
        terminal.expect(rb"first 42")  # redrawn
        terminal.write(b"echo second $((6 * 8))\r")
        terminal.expect(rb"second 48")
        terminal.write(b"exit 9\r")
        assert terminal.wait() == 9
    assert state(world) == "stopped"
    assert "second 48" in logs(world)
    destroy(world)


def test_what_is_printed_while_nobody_is_there(world):
    running(world, "sh", "-c", "for i in $(seq 3000); do echo line $i; done; echo end; sleep 1000")
    lxe.poll_until(lambda: "end\n" in logs(world))
    lines = logs(world).splitlines()
    assert [f"line {n}" for n in range(1, 3001)] == lines[:3000]
    with world.pty("attach", NAME) as terminal:
        terminal.expect(rb"line 3000")
        detach(terminal)
    destroy(world)


@pytest.mark.parametrize("keys,typed", [("ctrl-p,ctrl-q", [b"\x10", b"\x11"]), ("ctrl-a,d", [b"\x01d"])])
def test_other_keys_across_reads(world, keys, typed):
    running(world, *BASH)
    with world.pty("attach", "--detach-keys", keys, NAME) as terminal:
        terminal.expect(rb"ready>")
        for piece in typed:
            terminal.write(piece)
            lxe.pause(0.02)
        terminal.expect(rb"detached")
        assert terminal.wait() == 0
    assert state(world) == "running"
    destroy(world)


def test_no_key_at_all(world):
    running(world, "cat", "-v")
    with world.pty("attach", "--detach-keys", "none", NAME) as terminal:
        lxe.poll_until(terminal.is_raw)
        terminal.write(b"\x16" + DETACH + b"\r")
        terminal.expect(rb"\^\]")
        terminal.signal(signal.SIGTERM)
        assert terminal.wait() == 143
        assert not terminal.is_raw()
    assert state(world) == "running"
    lxe.refusal(world.run("attach", "--detach-keys", "bad", NAME), says="bad")
    destroy(world)


def test_a_killed_driver_has_only_left(world):
    running(world, "sh", "-c", "n=0; while :; do n=$((n + 1)); echo number $n; sleep 0.002; done")
    for _ in range(5):
        with world.pty("attach", NAME) as terminal:
            terminal.expect(rb"number \d+")
            terminal.signal(signal.SIGKILL)
            terminal.wait()
            lxe.poll_until(lambda: not terminal.is_raw(), timeout=2)
    assert state(world) == "running"
    seen = [int(n) for n in re.findall(r"^number (\d+)$", logs(world), re.M)]
    assert seen == list(range(seen[0], seen[0] + len(seen)))
    destroy(world)


def test_a_second_driver_is_refused_and_takes_over(world):
    running(world, *BASH)
    with world.pty("attach", NAME) as first:
        first.expect(rb"ready>")
        done = world.run("attach", NAME)
        lxe.refusal(done, says="driven already")
        assert b"--take-over" in done.stderr
        with world.pty("attach", "--take-over", NAME) as second:
            second.expect(rb"ready>")
            first.expect(rb"somebody else drives 'box' now")
            assert first.wait() == 0
            second.write(b"echo taken $((1 + 1))\r")
            second.expect(rb"taken 2")
            detach(second)
    destroy(world)


def test_taking_over_loses_no_byte(world):
    running(world, "sh", "-c", "n=0; while :; do n=$((n + 1)); echo number $n; done")
    with contextlib.ExitStack() as stack:
        last = stack.enter_context(world.pty("attach", NAME))
        last.expect(rb"number \d+")
        for _ in range(8):
            taker = stack.enter_context(world.pty("attach", "--take-over", NAME))
            taker.expect(rb"number \d+")
            last = taker
        lxe.ok(world.run("exec", NAME, "--", "true"))
        last.signal(signal.SIGTERM)
        last.wait()
    # It goes on writing, so the last line may be a part of one.
    seen = [int(n) for n in re.findall(r"^number (\d+)", logs(world), re.M)][:-1]
    assert len(seen) > 100
    assert seen == list(range(seen[0], seen[0] + len(seen)))
    destroy(world)


def test_input_that_was_not_sent_goes_to_the_next_driver(world):
    running(world, "sh", "-c", "stty raw -echo; echo up; sleep 2; head -c 60000 | wc -c; sleep 1000")
    lxe.poll_until(lambda: "up" in logs(world))
    with world.pty("attach", NAME) as first:
        lxe.poll_until(first.is_raw)
        first.write(b"x" * 60000)
        lxe.poll_until(lambda: not unread(first))  # what is still there is its own terminal's
        with world.pty("attach", "--take-over", NAME) as second:
            first.expect(rb"somebody else")
            second.expect(rb"60000", timeout=lxe.DEADLINE)
            second.signal(signal.SIGTERM)
            second.wait()
    destroy(world)


def test_a_stopped_driver_is_not_robbed(world):
    running(world, *BASH)
    with world.pty("attach", NAME) as first:
        first.expect(rb"ready>")
        os.kill(first.pid, signal.SIGSTOP)
        lxe.refusal(world.run("attach", "--take-over", NAME), says="does not answer")
        os.kill(first.pid, signal.SIGCONT)
        first.wait()  # it was asked to leave, and hears of it now
    assert state(world) == "running"
    destroy(world)


def test_watchers_see_and_cannot_write(world):
    running(world, *BASH)
    with contextlib.ExitStack() as stack:
        watchers = [stack.enter_context(world.pty("attach", "--read-only", NAME)) for _ in range(5)]
        for watcher in watchers:
            watcher.expect(rb"ready>")
        driver = stack.enter_context(world.pty("attach", NAME))
        driver.expect(rb"ready>")
        watchers[0].write(b"echo not-typed\r")
        driver.write(b"echo seen $((40 + 2))\r")
        for watcher in watchers:
            watcher.expect(rb"seen 42")
            links = os.listdir(f"/proc/{watcher.pid}/fd")
            targets = [lxe.link_target(f"/proc/{watcher.pid}/fd/{fd}") or "" for fd in links]
            assert not any("ptmx" in t or "lxe-ring" in t for t in targets), targets
        assert b"not-typed" not in driver.seen
        watchers[0].write(DETACH)
        assert watchers[0].wait() == 0
        watchers[1].write(b"\x03")
        assert watchers[1].wait() == 0
        driver.write(b"exit 3\r")
        assert watchers[2].wait() == 3
        assert driver.wait() == 3
    destroy(world)


def test_a_stalled_watcher_slows_nobody(world):
    running(world, "sh", "-c", "stty raw -echo; read x; head -c 30000000 /dev/zero | tr '\\0' x; echo; echo end; read x")
    read, write = os.pipe()
    watcher = world.popen("attach", "--read-only", NAME, stdout=write)
    lxe.poll_until(lambda: len(os.listdir(f"/proc/{keeper(world)}/fd")) > 0)
    try:
        with world.pty("attach", NAME) as driver:
            begun = time.monotonic()
            driver.write(b"\n\r")
            while b"end" not in driver.pending[-100:]:
                driver.pending = driver.seen = b""
                assert driver.pump(lxe.DEADLINE)
            assert time.monotonic() - begun < 10 * lxe.SLACK
            driver.signal(signal.SIGTERM)
            driver.wait()
    finally:
        watcher.kill()
        watcher.wait()
        os.close(read)
        os.close(write)
    destroy(world)


def test_the_size_follows_the_driver(world):
    running(world, *BASH)
    with world.pty("attach", NAME, rows=30, cols=90) as terminal:
        terminal.expect(rb"ready>")
        terminal.write(b"stty size\r")
        terminal.expect(rb"30 90")
        terminal.resize(41, 77)
        lxe.poll_until(lambda: terminal.write(b"stty size\r") or terminal.pump(0.05) or b"41 77" in terminal.seen)
        detach(terminal)
    with world.pty("attach", NAME, rows=20, cols=60) as terminal:
        lxe.poll_until(lambda: terminal.write(b"stty size\r") or terminal.pump(0.05) or b"20 60" in terminal.seen)
        detach(terminal)
    destroy(world)


def test_without_a_terminal(world):
    lxe.ok(world.run("create", "-T", NAME, "--", "sleep", "1000", stdout=subprocess.DEVNULL,
                     stderr=subprocess.DEVNULL))
    lxe.ok(world.run("start", NAME))
    lxe.refusal(world.run("attach", NAME), says="has no terminal")
    lxe.refusal(world.run("attach", "--read-only", NAME), says="has no terminal")
    lxe.refusal(world.run("logs", NAME), says="has no terminal")
    destroy(world)


def test_logs_follow_until_the_end(world):
    lxe.ok(world.run("create", NAME, "--", "sh", "-c",
                     "echo one; printf '\\033[31mred\\033[0m\\n'; read x; printf 'a\\rb\\n'; exit 0"))
    client = world.popen("logs", "--follow", NAME)
    lxe.ok(world.run("start", NAME))
    assert client.stdout.readline() == b"one\n"
    assert client.stdout.readline() == b"red\n"
    with world.pty("attach", NAME) as terminal:
        terminal.expect(rb"one")
        terminal.write(b"x\r")
        assert terminal.wait() == 0
    out, err = client.communicate(timeout=lxe.DEADLINE)
    assert b"b\n" in out and client.returncode == 0, (out, err)
    assert logs(world).splitlines()[:2] == ["one", "red"]
    destroy(world)


def test_who_follows_for_a_reader_that_is_gone_ends(world):
    """As `logs --follow | grep -m1` does: what is watched says nothing more."""
    lxe.ok(world.run("create", NAME, "--", "sh", "-c", "echo one; sleep 1000"))
    client = world.popen("logs", "--follow", NAME)
    lxe.ok(world.run("start", NAME))
    assert client.stdout.readline() == b"one\n"
    client.stdout.close()
    assert client.wait(lxe.DEADLINE) != 0
    client.stderr.close()
    destroy(world)


class Tmux:
    """A terminal emulator that can be asked what it shows."""

    def __init__(self, world, tmp_path, rows=24, cols=80):
        self.socket, self.env, self.whose = str(tmp_path / "tmux"), world.env(), world.as_whom({})
        self.run("-f", "/dev/null", "new-session", "-d", "-x", str(cols), "-y", str(rows),
                 "env", "PS1=$ ", "sh")

    def run(self, *args):
        return subprocess.run(["tmux", "-S", self.socket, *args], env=self.env, check=True,
                              stdout=subprocess.PIPE, **self.whose).stdout.decode()

    def type(self, *keys):
        self.run("send-keys", *keys)

    def screen(self):
        return self.run("capture-pane", "-p", "-e")

    def close(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], env=self.env, check=False,
                       **self.whose)


@pytest.fixture
def tmux(world, tmp_path):
    emulator = Tmux(world, tmp_path)
    yield emulator
    emulator.close()


def settled(tmux, *words):
    """What it shows once the words are there and nothing has changed for a while."""
    last = [""]

    def same():
        now = tmux.screen()
        steady = now == last[0] and all(word in now for word in words)
        last[0] = now
        return steady

    lxe.poll_until(same, interval=0.15)
    return last[0]


@pytest.mark.parametrize("program,word", [
    (["vim", "-u", "NONE", "+set number ruler laststatus=2", "/etc/passwd"], "root"),
    (["sh", "-c", "top -b -n 1 | head -20; read x"], "load average"),
    (["less", "/etc/passwd"], "root"),
    (["top", "-d", "1000"], "load average"),
])
def test_the_screen_is_what_it_was(world, tmux, program, word):
    running(world, *program)
    attach = f"{world.binary} attach {NAME}"
    tmux.type(attach, "Enter")
    before = settled(tmux, word)
    for _ in range(2):
        tmux.type("C-]")
        settled(tmux, "detached from")
        tmux.type("clear", "Enter")
        settled(tmux)
        tmux.type(attach, "Enter")
        again = settled(tmux, word)
        shown = [line.rstrip() for line in again.splitlines()]
        wanted = [line.rstrip() for line in before.splitlines()]
        if program[0] == "sh":  # on the main screen, below what was there
            shown, wanted = "\n".join(shown), [line for line in wanted if "load average" in line]
            assert all(line in shown for line in wanted)
        else:
            assert shown == wanted
    tmux.type("C-]")
    settled(tmux, "detached from")
    tmux.close()
    destroy(world)


def test_taking_over_from_who_made_it(world):
    """What he had typed and not sent goes on as well, and nobody is said to have misbehaved."""
    script = "stty raw -echo; echo up; sleep 2; head -c 60000 | wc -c; sleep 1000"
    with world.pty("run", "--keep", "--name", NAME, "--", "sh", "-c", script) as first:
        first.expect(rb"up")
        lxe.poll_until(first.is_raw)
        first.write(b"x" * 60000)
        lxe.poll_until(lambda: not unread(first))
        with world.pty("attach", "--take-over", NAME) as second:
            second.expect(rb"60000")
            second.signal(signal.SIGTERM)
            second.wait()
        first.wait()
    assert [path.read_text() for path in world.kept.glob("*/log")] == []
    destroy(world)


def test_a_watcher_that_is_ended_has_nothing_to_complain_of(world):
    running(world, "sh", "-c", "while :; do echo up; sleep 0.05; done")
    watcher = world.popen("attach", "--read-only", NAME)
    assert watcher.stdout.read(1)
    watcher.terminate()
    _, err = watcher.communicate(timeout=lxe.DEADLINE)
    assert (watcher.returncode, err) == (143, b"")
    destroy(world)
