"""What lies at the edges of copy-on-write binds: the top itself, several of them, sources that are another by now."""

import os

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
