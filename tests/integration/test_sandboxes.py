"""Sandboxes that live: create, start, exec, wait, kill, stop, destroy, ps, inspect."""

import json
import os
import re
import signal
import subprocess
import time

import pytest

import lxe

NAME = "box"


def ps(world):
    return json.loads(lxe.ok(world.run("ps", "--format", "json")).stdout)


def inspect(world, name=NAME):
    return json.loads(lxe.ok(world.run("inspect", name)).stdout)


def state(world, name=NAME):
    return inspect(world, name)["state"]


def create(world, *command, options=(), name=NAME):
    words = ["--", *command] if command else []
    return int(lxe.ok(world.run("create", *options, name, *words)).stdout)


def running(world, *command, options=(), name=NAME):
    pid = create(world, *command, options=options, name=name)
    lxe.ok(world.run("start", name))
    return pid


def destroy(world, name=NAME):
    lxe.ok(world.run("destroy", "--force", name))


def test_create_parks_and_start_releases(world, tmp_path):
    pid = create(world, "sh", "-c", "echo ran >/root/ran; exec sleep 1000")
    assert lxe.is_alive(pid)
    # Parked right before its execve: with the policy on, and still our own program.
    status = lxe.read_proc(pid, "status").decode()
    assert re.search(r"NoNewPrivs:\s1", status) and re.search(r"Seccomp:\s2", status)
    assert b"keeper" in lxe.read_proc(pid, "cmdline")
    seen = inspect(world)
    assert (seen["state"], seen["pid"], seen["name"]) == ("created", pid, NAME)
    lxe.ok(world.run("start", NAME))
    lxe.poll_until(lambda: lxe.read_proc(pid, "cmdline").startswith(b"sleep"))
    assert state(world) == "running"
    assert lxe.ok(world.run("exec", NAME, "--", "cat", "/root/ran")).stdout == b"ran\n"
    destroy(world)
    world.assert_clean()


def test_a_park_that_is_destroyed_never_executes(world, tmp_path):
    said = tmp_path / "said"
    with open(said, "w") as out:
        world.run("create", "-T", NAME, "--", "echo", "ran", stdout=out, stderr=out)
    pid = inspect(world)["pid"]
    lxe.ok(world.run("destroy", NAME))
    assert said.read_text() == f"{pid}\n"
    world.assert_clean()


# What each verb does in each state: its exit status, and what its refusal says.
VERBS = {
    "start": ["start", NAME],
    "exec": ["exec", NAME, "--", "true"],
    "shell": ["shell", "-T", NAME],
    "signal": ["kill", "--signal", "CONT", NAME],
    "wait": ["wait", "--timeout", "100ms", NAME],
    "stop": ["stop", "--stop-timeout", "100ms", NAME],
    "kill": ["kill", NAME],
    "destroy": ["destroy", NAME],
    "inspect": ["inspect", NAME],
}
REFUSED = {
    "created": {"exec", "shell", "signal"},
    "running": {"start", "destroy"},
    "stopped": {"exec", "shell", "signal", "stop", "kill"},
    "crashed": {"start", "exec", "shell", "signal", "wait", "stop", "kill"},
}
STATUS = {("created", "wait"): 124, ("running", "wait"): 124, ("stopped", "wait"): 137}


def bring_to(world, wanted):
    create(world, "sleep", "1000")
    if wanted == "created":
        return
    lxe.ok(world.run("start", NAME))
    if wanted == "stopped":
        lxe.ok(world.run("kill", NAME))
    if wanted == "crashed":
        lxe.kill(inspect(world)["keeper"])
        lxe.poll_until(lambda: state(world) == "crashed")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("wanted", REFUSED)
