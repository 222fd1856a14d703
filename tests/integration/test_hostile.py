"""Whoever talks to a keeper and does not mean well: closed at once, noted, and nothing else happens."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest

import lxe
from peer import CONTROL, DRIVE, TYPES, WATCH, Box, decode_fields, encode, encode_field

NAME = "box"

BASH = ["env", "PS1=ready> ", "bash", "--norc", "--noprofile", "-i"]


def make(world, *command, start=True):
    lxe.ok(world.run("create", NAME, "--", *(command or BASH)))
    if start:
        lxe.ok(world.run("start", NAME))
    seen = json.loads(lxe.ok(world.run("inspect", NAME)).stdout)
    return Box(world, seen["keeper"], next(world.kept.iterdir()))


def spec_of(world, *command):
    """What one of our own programs makes of a command line."""
    lxe.ok(world.run("create", "other", "--", *command))
    seen = json.loads(lxe.ok(world.run("inspect", "other")).stdout)
    spec = Box(world, 0, world.kept / seen["id"]).spec
    lxe.ok(world.run("destroy", "other"))
    return spec


@contextlib.contextmanager
def memory(data):
    fd = os.memfd_create("spec")
    os.write(fd, data)
    try:
        yield fd
    finally:
        os.close(fd)


def execute(peer, spec, **more):
    with memory(spec) as fd:
        peer.say("EXEC", fds={"SPEC": fd}, **more)


def rests(box):
    """The keeper sleeps: no two ticks in a fifth of a second."""
    before = box.ticks()
    lxe.pause(0.2)
    return box.ticks() - before <= 2


@pytest.fixture
def box(world):
    """A sandbox with a shell on its terminal, which everything afterwards must still serve."""
    box = make(world)
    before = box.fds()
    yield box
    lxe.poll_until(lambda: box.fds() <= before, timeout=3 * lxe.SLACK, what="descriptors given back")
    lxe.poll_until(lambda: rests(box), timeout=3 * lxe.SLACK, what="a keeper that sleeps")
    lxe.ok(world.run("exec", NAME, "--", "true"))
    with world.pty("attach", NAME) as terminal:
        terminal.expect(rb"ready>")
        terminal.write(b"echo works $((40 + 2))\r")
        terminal.expect(rb"works 42")
        terminal.write(b"\x1d")
        assert terminal.wait() == 0
    lxe.ok(world.run("destroy", "--force", NAME))
    world.assert_clean(timeout=2)


def noted(box, why):
    lxe.poll_until(lambda: re.search(why, box.log()), timeout=2, what=f"a note of {why!r}")


FIRST_WORDS = {
    "nonce": (encode("HELLO", NONCE=bytes(32)), "wrong nonce"),
    "short nonce": (encode("HELLO", NONCE=b"x"), "not a message"),
    "version 1": (encode("HELLO", version=1), "not a message"),
    "version 3": (encode("HELLO", version=3), "not a message"),
    "version -1": (encode("HELLO", version=-1), "not a message"),
    "role 0": (encode("HELLO", ROLE=0), "not a message"),
    "role 4": (encode("HELLO", ROLE=4), "not a message"),
    "role 2^32": (encode("HELLO", ROLE=2**32 + 1), "not a message"),
    "process -1": (encode("HELLO", PROCESS=-1), "not a message"),
    "no type": (encode_field("VERSION", 2), "not a message"),
    "type 0": (encode(0), "not a message"),
    "type 99": (encode(99), "not a message"),
    "cut short": (encode("HELLO")[:-1], "not a message"),
    "one byte": (b"\1", "not a message"),
    "garbage": (bytes(range(256)) * 16, "not a message"),
    "a length of 4 GiB": (b"\1\xff\xff\xff\xff" + bytes(8), "not a message"),
    "twice": (encode("HELLO") * 2, "not a message"),
    "a field too much": (encode("HELLO", FLAGS=0), "not a message"),
    "a field too few": (encode("HELLO", PROCESS=None), "not a message"),
    "oversized": (encode("HELLO") + bytes(9000), "not a message"),
    "huge": (bytes(100000), "not a message"),
    "claims a descriptor": (encode("HELLO", roles=["SPEC"]), "not a message"),
    **{kind: (encode(kind), "did not begin with HELLO|not a message")
       for kind in TYPES if kind not in ("HELLO", "DONE", "SETTLE", "SETTLED")},
}


@pytest.mark.parametrize("what", FIRST_WORDS)
def test_first_words(box, what):
    words, why = FIRST_WORDS[what]
    with box.stranger() as peer:
        peer.send(words)
        peer.closed()
    noted(box, why)


def test_right_nonce_wrong_process(box):
    with box.peer(process=77) as peer:
        peer.closed()
    noted(box, "no such process")


@pytest.mark.parametrize("count", [1, 8, 9, 100, 253])
def test_descriptors_that_nobody_asked_for(box, count):
    for words in (encode("HELLO"), b"x", encode("HELLO", roles=[0] * count),
                  encode("HELLO", roles=[n % 13 for n in range(count)])):
        with box.stranger() as peer:
            peer.send(words, [0] * count)
            peer.closed()


def test_a_descriptor_with_every_role_is_given_back(box):
    before = box.fds()
    with box.peer() as peer:
        for role in ("PARENT", "RING", "MASTER", "BELL", "INPUT"):
            peer.say("SIGNAL", fds={role: 0, "TTY": 1}, SIGNAL=0)
            peer.expect("OK")
        lxe.poll_until(lambda: box.fds() <= before + 1, what="descriptors given back")


def test_who_says_nothing_has_a_second(box):
    begun = time.monotonic()
    peers = [box.stranger() for _ in range(8)]
    for peer in peers:
        peer.closed(timeout=2 * lxe.SLACK)
        peer.close()
    assert 0.9 < time.monotonic() - begun < 1.5 * lxe.SLACK
    noted(box, "nothing for a second")


def test_five_hundred_at_once_keep_nobody_out(world, box):
    peers = [box.stranger() for _ in range(500)]
    for _ in range(10):
        lxe.ok(world.run("exec", NAME, "--", "true"))
    for peer in peers:
        peer.closed(timeout=2 * lxe.SLACK)
        peer.close()


def test_strangers_that_never_stop_coming_keep_nobody_out(world, box):
    peers, done = [], 0
    stop = time.monotonic() + 1.5
    client = world.popen("exec", NAME, "--", "true")
    while time.monotonic() < stop or not done:
        peers += [box.stranger() for _ in range(20)]
        for peer in peers[:-600]:
            peer.close()
        peers = peers[-600:]
        if client.poll() is not None:
            _, err = client.communicate()
            assert client.returncode == 0, err
            client, done = world.popen("exec", NAME, "--", "true"), done + 1
        lxe.pause(0.002)
    client.communicate()
    for peer in peers:
        peer.close()


def test_no_descriptor_left(world, box):
    """What fills the keeper's table: it does not spin, and it serves again afterwards."""
    # Of an ordinary user's only root of its user namespace may change it.
    inside = ["nsenter", "--user", f"--target={box.keeper}"] if world.user else []
    prlimit = [*inside, "prlimit", f"--pid={box.keeper}"]
    soft, _ = subprocess.run([*prlimit, "--noheadings", "--raw", "-o", "SOFT,HARD", "--nofile"], check=True,
                             stdout=subprocess.PIPE).stdout.split()
    limit = box.fds() + 3
    subprocess.run([*prlimit, f"--nofile={limit}:"], check=True)
    peers = [box.peer() for _ in range(40)]
    lxe.poll_until(lambda: box.fds() >= limit, what="a full table")
    assert rests(box)
    for peer in peers:
        peer.close()
    lxe.poll_until(lambda: box.fds() < limit, what="descriptors given back")
    subprocess.run([*prlimit, f"--nofile={int(soft)}:"], check=True)


