"""Copy-on-write: the source stays as it is, what was written is shown, kept or dropped."""

import contextlib
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


def box(world, project, *options, command=("sleep", "1000")):
    """A sandbox that runs, with a layer over the project, and CHANGE done in it."""
    name = f"lxe-cow-{os.urandom(4).hex()}"
    ok(world.run("create", *options, "--workdir", f"{project}:cow", name, "--", *command))
    ok(world.run("start", name))
    ok(world.run("exec", name, "--", "sh", "-c", CHANGE))
    return name


def lines(result):
    return stdout_of(result).splitlines()


LIST = [
    "A deep/",
    "A deep/er/",
    "M file",
    "A forest/",
    "A forest/of/",
    "A forest/of/files",
    "D gone",
    "A link",
    "A made",
    "D mode",
    "A moved",
    "m owned (owner 0:0 -> 5:6)",
    "m run (mode 0644 -> 0700)",
    "A sparse",
    "D sub/inner",
    "A sub/new",
    "D tree/",
]


def test_diff_commit_and_on(world, project):
    name = box(world, project)
    before = seen(project)
    assert lines(world.run("diff", name)) == LIST
    untouched(before, project)
    assert lines(world.run("diff", name, "sub", f"{project}/made", cwd=project)) == ["A made", "D sub/inner", "A sub/new"]
    assert lines(world.run("diff", name, "new", cwd=project / "sub")) == ["A sub/new"]
    entries = json.loads(stdout_of(world.run("diff", "--format", "json", name)))
    assert [entry["source"] for entry in entries] == [str(project)]
    assert len(entries[0]["changes"]) == len(LIST)
    sides = {side: change[side] for change in entries[0]["changes"] if change["path"].endswith("/owned") for side in ("before", "after")}
    assert [(side["uid"], side["gid"]) for side in (sides["before"], sides["after"])] == [(0, 0), (5, 6)]
    inspected = json.loads(stdout_of(world.run("inspect", name)))
    assert inspected["changes"] == {"added": 10, "modified": 3, "deleted": 4}
    # A part of it, while a shell inside goes on.
    assert lines(world.run("commit", name, "sub", "made", cwd=project)) == ["A made", "D sub/inner", "A sub/new"]
    assert (project / "made").read_text() == "new\n" and os.listdir(project / "sub") == ["new"]
    assert (project / "file").read_text() == "file\n" and (project / "gone").exists()
    left = lines(world.run("diff", name))
    assert left == [line for line in LIST if line not in ("A made", "D sub/inner", "A sub/new")]
    assert lines(world.run("commit", "--dry-run", name)) == left
    assert (project / "gone").exists()
    ok(world.run("commit", "-q", name))
    for path, text in AFTER.items():
        assert (project / path).read_text() == text, path
    assert owner(project / "made") == callers(world) and stat.S_IMODE((project / "run").stat().st_mode) == 0o700
    assert lines(world.run("diff", name)) == []
    # It goes on, and what it does then can be committed, too.
    ok(world.run("exec", name, "--", "sh", "-c", "echo again >>file; rm made; echo x >sub/later"))
    assert lines(world.run("commit", name)) == ["M file", "D made", "A sub/later"]
    assert (project / "file").read_text() == "file\nmore\nagain\n" and not (project / "made").exists()
    ok(world.run("destroy", "--force", name))


def callers(world):
    return (world.user.uid, world.user.gid) if world.user else (0, 0)


def owner(path):
    st = os.lstat(path)
    return (st.st_uid, st.st_gid)


