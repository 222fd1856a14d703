"""The programs that lxc-exec is compared with: one command in a sandbox of each."""

import json
import shutil
import subprocess
from pathlib import Path

import measure
from workspace import last_line

MEMORY, PIDS = 256 << 20, 100


class Candidate:
    """One way to run `true` in a sandbox. `argv` is called for each run, with its number."""

    def __init__(self, name, argv, ours=False, note=""):
        self.name, self.argv, self.ours, self.note = name, argv, ours, note


def constant(*words):
    return lambda _: list(words)


def program(name):
    path = shutil.which(name)
    if not path:
        raise measure.Failed("not installed")
    return path


def rootfs(work):
    """The busybox image as a plain directory of its own, for those that want one."""
    path = work.disk / "rootfs"
    if not path.exists():
        work.call("cp", "-a", str(work.state / "images/busybox/rootfs"), str(path))
        path.chmod(0o755)
        for name in ("usr", "etc", "proc", "sys", "dev", "tmp", "run", "var"):
            (path / name).mkdir(exist_ok=True)
    return path


def ours(work):
    run = work.lxc_exec("run")
    limits = ("--memory", "256M", "--pids", str(PIDS))
    yield Candidate("lxc-exec run", constant(*run, "--", "true"), ours=True)
    yield Candidate(
        "lxc-exec run, busybox", constant(*run, "--image", "busybox", "--", "true"), ours=True
    )
    yield Candidate(
        "lxc-exec run, limits", constant(*run, *limits, "--", "true"), ours=True,
        note="--memory 256M --pids 100",
    )  # fmt: skip


def runc(work):
    path = program("runc")
    bundle = work.disk / "bundle"
    bundle.mkdir()
    work.call(path, "spec", "--bundle", str(bundle))
    config = bundle / "config.json"
    spec = json.loads(config.read_text())
    spec["process"].update(terminal=False, args=["/bin/true"])
    spec["root"]["path"] = str(rootfs(work))
    spec["linux"]["cgroupsPath"] = f"/{work.tag}"
    spec["linux"]["resources"].update(memory={"limit": MEMORY}, pids={"limit": PIDS})
    config.write_text(json.dumps(spec))
    root = ("--root", str(work.run / "runc"))
    words = (path, *root, "run", "--bundle", str(bundle))
    return Candidate(
        "runc run", lambda n: [*words, f"{work.tag}-{n}"], note="its own default spec, with limits"
    )


def bwrap(_):
    words = ["--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr"]
    for name in ("bin", "lib", "lib64"):
        if Path("/", name).is_symlink():
            words += ["--symlink", f"usr/{name}", f"/{name}"]
        elif Path("/", name).is_dir():
            words += ["--ro-bind", f"/{name}", f"/{name}"]
    words += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--", "true"]
    return Candidate("bwrap", constant(program("bwrap"), *words), note="no cgroup, no pid 1")


def nspawn(work):
    path, root = program("systemd-nspawn"), rootfs(work)
    (root / "etc/os-release").touch()
    words = ("-q", "--register=no", "--keep-unit", "--private-network", "-M", work.tag)
    return Candidate("systemd-nspawn", constant(path, *words, "-D", str(root), "/bin/true"))


def lxc_config(work, name, *more):
    path = work.disk / f"{name}.conf"
    lines = (f"lxc.rootfs.path = dir:{rootfs(work)}", "lxc.net.0.type = empty", *more)
    path.write_text("\n".join(lines) + "\n")
    (work.run / "lxc").mkdir(exist_ok=True)
    return ("-P", str(work.run / "lxc"), "-n", f"{work.tag}-{name}"), ("-f", str(path))


def lxc_execute(work):
    path = program("lxc-execute")
    where, config = lxc_config(work, "execute")
    return Candidate(
        "lxc-execute", constant(path, *where, *config, "--", "/bin/true"), note="no user namespace"
    )


def unshare(_):
    flags = ("--mount", "--pid", "--ipc", "--uts", "--net", "--fork")
    return Candidate(
        "unshare", constant(program("unshare"), *flags, "true"), note="the floor: five namespaces"
    )


MAKERS = {
    "runc": runc,
    "bwrap": bwrap,
    "systemd-nspawn": nspawn,
    "lxc-execute": lxc_execute,
    "unshare": unshare,
}


def check(work, candidate):
    """A first run, not counted: it also fills caches."""
    log = work.disk / "stderr"
    _, status = measure.one_shot(candidate.argv("first"), work.env, stderr=log)
    if status:
        raise measure.Failed(f"status {status}: {last_line(log.read_bytes())[-160:]}")


def usable(work):
    """The candidates that work here, and why the others do not."""
    found, unusable = [], {}
    for candidate in ours(work):
        check(work, candidate)
        found.append(candidate)
    for name, make in MAKERS.items():
        try:
            candidate = make(work)
            check(work, candidate)
            found.append(candidate)
        except measure.Failed as failure:
            unusable[name] = str(failure)
    return found, unusable


class LxcContainer:
    """A running container of lxc-start's, for lxc-attach."""

    def __init__(self, work):
        self.attach, start = program("lxc-attach"), program("lxc-start")
        self.where, config = lxc_config(
            work, "attach", "lxc.console.path = none", "lxc.pty.max = 16",
            "lxc.mount.auto = proc:mixed sys:ro", "lxc.init.cmd = /bin/sleep 100000",
        )  # fmt: skip
        self.process = subprocess.Popen(
            [start, "-F", *self.where, *config], env=work.env, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        work.stack.callback(self.stop)
        work.call(program("lxc-wait"), *self.where, "-s", "RUNNING", "-t", "10")

    def argv(self, *command):
        return [self.attach, *self.where, "--", *command]

    def stop(self):
        if self.process.poll() is None:
            subprocess.run(
                [program("lxc-stop"), "-k", *self.where], stdin=subprocess.DEVNULL, capture_output=True
            )
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()
