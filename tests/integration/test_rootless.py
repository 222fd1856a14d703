"""An ordinary user: what is different for him, and that he gets everything else. `make integration` runs
files that know nothing of users once more as one (LXE_AS_USER); here is what they do not show."""

import os
import re
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest

import lxe
from lxe import ok, refusal, stdout_of

IDLE = "echo up; exec sleep 1000"
# In another session, with another parent, and deaf: what no signal to a group finds.
HIDDEN = """
trap '' HUP INT TERM
( setsid sh -c "trap '' HUP INT TERM; sleep 1000; sleep 1000" & )
setsid sleep 1000 &
sleep 1000
"""
TERMINAL = "tty; stat -c %u:%a $(tty); read x </dev/tty; echo got $x"
BOMB = "b() { b | b & }; b 2>/dev/null; sleep 1000"


@pytest.fixture(scope="module")
def account():
    user = lxe.User()
    yield user
    user.remove()


@pytest.fixture(scope="module")
def users_world(account):
    world = lxe.World(user=account)
    yield world
    world.close()


@pytest.fixture
def user(users_world):
    yield users_world
    try:
        users_world.assert_clean(timeout=5.0 * lxe.SLACK)
    except AssertionError:
        users_world.purge()
        raise
    findings = users_world.sanitizer_findings()
    assert not findings, findings


def started(world, script, *options):
    process = world.popen("run", *options, "--", "sh", "-c", script)
    assert process.stdout.readline() == b"up\n", process.stderr.read()
    return process


def shell(world, script, *options):
    return ok(world.run("run", *options, "--", "sh", "-c", script)).stdout.decode()


def test_he_is_root_inside_and_one_of_his_ids_outside(user):
    process = started(user, IDLE)
    uids = {os.stat(f"/proc/{pid}").st_uid for pid in user.our_processes()}
    sleeping = [p for p in user.our_processes() if lxe.read_proc(p, "cmdline").startswith(b"sleep")]
    status = lxe.read_proc(sleeping[0], "status").decode()
    process.terminate()
    assert process.wait(lxe.DEADLINE) == 143
    assert re.search(r"^Uid:\t(\d+)", status, re.M)[1] == str(user.user.ids.start)
    assert 0 not in uids, uids
    assert shell(user, "id -u; id -g; cat /proc/self/setgroups").split() == ["0", "0", "allow"]


def test_the_ids_of_a_container_are_given_while_its_first_process_asks_who_it_is(user, tmp_path):
    """By two calls of liblxc's: the answer to the first one comes when its monitor, held before, has written the map."""
    trace = tmp_path / "trace"
    calls = "getuid,getresuid"
    held = ["-e", f"trace=getegid,{calls}", "-e", "inject=getegid:delay_enter=20000", "-e", f"inject={calls}:delay_exit=60000"]
    result = subprocess.run([*user.strace("-f", "-o", str(trace), *held), str(user.binary), "run", "--", "echo", "up"],
                            env=user.env_without_leak_check(), stdin=subprocess.DEVNULL, capture_output=True,
                            timeout=lxe.DEADLINE)
    assert stdout_of(result) == "up\n"
    assert re.search(r"get(uid\(\) += 65534|resuid\(\[65534\].*) \(DELAYED\)", trace.read_text())


def test_the_hosts_programs_run_and_nothing_of_the_host_is_writable(user):
    script = "python3 -c 'print(6*7)'; bash -c 'echo $BASH_VERSION' | grep -c .; touch /usr/x; echo $?"
    assert shell(user, script + " 2>/dev/null; stat -c %u /usr/bin/env /etc/passwd") == (
        "42\n1\n1\n65534\n0\n"
    )


def test_nobody_else_may_look_at_what_is_his(user):
    ok(user.run("run", "--", "true"))
    for path in (user.state, user.run_dir, user.sandboxes, user.state / "images"):
        st = path.stat()
        assert st.st_uid == user.user.uid and stat.S_IMODE(st.st_mode) == 0o700, path


