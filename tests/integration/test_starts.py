"""A command on its way into a sandbox, where one of those who put it in is much slower than the others."""

import contextlib
import json
import os
import re
import signal

import pytest

import held
import lxe
from lxe import ok
from peer import Box


@contextlib.contextmanager
def made(world):
    name = f"lxe-starts-{os.urandom(4).hex()}"
    ok(world.run("create", name, "--", "sleep", "1000"))
    ok(world.run("start", name))
    seen = json.loads(ok(world.run("inspect", name)).stdout)
    yield Box(world, seen["keeper"], world.kept / seen["id"]), name
    ok(world.run("destroy", "--force", name))


@pytest.fixture
def box(world):
    with made(world) as found:
        yield found


@pytest.fixture
def users(world):
    """A sandbox of an ordinary user's, who may have no cgroup."""
    if world.user:
        with made(world) as found:
            yield world, *found
        return
    with contextlib.ExitStack() as undone:
        user = lxe.User()
        undone.callback(user.remove)
        own = lxe.World(user=user)
        undone.callback(own.close)
        undone.callback(own.purge)
        with made(own) as found:
            yield own, *found
        own.assert_clean(timeout=5.0 * lxe.SLACK)


def answers(box):
    with box.peer() as peer:
        peer.say("SIGNAL", SIGNAL=0)
        peer.expect("OK", timeout=5.0 * lxe.SLACK)


def has_acted_on(pid, signal):
    """One that takes its signals when it has come back from poll(2), and waits there again."""
    pending = re.search(r"^ShdPnd:\t(\w+)$", lxe.read_proc(pid, "status").decode(), re.M)[1]
    return not int(pending, 16) & 1 << signal - 1 and lxe.process_state(pid) == "S"


def test_a_command_that_is_quicker_than_its_starter_holds_nobody_up(world, box):
    box, name = box
    words = "exec", "--cwd", "/nowhere", name, "--", "true"
    with held.starter(box.keeper, lambda: world.popen(*words)) as (client, _, command):
        lxe.poll_until(lambda: not lxe.is_alive(command), what="the command's report and end")
        answers(box)
    _, said = client.communicate(timeout=lxe.DEADLINE)
    assert client.returncode == 125 and b"'/nowhere'" in said, (client.returncode, said)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "asked"])
def test_a_command_whose_end_was_asked_for_before_it_was_there_is_not_started(users, end):
    """Where there is no cgroup, nothing finds it before its starter has told its pid."""
    world, box, name = users
    words = "exec", name, "--", "sh", "-c", "echo started; sleep 1000"
    with held.starter(box.keeper, lambda: world.popen(*words)) as (client, _, command):
        client.send_signal(end)
        if end == signal.SIGKILL:
            client.wait(timeout=lxe.DEADLINE)
        else:
            lxe.poll_until(lambda: has_acted_on(client.pid, end), what="the client's word")
        answers(box)
    lxe.poll_until(lambda: not lxe.is_alive(command), what="the end of the command")
    said, _ = client.communicate(timeout=lxe.DEADLINE)
    assert client.returncode == (-9 if end == signal.SIGKILL else 143) and not said