FOR_CONTROL = {"START", "STOP", "SIGNAL", "WAIT", "DETACH", "EXEC", "BYE", "DRAINED", "LAYER"}
FOR_ROLE = {CONTROL: FOR_CONTROL, DRIVE: {"ATTACH", "BYE"}, WATCH: {"WATCH"}}


@pytest.mark.parametrize("role,kind", [(role, kind) for role, good in FOR_ROLE.items()
                                       for kind in TYPES if kind not in good])
def test_words_of_the_wrong_role(box, role, kind):
    with box.peer(role) as peer:
        peer.say(kind, **({"OUTCOME": b""} if kind in ("DONE", "SETTLE", "SETTLED") else {}))
        peer.closed()
    noted(box, "closed: ")


def test_the_end_is_not_said_before_it_is_there(box):
    """DRAINED of a command that goes on: it would cut its last output off."""
    with box.peer(DRIVE) as peer:
        peer.say("ATTACH")
        peer.expect("STARTED")
        peer.say("DRAINED")
        peer.closed()
    noted(box, "closed: ")


def test_who_does_not_drive_has_nothing_to_yield(box):
    with box.peer(DRIVE) as driver, box.peer(DRIVE) as other:
        driver.say("ATTACH")
        driver.expect("STARTED")
        other.say("YIELDED")
        other.closed()
    noted(box, "closed: ")