def test_a_patch_of_what_nobody_may_read(world, project):
    """An ordinary user is no reader of them by their modes, but their owner; what is not even his is shown as data is."""
    name = f"lxe-cow-{os.urandom(4).hex()}"
    for path, mode in ((project / "file", 0), (project / "gone", 0o200)):
        path.chmod(mode)
    (project / "roots").write_text("root\n")
    (project / "roots").chmod(0o600)
    ok(world.run("create", "--workdir", f"{project}:cow", name, "--", "sleep", "1000"))
    ok(world.run("start", name))
    ok(world.run("exec", name, "--", "sh", "-c", "echo more >>file; rm gone roots; echo new >made; chmod 0 made; echo last >z"))
    text = stdout_of(world.run("diff", "--patch", name))
    assert " file\n+more\n" in text and "-gone\n" in text and "+new\n" in text and text.endswith("+last\n")
    hidden = "deleted file mode 100600\nBinary files a/roots and /dev/null differ\n"
    assert (hidden if world.user else "-root\n") in text
    ok(world.run("destroy", "--force", name))


def test_a_patch_can_be_applied(world, project, tmp_path):
    name = f"lxe-cow-{os.urandom(4).hex()}"
    ok(world.run("create", "--workdir", f"{project}:cow", name, "--", "sleep", "1000"))
    ok(world.run("start", name))
    ok(world.run("exec", name, "--", "sh", "-c", "echo more >>file; echo new >sub/made; rm gone; head -c 100 /dev/zero >binary"))
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-a", project, copy], check=True)
    patch = stdout_of(world.run("diff", "--patch", name))
    assert "+more" in patch and "binary" in patch.lower()
    subprocess.run(["patch", "-p1", "-s", "-d", copy], input=patch.encode(), check=True)
    assert (copy / "file").read_text() == "file\nmore\n" and (copy / "sub" / "made").read_text() == "new\n"
    assert not (copy / "gone").exists()
    ok(world.run("destroy", "--force", name))


def test_stopped_discarded_and_started_again(world, project):
    name = box(world, project)
    ok(world.run("stop", "--stop-timeout", "100ms", name))
    before = seen(project)
    assert lines(world.run("diff", name)) == LIST
    untouched(before, project)
    ok(world.run("start", name))
    assert stdout_of(world.run("exec", name, "--", "cat", "made")) == "new\n"
    says = "discard: sandbox '.*' is running\nhint: lxc-exec stop .* first"
    refusal(world.run("discard", name), says=says)
    ok(world.run("stop", "--stop-timeout", "100ms", name))
    ok(world.run("discard", name))
    untouched(before, project)
    assert lines(world.run("diff", name)) == []
    ok(world.run("start", name))
    assert stdout_of(world.run("exec", name, "--", "sh", "-c", "cat file; ls made || true")) == "file\n"
    ok(world.run("exec", name, "--", "sh", "-c", "echo other >>file; rm -r tree"))
    ok(world.run("stop", "--stop-timeout", "100ms", name))
    assert lines(world.run("commit", name)) == ["M file", "D tree/"]
    assert (project / "file").read_text() == "file\nother\n" and not (project / "tree").exists()
    # Nothing is left that would stand in the way of another sandbox on the same layers.
    ok(world.run("fork", name, f"{name}-2"))
    ok(world.run("start", f"{name}-2"))
    assert stdout_of(world.run("exec", f"{name}-2", "--", "cat", "file")) == "file\nother\n"
    ok(world.run("destroy", "--force", f"{name}-2"))
    ok(world.run("destroy", name))


def test_a_source_that_has_changed_is_not_overwritten(world, project):
    name = box(world, project)
    (project / "file").write_text("others\n")
    world.give(project / "file")
    before = seen(project)
    result = world.run("commit", name)
    assert result.returncode == 125 and not result.stdout
    found = result.stderr.decode().splitlines()
    assert found[0] == "conflict: file: it was changed in the source as well"
    assert found[1].startswith("lxc-exec: commit: nothing was committed") and found[2].startswith("hint: ")
    untouched(before, project)
    ok(world.run("commit", name, "made"))
    assert (project / "made").exists() and (project / "file").read_text() == "others\n"
    refusal(world.run("commit", name, "nothing/here"), says="nothing has changed at")
    # A variable of a script's that is not set is not everything.
    for verb in ("commit", "diff"):
        refusal(world.run(verb, name, ""), says="a path is empty\nhint: without a path")
    refusal(world.run("diff", name, "/etc/passwd"), says="'/etc/passwd' is in no copy-on-write bind")
    ok(world.run("destroy", "--force", name))


