"""Files and directories of the caller inside: --bind, --workdir, --tmpfs, --file, and --deny over them."""

import json
import os
import signal
import stat
import subprocess

import pytest

import lxe
from lxe import ok, refusal, stdout_of


@pytest.fixture
def project(world, tmp_path):
    """A directory of the caller's with a file and a directory in it."""
    top = tmp_path / "project"
    for path in (top, top / "sub"):
        path.mkdir()
        world.give(path)
    for path in (top / "file", top / "sub" / "inner"):
        path.write_text(f"{path.name}\n")
        world.give(path)
    return top


def sh(world, script, *options, **more):
    return world.run("run", *options, "--", "sh", "-c", script, **more)


def callers(world):
    return (world.user.uid, world.user.gid) if world.user else (0, 0)


def owner(path):
    st = os.lstat(path)
    return (st.st_uid, st.st_gid)


def mounts_of_the_host():
    with open("/proc/self/mountinfo") as f:
        return {line.split(" ", 5)[4] for line in f}


def test_a_workdir_is_the_callers_on_both_sides(world, project):
    script = "pwd; cat file; stat -c %u:%g . file; echo new >made; mkdir -p deep/er; ln -s x deep/link; chmod 751 deep"
    out = stdout_of(sh(world, script, "--workdir", ".", cwd=project))
    assert out == f"{project}\nfile\n0:0\n0:0\n"
    assert (project / "made").read_text() == "new\n"
    assert stat.S_IMODE((project / "deep").stat().st_mode) == 0o751
    for name in ("made", "deep", "deep/er", "deep/link"):
        assert owner(project / name) == callers(world), name
    ok(sh(world, "rm -r deep made; mv file moved", "--workdir", str(project)))
    assert sorted(os.listdir(project)) == ["moved", "sub"]


def test_another_user_inside_is_another_outside(world, project):
    os.chmod(project, 0o777)
    ok(world.run("run", "--bind", f"{project}:/p", "--user", "1000", "--", "touch", "/p/theirs"))
    uid = os.lstat(project / "theirs").st_uid
    assert uid == 1000 if not world.user else uid in world.user.ids
    os.chmod(project, 0o755)
    refused = sh(world, "touch /p/more", "--bind", f"{project}:/p", "--user", "1000")
    assert refused.returncode == 1 and b"Permission denied" in refused.stderr
    ok(sh(world, "rm /p/theirs", "--bind", f"{project}:/p"))


def test_read_only_is_read_only(world, project):
    binds = ["--bind", f"{project}:/p:ro", "--bind", f"{project}/file:/one:ro"]
    tries = "for f in /p/x /p/sub/x /p/file /one; do echo a 2>/dev/null >$f && echo wrote $f; done; rm -f /p/file && echo rm; echo end"
    assert stdout_of(sh(world, tries, *binds)) == "end\n"
    # Also not for who has all that a sandbox can give.
    more = ["--cap-add", "ALL", "--seccomp", "unconfined", "--new-privs"]
    remount = """for f in /p /one; do mount -o remount,rw,bind $f; mount -o remount,rw $f; umount $f; done 2>/dev/null
        unshare -m sh -c 'mount -o remount,rw,bind /p; umount /p; echo a >/p/x' 2>/dev/null
        mkdir /q; mount --bind /p /q 2>/dev/null && mount -o remount,rw,bind /q; echo a 2>/dev/null >/q/x && ls /q/x; cat /p/file; """
    world.run("run", *more, *binds, "--", "sh", "-c", remount + tries)
    assert sorted(os.listdir(project)) == ["file", "sub"]
    assert (project / "file").read_text() == "file\n"


def test_no_setuid_and_no_devices_and_nothing_propagates(world, project):
    out = stdout_of(sh(world, "grep -E ' /p( |/)' /proc/self/mountinfo", "--bind", f"{project}:/p"))
    options = out.split()[5].split(",")
    assert "nosuid" in options and "nodev" in options
    assert "shared:" not in out and "master:" not in out


