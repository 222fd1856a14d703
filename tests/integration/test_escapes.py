"""Attempts to get out of a sandbox, each of which fails: see escapes.py for what they do.

All of them are made by one program, as root and as a plain user, on a terminal and without one, as the
sandbox's own command, as a run's and as an exec's.
"""

import ctypes
import json
import os
import pty
import socket
import subprocess
from pathlib import Path

import pytest

import escapes
import lxe
from lxe import ok, refusal, stdout_of

SCRIPT = Path(escapes.__file__).read_text()
OUTPUT = "/tmp/lxe-outcome"
USERS = {"root": "0", "user": "1000"}
HOWS = ("init", "exec", "run")


class Host:
    """Things on the host that are there to be reached."""

    def __init__(self, world):
        libc = ctypes.CDLL(None)
        self.file = world.base / "secret"
        self.file.write_text("sesame")
        self.file.chmod(0o644)
        self.name = socket.socket(socket.AF_UNIX)
        self.name.bind("\0" + world.base.name)
        self.name.listen()
        self.port = socket.create_server(("127.0.0.1", 0))
        self.shm = Path("/dev/shm") / world.base.name
        self.shm.touch()
        self.key = 0x6C7865 + os.getpid()
        self.segment = libc.shmget(self.key, 4096, 0o1666)
        assert self.segment >= 0
        self.remove = lambda: libc.shmctl(self.segment, 0, None)

    def describe(self):
        disks = [line.split()[:2] for line in Path("/proc/partitions").read_text().splitlines()[2:]]
        return {
            "file": str(self.file),
            "socket": self.name.getsockname()[1:].decode(),
            "port": self.port.getsockname()[1],
            "shm": self.shm.name,
            "shm_key": self.key,
            "disks": [[int(major), int(minor)] for major, minor in disks][:4],
            "nested": bool(os.environ.get("LXE_AS_USER")),
            "processes": ["lxc-exec", "lxc-exec-keeper", "kthreadd", "systemd"],
        }

    def close(self):
        self.remove()
        self.name.close()
        self.port.close()
        self.shm.unlink()
        self.file.unlink()


def command(host, output=None):
    about = dict(host, output=output) if output else host
    if output:
        # Whoever waits for the outcome puts processes in, which are the keeper's until their execve.
        about["processes"] = [name for name in host["processes"] if name != "lxc-exec-keeper"]
    return ["python3", "-c", SCRIPT, json.dumps(about)]


def outcome_of(text):
    return json.loads(text.decode().strip().splitlines()[-1])


def from_pty(world, *words):
    with world.pty(*words) as terminal:
        assert terminal.wait() == 0, terminal.seen[-500:]
        return outcome_of(terminal.seen)


def from_pipe(world, *words):
    """Without a terminal of its own: stdin is the terminal of the caller."""
    master, slave = pty.openpty()
    try:
        return outcome_of(ok(world.run(*words, stdin=slave)).stdout)
    finally:
        os.close(master)
        os.close(slave)


def init_outcome(world, name):
    def look():
        result = world.run("exec", name, "--", "cat", OUTPUT)
        return result.stdout if result.returncode == 0 else None

    return outcome_of(lxe.poll_until(look, what="the outcome of the sandbox's own command"))


def attempt_all(world, host, user, terminal, options=()):
    """The outcomes of the three ways in, with the sandbox that `init` leaves behind for `exec`."""
    name, flag = f"lxe-escape-{user}-{terminal}", "-t" if terminal else "-T"
    start = ["sh", "-c", '"$@"; exec sleep 1000', "sh", *command(host, OUTPUT)]
    take = from_pty if terminal else from_pipe
    # Without a terminal it keeps what it was created with: a pipe would stay open as long as it lives.
    kept = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    ok(world.run("create", *options, "-u", USERS[user], flag, name, "--", *start, **kept))
    try:
        ok(world.run("start", name))
        return {
            "init": init_outcome(world, name),
            "exec": take(world, "exec", flag, "-u", USERS[user], name, "--", *command(host)),
            "run": take(world, "run", *options, flag, "-u", USERS[user], "--", *command(host)),
        }
    finally:
        ok(world.run("destroy", "--force", name))


