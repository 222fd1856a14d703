"""What a command is denied by its sandbox is told to who wants to know, and nothing is different for it."""

import json

import pytest

import lxe
from lxe import ok, stdout_of


def watched(world, tmp_path, *words, verb="run", status=None):
    """The record of a command, and its standard error."""
    path = tmp_path / "record"
    result = world.run(verb, "--result", str(path), *words)
    assert status is None or result.returncode == status, result.stderr[-2000:]
    return json.loads(path.read_text()), result.stderr.decode()


def denials(record):
    return {(d["call"], d["path"], d["rule"], d["option"]) for d in record["denials"]}


IMAGE = "'/usr' is read-only in image 'host'"
SYS = "'/proc/sys' is read-only in every sandbox"


def python(program):
    return ("--", "python3", "-c", program)


PATHS = [
    ("open('/usr/x', 'w')", "openat", "/usr/x", IMAGE, "--image"),
    ("open('/usr/bin/env', 'r+')", "openat", "/usr/bin/env", IMAGE, "--image"),
    ("os.chdir('/usr/share'); os.mkdir('x')", "mkdir", "/usr/share/x", IMAGE, "--image"),
    ("os.mkdir('x', dir_fd=os.open('/usr', 0))", "mkdirat", "/usr/x", IMAGE, "--image"),
    ("os.unlink('/bin/env')", "unlink", "/bin/env", IMAGE, "--image"),
    ("open('/tmp/a', 'w'); os.rename('/tmp/a', '/usr/a')", "rename", "/usr/a", IMAGE, "--image"),
    ("os.symlink('a', '/usr/a')", "symlink", "/usr/a", IMAGE, "--image"),
    ("os.chmod('/usr/bin/env', 0o700)", "chmod", "/usr/bin/env", IMAGE, "--image"),
    ("os.truncate('/usr/bin/env', 0)", "truncate", "/usr/bin/env", IMAGE, "--image"),
    ("os.symlink('/usr', '/tmp/u'); open('/tmp/u/x', 'w')", "openat", "/tmp/u/x", IMAGE, "--image"),
    ("open('/proc/sys/kernel/hostname', 'w')", "openat", "/proc/sys/kernel/hostname", SYS, None),
    ("os.mkdir('/sys/firmware/x')", "mkdir", "/sys/firmware/x", "'/sys/firmware' is hidden in every sandbox", None),
    ("open('/opt/in/x')", "openat", "/opt/in/x", "--deny /opt", "--deny"),
    ("os.listdir('/opt')", "openat", "/opt", "--deny /opt", "--deny"),
    ("os.stat('/opt/x')", "stat", "/opt/x", "--deny /opt", "--deny"),
    ("os.execv('/opt/x', ['x'])", "execve", "/opt/x", "--deny /opt", "--deny"),
    ("os.chdir('/opt')", "chdir", "/opt", "--deny /opt", "--deny"),
]


def test_a_path_that_is_denied_is_told(world, tmp_path):
    """Each in a process of its own, of one sandbox with as many denials as are listed; and one by itself."""
    seen = set()
    for half in (PATHS[:9], PATHS[9:]):
        program = "import os\n" + "".join(
            f"if os.fork() == 0:\n exec({code!r})\nassert os.wait()[1]\n" for code, *_ in half
        )
        record, said = watched(world, tmp_path, "-v", "--deny", "/opt", *python(program), status=0)
        assert (record["cause"], record["rule"]) == ("exit", None), "it has not failed"
        assert record["denied"] >= len(half)
        seen |= {(d["call"].removesuffix("at"), *list(d.values())[1:]) for d in record["denials"]}
        for denial in record["denials"]:
            assert f"denied: {denial['call']} '{denial['path']}': {denial['rule']}" in said
    # Which of two calls a program takes is its C library's to say.
    for code, call, *rest in PATHS:
        assert any(s[0] in (call.removesuffix("at"), "newfstat") and s[1:] == tuple(rest) for s in seen), (code, seen)