def test_a_terminal_is_one(user):
    with user.pty("run", "--", "sh", "-c", TERMINAL) as pty:
        pty.expect(r"/dev/pts/\d+\r\n0:620\r\n")
        pty.write("hello\n")
        pty.expect("got hello")
        assert pty.wait() == 0


def test_a_directory_of_the_image_can_be_made_anew(user):
    script = "rm -r /var/mail; mkdir /var/mail && touch /var/mail/new && ls -A /var/mail"
    assert stdout_of(user.run("run", "--", "sh", "-c", script)) == "new\n"


def test_a_sandbox_lives_and_dies(user):
    script = "echo kept >/etc/mine; mkdir -p /etc/d/e; sleep 1000"
    ok(user.run("create", "box", "--", "sh", "-c", script))
    ok(user.run("start", "box"))
    assert ok(user.run("exec", "box", "--", "id", "-u")).stdout == b"0\n"
    lxe.poll_until(lambda: user.run("exec", "box", "--", "test", "-d", "/etc/d/e").returncode == 0)
    with user.pty("attach", "box") as pty:
        pty.write("\x1d")
        assert pty.wait() == 0
    ok(user.run("stop", "--stop-timeout", "100ms", "box"))
    assert b"stopped" in ok(user.run("ps")).stdout
    written = list(user.kept.iterdir())[0] / "rw" / "u" / "etc" / "mine"
    assert written.stat().st_uid == user.user.ids.start, "files of the range, which he cannot remove"
    ok(user.run("destroy", "box"))


def test_the_tree_of_an_exec_ends_with_its_time(user):
    ok(user.run("create", "box", "--", "sleep", "1000"))
    ok(user.run("start", "box"))
    late = user.run("exec", "--timeout", lxe.span(300), "box", "--", "sh", "-c", HIDDEN)
    assert late.returncode == 124, late

    def left():
        return ok(user.run("exec", "box", "--", "ps", "-eo", "args=")).stdout.decode()

    # Those that were killed are pid 1's to reap.
    lxe.poll_until(lambda: left().count("sleep 1000") == 1, what="the end of the tree")
    ok(user.run("destroy", "--force", "box"))


def test_a_fork_bomb_stays_in_its_sandbox(user):
    bomb = user.run("run", "--timeout", lxe.span(500), "--", "sh", "-c", BOMB)
    assert bomb.returncode == 124, bomb.stderr


WAYS = ["client", "keeper", "both"]


@pytest.mark.parametrize("way", WAYS)
def test_who_is_killed_leaves_nothing(user, way):
    for delay in (None, 0.0, 0.004, 0.008, 0.016):
        if delay is None:
            process = started(user, HIDDEN.replace("trap", "echo up; trap", 1))
        else:
            process = user.popen("run", "--", "sh", "-c", HIDDEN)
            lxe.pause(delay)
        keeper = user.keeper() if delay is None else child_of(process.pid)
        if way != "client" and keeper:
            os.kill(keeper, signal.SIGKILL)
        if way != "keeper":
            process.kill()
        elif delay is not None and not keeper:
            process.kill()
        process.communicate(timeout=lxe.DEADLINE)
        if way == "both" or process.returncode == -signal.SIGKILL:
            # Also what liblxc had just cloned and has not yet made die with its monitor.
            ok(user.run("gc"))
        user.assert_clean(timeout=5.0 * lxe.SLACK)


def child_of(pid):
    children = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        words = children.read_text().split()
    except OSError:
        return 0
    return int(words[0]) if words else 0


def test_gc_removes_what_the_range_owns(user):
    ok(user.run("create", "box", "--", "sh", "-c", "mkdir -p /etc/d; touch /etc/d/e; sleep 1000"))
    ok(user.run("start", "box"))
    lxe.poll_until(lambda: user.run("exec", "box", "--", "test", "-e", "/etc/d/e").returncode == 0)
    os.kill(user.keeper(), signal.SIGKILL)
    lxe.poll_until(lambda: not list(user.our_processes()), what="the end of its processes")
    ok(user.run("gc"))
    ok(user.run("destroy", "box"))


