"""--output-limit: the head and the tail of what a command puts out, and --spill: all of it."""

import contextlib
import fcntl
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import threading

import pytest

import lxe
from lxe import ok, refusal

LINES = "seq 1 20000"
ALL = "".join(f"{i}\n" for i in range(1, 20001)).encode()


def limited(data, limit):
    """What the caller sees of ASCII data without control sequences."""
    if len(data) <= limit:
        return data
    head, tail = data[: limit - limit // 2], data[len(data) - limit // 2 :]
    gap = b"" if head.endswith(b"\n") else b"\n"
    dropped = len(data) - limit
    return head + gap + b"[lxc-exec: %d bytes dropped]\n" % dropped + tail


def record(path):
    return json.loads(path.read_text())


def counts(written, dropped=0):
    return {"written": written, "kept": written - dropped, "dropped": dropped}


@pytest.fixture
def result(tmp_path):
    return tmp_path / "result"


def test_the_head_and_the_tail_of_each_stream(world, result):
    script = f"{LINES}; seq 1 300 >&2"
    done = ok(
        world.run("run", "--output-limit", "1K", "--result", str(result), "--", "sh", "-c", script)
    )
    errors = "".join(f"{i}\n" for i in range(1, 301)).encode()
    assert done.stdout == limited(ALL, 1024) and done.stderr == limited(errors, 1024)
    output = record(result)["output"]
    assert output["limit"] == 1024 and output["spill"] is None
    assert output["stdout"] == counts(len(ALL), len(ALL) - 1024)
    assert output["stderr"] == counts(len(errors), len(errors) - 1024)
    assert record(result)["truncated"] and record(result)["bytes_out"] == len(ALL) + len(errors)


def test_up_to_the_limit_every_byte_passes(world, result):
    data = bytes(range(256)) * 2000
    options = ("--output-limit", str(len(data)), "--result", str(result))
    done = ok(world.run("run", *options, "--", "cat", input=data))
    assert done.stdout == data
    assert record(result)["output"]["stdout"] == counts(len(data))
    assert record(result)["truncated"] is False


def test_without_a_limit_the_command_has_the_callers_own_files(world, tmp_path, result):
    with open(tmp_path / "out", "wb") as out:
        ok(world.run("run", "--result", str(result), "--", "stat", "-Lc%i", "/dev/fd/1", stdout=out))
    assert int((tmp_path / "out").read_text()) == (tmp_path / "out").stat().st_ino
    assert record(result)["output"] is None


def test_the_command_may_open_its_output_again(world):
    script = "echo again >/dev/stdout; echo error >/dev/stderr"
    done = ok(world.run("run", "--output-limit", "1K", "-u", "1000", "--", "sh", "-c", script))
    assert (done.stdout, done.stderr) == (b"again\n", b"error\n")


@pytest.mark.parametrize("target", ["file", "null", "socket"])
def test_wherever_it_goes(world, tmp_path, target):
    wanted = limited(ALL, 100_000)
    words = ("run", "--output-limit", "100000", "--", "sh", "-c", LINES)
    if target == "file":
        with open(tmp_path / "out", "wb") as out:
            out.write(b"before\n")
            out.flush()
            ok(world.run(*words, stdout=out))
        assert (tmp_path / "out").read_bytes() == b"before\n" + wanted
    elif target == "null":
        ok(world.run(*words, stdout=subprocess.DEVNULL))
    else:
        ours, theirs = socket.socketpair()
        process = world.popen(*words, stdout=theirs)
        theirs.close()
        got = b"".join(iter(lambda: ours.recv(65536), b""))
        assert process.wait(lxe.DEADLINE) == 0 and got == wanted
        ours.close()
        process.stderr.close()


def test_a_slow_reader_gets_everything(world):
    """The command has ended long before anybody reads: nothing of head or tail is lost."""
    for limit in (1_000_000, 3000):
        process = world.popen("run", "--output-limit", str(limit), "--", "sh", "-c", LINES)
        fd = process.stdout.fileno()
        lxe.poll_until(lambda: queued(fd) >= 1024)
        lxe.pause(0.1)
        got = process.stdout.read()
        assert process.wait(lxe.DEADLINE) == 0 and got == limited(ALL, limit)
        process.stdout.close()
        process.stderr.close()


def queued(fd):
    return struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0"))[0]


def test_a_reader_that_leaves_ends_the_command(world):
    for take in (1, 600):
        process = world.popen("run", "--output-limit", "1K", "--", "yes")
        os.read(process.stdout.fileno(), take)
        process.stdout.close()
        assert process.wait(lxe.DEADLINE) == 128 + signal.SIGPIPE
        process.stderr.close()
    world.assert_clean()


@pytest.mark.parametrize("command", ["echo hi", "yes"])
def test_output_that_finds_no_room_is_not_lost_in_silence(world, result, command):
    with open("/dev/full", "wb") as full:
        done = world.run("run", "--output-limit", "1K", "--result", result, "--", *command.split(), stdout=full)
    assert "pass on the command's output: no space left" in refusal(done).lower()
    assert record(result)["cause"] == "error"


def test_what_stays_in_the_background_does_not_hold_up_the_end(world):
    done = ok(world.run("run", "--output-limit", "100", "--", "sh", "-c", "yes & echo begun; exit 0"))
    assert done.stdout.endswith(b"y\n") or done.stdout == b"begun\n"
    world.assert_clean()


@pytest.mark.parametrize("how", ["timeout", "interrupt", "client", "keeper"])
def test_the_tail_is_shown_whatever_ends_it(world, result, how):
    wanted, words = limited(ALL, 2000), ["--output-limit", "2000", "--result", str(result)]
    if how == "timeout":
        words += ["--timeout", "500ms"]
    script = f"{LINES}; echo ready >&2; exec sleep 1000"
    process = world.popen("run", *words, "--", "sh", "-c", script)
    assert process.stderr.readline() == b"ready\n"
    # It is in the pipe, and what was written before is too: the keeper takes one after the other.
    lxe.poll_until(lambda: keeper_has_read(world), what="the keeper at rest")
    if how == "interrupt":
        process.send_signal(signal.SIGINT)
    elif how == "client":
        process.kill()
    elif how == "keeper":
        os.kill(world.keeper(), signal.SIGKILL)
    assert process.stdout.read() == wanted
    status = process.wait(lxe.DEADLINE)
    assert status == {"timeout": 124, "interrupt": 130, "client": -9, "keeper": 125}[how]
    lxe.poll_until(lambda: result.read_text(), what="the record")
    assert record(result)["output"]["stdout"] == counts(len(ALL), len(ALL) - 2000)
    process.stdout.close()
    process.stderr.close()
    world.assert_clean(10)


def keeper_has_read(world):
    keeper = world.keeper()
    return lxe.read_proc(keeper, "wchan").startswith((b"ep_poll", b"do_epoll", b"0"))


def test_a_reader_that_stands_still_does_not_hold_up_an_interrupt(world):
    process = world.popen("run", "--output-limit", "1M", "--", "yes")
    lxe.poll_until(lambda: queued(process.stdout.fileno()) > 4096)
    process.send_signal(signal.SIGINT)
    assert process.wait(15 * lxe.SLACK) == 130
    process.stdout.close()
    process.stderr.close()
    world.assert_clean()


@pytest.mark.parametrize("mode", ["-T", "-t"])
def test_a_terminal_that_nobody_reads_does_not_hold_up_the_timeout(world, mode):
    """To an ordinary user it is somebody else's: there is no way to write to it but one that may wait."""
    master, slave = os.openpty()
    words = ("run", mode, "--output-limit", "1M", "--timeout", "1s", "--", "yes")
    process = world.popen(*words, stdin=slave, stdout=slave, stderr=slave)
    try:
        assert process.wait(15 * lxe.SLACK) == 124
    finally:
        os.close(master)
        os.close(slave)
    world.assert_clean(10)


def test_what_a_slow_terminal_gets_is_all_of_it(world):
    master, slave = os.openpty()
    process = world.popen("run", "-T", "--output-limit", "1M", "--", "sh", "-c", LINES, stdout=slave)
    os.close(slave)
    lxe.poll_until(lambda: select.select([master], [], [], 0)[0])
    lxe.pause(0.1)
    got = b""
    # EIO is the end of a terminal that nobody holds any more.
    with contextlib.suppress(OSError):
        while data := os.read(master, 65536):
            got += data
    assert process.wait(lxe.DEADLINE) == 0 and got == ALL.replace(b"\n", b"\r\n")
    os.close(master)
    process.stderr.close()


@pytest.mark.parametrize("mode", [("-T", "--output-limit", "1M"), ("-t", "--output-limit", "1M"), ("-t",)])
def test_a_reader_that_stands_still_after_the_end_has_until_the_timeout(world, result, mode):
    words = ("run", *mode, "--timeout", "2s", "--result", str(result))
    process = world.popen(*words, "--", "sh", "-c", LINES)
    assert process.wait(15 * lxe.SLACK) == 124
    assert b"output was not read" in process.stderr.read()
    # With a terminal the client delivers, when the record is complete: but for the figures of a limit.
    assert record(result)["cause"] == ("exit" if mode == ("-t",) else "timeout")
    process.stdout.close()
    process.stderr.close()
    world.assert_clean()


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_a_reader_that_pauses_loses_nothing_of_a_terminals_output(world, result, verb):
    """Below the limit nothing is dropped, whenever it is read; and the record says how much it was."""
    box = world.popen("run", "-T", "--name", "box", "--", "sh", "-c", "echo up; read x", stdin=subprocess.PIPE)
    assert box.stdout.readline() == b"up\n"
    options = ("-t", "--output-limit", "1M", "--result", str(result), *(["box"] if verb == "exec" else []))
    process = world.popen(verb, *options, "--", "sh", "-c", "stty -opost; exec head -c 750000 /dev/zero")
    lxe.poll_until(lambda: select.select([process.stdout], [], [], 0)[0])
    lxe.pause(1.0)
    got, _ = process.communicate(timeout=lxe.DEADLINE)
    assert process.returncode == 0 and len(got) == 750000
    assert not record(result)["truncated"]
    said = record(result)["output"]
    assert said["stdout"]["written"] == 750000 and said["stdout"]["dropped"] == 0
    box.communicate(b"\n", timeout=lxe.DEADLINE)
    world.assert_clean()


def test_an_output_bomb_is_bounded(world, result):
    words = ("--output-limit", "4M", "--timeout", "1s", "--result", str(result))
    process = world.popen("run", *words, "--", "sh", "-c", "yes & yes >&2 & yes", bufsize=0)
    head = os.read(process.stdout.fileno(), 100)
    keeper = world.keeper()
    peak = 0

    def sample():
        nonlocal peak
        status = lxe.read_proc(keeper, "status").decode()
        kib = sum(int(n) for n in re.findall(r"Rss(?:Anon|Shmem):\s+(\d+)", status))
        peak = max(peak, kib)
        return process.poll() is not None

    rest = []
    readers = [
        threading.Thread(target=lambda f=f: rest.append(f.read()))
        for f in (process.stdout, process.stderr)
    ]
    [reader.start() for reader in readers]
    lxe.poll_until(sample, interval=0.02)
    [reader.join() for reader in readers]
    output = record(result)
    assert process.returncode == 124 and output["cause"] == "timeout"
    assert output["output"]["stdout"]["written"] > 20e6 and head.startswith(b"y\n")
    assert all(len(got) <= (4 << 20) + 200 for got in rest)
    # Two tails of 2 MiB, what a keeper has anyway, and room.
    assert peak < 4096 + 8192 + (100_000 if lxe.IS_ASAN else 4096), f"{peak} KiB"
    process.stdout.close()
    process.stderr.close()
    world.assert_clean()


def test_an_idle_keeper_is_not_woken(world):
    script = f"{LINES}; {LINES} >&2; exec sleep 1000"
    process = world.popen("run", "--output-limit", "1K", "--", "sh", "-c", script)
    keeper = world.keeper()

    def switches():
        return re.findall(rb"ctxt_switches:\s+(\d+)", lxe.read_proc(keeper, "status"))

    # Also one who reads neither: the head of 512 bytes is in the pipe.
    def at_rest():
        before = switches()
        lxe.pause(0.2)
        return before == switches()

    lxe.poll_until(at_rest, what="a keeper at rest")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=lxe.DEADLINE)
    world.assert_clean()


