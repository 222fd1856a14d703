"""Copy-on-write: the source stays as it is, what was written is shown, kept or dropped."""

import json
import os
import signal
import stat
import subprocess

import pytest

import lxe
from lxe import ok, refusal, stdout_of

CHANGE = """
echo more >>file; echo new >made; rm -r sub; mkdir sub; echo inside >sub/new; mkdir -p deep/er; mv mode moved
chmod 700 run; ln -s nowhere link; rm gone; mv tree forest; truncate -s 1M sparse; chown 5:6 owned
"""
AFTER = {
    "file": "file\nmore\n",
    "made": "new\n",
    "sub/new": "inside\n",
    "moved": "mode\n",
    "forest/of/files": "files\n",
}


@pytest.fixture
def project(world, tmp_path):
    """A directory of the caller's with all that CHANGE is about."""
    top = tmp_path / "project"
    for path in (top, top / "sub", top / "tree", top / "tree" / "of"):
        path.mkdir()
        world.give(path)
    for name in ("file", "sub/inner", "mode", "run", "gone", "owned", "tree/of/files"):
        (top / name).write_text(f"{os.path.basename(name)}\n")
        world.give(top / name)
    return top


def sh(world, script, *options, **more):
    return world.run("run", *options, "--", "sh", "-c", script, **more)


def seen(top):
    """All that a tree shows of itself."""
    found = {}
    for path, _, names in os.walk(top):
        for name in [".", *names]:
            one = os.path.join(path, name)
            st = os.lstat(one)
            text = open(one).read() if stat.S_ISREG(st.st_mode) else os.readlink(one) if stat.S_ISLNK(st.st_mode) else ""
            found[os.path.relpath(one, top)] = (st.st_mode, st.st_uid, st.st_gid, st.st_mtime_ns, st.st_ino, st.st_atime_ns, text)
    return found


def untouched(before, top):
    """Our own look at it reads, which is no change."""
    strip = lambda tree: {name: (*row[:5], row[6]) for name, row in tree.items()}
    assert strip(seen(top)) == strip(before)


def test_the_source_stays_as_it_is(world, project):
    before = seen(project)
    out = stdout_of(sh(world, f"pwd; {CHANGE} ls; cat sub/new; ls sub; stat -c %u . file made", "--workdir", ".:cow", cwd=project))
    names = ["deep", "file", "forest", "link", "made", "moved", "owned", "run", "sparse", "sub"]
    assert out.split("\n") == [str(project), *names, "inside", "new", "0", "0", "0", ""]
    untouched(before, project)


def test_also_for_who_has_all_that_a_sandbox_can_give(world, project):
    before = seen(project)
    script = """cd /p; umount -l /p; umount /p; mount -o remount,lowerdir=u /p; mount -o remount,rw,bind /p; mkdir /q
        mount --bind /p /q && echo a >/q/made; unshare -m sh -c 'umount /p; umount -l /p; ls /p; echo a >>/p/file'; echo b >>/p/file
        chmod 4755 /p/run; setcap cap_net_raw=ep /p/run; mknod /p/null c 1 3; : 2>/dev/null >/p/null; ls /p; """
    ok(sh(world, script, "--bind", f"{project}:/p:cow", "--cap-add", "ALL", "--seccomp", "unconfined", "--new-privs"))
    untouched(before, project)


def test_a_sandbox_that_is_kept_has_its_layer_on_disk(world, project):
    before = seen(project)
    name = f"lxe-cow-{os.getpid()}"
    ok(world.run("create", "--workdir", f"{project}:cow", name, "--", "sleep", "1000"))
    ok(world.run("start", name))
    ok(world.run("exec", name, "--", "sh", "-c", CHANGE))
    for path, text in AFTER.items():
        assert stdout_of(world.run("exec", name, "--", "cat", path)) == text
    ok(world.run("stop", "--stop-timeout", "100ms", name))
    untouched(before, project)
    inspected = json.loads(stdout_of(world.run("inspect", name)))
    assert inspected["mounts"][0]["access"] == "cow"
    ok(world.run("destroy", name))
    untouched(before, project)


def test_the_top_directory_looks_like_the_source(world, project):
    os.chmod(project, 0o2751)
    os.utime(project, ns=(5, 7000000001))
    subprocess.run(["chmod", "u+s", project], check=True)
    out = stdout_of(world.run("run", "--bind", f"{project}:/p:cow", "--", "stat", "-c", "%a %u %g %.9Y", "/p"))
    assert out == "6751 0 0 7.000000001\n"