def test_a_commit_stays_in_the_source(world, project, tmp_path):
    """What was a directory is a symlink now, inside or outside: nothing is written through it."""
    other = tmp_path / "other"
    other.mkdir()
    world.give(other)
    name = f"lxe-cow-{os.urandom(4).hex()}"
    ok(world.run("create", "--workdir", f"{project}:cow", name, "--", "sleep", "1000"))
    ok(world.run("start", name))
    ok(world.run("exec", name, "--", "sh", "-c", f"echo evil >sub/planted; ln -s {other} way; rm -r tree; ln -s {other} tree"))
    (project / "sub").rename(project / "elsewhere")
    (project / "sub").symlink_to(other)
    assert world.run("commit", name).returncode == 125
    assert os.listdir(other) == [] and sorted(os.listdir(project / "elsewhere")) == ["inner"]
    (project / "sub").unlink()
    (project / "elsewhere").rename(project / "sub")
    result = world.run("commit", name, "tree", "way")
    assert result.returncode in (0, 125)
    assert os.listdir(other) == []
    ok(world.run("destroy", "--force", name))


def test_another_directory_in_the_place_of_the_source(world, project):
    name = box(world, project)
    ok(world.run("stop", "--stop-timeout", "100ms", name))
    project.rename(project.parent / "moved")
    refusal(world.run("commit", name), says="open '.*': no such file")
    project.mkdir()
    world.give(project)
    refusal(world.run("commit", name), says="is another directory by now")
    assert os.listdir(project) == []
    project.rmdir()
    (project.parent / "moved").rename(project)
    ok(world.run("commit", name, str(project / "made")))
    assert (project / "made").exists()
    ok(world.run("destroy", name))


def test_a_source_that_is_gone_or_another_does_not_keep_its_changes(world, project):
    name = box(world, project)
    ok(world.run("stop", "--stop-timeout", "100ms", name))
    project.rename(project.parent / "moved")
    ok(world.run("discard", name))
    (project.parent / "moved").rename(project)
    assert lines(world.run("diff", name)) == []
    ok(world.run("start", name))
    ok(world.run("exec", name, "--", "touch", "made"))
    ok(world.run("stop", "--stop-timeout", "100ms", name))
    project.rename(project.parent / "moved")
    project.mkdir()
    world.give(project)
    ok(world.run("discard", name))
    assert lines(world.run("diff", name)) == [] and os.listdir(project) == []
    ok(world.run("destroy", name))


def test_nothing_to_commit_does_nothing(world, project):
    """Not even to a source that the caller may not write to."""
    os.chown(project, 0, 0)
    os.chmod(project, 0o755)
    before = os.stat(project)
    ok(sh(world, "true", "--workdir", f"{project}:cow", "--on-success", "commit"))
    assert os.stat(project).st_ctime_ns == before.st_ctime_ns


def test_who_reads_slowly_holds_up_neither_the_sandbox_nor_the_commit(world, project):
    name = box(world, project)
    ok(world.run("exec", name, "--", "sh", "-c", "mkdir many; cd many; seq -f %050g 2000 | xargs touch"))
    reader, writer = os.pipe()
    commit = world.popen("commit", name, stdout=writer)
    os.close(writer)
    lxe.poll_until((project / "many").exists, what="the commit")
    ok(world.run("exec", name, "--", "true"))
    os.close(reader)
    assert commit.wait(timeout=lxe.DEADLINE) == -signal.SIGPIPE
    assert commit.stderr.read() == b"" and len(os.listdir(project / "many")) == 2000
    assert lines(world.run("diff", name)) == []
    ok(world.run("destroy", "--force", name))


CHURN = "while :; do mkdir -p d/e; echo x >d/e/f; echo y >file; mv file other; mv other file; rm -r d; echo z >g; rm g; done"


