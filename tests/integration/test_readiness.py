"""Input that was typed before the program was up is neither lost nor doubled, and a program that
never prints does not wait for it."""

import time

import pytest

import lxe

QUIET_BASH = ("-e", "PS1=", "--", "bash", "--norc", "--noprofile", "-i")
POLLER = """
import os, select, sys
select.select([0], [], [])
os.write(1, b'got ' + os.read(0, 100).strip() + b'x' + b'\\n')
"""


def typed_at_once(world, words, text, answer, *, raw=False, end=b"\x04"):
    """Types the text before the program can be up: the seconds until its answer, and the screen.

    raw: bytes that a cooked terminal would take for itself, so the caller's must be raw first.
    end: what ends the program; line editors change the mode, so that ^D may reach them as a NUL.
    """
    with world.pty("run", *words) as terminal:
        begin = time.monotonic()
        if raw:
            lxe.poll_until(terminal.is_raw)
        terminal.write(text)
        terminal.expect(answer)
        seconds = time.monotonic() - begin
        terminal.write(end)
        terminal.wait()
        assert terminal.seen.count(answer) == 1, terminal.seen
        return seconds


SHELLS = {
    "bash": lxe.BASH,
    "quiet bash": QUIET_BASH,
    "login bash": ("--", "bash", "-l", "-i"),
    "dash": ("--", "dash", "-i"),
    "sh -s": ("--", "sh", "-s"),
}


@pytest.mark.parametrize("name", SHELLS)
def test_a_shell_gets_what_was_typed_before_it_was_up(world, name):
    text = "".join(f"echo $(({n}*1000+7))x{n}\n" for n in range(1, 21)) + "echo $((6*7))end\n"
    for _ in range(3):
        with world.pty("run", *SHELLS[name]) as terminal:
            terminal.write(text)
            terminal.expect(rb"42end\r\n")
            for n in range(1, 21):
                assert terminal.seen.count(b"%d007x%d\r\n" % (n, n)) == 1, (n, terminal.seen)
            terminal.write("exit 0\n")
            assert terminal.wait() == 0


def test_a_busybox_shell_gets_it(world):
    lxe.ok(world.run("image", "build", "busybox"))
    words = ("--image", "busybox", "--", "sh", "-i")
    typed_at_once(world, words, "echo $((6*7))x\n", b"42x\r\n", end="exit\n")


def test_python_gets_it(world):
    typed_at_once(world, ("--", "python3", "-i", "-q"), "print(6 * 7, 'x')\n", b"42 x\r\n", end="exit()\n")


@pytest.mark.parametrize(
    "name,words,text,answer",
    [
        ("cat", ("--", "cat"), "hello\n", b"hello\r\nhello\r\n"),
        ("pipeline", ("--", "sh", "-c", "cat | wc -c"), "12345\n\x04", b"\n6\r\n"),
        ("select", ("--", "python3", "-c", POLLER), "it\n", b"got itx\r\n"),
        ("quiet bash", QUIET_BASH, "echo $((6*7))x\n", b"42x\r\n"),
        ("read", ("--", "sh", "-c", 'read -r x; echo "<$x>"'), "word\n", b"<word>\r\n"),
    ],
)
def test_a_silent_program_gets_it_soon(world, name, words, text, answer):
    end = "exit\n" if "bash" in words else b"\x04"
    times = [typed_at_once(world, words, text, answer, raw=True, end=end) for _ in range(3)]
    assert min(times) < 0.3 * lxe.SLACK, (name, times)


def test_a_busy_program_gets_it_in_the_end(world):
    """Nothing printed, nothing read, never out of canonical mode: the cap of 5 s opens the gate."""
    script = "end=$(($(date +%s) + 7)); while [ $(date +%s) -lt $end ]; do :; done; read -r x; echo \"<$x>\""
    seconds = typed_at_once(world, ("--", "bash", "-c", script), "word\n", b"<word>\r\n", raw=True)
    assert seconds >= 5


def test_stdin_from_a_pipe_is_held_back_too(world):
    for _ in range(3):
        result = world.run("run", "-t", *lxe.BASH, input=b"echo $((6*7))x\nexit 3\n", timeout=10)
        assert result.returncode == 3
        assert result.stdout.count(b"42x\r\n") == 1, result.stdout
