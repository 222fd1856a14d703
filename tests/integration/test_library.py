"""The C library: a C program and a Python module that use nothing but the public ABI."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

import lxe

LIBRARY = lxe.BIN.parent / "liblxc-exec.so.0"
MODULE = "lxc_exec.py"
COARSE = 5  # CLOCK_REALTIME_COARSE
INCLUDE = lxe.TOP / "src" / "include"
EXAMPLES = lxe.TOP / "docs" / "examples"
HERE = lxe.TOP / "tests" / "integration"
SANITIZE = ["-fsanitize=address,undefined", "-fno-omit-frame-pointer"] if lxe.IS_ASAN else []


def library_of(world):
    return world.binary.parent / LIBRARY.name


def shared(world):
    """Where whoever runs the program gets to."""
    path = world.base / "library"
    path.mkdir(mode=0o755, exist_ok=True)
    return path


def build(world, source):
    program, library = shared(world) / source.stem, library_of(world)
    subprocess.run(
        ["gcc", "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-g", *SANITIZE, f"-I{INCLUDE}",
         "-o", program, source, library, f"-Wl,-rpath,{library.parent}", "-pthread"],
        check=True,
    )
    return program


@pytest.fixture(scope="session")
def program(session_world):
    return build(session_world, HERE / "library.c")


@pytest.mark.parametrize("name", [
    "life", "no_leak", "threads", "quiet", "own_children", "forks", "close_beside_a_fork",
    "input_that_is_closed", "crossing", "poll_for_the_end", "start_again", "start_what_runs", "whose_life", "terminal_again",
    "changes", "changes_quietly",
])
def test_from_c(world, program, name):
    done = world.run(name, binary=program, timeout=4 * lxe.DEADLINE)
    # Nothing is printed: not by the program, and not by the library either.
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_example(world):
    done = world.run(binary=build(world, EXAMPLES / "run.c"))
    if not world.has_cgroup:
        assert done.returncode == 125 and b"--memory cannot be enforced" in done.stderr
        return
    assert (done.returncode, done.stderr) == (0, b"")
    hello, ended, record = done.stdout.decode().splitlines()[:3]
    lines = {hello, ended}
    assert any(re.fullmatch(r"hello from lxe-[0-9a-f]{8}", line) for line in lines)
    assert "it has ended: exit, 0" in lines
    assert json.loads(record)["cause"] == "signal"
    world.assert_clean(timeout=2)


def symbols(path):
    lines = subprocess.run(["nm", "-D", "--defined-only", path], check=True, capture_output=True)
    return {line.split()[-1] for line in lines.stdout.decode().splitlines()}


def test_it_exports_what_the_header_declares_and_nothing_else():
    declared = set(re.findall(r"^LXE_API [^(]*?\b(lxe_\w+)\(", (INCLUDE / "lxc-exec.h").read_text(), re.M))
    exported = symbols(LIBRARY)
    assert len(declared) > 40
    assert exported == {f"{name}@@LXE_0.1" for name in declared} | {"LXE_0.1@@LXE_0.1"} or \
        exported == {f"{name}@@LXE_0.1" for name in declared} | {"LXE_0.1"}
    described = (lxe.TOP / "docs" / "man" / "lxc-exec.3.in").read_text()
    assert {name for name in declared if name not in described} == set()
    module = (EXAMPLES / "lxc_exec.py").read_text()
    assert set(re.findall(r"\blxe_\w+", module)) <= declared


def test_the_header_is_for_c_and_cxx(tmp_path):
    source = '#include <lxc-exec.h>\nint main() { return !lxe_version(); }\n'
    for language, standard in (("c", "c99"), ("c++", "c++11")):
        subprocess.run(
            ["gcc", "-x", language, f"-std={standard}", "-pedantic", "-Wall", "-Wextra", "-Werror",
             f"-I{INCLUDE}", "-fsyntax-only", "-"], input=source.encode(), check=True)


# A Python program with the module, as its users have it.

PRELUDE = """
import os, select, signal, sys, time, lxc_exec
def keeper_of(sandbox):
    with open(f"/proc/{sandbox.process.pid}/stat") as file:
        return int(file.read().rsplit(")")[-1].split()[1])
