"""An ordinary user's network: through slirp4netns or pasta, without rules, or not at all."""

import os
import signal
import stat
from pathlib import Path

import lxe
import netlab
import pytest


METADATA = "169.254.169.254"

# Datagrams in packets made by hand, each sort to the metadata first and then to who may be reached and answers.
BY_HAND = r"""
import contextlib, socket, struct, sys
def add(words):
    total = sum(struct.unpack("!%dH" % (len(words) // 2), words))
    return ~((total & 0xffff) + (total >> 16)) & 0xffff
def packet(to, port):
    data = struct.pack("!HHHH4s", port, 53, 12, 0, b"hand")
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 32, 1, 0, 64, 17, 0, me4, socket.inet_aton(to))
    return head[:10] + struct.pack("!H", add(head)) + head[12:] + data
def frames(mine):
    while True:
        frame = ear.recv(70000)
        if mine(frame):
            return frame
ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
ear.bind(("eth0", 0))
ear.settimeout(20)
me, me4, gateway = ear.getsockname()[4], bytes([10, 0, 2, 100]), bytes([10, 0, 2, 2])
ear.send(b"\xff" * 6 + me + struct.pack("!HHHBBH6s4s6s4s", 0x806, 1, 0x800, 6, 4, 1, me, me4, bytes(6), gateway))
router = frames(lambda f: f[12:14] == b"\x08\x06" and f[20:22] == b"\0\2")[6:12]
port = 4000
for sort in (socket.SOCK_RAW, socket.SOCK_DGRAM):
    for bypass in (0, 1):
        for proto in (0, 0x800):
            s = socket.socket(socket.AF_PACKET, sort, 0)
            s.setsockopt(263, 20, bypass)
            port += 1
            for to in sys.argv[1:]:
                raw = router + me + b"\x08\0" if sort == socket.SOCK_RAW else b""
                number = 0x800 if sort == socket.SOCK_DGRAM else proto
                with contextlib.suppress(OSError):
                    s.sendto(raw + packet(to, port), ("eth0", number, 0, 0, router))
            frames(lambda f: f[26:30] == socket.inet_aton(to) and f[36:38] == struct.pack("!H", port))
print("all")
"""

BOUND = """
import socket
for device in (b"", b"eth0"):
    with socket.socket() as s:
        s.settimeout(0.3)
        s.setsockopt(socket.SOL_SOCKET, 25, device)
        try:
            s.connect(("%s", 80))
            print("through")
        except OSError as e:
            print(type(e).__name__)
"""


class UserOnHost(lxe.World):
    """A user's world on a lab's host, where /dev/net/tun is for everybody, as udev leaves it."""

    def __init__(self, lab, user, program):
        super().__init__(user=user)
        self.program = program
        self.lab = lab
        self.tun = self.base / "tun"
        os.mknod(self.tun, 0o666 | stat.S_IFCHR, os.makedev(10, 200))
        self.tun.chmod(0o666)
        lab.binds = [(self.tun, "/dev/net/tun"), *self.hidden(program)]

    @staticmethod
    def hidden(*programs):
        """slirp4netns is taken where both are there."""
        return [] if "slirp4netns" in programs else [("/dev/null", "/usr/bin/slirp4netns")]

    def as_whom(self, popen):
        def become():
            self.lab.enter()
            os.setgroups([])
            os.setresgid(*[self.user.gid] * 3)
            os.setresuid(*[self.user.uid] * 3)

        return {"preexec_fn": become, **popen}


def is_confined():
    """Debian 12's AppArmor profile of passt, which is pasta too, keeps it out of namespaces (vm_apparmor.py)."""
    loaded = Path("/sys/kernel/security/apparmor/profiles")
    return loaded.exists() and "passt (enforce)" in loaded.read_text()


@pytest.fixture(scope="module", params=["slirp4netns", *([] if is_confined() else ["pasta"])])
def world(request):
    user = lxe.User()
    with netlab.NetLab() as lab:
        world = UserOnHost(lab, user, request.param)
        world.server = lab.tcp(lab.inet, 80)
        lab.inet.ip(f"route add local {METADATA}/32 dev lo")
        world.names = lab.udp(lab.inet, 53)
        world.local = lab.tcp(lab.host, 8080, address="127.0.0.1")
        yield world
        world.close()
    user.remove()


