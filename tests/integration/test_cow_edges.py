"""What lies at the edges of copy-on-write binds: the top itself, several of them, sources that are another by now."""

import contextlib
import os
import signal
import subprocess

import pytest

import lxe
from lxe import ok, refusal, stdout_of


@pytest.fixture
def project(world, tmp_path):
    top = tmp_path / "project"
    (top / "sub").mkdir(parents=True)
    for path in (top / "file", top / "sub" / "inner"):
        path.write_text("old\n")
    for path in (top, top / "sub", top / "file", top / "sub" / "inner"):
        world.give(path)
    return top


def box(world, *options):
    """A sandbox that is kept, and runs."""
    name = f"lxe-edge-{os.urandom(4).hex()}"
    ok(world.run("create", *options, name, "--", "sleep", "1000"))
    ok(world.run("start", name))
    return name


def inside(world, name, script):
    return stdout_of(world.run("exec", name, "--", "sh", "-c", script))


def kill(world, name):
    ok(world.run("kill", name))


def lines(result):
    return stdout_of(result).splitlines()


def test_a_change_of_the_top_alone_is_one(world, project):
    """Nothing is in the layer, and yet it is not to be lost."""
    os.chmod(project, 0o755)
    name = box(world, "--workdir", f"{project}:cow")
    inside(world, name, "chmod 711 .")
    kill(world, name)
    assert lines(world.run("diff", name)) == ["m . (mode 0755 -> 0711)"]
    ok(world.run("start", name))
    kill(world, name)
    for words in (("snapshot", name, "one"), ("fork", name, f"{name}-2")):
        refusal(world.run(*words), says="neither committed nor discarded\nhint: lxc-exec commit ")
    ok(world.run("commit", name))
    assert os.stat(project).st_mode & 0o777 == 0o711
    ok(world.run("snapshot", name, "one"))
    ok(world.run("start", name))
    assert inside(world, name, "stat -c %a .; chown 3:4 .") == "711\n"
    kill(world, name)
    refusal(world.run("restore", name, "one"), says="neither committed nor discarded")
    ok(world.run("discard", name))
    ok(world.run("restore", name, "one"))
    ok(world.run("destroy", name))


def test_what_was_committed_is_not_pending(world, project):
    name = box(world, "--workdir", f"{project}:cow")
    inside(world, name, "echo new >file; rm -r sub")
    ok(world.run("commit", name))
    kill(world, name)
    ok(world.run("fork", name, f"{name}-2"))
    ok(world.run("start", name))
    inside(world, name, "echo newer >file")
    assert lines(world.run("commit", name)) == ["M file"] and (project / "file").read_text() == "newer\n"
    ok(world.run("destroy", "--force", name, f"{name}-2"))


def test_a_start_over_another_directory(world, project):
    name = box(world, "--workdir", f"{project}:cow")
    inside(world, name, "echo new >file")
    kill(world, name)
    project.rename(project.parent / "moved")
    project.mkdir()
    world.give(project)
    old, new = os.stat(project.parent / "moved").st_ino, os.stat(project).st_ino
    for verb in ("start", "commit", "snapshot"):
        words = [verb, name, *(["one"] if verb == "snapshot" else [])]
        refusal(world.run(*words), says=f"'{project}' is another directory by now \\(inode {new}.*, instead of inode {old}.*\nhint: put .* back .*discard")
    assert os.listdir(project) == []
    project.rmdir()
    (project.parent / "moved").rename(project)
    ok(world.run("start", name))
    assert inside(world, name, "cat file") == "new\n"
    ok(world.run("destroy", "--force", name))


def test_a_start_over_another_directory_with_nothing_written(world, project):
    name = box(world, "--workdir", f"{project}:cow")
    inside(world, name, "cat file")
    kill(world, name)
    project.rename(project.parent / "moved")
    refusal(world.run("start", name), says="no such file")
    refusal(world.run("snapshot", name, "one"), says="snapshot: open '.*': no such file.*\nhint: put it back.*discard")
    project.mkdir()
    project.chmod(0o700)
    world.give(project)
    refusal(world.run("start", name), says="is another directory by now")
    project.rmdir()
    project.mkdir()
    world.give(project)
    (project / "fresh").write_text("fresh\n")
    world.give(project / "fresh")
    ok(world.run("start", name))
    assert inside(world, name, "ls; echo more >>fresh") == "fresh\n"
    ok(world.run("commit", name))
    assert (project / "fresh").read_text() == "fresh\nmore\n"
    ok(world.run("destroy", "--force", name))


MANY = 400


def stages(project):
    return [entry for entry in os.listdir(project) if entry.startswith(".lxe-")]


def kill_commit(process, project, *others):
    """The child that commits, while it does, and whoever else is named. False: it was quicker."""
    lxe.poll_until(lambda: process.poll() is not None or stages(project), what="the commit")
    children = [pid for pid in lxe.all_pids() if lxe.parent_of(pid) == process.pid and stages(project)]
    for pid in [*children, *others]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for pid in children:
        lxe.poll_until(lambda: not lxe.is_alive(pid), what="the end of the commit")
    _, err = process.communicate(timeout=lxe.DEADLINE)
    assert children or others or process.returncode == 0, err
    return bool(children)