"""


def python_env(world, **more):
    modules = shared(world)
    shutil.copy(EXAMPLES / MODULE, modules)
    env = world.env(LXC_EXEC_LIBRARY=str(library_of(world)), PYTHONPATH=str(modules), **more)
    if lxe.IS_ASAN:
        # The interpreter is not instrumented, and keeps what it has allocated.
        found = [subprocess.run(["gcc", f"-print-file-name={name}"], check=True, capture_output=True)
                 for name in ("libasan.so", "libubsan.so")]
        env["LD_PRELOAD"] = " ".join(path.stdout.decode().strip() for path in found)
        env["ASAN_OPTIONS"] += ":detect_leaks=0"
    return env


def python(world, code, **more):
    done = subprocess.run(
        [sys.executable, "-B", "-c", PRELUDE + code], env=python_env(world), timeout=2 * lxe.DEADLINE,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **world.as_whom(more))
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


class Program:
    """One that says when it is where it is wanted, and then waits to be killed."""

    def __init__(self, world, code):
        self.process = subprocess.Popen(
            [sys.executable, "-B", "-c", PRELUDE + code + "\nprint('here', flush=True)\nsys.stdin.read()\n"],
            env=python_env(world), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            **world.as_whom({}))
        self.said = []
        for line in self.process.stdout:
            if line == b"here\n":
                return
            self.said.append(line.decode().rstrip())
        raise AssertionError("it ended before it was there")

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(lxe.DEADLINE) == 0
        self.process.stdout.close()


def test_files_environment_and_options(world):
    limits = 'memory="64M", pids=100' if world.has_cgroup else 'ulimit="core=0"'
    said = python(world, f"""
with lxc_exec.run(["sleep", "1000"], env={{"A": "1"}}, {limits}) as sandbox:
    r, w = os.pipe()
    with sandbox.exec(["sh", "-c", "cat; echo $A$B; pwd; echo err >&2; exit 4"], stdin=r, stdout=1,
                      stderr=1, env={{"B": "2"}}, cwd="/tmp") as process:
        os.write(w, b"in\\n")
        os.close(r), os.close(w)
        result = process.wait(30)
    print(result.exit_code, result.cause, result.record["exit_code"])
""")
    assert said == "in\n12\n/tmp\nerr\n4 exit 4\n"


def test_a_terminal(world):
    said = python(world, """
with lxc_exec.run(["sleep", "1000"]) as sandbox:
    with sandbox.exec(["sh", "-c", "tty; stty size; read x; stty size; echo got $x"], pty=(33, 101)) as p:
        out = b""
        while out.count(b"\\n") < 2:
            out += p.read(timeout=30)
        p.resize(44, 55)
        os.write(p.pty, b"words\\r")
        while data := p.read(timeout=30):
            out += data
        print(out.decode(), p.wait(30).exit_code, p.wait(30).record["bytes_out"] == len(out))
""")
    lines = said.split()
    assert lines[0].startswith("/dev/pts/") and lines[1:3] == ["33", "101"]
    assert "44 55" in " ".join(lines) and lines[-4:] == ["got", "words", "0", "True"], said


def test_what_is_read_when_the_command_has_ended_is_counted(world):
    said = python(world, """
with lxc_exec.run(["sleep", "1000"]) as sandbox:
    for n in range(10):
        with sandbox.exec(["sh", "-c", "printf a; read x; printf %3000d 1"], pty=(24, 80)) as p:
            out = p.read(timeout=30)
            os.write(p.pty, b"\\r")
            # Both the end of the command and what it has printed are there when it is read on.
            poll = select.poll()
            poll.register(p, select.POLLIN)
            poll.poll(30000)
            while data := p.read(size=100, timeout=30):
                out += data
            print(len(out), p.wait(30).record["bytes_out"])
