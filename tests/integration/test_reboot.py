"""After the machine was restarted: records of another boot, as a power cut leaves them."""

import json
import os
import re
import signal
from pathlib import Path

import pytest

import lxe

NAME = "box"
EARLIER = b"00000000-1111-2222-3333-444444444444"


def inspect(world):
    return json.loads(lxe.ok(world.run("inspect", NAME)).stdout)


def cut_power(world):
    """The keeper is gone, as all processes are, and the record is of the boot before."""
    os.kill(inspect(world)["keeper"], signal.SIGKILL)
    lxe.poll_until(lambda: inspect(world)["state"] == "crashed")
    lxe.poll_until(lambda: not list(world.our_processes()))
    record, = world.kept.glob("*/record")
    boot = Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
    assert record.read_bytes().count(boot) == 1 and len(boot) == len(EARLIER)
    record.write_bytes(record.read_bytes().replace(boot, EARLIER))


@pytest.fixture(params=["created", "running"])
def restarted(world, request):
    lxe.ok(world.run("create", NAME, "--", "sh", "-c", "echo kept >/srv/file; exec sleep 1000"))
    if request.param == "running":
        lxe.ok(world.run("start", NAME))
        lxe.poll_until(lambda: list(world.kept.glob("*/rw/u/srv/file")))
    cut_power(world)
    return request.param


def test_it_is_stopped_and_gc_says_so_for_good(world, restarted):
    seen = inspect(world)
    assert (seen["state"], seen["ending"], seen["pid"]) == ("stopped", None, None)
    assert seen["reason"] == "the machine was restarted"
    assert re.search(r"stopped .*\(the machine was restarted\)", world.run("ps").stdout.decode())
    refused = world.run("wait", NAME)
    assert refused.returncode == 125 and b"is stopped: the machine was restarted" in refused.stderr
    lxe.ok(world.run("gc"))
    seen = inspect(world)
    assert (seen["state"], seen["reason"]) == ("stopped", None)
    assert seen["ending"]["message"] == "the machine was restarted"
    assert world.run("wait", NAME).returncode == 128 + signal.SIGKILL
    assert bool(list(world.kept.glob("*/rw/u/srv/file"))) == (restarted == "running")
    lxe.ok(world.run("destroy", NAME))
    world.assert_clean()


def test_it_can_be_destroyed_at_once(world, restarted):
    lxe.ok(world.run("destroy", NAME))
    world.assert_clean()
