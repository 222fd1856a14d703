"""Disk images of the caller's inside: --disk IMAGE:DST, and the lock on an image while a sandbox uses it."""

import fcntl
import json
import os
import signal
import subprocess

import pytest

import lxe
from lxe import ok, poll_until, refusal, stdout_of

pytestmark = pytest.mark.roots("only root mounts disk images; a user's refusal is tested here as a user's")

SQUASHFS_SHIFTS = lxe.KERNEL >= (6, 2)


def tool(*words, cwd):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=cwd)


@pytest.fixture
def disks(world, tmp_path):
    """One image of each kind with the file `what`, which names the kind and belongs to 1000."""
    world.images.add(tmp_path)
    source = tmp_path / "source"
    source.mkdir()
    for kind in ("ext4", "squashfs", "erofs"):
        (source / "what").write_text(f"{kind}\n")
        os.chown(source / "what", 1000, 1000)
        if kind == "ext4":
            with open(tmp_path / kind, "wb") as f:
                f.truncate(4 << 20)
            tool("mke2fs", "-q", "-F", "-t", "ext4", "-d", source, kind, cwd=tmp_path)
        elif kind == "squashfs":
            tool("mksquashfs", source, kind, "-quiet", cwd=tmp_path)
        else:
            tool("mkfs.erofs", kind, source, cwd=tmp_path)
    yield tmp_path
    world.images.discard(tmp_path)


def sh(world, script, *options):
    return world.run("run", *options, "--", "sh", "-c", script)


def held(path):
    """Does anybody hold a lock on it?"""
    with open(path, "rb") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_each_kind_is_seen_with_its_owners(world, disks):
    for kind in ("ext4", "squashfs", "erofs"):
        if kind == "squashfs" and not SQUASHFS_SHIFTS:
            refused = sh(world, "true", "--disk", f"{disks / kind}:/d")
            refusal(refused, says="cannot mount its file system with shifted owners[^$]*hint: .*shift=off")
            continue
        out = stdout_of(sh(world, "cat /d/what; stat -c %u:%g /d /d/what; grep ' /d ' /proc/self/mountinfo", "--disk", f"{disks / kind}:/d"))
        what, top, inner, mount = out.splitlines()
        assert (what, top, inner) == (kind, "0:0", "1000:1000")
        access, *flags = mount.split()[5].split(",")
        assert access == ("rw" if kind == "ext4" else "ro") and {"nosuid", "nodev"} <= set(flags)
        assert f" - {kind} /dev/loop" in mount
        assert "shared:" not in mount and "master:" not in mount
    # Without a shift its owners are what they are on the host: nobody's here.
    out = stdout_of(sh(world, "stat -c %u /d/what", "--disk", f"{disks / 'ext4'}:/d:shift=off"))
    assert out == "65534\n"


def test_what_is_written_is_in_the_image(world, disks):
    ok(sh(world, "echo new >/d/made && mkdir -p /d/a/b && ln -s x /d/a/link && sync", "--disk", f"{disks / 'ext4'}:/d"))
    assert stdout_of(sh(world, "cat /d/made; ls -R /d/a", "--disk", f"{disks / 'ext4'}:/d:ro")) == "new\n/d/a:\nb\nlink\n\n/d/a/b:\n"
    with open(disks / "ext4", "rb") as f:
        before = f.read()
    result = sh(world, "echo 2>/dev/null >/d/more || echo refused; rm -f /d/made 2>/dev/null || echo kept; touch -a /d/what", "--disk", f"{disks / 'ext4'}:/d:ro")
    assert b"refused\nkept\n" in result.stdout
    more = ["--cap-add", "ALL", "--seccomp", "unconfined", "--new-privs"]
    sh(world, "mount -o remount,rw /d; mount -o remount,rw,bind /d; echo >/d/more", *more, "--disk", f"{disks / 'ext4'}:/d:ro")
    with open(disks / "ext4", "rb") as f:
        assert f.read() == before