""")
    assert said == "3003 3003\n" * 10


def test_output_that_is_read_after_the_wait_is_all_there(world):
    said = python(world, """
with lxc_exec.run(["sh", "-c", "seq 500"], pty=(24, 80)) as sandbox:
    begun = time.monotonic()
    sandbox.wait(30)
    quick = time.monotonic() - begun < 1.5
    out = b""
    while data := sandbox.process.read(timeout=30):
        out += data
print(quick, out.split() == [b"%d" % i for i in range(1, 501)])
""")
    assert said == "True True\n"


@pytest.mark.parametrize("argv,code", [(["/nowhere"], "ENOENT"), (["/etc/passwd"], "ENOEXEC")])
def test_what_cannot_be_executed_is_an_error(world, argv, code):
    python(world, f"""
import errno
def refused(call):
    try:
        call()
    except lxc_exec.Error as e:
        assert e.errno == errno.{code} and e.hint and {argv[0]!r} in str(e), e
        return
    raise AssertionError
refused(lambda: lxc_exec.run({argv!r}))
with lxc_exec.run(["sleep", "1000"]) as sandbox:
    refused(lambda: sandbox.exec({argv!r}))
    assert sandbox.state == "running"
""")
    world.assert_clean(timeout=2)


@pytest.mark.parametrize("options,says", [
    ("memmory='1G'", "option 'memmory' is not known.*memory"),
    ("memory='lots'", "memory 'lots' is not a size"),
    ("tty='yes'", "option 'tty' is not the library's"),
    ("name='a/b'", "name"),
    ("stdout=999", "descriptor 999"),
    ("pty=(100000, 1)", "terminal of 100000"),
    ("profile='nowhere'", "nowhere"),
    ("help='yes'", "option 'help' is not known"),
])
def test_bad_options(world, options, says):
    said = python(world, f"""
try:
    lxc_exec.run(["true"], {options})
except lxc_exec.Error as e:
    print(e, e.hint)
""")
    assert re.search(says, said), said
    world.assert_clean(timeout=2)


def test_names(world):
    python(world, """
import errno
with lxc_exec.run(["sleep", "1000"], name="box") as sandbox:
    assert sandbox.name == "box"
    try:
        lxc_exec.run(["sleep", "1000"], name="box")
        raise AssertionError
    except lxc_exec.Error as e:
        assert e.errno == errno.EEXIST, e
    with lxc_exec.attach("box") as again:
        assert again.id == sandbox.id and again.process.pid == sandbox.process.pid
        with again.exec(["true"]) as process:
            assert process.wait(30).exit_code == 0
    assert sandbox.process.try_wait() is None
    sandbox.destroy(30)
    try:
        lxc_exec.attach("box")
        raise AssertionError
    except lxc_exec.Error as e:
        assert e.errno == errno.ENOENT, e
""")
    world.assert_clean(timeout=2)


def test_kept_and_destroyed(world):
    python(world, """
with lxc_exec.run(["sh", "-c", "echo kept >/root/file"], name="box", keep=True) as sandbox:
    assert sandbox.wait(30).exit_code == 0 and sandbox.state == "stopped"
with lxc_exec.attach("box") as sandbox:
    assert sandbox.wait(30).exit_code == 0
    sandbox.destroy(30)
    assert sandbox.state == "gone"
""")
    world.assert_clean(timeout=2)


def test_closing_ends_a_kept_one_as_well_but_keeps_it(world):
    python(world, """
with lxc_exec.run(["sleep", "1000"], name="box", keep=True) as sandbox:
    pass
with lxc_exec.attach("box") as sandbox:
    assert sandbox.wait(30).cause == "killed" and sandbox.state == "stopped"
    sandbox.destroy(30)
""")
    world.assert_clean(timeout=2)


def test_what_was_kept_outlives_whatever_happens_to_its_next_life(world):
    source = shared(world) / "its" / "source"
    source.mkdir(parents=True)
    world.give(source.parent)
    world.give(source)
    said = python(world, f"""
