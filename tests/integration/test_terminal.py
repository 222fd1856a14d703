"""The terminal bridge: what the program sees of its terminal, and what the caller gets of it."""

import fcntl
import hashlib
import os
import re
import signal
import subprocess
import time

import pytest

import lxe
from lxe import enter, leave, shell


def show(world, script, *options, status=0, **pty):
    """What a script prints on a terminal of its own."""
    with world.pty("run", *options, "--", "sh", "-c", script, **pty) as terminal:
        assert terminal.wait() == status, terminal.seen[-2000:]
        return terminal.seen.decode(errors="replace")


def test_the_terminal_has_a_name_that_can_be_opened(world):
    text = show(world, 'tty; echo by-name > "$(tty)"; exec < "$(tty)" && echo reopened; stat -c %U:%a "$(tty)"')
    assert re.search(r"^/dev/pts/\d+\r\nby-name\r\nreopened\r\nroot:620\r\n", text), text


def test_it_is_the_controlling_terminal_of_a_session_leader(world):
    text = show(world, "echo ok > /dev/tty; ps -o pid=,sid=,tpgid=,tty= -p $$")
    assert text.startswith("ok\r\n")
    pid, sid, foreground, name = text.split()[1:]
    assert pid == sid == foreground and name.startswith("pts/")


@pytest.mark.parametrize("rows,cols", [(24, 80), (31, 97), (1, 1), (500, 200)])
def test_window_size_and_term_are_right_from_the_start(world, rows, cols):
    script = 'stty size; tput lines; tput cols; echo "$TERM"'
    text = show(world, script, rows=rows, cols=cols)
    assert text.split() == [str(rows), str(cols), str(rows), str(cols), "xterm-256color"]


def test_a_new_window_size_arrives_and_is_signalled(world):
    script = "trap 'stty size; exit 0' WINCH; stty size; while :; do sleep 0.05; done"
    with world.pty("run", "--", "sh", "-c", script) as terminal:
        terminal.expect(rb"24 80\r\n")
        terminal.resize(40, 132)
        terminal.expect(rb"40 132\r\n")
        assert terminal.wait() == 0


def test_stdout_and_stderr_share_the_terminal(world):
    assert show(world, "echo out; echo err >&2") == "out\r\nerr\r\n"


def test_no_descriptor_but_three(world):
    assert show(world, "ls /proc/self/fd").split() == ["0", "1", "2", "3"]


def test_default_signals_inside_whatever_the_caller_ignores_and_blocks(world):
    def callers():
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGTTOU):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGTERM, signal.SIGWINCH])

    text = show(world, "exec cat /proc/self/status", pre=callers)
    fields = dict(re.findall(r"(Sig\w+):\t([0-9a-f]+)", text))
    assert fields["SigBlk"] == fields["SigIgn"] == fields["SigCgt"] == "0" * 16


def test_raw_while_it_runs_and_as_before_afterwards(world):
    with shell(world) as terminal:
        assert terminal.is_raw()
        leave(terminal, 3)
        assert not terminal.is_raw()


def test_the_settings_come_back_exactly(world):
    wrapper = 'stty -echo -icrnl erase ^H; stty -g; "$0" run -- stty raw; stty -g'
    with world.pty_of(["sh", "-c", wrapper, str(world.binary)]) as terminal:
        assert terminal.wait() == 0
        first, second = re.findall(rb"[0-9a-f]+(?::[0-9a-f]+){10,}", terminal.seen)
        assert first == second


def test_nonblocking_is_never_set_on_the_callers_description(world):
    with shell(world) as terminal:
        assert not fcntl.fcntl(terminal.slave, fcntl.F_GETFL) & os.O_NONBLOCK
        leave(terminal)
        assert not fcntl.fcntl(terminal.slave, fcntl.F_GETFL) & os.O_NONBLOCK


def test_nonblocking_is_never_set_on_the_callers_pipes(world):
    (in_read, in_write), (out_read, out_write) = os.pipe(), os.pipe()
    script = "echo up; exec sleep 1000"
    process = world.popen("run", "-t", "--", "sh", "-c", script, stdin=in_read, stdout=out_write)
    try:
        with os.fdopen(os.dup(out_read), "rb") as out:
            assert out.readline() == b"up\r\n"
        for fd in (in_read, out_write):
            assert not fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK
    finally:
        process.terminate()
        process.communicate(timeout=lxe.DEADLINE)
        for fd in (in_read, in_write, out_read, out_write):
            os.close(fd)


