"""Images: made from templates, listed, removed, and never used half-built."""

import json
import signal

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
