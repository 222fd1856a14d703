"""Time to live and idle time: what ends a sandbox that nobody ends."""

import json
import signal
import subprocess
import time
from datetime import datetime

import pytest

import lxe

NAME = "box"
TTL = 0.8 * lxe.SLACK  # longer than it takes to make one


def milliseconds(seconds):
    return f"{round(seconds * 1000)}ms"


def inspect(world, name=NAME):
    return json.loads(lxe.ok(world.run("inspect", name)).stdout)


def state(world, name=NAME):
    return inspect(world, name)["state"]


def create(world, *command, options=()):
    lxe.ok(world.run("create", *options, NAME, "--", *command))


def running(world, *command, options=()):
    """When it was started: before its client has ended, which may take long on a busy machine."""
    create(world, *command, options=options)
    begun = time.monotonic()
    lxe.ok(world.run("start", NAME))
    return begun


def destroy(world):
    lxe.ok(world.run("destroy", "--force", NAME))


def ends_after(world, seconds, begun):
    lxe.poll_until(lambda: state(world) == "stopped", interval=0.02)
    took = time.monotonic() - begun
    assert seconds <= took + 0.02 and took < seconds + 1.5 * lxe.SLACK, took


def test_a_run_ends_with_its_time_to_live(world, tmp_path):
    path = tmp_path / "result.json"
    begun = time.monotonic()
    done = world.run("run", "--ttl", "700ms", "--result", str(path), "--", "sleep", "1000")
    assert 0.69 <= time.monotonic() - begun < 0.7 + 1.5 * lxe.SLACK
    assert lxe.refusal(done, 124, "the sandbox's time to live of 700 ms is over")
    record = json.loads(path.read_text())
    assert (record["cause"], record["exit_code"]) == ("timeout", 124)
    assert record["message"] == "the sandbox's time to live of 700 ms is over"
    world.assert_clean()


def test_a_command_that_ends_before_keeps_its_status(world):
    lxe.ok(world.run("run", "--ttl", "10s", "--idle", "10s", "--", "sh", "-c", "exit 3"), 3)


def test_a_kept_one_is_stopped_and_can_be_waited_for(world):
    begun = time.monotonic()
    running(world, "sh", "-c", "echo kept >/srv/file; exec sleep 1000", options=["--ttl", milliseconds(TTL)])
    waiting = world.popen("wait", NAME)
    ends_after(world, TTL, begun)
    _, said = waiting.communicate(timeout=lxe.DEADLINE)
    assert waiting.returncode == 124 and b"time to live" in said
    assert world.run("wait", NAME).returncode == 124
    assert inspect(world)["ending"]["cause"] == "timeout"
    assert list(world.kept.glob("*/rw/u/srv/file"))
    destroy(world)


def test_each_life_has_its_own_time_to_live_and_says_so(world):
    running(world, "sleep", "1000", options=["--ttl", "1h"])
    first = inspect(world)["expires_at"]
    assert seconds(first) - seconds(inspect(world)["created_at"]) in (3600, 3601)
    lxe.ok(world.run("kill", NAME))
    assert inspect(world)["expires_at"] is None
    # In whole seconds: the next life begins in another one, and long before the first would have been over.
    lxe.poll_until(lambda: int(time.time()) > seconds(inspect(world)["created_at"]) + 1)
    begun = int(time.time())
    lxe.ok(world.run("start", NAME))
    again = inspect(world)
    assert begun <= seconds(again["expires_at"]) - 3600 <= int(time.time())
    assert again["expires_at"] > first
    row = world.run("ps").stdout.decode().splitlines()[1]
    assert again["expires_at"] in row and again["created_at"] in row
    destroy(world)


def seconds(text):
    return datetime.fromisoformat(text).timestamp()


def test_one_that_was_never_started_expires_without_executing(world):
    begun = time.monotonic()
    create(world, "sh", "-c", "echo ran >/srv/ran", options=["--ttl", milliseconds(TTL)])
    ends_after(world, TTL, begun)
    assert not list(world.kept.glob("*/rw/u/srv/ran"))
    destroy(world)


def test_an_exec_ends_with_its_sandbox(world):
    running(world, "sleep", "1000", options=["--ttl", milliseconds(TTL)])
    done = world.run("exec", NAME, "--", "sleep", "1000")
    lxe.refusal(done, 124, "time to live")
    destroy(world)


def test_a_time_to_live_that_is_over_before_the_command_is_up(world):
    done = world.run("run", "--ttl", "1ms", "--", "sleep", "1000")
    lxe.refusal(done, 124, "time to live of 1 ms")
    done = world.run("create", "--ttl", "1ms", NAME, "--", "sleep", "1000")
    lxe.refusal(done, 124, "time to live of 1 ms")
    assert json.loads(world.run("ps", "--format", "json").stdout) == []
    world.assert_clean()