def test_a_dry_run_writes_to_no_image(world, disks, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    before = (disks / "ext4").read_bytes()
    script = "echo x >/mnt/made || echo refused; touch made"
    result = sh(world, script, "--dry-run", "--workdir", str(work), "--disk", f"{disks / 'ext4'}:/mnt:rw")
    assert stdout_of(result) == "refused\n" and b"A made" in result.stderr
    assert (disks / "ext4").read_bytes() == before and os.listdir(work) == []


def test_several_one_in_another_and_with_a_limit(world, disks):
    options = ["--disk", "8M", "--disk", f"{disks / 'erofs'}:/s", "--disk", f"{disks / 'ext4'}:/e", "--tmpfs", "/s/none"]
    says = "it is not there, and lies in a part that is the host's"
    refusal(sh(world, "true", *options), says=says)
    ok(sh(world, "mkdir /d/sub", "--disk", f"{disks / 'ext4'}:/d"))
    options[-1] = "/e/sub"
    out = stdout_of(sh(world, "cat /s/what /e/what; echo >/e/sub/x; df --output=size / | tail -1", *options))
    assert out.split() == ["erofs", "ext4", "8192"]
    # Read by two places of one sandbox; written by one only.
    both = [f"{disks / 'ext4'}:/a:ro", f"{disks / 'ext4'}:/b:ro"]
    assert stdout_of(sh(world, "cat /a/what /b/what", "--disk", both[0], "--disk", both[1])) == "ext4\next4\n"
    refusal(sh(world, "true", "--disk", both[0], "--disk", both[1][:-3]), says="in use for reading by this sandbox itself")


def sandbox(world, name, disk):
    ok(world.run("create", "--disk", disk, name, "--", "sleep", "1000"))
    ok(world.run("start", name))


def test_incompatible_uses_are_refused_with_the_holders_name(world, disks):
    image = disks / "ext4"
    sandbox(world, "writer", f"{image}:/d")
    for access in ("", ":ro", ":rw"):
        says = f"'{image}': it is in use for writing by sandbox 'writer'\nhint: end it first .lxc-exec stop writer."
        refusal(sh(world, "true", "--disk", f"{image}:/d{access}"), says=says)
    # Also under another name, and with another run directory: the lock is on the file.
    os.link(image, disks / "other")
    env = world.env(LXC_EXEC_RUN_DIR=str(world.base / "run2"))
    found = world.run("run", "--disk", f"{disks / 'other'}:/d", "--", "true", env=env)
    refusal(found, says="it is in use for writing by sandbox ([0-9a-f]{12}|'writer')")
    inspected = json.loads(stdout_of(world.run("inspect", "writer")))
    inspected = inspected[0] if isinstance(inspected, list) else inspected
    assert inspected["mounts"] == [
        {"type": "disk", "source": str(image), "destination": "/d", "access": "auto", "shifted": True}
    ]
    ok(world.run("destroy", "--force", "writer"))
    # At once: what has ended holds nothing up.
    sandbox(world, "reader", f"{image}:/d:ro")
    assert stdout_of(sh(world, "cat /d/what", "--disk", f"{image}:/d:ro")) == "ext4\n"
    refusal(sh(world, "true", "--disk", f"{image}:/d"), says="it is in use for reading by sandbox 'reader'")
    ok(world.run("destroy", "--force", "reader"))
    ok(sh(world, "echo >/d/x", "--disk", f"{image}:/d"))


def test_a_sandbox_that_is_stopped_holds_nothing(world, disks):
    ok(world.run("create", "--disk", f"{disks / 'ext4'}:/d", "kept", "--", "sleep", "1000"))
    assert held(disks / "ext4")
    ok(world.run("start", "kept"))
    ok(world.run("stop", "kept"))
    ok(sh(world, "echo >/d/x", "--disk", f"{disks / 'ext4'}:/d"))
    ok(world.run("destroy", "kept"))


def test_others_locks_and_loop_devices_count(world, disks):
    image = disks / "ext4"
    with open(image, "rb") as f:
        fcntl.flock(f, fcntl.LOCK_SH)
        refusal(sh(world, "true", "--disk", f"{image}:/d"), says=f"in use for reading by process {os.getpid()}\n")
        ok(sh(world, "true", "--disk", f"{image}:/d:ro"))
    device = subprocess.run(["losetup", "--find", "--show", image], check=True, capture_output=True, text=True).stdout.strip()
    try:
        for access in ("", ":ro"):
            refusal(sh(world, "true", "--disk", f"{image}:/d{access}"), says=f"the host uses it as {device}\n")
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)
    poll_until(lambda: not list(world.left_loops()), what="the end of the loop device")
    ok(sh(world, "true", "--disk", f"{image}:/d"))