def test_a_spill_file_has_everything(world, tmp_path, result):
    spill = tmp_path / "all"
    words = ("--output-limit", "1K", "--spill", str(spill), "--result", str(result))
    done = ok(world.run("run", *words, "--", "sh", "-c", f"echo first >&2; {LINES}"))
    assert done.stdout == limited(ALL, 1024) and done.stderr == b"first\n"
    assert sorted(spill.read_bytes().splitlines()) == sorted(b"first\n".split() + ALL.split())
    assert spill.stat().st_mode & 0o7777 == 0o600
    assert record(result)["output"]["spill"] == {"written": len(ALL) + 6, "error": None}
    # The next run's replaces it.
    ok(world.run("run", *words, "--", "echo", "less"))
    assert spill.read_bytes() == b"less\n"


def test_a_descriptor_is_no_file_of_that_name(world, tmp_path):
    """What it has stays, and who does not read a pipe ends the copy, not the run."""
    words = ("run", "--output-limit", "1K")
    with open(tmp_path / "all", "wb") as out:
        out.write(b"before\n")
        out.flush()
        n = out.fileno()
        ok(world.run(*words, "--spill", f"fd:{n}", "--", "sh", "-c", LINES, pass_fds=(n,), cwd=tmp_path))
    assert (tmp_path / "all").read_bytes() == b"before\n" + ALL
    reading, writing = os.pipe()
    done = ok(world.run(*words, "--spill", f"fd:{writing}", "--", "sh", "-c", LINES, pass_fds=(writing,)))
    assert done.stdout == limited(ALL, 1024) and b"spill file" in done.stderr
    assert 0 < queued(reading) <= 65536
    for fd, option in ((reading, "--spill"), (77, "--spill"), (77, "--learn")):
        says = f"{option} 'fd:{fd}': this descriptor is not open for writing"
        refusal(world.run(*words, option, f"fd:{fd}", "--", "true", pass_fds=(reading,), cwd=tmp_path), says=says)
    refusal(world.run(*words, "--spill", "fd:x", "--", "true"), says="does not name a descriptor")
    os.close(reading)
    os.close(writing)
    assert [path.name for path in tmp_path.iterdir()] == ["all"]


