"""A command on its way into a sandbox, where one of those who put it in is much slower than the others."""

import json
import os

import pytest

import held
import lxe
from lxe import ok
from peer import Box


@pytest.fixture
def box(world):
    name = f"lxe-starts-{os.urandom(4).hex()}"
    ok(world.run("create", name, "--", "sleep", "1000"))
    ok(world.run("start", name))
    seen = json.loads(ok(world.run("inspect", name)).stdout)
    yield Box(world, seen["keeper"], world.kept / seen["id"]), name
    ok(world.run("destroy", "--force", name))


def answers(box):
    with box.peer() as peer:
        peer.say("SIGNAL", SIGNAL=0)
        peer.expect("OK", timeout=5.0 * lxe.SLACK)


def test_a_command_that_is_quicker_than_its_starter_holds_nobody_up(world, box):
    box, name = box
    words = "exec", "--cwd", "/nowhere", name, "--", "true"
    with held.starter(box.keeper, lambda: world.popen(*words)) as (client, _, command):
        lxe.poll_until(lambda: not lxe.is_alive(command), what="the command's report and end")
        answers(box)
    _, said = client.communicate(timeout=lxe.DEADLINE)
    assert client.returncode == 125 and b"'/nowhere'" in said, (client.returncode, said)
