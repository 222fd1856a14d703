"""Images from archives, directories and OCI layouts: hostile ones, broken ones, and back again."""

import functools
import gzip
import hashlib
import io
import json
import lzma
import os
import shutil
import signal
import subprocess
import tarfile

import pytest

import lxe
from lxe import ok, refusal, stdout_of

BUSYBOX = shutil.which("busybox")


@pytest.fixture
def fresh(session_world):
    world = lxe.World(user=session_world.user)
    yield world
    world.assert_clean(timeout=2.0)
    findings = world.sanitizer_findings()
    world.close()
    assert not findings, findings


def entry(name, kind=tarfile.REGTYPE, data=b"", **more):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mode = kind, len(data), 0o755
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


SYMLINK, LINK, DIR = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE


def small():
    """Enough of a system for a shell."""
    with open(BUSYBOX, "rb") as file:
        program = file.read()
    return [
        entry("./", DIR),
        entry("./bin", DIR),
        entry("./bin/busybox", data=program),
        *[entry(f"./bin/{name}", SYMLINK, linkname="busybox") for name in ("sh", "cat", "stat", "env", "id", "pwd", "ls", "echo")],
        entry("./etc", DIR),
        entry("./etc/passwd", data=b"root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000:ann:/ann:/bin/sh\n"),
    ]


def archive(members, form=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data) if data else None)
    return out.getvalue()


class Place:
    """A world, with a directory that whoever runs the program can read."""

    def __init__(self, world):
        self.world, self.top = world, world.base / "in"
        self.top.mkdir()
        self.top.chmod(0o755)
        self.images = world.state / "images"

    def write(self, name, data):
        path = self.top / name
        path.write_bytes(data)
        path.chmod(0o644)
        return str(path)

    def take(self, source, name="it", **options):
        return self.world.run("image", "import", name, source, **options)

    def sh(self, script, *options, image="it"):
        return stdout_of(self.world.run("run", "--image", image, *options, "--", "sh", "-c", script))

    def refused(self, source, why, name="it"):
        """With a message, and nothing is left."""
        refusal(self.take(source, name), 125, why)
        assert not self.images.exists() or os.listdir(self.images) == []


@pytest.fixture
def place(fresh):
    return Place(fresh)


def zstd(data):
    return subprocess.run(["zstd", "-cq"], input=data, capture_output=True, check=True).stdout


PACKED = {"plain": bytes, "gzip": gzip.compress, "xz": lambda data: lzma.compress(data, preset=0), "zstd": zstd}


@pytest.mark.parametrize("packed", PACKED)
def test_an_archive_is_known_by_what_it_is(place, packed):
    path = place.write("of-no-name", PACKED[packed](archive(small())))
    ok(place.take(path))
    assert place.sh("cat /etc/passwd; id -u; ls -d /proc /tmp").endswith("0\n/proc\n/tmp\n")
    shown = json.loads(stdout_of(place.world.run("image", "inspect", "--format", "json", "it")))
    assert (shown["template"], shown["source"], shown["used_by"]) == ("tar", path, [])
    assert shown["size"] > 0 and shown["config"] is None


def test_an_archive_on_standard_input(place):
    data = gzip.compress(archive(small()))
    ok(place.take("-", input=data))
    assert place.sh("id -u") == "0\n"


def test_owners_modes_and_attributes_are_kept(place):
    members = [
        *small(),
        entry("./bin/tool", data=b"x", uid=7, gid=8, mode=0o6755),
        entry("./srv", DIR, uid=1000, gid=1000, mode=0o1770, mtime=86400),
        entry("./srv/fifo", tarfile.FIFOTYPE),
        entry("./srv/a", data=b"a"),
        entry("./srv/b", LINK, linkname="./srv/a"),
    ]
    members[-2][0].pax_headers = {"SCHILY.xattr.user.note": "kept"}
    ok(place.take(place.write("a.tar", archive(members))))
    shown = place.sh("stat -c '%a %u %g %h %F %n' /bin/tool /srv /srv/fifo /srv/a; stat -c %Y /srv")
    assert shown.splitlines() == [
        "6755 7 8 1 regular file /bin/tool",
        "1770 1000 1000 2 directory /srv",
        "755 0 0 1 fifo /srv/fifo",
        "755 0 0 2 regular file /srv/a",
        "86400",
    ]
    assert os.getxattr(place.images / "it" / "rootfs" / "srv" / "a", "user.note") == b"kept"


