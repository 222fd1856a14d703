"""What is done with a sandbox while a commit is at work, which lets nothing inside run: the monitor neither."""

import contextlib
import fcntl
import json
import os

import pytest

import lxe
import test_library
from lxe import ok
from peer import LAYER_FREEZE, Box

pytestmark = pytest.mark.roots("a user's sandbox may have no group that can be frozen")

STEP = 20.0  # what the keeper gives a command for each step of its start
PATIENCE = 30.0  # and its client the keeper


@pytest.fixture
def project(world, tmp_path):
    top = tmp_path / "project"
    top.mkdir()
    (top / "file").write_text("old\n")
    return top


@pytest.fixture
def name(world, project):
    name = f"lxe-frozen-{os.urandom(4).hex()}"
    ok(world.run("create", "--workdir", f"{project}:cow", name, "--", "sleep", "1000"))
    ok(world.run("start", name))
    yield name
    ok(world.run("destroy", "--force", name))


@pytest.fixture
def parked(world, project):
    name = f"lxe-frozen-{os.urandom(4).hex()}"
    ok(world.run("create", "--workdir", f"{project}:cow", name, "--", "sh", "-c", "exit 7"))
    yield name
    ok(world.run("destroy", "--force", name))


def box_of(world, name):
    seen = json.loads(ok(world.run("inspect", name)).stdout)
    return Box(world, seen["keeper"], world.kept / seen["id"])


def group_of(box):
    """The one that is frozen."""
    groups = [path for path in lxe.cgroup_dirs() if path.name == f"lxe-{box.path.name}"]
    return next(path for path in groups if (path / "cgroup.freeze").exists())


def is_frozen(box):
    return "frozen 1" in (group_of(box) / "cgroup.events").read_text()


def commits(peer):
    peer.say("LAYER", PROCESS=0, FLAGS=LAYER_FREEZE)
    peer.expect("LAYER")


@contextlib.contextmanager
def committing(box):
    """A commit that takes as long as this."""
    with box.peer() as peer:
        commits(peer)
        assert is_frozen(box)
        yield


def answers(box):
    with box.peer() as peer:
        peer.say("SIGNAL", SIGNAL=0)
        peer.expect("OK", timeout=5.0 * lxe.SLACK)


def await_starter(box, number):
    """The keeper has forked it, and it waits for the thaw."""
    procs = group_of(box) / f"x{number}" / "cgroup.procs"
    lxe.poll_until(lambda: procs.exists() and procs.read_text(), what=f"the starter of command {number}")


def test_a_command_with_a_terminal_goes_on_when_the_commit_has_ended(world, name):
    box = box_of(world, name)
    with committing(box):
        terminal = world.pty("exec", "-t", name, "--", "sh", "-c", "echo up; read x; echo $x")
        await_starter(box, 1)
        answers(box)
        assert is_frozen(box) and not terminal.pump(0.2)
    with terminal:
        terminal.expect("up")
        terminal.write("more\r")
        assert terminal.wait() == 0 and terminal.seen.endswith(b"more\r\n")
    # What was asked of the monitor before the first is as good for the second.
    with committing(box):
        shell = world.pty("shell", name)
        await_starter(box, 2)
        answers(box)
    with shell:
        shell.write("exit 3\r")
        assert shell.wait() == 3


def test_a_start_that_waits_for_a_commit_is_given_its_time_after_it(world, name):
    box = box_of(world, name)
    with committing(box):
        plain = world.popen("exec", name, "--", "echo", "up")
        terminal = world.pty("exec", "-t", name, "--", "echo", "up")
        await_starter(box, 2)
        lxe.pause(max(STEP, PATIENCE) + 1)
        assert plain.poll() is None and terminal.process.poll() is None
        answers(box)
    assert plain.communicate(timeout=lxe.DEADLINE) == (b"up\n", b"") and plain.returncode == 0
    with terminal:
        assert terminal.wait() == 0 and terminal.seen == b"up\r\n"


def test_the_start_of_a_parked_command_waits_for_a_commit(world, parked):
    box = box_of(world, parked)
    with committing(box):
        start = world.popen("start", parked)
        lxe.pause(max(STEP, PATIENCE) + 1)
        assert start.poll() is None
        answers(box)
    assert start.communicate(timeout=lxe.DEADLINE) == (b"", b"") and start.returncode == 0
    assert world.run("wait", parked).returncode == 7


def test_who_asks_for_a_start_alone_is_told_that_it_takes_longer(world, parked):
    box = box_of(world, parked)
    with box.peer() as peer, box.peer() as other:
        other.say("WAIT")
        with committing(box):
            peer.say("START")
            peer.expect("BUILDING")
            answers(box)
        peer.expect("OK")
        other.expect("DONE")


def test_the_library_does_not_take_that_for_the_answer(world, parked):
    with committing(box_of(world, parked)):
        assert test_library.python(world, f"""
with lxc_exec.attach("{parked}") as sandbox:
    try:
        sandbox.start(timeout=0.5)
    except TimeoutError:
        print("it waits")
""") == "it waits\n"
    assert world.run("wait", parked).returncode == 7


def test_one_that_is_frozen_can_be_ended(world, name):
    box = box_of(world, name)
    with committing(box):
        terminal = world.pty("exec", "-t", name, "--", "true")
        await_starter(box, 1)
        ok(world.run("kill", name))
        with terminal:
            assert terminal.wait() != 0


def test_the_end_of_a_run_does_not_wait_for_ever_for_a_commit(world, project):
    """Nor does it ask the monitor, which is frozen, who is pid 1."""
    run = world.popen("run", "--workdir", f"{project}:cow", "--on-success", "commit", "--timeout", "1s", "--",
                      "sh", "-c", "echo up; sleep 1000")
    assert run.stdout.readline() == b"up\n"
    (path,) = [top / entry for top in (world.sandboxes, world.kept) for entry in os.listdir(top)]
    with committing(Box(world, world.keeper(), path)):
        run.communicate(timeout=lxe.DEADLINE)
        assert run.returncode == 124


def test_nothing_is_frozen_while_it_is_made(world, name):
    """The keeper, and what it makes, wait for each other then."""
    ok(world.run("exec", name, "--", "sh", "-c", "echo new >file"))
    ok(world.run("kill", name))
    image = os.open(world.state / "images" / "host", os.O_RDONLY)
    fcntl.flock(image, fcntl.LOCK_EX)
    start = world.popen("start", name)
    (path,) = [world.kept / entry for entry in os.listdir(world.kept)]
    lxe.poll_until((path / "socket").exists, what="the keeper's socket")
    with Box(world, world.keeper(), path).peer() as peer:
        peer.say("LAYER", PROCESS=0, FLAGS=LAYER_FREEZE)
        os.close(image)
        peer.expect("LAYER")
        _, said = start.communicate(timeout=lxe.DEADLINE)
        assert start.returncode == 0, said