@pytest.fixture(scope="module")
def host(session_world):
    host = Host(session_world)
    yield host.describe()
    host.close()


@pytest.fixture(scope="module")
def outcomes(session_world, host):
    """Everything is tried once; the tests look at what came of it."""
    found = {}
    for user in USERS:
        for terminal in (True, False):
            for how, outcome in attempt_all(session_world, host, user, terminal).items():
                found[f"{how}, {user}, {'pty' if terminal else 'script'}"] = outcome
    return found


@pytest.mark.parametrize("attempt", [function.__name__ for function in escapes.ATTEMPTS])
def test_no_way_out(world, outcomes, attempt):
    assert len(outcomes) == len(HOWS) * len(USERS) * 2
    reached = {way: found[attempt] for way, found in outcomes.items() if not found[attempt].startswith("refused")}
    assert not reached


@pytest.mark.parametrize("user", USERS)
def test_no_way_out_of_who_is_watched(world, host, user, tmp_path):
    """With --result the keeper is asked for what is denied: it must not let anything pass."""
    words = ("run", "--result", str(tmp_path / "record"), "-T", "-u", USERS[user], "--deny", "/opt", "--", *command(host))
    outcome = from_pipe(world, *words)
    assert not [attempt for attempt, what in outcome.items() if not what.startswith("refused")]
    assert json.loads((tmp_path / "record").read_text())["denied"] > 10


# Whoever is in the sandbox already looks at every process that is put into it, until it is the command:
# it has the keeper's program mapped and the keeper's descriptors open.
WATCH = """
import ctypes, json, os, sys
libc = ctypes.CDLL(None, use_errno=True)
sightings, reached = 0, []
ours = ("lxc-exec", "exe")  # an ordinary user's keeper has executed itself once more
me = str(os.getpid())
def seize(pid):
    # By somebody who ends at once: a tracer keeps the end of what it traces from everybody else.
    tracer = os.fork()
    if tracer == 0:
        os._exit(libc.ptrace(0x4206, pid, 0, 0) != 0)
    if os.waitpid(tracer, 0)[1]:
        raise OSError
print("watching", flush=True)
while sightings < 3 and not os.path.exists("/tmp/stop"):
    for pid in [name for name in os.listdir("/proc") if name.isdigit() and name not in ("1", me)]:
        try:
            if not open(f"/proc/{pid}/comm").read().startswith(ours):
                continue
        except OSError:
            continue
        for name, look in {
            "exe": lambda: os.open(f"/proc/{pid}/exe", os.O_RDONLY), "root": lambda: os.listdir(f"/proc/{pid}/root"),
            "environ": lambda: open(f"/proc/{pid}/environ", "rb").read(), "maps": lambda: open(f"/proc/{pid}/maps").read(),
            "mem": lambda: open(f"/proc/{pid}/mem", "rb"), "map_files": lambda: os.readlink(f"/proc/{pid}/map_files/" + os.listdir(f"/proc/{pid}/map_files")[0]),
            "fd": lambda: [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")][3],
            "ptrace": lambda: seize(int(pid)),
        }.items():
            try:
                look()
            except (OSError, IndexError):
                continue
            # What it is by now is what it was then, or it has become the command meanwhile.
            try:
                if open(f"/proc/{pid}/comm").read().startswith(ours):
                    reached.append(name)
            except OSError:
                pass
        try:
            sightings += open(f"/proc/{pid}/comm").read().startswith(ours)
        except OSError:
            pass
print(json.dumps({"sightings": sightings, "reached": sorted(set(reached))}), flush=True)
"""


# An ordinary user without a cgroup may not put anything into a sandbox that has SYS_ADMIN.
NOT_A_USERS = pytest.mark.roots("its exec is refused")
PRIVILEGED = pytest.param(["--cap-add", "ALL", "--new-privs"], id="privileged", marks=NOT_A_USERS)