def test_each_verb_in_each_state(world, wanted, verb):
    bring_to(world, wanted)
    assert state(world) == wanted
    done = world.run(*VERBS[verb], stdin=subprocess.DEVNULL)
    if verb in REFUSED[wanted]:
        assert done.returncode == 125
        assert re.search(rf"sandbox '{NAME}' is {wanted}", done.stderr.decode())
        assert state(world) == wanted
    else:
        assert done.returncode == STATUS.get((wanted, verb), 0), done.stderr
    if world.run("inspect", NAME).returncode == 0:
        destroy(world)
    world.assert_clean(timeout=2)


def test_exec_gets_its_own_files_environment_and_directory(world):
    running(world, "sleep", "1000", options=["-e", "A=1", "-e", "B=1", "-w", "/tmp"])
    done = world.run("exec", "-e", "B=2", NAME, "--", "sh", "-c",
                     "cat; echo err >&2; echo $A$B $PWD; exit 7", input=b"in\n")
    assert (done.returncode, done.stdout, done.stderr) == (7, b"in\n12 /tmp\n", b"err\n")
    assert lxe.ok(world.run("exec", "-w", "/usr", NAME, "--", "pwd")).stdout == b"/usr\n"
    destroy(world)


def test_exec_on_a_terminal(world):
    running(world, "sleep", "1000")
    with world.pty("exec", NAME, "--", "sh", "-c", "tty; stty size; read x; echo got $x",
                   rows=33, cols=101) as terminal:
        terminal.expect(rb"/dev/pts/\d+")
        terminal.expect(rb"33 101")
        terminal.write(b"words\r")
        terminal.expect(rb"got words")
        assert terminal.wait() == 0
    destroy(world)


def test_a_shell_in_a_sandbox_that_runs(world):
    running(world, "sleep", "1000")
    with world.pty("shell", NAME) as terminal:
        terminal.write(b"echo $((6 * 7)); exit 5\n")
        terminal.expect(rb"42")
        assert terminal.wait() == 5
    assert state(world) == "running"
    destroy(world)


@pytest.mark.parametrize("status,command", [(127, ["nothing-of-that-name"]), (126, ["/etc"])])
def test_exec_and_start_of_what_cannot_be_executed(world, status, command):
    running(world, "sleep", "1000")
    lxe.refusal(world.run("exec", NAME, "--", *command), status)
    assert state(world) == "running"
    destroy(world)
    create(world, *command, name="other")
    lxe.refusal(world.run("start", "other"), status)
    lxe.poll_until(lambda: state(world, "other") == "failed")
    lxe.ok(world.run("destroy", "other"))
    world.assert_clean()


def children_left(world, text):
    return [pid for pid in lxe.all_pids() if text in lxe.read_proc(pid, "cmdline")]


@pytest.mark.parametrize("how", ["timeout", "term", "kill client"])
def test_the_end_of_an_exec_ends_its_whole_tree_and_nothing_else(world, how):
    running(world, "sleep", "1000")
    mark = f"sleep\x00{7000 + os.getpid() % 1000}".encode()
    script = f"trap '' HUP TERM; setsid sh -c 'trap \"\" HUP TERM; sleep {mark[6:].decode()} & wait' & echo up; wait"
    options = ["--timeout", lxe.span(700)] if how == "timeout" else []
    with world.popen("exec", *options, NAME, "--", "bash", "-c", script,
                     stdout=subprocess.PIPE, stderr=subprocess.PIPE) as client:
        assert client.stdout.readline() == b"up\n"
        lxe.poll_until(lambda: children_left(world, mark))
        if how != "timeout":
            client.send_signal(signal.SIGTERM if how == "term" else signal.SIGKILL)
        status = client.wait(timeout=lxe.DEADLINE)
    assert status == {"timeout": 124, "term": 143, "kill client": -9}[how]
    lxe.poll_until(lambda: not children_left(world, mark), timeout=2)
    assert state(world) == "running"
    lxe.ok(world.run("exec", NAME, "--", "true"))
    destroy(world)
    world.assert_clean()