def test_the_most_specific_wins_and_none_is_made_in_a_layer(world, project, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    world.give(other)
    options = ["--bind", f"{project}:/p:cow", "--bind", f"{other}:/p/sub", "--bind", f"{project}/tree:/p/tree:ro"]
    script = "touch /p/made /p/sub/written; touch /p/tree/x || echo refused"
    assert stdout_of(sh(world, script, *options)) == "refused\n"
    assert os.listdir(other) == ["written"] and not (project / "made").exists()
    says = "it is not there, and lies in a part that is the host's"
    refusal(sh(world, "true", "--bind", f"{project}:/p:cow", "--bind", f"{other}:/p/none"), says=says)
    # A layer inside of a bind, and of another layer.
    options = ["--bind", f"{project}:/p", "--bind", f"{project}/sub:/p/sub:cow", "--bind", f"{project}/tree:/p/sub/../tree/of:cow"]
    refusal(sh(world, "true", *options), says="holds a '..'")
    options[-1] = f"{project}/tree/of:/p/tree/of:cow"
    ok(sh(world, "touch /p/through /p/sub/not /p/tree/of/not; rm /p/tree/of/files", *options))
    assert (project / "through").exists() and os.listdir(project / "sub") == ["inner"]
    assert os.listdir(project / "tree" / "of") == ["files"]


CANNOT_READ = 'for f in "$@"; do cat "$f" 2>/dev/null && echo read "$f"; ls "$f/." 2>/dev/null && echo listed "$f"; done; echo end'


def test_denied_through_a_layer_and_around_it(world, project):
    (project / "link").symlink_to("sub/inner")
    binds = [f"{project}:/p:cow", f"{project}:/q:ro", f"{project}/sub:/r:cow", f"{project}/sub/inner:/one"]
    options = [word for bind in binds for word in ("--bind", bind)]
    names = ["/p/sub/inner", "/p/link", "/q/sub/inner", "/q/link", "/r/inner", "/one"]
    for deny in names:
        result = world.run("run", *options, "--deny", deny, "--", "sh", "-c", CANNOT_READ, "sh", *names)
        assert stdout_of(result) == "end\n", deny
    for deny in ("/p/sub", "/q/sub", "/r"):
        result = world.run("run", *options, "--deny", deny, "--", "sh", "-c", CANNOT_READ, "sh", "/p/sub", "/q/sub", "/r", *names)
        assert stdout_of(result) == "end\n", deny
    assert stdout_of(world.run("run", *options, "--deny", "/r", "--", "cat", "/p/file", "/q/file")) == "file\nfile\n"


@pytest.mark.roots("what is above them is root's")
def test_our_own_directories_are_covered_in_a_layer_above_them(world):
    script = "ls /b; ls /b/state || echo covered; umount /b/state; ls /b/run || echo still"
    result = ok(sh(world, script, "--cap-add", "ALL", "--seccomp", "unconfined", "--bind", f"{world.base}:/b:cow"))
    assert result.stdout.split(b"\n")[-3:] == [b"covered", b"still", b""], result


WRONG = [
    (["--bind", "{p}/file:/x:cow"], "copy-on-write is for directories.*\nhint: .*--file {p}/file:/x"),
    (["--bind", "{p}:/x:cow:rw"], "'rw' says for a second time"),
    (["--bind", "{p}:/x:ro:cow"], "'cow' says for a second time"),
    (["--tmpfs", "/x:cow"], "'cow' is not known here"),
    (["--file", "{p}/file:/x:cow"], "'cow' is no mode"),
    (["--bind", "{p}/none:/x:cow"], "no such file or directory"),
    (["--bind", "/proc:/x:cow:shift=off"], "'/proc' is the host's proc"),
    (["--bind", "{p}:/x:cow", "--file", "{p}/file:/x/copy"], "a part of the host's, not the sandbox's"),
]


@pytest.mark.parametrize("words, says", WRONG)
def test_what_cannot_be_starts_nothing(world, project, words, says):
    before = seen(project)
    words = [word.format(p=project) for word in words]
    refusal(sh(world, "echo ran", *words), says=says.replace("{p}", str(project)))
    untouched(before, project)


def test_in_a_profile(world, project, tmp_path):
    profile = tmp_path / "p.conf"
    profile.write_text(f"[run]\nworkdir = {project}:cow\n[bind]\na = {project}/sub:/b:cow\n")
    assert stdout_of(sh(world, "rm -r * /b/*; ls; ls /b", "--profile", str(profile))) == ""
    assert len(os.listdir(project)) == 7


if not os.environ.get("LXE_AS_USER"):  # only root mounts

    def test_a_mount_below_is_told_of(world, project):
        outer = ["unshare", "-m", "sh", "-ec", f'mount -t tmpfs lxe {project}/sub; exec "$@"', "sh"]
        words = [str(world.binary), "run", "--bind", f"{project}:/p:cow", "--", "true"]
        result = subprocess.run(outer + words, env=world.env(), capture_output=True, timeout=lxe.DEADLINE)
        refusal(result, says=f"another is mounted at '{project}/sub'\nhint: ")