def test_keys_that_are_signals(world):
    for key, status in ((b"\x03", 130), (b"\x1c", 131)):
        with world.pty("run", "--", "sh", "-c", "echo up; exec sleep 1000") as terminal:
            terminal.expect(rb"up\r\n")
            terminal.write(key)
            assert terminal.wait(10) == status


def test_job_control(world):
    with shell(world) as terminal:
        script = "trap 'echo going on' CONT; echo up; while :; do sleep 0.05; done"
        terminal.write(f'bash -c "{script}"\r')
        terminal.expect(rb"[\r\n]up\r\n")
        terminal.write(b"\x1a")
        terminal.expect(rb"Stopped")
        terminal.expect(lxe.PROMPT)
        assert "Stopped" in enter(terminal, "jobs")
        terminal.write("fg\r")
        terminal.expect(rb"[\r\n]going on\r\n")
        terminal.write(b"\x03")
        terminal.expect(lxe.PROMPT)
        assert "st=130" in enter(terminal, "echo st=$?")
        assert "bg ok" in enter(terminal, "sleep 0.01 & wait $! && echo bg ok")
        leave(terminal)


def test_control_d_ends_a_shell(world):
    with shell(world) as terminal:
        terminal.write(b"\x04")
        assert terminal.wait(10) == 0


@pytest.mark.parametrize("data,shown", [(b"abc\n", b"abc\r\nabc\r\n"), (b"abc", b"abcabc"), (b"", b"")])
def test_the_end_of_stdin_becomes_veof(world, data, shown):
    result = lxe.ok(world.run("run", "-t", "--", "cat", input=data, timeout=10))
    assert result.stdout.replace(b"^D\b\b", b"") == shown


def test_the_end_of_stdin_ends_a_shell(world):
    result = world.run("run", "-t", *lxe.BASH, input=b"echo $((6*7))x\nexit 5\n", timeout=10)
    assert result.returncode == 5 and result.stdout.count(b"42x") == 1


def test_what_was_printed_right_before_the_end_arrives(world):
    for _ in range(5):
        text = show(world, "seq 1 150000; printf last")
        lines = text.split("\r\n")
        assert lines[-1] == "last" and lines[:-1] == [str(n) for n in range(1, 150001)]


def test_a_short_word_before_the_end_is_never_lost(world):
    for n in range(20):
        assert show(world, f"echo word{n}") == f"word{n}\r\n"


def test_a_background_process_does_not_hold_up_the_end(world):
    script = "trap '' HUP; sleep 1000 & setsid sleep 1000 & echo end"
    begin = time.monotonic()
    assert show(world, script) == "end\r\n"
    assert time.monotonic() - begin < 1.0 * lxe.SLACK


def test_a_background_process_that_never_stops_writing_does_not_hold_up_the_end(world):
    """Not even for a reader who is slower than it; of an exec it is left running."""
    first = world.popen("run", "-T", "--name", "box", "--", "sh", "-c", "echo up; read x", stdin=subprocess.PIPE)
    assert first.stdout.readline() == b"up\n"
    second = world.popen("exec", "-t", "box", "--", "sh", "-c", "trap '' HUP; echo begun; yes & sleep 0.1; exit 3")
    fd, got, end = second.stdout.fileno(), b"", time.monotonic() + lxe.DEADLINE
    while data := os.read(fd, 256):
        assert time.monotonic() < end, f"no end after {len(got)} bytes"
        got += data
    assert second.wait(lxe.DEADLINE) == 3 and got.startswith(b"begun\r\ny\r\n")
    second.stderr.close()
    first.communicate(b"\n", timeout=lxe.DEADLINE)
    world.assert_clean()


def test_a_reader_that_pauses_loses_nothing(world):
    with world.pty("run", "--", "seq", "1", "300000") as terminal:
        terminal.expect(rb"1\r\n2\r\n")
        lxe.pause(0.5)
        assert terminal.wait() == 0
        assert terminal.seen.decode().split("\r\n")[:-1] == [str(n) for n in range(1, 300001)]


def test_a_large_paste_arrives_whole(world):
    lines = "".join(f"line {n:06} {'x' * 40}\n" for n in range(6000)).encode()
    script = "stty -echo; echo ready; cat > /tmp/paste; sha256sum < /tmp/paste"
    with world.pty("run", "--", "sh", "-c", script) as terminal:
        terminal.expect(rb"ready\r\n")
        terminal.write(lines)
        terminal.write(b"\x04")
        digest = terminal.expect(rb"([0-9a-f]{64})")[1].decode()
        assert digest == hashlib.sha256(lines).hexdigest()
        assert terminal.wait() == 0


