"""Teardowns that have to wait for somebody else, and what gc makes of them."""

import contextlib
import json
import os
import signal
import subprocess
import time

import pytest

import lxe
import tracer

NAME = "box"
TRACE_EXIT = 1 << 6  # PTRACE_O_TRACEEXIT


def inspect(world, name=NAME):
    return json.loads(lxe.ok(world.run("inspect", name)).stdout)


def ps(world):
    return json.loads(lxe.ok(world.run("ps", "--format", "json")).stdout)


def running(world, *command):
    lxe.ok(world.run("create", NAME, "--", *command))
    lxe.ok(world.run("start", NAME))


@contextlib.contextmanager
def mounted(path):
    """Somebody else's mount, on the host."""
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "lxe-test-fixture", str(path)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)
        path.rmdir()


@contextlib.contextmanager
def unkillable():
    """A process that SIGKILL does not end: it is stopped at the end of its life until its tracer lets go."""
    process = subprocess.Popen(["sleep", "1000"])
    tracer.ptrace(tracer.SEIZE, process.pid, 0, TRACE_EXIT)
    try:
        yield process
    finally:
        os.kill(process.pid, signal.SIGKILL)  # Popen's would take its stops for its end
        # It may have stopped for another signal before.
        while os.WIFSTOPPED(os.waitpid(process.pid, tracer.WALL)[1]):
            tracer.ptrace(tracer.CONT, process.pid)
        process.wait()


def group_of(sandbox):
    """The hierarchy in which its groups for commands are."""
    return next(path / "x0" for path in lxe.cgroup_dirs()
                if path.name == f"lxe-{sandbox}" and (path / "x0").is_dir())


def test_a_destroy_waits_for_a_mount_in_its_directory(world):
    running(world, "sleep", "1000")
    lxe.ok(world.run("stop", NAME))
    sandbox = inspect(world)["id"]
    with mounted(world.kept / sandbox / "mnt"):
        refused = world.run("destroy", NAME)
        assert refused.returncode == 125 and b"hint: lxc-exec gc tries again" in refused.stderr
        one, = ps(world)
        assert (one["id"], one["state"]) == (sandbox, "deferred")
        assert "remove the directory" in one["reason"]
        assert f"({one['reason']})" in world.run("ps").stdout.decode()
        # Whatever was asked for before is still what is wanted.
        again = world.run("gc")
        assert again.returncode == 125 and b"left behind: remove the directory" in again.stderr
        lxe.ok(world.run("run", "--", "true"))
        assert ps(world)[0]["state"] == "deferred"
    lxe.ok(world.run("gc"))
    assert ps(world) == []
    world.assert_clean()


@pytest.mark.roots("a keeper of his sees only mounts that were there before")
def test_a_run_says_in_its_result_that_its_teardown_waits(world, tmp_path):
    path = tmp_path / "result.json"
    client = world.popen("run", "--result", str(path), "--", "sh", "-c", "echo up; read x",
                         stdin=subprocess.PIPE)
    assert client.stdout.readline() == b"up\n"
    sandbox = world.sandbox_id()
    with mounted(world.sandboxes / sandbox / "mnt"):
        _, said = client.communicate(b"\n", timeout=lxe.DEADLINE)
        assert client.returncode == 125 and b"hint: lxc-exec gc" in said
        teardown = json.loads(path.read_text())["teardown"]
        assert (teardown["ok"], teardown["deferred"]) == (False, True)
        assert "remove the directory" in teardown["residue"][0]
        assert [one["state"] for one in ps(world)] == ["deferred"]
    lxe.ok(world.run("gc"))
    world.assert_clean()


def test_a_stop_waits_for_a_foreign_process_and_gc_completes_it(world):
    running(world, "sh", "-c", "echo kept >/srv/file; exec sleep 1000")
    sandbox = inspect(world)["id"]
    with unkillable() as foreign:
        (group_of(sandbox) / "cgroup.procs").write_text(str(foreign.pid))
        lxe.refusal(world.run("stop", "--stop-timeout", "100ms", NAME), says="gc tries again")
        seen = inspect(world)
        assert seen["state"] == "deferred" and f"lxe-{sandbox}" in seen["reason"]
        refused = world.run("exec", NAME, "--", "true")
        assert b"is deferred" in refused.stderr
        # Nobody who only passes by waits for it.
        begun = time.monotonic()
        lxe.ok(world.run("run", "--", "true"))
        assert time.monotonic() - begun < 1.5 * lxe.SLACK
    lxe.ok(world.run("gc"))
    seen = inspect(world)
    assert (seen["state"], seen["reason"]) == ("stopped", None)
    # Ended by the stop, as it was told then, not by gc.
    assert seen["ending"]["exit_code"] == 143
    assert list(world.kept.glob("*/rw/u/srv/file"))
    lxe.ok(world.run("destroy", NAME))
    world.assert_clean()