def test_nobody_of_the_host_gets_at_an_images_files(place):
    """A setuid program in an image is root's of the sandboxes, not a program for the host's users."""
    ok(place.take(place.write("a.tar", archive([*small(), entry("./bin/su", data=b"x", mode=0o4755)]))))
    assert (place.images / "it").stat().st_mode & 0o077 == 0


HOSTILE = {
    "absolute": [entry("/{top}/out", data=b"out")],
    "dots": [entry("../../../../../../../../{top}/out", data=b"out")],
    "dots inside": [entry("./bin/../../{top}/out", data=b"out")],
    "through a symlink": [entry("./out", SYMLINK, linkname="/{top}"), entry("./out/out", data=b"out")],
    "through a relative symlink": [
        entry("./out", SYMLINK, linkname="../../../../../../../{top}"),
        entry("./out/out", data=b"out"),
    ],
    "through two": [
        entry("./one", SYMLINK, linkname="."),
        entry("./one/two", SYMLINK, linkname="/{top}"),
        entry("./two/out", data=b"out"),
    ],
    "a hard link": [entry("./out", LINK, linkname="/{top}/secret")],
    "a hard link with dots": [entry("./out", LINK, linkname="../../../../../../{top}/secret")],
    "a hard link through a symlink": [
        entry("./way", SYMLINK, linkname="/{top}"),
        entry("./out", LINK, linkname="./way/secret"),
    ],
    "a device": [entry("./bin/disk", tarfile.BLKTYPE, devmajor=8, devminor=0)],
    "a character device": [entry("./mem", tarfile.CHRTYPE, devmajor=1, devminor=1)],
    "a user out of range": [entry("./bin/theirs", data=b"x", uid=70000)],
    "a group out of range": [entry("./bin/theirs", data=b"x", gid=4000000000)],
    "proc that leads away": [entry("./proc", SYMLINK, linkname="/etc")],
    "etc that is a file": [("replace", "./etc")],
}


def hostile(place, name):
    members = [m for m in small() if name != "etc that is a file" or not m[0].name.startswith("./etc")]
    for info, data in HOSTILE[name]:
        if info == "replace":
            info, data = entry(data, data=b"file")
        info.name = info.name.replace("{top}", str(place.top).strip("/"))
        info.linkname = info.linkname.replace("{top}", str(place.top).strip("/"))
        members.append((info, data))
    return archive(members)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_and_touches_nothing(place, name):
    place.write("secret", b"secret")
    path = place.write("a.tar", hostile(place, name))
    before = sorted(os.listdir(place.top))
    place.refused(path, "import image 'it': ")
    assert sorted(os.listdir(place.top)) == before
    assert (place.top / "secret").read_bytes() == b"secret"
    assert (place.top / "secret").stat().st_nlink == 1


def test_directories_without_end(place):
    """They are refused, and can be removed."""
    deep = [entry("./" + "d/" * i, DIR) for i in range(1, 600)]
    place.refused(place.write("a.tar", archive([*small(), *deep])), "nested deeper than")


def test_what_an_archive_has_in_dev_is_left_out(place):
    devices = [entry("./dev", DIR), entry("./dev/null", tarfile.CHRTYPE, devmajor=1, devminor=3)]
    ok(place.take(place.write("a.tar", archive([*small(), *devices]))))
    assert place.sh("echo x >/dev/null; ls /dev/null") == "/dev/null\n"
    assert os.listdir(place.images / "it" / "rootfs" / "dev") == []


@pytest.mark.roots("takes its time, and is no different for a user")
def test_a_hundred_thousand_entries(place):
    """Links, because a disk takes its time for as many files."""
    out = [info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % 512) for info, data in small()]
    link = tarfile.TarInfo("./many/000/000")
    link.type = LINK
    for i in range(100):
        out.append(entry(f"./many/{i:03}", DIR)[0].tobuf(tarfile.USTAR_FORMAT))
        out.append(entry(f"./many/{i:03}/first")[0].tobuf(tarfile.USTAR_FORMAT))
        link.linkname = f"./many/{i:03}/first"
        for j in range(1000):
            link.name = f"./many/{i:03}/{j:03}"
            out.append(link.tobuf(tarfile.USTAR_FORMAT))
    ok(place.take(place.write("a.tar", b"".join(out) + bytes(1024))))
    assert len(os.listdir(place.images / "it" / "rootfs" / "many" / "042")) == 1001