def test_images_are_made_and_removed(user):
    ok(user.run("image", "build", "busybox"))
    files = user.state / "images" / "busybox" / "rootfs"
    assert files.stat().st_uid == user.user.ids.start
    assert shell(user, "id -u; stat -c %u /bin", "--image", "busybox") == "0\n0\n"
    ok(user.run("image", "rm", "busybox"))
    assert not files.exists()


LIMITS = {"--memory=100M": "memory.max", "--pids=50": "pids.max"}


@pytest.mark.parametrize("option", LIMITS)
def test_a_limit_is_refused_or_enforced(user, option):
    """Without a service manager nothing of the kernel's is given to users; with one, a scope is."""
    name = option.split("=")[0]
    if user.user.has_manager:
        process = started(user, IDLE, option)
        words = (f"/sys/fs/cgroup{path}" for path in groups_of(user))
        values = [(Path(path) / LIMITS[option]).read_text() for path in words]
        process.terminate()
        assert process.wait(lxe.DEADLINE) == 143
        assert any(value.strip().isdigit() for value in values), values
        return
    began = time.monotonic()
    refused = user.run("run", option, "--", "touch", "/tmp/never")
    refusal(refused, 125, f"{name} cannot be enforced: the cgroup controller '.*' is not delegated")
    assert b"hint: " in refused.stderr and time.monotonic() - began < 5 * lxe.SLACK


def groups_of(user):
    """The groups of the sandboxes: what holds "init" and those of the commands."""
    found = {lxe.read_proc(pid, "cgroup").decode().strip() for pid in user.our_processes()}
    paths = {line.split("::")[1] for line in found if "/lxe-" in line}
    assert all(".scope/" in path for path in paths), paths
    return {os.path.dirname(path) for path in paths if not path.endswith("/lxe-keeper")}


def test_without_an_id_mapper_there_is_a_remedy(user):
    """As on a host without the package uidmap: what is looked for is hidden in a mount namespace."""
    script = "for t in newuidmap newgidmap; do mount --bind /dev/null /usr/bin/$t; done; exec \"$@\""
    words = ["unshare", "--mount", "sh", "-c", script, "-", "setpriv", f"--reuid={user.user.uid}"]
    words += [f"--regid={user.user.gid}", "--clear-groups", str(user.binary), "run", "--", "true"]
    refused = subprocess.run(words, env=user.env(), capture_output=True, timeout=lxe.DEADLINE)
    assert refused.returncode == 125, refused
    assert b"newuidmap is not installed" in refused.stderr
    assert b"hint: as root: apt-get install uidmap" in refused.stderr


def test_a_directory_of_somebody_else_is_not_used(user):
    """Without XDG_RUNTIME_DIR it is one in /tmp, which anybody could have made before."""
    fallback = Path(f"/tmp/lxc-exec-{user.user.uid}")
    env = user.env(LXC_EXEC_RUN_DIR=None)
    ok(user.run("run", "--", "true", env=env))
    st = fallback.stat()
    assert (st.st_uid, stat.S_IMODE(st.st_mode)) == (user.user.uid, 0o700)
    fallback.chmod(0o755)
    refusal(user.run("run", "--", "true", env=env), 125, "not a directory that is yours alone")
    fallback.chmod(0o700)
    os.chown(fallback, 0, 0)
    refusal(user.run("run", "--", "true", env=env), 125, "not a directory that is yours alone")
    subprocess.run(["rm", "-rf", str(fallback)], check=True)
    fallback.symlink_to(user.run_dir)
    refusal(user.run("run", "--", "true", env=env), 125, "not a directory that is yours alone")
    fallback.unlink()