@contextlib.contextmanager
def churning(world, project):
    """One whose files change all the time."""
    name = box(world, project)
    churn = world.popen("exec", name, "--", "sh", "-c", CHURN)
    yield name
    ok(world.run("destroy", "--force", name))
    churn.communicate(timeout=lxe.DEADLINE)


def test_what_changes_while_it_is_listed_is_no_failure(world, project):
    with churning(world, project) as name:
        for _ in range(40):
            ok(world.run("diff", name))
            ok(world.run("diff", "--patch", name))


@pytest.mark.roots("a user's sandbox may have no group that can be frozen")
def test_what_runs_on_is_frozen_while_it_is_committed(world, project):
    with churning(world, project) as name:
        for _ in range(20):
            ok(world.run("commit", name))


def test_holes_take_no_time(world, project):
    name = box(world, project)
    ok(world.run("exec", name, "--", "sh", "-c", "truncate -s 1T huge; printf x >>huge; echo more >>file"))
    ok(world.run("commit", name))
    assert lines(world.run("diff", name)) == []
    ok(world.run("exec", name, "--", "sh", "-c", "printf y | dd of=huge bs=1 seek=5000000000 conv=notrunc 2>&1"))
    assert lines(world.run("diff", name)) == ["M huge"]
    ok(world.run("destroy", "--force", name))


def test_a_layer_is_there_as_a_whole_or_not(world, project):
    """Whoever was killed while he made it."""
    name = f"lxe-cow-{os.urandom(4).hex()}"
    ok(world.run("create", "--workdir", f"{project}:cow", name, "--", "sleep", "1000"))
    ok(world.run("start", name))
    ok(world.run("stop", "--stop-timeout", "100ms", name))
    (layer,) = world.kept.glob("*/rw/c/0")
    (layer / "about").unlink()
    (layer / "u").rename(layer / "n")
    os.chmod(layer / "n", 0o700)
    ok(world.run("start", name))
    assert stdout_of(world.run("exec", name, "--", "sh", "-c", "stat -c %a .; touch made")) == "755\n"
    assert lines(world.run("diff", name)) == ["A made"]
    ok(world.run("destroy", "--force", name))


def test_a_one_shot_can_be_looked_at(world, project):
    run = world.popen("run", "--workdir", f"{project}:cow", "--", "sh", "-c", "touch made; echo up; read x", stdin=subprocess.PIPE)
    assert run.stdout.readline() == b"up\n"
    run_id = world.sandbox_id()
    assert lines(world.run("diff", run_id)) == ["A made"]
    ok(world.run("stop", "--stop-timeout", "100ms", run_id))
    run.communicate(timeout=lxe.DEADLINE)
    assert not (project / "made").exists()


def test_what_has_no_such_bind(world, project):
    name = f"lxe-cow-{os.urandom(4).hex()}"
    ok(world.run("create", "--workdir", str(project), name, "--", "sleep", "1000"))
    assert stdout_of(world.run("diff", name)) == ""
    for verb in ("commit", "discard"):
        refusal(world.run(verb, name), says="has no copy-on-write bind\nhint: .*--workdir DIR:cow")
    refusal(world.run("diff", "--patch", "--format", "json", name), says="--patch and --format json")
    ok(world.run("destroy", name))


def result_of(path):
    return json.loads(path.read_text())["changes"]


def test_a_dry_run_says_what_it_would_do(world, project, tmp_path):
    before, record = seen(project), tmp_path / "result"
    result = ok(sh(world, f"{CHANGE} echo out", "--dry-run", "--workdir", str(project), "--result", str(record)))
    assert result.stdout == b"out\n"
    assert result.stderr.decode().splitlines() == LIST
    untouched(before, project)
    assert result_of(record)["result"] == "shown" and result_of(record)["deleted"] == 4
    result = sh(world, "rm file; exit 3", "--dry-run", "--bind", f"{project}:/p", "--workdir", str(project))
    assert result.returncode == 3 and result.stderr == b"D %b/file\n" % os.fsencode(project)
    with world.pty("run", "--dry-run", "--workdir", str(project), "--", "sh", "-c", "rm gone; tty") as terminal:
        terminal.expect(b"/dev/pts/[0-9]+\r\nD gone\r\n")
        assert terminal.wait() == 0
    untouched(before, project)


