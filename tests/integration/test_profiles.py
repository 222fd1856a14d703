"""Profiles: what they set, which of two wins, and that whatever is not exactly right is refused with
file and line before anything is started."""

import pytest

import lxe
from lxe import ok, refusal, stdout_of


def run_with(world, tmp_path, text, *words, options=()):
    path = tmp_path / "test.conf"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return world.run("run", "--profile", str(path), *options, "--", *words)


def test_a_profile_sets_what_the_options_set(world, tmp_path):
    text = """# a comment
[run]
workdir = /usr/share
pids = 100
memory = 256M
timeout = 30s

[env]
GREETING = hello there
QUOTED = "a;b#c"
"""
    script = 'pwd; echo "$GREETING"; echo "$QUOTED"'
    result = run_with(world, tmp_path, text, "sh", "-c", script)
    assert stdout_of(result) == "/usr/share\nhello there\na;b#c\n"


def test_the_command_line_wins(world, tmp_path):
    text = "[run]\nworkdir = /usr\n[env]\nA = profile\n"
    options = ("-w", "/etc", "-e", "A=option")
    result = run_with(world, tmp_path, text, "sh", "-c", 'pwd; echo "$A"', options=options)
    assert stdout_of(result) == "/etc\noption\n"


def test_a_timeout_of_a_profile_holds(world, tmp_path):
    result = run_with(world, tmp_path, "[run]\ntimeout = 300ms\n", "sleep", "100")
    assert result.returncode == 124


@pytest.mark.parametrize(
    "text,line,says",
    [
        ("[run]\nno-such-key = 1\n", 2, "no-such-key"),
        ("[run]\nmemry = 1G\n", 2, "memory"),
        ("[nosuch]\na = 1\n", 1, "nosuch"),
        ("[run]\npids = 5\n\npids = 6\n", 4, "pids"),
        ("[run]\npids = 12abc\n", 2, "12abc"),
        ("[run]\npids = 042\n", 2, "042"),
        ("[run]\npids = abc\n", 2, "abc"),
        ("[run]\npids = -3\n", 2, "-3"),
        ("[run]\npids = 99999999999999999999\n", 2, "pids"),
        ("[run]\npids =\n", 2, "pids"),
        ("[run]\nmemory = 5X\n", 2, "5X"),
        ("[run]\nmemory = 1.5G\n", 2, "1.5G"),
        ("[run]\ntimeout = 10 parsecs\n", 2, "parsecs"),
        ("[run]\ntty = maybe\n", 2, "maybe"),
        ("[run]\nworkdir = relative\n", 2, "relative"),
        ("[run]\nimage = a/b\n", 2, "a/b"),
        ("[run]\nimage = " + "n" * 200 + "\n", 2, "name|image|128"),
        ("[run]\nworkdir = /tmp;more\n", 2, "test.conf"),
        ("[run]\nworkdir = /tmp#more\n", 2, "test.conf"),
        ("[run]\njust words\n", 2, "test.conf"),
        ("pids = 3\n", 1, "section|pids"),
        ("[run\npids = 3\n", 1, "test.conf"),
        ("[run]\nname = x\n", 2, "name"),
        ("[run]\nresult = /tmp/x\n", 2, "result"),
        (b"[run]\nworkdir = /t\0mp\n", 2, "test.conf"),
        (b"[run]\nworkdir = /\xff\xfe\x1b[31m\n", 2, "test.conf"),
        ("[run]\n" + "x" * 5000 + " = 1\n", 2, "test.conf"),
        ("[env]\nA = 1\nA = 2\n", 3, "A"),
    ],
    ids=lambda value: repr(value)[:40] if isinstance(value, (str, bytes)) else None,
)
def test_what_is_not_exactly_right_is_refused(world, tmp_path, text, line, says):
    result = run_with(world, tmp_path, text, "true")
    first = refusal(result, 125, says)
    assert f"test.conf:{line}:" in first, first
    assert b"\x1b" not in result.stderr
    assert not world.marks() or not world.current_ids()


def test_a_profile_that_cannot_be_read(world, tmp_path):
    refusal(world.run("run", "--profile", str(tmp_path), "--", "true"), 125, "directory")
    refusal(world.run("run", "--profile", str(tmp_path / "none"), "--", "true"), 125, "none")
    refusal(world.run("run", "--profile", "/dev/zero", "--", "true"), 125, "/dev/zero")


def test_the_shipped_profiles_work(world):
    ok(world.run("run", "--profile", "agent", "--", "true"))
    names = {path.name for path in (lxe.BIN.parent / "conf").glob("*.conf")}
    assert {"default.conf", "agent.conf"} <= names


def test_the_defaults_of_the_user_are_read(world, tmp_path):
    directory = tmp_path / "lxc-exec"
    directory.mkdir()
    (directory / "default.conf").write_text("[run]\nworkdir = /usr/lib\n")
    (directory / "mine.conf").write_text("[env]\nMINE = yes\n")
    env = world.env(XDG_CONFIG_HOME=str(tmp_path))
    words = ("run", "--profile", "mine", "--", "sh", "-c", 'pwd; echo "$MINE"')
    assert stdout_of(world.run(*words, env=env)) == "/usr/lib\nyes\n"
    (directory / "default.conf").write_text("[run]\nworkdir = nowhere\n")
    refusal(world.run("run", "--", "true", env=env), 125, r"default\.conf:2:")