def test_a_spill_file_on_a_full_disk(world, tmp_path, result):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "lxe-test-fixture", str(disk)]
    subprocess.run(mount, check=True)
    try:
        words = ("--output-limit", "1K", "--spill", str(disk / "all"), "--result", str(result))
        done = world.run("run", *words, "--", "sh", "-c", LINES)
        assert done.returncode == 0 and done.stdout == limited(ALL, 1024)
        assert b"spill file" in done.stderr and b"no space left on device" in done.stderr
        assert (disk / "all").read_bytes() == ALL[:65536]
        spill = record(result)["output"]["spill"]
        assert spill == {"written": 65536, "error": "no space left on device"}
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_spill_file_that_cannot_be_is_an_error_before_anything_runs(world, tmp_path):
    link, fifo, other = tmp_path / "link", tmp_path / "fifo", tmp_path / "other"
    other.write_text("precious")
    link.symlink_to(other)
    os.mkfifo(fifo)
    for path in (link, fifo, tmp_path, tmp_path / "no" / "such", "/proc/self/comm/x"):
        words = ("--output-limit", "1K", "--spill", str(path))
        message = refusal(world.run("run", *words, "--", "touch", "/tmp/x"))
        assert str(path) in message, message
    assert other.read_text() == "precious"
    message = refusal(world.run("run", "--spill", str(tmp_path / "x"), "--", "true"))
    assert "--output-limit" in message and not (tmp_path / "x").exists()
    assert not world.current_ids()