@pytest.mark.parametrize("way", ["run", "exec"])
def test_who_fails_by_it_is_told_the_rule(world, tmp_path, way):
    script = ("sh", "-c", "echo x >/usr/x")
    if way == "exec":
        ok(world.run("create", "box", "--", "sleep", "1000"))
        ok(world.run("start", "box"))
        record, said = watched(world, tmp_path, "-v", "box", "--", *script, verb="exec", status=2)
        ok(world.run("destroy", "--force", "box"))
    else:
        record, said = watched(world, tmp_path, "-v", "--", *script, status=2)
    assert (record["cause"], record["rule"]) == ("exit", IMAGE) and "--image busybox" in record["hint"]
    assert f"rule: {IMAGE}\nhint: " in said and "denied: openat '/usr/x'" in said
    # Without -v the record has it, and nothing more is said.
    record, said = watched(world, tmp_path, "--", *script, status=2)
    assert record["rule"] == IMAGE and "rule" not in said
    record, said = watched(world, tmp_path, "-v", "--no-explain", "--", *script, status=2)
    assert record["rule"] is None and record["denials"] == [] and "denied" not in said


def test_binds_are_told_as_such(world, tmp_path):
    """Read-only ones, and what is denied by the path that it has through another."""
    data = tmp_path / "data"
    (data / "sub").mkdir(parents=True)
    world.give(data)
    binds = ("--bind", f"{data}:/data:ro", "--bind", f"{data}:/other:ro", "--deny", "/data/sub")
    script = "mkdir /data/x; ls /other/sub"
    record, _ = watched(world, tmp_path, *binds, "--", "sh", "-c", script, status=2)
    told = {(path, rule, option) for _, path, rule, option in denials(record)}
    assert ("/data/x", "--bind: '/data' is read-only", "--bind") in told
    assert ("/other/sub", "--deny /data/sub", "--deny") in told and record["rule"] == "--deny /data/sub"


@pytest.mark.parametrize("options", [(), ("-u", "1000"), ("--new-privs",), ("--seccomp", "strict")])
def test_a_call_that_the_profile_refuses_is_told(world, tmp_path, options):
    program = f"""
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x04000000) == -1 and ctypes.get_errno() == 1
assert libc.mount(b'/tmp', b'/tmp', None, 4096, None) == -1 and ctypes.get_errno() == 1
os._exit(3)"""
    record, said = watched(world, tmp_path, "-v", *options, *python(program), status=3)
    calls = {d["call"] for d in record["denials"]}
    assert {"unshare", "mount"} <= calls and record["rule"].endswith(": mount")
    assert ("--cap-add" in record["hint"]) == ("strict" not in options) and "--seccomp" in record["hint"]
    assert "denied: mount: seccomp " in said


# Every ending that a path can have, with what is right and what is wrong with it.
DIFFERENT = """
import ctypes, errno, os, signal, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
def c(name, *args):
    ctypes.set_errno(0)
    r = getattr(libc, name)(*args)
    if name.startswith("open") and r >= 0: os.close(r); r = 0
    print(name, args, r, errno.errorcode.get(ctypes.get_errno()))
signal.signal(signal.SIGALRM, lambda *_: None)
signal.siginterrupt(signal.SIGALRM, False)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
os.chdir("/tmp")
os.mkfifo("fifo"); os.mkdir("dir"); os.symlink("loop", "loop"); os.symlink("/proc/self/fd/1", "magic")
for path in (b"x", b"", None, 8, b"/" + b"x" * 300, b"y/" * 3000, b"loop/x", b"dir", b"dir/../../usr/x", b"/usr",
        b"/usr/x/y", b"/dev/null", b"/proc/self/fd/99", b"/nowhere/x", b"\\xff\\n\\t\\x1b[31m", b"/opt/x", b"/opt"):
    for flags in (os.O_WRONLY | os.O_CREAT, os.O_WRONLY, os.O_RDWR | os.O_CREAT | os.O_EXCL, os.O_RDONLY):
        c("open", path, flags | os.O_NONBLOCK, 0o600)
    for name in ("mkdir", "rmdir", "unlink", "chdir"): c(name, path, 0o700)
    os.chdir("/tmp")
    c("rename", b"nothing", path); c("rename", path, b"dir/x"); c("symlink", b"x", path); c("chmod", path, 0o700)
c("openat", 99, b"x", os.O_WRONLY); c("openat", 1, b"x", os.O_WRONLY)
c("open", b"fifo", os.O_WRONLY | os.O_NONBLOCK)
c("unshare", 0x04000000); c("mount", b"/tmp", b"/tmp", None, 4096, None)
c("syscall", 1000); c("syscall", 175)
done = []
def work(n):
    for i in range(50):
        open(f"t{n}", "w").close(); os.unlink(f"t{n}")
    done.append(n)
threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
signal.setitimer(signal.ITIMER_REAL, 0)
print(len(done))
"""


