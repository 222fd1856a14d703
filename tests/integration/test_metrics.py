"""What keepers publish: stats over the life of real sandboxes."""

import json
import os
import re
import signal
import subprocess
import time

import lxe

NAME = "box"
BURN = "i=0; while :; do i=$((i+1)); done"
OF_CGROUPS = ["cpu_us", "memory", "memory_peak", "pids"]  # null where a user has none
HOLD = "x=$(head -c 30000000 /dev/zero | tr '\\0' x); echo up; sleep 1000"


def stats(world):
    return json.loads(lxe.ok(world.run("stats", "--format", "json")).stdout)


def row(world, name=NAME):
    found = [one for one in stats(world) if one["name"] == name]
    return found[0] if found else None


def create(world, *command, name=NAME, options=()):
    return int(lxe.ok(world.run("create", *options, name, "--", *command)).stdout)


def running(world, *command, **more):
    pid = create(world, *command, **more)
    lxe.ok(world.run("start", more.get("name", NAME)))
    return pid


def keeper_of(world, name=NAME):
    return json.loads(lxe.ok(world.run("inspect", name)).stdout)["keeper"]


def destroy(world, *names):
    for name in names or [NAME]:
        lxe.ok(world.run("destroy", "--force", name))


def test_the_states_of_a_life(world):
    assert row(world) is None
    pid = create(world, "sleep", "1000")
    seen = row(world)
    assert (seen["state"], seen["pid"], seen["execs"]) == ("created", pid, 0)
    # Not what it took to make it: milliseconds.
    if world.has_cgroup:
        assert seen["cpu_us"] < 1000 * lxe.SLACK ** 2
    else:
        assert [seen[key] for key in OF_CGROUPS] == [None] * len(OF_CGROUPS)
    assert seen["uptime_ms"] is None and seen["cpu_percent"] is None
    lxe.ok(world.run("start", NAME))
    seen = row(world)
    assert (seen["state"], seen["pid"], seen["pids"]) == ("running", pid, 1 if world.has_cgroup else None)
    assert seen["uptime_ms"] is not None
    lxe.ok(world.run("stop", NAME))
    # It is kept, and uses nothing.
    assert stats(world) == []
    destroy(world)


def test_a_sandbox_that_is_being_made_is_seen(world):
    client = world.popen("run", "--", "sleep", "1000")
    try:
        seen = lxe.poll_until(lambda: stats(world), what="a row")[0]
        assert seen["state"] in ("creating", "created", "running") and seen["name"] is None
        lxe.poll_until(lambda: stats(world)[0]["state"] == "running")
    finally:
        client.terminate()
        client.communicate(timeout=lxe.DEADLINE)
    assert stats(world) == []


def test_one_that_fails_leaves_no_row(world):
    lxe.refusal(world.run("run", "--image", "no-such-image", "--", "true"))
    lxe.refusal(world.run("run", "--", "no-such-command"), 127)
    assert stats(world) == []


def test_processor_time_is_that_of_the_load(world):
    running(world, "sh", "-c", BURN)
    before, begun = row(world), time.monotonic()
    if not world.has_cgroup:
        assert before["cpu_us"] is None and before["cpu_percent"] is None
        destroy(world)
        return
    lxe.poll_until(lambda: row(world)["cpu_us"] > before["cpu_us"] + 300_000)
    after, took = row(world), time.monotonic() - begun
    # One process alone: not more than the time that went by, with room for our own clocks.
    assert after["cpu_us"] - before["cpu_us"] < took * 1_500_000
    assert after["cpu_percent"] > 5
    destroy(world)


def test_memory_is_that_of_the_load(world):
    running(world, "sh", "-c", HOLD)
    if world.has_cgroup:
        lxe.poll_until(lambda: row(world)["memory"] > 30_000_000)
        seen = row(world)
        assert seen["memory"] < 200_000_000 and seen["memory_peak"] >= seen["memory"]
    else:
        assert row(world)["memory"] is None and row(world)["memory_peak"] is None
    destroy(world)


def test_processes_and_execs_are_counted(world):
    alone = 1 if world.has_cgroup else None
    running(world, "sleep", "1000")
    with world.popen("exec", NAME, "--", "sh", "-c", "sleep 1000 & sleep 1000 & echo up; wait") as client:
        assert client.stdout.readline() == b"up\n"
        lxe.poll_until(lambda: row(world)["pids"] == (4 if world.has_cgroup else None))
        assert row(world)["execs"] == 1
        client.terminate()
        client.communicate(timeout=lxe.DEADLINE)
    lxe.poll_until(lambda: (row(world)["pids"], row(world)["execs"]) == (alone, 0))
    destroy(world)


def test_what_goes_through_terminals_is_counted_also_of_those_that_are_gone(world):
    running(world, "sleep", "1000")
    assert row(world)["bytes_out"] == 0 and row(world)["bytes_in"] == 0
    with world.pty("exec", NAME, "--", "head", "-c", "5000", "/dev/zero") as terminal:
        assert terminal.wait() == 0
    assert row(world)["bytes_out"] == 5000 and row(world)["bytes_in"] == 0
    with world.pty("exec", NAME, "--", "sh", "-c", "stty -echo; echo up; read line; sleep 1000") as terminal:
        terminal.expect(rb"up")
        terminal.write(b"twelve bytes\r")
        lxe.poll_until(lambda: row(world)["bytes_in"] == 13)
        terminal.write(b"\x03")
        terminal.wait()
    assert row(world)["bytes_in"] == 14
    destroy(world)
    # Nobody counts what goes by us.
    world.run("create", "-T", NAME, "--", "sleep", "1000", stdout=subprocess.DEVNULL,
              stderr=subprocess.DEVNULL)
    assert row(world)["bytes_out"] is None and row(world)["bytes_in"] is None
    destroy(world)