@pytest.mark.parametrize("size", ["0", "63", "-1", "2G", "1T", "x", "1X", "1.5K", "", " 1K", "9" * 30])
def test_sizes_that_are_none(world, size):
    message = refusal(world.run("run", "--output-limit", size, "--", "true"))
    assert "--output-limit" in message


def test_with_a_terminal(world, result):
    words = ("--output-limit", "1K", "--result", str(result))
    with world.pty("run", *words, "--", "sh", "-c", LINES) as pty:
        pty.expect(r"\[lxc-exec: \d+ bytes dropped\]\r\n")
        pty.expect("\r\n20000\r\n")
        assert pty.wait() == 0
    shown = ALL.replace(b"\n", b"\r\n")
    output = record(result)["output"]
    assert output["stdout"]["written"] == len(shown) and output["stderr"] == counts(0)
    assert pty.seen.startswith(shown[:500]) and len(pty.seen) < 1100
    world.assert_clean()


def test_with_a_terminal_that_is_piped(world, tmp_path, result):
    """As an agent has it that asks for a terminal and reads a pipe."""
    spill = tmp_path / "all"
    words = ("-t", "--output-limit", "2K", "--spill", str(spill), "--result", str(result))
    done = ok(world.run("run", *words, "--", "sh", "-c", LINES))
    shown = ALL.replace(b"\n", b"\r\n")
    dropped = record(result)["output"]["stdout"]["dropped"]
    assert b"\r\n[lxc-exec: %d bytes dropped]\r\n" % dropped in done.stdout
    assert done.stdout.startswith(shown[:1000]) and done.stdout.endswith(shown[-1000:])
    assert spill.read_bytes() == shown
    assert record(result)["output"]["spill"] == {"written": len(shown), "error": None}