def test_root_of_a_sandbox_and_others_cannot_command_a_keeper(user):
    """The socket is refused by uid: not to 0 of the sandbox, who is one of his ids, and to no other."""
    ok(user.run("create", "box", "--", "sleep", "1000"))
    box = list(user.kept.iterdir())[0]
    code = (
        "import socket,sys\n"
        "s=socket.socket(socket.AF_UNIX,socket.SOCK_SEQPACKET)\n"
        "s.settimeout(10)\n"
        "s.connect(sys.argv[1])\n"
        "print(len(s.recv(100)))\n"
    )
    name = f"/proc/{os.getpid()}/fd/{os.open(box, os.O_PATH)}/socket"
    for uid in (0, user.user.ids.start):
        words = ["/usr/bin/python3", "-c", code, name]
        got = subprocess.run(
            words, capture_output=True, text=True, timeout=lxe.DEADLINE, user=uid
        )
        assert got.stdout in ("0\n", "") and "timed out" not in got.stderr, got
    assert b"created" in ok(user.run("ps")).stdout
    ok(user.run("destroy", "--force", "box"))


def lines_of(path, name):
    return [line for line in Path(path).read_text().splitlines() if line.startswith(f"{name}:")]


def test_doctor_tells_him_what_he_lacks_and_root_gives_it(users_world):
    files = {"/etc/subuid": "--del-subuids", "/etc/subgid": "--del-subgids"}
    someone = lxe.User(logs_in=False)  # who has processes cannot be changed
    try:
        for path, option in files.items():
            _, start, count = lines_of(path, someone.name)[0].split(":")
            span = f"{start}-{int(start) + int(count) - 1}"
            lxe.change_accounts(["usermod", option, span, someone.name])
        env = users_world.env(LXC_EXEC_STATE_DIR=None, LXC_EXEC_RUN_DIR=None, HOME=str(someone.home))
        env["XDG_RUNTIME_DIR"] = str(someone.home)
        told = users_world.run("doctor", env=env, **someone.popen())
        assert told.returncode == 1 and b"'/etc/subuid' gives no 65536 ids" in told.stdout, told
        assert f"doctor --fix {someone.name}".encode() in told.stdout
        refused = users_world.run("doctor", "--fix", someone.name, env=env, **someone.popen())
        refusal(refused, 125, "only root")

        root = {"env": env, "user": 0, "group": 0}
        done = ok(users_world.run("doctor", "--fix", someone.name, **root)).stdout.decode()
        for path in files:
            _, start, count = lines_of(path, someone.name)[0].split(":")
            assert int(count) == 65536 and f"{path}: gave {start}-" in done, done
        before = {path: Path(path).read_text() for path in files}
        again = ok(users_world.run("doctor", "--fix", someone.name, **root)).stdout.decode()
        assert again.count("has 65536 ids already") == 2
        assert all(lines_of(path, someone.name) == [line for line in text.splitlines()
                   if line.startswith(someone.name)] for path, text in before.items())
        ok(users_world.run("run", "--", "true", env=env, **someone.popen()))
        refusal(users_world.run("doctor", "--fix", "no-such-user", **root), 125, "there is no user")
    finally:
        someone.remove()


@pytest.mark.parametrize("option", ["cpus=0.5", "cpuset=0", "cpu-time=5s"])
def test_a_limit_for_which_nothing_is_delegated_is_refused(user, account, option):
    result = user.run("run", f"--{option}", "--", "true")
    if account.has_manager and result.returncode == 0:
        return
    name = option.split("=")[0]
    lxe.refusal(result, says=rf"--{name} cannot be enforced: .*not delegated[^$]*hint: .*root")


def test_a_timeout_ends_who_hides_and_is_deaf(user):
    script = "trap '' TERM HUP; setsid sh -c 'trap \"\" TERM; sleep 1000' & sleep 1000"
    limits = ("--timeout", lxe.span(200), "--stop-timeout", "100ms", "--ulimit", "core=0", "--disk", "4M")
    lxe.ok(user.run("run", *limits, "--", "sh", "-c", script), 124)