@pytest.mark.parametrize("options", [pytest.param([], id="confined"), PRIVILEGED])
def test_what_is_put_in_cannot_be_looked_into(world, options):
    watcher = world.popen("run", "--name", "lxe-watch", *options, "--", "python3", "-c", WATCH)
    assert watcher.stdout.readline() == b"watching\n", watcher.stderr.read()
    for turn in range(200):
        user = "1000" if turn % 2 else "0"
        if world.run("exec", "-u", user, "lxe-watch", "--", "true").returncode or watcher.poll() is not None:
            break
    found = json.loads(watcher.communicate(timeout=lxe.DEADLINE)[0])
    assert found["sightings"] >= 3 and found["reached"] == []


# What the keeper reads of the sandbox's files, the sandbox can make into anything.
PASSWD = {
    "symlink": "ln -s {file} /etc/passwd",
    "relative symlink": "ln -s ../../../../../../../../../..{file} /etc/passwd",
    "symlink of a directory": "mv /etc /etc2; ln -s {directory} /etc",
    "magic link": "ln -s /proc/1/root{file} /etc/passwd",
    "loop": "ln -s passwd /etc/passwd",
    "FIFO": "mkfifo /etc/passwd",
    "directory": "mkdir /etc/passwd",
    "device": "ln -s /dev/zero /etc/passwd",
    "socket": "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"/etc/passwd\")'",
    "huge": "truncate -s 1T /etc/passwd",
    "binary": "head -c 500000 /dev/urandom > /etc/passwd",
    "wrong": 'printf "mallory:x:-1:0::/:/bin/sh\\nmallory:x:99999999999:0::/:\\nmallory:x:1:4294967295::/:\\nmallory" > /etc/passwd',
    "missing": "true",
}


def test_user_names_are_the_sandboxs_own(world):
    """--user is looked up in the sandbox's /etc/passwd, and never leaves it on the way there."""
    passwd = world.base / "passwd"
    passwd.write_text("mallory:x:0:0::/:/bin/sh\n")
    world.base.joinpath("etc").mkdir()
    world.base.joinpath("etc", "passwd").write_text(passwd.read_text())
    ok(world.run("create", "lxe-passwd", "--", "sleep", "1000"))
    ok(world.run("start", "lxe-passwd"))
    for kind, make in PASSWD.items():
        script = "rm -rf /etc2; test -L /etc && rm /etc && mkdir /etc; rm -rf /etc/passwd; " + make.format(
            file=passwd, directory=world.base / "etc"
        )
        ok(world.run("exec", "lxe-passwd", "--", "sh", "-c", script))
        refusal(world.run("exec", "-u", "mallory", "lxe-passwd", "--", "id"), says="no user 'mallory'")
        if kind not in ("FIFO", "huge", "device"):
            continue
        # Numbers need no file.
        assert stdout_of(world.run("exec", "-u", "7:8", "lxe-passwd", "--", "id", "-u")) == "7\n", kind
    own = "rm -rf /etc/passwd; echo mallory:x:77:78::/var:/bin/sh > /etc/passwd"
    ok(world.run("exec", "lxe-passwd", "--", "sh", "-c", own))
    shown = world.run("exec", "-u", "mallory", "lxe-passwd", "--", "sh", "-c", "id -u; id -g; id -G; pwd")
    assert stdout_of(shown) == "77\n78\n78\n/var\n"
    ok(world.run("destroy", "--force", "lxe-passwd"))
    passwd.unlink()


