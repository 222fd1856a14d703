"""A sandbox that has ended and is kept is started again: as it was created, with what it has written."""

import contextlib
import json
import signal
import subprocess
import threading

import pytest

import lxe

NAME = "box"
WORK = "for d in /srv /root /tmp; do echo $N >>$d/lives; done; cat /srv/lives /root/lives /tmp/lives; exec sleep 1000"


def inspect(world):
    return json.loads(lxe.ok(world.run("inspect", NAME)).stdout)


def lives(world):
    said = lxe.poll_until(lambda: world.run("exec", NAME, "--", "cat", "/tmp/lives").stdout)
    return said.decode().split()


def make(world, *options, command=("sh", "-c", WORK)):
    lxe.ok(world.run("create", *options, NAME, "--", *command))
    lxe.ok(world.run("start", NAME))


def test_what_was_written_is_there_again(world):
    make(world, "-e", "N=1")
    before = inspect(world)
    for n in range(1, 4):
        lxe.poll_until(lambda: len(lives(world)) == n)
        lxe.ok(world.run("kill", NAME))
        assert inspect(world)["state"] == "stopped"
        lxe.ok(world.run("start", NAME))
    seen = inspect(world)
    assert seen["state"] == "running" and seen["ended_at"] is None and seen["ending"] is None
    assert (seen["id"], seen["created_at"]) == (before["id"], before["created_at"])
    # Each life has its own lines in the journal, and none of those before.
    journal, = world.kept.glob("*/journal")
    assert len({*journal.read_text().splitlines()}) == len(journal.read_text().splitlines())
    for where in ("/srv/lives", "/root/lives"):
        assert lxe.ok(world.run("exec", NAME, "--", "cat", where)).stdout == b"1\n" * 4
    lxe.ok(world.run("destroy", "--force", NAME))
    world.assert_clean()


def test_modes_of_its_directories_stay(world):
    make(world, command=("sh", "-c", "chmod 700 / && chmod 711 /root && chmod 755 /tmp; stat -c %a / /root /tmp"))
    lxe.ok(world.run("wait", NAME))
    lxe.ok(world.run("start", NAME))
    lxe.ok(world.run("wait", NAME))
    assert lxe.ok(world.run("logs", NAME)).stdout.split() == [b"700", b"711", b"755"]
    lxe.ok(world.run("destroy", NAME))
    world.assert_clean()


def test_what_is_given_from_outside_is_given_again(world, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    world.give(source)
    (source / "file").write_text("one\n")
    lxe.reachable(source) or [p.chmod(p.stat().st_mode | 0o011) for p in (source, *source.parents[:3])]
    options = ("--bind", f"{source}:/mnt/it:ro", "--tmpfs", "/var/tmp", "--file", f"{source}/file:/etc/copied")
    make(world, *options, command=("sh", "-c", "cat /mnt/it/file /etc/copied; exec sleep 1000"))
    lxe.ok(world.run("kill", NAME))
    (source / "file").write_text("two\n")
    lxe.ok(world.run("start", NAME))
    cat = ("exec", NAME, "--", "cat", "/mnt/it/file", "/etc/copied")
    assert lxe.ok(world.run(*cat)).stdout == b"two\ntwo\n"
    lxe.ok(world.run("kill", NAME))
    # What cannot be had again is an error, and nothing of the sandbox is lost by it.
    source.rename(tmp_path / "elsewhere")
    lxe.refusal(world.run("start", NAME), says=str(source))
    assert inspect(world)["state"] == "failed"
    (tmp_path / "elsewhere").rename(source)
    lxe.ok(world.run("start", NAME))
    lxe.ok(world.run("destroy", "--force", NAME))
    world.assert_clean()


def test_secrets_are_asked_for_again(world):
    env = world.env(TOKEN="swordfish")
    lxe.ok(world.run("create", "--secret", "it=env:TOKEN", NAME, "--", "cat", "/run/secrets/it", env=env))
    lxe.ok(world.run("start", NAME))
    assert world.run("wait", NAME).returncode == 0
    lxe.ok(world.run("start", NAME))
    assert world.run("wait", NAME).returncode == 1
    lxe.ok(world.run("start", "--secret", "it=env:TOKEN", NAME, env=env))
    assert world.run("wait", NAME).returncode == 0
    assert lxe.ok(world.run("logs", NAME)).stdout.split() == [b"swordfish"]
    lxe.ok(world.run("destroy", NAME))
    world.assert_clean()


@pytest.mark.roots("a loop device")
def test_a_disk_of_limited_size_is_mounted_again(world):
    make(world, "--disk", "16M", "-e", "N=1")
    lxe.poll_until(lambda: lives(world) == ["1"])
    lxe.ok(world.run("kill", NAME))
    lxe.ok(world.run("start", NAME))
    lxe.poll_until(lambda: lives(world) == ["1", "1"])
    full = world.run("exec", NAME, "--", "dd", "if=/dev/zero", "of=/srv/full", "bs=1M", "count=32")
    assert b"No space left" in full.stderr
    lxe.ok(world.run("destroy", "--force", NAME))
    world.assert_clean()


def test_only_one_of_many_starts_it(world):
    make(world, command=("sleep", "1000"))
    lxe.ok(world.run("kill", NAME))
    clients = [world.popen("start", NAME) for _ in range(4)]
    ended = [(client.communicate(timeout=lxe.DEADLINE), client.returncode) for client in clients]
    assert [status for _, status in ended].count(0) == 1, ended
    assert all(status in (0, 125) for _, status in ended)
    assert inspect(world)["state"] == "running"
    lxe.ok(world.run("destroy", "--force", NAME))
    world.assert_clean()


@pytest.mark.parametrize("victim", ["client", "both"])
def test_whoever_is_killed_on_the_way_the_files_stay(world, victim):
    make(world, "-e", "N=1")
    lxe.poll_until(lambda: lives(world) == ["1"])
    lxe.ok(world.run("kill", NAME))
    for n in range(8):
        client = world.popen("start", NAME)
        lxe.pause(0.002 * n)
        client.send_signal(signal.SIGKILL)
        client.communicate(timeout=lxe.DEADLINE)
        for pid in world.keepers() if victim == "both" else []:
            # It may be ending by itself.
            with contextlib.suppress(ProcessLookupError):
                lxe.kill(pid)

        def settled():
            world.run("gc")
            if inspect(world)["state"] not in ("stopped", "failed"):
                world.run("kill", NAME)
            return inspect(world)["state"] in ("stopped", "failed")

        lxe.poll_until(settled)
        assert list(world.kept.glob("*/rw/u/srv/lives")), "its files are gone"
    lxe.ok(world.run("start", NAME))
    assert lives(world)[0] == "1"
    lxe.ok(world.run("destroy", "--force", NAME))
    world.assert_clean(timeout=5)