@pytest.fixture(autouse=True)
def clean(world):
    yield
    world.assert_clean(timeout=2.0 * lxe.SLACK)


ASK = "exec 3<>/dev/tcp/%s && echo hello >&3 && cat <&3"


def test_open_reaches_the_internet(world):
    result = world.run("run", "--network", "open", "--", "bash", "-c", ASK % "203.0.113.5/80")
    assert lxe.stdout_of(result) == "tcp 80 203.0.113.5 hello\n"
    assert world.server.heard == [(netlab.HOST4, b"hello\n")]


def test_the_hosts_loopback_is_out_of_reach(world):
    """slirp4netns refuses it; pasta asks the internet, which says nothing."""
    ask = ["timeout", lxe.span(1000).replace("ms", "e-3"), "bash", "-c"]
    for address in ("10.0.2.2", "127.0.0.1", "10.0.2.100"):
        assert world.run("run", "--network", "open", "--", *ask, ASK % f"{address}/8080").returncode
    assert not world.local.heard


def test_metadata_is_out_of_reach(world):
    """At once for whoever asks as programs do, and for root inside who makes his own packets."""
    before, datagrams = len(world.server.heard), len(world.names.heard)
    result = world.run("run", "--network", "open", "--", "python3", "-c", BOUND % METADATA)
    assert lxe.stdout_of(result).split() == ["PermissionError", "TimeoutError"]
    assert len(world.server.heard) == before
    result = world.run("run", "--network", "open", "--", "python3", "-c", BY_HAND, METADATA, "203.0.113.5")
    assert lxe.stdout_of(result) == "all\n"
    assert len(world.names.heard) == datagrams + 8


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
    hidden = world.hidden(world.program)
    world.lab.binds, before = [("/dev/null", "/dev/net/tun"), *hidden], world.lab.binds
    try:
        lxe.refusal(world.run("run", "--network", "open", "--", "true"), 125, f"{world.program}: ")
    finally:
        world.lab.binds = before


def test_a_killed_keeper_takes_it_along(world):
    process = world.popen("run", "--network", "open", "--", "sh", "-c", "echo up; cat", stdin=-1)
    with process:
        assert process.stdout.readline() == b"up\n"
        assert len(programs(world)) == 1
        lxe.kill(world.keeper())
        process.stdin.close()
        process.wait(lxe.DEADLINE)
    lxe.poll_until(lambda: not programs(world), what="their end")


def test_what_ends_it_with_the_keeper_is_given_the_time(world):
    """pasta forgets that it is to end with its parent, which sees to it, and must not be killed before."""
    process = world.popen("run", "--network", "open", "--", "sh", "-c", "echo up; cat", stdin=-1)
    with process:
        assert process.stdout.readline() == b"up\n"
        program, keeper = *programs(world), world.keeper()
        parent = lxe.parent_of(program)
        if parent != keeper:
            os.kill(parent, signal.SIGSTOP)
        lxe.kill(keeper)
        lxe.pause(0.5)
        if parent != keeper:
            os.kill(parent, signal.SIGCONT)
        process.stdin.close()
        process.wait(lxe.DEADLINE)
    lxe.poll_until(lambda: not programs(world), what="their end")


def programs(world):
    """What makes the networks of this world's sandboxes."""
    found = [pid for pid in lxe.all_pids() if world.user.owns(pid)]
    return [pid for pid in found if lxe.read_proc(pid, "cmdline").startswith((b"slirp4netns\0", b"pasta\0"))]


def test_where_there_is_neither_it_is_said(world):
    hidden = [("/dev/null", f"/usr/bin/{name}") for name in ("slirp4netns", "pasta")]
    world.lab.binds, before = hidden, world.lab.binds
    try:
        lxe.refusal(world.run("run", "--network", "open", "--", "true"), 125, "'slirp4netns' or 'pasta'.*\nhint: ")
    finally:
        world.lab.binds = before
