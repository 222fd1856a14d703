"""stats, on slots that this file fills as a keeper would: the layout is that of store/slots_layout.h."""

import contextlib
import fcntl
import json
import mmap
import os
import resource
import signal
import struct
import termios
import time

import pytest

import lxe
from lxe import refusal, stdout_of

HEADER, SLOT, COUNT, DATA = 4096, 256, 4096, 104
RESERVED, ACTIVE = 1, 2
RUNNING = 2
F_OFD_SETLK = 37
UNKNOWN = 2**64 - 1


def now_us():
    return time.monotonic_ns() // 1000


@pytest.fixture
def slots(world):
    """Makes the slots file with its first slots; what a test gets locks them by files of its own."""
    path = world.run_dir / "slots"
    owners = contextlib.ExitStack()

    def make(*ids, **figures):
        with open(path, "wb") as out:
            os.fchmod(out.fileno(), 0o600)
            world.give(out.fileno())
            out.write(struct.pack("=8sIIIII", b"LXESLOTS", 1, HEADER, SLOT, COUNT, len(ids)))
            out.truncate(HEADER + SLOT * COUNT)
        for index, sandbox in enumerate(ids):
            file = owners.enter_context(open(path, "r+b"))
            lock = struct.pack("=hh4xqqi4x", fcntl.F_WRLCK, 0, HEADER + index * SLOT, SLOT, 0)
            fcntl.fcntl(file, F_OFD_SETLK, lock)
            write(index, sandbox, **figures)
        return path

    def write(index, sandbox, phase=ACTIVE, cpu=1_500_000, state=RUNNING, late=0):
        now = now_us() + late
        data = sandbox.encode() + struct.pack("=I", 1)
        data += struct.pack("=9Q", cpu, 4096, 8192, 10, UNKNOWN, now - 9_000_000, now - 3_000_000, 0, now)
        data += struct.pack("=IIiI", state, 3, os.getpid(), 0)
        assert len(data) == DATA
        with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
            at = HEADER + index * SLOT
            memory[at + 16 : at + 16 + DATA] = data
            memory[at : at + 8] = struct.pack("=Q", 1 << 32 | phase)

    make.write, make.close = write, owners.close
    yield make
    owners.close()
    path.unlink(missing_ok=True)


def rows_of(world):
    return json.loads(stdout_of(world.run("stats", "--format", "json")))


def test_without_slots_the_table_is_empty(world):
    (world.run_dir / "slots").unlink(missing_ok=True)
    text = stdout_of(world.run("stats"))
    assert text.splitlines()[0].split() == "ID NAME STATE CPU% MEMORY PEAK PIDS IN OUT UPTIME".split()
    assert len(text.splitlines()) == 1
    assert rows_of(world) == []
    assert not (world.run_dir / "slots").exists()


def test_figures_in_three_forms(world, slots):
    slots("0123456789ab", "ffffffffffff", late=3_600_000_000)
    rows = rows_of(world)
    assert [row["id"] for row in rows] == ["0123456789ab", "ffffffffffff"]
    row = rows[0]
    assert row["state"] == "running" and row["name"] is None and row["pid"] == os.getpid()
    assert (row["cpu_us"], row["memory"], row["memory_peak"], row["pids"]) == (1_500_000, 4096, 8192, 3)
    assert row["bytes_in"] == 10 and row["bytes_out"] is None
    assert abs(row["cpu_percent"] - 50) < 1
    assert "0123456789ab  -                 running     50.0      4.0K" in stdout_of(world.run("stats"))
    text = stdout_of(world.run("stats", "--format", "prometheus"))
    assert 'lxc_exec_sandbox_cpu_seconds_total{id="0123456789ab",name=""} 1.500000\n' in text


def test_a_keeper_that_does_not_answer_is_waited_for_but_not_long(world, slots):
    slots("0123456789ab")
    start = time.monotonic()
    assert rows_of(world)[0]["state"] == "running"
    assert 0.2 <= time.monotonic() - start < 2 * lxe.SLACK


def test_a_dead_keeper_is_shown_as_crashed_and_not_waited_for(world, slots):
    slots("0123456789ab")
    slots.close()
    assert rows_of(world)[0]["state"] == "crashed"


def test_a_slots_file_that_is_none_is_refused_and_stays(world):
    path = world.run_dir / "slots"
    path.write_bytes(b"garbage")
    path.chmod(0o600)
    world.give(path)
    try:
        done = world.run("stats")
        assert "holds something else" in refusal(done)
        assert b"hint: end the sandboxes and remove" in done.stderr
        assert path.read_bytes() == b"garbage"
    finally:
        path.unlink()


def test_other_verbs_have_no_prometheus(world):
    done = world.run("doctor", "--format", "prometheus")
    assert "neither table nor json" in refusal(done)
    assert b"lxc-exec stats" in done.stderr


def test_watching_redraws_a_terminal_until_ctrl_c(world, slots):
    slots("0123456789ab", late=3_600_000_000)
    with world.pty("stats", "--watch") as terminal:
        terminal.expect(r"\x1b\[H\x1b\[J\x1b\[\?7lID .*50\.0.*\x1b\[\?7h")
        # Eight seconds of the processor in two and a bit: now it is the share between the samples.
        slots.write(0, "0123456789ab", cpu=9_500_000, late=3_602_000_000)
        terminal.expect(r"\x1b\[H\x1b\[J\x1b\[\?7lID .*running +[1-4]\d\d\.\d .*\x1b\[\?7h")
        os.kill(terminal.pid, signal.SIGINT)
        assert terminal.process.wait(lxe.DEADLINE) == 130


def test_watching_into_a_pipe_prints_block_after_block(world, slots):
    slots("0123456789ab", late=3_600_000_000)
    process = world.popen("stats", "--watch")
    try:
        text = b""
        while text.count(b"ID ") < 2:
            data = os.read(process.stdout.fileno(), 65536)
            assert data
            text += data
        assert b"\n\nID " in text and b"\x1b" not in text
        process.terminate()
        assert process.wait(lxe.DEADLINE) == 143
    finally:
        process.kill()
        process.communicate()


def test_a_terminal_that_nobody_reads_does_not_keep_it(world, slots):
    """It takes a byte, says poll(2), and keeps a write of more until its reader comes."""
    slots("0123456789ab", late=3_600_000_000)
    master, slave = lxe.full_terminal(60)
    process = world.popen("stats", "--watch", stdout=slave)
    try:
        lxe.pause(0.5)
        process.terminate()
        assert process.wait(lxe.DEADLINE) == 143
    finally:
        process.kill()
        os.close(master)
        os.close(slave)
        process.wait()


def test_a_reader_that_does_not_read_does_not_keep_it(world, slots):
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    slots(*[f"{n:012x}" for n in range(1500)], late=3_600_000_000)
    process = world.popen("stats", "--watch", "--format", "json")
    try:
        # Half a megabyte does not fit into the pipe.
        lxe.poll_until(lambda: waiting_bytes(process.stdout) > 32768, what="a full pipe")
        process.terminate()
        assert process.wait(lxe.DEADLINE) == 143
    finally:
        process.kill()
        process.communicate()


def waiting_bytes(pipe):
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0]