def test_on_success_and_on_failure(world, project, tmp_path):
    record, options = tmp_path / "result", ["--workdir", f"{project}:cow", "--result", str(tmp_path / "result")]
    both = [*options, "--on-success", "commit", "--on-failure", "discard"]
    assert stdout_of(sh(world, "rm gone; echo more >>file; (sleep 1000 &); echo out", *both)) == "out\n"
    assert not (project / "gone").exists() and (project / "file").read_text() == "file\nmore\n"
    assert result_of(record) == {"result": "committed", "added": 0, "modified": 1, "deleted": 1, "conflicts": 0}
    before = seen(project)
    for script, status in (("rm file; exit 1", 1), ("rm file; kill -9 $$", 137), ("rm file; sleep 1000", 124)):
        timeout = ["--timeout", lxe.span(400)] if status == 124 else []
        ok(sh(world, script, *both, *timeout), status)
        assert result_of(record)["result"] == "discarded"
        untouched(before, project)
    ok(sh(world, "touch failed; exit 1", *options, "--on-failure", "commit"), 1)
    assert (project / "failed").exists() and result_of(record)["result"] == "committed"
    ok(sh(world, "touch well", *options, "--on-failure", "commit"))
    assert not (project / "well").exists() and result_of(record)["result"] == "discarded"


def test_what_cannot_be_committed_is_kept(world, project, tmp_path):
    record = tmp_path / "result"
    options = ["--workdir", f"{project}:cow", "--result", str(record), "--on-success", "commit"]
    run = world.popen("run", *options, "--", "sh", "-c", "echo inside >>file; touch made; echo up; read x", stdin=subprocess.PIPE)
    assert run.stdout.readline() == b"up\n"
    (project / "file").write_text("outside\n")
    world.give(project / "file")
    _, errors = run.communicate(b"\n", timeout=lxe.DEADLINE)
    assert run.returncode == 125
    found = errors.decode().splitlines()
    assert found[0] == "conflict: file: it was changed in the source as well" and "is kept" in found[2], found
    assert result_of(record)["result"] == "kept" and result_of(record)["conflicts"] == 1
    assert (project / "file").read_text() == "outside\n" and not (project / "made").exists()
    kept = json.loads(record.read_text())["id"]
    assert lines(world.run("diff", kept)) == ["M file", "A made"]
    ok(world.run("commit", kept, f"{project}/made"))
    assert (project / "made").exists()
    ok(world.run("destroy", kept))


@pytest.mark.parametrize("who", ["client", "keeper"])
def test_a_run_that_is_killed_commits_nothing_and_leaves_nothing(world, project, who):
    before = seen(project)
    options = ["--workdir", f"{project}:cow", "--on-success", "commit", "--on-failure", "commit"]
    run = world.popen("run", *options, "--", "sh", "-c", "rm file; echo up; exec sleep 1000")
    assert run.stdout.readline() == b"up\n"
    os.kill(run.pid if who == "client" else world.keeper(), signal.SIGKILL)
    run.communicate(timeout=lxe.DEADLINE)
    lxe.poll_until(lambda: not world.keepers(), what="the keeper's end")
    ok(world.run("gc"))
    assert not os.listdir(world.kept)
    untouched(before, project)


WRONG_RUNS = [
    (["--on-success", "commit", "--workdir", "{p}"], "--on-success is about copy-on-write binds.*\nhint: --workdir DIR:cow"),
    (["--dry-run"], "--dry-run is about copy-on-write binds"),
    (["--dry-run", "--on-failure", "commit", "--workdir", "{p}:cow"], "--dry-run and --on-success"),
    (["--on-success", "maybe", "--workdir", "{p}:cow"], "'maybe' is neither commit nor discard"),
    (["--keep", "--on-success", "commit", "--workdir", "{p}:cow"], "--keep and"),
    (["--dry-run", "--bind", "{p}/file:/x"], "copy-on-write is for directories"),
]