def test_a_prompt_comes_at_once_and_an_interrupt_shows_the_tail(world, tmp_path):
    spill = tmp_path / "all"
    words = ("--output-limit", "4K", "--spill", str(spill), "--", "sh", "-c", f"{LINES}; sleep 1000")
    with world.pty("run", *words) as pty:
        pty.expect("\r\n300\r\n")
        lxe.poll_until(lambda: spill.read_bytes().endswith(b"\r\n20000\r\n"))
        pty.signal(signal.SIGINT)
        pty.expect(r"bytes dropped\]\r\n.*\r\n20000\r\n")
        assert pty.wait() == 130
    world.assert_clean()


def test_exec_and_create(world, tmp_path, result):
    words = ("-T", "--output-limit", "1K", "--result", str(result), "box", "--", "sh", "-c")
    out, go = tmp_path / "out", tmp_path / "go"
    os.mkfifo(go)
    with open(out, "wb") as file, open(go, "r+b", buffering=0) as gate:
        null = subprocess.DEVNULL
        ok(world.run("create", *words, f"read x; {LINES}", stdin=gate, stdout=file, stderr=null))
        ok(world.run("start", "box"))
        done = ok(world.run("exec", "--output-limit", "2K", "box", "--", "sh", "-c", LINES))
        assert done.stdout == limited(ALL, 2048)
        gate.write(b"go\n")
        ok(world.run("wait", "box"))
    # The first line is that of create: the command's pid.
    assert out.read_bytes().split(b"\n", 1)[1] == limited(ALL, 1024)
    assert record(result)["output"]["stdout"] == counts(len(ALL), len(ALL) - 1024)
    ok(world.run("destroy", "box"))
    message = refusal(world.run("create", "--output-limit", "1K", "box", "--", "true"))
    assert "passed the output" in message
    world.assert_clean()
