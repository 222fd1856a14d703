"""The template of Debian against a source of packages that the test has made; our templates with lxc-create."""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

import lxe
from lxe import ok, refusal, stdout_of

TEMPLATES = lxe.TOP / "lxc-templates"
NOTHING = "#!/bin/sh\nexit 0\n"
# What debootstrap has it do after the first stage: say where it is, and unpack.
DPKG = """#!/bin/sh
for file; do case $file in *.deb) ar -p "$file" data.tar | tar -x -C / ;; esac; done
"""


class Mirror:
    """As many packages as debootstrap's script for sid insists on; their programs are busybox's."""

    def __init__(self, top):
        self.top, self.pool, self.text = top, top / "mirror" / "pool", ""
        words = ["dpkg", "--print-architecture"]
        self.arch = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
        self.pool.mkdir(parents=True)
        busybox = shutil.which("busybox")
        applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
        links = {f"usr/bin/{name}": "busybox" for name in applets if name not in ("busybox", "dpkg", "dpkg-deb")}
        links.update({"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib"})
        files = {"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n"}
        dirs = ("dev", "proc", "sys", "tmp", "root", "run", "usr/lib", "usr/sbin", "var/cache", "var/log", "var/tmp")
        self.package("base-files", files, links=links, dirs=dirs, programs={"usr/bin/busybox": busybox})
        tools = {"usr/bin/dpkg": DPKG, "usr/bin/dpkg-deb": "#!/bin/sh\necho 1\n"}
        tools.update({"usr/sbin/ldconfig": NOTHING, "usr/sbin/start-stop-daemon": NOTHING})
        self.package("dpkg", {**tools, "var/lib/dpkg/status": "", "var/lib/dpkg/available": ""})
        for name in ("base-passwd", "libc6", "perl-base", "mawk", "debconf"):
            self.package(name, {f"usr/share/doc/{name}": name})
        self.package("apt", {"usr/bin/apt": NOTHING}, "important")
        self.package("extra", {"usr/bin/extra": "#!/bin/sh\necho extra\n"}, "optional")
        self.write_index()

    def package(self, name, files, priority="required", links={}, dirs=(), programs={}):
        tree = self.top / "tree" / name
        control = (
            f"Package: {name}\nVersion: 1\nArchitecture: {self.arch}\nPriority: {priority}\n"
            "Maintainer: nobody <nobody@localhost>\nDescription: a package\n"
        )
        for path in dirs:
            (tree / path).mkdir(parents=True)
        for path, text in {**files, "DEBIAN/control": control}.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_text(text)
            (tree / path).chmod(0o755)
        for path, target in links.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).symlink_to(target)
        for path, source in programs.items():
            shutil.copy(source, tree / path)
        out = self.pool / f"{name}_1_{self.arch}.deb"
        words = ["dpkg-deb", "-Znone", "--root-owner-group", "-b", str(tree), str(out)]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        data = out.read_bytes()
        self.text += f"{control}Filename: pool/{out.name}\nSize: {len(data)}\n"
        self.text += f"SHA256: {hashlib.sha256(data).hexdigest()}\n\n"

    def write_index(self):
        suite, part = self.pool.parent / "dists" / "sid", f"main/binary-{self.arch}/Packages"
        (suite / part).parent.mkdir(parents=True)
        (suite / part).write_text(self.text)
        digest = hashlib.sha256(self.text.encode()).hexdigest()
        release = f"Suite: sid\nCodename: sid\nArchitectures: {self.arch}\nComponents: main\n"
        (suite / "Release").write_text(f"{release}SHA256:\n {digest} {len(self.text)} {part}\n")

    @property
    def url(self):
        return f"file://{self.pool.parent}"


@pytest.fixture
def fresh(session_world):
    world = lxe.World(user=session_world.user)
    yield world
    world.assert_clean(timeout=2.0)
    world.close()


@pytest.fixture(scope="module")
def mirror():
    top = Path(tempfile.mkdtemp(prefix="lxe-mirror-", dir="/var/tmp"))
    top.chmod(0o755)
    yield Mirror(top)
    shutil.rmtree(top)