def await_lives(n):
    with sandbox.exec(["sh", "-c", f"until test $(wc -l </srv/lives) = {{n}}; do sleep 0.01; done"]) as process:
        assert process.wait(30).exit_code == 0
with lxc_exec.run(["sh", "-c", "echo >>/srv/lives; test $(wc -l </srv/lives) = 1 || exec sleep 1000"],
                  name="box", keep=True, bind={str(source)!r}) as sandbox:
    sandbox.wait(30)
    os.rename({str(source)!r}, {str(source)!r} + "-")
    try:
        sandbox.start(30)
    except lxc_exec.Error as e:
        print({str(source)!r} in str(e), sandbox.state)
    os.rename({str(source)!r} + "-", {str(source)!r})
    sandbox.start(30)
    await_lives(2)
    os.kill(keeper_of(sandbox), signal.SIGKILL)
    print(sandbox.wait(30).cause, sandbox.state)
    sandbox.start(30)
    await_lives(3)
    sandbox.process.kill()
    sandbox.wait(30)
    print(sandbox.state)
    sandbox.destroy(30)
""")
    assert said.splitlines() in (["True failed", killed, "stopped"] for killed in ("error stopped", "error failed")), said
    world.assert_clean(timeout=2)


def test_a_killed_program_ends_the_next_life_as_well(world):
    Program(world, """
sandbox = lxc_exec.run(["sh", "-c", "test -e /srv/ran && exec sleep 1000; >/srv/ran"], name="box", keep=True)
sandbox.wait(30)
sandbox.start(30)""").kill()
    lxe.poll_until(lambda: json.loads(world.run("inspect", "box").stdout)["state"] == "stopped")
    lxe.ok(world.run("destroy", "box"))
    world.assert_clean(timeout=2)


@pytest.fixture
def project(world):
    path = shared(world) / "project"
    path.mkdir()
    for name in ("kept", "gone", "edited"):
        (path / name).write_text(f"{name}\n")
    # What is made from now on has another time, by the clock that file systems stamp with.
    now = time.time_ns()
    lxe.poll_until(lambda: time.clock_gettime_ns(COARSE) > now)
    for one in (path, *path.iterdir()):
        world.give(one)
    yield path
    shutil.rmtree(path)


EDIT = "cd {0} && echo more >>edited && rm gone && mkdir new && echo x >new/file && printf y >$(printf 'no\\377text')"


def test_changes_are_listed_committed_and_dropped(world, project):
    python(world, f"""
import errno
top = {str(project)!r}
edit = {EDIT.format(project)!r}
with lxc_exec.run(["sh", "-c", edit + "; exec sleep 1000"], name="box", keep=True, workdir=top + ":cow") as sandbox:
    with sandbox.exec(["sh", "-c", "until test -e no*text; do sleep 0.01; done"]) as p:
        p.wait(30)
    want = [("M", "edited"), ("D", "gone"), ("A", "new"), ("A", "new/file"), ("A", os.fsdecode(b"no\\xfftext"))]
    found = [(c.kind, c.path.removeprefix(top + "/")) for c in sandbox.diff(timeout=30)]
    assert found == want, found
    assert sandbox.diff(top + "/new", timeout=30)[1].record["after"]["size"] == 2
    assert sorted(os.listdir(top)) == ["edited", "gone", "kept"]
    # One path of one that runs.
    assert [c.kind for c in sandbox.commit("new/file", timeout=30)] == ["A", "A"]
    assert sorted(os.listdir(top)) == ["edited", "gone", "kept", "new"]
    try:
        sandbox.discard(30)
        raise AssertionError
    except lxc_exec.Error as e:
        assert e.errno == errno.EBUSY and e.hint, e
    sandbox.process.kill()
    sandbox.wait(30)
    # The source has changed as well: nothing is done, and it is said what it is.
    with open(top + "/edited", "a") as file:
        file.write("elsewhere\\n")
    try:
        sandbox.commit(timeout=30)
        raise AssertionError
    except lxc_exec.Error as e:
        assert e.errno == errno.ESTALE, e
        assert [(c.kind, c.path, c.record["conflict"]) for c in e.conflicts] == [("M", top + "/edited", "changed")]
    assert os.path.exists(top + "/gone")
    assert [c.kind for c in sandbox.commit("gone", timeout=30)] == ["D"]
    assert not os.path.exists(top + "/gone")
    try:
        sandbox.diff("/nowhere", timeout=30)
        raise AssertionError
    except lxc_exec.Error as e:
        assert e.errno == errno.ENOENT, e
    sandbox.discard(30)
    assert sandbox.diff(timeout=30) == []
    sandbox.destroy(30)