@pytest.mark.parametrize("options", [(), ("--deny", "/opt"), ("--seccomp", "unconfined")])
def test_nothing_is_different_for_who_is_watched(world, tmp_path, options):
    alone = stdout_of(world.run("run", *options, *python(DIFFERENT)))
    seen = world.run("run", "-v", *options, *python(DIFFERENT))
    assert stdout_of(seen) == alone and alone.endswith("\n8\n")
    assert b"\x1b" not in seen.stderr


def filters(world, *words):
    return int(stdout_of(world.run(*words, "--", "sh", "-c", "grep ^Seccomp_filters /proc/self/status | cut -f2")))


def test_who_does_not_ask_pays_nothing(world, tmp_path):
    assert filters(world, "run") == filters(world, "run", "-v", "--no-explain")
    assert filters(world, "run") + 1 == filters(world, "run", "-v") == filters(world, "run", "--result", "/dev/null")


def test_what_an_exec_leaves_running_goes_on(world, tmp_path):
    """Nobody is told of it any more, but it is answered."""
    ok(world.run("create", "box", "--", "sleep", "1000"))
    ok(world.run("start", "box"))
    script = "mkfifo /tmp/go; (read x </tmp/go; echo a >/tmp/a && unshare -u true; echo $? >/tmp/b) >/dev/null 2>&1 &"
    ok(world.run("exec", "-v", "box", "--", "sh", "-c", script))
    read = "until [ -e /tmp/go ]; do :; done; echo >/tmp/go; until [ -s /tmp/b ]; do :; done; cat /tmp/a /tmp/b"
    assert stdout_of(world.run("exec", "box", "--", "sh", "-c", read)) == "a\n1\n"
    ok(world.run("destroy", "--force", "box"))


def test_a_tree_that_is_killed_while_it_asks(world, tmp_path):
    program = """
import os
for i in range(20): os.fork()  if i < 3 else None
while True: open(f"/tmp/{os.getpid()}", "w").close()"""
    words = ("--timeout", lxe.span(300), "--stop-timeout", "50ms", *python(program))
    record, _ = watched(world, tmp_path, *words, status=124)
    assert record["cause"] == "timeout"


def test_on_a_terminal(world):
    with world.pty("run", "-v", "--", "sh", "-c", "mkdir /usr/x") as pty:
        assert pty.wait() == 1
        assert b"denied: mkdir '/usr/x'" in pty.seen


def test_many_denials_are_bounded(world, tmp_path):
    program = """
import os
for i in range(200):
    try: os.mkdir(f"/usr/{'x' * 200}{i}")
    except OSError: pass
    try: os.mkdir("/usr/same")
    except OSError: pass"""
    record, said = watched(world, tmp_path, "-v", *python(program), status=0)
    assert record["denied"] == 400 and 1 <= len(record["denials"]) < 12
    assert "denied 400 times in all" in said and len(said) < 4000