@pytest.fixture
def many(world, project):
    for i in range(MANY):
        (project / f"old{i}").write_text("old\n")
        world.give(project / f"old{i}")
    return project


CHANGE_ALL = "for f in old*; do echo new >$f; done; rm file"


def contents(project):
    return {(project / f"old{i}").read_text() for i in range(MANY)}


def test_a_killed_commit_of_a_one_shot_leaves_nothing_behind_its_end(world, many):
    """Its layer is gone then: what the commit had made in the source was named before."""
    run = world.popen("run", "--workdir", f"{many}:cow", "--", "sh", "-c", f"{CHANGE_ALL}; echo up; read x", stdin=subprocess.PIPE)
    assert run.stdout.readline() == b"up\n"
    commit = world.popen("commit", "-q", world.sandbox_id())
    kill_commit(commit, many, commit.pid)
    run.communicate(b"\n", timeout=lxe.DEADLINE)
    assert run.returncode == 0 and contents(many) <= {"old\n", "new\n"}
    assert not stages(many)


def test_a_killed_commit_of_one_that_was_killed_leaves_nothing_behind_gc(world, many):
    run = world.popen("run", "--workdir", f"{many}:cow", "--", "sh", "-c", f"{CHANGE_ALL}; echo up; read x", stdin=subprocess.PIPE)
    assert run.stdout.readline() == b"up\n"
    commit = world.popen("commit", "-q", world.sandbox_id())
    kill_commit(commit, many, commit.pid, run.pid, world.keeper())
    run.communicate(timeout=lxe.DEADLINE)
    lxe.poll_until(lambda: not list(world.our_processes()), what="the end of all")
    ok(world.run("gc"))
    assert not stages(many) and contents(many) <= {"old\n", "new\n"}


def test_a_killed_commit_at_the_end_of_a_run_leaves_nothing_in_the_source(world, many):
    run = world.popen("run", "--workdir", f"{many}:cow", "--on-success", "commit", "--", "sh", "-c", CHANGE_ALL)
    killed = kill_commit(run, many)
    assert not stages(many) and contents(many) <= {"old\n", "new\n"}
    if killed and os.listdir(world.kept):
        (kept,) = os.listdir(world.kept)
        ok(world.run("commit", "-q", kept))
        ok(world.run("destroy", kept))
        assert contents(many) == {"new\n"} and not (many / "file").exists()


def test_a_killed_commit_of_a_stopped_one_is_tidied_up_by_gc(world, many):
    name = box(world, "--workdir", f"{many}:cow")
    inside(world, name, CHANGE_ALL)
    kill(world, name)
    commit = world.popen("commit", "-q", name)
    kill_commit(commit, many, commit.pid)
    ok(world.run("gc"))
    assert not stages(many) and contents(many) <= {"old\n", "new\n"}
    ok(world.run("commit", "-q", name))
    assert contents(many) == {"new\n"} and not (many / "file").exists() and not stages(many)
    assert lines(world.run("diff", name)) == []
    ok(world.run("destroy", name))


def test_what_two_binds_have_changed_is_in_the_source_from_one_of_them(world, project):
    """All of it or nothing, and who stands in the way is named."""
    name = box(world, "--bind", f"{project}:/a:cow", "--bind", f"{project}:/b:cow", "--bind", f"{project}/sub:/c:cow")
    inside(world, name, "echo a >/a/file; echo b >/b/file; echo only >/a/made; echo c >/c/inner; rm -r /b/sub")
    result = world.run("commit", name)
    assert result.returncode == 125 and not result.stdout
    found = result.stderr.decode().splitlines()
    assert found[:2] == [f"conflict: {project}/file: it was changed in two binds, /a and /b",
                         f"conflict: {project}/sub/inner: it was changed in two binds, /b and /c"]
    assert found[2] == ("lxc-exec: commit: nothing was committed, because of 2 paths that two copy-on-write binds of the same "
                        "directory have changed")
    assert found[3].startswith("hint: ") and len(found) == 4
    assert (project / "file").read_text() == "old\n" and (project / "sub").exists()
    ok(world.run("commit", name, "/a", "/c"))
    assert (project / "file").read_text() == "a\n" and (project / "sub" / "inner").read_text() == "c\n"
    assert "conflict" in world.run("commit", name, "/b").stderr.decode()
    ok(world.run("destroy", "--force", name))


def test_what_two_binds_have_changed_apart_from_each_other(world, project):
    name = box(world, "--bind", f"{project}:/a:cow", "--bind", f"{project}:/b:cow", "--bind", f"{project}/sub:/c:cow")
    inside(world, name, "echo a >/a/file; echo b >/b/made; echo c >/c/inner; echo b >/b/sub/other")
    ok(world.run("commit", name))
    assert [(project / path).read_text() for path in ("file", "made", "sub/inner", "sub/other")] == ["a\n", "b\n", "c\n", "b\n"]
    ok(world.run("destroy", "--force", name))
    name = box(world, "--bind", f"{project}:/a:cow", "--bind", f"{project}/sub:/c:cow")
    inside(world, name, "chmod 700 /a/sub; echo more >/c/more")
    result = world.run("commit", name)
    assert result.returncode == 125
    assert result.stderr.startswith(f"conflict: {project}/sub/more: it was changed in two binds, /a and /c\n".encode())
    ok(world.run("destroy", "--force", name))