""")
    assert (project / "edited").read_text() == "edited\nelsewhere\n"
    assert sorted(p.name for p in project.iterdir()) == ["edited", "kept", "new"]
    world.assert_clean(timeout=2)


def test_a_list_that_takes_too_long_is_given_up_and_can_be_had_later(world, project):
    said = python(world, f"""
import errno
top = {str(project)!r}
with lxc_exec.run(["sh", "-c", "echo x >new; echo; exec sleep 1000"], workdir=top + ":cow", pty=(24, 80)) as sandbox:
    sandbox.process.read(timeout=30)
    keeper = keeper_of(sandbox)
    before = sorted(os.listdir("/proc/self/fd"))
    # Whoever lists what one has written that runs asks its keeper.
    os.kill(keeper, signal.SIGSTOP)
    for limit in (0.1, 0):
        try:
            print(sandbox.diff(timeout=limit))
        except OSError as e:
            print(errno.errorcode[e.errno], sandbox.state)
    os.kill(keeper, signal.SIGCONT)
    print(sandbox.diff(timeout=30))
    print(sorted(os.listdir("/proc/self/fd")) == before)
""")
    assert said.splitlines() == ["ETIMEDOUT running"] * 2 + [f"[A {project}/new]", "True"]
    world.assert_clean(timeout=2)


def test_where_there_is_nothing_to_commit(world):
    python(world, """
import errno
with lxc_exec.run(["sleep", "1000"]) as sandbox:
    assert sandbox.diff(timeout=30) == []
    for call in (sandbox.commit, sandbox.discard, lambda **k: sandbox.diff("x", **k)):
        try:
            call(timeout=30)
            raise AssertionError
        except lxc_exec.Error as e:
            assert e.errno == errno.ENOENT and e.hint, e
""")
    world.assert_clean(timeout=2)


def test_snapshots_and_forks(world):
    python(world, """
import errno
def refused(code, call, *words):
    try:
        call(*words, timeout=30)
        raise AssertionError
    except lxc_exec.Error as e:
        assert e.errno == code, e
def lives(sandbox):
    sandbox.start(30)
    return sandbox.wait(30).exit_code
with lxc_exec.run(["sh", "-c", "echo >>/srv/lives; exit $(wc -l </srv/lives)"], name="box", keep=True) as sandbox:
    assert sandbox.wait(30).exit_code == 1
    sandbox.snapshot("one", timeout=30)
    refused(errno.EEXIST, sandbox.snapshot, "one")
    assert lives(sandbox) == 2
    sandbox.fork("twin", timeout=30)
    sandbox.fork("old", snapshot="one", timeout=30)
    refused(errno.EEXIST, sandbox.fork, "twin")
    refused(errno.ENOENT, sandbox.restore, "nowhere")
    for name, n in (("twin", 3), ("old", 2)):
        with lxc_exec.attach(name) as other:
            assert other.state == "stopped" and lives(other) == n
            other.destroy(30)
    sandbox.restore("one", timeout=30)
    sandbox.snapshot_remove("one", timeout=30)
    refused(errno.ENOENT, sandbox.snapshot_remove, "one")
    assert lives(sandbox) == 2
    sandbox.destroy(30)
with lxc_exec.run(["sleep", "1000"]) as sandbox:
    refused(errno.EBUSY, sandbox.snapshot, "one")