def test_a_hundred_at_once(world):
    running(world, "sleep", "1000")
    clients = [world.popen("exec", NAME, "--", "sh", "-c", f"echo {n}; exit {n}",
                           stdout=subprocess.PIPE) for n in range(100)]
    for n, client in enumerate(clients):
        out, _ = client.communicate(timeout=lxe.DEADLINE)
        assert (client.returncode, out) == (n, b"%d\n" % n)
    destroy(world)
    world.assert_clean()


def test_every_exec_has_a_result_of_its_own(world, tmp_path):
    running(world, "sleep", "1000")
    path = tmp_path / "result.json"
    world.run("exec", "--result", str(path), NAME, "--", "sh", "-c", "exit 9")
    record = json.loads(path.read_text())
    assert (record["exit_code"], record["cause"], record["name"]) == (9, "exit", NAME)
    destroy(world)


def test_files_are_kept_until_destroy(world):
    running(world, "sh", "-c", "echo kept >/srv/file; exec sleep 1000")
    lxe.poll_until(lambda: world.run("exec", NAME, "--", "cat", "/srv/file").stdout == b"kept\n")
    lxe.ok(world.run("stop", NAME))
    files = list((world.state / "sandboxes").glob("*/rw/u/srv/file"))
    assert [f.read_text() for f in files] == ["kept\n"]
    lxe.ok(world.run("destroy", NAME))
    assert not list((world.state / "sandboxes").iterdir())
    world.assert_clean()


def test_wait_tells_how_it_ended_during_and_afterwards(world):
    create(world, "sh", "-c", "read x; exit 23")
    waiting = world.popen("wait", NAME)
    lxe.ok(world.run("start", NAME))
    lxe.ok(world.run("kill", "--signal", "HUP", NAME))
    assert waiting.wait(timeout=lxe.DEADLINE) == 129
    assert world.run("wait", NAME).returncode == 129
    assert inspect(world)["ending"] == {"cause": "signal", "exit_code": 129, "message": None}
    destroy(world)


def test_stop_asks_first(world):
    running(world, "sh", "-c", "trap 'echo asked >/srv/asked; exit 0' TERM; trap '' HUP; "
            "echo up >/srv/up; while :; do sleep 0.05; done")
    lxe.poll_until(lambda: world.run("exec", NAME, "--", "test", "-e", "/srv/up").returncode == 0)
    begun = time.monotonic()
    lxe.ok(world.run("stop", NAME))
    assert time.monotonic() - begun < 5
    assert list((world.state / "sandboxes").glob("*/rw/u/srv/asked"))
    destroy(world)


def test_names_are_unique_among_those_that_are_there(world):
    create(world, "sleep", "1000")
    lxe.refusal(world.run("create", NAME), says="taken")
    lxe.refusal(world.run("run", "--name", NAME, "--", "true"), says="taken")
    assert len(ps(world)) == 1
    destroy(world)
    lxe.ok(world.run("run", "--name", NAME, "--", "true"))
    lxe.ok(world.run("run", "--name", NAME, "--", "true"))
    world.assert_clean()


def test_two_that_want_one_name_at_the_same_time(world):
    clients = [world.popen("create", NAME, "--", "sleep", "1000", stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE) for _ in range(6)]
    for client in clients:
        client.communicate(timeout=lxe.DEADLINE)
    assert sorted(client.returncode for client in clients) == [0] + 5 * [125]
    assert len(ps(world)) == 1
    destroy(world)
    world.assert_clean()


@pytest.mark.parametrize("name", ["a/b", "", "x" * 129, "a\nb", "..", "bad\x7f"])
def test_bad_names_make_nothing(world, name):
    lxe.refusal(world.run("create", name))
    lxe.refusal(world.run("start", name))
    assert ps(world) == []


def test_a_name_of_128_bytes_in_utf_8(world):
    name = "ü" * 64
    create(world, "sleep", "1000", name=name)
    assert inspect(world, name)["name"] == name
    destroy(world, name)
    world.assert_clean()


