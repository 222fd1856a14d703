"""Drives the built program the way its users do: over plain pipes, and over a pty.

A World owns a state and a run directory of its own, so that nothing here meets the sandboxes of
anybody else, and knows the ids of all sandboxes that were made in it. Nothing sleeps: what has to
happen is waited for with a deadline, on descriptors where there is one.
"""

import contextlib
import ctypes
import fcntl
import os
import pwd
import pty as pty_module
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
BIN = Path(os.environ.get("LXE_BIN", TOP / "build" / "lxc-exec")).resolve()
IS_ASAN = "asan" in BIN.parts
# Instrumented programs on a busy machine: what must be quick is allowed to be this much slower.
SLACK = float(os.environ.get("LXE_SLOW") or (4.0 if IS_ASAN else 1.0))
KERNEL = tuple(int(part) for part in re.match(r"(\d+)\.(\d+)", os.uname().release).groups())
DEADLINE = 30.0 * SLACK
# Of a machine, not of a build: what a command is to get done before its time is over takes so much longer.
PACE = max(1.0, float(os.environ.get("LXE_SLOW") or 1.0))
# With client and keeper dead, their processes are the host's pid 1's to reap, and it takes its time.
ORPHANS = 20.0

IN_CREATE, IN_ISDIR = 0x100, 0x40000000


def span(ms):
    """A limit of time that what runs under it is to have begun within."""
    return f"{int(ms * PACE)}ms"


def pause(seconds):
    """Lets time pass, where the passing of time itself is the subject."""
    select.select([], [], [], seconds)


def poll_until(condition, timeout=DEADLINE, interval=0.002, what="a condition"):
    """Asks again and again until the answer is true, and returns it; too late is a failure."""
    end = time.monotonic() + timeout
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < end, f"{what}: not within {timeout} s"
        pause(interval)