""")
    world.assert_clean(timeout=2)


def test_signals_reach_that_command_alone(world):
    python(world, """
with lxc_exec.run(["sleep", "1000"]) as sandbox:
    r, w = os.pipe()
    a = sandbox.exec(["sleep", "1000"])
    b = sandbox.exec(["sh", "-c", "trap '' TERM; echo; while :; do sleep 1000; done"], stdout=w)
    os.read(r, 1)
    a.kill(signal.SIGTERM)
    assert (a.wait(30).signal, a.wait(30).cause) == (15, "signal")
    try:
        b.drain(0.3)
        raise AssertionError
    except TimeoutError:
        pass
    assert b.try_wait() is None
    b.kill()
    assert b.wait(30).cause == "killed" and sandbox.process.try_wait() is None
    a.close(), b.close()
    assert sandbox.process.drain(30).signal == 15
""")
    world.assert_clean(timeout=2)


@pytest.mark.parametrize("code", ["sandbox.process.drain(30)", "sandbox.process.kill(); sandbox.wait(30)"])
def test_ending_a_parked_one(world, code):
    python(world, f"""
with lxc_exec.create(["sh", "-c", "echo ran"], stdout=1) as sandbox:
    {code}
    assert sandbox.state == "gone"
""")
    world.assert_clean(timeout=2)


# What is left of a program that is killed.

STATES = {
    "created": "sandbox = lxc_exec.create(['sleep', '1000'])",
    "running": "sandbox = lxc_exec.run(['sleep', '1000'])",
    "named": "sandbox = lxc_exec.run(['sleep', '1000'], name='box')",
    "terminal": "sandbox = lxc_exec.run(['sh', '-c', 'yes'], pty=(24, 80))",
    "exec": "sandbox = lxc_exec.run(['sleep', '1000']); p = sandbox.exec(['sleep', '1000'])",
}


@pytest.mark.parametrize("state", STATES)
def test_a_killed_program_takes_what_is_its_own_along(world, state):
    Program(world, STATES[state]).kill()
    world.assert_clean(timeout=2 * lxe.SLACK)


@pytest.mark.parametrize("how", ["kill", "end"])
@pytest.mark.parametrize("state", STATES)
def test_what_is_disarmed_lives_on(world, state, how):
    program = Program(world, STATES[state] + "; sandbox.disarm(); print(sandbox.id, sandbox.process.pid)")
    sandbox, pid = program.said[-1].split()
    getattr(program, how)()
    assert lxe.is_alive(int(pid))
    wanted = "created" if state == "created" else "running"
    assert json.loads(lxe.ok(world.run("inspect", sandbox)).stdout)["state"] == wanted
    if state == "created":
        lxe.ok(world.run("start", sandbox))
    if state != "terminal":
        assert lxe.ok(world.run("exec", sandbox, "--", "echo", "up")).stdout == b"up\n"
    lxe.ok(world.run("destroy", "--force", sandbox))
    world.assert_clean(timeout=2)


def test_an_exec_ends_with_its_handle_and_not_when_it_is_disarmed(world):
    said = python(world, """
with lxc_exec.run(["sleep", "1000"]) as sandbox:
    ends, stays = sandbox.exec(["sleep", "1001"]), sandbox.exec(["sleep", "1002"])
    end = os.pidfd_open(ends.pid), os.pidfd_open(stays.pid)
    import select
    stays.disarm()
    ends.close(), stays.close()
    print(end[0] in select.select([end[0]], [], [], 30)[0], select.select([end[1]], [], [], 0.3)[0])
    assert sandbox.state == "running"