def test_what_cannot_be_mounted_starts_nothing(world, disks):
    def refused(value, says):
        refusal(sh(world, "true", "--disk", value), says=says)

    def file(name, content):
        (disks / name).write_bytes(content)
        return f"{disks / name}:/d"

    refused(f"{disks}/none:/d", "no such file or directory\nhint: ")
    refused(f"{disks}/source:/d", "it is no regular file\nhint: --bind ")
    refused("/dev/loop0:/d", "it is a device, and not a file with a file system in it\nhint: ")
    refused(file("empty", b""), "it holds an empty file")
    refused(file("zeros", bytes(8192)), "nothing but zeros where a file system begins")
    refused(file("text", b"hello" * 1000), "nothing that is known here\nhint: mkfs.ext4, ")
    refused(file("gz", b"\x1f\x8b" + bytes(512)), "compressed by gzip")
    refused(f"{disks / 'squashfs'}:/d:rw", "squashfs, cannot be written to\nhint: .*:ro$")
    refused(f"{disks / 'ext4'}:/usr/bin/env", "there is a file")
    refused(f"{disks / 'ext4'}:/proc/x", "the sandbox's own system files are there")
    refused(f"{disks / 'ext4'}:d", "is not an absolute path")
    refused(str(disks / "ext4"), "is neither a size nor an image with its place\nhint: ")
    refused(f"{world.state}/x:/d", "no such file")
    squashfs = (disks / "squashfs").read_bytes()
    refused(file("cut", squashfs[:100]), "its size is no multiple of 512 bytes.*\nhint: truncate -s %512")
    refused(file("half", squashfs[:96] + bytes(4000)), "mount its squashfs: .*\nhint: it may be damaged")
    ext4 = bytearray((disks / "ext4").read_bytes())
    broken = ext4.copy()
    broken[1024 : 1024 + 32] = b"\xff" * 32
    refused(file("broken", broken), "mount its ext4: .*\nhint: it may be damaged: look with e2fsck -fn")
    fifo = disks / "fifo"
    os.mkfifo(fifo)
    refused(f"{fifo}:/d", "it is no regular file")
    for left in ("cut", "half", "broken", "ext4", "squashfs"):
        assert not held(disks / left)


def test_a_journal_that_is_not_empty_is_not_passed_over(world, disks):
    """As after a power cut: ":ro" would show what never was, and writing replays it."""
    tool("mke2fs", "-q", "-F", "-t", "ext4", "-O", "^metadata_csum", "-d", "source", "dirty", "8M", cwd=disks)
    with open(disks / "dirty", "r+b") as f:
        flags = os.pread(f.fileno(), 1, 1024 + 0x60)[0]
        os.pwrite(f.fileno(), bytes([flags | 4]), 1024 + 0x60)
    says = "it was not unmounted, and read-only its journal cannot be replayed\nhint: lxc-exec run --disk .*:rw -- true"
    refusal(sh(world, "true", "--disk", f"{disks / 'dirty'}:/d:ro"), says=says)
    ok(sh(world, "true", "--disk", f"{disks / 'dirty'}:/d"))
    assert stdout_of(sh(world, "cat /d/what", "--disk", f"{disks / 'dirty'}:/d:ro")) == "erofs\n"


