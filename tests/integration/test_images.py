"""Images: made from templates, listed, removed, and never used half-built."""

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

import pytest

import lxe
from lxe import ok, refusal, stdout_of


@pytest.fixture
def fresh():
    world = lxe.World()
    yield world
    world.assert_clean(timeout=2.0)
    world.close()


def names(world):
    return {image["name"] for image in json.loads(stdout_of(world.run("image", "ls", "--format", "json")))}


def test_busybox_from_build_to_removal(fresh):
    built = ok(fresh.run("image", "build", "busybox"))
    assert "busybox" in names(fresh)
    assert "busybox" in stdout_of(fresh.run("image", "ls"))
    script = "ls /bin/busybox && id -u && ls -d /usr/bin/python3 2>/dev/null; cat /etc/shadow 2>/dev/null; true"
    assert stdout_of(fresh.run("run", "--image", "busybox", "--", "sh", "-c", script)) == "/bin/busybox\n0\n"
    ok(fresh.run("image", "rm", "busybox"))
    assert "busybox" not in names(fresh)
    assert b"\x1b" not in built.stderr


def test_what_a_sandbox_writes_does_not_change_the_image(fresh):
    ok(fresh.run("image", "build", "busybox"))
    run = ("run", "--image", "busybox", "--", "sh", "-c")
    ok(fresh.run(*run, "rm -r /etc; echo changed > /bin/marker; : > /root/x"))
    assert stdout_of(fresh.run(*run, "ls /bin/marker /root/x 2>/dev/null; ls -d /etc")) == "/etc\n"


def test_a_directory_of_the_image_can_be_removed_and_made_again(fresh):
    ok(fresh.run("image", "build", "busybox"))
    script = "rm -r /etc && mkdir /etc && : > /etc/new && ls /etc && mv /root /root2 && ls -d /root2"
    result = fresh.run("run", "--image", "busybox", "--", "sh", "-c", script)
    assert stdout_of(result) == "new\n/root2\n"


def test_a_half_built_image_is_refused_with_the_remedy(fresh):
    (fresh.state / "images" / "half" / "rootfs").mkdir(parents=True)
    for path in (fresh.state / "images", fresh.state / "images" / "half"):
        path.chmod(0o711)
    result = fresh.run("run", "--image", "half", "--", "true")
    refusal(result, 125, "half")
    assert b"hint: " in result.stderr


def test_an_image_in_use_is_not_removed(fresh):
    ok(fresh.run("image", "build", "busybox"))
    script = "echo up; exec sleep 1000"
    process = fresh.popen("run", "--image", "busybox", "--", "sh", "-c", script)
    assert process.stdout.readline() == b"up\n"
    result = fresh.run("image", "rm", "busybox")
    assert result.returncode == 125 and b"busybox" in result.stderr
    process.terminate()
    process.communicate()
    ok(fresh.run("image", "rm", "busybox"))


@pytest.mark.parametrize("moment", [0.0, 0.02, 0.05])
def test_a_build_that_is_killed_can_be_repeated(fresh, moment):
    process = fresh.popen("image", "build", "busybox")
    lxe.pause(moment)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert names(fresh) <= {"busybox", "host"}
    result = lxe.poll_until(lambda: built(fresh), 10)
    assert result
    ok(fresh.run("run", "--image", "busybox", "--", "true"))


def built(world):
    return world.run("image", "build", "busybox").returncode == 0 or "busybox" in names(world)


def test_two_first_runs_at_once(fresh):
    runs = [fresh.popen("run", "--", "echo", "works") for _ in range(4)]
    for process in runs:
        out, err = process.communicate(timeout=lxe.DEADLINE)
        assert (process.returncode, out) == (0, b"works\n"), err


def test_unknown_images_and_templates(fresh):
    refusal(fresh.run("image", "build", "no-such"), 125, "no-such")
    refusal(fresh.run("image", "rm", "no-such"), 125, "no-such")
    refusal(fresh.run("image", "rm"), 125)
    refusal(fresh.run("image", "rm", "../../etc"), 125, "etc")


# Templates of the test's own: the program finds them beside itself.