def test_one_that_nobody_uses_is_stopped(world):
    begun = running(world, "sleep", "1000", options=["--idle", "600ms"])
    ends_after(world, 0.6, begun)
    assert inspect(world)["ending"]["message"] == "nobody has used the sandbox for 600 ms"
    destroy(world)


def test_output_keeps_it(world):
    # Silent after a second and a half of output every tenth of a second.
    begun = running(world, "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 a b c d e f; do echo $i; sleep 0.1; done; "
            "exec sleep 1000", options=["--idle", "600ms"])
    ends_after(world, 1.9, begun)
    destroy(world)


def test_execs_keep_it_while_they_run_and_begin_the_time_anew(world):
    running(world, "sleep", "1000", options=["--idle", "600ms"])
    begun = time.monotonic()
    lxe.ok(world.run("exec", NAME, "--", "sleep", "1.5"))
    assert state(world) == "running"
    ends_after(world, 2.1, begun)
    destroy(world)


@pytest.mark.parametrize("tty", ["-t", "-T"])
def test_a_client_that_runs_the_command_keeps_it(world, tty):
    run = ["run", tty, "--idle", "300ms", "--", "sleep", "1.2"]
    if tty == "-T":
        lxe.ok(world.run(*run))
        return
    with world.pty(*run) as terminal:
        assert terminal.wait() == 0


def test_one_whose_client_was_killed_is_idle(world):
    client = world.popen("run", "-T", "--keep", "--name", NAME, "--idle", "600ms", "--", "sh", "-c",
                         "echo up; exec sleep 1000")
    assert client.stdout.readline() == b"up\n"
    lxe.pause(0.8)
    assert state(world) == "running"
    begun = time.monotonic()
    client.send_signal(signal.SIGKILL)
    client.wait(timeout=lxe.DEADLINE)
    ends_after(world, 0.6, begun)
    client.communicate(timeout=lxe.DEADLINE)
    destroy(world)


@pytest.mark.parametrize("options", [[], ["--read-only"]])
def test_who_is_attached_keeps_it(world, options):
    running(world, "sleep", "1000", options=["--idle", "600ms"])
    with world.pty("attach", *options, NAME):
        lxe.pause(1.5)
        assert state(world) == "running"
        begun = time.monotonic()
    ends_after(world, 0.6, begun)
    destroy(world)


def test_inspect_shows_what_it_is_confined_to(world):
    options = ["--cap-drop", "ALL", "--cap-add", "CHOWN", "--deny", "/usr/games", "--deny", "/etc/hosts", "--new-privs"]
    create(world, "true", options=options)
    seen = inspect(world)["confinement"]
    assert seen["capabilities"] == ["CAP_CHOWN"] and seen["denied"] == ["/usr/games", "/etc/hosts"]
    assert (seen["seccomp"], seen["seccomp_log"], seen["new_privs"], seen["user"]) == ("default", False, True, "0")
    says = "option '--memory' is not for exec[^$]*hint: .*lxc-exec create --memory"
    lxe.refusal(world.run("exec", "--memory", "1G", NAME, "--", "true"), says=says)
    destroy(world)


def test_ps_and_inspect_tell(world):
    create(world, "sleep", "1000", options=["--ttl", "1h", "--idle", "90s"])
    one, = json.loads(world.run("ps", "--format", "json").stdout)
    made, ends = (datetime.fromisoformat(one[key]) for key in ("created_at", "expires_at"))
    assert (ends - made).total_seconds() == 3600 and one["idle_ms"] == 90_000
    assert inspect(world)["limits"]["ttl_ms"] == 3_600_000
    header, line = world.run("ps").stdout.decode().splitlines()
    assert "EXPIRES" in header and one["expires_at"] in line
    lxe.ok(world.run("stop", NAME))
    assert inspect(world)["expires_at"] is None
    destroy(world)


def test_an_idle_period_costs_one_wake_up(world):
    running(world, "sleep", "1000", options=["--idle", "300ms"])
    keeper = inspect(world)["keeper"]
    with world.popen("exec", NAME, "--", "sh", "-c", "echo up; read x", stdin=subprocess.PIPE) as client:
        assert client.stdout.readline() == b"up\n"
        lxe.pause(0.1)
        before, count = wakeups(keeper), 1.5 / 0.3
        lxe.pause(1.5)
        assert wakeups(keeper) - before <= count + 2
        client.communicate(b"\n", timeout=lxe.DEADLINE)
    destroy(world)


def wakeups(pid):
    return sum(int(line.split()[1]) for line in lxe.read_proc(pid, "status").decode().splitlines()
               if line.startswith("voluntary_ctxt"))


@pytest.mark.parametrize("option", ["--ttl", "--idle"])
def test_values_that_are_none(world, option):
    lxe.refusal(world.run("run", option, "soon", "--", "true"), says="is not a duration")
    lxe.refusal(world.run("run", option, "0", "--", "true"), says="is no time at all")
    lxe.refusal(world.run("exec", option, "1s", NAME, "--", "true"))
    lxe.ok(world.run("run", option, "none", "--", "true"))
