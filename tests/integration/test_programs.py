"""Programs that people run on terminals, in windows of every size."""

import pytest

import lxe
from lxe import enter, leave, shell

SIZES = [(24, 80), (1, 1), (500, 200)]


def test_vim_edits_and_saves(world):
    with shell(world) as terminal:
        terminal.write("vim -u NONE -i NONE text\r")
        terminal.expect(rb"\[New")
        terminal.write("ihello from vim\x1b")
        terminal.expect(rb"hello from vim")
        terminal.write(":wq\r")
        terminal.expect(lxe.PROMPT)
        assert "hello from vim" in enter(terminal, "cat text")
        leave(terminal)


def test_less_pages(world):
    with shell(world, rows=20) as terminal:
        terminal.write("seq 1 1000 | less\r")
        terminal.expect(rb"\r\n19\r\n:")
        terminal.write(" ")
        terminal.expect(rb"38\r\n:")
        terminal.write("G")
        terminal.expect(rb"1000")
        terminal.write("q")
        terminal.expect(lxe.PROMPT)
        leave(terminal)


def test_htop_starts_and_quits(world):
    with world.pty("run", "--", "htop", rows=30, cols=100) as terminal:
        terminal.expect(rb"Load average|Tasks")
        terminal.write("q")
        assert terminal.wait() == 0


def test_tmux_inside(world):
    with shell(world) as terminal:
        terminal.write("tmux -f /dev/null new-session 'bash --norc'\r")
        terminal.expect(rb"bash-[0-9.]+#")
        terminal.write("echo in$((1+1))tmux\r")
        terminal.expect(rb"in2tmux")
        terminal.write("exit\r")
        terminal.expect(rb"\[exited\]")
        leave(terminal)


@pytest.mark.parametrize("rows,cols", SIZES)
@pytest.mark.parametrize(
    "command,leave_it",
    [
        ("vim -u NONE -i NONE", b"\x1b:q!\r"),
        ("seq 1 5000 | less", b"q"),
        ("htop", b"q"),
        ("tmux -f /dev/null new-session sh", b"exit\r"),
    ],
)
def test_any_window_size(world, command, leave_it, rows, cols):
    """It starts, leaves when told to, and the shell below is still well."""
    script = f"{command}; echo left=$?; stty size"
    with world.pty("run", "--", "bash", "-c", script, rows=rows, cols=cols) as terminal:
        terminal.expect(rb"\x1b\[")
        lxe.poll_until(lambda: not terminal.pump(0.3), what="a quiet screen", interval=0)
        terminal.write(leave_it)
        terminal.expect(rb"left=")
        assert terminal.wait() == 0
        assert terminal.seen.rstrip().endswith(b"%d %d" % (rows, cols))


def test_bash_edits_lines(world):
    with shell(world) as terminal:
        terminal.write("echo onexx\x7f\x7f two\x01\x05 three\r")
        terminal.expect(rb"\r\n(\x1b\[\?2004l\r?)?one two three\r\n")
        leave(terminal)


def test_secrets_are_not_echoed(world):
    script = "stty -echo; echo ready; read -r x; stty echo; echo ${#x}"
    with world.pty("run", "--", "sh", "-c", script) as terminal:
        terminal.expect(rb"ready\r\n")
        terminal.write("hidden\n")
        assert terminal.wait() == 0
        assert terminal.seen == b"ready\r\n6\r\n"


def test_shell_verb_opens_an_interactive_shell(world):
    for words in ((), ("shell",)):
        with world.pty(*words) as terminal:
            terminal.write("echo $((6*7))x $-\n")
            terminal.expect(rb"42x \w*i\w*\r\n")
            terminal.write("exit 9\n")
            assert terminal.wait() == 9