""")
    assert said == "True []\n"
    world.assert_clean(timeout=2)


@pytest.mark.parametrize("when", [0.0, 0.002, 0.005, 0.008, 0.012])
def test_a_program_that_is_killed_while_it_creates(world, when):
    process = subprocess.Popen(
        [sys.executable, "-B", "-c", PRELUDE + "print('here', flush=True)\nlxc_exec.run(['sleep', '1000'])\ntime.sleep(100)"],
        env=python_env(world), stdout=subprocess.PIPE, **world.as_whom({}))
    process.stdout.readline()
    lxe.pause(when)
    process.kill()
    process.wait()
    process.stdout.close()
    world.assert_clean(timeout=4 * lxe.SLACK)


def test_a_killed_keeper_is_cleaned_up_after(world):
    program = Program(world, "sandbox = lxc_exec.run(['sleep', '1000']); print(sandbox.id)")
    lxe.kill(world.keeper())
    program.kill()
    lxe.ok(world.run("gc"))
    world.assert_clean(timeout=2)
    said = python(world, """
with lxc_exec.run(["sleep", "1000"]) as sandbox:
    os.kill(keeper_of(sandbox), signal.SIGKILL)
    result = sandbox.wait(30)
    print(result.cause, result.exit_code, sandbox.state, result.record["teardown"]["ok"])
""")
    assert said == "error 125 gone True\n"
    world.assert_clean(timeout=2)


def test_every_call_keeps_its_limit_when_the_keeper_stands_still(world):
    said = python(world, """
import tempfile
top = tempfile.mkdtemp()
sandbox = lxc_exec.run(["sleep", "1000"], pty=(24, 80), bind=f"{top}:/mnt:cow")
os.rmdir(top)
process = sandbox.exec(["sleep", "1000"])
keeper = keeper_of(sandbox)
os.kill(keeper, signal.SIGSTOP)
with lxc_exec.attach(sandbox.id) as again:
    calls = [
        lambda: sandbox.wait(0.3),
        lambda: sandbox.start(0.3),
        lambda: sandbox.exec(["true"], timeout_start=0.3),
        lambda: process.kill(signal.SIGTERM, 0.3),
        lambda: process.drain(0.3),
        lambda: sandbox.process.read(timeout=0.3),
        lambda: again.wait(0.3),
        lambda: sandbox.diff(timeout=0.3),
        lambda: sandbox.destroy(0.3),
        lambda: again.destroy(0.3),
    ]
    for number, call in enumerate(calls):
        begun = time.monotonic()
        try:
            call()
            print(number, "came back")
        except TimeoutError:
            pass
        if not 0.25 < time.monotonic() - begun < 1.5:
            print(number, time.monotonic() - begun)
    def many_signals():
        for _ in range(10000):
            process.kill(timeout=0)
    for call in (process.try_wait, sandbox.process.try_wait, process.disarm, many_signals):
        begun = time.monotonic()
        try:
            call()
        except TimeoutError:
            assert call == many_signals
        assert time.monotonic() - begun < 1
    print(sandbox.state)
begun = time.monotonic()
process.close(), sandbox.close()
assert time.monotonic() - begun < 0.2
os.kill(keeper, signal.SIGCONT)
""")
    assert said == "running\n"
    world.assert_clean(timeout=4 * lxe.SLACK)


def test_create_keeps_its_limit(world):
    said = python(world, """
begun = time.monotonic()
try:
    lxc_exec.run(["sleep", "1000"], timeout_start=0.001)
except TimeoutError:
    print(time.monotonic() - begun < 0.5)
""")
    assert said == "True\n"
    world.assert_clean(timeout=4 * lxe.SLACK)


def test_it_is_found_when_it_is_installed(world, tmp_path):
    """By pkg-config and the loader; its keeper is where the installation has it."""
    prefix = tmp_path / "usr"
    env = {**os.environ, "MAKEFLAGS": "", "MAKELEVEL": ""}
    subprocess.run(["make", "-s", "-C", lxe.TOP, "install-library", "DESTDIR=", f"LIBDIR={prefix}/lib",
                    f"INCLUDEDIR={prefix}/include"], check=True, env=env, stdout=subprocess.DEVNULL)
    env["PKG_CONFIG_PATH"] = str(prefix / "lib" / "pkgconfig")
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "lxc-exec"], env=env, check=True,
                           capture_output=True).stdout.decode().split()
    assert f"-I{prefix}/include" in flags and f"-L{prefix}/lib" in flags
    program = tmp_path / "version"
    source = '#include <lxc-exec.h>\n#include <stdio.h>\nint main(void) { puts(lxe_version()); }\n'
    subprocess.run(["gcc", "-x", "c", "-", "-o", program, *flags], input=source.encode(), check=True)
    said = world.run(binary=program, env=world.env(LD_LIBRARY_PATH=str(prefix / "lib")))
    assert lxe.stdout_of(said).strip() == lxe.stdout_of(world.run("version")).split()[1]


DRIVER = PRELUDE + """
sandbox = lxc_exec.run(["sh", "-c", "while read x; do echo got-$x; done; exit 6"], pty=(24, 80))
print(sandbox.id, flush=True)
sys.stdin.readline()
sandbox.disarm()
print("disarmed", flush=True)
try:
    while True:
        sandbox.process.read(timeout=60)