@pytest.mark.parametrize("words, says", WRONG_RUNS)
def test_what_a_run_cannot_do(world, project, words, says):
    refusal(sh(world, "echo ran", *[word.format(p=project) for word in words]), says=says)


if not os.environ.get("LXE_AS_USER"):  # only root mounts a disk

    def test_a_layer_on_a_disk_of_its_own(world, project):
        name = box(world, project, "--disk", "64M")
        ok(world.run("stop", "--stop-timeout", "100ms", name))
        assert lines(world.run("diff", name)) == LIST
        ok(world.run("commit", name))
        assert (project / "made").exists() and lines(world.run("diff", name)) == []
        ok(world.run("destroy", name))


@pytest.mark.parametrize("how", ["again", "destroy"])
def test_a_commit_that_is_killed_is_completed_or_tidied_up(world, project, how):
    for i in range(200):
        (project / f"old{i}").write_text("old\n")
        world.give(project / f"old{i}")
    name = f"lxe-cow-{os.urandom(4).hex()}"
    ok(world.run("create", "--workdir", f"{project}:cow", name, "--", "sleep", "1000"))
    ok(world.run("start", name))
    ok(world.run("exec", name, "--", "sh", "-c", "for f in old*; do echo new >$f; done; rm gone"))
    commit = world.popen("commit", "-q", name)

    def has_begun():
        return commit.poll() is not None or any(entry.startswith(".lxe-") for entry in os.listdir(project))

    lxe.poll_until(has_begun, what="the commit")
    children = [pid for pid in lxe.all_pids() if lxe.parent_of(pid) == commit.pid]
    for pid in [*children, commit.pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    commit.communicate(timeout=lxe.DEADLINE)
    for pid in children:
        lxe.poll_until(lambda: not lxe.is_alive(pid), what="the end of the commit")
    assert {(project / f"old{i}").read_text() for i in range(200)} <= {"old\n", "new\n"}
    # What runs inside goes on, whoever was killed.
    assert stdout_of(world.run("exec", "--timeout", "10s", name, "--", "echo", "on")) == "on\n"
    if how == "again":
        ok(world.run("commit", "-q", name))
        assert {(project / f"old{i}").read_text() for i in range(200)} == {"new\n"} and not (project / "gone").exists()
        assert lines(world.run("diff", name)) == []
    ok(world.run("destroy", "--force", name))
    assert not [entry for entry in os.listdir(project) if entry.startswith(".lxe-")]


@pytest.mark.parametrize("who", ["client", "keeper", "both"])
def test_a_run_that_is_killed_while_it_commits(world, project, who):
    """Whoever commits goes on, and is waited for; what he cannot finish stays on record."""
    for i in range(200):
        (project / f"old{i}").write_text("old\n")
        world.give(project / f"old{i}")
    script = "for f in old*; do echo new >$f; done; rm gone"
    run = world.popen("run", "--workdir", f"{project}:cow", "--on-success", "commit", "--", "sh", "-c", script)
    keeper = world.keeper()
    lxe.poll_until(lambda: run.poll() is not None or any(entry.startswith(".lxe-") for entry in os.listdir(project)), what="the commit")
    for pid in {"client": [run.pid], "keeper": [keeper], "both": [keeper, run.pid]}[who]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    run.communicate(timeout=lxe.DEADLINE)
    lxe.poll_until(lambda: not list(world.our_processes()), what="the end of all")
    ok(world.run("gc"))
    assert {(project / f"old{i}").read_text() for i in range(200)} == {"new\n"} and not (project / "gone").exists()
    assert not [entry for entry in os.listdir(project) if entry.startswith(".lxe-")]
    assert not os.listdir(world.kept), who