def test_a_paste_that_is_echoed_does_not_lock_up(world):
    lines = "".join(f"line {n:06} {'y' * 60}\n" for n in range(4000)).encode()
    with world.pty("run", "--", "sh", "-c", "echo ready; cat | wc -c") as terminal:
        terminal.expect(rb"ready\r\n")
        terminal.write(lines)
        terminal.write(b"\x04")
        terminal.expect(rb"\n%d\r\n" % len(lines))
        assert terminal.wait() == 0


def test_every_byte_passes_in_raw_mode(world):
    data = bytes(range(256)) * 64
    script = "stty raw -echo; echo ready; head -c 16384 | sha256sum"
    with world.pty("run", "--", "sh", "-c", script) as terminal:
        terminal.expect(rb"ready")
        terminal.write(data)
        digest = terminal.expect(rb"([0-9a-f]{64})")[1].decode()
        assert digest == hashlib.sha256(data).hexdigest()
        assert terminal.wait() == 0


def test_every_byte_comes_back_in_raw_mode(world):
    program = "import os,tty; tty.setraw(1); os.write(1, b'<<' + bytes(range(256)) * 400 + b'>>')"
    with world.pty("run", "--", "python3", "-c", program) as terminal:
        assert terminal.wait() == 0
        assert terminal.seen == b"<<" + bytes(range(256)) * 400 + b">>"


def test_a_reader_that_leaves_ends_the_run(world):
    process = world.popen("run", "-t", "--", "yes")
    process.stdout.read(10)
    process.stdout.close()
    process.stdout = None
    begin = time.monotonic()
    process.communicate(timeout=20)
    assert process.returncode != 0
    assert time.monotonic() - begin < 2.0 * lxe.SLACK


def test_terminal_mode_is_refused_and_asked_for(world):
    assert show(world, "test -t 0 && test -t 1 && echo both") == "both\r\n"
    with world.pty("run", "-T", "--", "sh", "-c", "tty; echo $?") as terminal:
        assert terminal.wait() == 0
        assert b"/dev/pts" not in terminal.seen.replace(b"not a tty", b"")
    forced = world.run("run", "-t", "--", "sh", "-c", "test -t 1 && echo yes")
    assert lxe.ok(forced).stdout == b"yes\r\n"


def test_one_redirected_end_means_pipes(world, tmp_path):
    with (tmp_path / "out").open("wb") as out:
        with world.pty("run", "--", "sh", "-c", "test -t 1 || echo pipe", stdout=out) as terminal:
            assert terminal.wait() == 0
    assert (tmp_path / "out").read_bytes() == b"pipe\n"


def test_job_control_of_the_caller_still_works(world):
    """Stopped and continued by the shell that started it, it takes the terminal back as it was."""
    env = world.env(PS1="outer> ")
    with world.pty_of(["bash", "--norc", "--noprofile", "-i"], env) as outer:
        outer.expect(rb"outer> ")
        words = " ".join(f"'{word}'" for word in lxe.BASH)
        outer.write(f"'{world.binary}' run {words}\r")
        outer.expect(rb"\r\n.*" + lxe.PROMPT)
        client = lxe.poll_until(lambda: client_below(world, outer.pid))
        os.kill(client, signal.SIGTSTP)
        outer.expect(rb"Stopped")
        outer.expect(rb"outer> ")
        outer.write("fg\r")
        lxe.poll_until(outer.is_raw)
        outer.write("\rexit 4\r")
        outer.expect(rb"outer> ")
        outer.write("echo st=$?\r")
        outer.expect(rb"st=4\r\n")
        outer.write("exit\r")
        outer.wait()


def client_below(world, parent):
    for pid in lxe.all_pids():
        exe = lxe.link_target(f"/proc/{pid}/exe")
        if lxe.parent_of(pid) == parent and exe == str(world.binary):
            return pid
    return None


def test_idle_costs_nothing(world):
    """Once the gate is open nobody polls: no CPU time passes while nothing happens."""
    with shell(world) as terminal:
        pids = [terminal.pid, world.keeper()]
        lxe.pause(0.3)
        before = [cpu_ticks(pid) for pid in pids]
        switches = [context_switches(pid) for pid in pids]
        lxe.pause(1.0)
        assert [cpu_ticks(pid) for pid in pids] == before
        for pid, earlier in zip(pids, switches):
            assert context_switches(pid) - earlier <= 3
        leave(terminal)


def cpu_ticks(pid):
    fields = lxe.read_proc(pid, "stat").rsplit(b")", 1)[-1].split()
    return int(fields[11]) + int(fields[12])


def context_switches(pid):
    return int(re.search(rb"^voluntary_ctxt_switches:\s+(\d+)", lxe.read_proc(pid, "status"), re.M)[1])