except lxc_exec.Error as e:
    print(os.strerror(e.errno), flush=True)
print(sandbox.wait(60).exit_code, flush=True)
"""


def test_a_disarmed_terminal_is_watched_and_taken_over(world):
    process = subprocess.Popen([sys.executable, "-B", "-c", DRIVER], env=python_env(world),
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, **world.as_whom({}))
    sandbox = process.stdout.readline().decode().strip()
    assert b"belongs to the program that made it" in world.run("attach", "-t", sandbox).stderr or \
        world.run("attach", sandbox).returncode == 125
    process.stdin.write(b"\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"disarmed\n"
    with world.pty("attach", "--read-only", sandbox) as watcher, \
            world.pty("attach", "--take-over", sandbox) as driver:
        driver.write("words\r")
        driver.expect(rb"got-words")
        watcher.expect(rb"got-words")
        assert process.stdout.readline() == b"Inappropriate ioctl for device\n"
        driver.write("\x04")
        driver.wait()
    assert process.stdout.readline() == b"6\n"
    process.stdin.close()
    assert process.wait(lxe.DEADLINE) == 0
    process.stdout.close()
    world.assert_clean(timeout=2)


def test_who_watches_sees_what_the_library_reads(world):
    process = subprocess.Popen(
        [sys.executable, "-B", "-c", PRELUDE + """
sandbox = lxc_exec.run(["cat"], pty=(24, 80))
print(sandbox.id, flush=True)
for line in sys.stdin.buffer:
    os.write(sandbox.process.pty, line)
    out = b""
    while line.strip() not in out:
        out += sandbox.process.read(timeout=60)
sandbox.destroy(60)
"""], env=python_env(world), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            **world.as_whom({}))
    sandbox = process.stdout.readline().decode().strip()
    process.stdin.write(b"before\n")
    process.stdin.flush()
    with world.pty("attach", "--read-only", sandbox) as watcher:
        watcher.expect(rb"before")
        for word in (b"one", b"two", b"three"):
            process.stdin.write(word + b"\n")
            process.stdin.flush()
            watcher.expect(word)
    process.stdin.close()
    assert process.wait(lxe.DEADLINE) == 0
    process.stdout.close()
    world.assert_clean(timeout=2)


def test_limited_output_and_secrets(world):
    said = python(world, """
os.environ["GIVEN"] = "a secret"
with lxc_exec.run(["sleep", "1000"], secret="a=env:GIVEN") as sandbox:
    r, w = os.pipe()
    with sandbox.exec(["sh", "-c", "cat /run/secrets/a; seq 1000"], stdout=w, output_limit="64") as process:
        os.close(w)
        shown = os.fdopen(r, "rb").read()
        output = process.wait(30).record["output"]
    print(shown[:8] == b"a secret", b"bytes dropped]" in shown, output["stdout"]["written"])
    try:
        sandbox.exec(["true"], pty=(24, 80), output_limit="64")
    except lxc_exec.Error as error:
        print("refused", "terminal" in str(error))
print(os.environ["GIVEN"], os.environb[b"GIVEN"])
""")
    assert said == "True True 3901\nrefused True\na secret b'a secret'\n"