@pytest.mark.parametrize("number", [-1, 65, 2**31, 2**63, 2**64 - 1])
def test_numbers_out_of_range(box, number):
    for words in (encode("SIGNAL", SIGNAL=number), encode("STOP", SIGNAL=number),
                  encode("STOP", FLAGS=number), encode("SIGNAL", TYPE=number)):
        with box.peer() as peer:
            peer.send(words)
            peer.closed()
    noted(box, "not a message")


@pytest.mark.parametrize("grace", [2**63, 2**64 - 1, "wraps to 0"])
def test_a_grace_for_ever(world, box, grace):
    """Of a command of his own; the sandbox's must not notice."""
    spec = spec_of(world, "sh", "-c", "trap '' TERM HUP; echo up; while :; do sleep 0.1; done")
    with box.peer() as peer:
        execute(peer, spec)
        peer.expect("STARTED")
        lxe.pause(0.1)
        if grace == "wraps to 0":
            for back in range(40):
                now = int(time.clock_gettime(time.CLOCK_MONOTONIC) * 1000)
                peer.say("STOP", SIGNAL=15, GRACE=2**64 - now - back)
        else:
            peer.say("STOP", SIGNAL=15, GRACE=grace)
        with pytest.raises(AssertionError, match="says nothing"):
            peer.hear(timeout=0.3)


def test_a_spec_that_is_none(box):
    read, write = os.pipe()
    huge = os.memfd_create("huge")
    os.truncate(huge, 1 << 40)
    garbage = os.memfd_create("garbage")
    os.write(garbage, b"garbage" * 100)
    terminal, other = os.openpty()
    for fds in ({}, {"SPEC": read}, {"SPEC": write}, {"SPEC": huge}, {"SPEC": garbage},
                {"SPEC": terminal}, {"STDIN": read}, {"SPEC": os.open("/", os.O_RDONLY)}):
        with box.peer() as peer:
            peer.say("EXEC", fds=fds)
            peer.expect("DONE", timeout=5)
    for fd in (read, write, huge, garbage, terminal, other, fds["SPEC"]):
        os.close(fd)


def processes(box, text):
    return [pid for pid in lxe.all_pids() if text in lxe.read_proc(pid, "cmdline")]


def test_a_second_exec_does_not_lose_the_first(world, box):
    first, second = spec_of(world, "sleep", "7301"), spec_of(world, "sleep", "7302")
    with box.peer() as peer:
        execute(peer, first)
        peer.expect("STARTED")
        lxe.poll_until(lambda: processes(box, b"sleep\x007301"))
        execute(peer, second)
        peer.closed()
    noted(box, "second EXEC")
    lxe.poll_until(lambda: not processes(box, b"sleep\x00730"), timeout=3)


def test_words_after_the_end_of_an_exec_are_not_about_the_sandbox(world, box):
    spec = spec_of(world, "true")
    with box.peer() as peer:
        execute(peer, spec)
        while peer.hear()[0] != "DONE":
            pass
        peer.say("STOP", SIGNAL=15)
        peer.say("SIGNAL", SIGNAL=9)
        peer.say("BYE")
        lxe.pause(0.1)
    assert json.loads(lxe.ok(world.run("inspect", NAME)).stdout)["state"] == "running"


def test_stop_of_an_exec_that_was_refused_is_not_about_the_sandbox(world):
    box = make(world, start=False)
    with box.peer() as peer:
        execute(peer, box.spec)
        peer.expect("DONE")
        peer.say("STOP", SIGNAL=15)
        lxe.pause(0.1)
    assert json.loads(lxe.ok(world.run("inspect", NAME)).stdout)["state"] == "created"
    lxe.ok(world.run("destroy", NAME))
    world.assert_clean(timeout=2)


