"""Profiles: what they set, which of two wins, and that whatever is not exactly right is refused with
file and line before anything is started."""

import json
import os

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
cwd = /usr/share
pids = 100
memory = 256M
timeout = 30s

[env]
GREETING = hello there
QUOTED = "a;b#c"
"""
    script = 'pwd; echo "$GREETING"; echo "$QUOTED"'
    result = run_with(world, tmp_path, text, "sh", "-c", script)
    if not world.refuses_limits(result):
        assert stdout_of(result) == "/usr/share\nhello there\na;b#c\n"


def test_the_command_line_wins(world, tmp_path):
    text = "[run]\ncwd = /usr\n[env]\nA = profile\n"
    options = ("-w", "/etc", "-e", "A=option")
    result = run_with(world, tmp_path, text, "sh", "-c", 'pwd; echo "$A"', options=options)
    assert stdout_of(result) == "/etc\noption\n"


def test_name_result_and_verbosity(world, tmp_path):
    record = tmp_path / "run.json"
    text = f"[run]\nname = my name\nresult = {record}\nverbose = yes\n"
    result = run_with(world, tmp_path, text, "sh", "-c", "exit 3")
    assert result.returncode == 3 and b"status 3" in result.stderr
    assert json.loads(record.read_text())["name"] == "my name"
    result = run_with(world, tmp_path, text, "true", options=("-q", "--name", "other"))
    assert result.stderr == b""
    assert json.loads(record.read_text())["name"] == "other"


def test_a_result_on_the_command_line_wins(world, tmp_path):
    text = f"[run]\nresult = {tmp_path}/profile.json\n"
    ok(run_with(world, tmp_path, text, "true", options=("--result", str(tmp_path / "option.json"))))
    assert (tmp_path / "option.json").exists() and not (tmp_path / "profile.json").exists()


def test_what_does_not_begin_leaves_the_record_that_the_profile_asks_for(world, tmp_path):
    text = f"[run]\nresult = {tmp_path}/run.json\npids = x\n"
    refusal(run_with(world, tmp_path, text, "true"), 125, "pids")
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["cause"] == "error" and "test.conf:3" in record["message"]


def test_no_tty(world, tmp_path):
    (tmp_path / "test.conf").write_text("[run]\nno-tty = yes\n")
    words = ("--profile", str(tmp_path / "test.conf"), "--", "sh", "-c", "tty; echo end")
    with world.pty("run", *words) as pty:
        assert pty.wait() == 0
    assert b"not a tty" in pty.seen
    with world.pty("run", "-t", *words) as pty:
        assert pty.wait() == 0
    assert b"/dev/pts/" in pty.seen


def test_a_profile_builds_on_another(world, tmp_path):
    (tmp_path / "base.conf").write_text("[run]\ncwd = /usr\npids = 50\n[env]\nA = base\nB = base\n")
    text = "[run]\nprofile = ./base.conf\ncwd = /etc\n[env]\nA = own\n"
    result = run_with(world, tmp_path, text, "sh", "-c", 'pwd; echo "$A $B"')
    if not world.refuses_limits(result):
        assert stdout_of(result) == "/etc\nown base\n"
    (tmp_path / "base.conf").write_text("[run]\n\npids = few\n")
    first = refusal(run_with(world, tmp_path, text, "true"), 125, "few")
    assert "base.conf:3:" in first


def test_a_profile_builds_on_a_shipped_one(world, tmp_path):
    text = "[run]\nprofile = agent\n[env]\nPAGER = less\n"
    result = run_with(world, tmp_path, text, "sh", "-c", 'echo "$PAGER $GIT_PAGER"')
    if not world.refuses_limits(result):
        assert stdout_of(result) == "less cat\n"


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
        ("[run]\ncwd = relative\n", 2, "relative"),
        ("[run]\nimage = a/b\n", 2, "a/b"),
        ("[run]\nimage = " + "n" * 200 + "\n", 2, "name|image|128"),
        ("[run]\ncwd = /tmp;more\n", 2, "test.conf"),
        ("[run]\ncwd = /tmp#more\n", 2, "test.conf"),
        ("[run]\njust words\n", 2, "test.conf"),
        ("pids = 3\n", 1, "section|pids"),
        ("[run\npids = 3\n", 1, "test.conf"),
        ("[run]\nname = a/b\n", 2, "a/b"),
        ("[run]\nresult = run.json\n", 2, "absolute"),
        ("[run]\nresult = fd:1\n", 2, "absolute"),
        ("[run]\nno-tty = auto\n", 2, "auto"),
        ("[run]\nquiet = 2\n", 2, "quiet"),
        ("[run]\nverbose = more\n", 2, "more"),
        ("[run]\nformat = xml\n", 2, "xml"),
        ("[run]\ndetach-keys = ctrl\n", 2, "detach"),
        ("[run]\nhelp = yes\n", 2, "cannot set 'help'"),
        ("[run]\npatch = yes\n", 2, "cannot set 'patch'"),
        ("[run]\nprofile = no-such-profile\n", 2, "no-such-profile"),
        ("[run]\npids = 9\nprofile = ./none.conf\n", 3, "none.conf"),
        ("[run]\nprofile = ./test.conf\n", 2, "build on itself"),
        ("[run]\nprofile = /dev/zero\n", 2, "/dev/zero"),
        (b"[run]\ncwd = /t\0mp\n", 2, "test.conf"),
        (b"[run]\ncwd = /\xff\xfe\x1b[31m\n", 2, "test.conf"),
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
    result = world.run("run", "--profile", "agent", "--", "true")
    if not world.refuses_limits(result):
        ok(result)
    names = {path.name for path in (lxe.BIN.parent / "conf").glob("*.conf")}
    assert {"default.conf", "agent.conf"} <= names


def test_the_defaults_of_the_user_are_read(world, tmp_path):
    directory = tmp_path / "lxc-exec"
    directory.mkdir()
    (directory / "default.conf").write_text("[run]\ncwd = /usr/lib\n")
    (directory / "mine.conf").write_text("[env]\nMINE = yes\n")
    env = world.env(XDG_CONFIG_HOME=str(tmp_path))
    words = ("run", "--profile", "mine", "--", "sh", "-c", 'pwd; echo "$MINE"')
    assert stdout_of(world.run(*words, env=env)) == "/usr/lib\nyes\n"
    (directory / "default.conf").write_text("[run]\ncwd = nowhere\n")
    refusal(world.run("run", "--", "true", env=env), 125, r"default\.conf:2:")


def defaults(world, tmp_path, text):
    (tmp_path / "lxc-exec").mkdir(exist_ok=True)
    (tmp_path / "lxc-exec" / "default.conf").write_text(text)
    return world.env(XDG_CONFIG_HOME=str(tmp_path))


def test_the_defaults_hold_for_every_verb(world, tmp_path):
    env = defaults(world, tmp_path, "[run]\nformat = json\n")
    assert json.loads(stdout_of(world.run("version", env=env)))["name"] == "lxc-exec"
    assert isinstance(json.loads(stdout_of(world.run("image", "ls", env=env))), list)
    assert json.loads(stdout_of(world.run("gc", env=env)))["sandboxes"] == []
    assert "checks" in json.loads(world.run("doctor", env=env).stdout)
    assert stdout_of(world.run("version", "--format", "table", env=env)).startswith("lxc-exec ")
    env = defaults(world, tmp_path, "[run]\nquiet = yes\n")
    assert stdout_of(world.run("gc", env=env)) == ""
    assert stdout_of(world.run("gc", "-v", env=env)) != ""


def test_the_defaults_build_on_another(world, tmp_path):
    env = defaults(world, tmp_path, "[run]\nprofile = agent\ncwd = /usr\n")
    result = world.run("run", "--", "sh", "-c", 'pwd; echo "$PAGER"', env=env)
    if not world.refuses_limits(result):
        assert stdout_of(result) == "/usr\ncat\n"


def test_a_mistake_in_the_defaults_is_refused_by_all_but_help(world, tmp_path):
    env = defaults(world, tmp_path, "[run]\nformat = xml\n")
    for verb in (["version"], ["doctor"], ["gc"], ["image", "ls"], ["image", "rm", "x"]):
        refusal(world.run(*verb, env=env), 125, r"default\.conf:2: format 'xml'")
    ok(world.run("help", "run", env=env))
    ok(world.run("run", "--help", env=env))


def test_only_a_run_leaves_a_record(world, tmp_path):
    env = defaults(world, tmp_path, f"[run]\nresult = {tmp_path}/run.json\n")
    refusal(world.run("image", "rm", "none", env=env), 125, "none")
    assert not (tmp_path / "run.json").exists()


def test_defaults_that_an_ordinary_user_may_not_read(world, tmp_path):
    env = defaults(world, tmp_path, "[run]\nformat = json\n")
    os.chmod(tmp_path / "lxc-exec", 0o700)
    binary = world.binary_for_others()
    result = world.run("version", env=env, binary=binary, user=65534, group=65534, extra_groups=[])
    assert stdout_of(result).startswith("lxc-exec ")