def test_working_directories_are_the_sandboxs_own(world, host):
    links = "ln -s / /var/up; ln -s /proc/1/root /var/one; ln -s {0} /var/host".format(os.path.dirname(host["file"]))
    ok(world.run("create", "lxe-cwd", "--", "sleep", "1000"))
    ok(world.run("start", "lxe-cwd"))
    ok(world.run("exec", "lxe-cwd", "--", "sh", "-c", links))
    for where in ("/var/up/../..", "/proc/self/root", "/proc/self/cwd"):
        look = world.run("exec", "-w", where, "lxe-cwd", "--", "sh", "-c", "stat -c %d:%i . /; ls secret")
        places = look.stdout.decode().split()
        assert look.returncode == 2 and (places[0] == places[1] or "cwd" in where), (where, look)
    for where in ("/var/one", "/var/host", "/proc/1/cwd"):
        refusal(world.run("exec", "-w", where, "lxe-cwd", "--", "true"), says="change to the working directory")
    ok(world.run("destroy", "--force", "lxe-cwd"))


def test_a_swapped_symlink_leads_nowhere(world):
    """The sandbox exchanges a file for a link to the host's, while the keeper opens it again and again."""
    passwd = world.base / "passwd"
    passwd.write_text("mallory:x:0:0::/:/bin/sh\n")
    swap = f"""
import ctypes, os
libc = ctypes.CDLL(None)
open("/etc/a", "w").write("alice:x:5:5::/:/bin/sh\\n"); os.symlink("{passwd}", "/etc/passwd2")
os.rename("/etc/a", "/etc/passwd")
print("swapping", flush=True)
while True:
    libc.renameat2(-100, b"/etc/passwd", -100, b"/etc/passwd2", 2)
"""
    swapper = world.popen("run", "--name", "lxe-swap", "--", "python3", "-c", swap)
    assert swapper.stdout.readline() == b"swapping\n", swapper.stderr.read()
    results = [world.run("exec", "-u", "mallory", "lxe-swap", "--", "true") for _ in range(40)]
    found = [world.run("exec", "-u", "alice", "lxe-swap", "--", "true").returncode for _ in range(40)]
    swapper.terminate()
    swapper.communicate(timeout=lxe.DEADLINE)
    assert {result.returncode for result in results} == {125}
    assert set(found) == {0, 125}, "the swap was not seen in both of its states"
    passwd.unlink()


ALL = ("--cap-add", "ALL", "--new-privs", "--seccomp", "unconfined")


@pytest.fixture(scope="module")
def with_everything(session_world, host):
    """The outcomes of a run that was given whatever can be given, by a caller whose keyring has a key."""
    libc, number = ctypes.CDLL(None, use_errno=True), escapes.NUMBERS
    key = session_world.base.name.encode()
    # For this process alone: a session keyring of its own.
    assert libc.syscall(number["keyctl"], 1, None) > 0
    assert libc.syscall(number["add_key"], b"user", key, b"sesame", 6, -3) > 0
    assert libc.syscall(number["keyctl"], 10, -3, b"user", key, 0) > 0
    return from_pipe(session_world, "run", *ALL, "-T", "--", *command(dict(host, key=key.decode())))


@pytest.mark.parametrize("attempt", [function.__name__ for function in escapes.PRIVILEGED])
def test_the_host_is_out_of_reach_of_all_privileges(world, with_everything, attempt):
    assert with_everything[attempt].startswith("refused")


def test_the_attempts_can_succeed(world, host):
    """Where nothing stands in their way they get somewhere: or their failing would prove nothing."""
    found = from_pipe(world, "run", *ALL, "-T", "--", *command(host))
    reached = {name for name, outcome in found.items() if not outcome.startswith("refused")}
    assert reached >= {"mounts", "unmask", "namespaces", "setns", "keys", "kernel", "clocks", "capabilities", "pid_1"}


@NOT_A_USERS
def test_who_takes_the_masks_away_gets_no_further_command(world):
    script = "umount /proc/kallsyms && echo away; exec sleep 1000"
    ok(world.run("create", *ALL, "lxe-unmask", "--", "sh", "-c", script))
    ok(world.run("start", "lxe-unmask"))
    lxe.poll_until(lambda: b"away" in world.run("logs", "lxe-unmask").stdout, what="the mask's end")
    refusal(world.run("exec", "lxe-unmask", "--", "true"), says="find covered")
    ok(world.run("destroy", "--force", "lxe-unmask"))