def test_all_the_roles_of_an_exec_that_ends(world, box):
    """Its driver, its watcher and who waits for it outlive it: they hear of it, and no more."""
    spec = spec_of(world, "sleep", "7303")
    with contextlib.ExitStack() as stack:
        owner = stack.enter_context(box.peer())
        execute(owner, spec)
        owner.expect("STARTED")
        owner.say("DETACH")
        waiter = stack.enter_context(box.peer(CONTROL, process=1))
        waiter.say("WAIT")
        watcher = stack.enter_context(box.peer(WATCH, process=1))
        watcher.say("WATCH")
        watcher.expect("SNAPSHOT")
        taker = stack.enter_context(box.peer(DRIVE, process=1))
        taker.say("ATTACH", FLAGS=1)
        killer = stack.enter_context(box.peer(CONTROL, process=1))
        lxe.poll_until(lambda: processes(box, b"sleep\x007303"))
        killer.say("SIGNAL", SIGNAL=9)
        killer.expect("OK")
        for peer in (waiter, watcher):
            peer.expect("DONE")
        # Late words must find nothing that has been given back.
        for peer, kind in ((waiter, "WAIT"), (killer, "SIGNAL"), (killer, "STOP"),
                           (owner, "YIELDED"), (taker, "YIELDED"), (watcher, "WATCH")):
            with contextlib.suppress(OSError):
                peer.say(kind)
        lxe.pause(0.1)
    assert json.loads(lxe.ok(world.run("inspect", NAME)).stdout)["state"] == "running"


def test_a_signal_right_after_started(world, box):
    """The execve may not have been heard of yet; that is no reason to refuse."""
    spec = spec_of(world, "sleep", "7304")
    for _ in range(20):
        with box.peer() as peer:
            execute(peer, spec)
            peer.expect("STARTED")
            peer.say("SIGNAL", SIGNAL=9)
            peer.expect("OK")
            peer.expect("EXITED")
            peer.say("DRAINED")
            peer.expect("DONE")


def test_a_peer_that_asks_and_never_reads(world, box):
    with box.peer() as peer:
        peer.socket.setblocking(False)
        with contextlib.suppress(OSError):
            for _ in range(20000):
                peer.say("SIGNAL", SIGNAL=0)
        lxe.ok(world.run("exec", NAME, "--", "true"))


def test_a_watcher_that_never_reads(world, box):
    with box.peer(WATCH) as peer, world.pty("attach", NAME) as terminal:
        peer.say("WATCH")
        terminal.expect(rb"ready>")
        terminal.write(b"seq 1 200000 | tail -c 1000000; echo end of it\r")
        terminal.expect(rb"\nend of it")
        assert rests(box)
        terminal.write(b"\x1d")
        terminal.wait()


def test_a_result_that_nobody_reads(world, box):
    """The record's pipe is full: the keeper has others to serve."""
    spec = spec_of(world, "true")
    read, write = os.pipe()
    os.set_blocking(write, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write, bytes(4096))
    os.set_blocking(write, True)
    with box.peer() as peer, memory(spec) as fd:
        peer.say("EXEC", fds={"SPEC": fd, "RESULT": write})
        lxe.ok(world.run("exec", NAME, "--", "true", timeout=10))
        while peer.hear(timeout=5)[0] != "DONE":
            pass
    os.close(read)
    os.close(write)


def test_another_user(world, box):
    """Whose kernel does not even let him in; and who is let in by mistake is told apart."""
    script = ("import socket,sys; s=socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
              "try: s.connect(sys.argv[1])\n"
              "except PermissionError: sys.exit(3)\n"
              "s.settimeout(2)\n"
              "try: sys.exit(4 if s.recv(9) == b'' else 5)\n"
              "except ConnectionResetError: sys.exit(4)")
    argv = ["/usr/bin/python3", "-c", script, "socket"]

    def connect():
        return subprocess.run(argv, cwd=box.path, check=False, user=54321, group=54321,
                              extra_groups=[]).returncode

    mode = box.path.stat().st_mode & 0o777
    assert (box.path / "socket").stat().st_mode & 0o777 == 0o600
    assert connect() == 3
    os.chmod(box.path, 0o711)
    os.chmod(box.path / "socket", 0o666)
    try:
        assert connect() == 4
    finally:
        os.chmod(box.path / "socket", 0o600)
        os.chmod(box.path, mode)
    # In an ordinary user's namespace all strangers look the same.
    noted(box, f"connection of user {65534 if world.user else 54321} closed: not the owner")