def test_who_reads_slowly_does_not_hold_a_stopped_sandbox(world, project):
    name = box(world, "--workdir", f"{project}:cow")
    inside(world, name, "mkdir many; cd many; seq -f %0100g 3000 | xargs touch")
    kill(world, name)
    reader, writer = os.pipe()
    diff = world.popen("diff", name, stdout=writer)
    os.close(writer)
    assert os.read(reader, 1) == b"A"
    assert diff.poll() is None
    ok(world.run("start", name))
    os.close(reader)
    assert diff.wait(timeout=lxe.DEADLINE) == -signal.SIGPIPE and not diff.stderr.read()
    ok(world.run("destroy", "--force", name))


@pytest.fixture
def two(world, project):
    """A sandbox that has ended, with changes over a directory of the caller's and over one that is root's."""
    other = project.parent / "other"
    (other / "sub").mkdir(parents=True)
    for path in (other / "file", other / "sub" / "inner"):
        path.write_text("old\n")
        world.give(path)
    name = box(world, "--bind", f"{project}:/a:cow", "--bind", f"{other}:/b:cow")
    inside(world, name, "cd /a; echo new >file; echo new >made; rm sub/inner; chmod 700 sub; echo new >/b/file")
    yield name, project, other
    ok(world.run("destroy", "--force", name))


def refused_whole(world, two, *before):
    """All is as it was, and still to be committed."""
    name, project, other = two
    kill(world, name)
    pending, old = lines(world.run("diff", name)), os.stat(project / "file")
    result = subprocess.run([*before, str(world.binary), "commit", name], env=world.env(), capture_output=True,
                            timeout=lxe.DEADLINE, **(world.user.popen() if world.user else {}))
    assert result.returncode == 125 and not result.stdout, result
    assert f" in {other}: " in result.stderr.decode()
    assert sorted(os.listdir(project)) == ["file", "sub"] and os.listdir(project / "sub") == ["inner"]
    assert (project / "file").read_text() == "old\n" and os.stat(project / "sub").st_mode & 0o777 == 0o755
    now = os.stat(project / "file")
    assert (now.st_ino, now.st_mtime_ns) == (old.st_ino, old.st_mtime_ns)
    assert lines(world.run("diff", name)) == pending and len(pending) >= 5


def test_what_cannot_be_written_over_one_source_is_written_over_none(world, two):
    name, project, other = two
    above = ["unshare", "-m", "sh", "-ec", f'mount --bind {other} {other}; mount -o remount,bind,ro {other}; exec "$@"', "sh"]
    refused_whole(world, two, *([] if world.user else above))
    if not world.user:
        ok(world.run("commit", name))
        assert (project / "made").exists() and (other / "file").read_text() == "new\n"


@pytest.mark.roots("who mounts")
def test_what_cannot_be_put_in_place_is_taken_back_everywhere(world, two):
    """It is written already, and what the first bind has changed is in its place, when the second is found to be held."""
    name, project, other = two
    inside(world, name, "rm -r /b/sub")
    refused_whole(world, two, "unshare", "-m", "sh", "-ec", f'mount --bind {other}/sub {other}/sub; exec "$@"', "sh")
    ok(world.run("commit", name))
    assert (project / "made").exists() and not (other / "sub").exists()


@pytest.fixture
def small(world, tmp_path):
    """A directory on a disk that is nearly full."""
    path = tmp_path / "small"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "lxe-test-fixture", str(path)], check=True)
    world.give(path)
    yield path
    subprocess.run(["umount", str(path)], check=True)


def look(*tops):
    command = ["find", *map(str, tops), "-printf", "%p %y %m %s %T@ %i\\n"]
    return sorted(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.splitlines())


def test_several_binds_are_committed_together_or_not_at_all(world, project, small):
    """The first has room for what was written, the second has not."""
    name = box(world, "--bind", f"{project}:/one:cow", "--bind", f"{small}:/two:cow:shift=off")
    inside(world, name, "echo new >/one/file; mkdir /one/made; echo new >/two/file; seq 50000 >/two/large")
    kill(world, name)
    before = look(project, small)
    refusal(world.run("commit", name), says="carry over 'large' in .*: no space left on device\nhint: nothing has been carried over; make room and commit again")
    assert look(project, small) == before
    subprocess.run(["mount", "-o", "remount,size=1m", str(small)], check=True)
    ok(world.run("commit", name))
    assert [(top / "file").read_text() for top in (project, small)] == ["new\n"] * 2 and (project / "made").is_dir()
    assert sorted(os.listdir(small)) == ["file", "large"]
    ok(world.run("destroy", name))