def test_found_by_id_and_by_its_first_digits(world):
    create(world, "sleep", "1000", name="one")
    create(world, "sleep", "1000", name="two")
    ids = {one["name"]: one["id"] for one in ps(world)}
    assert inspect(world, ids["one"])["name"] == "one"
    digits = 1
    while ids["one"][:digits] == ids["two"][:digits]:
        digits += 1
    assert inspect(world, ids["two"][:digits])["name"] == "two"
    lxe.refusal(world.run("inspect", "nothing"), says="no sandbox 'nothing'")
    if digits > 1:
        lxe.refusal(world.run("inspect", ids["one"][: digits - 1]), says="fits")
    destroy(world, "one")
    destroy(world, "two")


def test_a_crashed_one_is_kept_and_reconciled(world):
    running(world, "sh", "-c", "echo kept >/srv/file; echo up; exec sleep 1000")
    lxe.poll_until(lambda: world.run("exec", NAME, "--", "cat", "/srv/file").stdout == b"kept\n")
    lxe.kill(inspect(world)["keeper"])
    lxe.poll_until(lambda: state(world) == "crashed")
    lxe.ok(world.run("gc"))
    assert state(world) == "stopped"
    assert list(world.left_cgroups()) == []
    assert list((world.state / "sandboxes").glob("*/rw/u/srv/file"))
    lxe.ok(world.run("destroy", NAME))
    world.assert_clean(timeout=2)


def test_a_creator_that_is_killed_leaves_nothing(world):
    for n in range(12):
        client = world.popen("create", NAME, "--", "sleep", "1000", stdout=subprocess.PIPE)
        lxe.pause(0.001 * n)
        client.kill()
        out, _ = client.communicate(timeout=lxe.DEADLINE)
        if out:  # it had let go before
            destroy(world)

        def gone():
            """At once, or when a keeper that was just being started has heard of it."""
            world.run("gc")
            # One that had let go of it and had not printed yet has left a sandbox.
            return not ps(world) or world.run("destroy", "--force", NAME).returncode == 0

        lxe.poll_until(gone)
        lxe.poll_until(lambda: not world.keepers())
    world.assert_clean(timeout=2)


def test_run_keep_is_stopped_afterwards(world):
    lxe.ok(world.run("run", "--keep", "--name", NAME, "--", "sh", "-c", "echo x >/srv/x; exit 4"), 4)
    assert state(world) == "stopped"
    assert world.run("wait", NAME).returncode == 4
    destroy(world)
    client = world.popen("run", "--keep", "--name", NAME, "--", "sh", "-c", "echo up; exec sleep 1000",
                         stdout=subprocess.PIPE)
    assert client.stdout.readline() == b"up\n"
    client.kill()
    client.wait(timeout=lxe.DEADLINE)
    # A client that is killed has only left.
    assert state(world) == "running"
    destroy(world)
    world.assert_clean()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("tty", [False, True])
def test_a_signal_to_run_keep_ends_the_command_and_keeps_the_sandbox(world, number, tty):
    words = ("run", "--keep", "--name", NAME, "--", "sh", "-c", "echo x >/srv/x; echo up; exec sleep 1000")
    if tty:
        with world.pty(*words) as client:
            client.expect(rb"up")
            os.kill(client.pid, number)
            assert client.wait() == 128 + number
    else:
        client = world.popen(*words, stdout=subprocess.PIPE)
        assert client.stdout.readline() == b"up\n"
        client.send_signal(number)
        client.communicate(timeout=lxe.DEADLINE)
        assert client.returncode == 128 + number
    assert state(world) == "stopped"
    assert [path.read_bytes() for path in (world.state / "sandboxes").glob("*/rw/u/srv/x")] == [b"x\n"]
    assert world.run("wait", NAME).returncode == 128 + number
    destroy(world)
    world.assert_clean()