def test_the_log_is_bounded(box):
    for _ in range(1500):
        with box.stranger() as peer:
            with contextlib.suppress(OSError):
                peer.send(b"x")
    # The keeper may be behind with them.
    lxe.poll_until((box.path / "log").exists, what="the log")
    with box.peer() as peer:
        peer.say("SIGNAL", SIGNAL=0)
        peer.expect("OK")
    assert 0 < (box.path / "log").stat().st_size <= 70000


ORDERS = [["START"], ["DRAINED"], ["BYE"], ["DETACH"], ["WAIT", "WAIT"], ["BYE", "START"],
          ["DETACH", "DETACH", "SIGNAL"], ["SIGNAL", "START", "SIGNAL", "BYE"]]


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_odd_orders(box, order):
    with box.peer() as peer:
        for kind in order:
            with contextlib.suppress(BrokenPipeError):
                peer.say(kind)
        lxe.pause(0.05)


def test_who_asks_while_the_keeper_only_waits_for_a_terminal(world):
    """After the end the keeper of a stopped client's terminal stays; nobody is left waiting by it."""
    box = make(world)
    with box.peer() as early, world.pty("attach", NAME) as terminal:
        terminal.expect(rb"ready>")
        early.say("SIGNAL", SIGNAL=0)
        early.expect("OK")
        terminal.signal(signal.SIGSTOP)
        lxe.ok(world.run("kill", NAME))
        with contextlib.suppress(BrokenPipeError):
            early.say("WAIT")
        early.hear(timeout=3 * lxe.SLACK)
        assert world.run("wait", NAME, timeout=5).returncode == 137
        terminal.signal(signal.SIGCONT)
        assert terminal.wait() == 137
    lxe.ok(world.run("destroy", NAME))
    world.assert_clean(timeout=2)


def test_a_copy_of_the_terminal_does_not_keep_the_keeper_busy(world):
    """Who has driven holds the pty's master still, which has hung up, while his own terminal is waited for."""
    box = make(world)
    ours, tty = os.openpty()
    with box.peer(DRIVE) as peer:
        peer.say("ATTACH", fds={"TTY": tty})
        data, copies, _, _ = socket.recv_fds(peer.socket, 16384, 16)
        assert decode_fields(data)[2][0] == TYPES["STARTED"] and copies
        peer.say("YIELDED")
        lxe.ok(world.run("kill", NAME))
        while peer.hear()[0] != "DONE":
            pass
        assert rests(box)
        peer.say("BYE")
        peer.closed()
    for fd in (*copies, ours, tty):
        os.close(fd)
    lxe.ok(world.run("destroy", NAME))
    world.assert_clean(timeout=2)


def test_the_last_words_of_a_watcher_that_is_slow(world):
    """He hears everything up to the end, and how it ended, also when he is behind."""
    lxe.ok(world.run("create", NAME, "--", "sh", "-c", "read x; seq 1 100000; exit 7"))
    lxe.ok(world.run("start", NAME))
    box = Box(world, 0, next(world.kept.iterdir()))
    with box.peer(WATCH) as peer:
        peer.say("WATCH")
        peer.expect("SNAPSHOT")
        with world.pty("attach", NAME) as terminal:
            terminal.write(b"\r")
            terminal.expect(rb"100000")
            assert terminal.wait() == 7
        said = b""
        while (heard := peer.hear())[0] in ("DATA", "SNAPSHOT"):
            said += heard[1].get(24, b"")
        assert heard[0] == "DONE"
        assert said.endswith(b"100000\r\n")
    lxe.ok(world.run("destroy", NAME))
    world.assert_clean(timeout=3 * lxe.SLACK)


def test_an_exec_into_what_is_being_stopped_is_told_so(world):
    box = make(world, "sh", "-c", "trap '' TERM HUP; echo up; while :; do sleep 0.05; done")
    lxe.poll_until(lambda: world.run("logs", NAME).stdout)
    stopping = world.popen("stop", "--stop-timeout", "2s", NAME)
    lxe.poll_until(lambda: world.run("exec", NAME, "--", "true").returncode)
    lxe.refusal(world.run("exec", NAME, "--", "true"), says=f"sandbox '{NAME}' is being stopped")
    assert stopping.wait(lxe.DEADLINE) == 0
    assert "closed" not in box.log()
    lxe.ok(world.run("destroy", NAME))
    world.assert_clean(timeout=2)
