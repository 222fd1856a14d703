"""A command that a rule of its sandbox keeps from being executed: the rule and the option are named."""

import json

import pytest

import lxe
from lxe import ok, refusal


def said(world, tmp_path, *words, status, verb="run"):
    """The record's rule and hint, which are also lines of standard error."""
    record = tmp_path / "record"
    result = world.run(verb, "--result", str(record), *words)
    refusal(result, status)
    entry = json.loads(record.read_text())
    lines = result.stderr.decode().splitlines()
    assert entry["cause"] == "error" and entry["exit_code"] == status
    assert f"hint: {entry['hint']}" in lines
    assert (f"rule: {entry['rule']}" in lines) == bool(entry["rule"])
    return entry["rule"], entry["hint"]


def test_a_program_that_is_not_there(world, tmp_path):
    rule, hint = said(world, tmp_path, "--", "no-such-program", status=127)
    assert rule == "image 'host' has no 'no-such-program'" and "--image" in hint and "PATH" in hint


def test_a_program_of_the_hosts(world, tmp_path):
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    rule, hint = said(world, tmp_path, "--", str(program), status=127)
    assert "--bind" in hint
    assert rule == f"the host's '{program}' is not shown in a sandbox of image 'host'"


@pytest.mark.parametrize("program,needle", [("/proc/version", "noexec"), ("/etc/passwd", "mode")])
def test_a_file_that_may_not_be_executed(world, tmp_path, program, needle):
    rule, hint = said(world, tmp_path, "--", program, status=126)
    assert program in rule and needle in rule and hint


def test_the_working_directory(world, tmp_path):
    rule, hint = said(world, tmp_path, "-w", str(tmp_path), "--", "true", status=125)
    assert rule == f"the host's '{tmp_path}' is not shown in a sandbox of image 'host'"
    rule, hint = said(world, tmp_path, "-w", "/no/such", "--", "true", status=125)
    assert rule == "image 'host' has no '/no/such'" and "-w DIR" in hint
    rule, hint = said(world, tmp_path, "-w", "/root", "-u", "1000", "--", "true", status=125)
    assert rule == "user 1000 may not enter '/root'" and "--user" in hint
    rule, _ = said(world, tmp_path, "-w", "/etc/passwd", "--", "true", status=125)
    assert rule == "'/etc/passwd' is no directory"


def test_what_was_denied(world, tmp_path):
    deny = ("--deny", "/usr/bin/id", "--deny", "/usr/share")
    for program in ("/usr/bin/id", "id"):
        rule, hint = said(world, tmp_path, *deny, "--", program, status=126)
        assert rule == "--deny /usr/bin/id" and "--deny" in hint
    rule, _ = said(world, tmp_path, *deny, "-w", "/usr/share/doc", "--", "true", status=125)
    assert rule == "--deny /usr/share"


@pytest.mark.parametrize(
    "deny,program",
    [("/usr", "id"), ("/bin", "/usr/bin/id"), ("/usr/bin", "/bin/id"), ("/lib64", "id"), ("/lib", "id")],
)
def test_what_was_denied_by_another_name(world, tmp_path, deny, program):
    """Symlinks lead to it, it is one of PATH's directories, or it is where the program's loader is."""
    rule, hint = said(world, tmp_path, "--deny", deny, "--", program, status=126)
    assert rule == f"--deny {deny}" and "--deny" in hint


@pytest.mark.parametrize("deny", ["/proc", "/sys", "/dev", "/dev/null"])
def test_what_cannot_be_denied(world, tmp_path, deny):
    rule, hint = said(world, tmp_path, "--deny", deny, "--", "true", status=125)
    assert rule == f"--deny {deny}" and "needs its /proc, /sys and devices" in hint


def test_an_interpreter_that_is_not_there(world, tmp_path):
    script = "printf '#!/no/such/shell -e\\n' >/tmp/s; chmod 755 /tmp/s; echo; exec sleep 1000"
    ok(world.run("create", "box", "--", "sh", "-c", script))
    ok(world.run("start", "box"))
    lxe.poll_until(lambda: world.run("exec", "box", "--", "test", "-x", "/tmp/s").returncode == 0)
    rule, hint = said(world, tmp_path, "box", "--", "/tmp/s", status=126, verb="exec")
    assert "/tmp/s" in rule and "/no/such/shell" in rule and "--image" in hint
    ok(world.run("destroy", "--force", "box"))


def test_names_that_would_drive_the_terminal(world, tmp_path):
    result = world.run("run", "--", "/no/\x1b[31mred")
    assert b"\x1b" not in result.stderr and b"x1b[31mred" in result.stderr
