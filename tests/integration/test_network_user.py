"""An ordinary user's network: through slirp4netns, without rules, or not at all."""

import os
import stat

import lxe
import netlab
import pytest


class UserOnHost(lxe.World):
    """A user's world on a lab's host, where /dev/net/tun is for everybody, as udev leaves it."""

    def __init__(self, lab, user):
        super().__init__(user=user)
        self.lab = lab
        self.tun = self.base / "tun"
        os.mknod(self.tun, 0o666 | stat.S_IFCHR, os.makedev(10, 200))
        self.tun.chmod(0o666)
        lab.binds = [(self.tun, "/dev/net/tun")]

    def as_whom(self, popen):
        def become():
            self.lab.enter()
            os.setgroups([])
            os.setresgid(*[self.user.gid] * 3)
            os.setresuid(*[self.user.uid] * 3)

        return {"preexec_fn": become, **popen}


@pytest.fixture(scope="module")
def world():
    user = lxe.User()
    with netlab.NetLab() as lab:
        world = UserOnHost(lab, user)
        world.server = lab.tcp(lab.inet, 80)
        world.local = lab.tcp(lab.host, 8080, address="127.0.0.1")
        yield world
        world.close()
    user.remove()


@pytest.fixture(autouse=True)
def clean(world):
    yield
    world.assert_clean(timeout=2.0 * lxe.SLACK)


ASK = "exec 3<>/dev/tcp/%s && echo hello >&3 && cat <&3"


def test_open_reaches_the_internet_through_slirp4netns(world):
    result = world.run("run", "--network", "open", "--", "bash", "-c", ASK % "203.0.113.5/80")
    assert lxe.stdout_of(result) == "tcp 80 203.0.113.5 hello\n"
    assert world.server.heard == [(netlab.HOST4, b"hello\n")]


def test_the_hosts_loopback_is_out_of_reach(world):
    result = world.run("run", "--network", "open", "--", "bash", "-c", ASK % "10.0.2.2/8080")
    assert result.returncode and not world.local.heard


def test_exec_and_the_resolver(world):
    lxe.ok(world.run("create", "--network", "open", "web", "--", "sleep", "1000"))
    lxe.ok(world.run("start", "web"))
    result = world.run("exec", "web", "--", "cat", "/etc/resolv.conf")
    assert "nameserver 10.0.2.3" in lxe.stdout_of(result)
    result = world.run("exec", "web", "--", "bash", "-c", ASK % "203.0.113.5/80")
    assert lxe.stdout_of(result) == "tcp 80 203.0.113.5 hello\n"
    lxe.ok(world.run("destroy", "--force", "web"))


@pytest.mark.parametrize(
    "options",
    [
        ["--network", "filtered"],
        ["--allow", "tcp://203.0.113.5:80"],
        ["--network", "open", "--deny-net", "203.0.113.5"],
        ["--network", "open", "--publish", "8000:80"],
        ["--network", "open", "--subnet", "10.99.0.0/24"],
        ["--network", "open", "--allow", "203.0.113.5"],
    ],
)
def test_what_only_root_can_enforce_is_refused(world, options):
    lxe.refusal(world.run("run", *options, "--", "true"), 125, "needs root: .*\nhint: ")


def test_without_the_device_it_is_said(world):
    world.lab.binds, before = [("/dev/null", "/dev/net/tun")], world.lab.binds
    try:
        lxe.refusal(world.run("run", "--network", "open", "--", "true"), 125, "slirp4netns: ")
    finally:
        world.lab.binds = before


def test_a_killed_keeper_takes_it_along(world):
    process = world.popen("run", "--network", "open", "--", "sh", "-c", "echo up; cat", stdin=-1)
    with process:
        assert process.stdout.readline() == b"up\n"
        lxe.kill(world.keeper())
        process.stdin.close()
        process.wait(lxe.DEADLINE)