def test_a_killed_keeper_is_seen_as_dead_at_once(world):
    running(world, "sh", "-c", BURN)
    if world.has_cgroup:
        lxe.poll_until(lambda: row(world)["cpu_us"] > 50_000)
    os.kill(keeper_of(world), signal.SIGKILL)
    begun = time.monotonic()
    lxe.poll_until(lambda: row(world)["state"] == "crashed", what="the end of the slot's lock")
    assert time.monotonic() - begun < 1 * lxe.SLACK
    assert row(world)["cpu_us"] > 50_000 if world.has_cgroup else row(world)["cpu_us"] is None
    lxe.ok(world.run("gc"))
    assert stats(world) == []
    destroy(world)


def test_a_keeper_killed_while_it_forks_lets_go_of_its_slot(world):
    """Starters and commands that are not executed yet are forks: none of them may hold the lock."""
    for n in range(8):
        running(world, "sleep", "1000")
        clients = [world.popen("exec", NAME, "--", "true") for _ in range(6)]
        lxe.pause(0.002 * n)
        os.kill(keeper_of(world), signal.SIGKILL)
        lxe.poll_until(lambda: row(world)["state"] == "crashed", timeout=2 * lxe.SLACK)
        for client in clients:
            client.communicate(timeout=lxe.DEADLINE)
        destroy(world)
        assert stats(world) == []
    world.assert_clean(timeout=2)


def test_the_row_of_a_crashed_one_shot_goes_with_the_next_run(world):
    client = world.popen("run", "--", "sleep", "1000")
    lxe.poll_until(lambda: [one for one in stats(world) if one["state"] == "running"])
    keeper = world.keeper()
    client.kill()
    os.kill(keeper, signal.SIGKILL)
    client.communicate(timeout=lxe.DEADLINE)
    lxe.poll_until(lambda: world.run("run", "--", "true").returncode == 0 and not stats(world))


def test_fifty_at_once(world):
    clients = [world.popen("run", "--", "sh", "-c", "read x", stdin=-1) for _ in range(50)]
    try:
        lxe.poll_until(lambda: [one["state"] for one in stats(world)] == 50 * ["running"],
                       timeout=2 * lxe.DEADLINE, interval=0.1)
        begun = time.monotonic()
        rows = stats(world)
        assert time.monotonic() - begun < 0.5 * lxe.SLACK
        assert len({one["id"] for one in rows}) == 50
        if world.has_cgroup:
            assert all(one["pids"] == 1 and 0 < one["memory"] < 50_000_000 for one in rows)
        else:
            assert all(one["pids"] is None and one["memory"] is None for one in rows)
    finally:
        for client in clients:
            client.communicate(b"\n", timeout=2 * lxe.DEADLINE)
    assert stats(world) == []


def test_prometheus_text_of_one_that_runs(world):
    running(world, "sleep", "1000", name='quo"te')
    text = lxe.ok(world.run("stats", "--format", "prometheus")).stdout.decode()
    label = r'\{id="[0-9a-f]{12}",name="quo\\"te"'
    assert re.search(r"^lxc_exec_sandbox_info" + label + r',state="running"\} 1$', text, re.M)
    for name in ("cpu_seconds_total", "memory_bytes", "processes", "uptime_seconds"):
        found = re.search(rf"^lxc_exec_sandbox_{name}{label}\}} [0-9.]+$", text, re.M)
        assert bool(found) == (world.has_cgroup or name == "uptime_seconds"), name
    destroy(world, 'quo"te')


def settled(count):
    """Until it has not changed for a moment: what is done once after the start is done."""
    def same():
        before = count()
        lxe.pause(0.4)
        return count() == before
    lxe.poll_until(same)


def test_an_idle_sandbox_stays_asleep_and_a_watched_one_answers(world):
    running(world, "sleep", "1000")
    keeper = keeper_of(world)
    wakeups = lambda: sum(
        int(line.split()[1]) for line in lxe.read_proc(keeper, "status").decode().splitlines()
        if "ctxt_switches" in line)
    settled(wakeups)
    before = wakeups()
    lxe.pause(1)
    assert wakeups() == before
    for _ in range(5):
        begun = time.monotonic()
        assert row(world)["state"] == "running"
        assert time.monotonic() - begun < 0.2 * lxe.SLACK
    assert wakeups() > before
    destroy(world)


def test_a_sandbox_runs_without_a_slot_as_well(world):
    path = world.run_dir / "slots"
    path.unlink(missing_ok=True)
    path.write_bytes(b"garbage")
    path.chmod(0o600)
    world.give(path)
    try:
        running(world, "sleep", "1000")
        log, = world.kept.glob("*/log")
        assert "unmeasured: " in log.read_text()
        destroy(world)
    finally:
        path.unlink()