@pytest.mark.parametrize("what", ["garbage", "half", "future", "no record"])
def test_records_that_say_nothing_sensible(world, what):
    running(world, "sh", "-c", "echo kept >/srv/file; exec sleep 1000")
    lxe.ok(world.run("kill", NAME))
    box = next((world.state / "sandboxes").iterdir())
    record = box / "record"
    good = record.read_bytes()
    bad = {"garbage": b"garbage" * 9, "half": good[: len(good) // 2], "no record": None,
           "future": good[:5] + b"\x63" + good[6:]}[what]
    if bad is None:
        record.unlink()
        lxe.ok(world.run("gc"))
        assert not box.exists()
        return
    record.write_bytes(bad)
    assert [one["state"] for one in ps(world)] == ["unreadable"]
    done = world.run("gc")
    assert done.returncode == 125 and b"record" in done.stderr
    assert box.exists() and (box / "rw").exists()
    lxe.ok(world.run("run", "--", "true"))
    record.write_bytes(good)
    assert state(world) == "stopped"
    destroy(world)
    world.assert_clean()


def test_a_run_directory_with_a_very_long_path(world, tmp_path):
    deep = tmp_path
    while len(str(deep)) < 200:
        deep = deep / ("d" * 40)
    subprocess.run(["mkdir", "-p", deep], check=True, **world.as_whom({}))
    env = world.env(LXC_EXEC_STATE_DIR=str(deep / "state"))
    lxe.ok(world.run("create", NAME, "--", "sleep", "1000", env=env))
    lxe.ok(world.run("start", NAME, env=env))
    lxe.ok(world.run("exec", NAME, "--", "true", env=env))
    lxe.ok(world.run("destroy", "--force", NAME, env=env))


def test_exec_as_another_user(world):
    running(world, "sleep", "1000")
    lxe.ok(world.run("exec", NAME, "--", "sh", "-c", "echo dev:x:1000:1001::/home/dev:/bin/sh >>/etc/passwd;"
                     "mkdir -p /home/dev && chown 1000:1001 /home/dev"))
    show = ["sh", "-c", "id -u; id -g; id -G; echo $HOME $USER; pwd; touch mine && stat -c %u mine"]
    done = lxe.ok(world.run("exec", "--user", "dev", NAME, "--", *show))
    assert done.stdout.split() == b"1000 1001 1001 /home/dev dev /home/dev 1000".split()
    done = lxe.ok(world.run("exec", "-u", "33:44", NAME, "--", "sh", "-c", "id -u; id -g; pwd; "
                            "grep CapEff /proc/self/status"))
    assert done.stdout.split()[:2] == [b"33", b"44"] and done.stdout.endswith(b"0000000000000000\n")
    lxe.refusal(world.run("exec", "-u", "ghost", NAME, "--", "true"), says="no user 'ghost'")
    lxe.refusal(world.run("exec", "-u", "99999", NAME, "--", "true"), says="no user")
    lxe.refusal(world.run("exec", "-u", "a b", NAME, "--", "true"), says="is not a user")
    with world.pty("exec", "-u", "dev", NAME, "--", "sh", "-c", "stat -c 'owner %u' $(tty); echo x >$(tty)") as terminal:
        terminal.expect(rb"owner 1000")
        terminal.expect(rb"x")
        assert terminal.wait() == 0
    destroy(world)
    assert lxe.ok(world.run("run", "-u", "7", "--", "id", "-u")).stdout == b"7\n"


def test_passwd_is_not_followed_out_of_the_sandbox(world):
    running(world, "sleep", "1000")
    for target in ("/proc/1/root/etc/passwd", "../../../../../etc/passwd", "/dev/zero"):
        lxe.ok(world.run("exec", NAME, "--", "sh", "-c", f"rm -f /etc/passwd; ln -s {target} /etc/passwd"))
        assert world.run("exec", "-u", "nobody", NAME, "--", "true").returncode in (0, 125)
    lxe.ok(world.run("exec", NAME, "--", "sh", "-c", "rm -f /etc/passwd; mkfifo /etc/passwd"))
    lxe.refusal(world.run("exec", "-u", "nobody", NAME, "--", "true"))
    destroy(world)