def read_proc(pid, name):
    """A file of /proc/PID, or nothing when the process is gone."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def all_pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def process_state(pid):
    stat = read_proc(pid, "stat")
    return stat.rsplit(b")", 1)[-1].split()[:1][0].decode() if stat else ""


def parent_of(pid):
    stat = read_proc(pid, "stat")
    return int(stat.rsplit(b")", 1)[-1].split()[1]) if stat else 0


def is_alive(pid):
    return process_state(pid) not in ("", "Z", "X")


def is_ended(pid):
    """Has it given back its memory, and is only waited for? The end of a zombie, or of a pid namespace."""
    try:
        os.readlink(f"/proc/{pid}/exe")
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def kill(pid):
    """Dead when this returns: a signal is only on its way when kill(2) does."""
    os.kill(pid, signal.SIGKILL)
    poll_until(lambda: not is_alive(pid), what=f"the end of process {pid}")


def link_target(path):
    try:
        return os.readlink(path)
    except OSError:
        return ""


class DirectoryWatch:
    """The names of all directories that were ever made in one directory (inotify(7))."""

    def __init__(self, path):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self.libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert self.fd >= 0, os.strerror(ctypes.get_errno())
        watch = self.libc.inotify_add_watch(self.fd, os.fsencode(path), IN_CREATE)
        assert watch >= 0, os.strerror(ctypes.get_errno())

    def take(self):
        names = set()
        while True:
            try:
                data = os.read(self.fd, 65536)
            except BlockingIOError:
                return names
            at = 0
            while at < len(data):
                _, mask, _, size = struct.unpack_from("iIII", data, at)
                name = data[at + 16 : at + 16 + size].split(b"\0")[0].decode()
                at += 16 + size
                if mask & IN_ISDIR:
                    names.add(name)

    def close(self):
        os.close(self.fd)


def change_accounts(command):
    """Whoever finds /etc/passwd locked by another is told to come again."""
    poll_until(lambda: subprocess.run(command, capture_output=True).returncode == 0, what=str(command))


class User:
    """An account of this machine that exists for the tests, with ids to give to its sandboxes."""

    def __init__(self, logs_in=True):
        self.name = f"lxe-test-{os.urandom(3).hex()}"
        self.home = Path(f"/var/tmp/{self.name}")
        command = ["useradd", "--create-home", "--home-dir", str(self.home), "--shell", "/bin/sh"]
        change_accounts([*command, self.name])
        entry = pwd.getpwnam(self.name)
        self.uid, self.gid = entry.pw_uid, entry.pw_gid
        self.home.chmod(0o700)
        self.ids = range(self.range_start(), self.range_start() + 65536)
        self.has_group = False
        self.has_manager = False
        if logs_in and Path("/run/systemd/system").is_dir():
            self.log_in()

    def log_in(self):
        """With systemd: from now on he has a service manager of his own."""
        subprocess.run(["loginctl", "enable-linger", self.name], check=True)
        bus = Path(f"/run/user/{self.uid}/bus")
        poll_until(bus.exists, DEADLINE * 4, 0.1, what=str(bus))
        self.has_manager = True

    def log_out(self):
        subprocess.run(["loginctl", "disable-linger", self.name], check=True)
        subprocess.run(["loginctl", "terminate-user", self.name], capture_output=True)
        manager = ["systemctl", "is-active", "--quiet", f"user@{self.uid}.service"]
        poll_until(lambda: subprocess.run(manager).returncode, DEADLINE * 4, 0.1, what="his logout")
        self.has_manager = False

    def range_start(self):
        for line in Path("/etc/subuid").read_text().splitlines():
            name, start, count = line.split(":")
            if name == self.name and int(count) >= 65536:
                return int(start)
        raise AssertionError(f"useradd gave {self.name} no line in /etc/subuid")

    def owns(self, pid):
        # His manager, its bus and what else it starts are no sandbox.
        if b"/init.scope" in read_proc(pid, "cgroup") or b".service\n" in read_proc(pid, "cgroup"):
            return False
        status = read_proc(pid, "status").decode(errors="replace")
        uids = re.search(r"^Uid:\t(\d+)", status, re.M)
        return bool(uids) and (int(uids[1]) == self.uid or int(uids[1]) in self.ids)

    @contextlib.contextmanager
    def delegation(self):
        """Groups of his own, as root may give them to him where there is no service manager (cgroup v1)."""
        if self.has_manager:
            yield
            return
        lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
        homes = [cgroup_mount(names) / path.strip("/") for _, names, path in lines if cgroup_mount(names)]
        groups = [home / f"of-{self.name}" for home in homes]
        for group in groups:
            group.mkdir()
            for path in (group, *group.iterdir()):
                if path == group or path.name in ("tasks", "cgroup.procs"):
                    os.chown(path, self.uid, self.gid)
            if (group / "cpuset.cpus").exists():
                for name in ("cpuset.cpus", "cpuset.mems"):
                    (group / name).write_text((group.parent / name).read_text())
            (group / "cgroup.procs").write_text(str(os.getpid()))
        self.has_group = True
        try:
            yield
        finally:
            self.has_group = False
            for home, group in zip(homes, groups):
                (home / "cgroup.procs").write_text(str(os.getpid()))
                group.rmdir()

    def popen(self):
        """What makes a subprocess that user's: no group of the caller's stays."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def remove(self):
        if self.has_manager:
            self.log_out()
        change_accounts(["userdel", "--remove", self.name])


def reachable(path):
    """Can an ordinary user get there?"""
    return all(p.stat().st_mode & 0o001 for p in path.resolve().parents)