@pytest.mark.parametrize("option", ["pids=2048", "pids=50", "memory=64M", "cpus=0.5", "cpuset=0", "io=wbps=1M", "cpu-time=5s"])
def test_what_is_said_of_a_limit_names_the_controller_and_the_remedy(user, account, option):
    name = option.split("=")[0]
    result = user.run("run", f"--{option}", "--", "touch", "/tmp/never")
    if account.has_manager:
        return
    controllers = {"cpus": "cpu", "io": "io|blkio", "cpu-time": "cpuacct"}.get(name, name)
    refusal(result, says=rf"--{name} cannot be enforced: the cgroup controller '({controllers})' is not delegated")
    refusal(result, says=rf"hint: have root give you a cgroup with the '({controllers})' controller and run in it")


# In a user namespace of its own nobody keeps it from leaving the one by which it is found.
HIDES = "unshare -Ur unshare -u setsid sleep 1000 || (setsid sleep 1000 &) ; sleep 1000"


def test_an_exec_that_hides_ends_with_its_timeout(user):
    ok(user.run("create", "--seccomp", "unconfined", "box", "--", "sleep", "1001"))
    ok(user.run("start", "box"))
    words = ("exec", "--timeout", lxe.span(300), "--stop-timeout", "100ms", "box")
    ok(user.run(*words, "--", "sh", "-c", HIDES), 124)
    assert b"sleep 1000" not in ok(user.run("exec", "box", "--", "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")).stdout
    ok(user.run("destroy", "--force", "box"))
    # A one-shot is its own command's, who may make user namespaces: nobody else is let in.
    assert stdout_of(user.run("run", "--seccomp", "unconfined", "--", "unshare", "-Ur", "id", "-u")) == "0\n"
    process = started(user, IDLE, "--seccomp", "unconfined", "--name", "box")
    inside = user.run("exec", "box", "--", "true")
    process.terminate()
    assert process.wait(lxe.DEADLINE) == 143
    if not user.user.has_manager:
        refusal(inside, says="exec .*--seccomp.*no cgroup is delegated[^$]*hint: ")
    ok(user.run("create", "--cap-add", "SYS_ADMIN", "box", "--", "sleep", "1001"))
    ok(user.run("start", "box"))
    adds = user.run("exec", "box", "--", "true")
    if not user.user.has_manager:
        refusal(adds, says="exec .*SYS_ADMIN.*no cgroup is delegated[^$]*hint: ")
    ok(user.run("destroy", "--force", "box"))


def test_when_the_keeper_is_killed_its_client_sees_everything_end(user):
    process = started(user, IDLE)
    top = user.kept if lxe.KERNEL < (6, 6) else user.sandboxes
    journal = (top / user.sandbox_id() / "journal").read_text()
    inside = [pid for pid in user.our_processes() if lxe.read_proc(pid, "cmdline").startswith(b"sleep")]
    first = re.search(r"^init /(\d+)/(\d+)$", journal, re.M)
    assert inside and bool(first) == (not user.user.has_manager)
    if first:
        status = lxe.read_proc(int(first[1]), "status").decode()
        assert re.search(r"^NSpid:.*\t1$", status, re.M), status
    os.kill(user.keeper(), signal.SIGKILL)
    assert process.wait(lxe.DEADLINE) == 125
    assert all(lxe.is_ended(pid) for pid in inside)


def test_a_ulimit_beyond_what_he_has_says_how_much_that_is(user):
    script = 'ulimit -l 64; exec "$0" run --ulimit memlock=unlimited -- true'
    words = ["bash", "-c", script, str(user.binary)]
    done = subprocess.run(words, env=user.env(), capture_output=True, timeout=lxe.DEADLINE, **user.as_whom({}))
    refusal(done, says=f"set --ulimit memlock[^$]*hint: at most {64 * 1024} here")