def test_an_image_cannot_ask_to_stop_the_host(world, disks):
    tool("tune2fs", "-e", "panic", disks / "ext4", cwd=disks)
    for access, errors in (("rw", "errors=remount-ro"), ("ro", "")):
        out = stdout_of(sh(world, "grep ' /d ' /proc/self/mountinfo", "--disk", f"{disks / 'ext4'}:/d:{access}"))
        assert errors in out and "panic" not in out


def test_in_a_profile(world, disks, tmp_path):
    profile = tmp_path / "profile.conf"
    profile.write_text(f"[run]\ndisk = 8M\n[disk]\none = {disks / 'ext4'}:/e:ro\ntwo = {disks / 'erofs'}:/r\n")
    script = "cat /e/what /r/what; df --output=size / | tail -1"
    assert stdout_of(sh(world, script, "--profile", str(profile))).split() == ["ext4", "erofs", "8192"]
    profile.write_text(f"[run]\ndisk = {disks / 'ext4'}:/e\n")
    assert stdout_of(sh(world, "cat /e/what", "--profile", str(profile))) == "ext4\n"
    for text, says in (
        ("[run]\ndisk = ext4:/e\n", ":2: .*'ext4:/e' is not an absolute path"),
        ("[disk]\na = ext4:/e\n", ":2: .*'ext4:/e' is not an absolute path"),
        ("[disk]\na = 8M\n", ":2: .*'8M' is no image with its place\nhint: a limit is disk = SIZE in .run."),
        ("[run]\ndisk = much\n", ":2: .*neither a size nor an image"),
    ):
        profile.write_text(text)
        refusal(sh(world, "true", "--profile", str(profile)), says=says)


def test_a_denied_path_of_an_image_is_denied(world, disks):
    out = sh(world, "cat /d/what; ls /d", "--disk", f"{disks / 'erofs'}:/d", "--deny", "/d/what")
    assert b"erofs\n" not in out.stdout and b"Permission denied" in out.stderr


@pytest.mark.parametrize("whom", ["client", "keeper", "both"])
def test_whoever_is_killed_no_device_and_no_lock_stays(world, disks, whom):
    image = disks / "ext4"
    client = world.popen("run", "--disk", f"{image}:/d", "--", "sh", "-c", "echo up; setsid sleep 1000 & sleep 1000")
    assert client.stdout.readline() == b"up\n"
    assert held(image) and list(world.left_loops())
    keeper = world.keeper()
    if whom != "client":
        os.kill(keeper, signal.SIGKILL)
    if whom != "keeper":
        client.kill()
    client.communicate(timeout=lxe.DEADLINE)
    # The next one neither waits for long nor is it refused.
    ok(sh(world, "cat /d/what", "--disk", f"{image}:/d"))
    ok(world.run("gc"))
    poll_until(lambda: not held(image) and not list(world.left_loops()), what="the end of its loop device")


def test_killed_while_it_is_made(world, disks):
    """At random moments of the making, from the seed; no loop device and no lock may stay."""
    import random

    rng = random.Random(7)
    for _ in range(8):
        client = world.popen("run", "--disk", f"{disks / 'ext4'}:/d", "--", "true")
        lxe.pause(rng.random() * 0.05)
        for pid in rng.choice((world.keepers, lambda: []))() + [client.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        client.communicate(timeout=lxe.DEADLINE)
    ok(world.run("gc"))
    poll_until(lambda: not held(disks / "ext4") and not list(world.left_loops()), what="the end of all loop devices")


def test_an_ordinary_user_is_told_that_he_cannot(disks):
    user = lxe.User(logs_in=False)
    world = lxe.World(user=user)
    image = user.home / "image"
    image.write_bytes((disks / "squashfs").read_bytes())
    try:
        says = "the kernel mounts disk images for root only\nrule: .*\nhint: run as root, or unpack the image"
        refusal(world.run("run", "--disk", f"{image}:/d", "--", "true"), says=says)
        world.assert_clean(timeout=2.0 * lxe.SLACK)
    finally:
        world.close()
        user.remove()
