"""What a bench makes on the machine, and how all of it goes away again, also after Ctrl-C.

Directories lie below /run, where both lxc-exec and runc keep their sandboxes by default, and below
/var/tmp for images. Everything that is named gets the tag of this process.
"""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import measure

CGROUPS = Path("/sys/fs/cgroup")
# What other programs make beside what they were asked for, where it was not there before.
# The inner ones first; below its lock directory liblxc repeats the path that it was given.
SIDE_EFFECTS = (
    "/run/lxc/lock/run",
    "/run/lxc/lock/var/tmp",
    "/run/lxc/lock/var",
    "/run/lxc/lock",
    "/run/lxc",
    "/run/systemd/nspawn/locks",
    "/run/systemd/nspawn/propagate",
    "/run/systemd/nspawn",
    "/run/systemd",
)


def cgroup_dirs():
    """Every cgroup, the inner ones first."""
    for path, _, _ in os.walk(CGROUPS, topdown=False):
        yield Path(path)


def try_rmdir(path):
    with contextlib.suppress(OSError):
        os.rmdir(path)


def adopt_orphans():
    """From now on they are our children (PR_SET_CHILD_SUBREAPER), so that we know when they end."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


def reap(timeout=10.0):
    """Waits for all children, and ends those that are there too long."""
    end, killed = time.monotonic() + timeout, False
    while True:
        try:
            ended = os.waitpid(-1, os.WNOHANG)[0]
        except ChildProcessError:
            return
        if not ended:
            measure.pause(0.01)
        if time.monotonic() > end and not killed:
            killed = True
            for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
                os.kill(int(pid), signal.SIGKILL)


def is_tmpfs(path):
    """As /run is on every host with systemd, for us and for whom we are compared with."""
    rows = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [row[2] for row in rows if row[1] == path][-1:] == ["tmpfs"]


class Workspace:
    def __init__(self, binary):
        self.binary = binary
        self.tag = f"lxebench-{os.getpid()}"
        self.stack = contextlib.ExitStack()
        self.absent = [path for path in SIDE_EFFECTS if not os.path.exists(path)]
        self.pivots = {path for path in cgroup_dirs() if path.name == "lxc.pivot"}

    def __enter__(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.interrupted)
        self.stack.callback(self.remove_side_effects)
        self.disk = self.directory("/var/tmp")
        self.run = self.directory("/run" if is_tmpfs("/run") else "/dev/shm")
        self.state = self.subdirectory(self.disk, "state")
        self.sandboxes = self.subdirectory(self.run, "lxc-exec")
        self.env = {
            "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            "HOME": str(self.disk),
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            "LXC_EXEC_STATE_DIR": str(self.state),
            "LXC_EXEC_RUN_DIR": str(self.sandboxes),
        }
        self.stack.callback(reap)
        self.stack.callback(self.gc)
        return self

    def __exit__(self, *_):
        # Whoever is impatient now would only leave things behind.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self.stack.close()
        for left in self.leftovers():
            print(f"bench: left behind: {left}", file=sys.stderr)

    @staticmethod
    def interrupted(number, _):
        sys.exit(128 + number)

    def directory(self, parent):
        path = Path(tempfile.mkdtemp(prefix=f"{self.tag}-", dir=parent))
        path.chmod(0o711)
        self.stack.callback(shutil.rmtree, path, ignore_errors=True)
        return path

    @staticmethod
    def subdirectory(parent, name):
        path = parent / name
        path.mkdir()
        path.chmod(0o711)
        return path

    def lxc_exec(self, *words):
        return [str(self.binary), *words]

    def call(self, *argv, timeout=measure.DEADLINE):
        """A helping program; what it says on stderr becomes the error."""
        process = subprocess.Popen(
            argv, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        try:
            out, error = process.communicate(timeout=timeout)
        except BaseException:
            # What it leaves running still writes below our directories: reap() waits for that.
            adopt_orphans()
            process.terminate()
            process.communicate()
            raise
        if process.returncode:
            raise measure.Failed(f"{os.path.basename(argv[0])}: {last_line(error)}")
        return out.decode()

    def gc(self):
        """What a bench that broke off left running is ended, too: its directories are about to go."""
        with contextlib.suppress(measure.Failed, ValueError):
            for one in json.loads(self.call(*self.lxc_exec("ps", "--format", "json"))):
                with contextlib.suppress(measure.Failed):
                    self.call(*self.lxc_exec("destroy", "--force", one["id"]))
        with contextlib.suppress(measure.Failed):
            self.call(*self.lxc_exec("gc"))

    def remove_side_effects(self):
        for path in cgroup_dirs():
            if self.tag in path.name or path.name == "lxc.pivot" and path not in self.pivots:
                try_rmdir(path)
        for top in ("/run/lxc/lock", "/run/systemd/nspawn"):
            for path, _, _ in os.walk(top, topdown=False):
                if self.tag in path:
                    try_rmdir(path)
        for path in self.absent:
            try_rmdir(path)

    def leftovers(self):
        yield from (path for path in cgroup_dirs() if self.tag in path.name)
        for top in ("/run", "/var/tmp"):
            yield from (path for path in Path(top).iterdir() if self.tag in path.name)
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            if self.tag in line:
                yield f"mount {line}"


def last_line(text):
    lines = text.decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "failed and said nothing"