SLOW = """
mkdir -p "$rootfs/tmp"
[ ! -e "$TOP/go" ] || exit 0
setsid sleep 1000 &
echo up >"$TOP/started"
read -r x <"$TOP/release" || :
"""


class Templates:
    """The program with a lxc-templates/ of its own, in the directory of a world."""

    def __init__(self, world):
        self.world, self.top = world, world.base
        for path in sorted(lxe.BIN.parent.glob("lxc-exec*")):
            shutil.copy2(path, self.top)
        (self.top / "lxc-templates").mkdir()
        for name in ("started", "release"):
            os.mkfifo(self.top / name)
        self.binary = self.top / "lxc-exec"
        self.images = world.state / "images"

    def add(self, name, body):
        path = self.top / "lxc-templates" / f"lxc-{name}"
        find = 'for a; do case $a in --rootfs=*) rootfs=${a#*=} ;; esac; done'
        path.write_text(f"#!/bin/sh\nset -eu\nTOP='{self.top}'\n{find}\n{body}\n")
        path.chmod(0o755)

    def popen(self, *args):
        return self.world.popen(*args, binary=self.binary)

    def run(self, *args, **options):
        return self.world.run(*args, binary=self.binary, **options)

    def started(self):
        with open(self.top / "started") as fifo:
            assert fifo.readline() == "up\n"

    def release(self):
        with open(self.top / "release", "w") as fifo:
            fifo.write("go\n")

    def leftovers(self):
        return [p.name for p in self.images.iterdir() if p.name.startswith(".")]


@pytest.fixture
def templates(fresh):
    made = Templates(fresh)
    made.add("slow", SLOW)
    return made


ENDED = 2.0 * lxe.SLACK
BUILDING = [("run", "--image", "slow", "--", "true"), ("image", "build", "slow")]