def test_the_most_specific_wins_in_any_order(world, project, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    world.give(other)
    binds = [f"{other}:/p/sub/in", f"{project}:/p:ro", f"{project}/sub:/p/sub:rw"]
    (project / "sub" / "in").mkdir()
    world.give(project / "sub" / "in")
    for order in (binds, binds[::-1]):
        options = [word for bind in order for word in ("--bind", bind)]
        script = "touch /p/x; touch /p/sub/y /p/sub/in/z; ls /p/sub"
        result = ok(sh(world, script, *options))
        assert b"Read-only" in result.stderr and result.stdout == b"in\ninner\ny\n"
        assert not (project / "x").exists()
        (project / "sub" / "y").unlink()
        (other / "z").unlink()
    # What the mount point would be made in is the host's.
    says = "it is not there, and lies in a part that is the host's\nhint: make it there first"
    refusal(sh(world, "true", "--bind", f"{project}:/p", "--bind", f"{other}:/p/none/at/all"), says=says)
    assert sorted(os.listdir(project)) == ["file", "sub"]


def test_names_of_all_kinds(world, project):
    for name in ("with blank", "col:on", "new\nline", "back\\slash", "ümlaut", "-dash", "a,b=c", "\xff".encode("latin1")):
        path = os.path.join(os.fsencode(project), os.fsencode(name))
        os.mkdir(path)
        world.give(path)
        written = path.replace(b"\\", b"\\\\").replace(b":", b"\\:")
        ok(world.run("run", "--bind", written, "--", "touch", path + b"/made"))
        assert os.listdir(path) == [b"made"]


def test_links_and_dots_lead_where_they_lead_for_the_caller(world, project, tmp_path):
    (tmp_path / "link").symlink_to(project)
    (tmp_path / "loop").symlink_to("loop")
    assert stdout_of(sh(world, f"cat {tmp_path}/link/file", "--bind", f"{tmp_path}/link")) == "file\n"
    out = stdout_of(sh(world, "pwd; cat inner", "--workdir", "../project/./sub/../sub:ro", cwd=project))
    assert out == f"{project}/sub\ninner\n"
    refusal(sh(world, "true", "--bind", f"{tmp_path}/loop"), says="too many levels of symbolic links")


def test_symlinks_on_the_way_lead_nowhere_but_inside(world, project, tmp_path):
    """Those of a bind were made by whoever wrote there, perhaps by a sandbox before."""
    (project / "link").symlink_to("/etc")
    (project / "up").symlink_to("../" * 40 + "etc")
    options = ["--bind", f"{project}:/p", "--bind", f"{project}/sub:/p/link/lxe-a", "--tmpfs", "/p/up/lxe-b"]
    options += ["--file", f"{project}/file:/p/link/lxe-c", "--file", f"{project}/file:/p/up/lxe-d/e"]
    assert stdout_of(sh(world, "cat /etc/lxe-a/inner /etc/lxe-c /etc/lxe-d/e; ls /etc/lxe-b", *options)) == "inner\nfile\nfile\n"
    assert not [name for name in os.listdir("/etc") if name.startswith("lxe-")]


SWAP = """
import ctypes
libc = ctypes.CDLL(None)
print("swapping", flush=True)
while True:
    libc.renameat2(-100, b"/p/d", -100, b"/p/l", 2)
"""


def test_a_symlink_that_is_swapped_leads_nowhere_but_inside(world, project):
    """By a sandbox that may write there, while the mounts of another one are made."""
    (project / "d").mkdir()
    (project / "l").symlink_to("../" * 40 + "etc")
    bind = ["--bind", f"{project}:/p"]
    swapper = world.popen("run", *bind, "--", "python3", "-c", SWAP)
    assert swapper.stdout.readline() == b"swapping\n", swapper.stderr.read()
    mounts = [*bind, "--tmpfs", "/p/d/lxe-a", "--file", f"{project}/file:/p/d/lxe-b"]
    runs = [world.run("run", *mounts, "--", "sh", "-c", "ls -d /etc/lxe-a || true") for _ in range(20)]
    swapper.terminate()
    swapper.communicate(timeout=lxe.DEADLINE)
    made = [name for top in ("/etc", project / "d", project / "l") for name in os.listdir(top) if name.startswith("lxe-")]
    assert not made and {run.returncode for run in runs} <= {0, 125}
    assert b"/etc/lxe-a\n" in {run.stdout for run in runs}, "the swap was not seen"


WRONG = [
    (["--bind", ":/x"], "it has no source"),
    (["--bind", "{p}/none:/x"], "bind '{p}/none': no such file or directory\nhint: the source is a path of the host"),
    (["--bind", "{p}/../gone/file:/x"], "find '.*': no such file or directory"),
    (["--bind", "{p}:x"], "'x' is not known here\nhint: SRC"),
    (["--bind", "{p}:/x:rx"], "'rx' is not known here"),
    (["--bind", "{p}:/x:ro:rw"], "'rw' says for a second time"),
    (["--bind", "{p}:/a/../b"], "'/a/../b' holds a '..'"),
    (["--bind", "{p}:/"], "'/' would be all of the sandbox's files"),
    (["--bind", "{p}:/x", "--bind", "{p}/sub:/x/."], "'/x' is to be the place of two things"),
    (["--bind", "{p}:/x", "--tmpfs", "/x"], "'/x' is to be the place of two things"),
    (["--bind", "{p}:/etc/passwd"], "a directory is to be there, and there is a file"),
    (["--bind", "{p}/file:/etc"], "the source is a file, and there is a directory"),
    (["--bind", "{p}/file:/etc/passwd/x"], "not a directory"),
    (["--bind", "{p}/file/x:/x"], "not a directory"),
    (["--bind", "{p}:/proc/x"], "the sandbox's own system files are there"),
    (["--bind", "{p}:/dev"], "the sandbox's own system files are there"),
    (["--bind", "{p}:/usr/none"], "lies in a part that is the host's"),
    (["--bind", "/proc:/x:shift=off"], "'/proc' is the host's proc"),
    (["--bind", "/sys/kernel:/x:ro"], "is the host's "),
    (["--bind", "/:/x:ro"], "is the host's "),
    (["--bind", "/proc/self/cwd:/x"], "too many levels of symbolic links"),
    (["--bind", "{state}/images:/x:ro"], "it lies in lxc-exec's own"),
    (["--bind", "{run}:/x:ro"], "it lies in lxc-exec's own"),
    (["--bind", "/dev/null:/x"], "the host's|it is a device"),
    (["--bind", "{p}/file:/bin/made", "--bind", "{p}/file:/usr/bin/made"], "lies in a part that is the host's"),
    (["--bind", "{p}/sub:/bin", "--bind", "{p}/sub:/usr/bin"], "another bind or tmpfs covers it"),
    (["--bind", "{p}:/x:a:b:c:d:e"], "has too many parts"),
    (["--workdir", "{p}/file"], "change to the working directory"),
    (["--tmpfs", "x"], "'x' is not an absolute path"),
    (["--tmpfs", "/x:size=0"], "'size=0' is no size"),
    (["--tmpfs", "/x:ro"], "'ro' is not known here"),
    (["--file", "{p}/file"], "'' is no path inside"),
    (["--file", "{p}:/x"], "it is no regular file"),
    (["--file", "{p}/file:/x:888"], "'888' is no mode"),
    (["--file", "{p}/file:/etc"], "there is a directory"),
    (["--bind", "{p}:/x", "--file", "{p}/file:/x/copy"], "a part of the host's, not the sandbox's"),
    (["--file", "{p}/file:/usr/copy"], "a part of the host's, not the sandbox's"),
]


@pytest.mark.parametrize("words, says", WRONG)
def test_what_cannot_be_starts_nothing(world, project, words, says):
    names = {"p": project, "state": world.state, "run": world.run_dir}
    words = [word.format(**names) for word in words]
    refusal(sh(world, "echo ran", *words), says=says.replace("{p}", str(project)))
    assert sorted(os.listdir(project)) == ["file", "sub"] and os.listdir(project / "sub") == ["inner"]


if os.environ.get("LXE_AS_USER"):

    def test_what_the_caller_cannot_reach(world):
        refusal(sh(world, "true", "--bind", "/root/.bashrc:/x"), says="permission denied")
        refusal(sh(world, "true", "--file", "/etc/shadow:/x"), says="permission denied")
        result = sh(world, "cat /x/shadow", "--bind", "/etc:/x:ro")
        assert result.returncode == 1 and b"Permission denied" in result.stderr


CANNOT_READ = 'for f in "$@"; do cat "$f" 2>/dev/null && echo read "$f"; ls "$f/." 2>/dev/null && echo listed "$f"; done; echo end'


def test_denied_through_every_alias(world, project, tmp_path):
    (project / "link").symlink_to("sub/inner")
    (tmp_path / "second").symlink_to(project)
    binds = [f"{project}:/p", f"{tmp_path}/second:/q:ro", f"{project}/sub:/r", f"{project}/sub/inner:/one"]
    options = [word for bind in binds for word in ("--bind", bind)]
    names = ["/p/sub/inner", "/p/link", "/q/sub/inner", "/q/link", "/r/inner", "/one"]
    for deny in names:
        result = world.run("run", *options, "--deny", deny, "--", "sh", "-c", CANNOT_READ, "sh", *names)
        assert stdout_of(result) == "end\n", deny
    directories = ["/p/sub", "/q/sub", "/r", "/one"]
    for deny in directories[:3]:
        result = world.run("run", *options, "--deny", deny, "--", "sh", "-c", CANNOT_READ, "sh", *directories, *names)
        assert stdout_of(result) == "end\n", deny
    assert stdout_of(world.run("run", *options, "--deny", "/r", "--", "cat", "/p/file", "/q/file")) == "file\nfile\n"


def test_denied_in_the_hosts_programs_too(world):
    what = "/usr/share/doc"
    result = world.run("run", "--bind", "/usr/share:/mine:ro:shift=off", "--deny", what, "--", "sh", "-c", CANNOT_READ, "sh", what, "/mine/doc")
    assert stdout_of(result) == "end\n"


def test_our_own_directories_are_covered_in_what_is_above_them(world):
    bind = f"{world.base}:/b"
    script = "ls /b; ls /b/state /b/run || echo covered; umount /b/state"
    result = ok(sh(world, script + "; ls /b/state || echo still", "--cap-add", "ALL", "--seccomp", "unconfined", "--bind", bind))
    assert result.stdout.split(b"\n")[-3:] == [b"covered", b"still", b""], result


@pytest.mark.parametrize("kept", [[], ["--keep", "--name", "own-home"], ["--disk", "64M"]], ids=["memory", "kept", "disk"])
def test_a_bind_of_what_is_above_our_directories_leaves_the_home(world, kept):
    """Of a sandbox whose files are on disk /tmp and /root are in there too."""
    script = "echo x >/root/a; echo y >/tmp/b; cat /root/a /tmp/b; ls /b/state"
    result = sh(world, script, "--bind", f"{world.base}:/b", *kept)
    assert (result.returncode, result.stdout) == (2, b"x\ny\n"), result
    if "--keep" in kept:
        ok(world.run("destroy", kept[-1]))


def test_tmpfs(world):
    out = stdout_of(sh(world, "stat -fc %T /a/b; stat -c %a /a/b; df -k /a/b | tail -1; head -c 3M /dev/zero >/a/b/x; stat -c %s /a/b/x", "--tmpfs", "/a/b:size=2M", "--user", "7"))
    lines = out.split("\n")
    assert lines[:2] == ["tmpfs", "1777"] and lines[2].split()[1] == "2048" and lines[3] == str(2 << 20)
    out = stdout_of(sh(world, "df -k /var/cache | tail -1; echo a >/srv/x; cat /srv/x", "--tmpfs", "/var/cache", "--tmpfs", "/srv"))
    assert out.split()[1] == str(512 << 10) and out.endswith("\na\n")


def test_files_are_copied(world, project):
    os.chmod(project / "file", 0o640)
    options = ["--file", f"{project}/file:/etc/hostname", "--file", "file:/new/place/it:4", "--file", f"{project}/file:/tmp/x"]
    script = "cat /etc/hostname /tmp/x; stat -c '%a %u:%g' /etc/hostname /new/place/it /new; echo more >>/etc/hostname"
    out = stdout_of(sh(world, script, *options, "--user", "7:8", cwd=project))
    assert out == "file\nfile\n640 7:8\n4 7:8\n755 0:0\n"
    assert (project / "file").read_text() == "file\n"
    name = f"lxe-files-{os.getpid()}"
    ok(world.run("create", "--file", f"{project}/file:/it", name, "--", "sleep", "1000"))
    ok(world.run("start", name))
    (project / "file").write_text("other\n")
    assert stdout_of(world.run("exec", name, "--", "cat", "/it")) == "file\n"
    ok(world.run("destroy", "--force", name))


def test_exec_sees_it_and_inspect_tells_it(world, project):
    name = f"lxe-binds-{os.getpid()}"
    options = ["--bind", f"{project}:/p:ro", "--tmpfs", "/t:size=1M", "--file", f"{project}/file:/f:600"]
    ok(world.run("create", *options, name, "--", "sleep", "1000"))
    ok(world.run("start", name))
    assert stdout_of(world.run("exec", name, "--", "sh", "-c", "cat /p/file /f; df /t | grep -c 1024")) == "file\nfile\n1\n"
    mounts = json.loads(stdout_of(world.run("inspect", name)))
    mounts = (mounts[0] if isinstance(mounts, list) else mounts)["mounts"]
    assert mounts == [
        {"type": "bind", "source": f"{project}", "destination": "/p", "access": "ro", "shifted": True},
        {"type": "tmpfs", "source": None, "destination": "/t", "size": 1 << 20},
        {"type": "file", "source": f"{project}/file", "destination": "/f", "mode": "600"},
    ]
    ok(world.run("destroy", "--force", name))


def test_all_of_it_in_a_profile(world, project, tmp_path):
    profile = tmp_path / "p.conf"
    profile.write_text(f"[run]\nworkdir = {project}:ro\n[bind]\na = {project}/sub:/b\n[tmpfs]\nx = /t\n[file]\ny = {project}/file:/f\n")
    assert stdout_of(sh(world, "pwd; cat file /b/inner /f; stat -fc %T /t", "--profile", str(profile))) == f"{project}\nfile\ninner\nfile\ntmpfs\n"
    for text in ("[bind]\na = here:/x\n", "[run]\nworkdir = .\n"):
        profile.write_text(text)
        refusal(sh(world, "true", "--profile", str(profile)), says="is not an absolute path")


def test_nothing_is_left_on_the_host(world, project):
    before = mounts_of_the_host()
    run = world.popen("run", "--workdir", str(project), "--tmpfs", "/t", "--", "sh", "-c", "echo up; exec sleep 1000", stdout=subprocess.PIPE)
    assert run.stdout.readline() == b"up\n"
    assert mounts_of_the_host() == before
    os.kill(world.keeper(), signal.SIGKILL)
    run.wait(lxe.DEADLINE)
    run.stdout.close()
    assert mounts_of_the_host() == before
    assert sorted(os.listdir(project)) == ["file", "sub"]


if not os.environ.get("LXE_AS_USER"):  # only root mounts

    def test_mounts_below_come_along_with_the_same_attributes(world, project, tmp_path):
        (tmp_path / "below").mkdir()
        (tmp_path / "below" / "b").write_text("below\n")
        outer = ["unshare", "-m", "sh", "-ec", f'mount --bind {tmp_path}/below {project}/sub; exec "$@"', "sh"]
        words = [str(world.binary), "run", "--bind", f"{project}:/p:ro", "--", "sh", "-c", "cat /p/sub/b; stat -c %u /p/sub/b; touch /p/sub/x"]
        result = subprocess.run(outer + words, env=world.env(), capture_output=True, timeout=lxe.DEADLINE)
        assert result.stdout == b"below\n0\n" and b"Read-only" in result.stderr, result

    def test_a_file_system_that_cannot_be_shifted(world, tmp_path):
        """An overlay cannot; with shift=off its owners are nobody inside."""
        for name in ("l", "u", "w", "m"):
            (tmp_path / name).mkdir()
        (tmp_path / "l" / "f").write_text("x\n")
        mount = f'cd {tmp_path}; mount -t overlay -o lowerdir=l,upperdir=u,workdir=w lxe m; exec "$@"'
        outer = ["unshare", "-m", "sh", "-ec", mount, "sh", str(world.binary), "run"]
        for how, status in (("", 125), (":shift=off", 0)):
            words = ["--bind", f"{tmp_path}/m:/m{how}", "--", "stat", "-c", "%u", "/m/f"]
            result = subprocess.run(outer + words, env=world.env(), capture_output=True, timeout=lxe.DEADLINE)
            if status:
                refusal(result, says="cannot be mounted with shifted owners\nhint: --bind .*:shift=off")
            else:
                assert ok(result).stdout == b"65534\n"


def test_all_else_is_as_without_a_bind(world, project):
    """An ordinary user's ids inside are others with a bind: what is made for a command is its own all the same."""
    for user in ("0", "33"):
        options = ["--bind", f"{project}:/p:ro", "--user", user, "--secret", "s=env:S", "--output-limit", "1M"]
        script = "cat /run/secrets/s; stat -c %u /run/secrets/s; echo out >/dev/stdout; touch /tmp/x; stat -c %u /tmp/x"
        out = stdout_of(sh(world, script, *options, env={"S": "word"}))
        assert out == f"word{user}\nout\n{user}\n"
        with world.pty("run", *options[:4], "--", "sh", "-c", "stat -c %u:%g $(tty); echo to >$(tty)") as terminal:
            terminal.expect(f"{user}:5\r\nto".encode())
            assert terminal.wait() == 0
    ok(sh(world, "echo changed >>/etc/hosts; mkdir /etc/new; rm /etc/profile; chown 5:6 /etc/new", "--bind", f"{project}:/p"))
