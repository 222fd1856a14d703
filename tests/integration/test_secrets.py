"""--secret: files of the command's user in memory, and nowhere else."""

import os
import shutil
import subprocess

import pytest

import lxe
from lxe import ok, refusal

VALUE = b"correct-horse-battery-staple"
BINARY = b"\0bin\xff\n\0" + bytes(range(256))


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "value"
    path.write_bytes(VALUE)
    return path


def holds(world, value):
    """Where the bytes are: in files of ours, or in what /proc shows of our processes."""
    found = []
    for top in (world.state, world.run_dir):
        for path in top.rglob("*"):
            if path.is_file() and not path.is_symlink() and value in path.read_bytes():
                found.append(str(path))
    for pid in world.our_processes():
        for name in ("cmdline", "environ", "comm"):
            if value in lxe.read_proc(pid, name):
                found.append(f"{pid} {name} {lxe.read_proc(pid, 'cmdline')}")
    return found


def test_each_is_a_file_of_the_commands_user(world, tmp_path, source):
    binary = tmp_path / "binary"
    binary.write_bytes(BINARY)
    reading, writing = os.pipe()
    os.write(writing, b"through a pipe")
    os.close(writing)
    words = ["--secret", f"a=file:{source}", "--secret", f"b=file:{binary}"]
    words += ["--secret", f"c=fd:{reading}", "--secret", "d=env:GIVEN", "-u", "1000:1001"]
    script = "cd /run/secrets; stat -c '%n %a %u:%g' * .; cat a c d b"
    done = ok(
        world.run("run", *words, "--", "sh", "-c", script, env=world.env(GIVEN="a variable"),
                  pass_fds=(reading,))
    )
    os.close(reading)
    lines = "".join(f"{name} 400 1000:1001\n" for name in "abcd").encode() + b". 755 0:0\n"
    assert done.stdout == lines + VALUE + b"through a pipe" + b"a variable" + BINARY


def test_others_inside_cannot_read_it_and_nobody_can_change_it(world, source):
    secret = ("--secret", f"a=file:{source}")
    script = "cat /run/secrets/a"
    done = world.run("run", *secret, "--cap-drop", "ALL", "-u", "1000", "--", "sh", "-c", script)
    assert done.stdout == VALUE
    script = ("! echo x >/run/secrets/a && ! rm -f /run/secrets/a && ! touch /run/secrets/b"
              " && ! mount -o remount,rw /run/secrets && ! umount /run/secrets"
              " && grep ' /run/secrets ro,nosuid,nodev,noexec' /proc/self/mountinfo")
    assert b"tmpfs" in ok(world.run("run", *secret, "--", "sh", "-c", script)).stdout


def test_a_kept_sandbox_has_it_for_its_life_and_nowhere_else(world, tmp_path, source):
    result = tmp_path / "result"
    words = ("--secret", f"a=file:{source}", "--secret", "b=env:GIVEN", "--result", str(result))
    env = world.env(GIVEN=VALUE.decode())
    ok(world.run("create", *words, "box", "--", "sh", "-c", "env; sleep 1000", env=env))
    assert not holds(world, VALUE)
    ok(world.run("start", "box"))
    assert ok(world.run("exec", "box", "--", "cat", "/run/secrets/a")).stdout == VALUE
    assert b"GIVEN" not in ok(world.run("exec", "box", "--", "env")).stdout
    done = world.run("exec", "-u", "1000", "box", "--", "cat", "/run/secrets/a")
    assert done.returncode == 1 and b"ermission denied" in done.stderr
    lxe.poll_until(lambda: b"container=lxc" in world.run("logs", "box").stdout)
    for words in (("inspect", "box"), ("ps", "--format", "json"), ("logs", "box")):
        assert VALUE not in ok(world.run(*words)).stdout
    assert not holds(world, VALUE)
    ok(world.run("stop", "--stop-timeout", "1ms", "box"))
    assert not holds(world, VALUE) and VALUE not in result.read_bytes()
    ok(world.run("destroy", "box"))
    world.assert_clean()


def test_the_clients_own_environment_does_not_show_it(world):
    """As others see a run that goes on: the variable of our program is wiped as well."""
    env = world.env(GIVEN=VALUE.decode())
    process = world.popen("run", "--secret", "a=env:GIVEN", "--", "sh", "-c",
                          "echo up; exec sleep 1000", env=env)
    assert process.stdout.readline() == b"up\n"
    assert b"GIVEN=" in lxe.read_proc(process.pid, "environ")
    assert not holds(world, VALUE)
    process.terminate()
    process.communicate(timeout=lxe.DEADLINE)
    world.assert_clean()


@pytest.mark.parametrize("what", ["file", "directory", "variable", "size", "descriptor", "name"])
def test_one_that_cannot_be_read_is_an_error_and_nothing_runs(world, tmp_path, what):
    big = tmp_path / "big"
    big.write_bytes(b"x" * (512 * 1024 + 1))
    secret, says = {
        "file": (f"a=file:{tmp_path}/none", "no such file"),
        "directory": (f"a=file:{tmp_path}", "directory"),
        "variable": ("a=env:LXE_NOT_SET", "LXE_NOT_SET"),
        "size": (f"a=file:{big}", "512 KiB"),
        "descriptor": ("a=fd:77", "bad file descriptor"),
        "name": (f"../a=file:{big}", "name"),
    }[what]
    message = refusal(world.run("run", "--secret", secret, "--", "true"))
    assert says in message and not world.current_ids()


def test_exec_says_where_secrets_are_given(world):
    message = refusal(world.run("exec", "--secret", "a=env:HOME", "box", "--", "true"))
    assert "--secret" in message


def test_an_image_that_leads_elsewhere_is_refused(world, tmp_path, source):
    ok(world.run("image", "build", "busybox"))
    rootfs = world.state / "images" / "busybox" / "rootfs"
    run = rootfs / "run"
    shutil.rmtree(run, ignore_errors=True)
    run.symlink_to(tmp_path)
    message = refusal(
        world.run("run", "--image", "busybox", "--secret", f"a=file:{source}", "--", "true")
    )
    assert "run/secrets" in message and not (tmp_path / "secrets").exists()
    ok(world.run("image", "rm", "busybox"))


def test_a_profile_names_them(world, tmp_path, source):
    profile = tmp_path / "p.conf"
    profile.write_text(f"[secret]\na = file:{source}\nb = env:GIVEN\n")
    done = ok(world.run("run", "--profile", str(profile), "--", "cat", "/run/secrets/a",
                        "/run/secrets/b", env=world.env(GIVEN="x")))
    assert done.stdout == VALUE + b"x"
    profile.write_text("[secret]\na = fd:3\n")
    assert "profile" in refusal(world.run("run", "--profile", str(profile), "--", "true"))


def test_a_pipe_that_is_written_to_is_read_to_its_end(world):
    script = '"$0" run --secret a=file:<(printf 123; sleep .2; printf 45) -- cat /run/secrets/a'
    done = subprocess.run(["bash", "-c", script, str(world.binary)], env=world.env(), capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=lxe.DEADLINE, **world.as_whom({}))
    assert done.stdout == b"12345", done


def test_two_cannot_come_from_one_descriptor(world, source):
    words = ("--secret", "a=fd:{0}", "--secret", "b=fd:{0}")
    with open(source, "rb") as file:
        n = file.fileno()
        done = world.run("run", *(word.format(n) for word in words), "--", "true", pass_fds=(n,))
    refusal(done, says=f"'a' and 'b' are both from fd:{n}[^$]*hint: ")