@pytest.fixture
def debian(fresh, mirror):
    """The program, whose template for Debian takes what is not signed."""
    for path in lxe.BIN.parent.glob("lxc-exec*"):
        shutil.copy2(path, fresh.base)
    folder = fresh.base / "lxc-templates"
    shutil.copytree(TEMPLATES, folder)
    (folder / "lxc-debian").rename(folder / "debian")
    (folder / "lxc-debian").write_text(f'#!/bin/sh\nexec {folder}/debian "$@" --no-check-gpg\n')
    (folder / "lxc-debian").chmod(0o755)
    fresh.binary = fresh.base / "lxc-exec"
    return mirror


def test_a_debian_is_built_and_shows_where_it_is(fresh, debian):
    words = ("image", "build", "--mirror", debian.url, "--include", "extra", "debian:sid")
    with fresh.pty(*words, binary=fresh.binary) as pty:
        pty.expect("debian:sid: I: ")
        pty.expect("image 'debian:sid' built")
    script = "extra; id -u; ls /dev/null; cat /etc/hostname; grep -c . /etc/resolv.conf; ls /var/cache/apt/archives | grep -c deb; true"
    shown = stdout_of(fresh.run("run", "--image", "debian:sid", "--user", "user", "--", "sh", "-c", script))
    assert shown == "extra\n1000\n/dev/null\nsandbox\n0\n0\n"
    rootfs = fresh.state / "images" / "debian:sid" / "rootfs"
    assert os.listdir(rootfs / "dev") == []
    shown = json.loads(stdout_of(fresh.run("image", "inspect", "--format", "json", "debian:sid")))
    assert shown["template"] == "debian" and shown["complete"]
    ok(fresh.run("image", "rm", "debian:sid"))


def test_what_went_wrong_is_shown(fresh, debian):
    result = fresh.run("image", "build", "--mirror", debian.url, "--include", "no-such", "debian:sid")
    assert result.returncode == 125
    lines = result.stderr.decode().splitlines()
    assert any("no-such" in line for line in lines[:-1]) and any(line.startswith("I: ") for line in lines)
    assert lines[-1].startswith("lxc-exec: build image 'debian:sid': ") and "debootstrap failed: sid" in lines[-1]
    assert os.listdir(fresh.state / "images") == []
    for words in (["--include", "a;b", "debian"], ["--mirror=--help", "debian"], ["busybox:1"]):
        refusal(fresh.run("image", "build", *words), 125, "build image")


def test_killed_at_any_moment_there_is_no_half_of_it(fresh, debian):
    """The client, or what works for it: debootstrap, what it mounts and what it runs are gone with either."""
    images = fresh.state / "images"
    words = ("image", "build", "--mirror", debian.url, "debian:sid")
    for i in range(4):
        process = fresh.popen(*words, binary=fresh.binary, env=fresh.env_without_leak_check())
        try:
            process.wait(0.05 + i * 0.25)
        except subprocess.TimeoutExpired:
            pass
        if i % 2:
            for pid in lxe.all_pids():
                if lxe.parent_of(pid) == process.pid:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
        else:
            process.kill()
        process.communicate(timeout=lxe.DEADLINE)
        assert all(image["complete"] for image in json.loads(stdout_of(fresh.run("image", "ls", "--format", "json"))))
        fresh.assert_clean(timeout=2.0 * lxe.SLACK)
    lxe.poll_until(lambda: ok(fresh.run("gc")) and not list(images.glob(".build-*")), what="the end of the build")
    ok(fresh.run(*words, binary=fresh.binary))
    assert os.listdir(images) == ["debian:sid"]
    ok(fresh.run("image", "rm", "debian:sid"))


@pytest.mark.roots("lxc-create is run by root here")
@pytest.mark.parametrize("name", ["busybox", "host", "debian"])
def test_our_templates_work_with_lxc_create(fresh, debian, name):
    words = ["--", "--no-check-gpg", "--release=sid", f"--mirror={debian.url}"] if name == "debian" else []
    command = ["lxc-create", "-P", str(fresh.base / "lxc"), "-n", "box", "-t", str(TEMPLATES / f"lxc-{name}"), *words]
    (fresh.base / "lxc").mkdir()
    result = subprocess.run(command, capture_output=True, timeout=lxe.DEADLINE)
    assert result.returncode == 0, result.stderr
    rootfs = fresh.base / "lxc" / "box" / "rootfs"
    assert (rootfs / "etc" / "passwd").exists()
    assert "lxc.rootfs.path" in (fresh.base / "lxc" / "box" / "config").read_text()
    shutil.rmtree(f"/run/lxc/lock{fresh.base}", ignore_errors=True)
