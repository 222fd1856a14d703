"""What `doctor --fix USER` writes is what a user needs. Only a host with systemd shows it: see scripts/vmtest."""

import subprocess
from pathlib import Path

import pytest

import lxe
from lxe import ok, refusal

pytestmark = pytest.mark.roots("it makes users of its own")

DROP_IN = Path("/etc/systemd/system/user@.service.d/lxc-exec.conf")
LIMITS = {
    "--cpus=0.5": ("cpu.max", "50000 100000"),
    "--cpuset=0": ("cpuset.cpus", "0"),
    "--memory=64M": ("memory.max", str(64 << 20)),
    "--pids=50": ("pids.max", "50"),
}


@pytest.fixture
def somebody():
    """Freshly made, with no ids to give away, on a host where nothing was fixed before."""
    DROP_IN.unlink(missing_ok=True)
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    user = lxe.User(logs_in=False)
    span = f"{user.ids.start}-{user.ids.stop - 1}"
    lxe.change_accounts(["usermod", "--del-subuids", span, "--del-subgids", span, user.name])
    yield user
    user.remove()
    DROP_IN.unlink(missing_ok=True)
    subprocess.run(["systemctl", "daemon-reload"], check=True)


@pytest.fixture
def his(somebody):
    world = lxe.World(user=somebody)
    yield world
    try:
        world.assert_clean(timeout=5.0 * lxe.SLACK)
    finally:
        world.close()


def fix(world):
    done = ok(world.run("doctor", "--fix", world.user.name, user=0, group=0, extra_groups=[]))
    user = world.user
    for line in Path("/etc/subuid").read_text().splitlines():
        if line.startswith(f"{user.name}:"):
            user.ids = range(int(line.split(":")[1]), int(line.split(":")[1]) + 65536)
    return done.stdout.decode()


def group_of(pid):
    path = lxe.read_proc(pid, "cgroup").decode().strip().split("::")[1]
    return Path(f"/sys/fs/cgroup{path}").parent


def assert_all_limits_hold(world):
    process = world.popen("run", *LIMITS, "--", "sh", "-c", "echo up; exec sleep 1000")
    assert process.stdout.readline() == b"up\n", process.stderr.read()
    sleeping = [p for p in world.our_processes() if lxe.read_proc(p, "cmdline").startswith(b"sleep")]
    group = group_of(sleeping[0])
    found = {name: (group / name).read_text().strip() for name, _ in LIMITS.values()}
    process.terminate()
    assert process.wait(lxe.DEADLINE) == 143
    # Our own pid 1 and its monitor are not the command's.
    assert 50 <= int(found.pop("pids.max")) <= 53
    assert found == {name: value for name, value in LIMITS.values() if name in found}, group


def test_who_logs_in_afterwards_has_all_limits(his):
    refusal(his.run("run", "--", "true"), 125, "gives no 65536 ids[^$]*hint: as root: lxc-exec doctor --fix")
    told = fix(his)
    assert f"gave {his.user.ids.start}-" in told and f"{DROP_IN}: " in told, told
    his.user.log_in()
    assert_all_limits_hold(his)
    assert "FAIL" not in ok(his.run("doctor")).stdout.decode()


def test_who_was_logged_in_has_them_after_his_next_login(his):
    his.user.log_in()
    fix(his)
    ok(his.run("run", "--memory=64M", "--pids=50", "--", "true"))
    refused = his.run("run", "--cpuset=0", "--", "true")
    if refused.returncode:
        refusal(refused, 125, "--cpuset cannot be enforced: .*not delegated[^$]*hint: ")
    his.user.log_out()
    his.user.log_in()
    assert_all_limits_hold(his)
    assert "is there already" in fix(his)