class World:
    """A state and a run directory, the environment that selects them, and what was made in them."""

    def __init__(self, strict=False, user=None):
        self.user = user
        self.base = Path(tempfile.mkdtemp(prefix="lxe-test-", dir="/var/tmp"))
        self.base.chmod(0o711)
        self.state, self.run_dir = self.base / "state", self.base / "run"
        self.sanitizer_logs = self.base / "logs"
        self.sandboxes, self.kept = self.run_dir / "sandboxes", self.state / "sandboxes"
        for path in (self.state, self.run_dir, self.sandboxes, self.kept, self.sanitizer_logs):
            path.mkdir()
            path.chmod(0o700 if user else 0o711)
            if user:
                os.chown(path, user.uid, user.gid)
        self.binary = BIN if not user or reachable(BIN) else self.copy_of_the_build() / BIN.name
        self.watches = [DirectoryWatch(self.sandboxes), DirectoryWatch(self.kept)]
        self.ids = set()
        self.images = {self.base}
        self.strict = strict
        self.strict_before = whole_machine() if strict else set()

    def binary_for_others(self):
        """What is below a directory of root's alone is copied."""
        return self.binary if self.user or reachable(BIN) else self.copy_of_the_build() / BIN.name

    def copy_of_the_build(self):
        tree = self.base / "build"
        tree.mkdir(mode=0o755)
        for path in BIN.parent.iterdir():
            if path.name.startswith(("lxc-exec", "liblxc-exec")) and path.is_file():
                shutil.copy(path, tree)
            elif path.name in ("lxc-templates", "conf"):
                shutil.copytree(path, tree / path.name)
        return tree

    def as_whom(self, popen):
        return {**self.user.popen(), **popen} if self.user else popen

    @property
    def has_cgroup(self):
        """Are limits and figures of the kernel's cgroups to be had? Root's always, a user's from his manager."""
        return not self.user or self.user.has_manager or self.user.has_group

    def refuses_limits(self, result):
        """Where a user has no cgroup, what asks for a limit does not begin: that is the test then."""
        if not self.has_cgroup:
            says = r"--\w+ cannot be enforced: the cgroup controller '.*' is not delegated[^$]*hint: "
            refusal(result, 125, says)
        return not self.has_cgroup

    def give(self, path):
        """To whoever runs the program."""
        if self.user:
            os.chown(path, self.user.uid, self.user.gid)

    @contextlib.contextmanager
    def identity(self):
        """What is done within is done by whoever runs the program."""
        if self.user:
            os.seteuid(self.user.uid)
        try:
            yield
        finally:
            if self.user:
                os.seteuid(0)

    def strace(self, *options):
        """The words before a program under strace(1), which root runs for whom it is: setuid works then."""
        whose = ["-u", self.user.name] if self.user else []
        return ["strace", *whose, "-qq", *([] if "-o" in options else ["-o", "/dev/null"]), *options]

    def env_without_leak_check(self):
        """LeakSanitizer looks by a child of its own, which nobody may kill, and does not work under strace(1)."""
        env = self.env()
        if IS_ASAN:
            env["ASAN_OPTIONS"] += ":detect_leaks=0"
        return env

    def env(self, **more):
        env = {
            "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            "HOME": str(self.user.home) if self.user else "/root",
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "LXC_EXEC_STATE_DIR": str(self.state),
            "LXC_EXEC_RUN_DIR": str(self.run_dir),
        }
        if IS_ASAN:
            logs = self.sanitizer_logs
            env["ASAN_OPTIONS"] = f"log_path={logs}/asan:detect_leaks=1"
            env["UBSAN_OPTIONS"] = f"log_path={logs}/ubsan:print_stacktrace=1"
        env.update(more)
        return {name: value for name, value in env.items() if value is not None}

    def run(self, *args, input=None, timeout=DEADLINE, env=None, binary=None, **popen):
        """lxc-exec ARGS to its end: a CompletedProcess whose stdout and stderr are bytes."""
        if input is None and "stdin" not in popen:
            popen["stdin"] = subprocess.DEVNULL
        popen.setdefault("stdout", subprocess.PIPE)
        popen.setdefault("stderr", subprocess.PIPE)
        return subprocess.run(
            [str(binary or self.binary), *args],
            input=input,
            timeout=timeout,
            env=env or self.env(),
            **self.as_whom(popen),
        )

    def popen(self, *args, env=None, binary=None, **popen):
        popen.setdefault("stdin", subprocess.DEVNULL)
        popen.setdefault("stdout", subprocess.PIPE)
        popen.setdefault("stderr", subprocess.PIPE)
        return subprocess.Popen(
            [str(binary or self.binary), *args], env=env or self.env(), **self.as_whom(popen)
        )

    def pty(self, *args, env=None, binary=None, **options):
        if self.user:
            options.setdefault("user", self.user)
        return Pty([str(binary or self.binary), *args], env or self.env(), **options)

    def pty_of(self, words, env=None):
        """Another program on a terminal, which runs ours: whose, too."""
        return Pty(words, env or self.env(), user=self.user)

    def current_ids(self):
        """Of those that are not kept. An ordinary user's are on disk before Linux 6.6: a tmpfs has no attributes of his there."""
        top = self.kept if self.user and KERNEL < (6, 6) else self.sandboxes
        return {p.name for p in top.iterdir()} if top.is_dir() else set()

    def sandbox_id(self, timeout=DEADLINE):
        """The id of the one sandbox there is, as soon as it is there."""
        return poll_until(lambda: min(self.current_ids(), default=None), timeout, what="a sandbox")

    def keepers(self):
        """Pids of the keepers of this world: they are called by the ids of their sandboxes."""
        self.marks()
        found = []
        for pid in all_pids():
            words = read_proc(pid, "cmdline").decode(errors="replace").split("\0")
            if os.path.basename(words[0]) == "lxc-exec-keeper" and self.ids & set(words[1:]):
                found.append(pid)
        # The monitor and the starters are forks of the keeper: the keeper is the one above them. One that has ended meanwhile has none.
        return [pid for pid in found if parent_of(pid) not in (0, *found)]

    def keeper(self, timeout=DEADLINE):
        return poll_until(lambda: min(self.keepers(), default=None), timeout, what="a keeper")

    # What must not be left behind.

    def marks(self):
        for watch in self.watches:
            self.ids |= watch.take()
        return {f"lxe-{sandbox}" for sandbox in self.ids}

    def our_processes(self):
        mark, groups = os.fsencode(str(self.base)), self.marks()
        for pid in all_pids():
            if pid == os.getpid() or not is_alive(pid):
                continue
            if self.user and self.user.owns(pid):
                yield pid
                continue
            words = read_proc(pid, "environ") + b"\0" + read_proc(pid, "cmdline")
            cgroup = read_proc(pid, "cgroup").decode()
            if mark in words or any(group in cgroup for group in groups):
                yield pid

    def left_processes(self):
        for pid in self.our_processes():
            command = read_proc(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace")
            kind = "ended process" if is_ended(pid) else "process"
            yield f"{kind} {pid} {process_state(pid)}: {' '.join(command.split())}"

    def left_cgroups(self):
        groups = self.marks()
        for path in cgroup_dirs():
            if path.name in groups:
                yield f"cgroup {path}"

    def left_links(self):
        names = {f"lxe{sandbox[:8]}" for sandbox in self.ids}
        for link in os.listdir("/sys/class/net"):
            if link in names:
                yield f"link {link}"

    def left_mounts(self):
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            if str(self.base) in line and " - tmpfs lxe-test-fixture " not in line:
                yield f"mount {line}"

    def left_loops(self):
        """Loop devices over what lies here, or where a test has its images (`images`)."""
        for path in Path("/sys/block").glob("loop*/loop/backing_file"):
            with contextlib.suppress(OSError):  # let go of by now
                backing = path.read_text().strip()
                if any(backing.startswith(f"{top}/") for top in self.images):
                    yield f"loop device {path.parts[3]}: {backing}"

    def left_files(self):
        for top in (self.sandboxes, self.kept):
            for path in top.iterdir() if top.is_dir() else ():
                with contextlib.suppress(FileNotFoundError):  # gone by now
                    yield f"sandbox directory {path}: {sorted(os.listdir(path))}"
        # What they are layers of is gone by now.
        for kind in ("names", "layers"):
            top = self.state / kind
            for path in top.iterdir() if top.is_dir() else ():
                yield f"{kind[:-1]} {path}"
        for top in ("/run/lxc", "/run/lock/lxc", "/var/lib/lxc"):
            # Sandboxes of others come and go in here: os.walk() passes over what is gone.
            for path, directories, files in os.walk(top):
                for name in (f"{path}/{entry}" for entry in directories + files):
                    if self.base.name in name or any(mark in name for mark in self.marks()):
                        yield f"file {name}"

    def leftovers(self):
        left = [
            *self.left_processes(),
            *self.left_cgroups(),
            *self.left_links(),
            *self.left_mounts(),
            *self.left_loops(),
            *self.left_files(),
        ]
        return left + sorted(whole_machine() - self.strict_before) if self.strict else left

    def assert_clean(self, timeout=0.0):
        """
        Nothing is left. The time is for what the kernel ends. A pid 1 of ours that has ended waits until
        the host's has reaped what had been the keeper's children, which takes that one seconds.
        """
        begun = time.monotonic()
        while left := self.leftovers():
            only_ended = all(line.startswith("ended process") for line in left)
            if time.monotonic() > begun + (ORPHANS if only_ended else timeout):
                break
            pause(0.01)
        assert not left, "left behind:\n" + "\n".join(left)

    def purge(self):
        """Ends what a failed test has left, so that the next one is not blamed for it."""
        for pid in list(self.our_processes()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        # Their locks end with them, and without a lock gc passes nothing over.
        end = time.monotonic() + 2
        while any(True for _ in self.our_processes()) and time.monotonic() < end:
            pause(0.01)
        self.run("gc")
        for top in (self.sandboxes, self.kept, self.state / "names", self.state / "layers"):
            for path in top.iterdir() if top.is_dir() else ():
                path.unlink() if path.is_symlink() else shutil.rmtree(path, ignore_errors=True)

    def sanitizer_findings(self):
        text = ""
        for path in sorted(self.sanitizer_logs.iterdir()):
            text += path.read_text(errors="replace")
            path.unlink()
        return text

    def close(self):
        [watch.close() for watch in self.watches]
        shutil.rmtree(self.base, ignore_errors=True)


def whole_machine():
    """Everything that looks like ours, whoever made it."""
    found = {f"cgroup {path}" for path in cgroup_dirs() if path.name.startswith("lxe-")}
    found |= {f"link {name}" for name in os.listdir("/sys/class/net") if name.startswith("lxe")}
    for pid in all_pids():
        name = os.path.basename(link_target(f"/proc/{pid}/exe"))
        if name.startswith("lxc-exec") or b"[lxc monitor]" in read_proc(pid, "cmdline"):
            found.add(f"process {pid} {name}")
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if "/lxe-" in line or "/lxc-exec/sandboxes" in line:
            found.add(f"mount {line}")
    return found


def sandbox_dirs_of_root():
    """The sandboxes of the machine's own run directory, which no test uses."""
    path = Path("/run/lxc-exec/sandboxes")
    return list(path.iterdir()) if path.is_dir() else []


def cgroup_mount(names):
    """Where the hierarchy with these controllers is; v2 has none in its name."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        words, (kind, _, options) = line.split(" - ")[0].split(), line.split(" - ")[1].split(" ")[:3]
        if kind == "cgroup2" and not names or kind == "cgroup" and names and names in options:
            return Path(words[4])
    return None


def cgroup_dirs():
    """Every cgroup of this machine, without the contents of any."""
    pending = [Path("/sys/fs/cgroup")]
    while pending:
        for entry in scan(pending.pop()):
            if entry.is_dir(follow_symlinks=False):
                path = Path(entry.path)
                yield path
                pending.append(path)


def scan(path):
    try:
        return list(os.scandir(path))
    except OSError:
        return []


def set_size(fd, rows, cols):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))


def full_terminal(left):
    """A terminal that nobody reads, with so much room left: poll(2) says that it takes something. Master and slave."""

    def filled(limit):
        master, slave = pty_module.openpty()
        os.set_blocking(slave, False)
        written = 0
        for _ in range(8):  # the kernel makes room once more when it passes on what there is
            with contextlib.suppress(BlockingIOError):
                while written < limit:
                    written += os.write(slave, b"x" * min(50, limit - written))
            pause(0.05)
        os.set_blocking(slave, True)
        return master, slave, written

    *ends, size = filled(1 << 30)
    for fd in ends:
        os.close(fd)
    *ends, written = filled(size - left)
    assert written == size - left
    return ends


class Pty:
    """A program on a terminal of its own: session leader, controlling terminal, all three fds.

    The slave is kept open on this side, so that its settings can be read at any time, also after
    the program is gone. Output is consumed from `pending` by expect(); `seen` keeps all of it.
    """

    def __init__(
        self,
        argv,
        env,
        rows=24,
        cols=80,
        stdin=None,
        stdout=None,
        stderr=None,
        pre=None,
        user=None,
    ):
        self.master, self.slave = pty_module.openpty()
        os.set_blocking(self.master, False)
        set_size(self.slave, rows, cols)
        self.pending, self.seen = b"", b""
        slave = self.slave
        if user:
            os.fchown(slave, user.uid, 5)

        def enter():
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            if pre:
                pre()

        self.process = subprocess.Popen(
            argv,
            env=env,
            stdin=self.slave if stdin is None else stdin,
            stdout=self.slave if stdout is None else stdout,
            stderr=self.slave if stderr is None else stderr,
            start_new_session=True,
            pass_fds=(),
            preexec_fn=enter,
            **(user.popen() if user else {}),
        )
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.process.poll() is None:
            self.signal(signal.SIGHUP)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for fd in (self.master, self.slave):
            if fd >= 0:
                os.close(fd)
        self.master = self.slave = -1

    def hang_up(self):
        """The terminal goes away, as when its window is closed."""
        os.close(self.master)
        self.master = -1

    def pump(self, timeout):
        """Takes what the terminal shows; false when nothing came in time."""
        if not select.select([self.master], [], [], timeout)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except (BlockingIOError, OSError):
            return False
        self.pending += data
        self.seen += data
        return bool(data)

    def expect(self, pattern, timeout=DEADLINE):
        """Waits until the pattern is on the screen and takes everything up to its end."""
        if isinstance(pattern, str):
            pattern = pattern.encode()
        regex, end = re.compile(pattern, re.S), time.monotonic() + timeout
        while True:
            match = regex.search(self.pending)
            if match:
                self.pending = self.pending[match.end() :]
                return match
            left = end - time.monotonic()
            assert left > 0, f"no {pattern!r} within {timeout} s in {self.pending[-2000:]!r}"
            self.pump(min(left, 0.5))

    def write(self, data, timeout=DEADLINE):
        """Types everything, and reads meanwhile, as a terminal does."""
        data = data.encode() if isinstance(data, str) else data
        end = time.monotonic() + timeout
        while data:
            assert time.monotonic() < end, f"{len(data)} bytes were not taken within {timeout} s"
            readable, writable, _ = select.select([self.master], [self.master], [], 0.5)
            if readable:
                self.pump(0)
            if writable:
                try:
                    data = data[os.write(self.master, data[:4096]) :]
                except BlockingIOError:
                    pass

    def resize(self, rows, cols):
        set_size(self.slave, rows, cols)

    def termios(self):
        return termios.tcgetattr(self.slave)

    def is_raw(self):
        return not self.termios()[3] & (termios.ICANON | termios.ECHO)

    def wait(self, timeout=DEADLINE):
        """The exit status, with everything shown until then in `seen`."""
        end = time.monotonic() + timeout
        while self.process.poll() is None:
            assert time.monotonic() < end, f"no end within {timeout} s; last: {self.seen[-500:]!r}"
            if self.master >= 0:
                self.pump(0.005)
            else:
                pause(0.005)
        while self.master >= 0 and self.pump(0):
            pass
        return self.process.returncode

    def signal(self, number=signal.SIGTERM):
        os.kill(self.pid, number)


# What results look like.


def ok(result, status=0):
    """A result that must have this status; shows what was said when it has another."""
    assert result.returncode == status, (
        f"status {result.returncode}, not {status}: {(result.stderr or b'')[-2000:]!r}"
    )
    return result


def stdout_of(result):
    return ok(result).stdout.decode()


def refusal(result, status=125, says=None):
    """One clear line, perhaps with a hint, and nothing else: the line."""
    lines = result.stderr.decode().splitlines()
    assert result.returncode == status, (result.returncode, lines)
    assert not result.stdout, result.stdout
    assert lines and lines[0].startswith("lxc-exec: "), lines
    kinds = [line.split(": ")[0] for line in lines[1:]]
    assert kinds in ([], ["hint"], ["rule"], ["rule", "hint"]), lines
    assert not lines[0].endswith("."), lines
    if says:
        assert re.search(says, "\n".join(lines)), (says, lines)
    return lines[0]


# A shell on a terminal, with a prompt that no program prints by itself.

PROMPT = rb"lxe> "
BASH = ("-e", "PS1=lxe> ", "--", "bash", "--norc", "--noprofile", "-i")


def shell(world, *options, **pty):
    """An interactive bash inside, up and at its prompt."""
    terminal = world.pty("run", *options, *BASH, **pty)
    terminal.expect(PROMPT)
    return terminal


def enter(terminal, line, answer=PROMPT):
    """Types a line, waits for the answer, and gives what was shown between the two."""
    terminal.write(line + "\r")
    before = len(terminal.seen) - len(terminal.pending)
    terminal.expect(answer)
    shown = terminal.seen[before : len(terminal.seen) - len(terminal.pending)]
    return shown.decode(errors="replace")


def leave(terminal, status=0):
    terminal.write(f"exit {status}\r")
    assert terminal.wait() == status, terminal.seen[-500:]