@pytest.mark.roots("a user mounts nothing")
def test_a_full_disk(place):
    """A clear message, nothing is left, and there is room again."""
    path = place.write("a.tar", archive([*small(), entry("./large", data=bytes(range(256)) * 32768)]))
    fits = place.write("b.tar", archive(small()))
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m,mode=0711", "lxe-test-fixture", str(place.world.state)]
    subprocess.run(mount, check=True)
    try:
        refusal(place.take(path), 125, "no space left|with shifted owners")
        assert os.listdir(place.images) == []
        # Before Linux 6.3 a tmpfs could not be shifted.
        result = place.take(fits)
        assert result.returncode == 0 or b"with shifted owners" in result.stderr
        place.world.run("image", "rm", "it")
    finally:
        subprocess.run(["umount", str(place.world.state)], check=True)


def offset_of_last(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return tar.getmembers()[-1].offset


@functools.cache
def broken():
    data = archive(small())
    packed = gzip.compress(data, 1)
    middle = len(packed) // 2
    return {
        "truncated": data[: len(data) // 2],
        "truncated between two files": data[: offset_of_last(data)],
        "truncated gzip": packed[:middle],
        "corrupt gzip": packed[:middle] + bytes(64) + packed[middle + 64 :],
        "truncated xz": lzma.compress(data, preset=0)[:100000],
        "truncated zstd": zstd(data)[:100000],
        "no archive": b"nothing that anybody knows" * 1000,
        "empty": b"",
        "no members": archive([]),
        "no system": archive([entry("readme", data=b"x")]),
        "one directory": archive([entry("rootfs/bin/sh", data=b"x")]),
    }


BROKEN = {
    "truncated": "EOF|end of file",
    "truncated between two files": "it was cut off[^$]*hint: ",
    "truncated gzip": "end of file|EOF",
    "corrupt gzip": "",
    "truncated xz": "",
    "truncated zstd": "",
    "no archive": "does not look like a tar archive",
    "empty": "the archive is empty",
    "no members": "no root filesystem",
    "no system": "no root filesystem",
    "one directory": "all of it is in 'rootfs'",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_archive_is_refused(place, name):
    place.refused(place.write("a.tar", broken()[name]), BROKEN[name])


def test_an_image_is_replaced_only_if_that_was_said(place):
    path = place.write("a.tar", archive(small()))
    ok(place.take(path))
    refusal(place.take(path), 125, "there is one of that name[^$]*hint: --force")
    ok(place.world.run("image", "import", "--force", "it", path))
    refusal(place.take(path, "host"), 125, "this machine's own")
    refusal(place.take(path, "../x"), 125, "no name of an image")


def test_an_image_that_a_kept_sandbox_lies_on_is_not_replaced(place):
    path = place.write("a.tar", archive(small()))
    ok(place.take(path))
    ok(place.world.run("create", "--image", "it", "kept", "--", "sh", "-c", "echo >/made"))
    ok(place.world.run("start", "kept"))
    ok(place.world.run("wait", "kept"))
    before = os.stat(place.images / "it").st_ino
    says = "image 'it' is in use: what sandbox 'kept' has kept lies on it\nhint: lxc-exec destroy kept"
    refusal(place.world.run("image", "import", "--force", "it", path), says=says)
    assert os.stat(place.images / "it").st_ino == before
    ok(place.world.run("destroy", "kept"))
    ok(place.world.run("image", "import", "--force", "it", path))


def test_what_cannot_be_imported(place):
    place.refused(str(place.top / "none"), "no such file")
    place.refused("docker://debian", "nothing is fetched[^$]*hint: skopeo copy")
    place.refused("oci:" + str(place.top / "none"), "no such file")
    refusal(place.world.run("image", "import", "it"), 125, "words are missing")
    empty = place.top / "empty"
    empty.mkdir()
    place.refused(str(empty), "the directory is empty")


def system(place, name="system"):
    """A directory with one, which belongs to whoever runs the program."""
    top = place.top / name
    (top / "bin").mkdir(parents=True)
    shutil.copy(BUSYBOX, top / "bin" / "busybox")
    for applet in ("sh", "cat", "stat", "id", "ls", "pwd", "env", "echo"):
        (top / "bin" / applet).symlink_to("busybox")
    (top / "etc").mkdir()
    (top / "etc" / "private").write_text("private\n")
    (top / "etc" / "private").chmod(0o600)
    (top / "bin" / "tool").write_text("x")
    (top / "bin" / "tool").chmod(0o4755)
    os.link(top / "etc" / "private", top / "etc" / "again")
    for path in [top, *top.rglob("*")]:
        if place.world.user:
            mode = path.lstat().st_mode
            os.chown(path, place.world.user.uid, place.world.user.gid, follow_symlinks=False)
            if not path.is_symlink():
                path.chmod(mode & 0o7777)
    return top


def test_a_directory_is_copied(place):
    top = system(place)
    ok(place.take(str(top)))
    shown = place.sh("cat /etc/private; stat -c '%a %u %g %h' /etc/private /bin/tool")
    assert shown == "private\n600 0 0 2\n4755 0 0 1\n"
    (top / "etc" / "private").write_text("changed\n")
    assert place.sh("cat /etc/private") == "private\n"


@pytest.mark.roots("only root can make such files")
def test_a_directory_with_what_no_sandbox_can_have(place):
    top = system(place)
    os.chown(top / "bin" / "tool", 70000, 0)
    place.refused(str(top), "'tool' belongs to 70000")
    os.chown(top / "bin" / "tool", 0, 0)
    os.mknod(top / "disk", 0o60600, os.makedev(7, 200))
    place.refused(str(top), "disk")
    (top / "disk").unlink()
    (top / "dev").mkdir()
    os.mknod(top / "dev" / "null", 0o20666, os.makedev(1, 3))
    ok(place.take(str(top)))


def test_the_images_themselves_are_no_source(place):
    place.images.mkdir()
    place.world.give(place.images)
    refusal(place.take(str(place.world.state)), 125, "the images are in it")


# OCI layouts, as image-spec has them.


class Layout:
    def __init__(self, place, name="layout"):
        self.top, self.place = place.top / name, place
        self.blobs = self.top / "blobs" / "sha256"
        self.blobs.mkdir(parents=True)
        (self.top / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        self.manifests = []
        self.write_index()

    def write_index(self):
        index = {"schemaVersion": 2, "manifests": self.manifests}
        (self.top / "index.json").write_text(json.dumps(index))

    def blob(self, data):
        digest = hashlib.sha256(data).hexdigest()
        (self.blobs / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    def add(self, tag, layers, **config):
        packed, ids = [], []
        for data in layers:
            blob = self.blob(gzip.compress(data, mtime=0))
            packed.append({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **blob})
            ids.append("sha256:" + hashlib.sha256(data).hexdigest())
        text = {
            "architecture": "amd64",
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": ids},
        }
        shown = {"mediaType": "application/vnd.oci.image.config.v1+json", **self.blob(json.dumps(text).encode())}
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": shown,
            "layers": packed,
        }
        named = {"mediaType": manifest["mediaType"], **self.blob(json.dumps(manifest).encode())}
        named["annotations"] = {"org.opencontainers.image.ref.name": tag}
        self.manifests.append(named)
        self.write_index()
        return named, shown, packed

    def spoil(self, blob):
        """As long as before, and something else."""
        path = self.blobs / blob["digest"].split(":")[1]
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(bytes(data))


@pytest.fixture
def layout(place):
    return Layout(place)


def test_an_oci_image_says_how_its_commands_run(place, layout):
    config = {
        "Env": ["GREETING=hello", "PATH=/bin"],
        "User": "ann",
        "WorkingDir": "/etc",
        "Entrypoint": ["/bin/echo", "from"],
        "Cmd": ["inside"],
    }
    upper = [entry("./etc/.wh.gone"), entry("./etc/new", data=b"new\n")]
    lower = [*small(), entry("./etc/gone", data=b"gone")]
    layout.add("latest", [archive(lower), archive(upper)], **config)
    ok(place.take(f"oci:{layout.top}"))
    run = place.world.run
    assert stdout_of(run("run", "--image", "it")) == "from inside\n"
    assert place.sh("echo $GREETING; id -u; pwd; ls") == "hello\n1000\n/etc\nnew\npasswd\n"
    said = ("--user", "0", "--cwd", "/", "--env", "GREETING=bye")
    assert place.sh("echo $GREETING; id -u; pwd", *said) == "bye\n0\n/\n"
    assert stdout_of(run("shell", "--image", "it", input=b"pwd; id -u\n")) == "/etc\n1000\n"
    shown = json.loads(stdout_of(run("image", "inspect", "--format", "json", "it")))
    assert shown["config"] == {
        "env": config["Env"],
        "user": "ann",
        "cwd": "/etc",
        "entrypoint": ["/bin/echo", "from"],
        "cmd": ["inside"],
    }


def test_a_layout_that_umoci_has_made(place):
    """What it writes for each setting, and what the caller says instead."""
    top, bundle = place.top / "made", place.top / "bundle"

    def umoci(*words):
        subprocess.run(["umoci", *words], check=True, capture_output=True)

    umoci("init", "--layout", str(top))
    umoci("new", "--image", f"{top}:v1")
    source = place.write("a.tar", archive(small()))
    umoci("unpack", "--rootless", "--image", f"{top}:v1", str(bundle))
    subprocess.run(["tar", "-x", "-f", source, "-C", str(bundle / "rootfs"), "--no-same-owner"], check=True)
    umoci("repack", "--image", f"{top}:v1", str(bundle))
    said = ["--config.user", "ann", "--config.workingdir", "/srv/app", "--config.env", "PATH=/bin", "--config.env", "A=b c=d"]
    said += ["--config.entrypoint", "sh", "--config.entrypoint", "-c", "--config.cmd", "echo $A; id -u; pwd"]
    umoci("config", "--image", f"{top}:v1", *said)
    for path in [top, *top.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    ok(place.take(f"oci:{top}:v1"))
    run = place.world.run
    assert stdout_of(run("run", "--image", "it")) == "b c=d\n1000\n/srv/app\n"
    assert stdout_of(run("run", "--image", "it", "--user", "0:5", "--cwd", "/etc", "--env", "A=x")) == "x\n0\n/etc\n"
    assert place.sh("id -u; id -g; pwd", "--user", "7:8") == "7\n8\n/srv/app\n"
    assert place.sh("echo $A; id -u; pwd", "--cwd", "/") == "b c=d\n1000\n/\n"


def test_exec_runs_as_the_image_says(place, layout):
    layout.add("latest", [archive(small())], Env=["A=1"], User="1000:1000", WorkingDir="/etc")
    ok(place.take(f"oci:{layout.top}"))
    world = place.world
    made = world.popen("create", "-T", "--image", "it", "box", "--", "/bin/busybox", "sleep", "1000")
    assert made.wait(lxe.DEADLINE) == 0
    ok(world.run("start", "box"))
    script = "echo $A; id -u; pwd"
    assert stdout_of(world.run("exec", "box", "--", "sh", "-c", script)) == "1\n1000\n/etc\n"
    said = ("--user", "0", "--cwd", "/")
    assert stdout_of(world.run("exec", *said, "box", "--", "sh", "-c", script)) == "1\n0\n/\n"
    refusal(world.run("image", "rm", "it"), 125, r"in use by 'box' \(running\)")
    ok(world.run("kill", "box"))
    world.run("wait", "box")
    refusal(world.run("image", "rm", "it"), 125, r"in use by 'box' \(")
    ok(world.run("destroy", "--force", "box"))
    ok(world.run("image", "rm", "it"))


WORKDIRS = {
    "/srv/app": "/srv/app",
    "/new": "/new",
    "/srv/../other//x/": "/other/x",
    "/inside/deep": "/etc/deep",
    "/out/made": "{top}/made",
    "/up/made": "/made",
}


@pytest.mark.parametrize("asked", WORKDIRS)
def test_a_working_directory_that_is_missing_is_made(place, layout, asked):
    """As engines do; where a symlink leads it is made in the image, never beside it."""
    links = {"./inside": "etc", "./out": str(place.top), "./up": "../../../.."}
    members = [*small(), *[entry(name, SYMLINK, linkname=to) for name, to in links.items()]]
    members += [entry("./" + "/".join(str(place.top).split("/")[1 : i + 1]), DIR) for i in range(1, len(place.top.parts))]
    layout.add("latest", [archive(members)], WorkingDir=asked)
    before = sorted(os.listdir(place.top))
    ok(place.take(f"oci:{layout.top}"))
    assert place.sh("pwd; stat -c '%a %u %g' .") == f"{WORKDIRS[asked].replace('{top}', str(place.top))}\n755 0 0\n"
    assert sorted(os.listdir(place.top)) == before


def test_a_working_directory_that_cannot_be(place, layout):
    more = [entry("./nowhere", SYMLINK, linkname="/not/there"), entry("./loop", SYMLINK, linkname="loop")]
    layout.add("latest", [archive([*small(), *more])], WorkingDir="/etc/passwd/x")
    place.refused(f"oci:{layout.top}", "working directory '/etc/passwd/x': not a directory")
    layout.add("file", [archive(small())], WorkingDir="/etc/passwd")
    place.refused(f"oci:{layout.top}:file", "working directory '/etc/passwd': not a directory")
    layout.add("link", [archive([*small(), *more])], WorkingDir="/nowhere")
    place.refused(f"oci:{layout.top}:link", "working directory '/nowhere': file exists")
    layout.add("loop", [archive([*small(), *more])], WorkingDir="/loop/x")
    place.refused(f"oci:{layout.top}:loop", "working directory '/loop/x': too many")


def test_an_image_of_a_layout_is_chosen(place, layout):
    layout.add("one", [archive(small())])
    ok(place.take(f"oci:{layout.top}", "only"))
    layout.add("two", [archive([*small(), entry("./two", data=b"2")])])
    refusal(place.take(f"oci:{layout.top}"), 125, "2 images, and none is 'latest'[^$]*hint: it has one, two")
    refusal(place.take(f"oci:{layout.top}:three"), 125, "no image 'three'[^$]*hint: it has one, two")
    ok(place.take(f"oci:{layout.top}:two"))
    assert place.sh("cat /two") == "2"
    layout.add("some/where:1.0", [archive([*small(), entry("./three", data=b"3")])])
    ok(place.take(f"oci:{layout.top}:some/where:1.0", "three"))
    assert place.sh("cat /three", image="three") == "3"


@pytest.mark.parametrize("which", ["manifest", "config", "layer"])
def test_a_bad_digest_is_refused(place, layout, which):
    manifest, config, layers = layout.add("latest", [archive(small())], Env=["A=some text to spoil, long enough"])
    layout.spoil({"manifest": manifest, "config": config, "layer": layers[0]}[which])
    place.refused(f"oci:{layout.top}", "[Dd]igest|corrupt|flate|gzip|invalid")


def test_a_layer_cannot_lead_out(place, layout):
    place.write("secret", b"secret")
    top = str(place.top).strip("/")
    upper = [
        entry("./out", SYMLINK, linkname=f"/{top}"),
        entry("./out/made", data=b"made"),
        entry(f"../../../../{top}/made", data=b"made"),
        entry("./link", LINK, linkname=f"/{top}/secret"),
    ]
    layout.add("latest", [archive(small()), archive(upper)])
    place.take(f"oci:{layout.top}")
    assert sorted(os.listdir(place.top)) == ["layout", "secret"]
    assert (place.top / "secret").stat().st_nlink == 1


def test_a_layout_that_is_none(place):
    top = place.top / "x"
    top.mkdir()
    place.refused(f"oci:{top}", "no index.json")
    (top / "index.json").write_text("{")
    place.refused(f"oci:{top}", "cannot be read")
    (top / "index.json").write_text('{"manifests": [{"digest": "md5:x"}]}')
    place.refused(f"oci:{top}", "no sha256")


# And out again.


def test_export_and_import_give_the_same_image(place):
    members = [
        *small(),
        entry("./srv", DIR, uid=1000, gid=1000, mtime=86400),
        entry("./srv/a", data=b"a" * 5000, uid=1000, mode=0o600),
        entry("./srv/b", LINK, linkname="./srv/a"),
        entry("./srv/link", SYMLINK, linkname="/nowhere/..", uid=5),
        entry("./srv/fifo", tarfile.FIFOTYPE),
    ]
    members[-4][0].pax_headers = {"SCHILY.xattr.user.note": "kept"}
    ok(place.take(place.write("a.tar", archive(members))))
    first = place.world.run("image", "export", "it").stdout
    assert first == place.world.run("image", "export", "it", "-").stdout
    ok(place.take("-", "again", input=first))
    assert place.world.run("image", "export", "again").stdout == first
    with tarfile.open(fileobj=io.BytesIO(first)) as tar:
        assert tar.getmember("./srv/a").pax_headers["SCHILY.xattr.user.note"] == "kept"
        assert (tar.getmember("./srv").uid, tar.getmember("./srv/link").uid) == (1000, 5)


def test_export_to_a_file(place):
    ok(place.take(place.write("a.tar", archive(small()))))
    out = place.top / "out"
    out.mkdir()
    place.world.give(out)
    ok(place.world.run("image", "export", "it", str(out / "a.tar")))
    assert os.listdir(out) == ["a.tar"] and tarfile.is_tarfile(out / "a.tar")
    refusal(place.world.run("image", "export", "it", str(out / "no" / "a.tar")), 125, "make '.*/no/a.tar': no such file")
    (out / "link").symlink_to("a.tar")
    (out / "a.tar").write_text("old")
    (out / "a.tar").chmod(0o600)
    ok(place.world.run("image", "export", "it", str(out / "link")))
    assert (out / "link").is_symlink() and tarfile.is_tarfile(out / "a.tar")
    assert (out / "a.tar").stat().st_mode & 0o777 == 0o600
    (out / "link").unlink()
    refusal(place.world.run("image", "export", "none", str(out / "b.tar")), 125, "none")
    assert os.listdir(out) == ["a.tar"]
    with open("/dev/full", "wb") as full:
        refusal(place.world.run("image", "export", "it", stdout=full), 125, "export image 'it': ")


@pytest.mark.parametrize("unnamed", (True, False), ids=("unnamed", "named"))
def test_an_export_that_is_killed_leaves_nothing(place, unnamed):
    """Also on a filesystem on which nothing can be written without a name."""
    ok(place.take(place.write("a.tar", archive([*small(), entry("./ballast", data=bytes(8 << 20))]))))
    out = place.top / "out"
    out.mkdir()
    place.world.give(out)
    before = []
    if not unnamed:
        before = place.world.strace("-D", "-f", "-P", f"{out}/", "-e", "trace=openat", "-e", "inject=openat:error=EOPNOTSUPP")
    parts = 0
    for i in range(12):
        (out / "a.tar").write_text("old")
        process = subprocess.Popen(
            [*before, str(place.world.binary), "image", "export", "it", str(out / "a.tar")],
            env=place.world.env_without_leak_check(), **({} if before else place.world.as_whom({})))
        if before:
            lxe.poll_until(lambda: len(os.listdir(out)) > 1 or process.poll() is not None, what="the part, or an end")
        lxe.pause(0.004 * i)
        parts += len(os.listdir(out)) > 1
        process.kill()
        process.wait()
        lxe.poll_until(lambda: os.listdir(out) == ["a.tar"], what="nothing but the archive")
        assert (out / "a.tar").read_bytes()[:3] in (b"old", b"./P", b"./\0")
    assert unnamed or parts > 0


def test_an_export_leaves_others_files_alone(place):
    """Also one by the name that its own part would have."""
    ok(place.take(place.write("a.tar", archive(small()))))
    out = place.top / "out"
    out.mkdir()
    place.world.give(out)
    for unnamed in (True, False):
        # It becomes the program, with the same number.
        script = 'echo theirs >"$1/a.tar.part-$$"; shift; exec "$@"'
        before = ("-f", "-P", f"{out}/", "-e", "trace=openat", "-e", "inject=openat:error=EOPNOTSUPP")
        words = ["sh", "-c", script, "sh", str(out), str(place.world.binary), "image", "export", "it", str(out / "a.tar")]
        whose = place.world.as_whom({})
        if not unnamed:
            words = [*place.world.strace(*before), *words]
            whose = {}
        done = subprocess.run(words, env=place.world.env_without_leak_check(), capture_output=True, timeout=lxe.DEADLINE, **whose)
        # strace(1) has a word of its own to say about a path that ends in a slash.
        assert done.returncode == 125 and b"a.tar': file exists" in done.stderr, done
        (left,) = os.listdir(out)
        assert "part" in left and (out / left).read_text() == "theirs\n"
        (out / left).unlink()


def test_an_export_ends_where_it_cannot_get_its_name(place):
    ok(place.take(place.write("a.tar", archive(small()))))
    out = place.top / "out"
    out.mkdir()
    place.world.give(out)
    before = place.world.strace("-f", "-e", "inject=linkat:error=EDQUOT")
    done = subprocess.run(
        [*before, str(place.world.binary), "image", "export", "it", str(out / "a.tar")],
        env=place.world.env_without_leak_check(), capture_output=True, timeout=lxe.DEADLINE)
    refusal(done, 125, "write '.*/out/a.tar': (?i:disk quota exceeded)")
    assert os.listdir(out) == []


def test_no_archive_on_a_terminal_and_none_of_the_host(place):
    ok(place.take(place.write("a.tar", archive(small()))))
    with place.world.pty("image", "export", "it") as pty:
        pty.expect("standard output is a terminal")
    with place.world.pty("image", "import", "x", "-") as pty:
        pty.expect("standard input is a terminal")
    says = "export image 'host': image 'host' has no files of its own\nhint: .* build a debian or busybox image"
    refusal(place.world.run("image", "export", "host"), 125, says)
    ok(place.world.run("image", "build", "host"))
    refusal(place.world.run("image", "export", "host"), 125, says)


def test_inspect(place):
    refusal(place.world.run("image", "inspect", "none"), 125, "there is no image 'none'")
    ok(place.take(place.write("a.tar", archive(small()))))
    shown = stdout_of(place.world.run("image", "inspect", "it"))
    assert "template     tar\n" in shown and "used by      -\n" in shown


# Ended in the middle: nothing is left, and nothing half-made is ever used.


@pytest.fixture
def slow(place):
    """An import that waits for the rest of its archive."""
    process = place.world.popen("image", "import", "it", "-", stdin=subprocess.PIPE)
    process.stdin.write(archive(small())[:200000])
    process.stdin.flush()
    lxe.poll_until(lambda: any(place.images.glob(".build-it/it/rootfs/bin")), what="the unpacking")
    return process


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_an_import_that_is_ended_leaves_nothing(place, slow, name):
    slow.send_signal(getattr(signal, name))
    slow.wait(lxe.DEADLINE)
    assert slow.returncode == (-9 if name == "SIGKILL" else 128 + getattr(signal, name))
    lxe.poll_until(lambda: os.listdir(place.images) == [], what="the end of the import")
    slow.stdin.close()
    refusal(place.world.run("run", "--image", "it", "--", "true"), 125, "it")


def test_a_sandbox_that_was_made_meanwhile_keeps_its_image(place):
    """It has run and ended while the new one was unpacked: nobody holds a lock, and what it has written lies on the old one."""
    ok(place.take(place.write("a.tar", archive(small()))))
    before, data = os.stat(place.images / "it").st_ino, archive(small())
    process = place.world.popen("image", "import", "--force", "it", "-", stdin=subprocess.PIPE)
    process.stdin.write(data[:200000])
    process.stdin.flush()
    lxe.poll_until(lambda: any(place.images.glob(".build-it/it/rootfs/bin")), what="the unpacking")
    ok(place.world.run("create", "--image", "it", "kept", "--", "sh", "-c", "echo >/made"))
    ok(place.world.run("start", "kept"))
    ok(place.world.run("wait", "kept"))
    said = process.communicate(data[200000:], timeout=lxe.DEADLINE)[1].decode()
    says = "lxc-exec: import image 'it': image 'it' is in use: what sandbox 'kept' has kept lies on it\nhint: lxc-exec destroy kept first\n"
    assert (process.returncode, said) == (125, says)
    assert os.stat(place.images / "it").st_ino == before and os.listdir(place.images) == ["it"]
    ok(place.world.run("destroy", "kept"))


def test_others_wait_for_an_import(place, slow):
    other = place.world.popen("image", "import", "other", place.write("a.tar", archive(small())))
    lxe.pause(0.2)
    assert other.poll() is None
    slow.send_signal(signal.SIGTERM)
    slow.wait(lxe.DEADLINE)
    slow.stdin.close()
    assert other.wait(lxe.DEADLINE) == 0
    assert os.listdir(place.images) == ["other"]


@pytest.mark.parametrize("kind", ["tar", "oci", "dir"])
def test_imports_killed_at_random_moments(place, kind):
    """With all that it has started, by its keeper's death or its own: the next one works as if nothing had been."""
    if kind == "tar":
        source = place.write("a.tar", gzip.compress(archive(small())))
    elif kind == "oci":
        layout = Layout(place)
        layout.add("latest", [archive(small())])
        source = f"oci:{layout.top}"
    else:
        source = str(system(place))
    unchecked = place.world.env_without_leak_check()
    for i in range(6):
        process = place.world.popen("image", "import", "--force", "it", source, env=unchecked)
        lxe.pause(i * (0.05 if kind == "oci" else 0.02))
        if i % 2:
            for pid in lxe.all_pids():
                if lxe.parent_of(pid) == process.pid:
                    os.kill(pid, signal.SIGKILL)
        else:
            process.kill()
        process.communicate(timeout=lxe.DEADLINE)
        result = place.world.run("image", "ls", "--format", "json")
        assert all(image["complete"] for image in json.loads(stdout_of(result)))
    ok(place.world.run("image", "import", "--force", "it", source))
    assert os.listdir(place.images) == ["it"]
    assert place.sh("id -u") == "0\n"