def is_free(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(fd)


def end(process, name):
    """Sends the signal: the status, and the seconds that the end took."""
    begin = time.monotonic()
    process.send_signal(getattr(signal, name))
    process.communicate(timeout=lxe.DEADLINE)
    return process.returncode, time.monotonic() - begin


@pytest.mark.parametrize("verb", BUILDING, ids=["run", "build"])
@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT", "SIGTERM", "SIGQUIT"])
def test_a_signal_ends_a_build(fresh, templates, verb, name):
    process = templates.popen(*verb)
    templates.started()
    status, seconds = end(process, name)
    assert status == 128 + getattr(signal, name)
    assert seconds < ENDED
    assert templates.leftovers() == [] and "slow" not in names(fresh)
    fresh.assert_clean()


def others_have_open(path):
    for pid in set(lxe.all_pids()) - {os.getpid()}:
        with contextlib.suppress(OSError):
            for name in os.listdir(f"/proc/{pid}/fd"):
                if os.readlink(f"/proc/{pid}/fd/{name}") == str(path):
                    return True
    return False


@pytest.mark.parametrize("verb", BUILDING, ids=["run", "build"])
def test_a_signal_ends_the_wait_for_another_build(templates, verb):
    templates.images.mkdir(mode=0o711)
    fd = os.open(templates.images, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    process = templates.popen(*verb)
    lxe.poll_until(lambda: others_have_open(templates.images), what="somebody who waits")
    status, seconds = end(process, "SIGTERM")
    os.close(fd)
    assert status == 143 and seconds < ENDED


def time_left(pid):
    """Seconds that the longest timer of a process still runs for (proc(5), fdinfo of a timerfd)."""
    left = [0.0]
    for info in Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(OSError):
            left += [float(seconds) for seconds in re.findall(r"it_value: \((\d+),", info.read_text())]
    return max(left)


def test_who_runs_has_the_patience_that_a_build_has(templates):
    """Somebody else's build may come first, and each has half an hour."""
    process = templates.popen(*BUILDING[0])
    templates.started()
    lxe.poll_until(lambda: time_left(process.pid) > 2 * 1800, what="a client with patience")
    end(process, "SIGTERM")


@pytest.mark.parametrize("verb", BUILDING, ids=["run", "build"])
def test_a_build_ends_with_its_client(fresh, templates, verb):
    process = templates.popen(*verb)
    templates.started()
    process.kill()
    process.communicate()
    lxe.poll_until(lambda: is_free(templates.images), ENDED, what="the end of the build")
    assert templates.leftovers() == []
    fresh.assert_clean(timeout=2.0)


@pytest.fixture
def killed(fresh, templates):
    """What is left when client and keeper are killed together: nothing but a directory."""
    process = templates.popen("image", "build", "slow")
    templates.started()
    process.send_signal(signal.SIGSTOP)
    for pid in lxe.all_pids():
        if lxe.parent_of(pid) == process.pid:
            os.kill(pid, signal.SIGKILL)
    process.kill()
    process.communicate()
    lxe.poll_until(lambda: is_free(templates.images), ENDED, what="the end of the template")
    assert templates.leftovers() == [".build-slow"]
    return templates


def test_gc_removes_what_a_killed_build_left(fresh, killed):
    assert stdout_of(fresh.run("gc", "--dry-run")) == "unfinished build of image slow would be removed\n"
    listed = json.loads(stdout_of(fresh.run("gc", "--dry-run", "--format", "json")))
    assert listed["builds"] == [{"name": "slow", "removed": False, "residue": None}]
    assert stdout_of(fresh.run("gc")) == "unfinished build of image slow removed\n"
    assert killed.leftovers() == []
    assert stdout_of(fresh.run("gc")) == "nothing is left behind\n"


def test_gc_leaves_a_build_alone_that_is_going_on(fresh, templates):
    process = templates.popen("image", "build", "slow")
    templates.started()
    assert stdout_of(fresh.run("gc")) == "nothing is left behind\n"
    templates.release()
    _, err = process.communicate(timeout=lxe.DEADLINE)
    assert process.returncode == 0, err
    assert "slow" in names(fresh)


def test_what_a_template_leaves_running_ends_with_the_build(fresh, templates):
    templates.add("daemon", 'mkdir -p "$rootfs/tmp"; setsid sleep 1000 & sleep 1000 &')
    ok(templates.run("image", "build", "daemon"))
    fresh.assert_clean()


def test_an_image_that_is_looked_at_can_be_run(fresh):
    """`image ls` locks each image for a moment: a run waits for that moment."""
    ok(fresh.run("image", "build", "busybox"))
    fd = os.open(fresh.state / "images" / "busybox", os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    process = fresh.popen("run", "--image", "busybox", "--", "true")
    lxe.pause(0.2)
    os.close(fd)
    _, err = process.communicate(timeout=lxe.DEADLINE)
    assert (process.returncode, err) == (0, b"")


def test_runs_go_on_while_an_image_is_built_again(fresh, templates):
    busybox = lxe.TOP / "lxc-templates" / "lxc-busybox"
    slowly = 'echo up >"$TOP/started"; read -r x <"$TOP/release"'
    templates.add("box", f'[ ! -e "$TOP/slowly" ] || {{ {slowly}; }}\nexec {busybox} "$@"')
    ok(templates.run("image", "build", "box"))
    (templates.top / "slowly").touch()
    process = templates.popen("image", "build", "box")
    templates.started()
    ok(templates.run("run", "--image", "box", "--", "true"))
    sandbox = templates.popen("run", "--image", "box", "--", "sh", "-c", "echo up; exec sleep 1000")
    assert sandbox.stdout.readline() == b"up\n"
    templates.release()
    _, err = process.communicate(timeout=lxe.DEADLINE)
    assert process.returncode == 125 and b"in use" in err, err
    end(sandbox, "SIGTERM")
    (templates.top / "slowly").unlink()
    ok(templates.run("image", "build", "box"))
    ok(templates.run("run", "--image", "box", "--", "true"))


def test_a_first_build_says_what_it_failed_at(fresh):
    env = fresh.env(LXC_EXEC_STATE_DIR="/proc/x")
    result = fresh.run("run", "--", "true", env=env)
    refusal(result, 125, "/proc/x")
    refusal(fresh.run("run", "--image", "no-such", "--", "true"), 125, "no-such")
