"""docs/SECURITY.md promises; each promise of its table names the tests that show it."""

import re
import subprocess
import sys
from pathlib import Path

import escapes
import lxe

TESTS = lxe.TOP / "tests"
ROW = re.compile(r"^\| (?P<what>.+?) \| (?P<where>.+?) \| (?P<tests>.+?) \|$", re.M)
NAME = re.compile(r"`((?:test|vm)_\w+\.(?:py|c))::([^`]+)`")


def rows():
    text = (lxe.TOP / "docs" / "SECURITY.md").read_text()
    table = text[text.index("| Restriction |") :]
    found = [m for m in ROW.finditer(table[: table.index("\n\n")]) if not set(m["what"]) <= set("- ")]
    for m in found[1:]:
        assert NAME.sub("", m["tests"]).strip(", ") == "", m["tests"]
    return [(m["what"], m["where"], NAME.findall(m["tests"])) for m in found[1:]]


def test_every_restriction_has_a_test_that_exists():
    names = {name for _, _, tests in rows() for name in tests}
    files = sorted({str(TESTS / "integration" / file) for file, _ in names if file.endswith(".py")})
    listed = subprocess.run(
        [sys.executable, "-B", "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", "-q", *files],
        capture_output=True,
        text=True,
        cwd=lxe.TOP,
    ).stdout
    # What a test is called with may hold a '/' as well.
    found = [line.partition("::") for line in listed.splitlines() if "::" in line]
    there = {f"{Path(file).name}::{name}" for file, _, name in found}
    there |= {line.split("[")[0] for line in there}
    for path in (TESTS / "unit").glob("test_*.c"):
        for suite, test in re.findall(r"^Test\((\w+), (\w+)", path.read_text(), re.M):
            there.add(f"{path.name}::{suite}/{test}")
    assert len(rows()) > 20
    missing = sorted(f"{file}::{name}" for file, name in names if f"{file}::{name}" not in there)
    assert not missing
    assert [what for what, _, tests in rows() if not tests] == []


def test_every_file_that_restricts_exists():
    paths = {path for _, where, _ in rows() for path in re.findall(r"`([\w/.]+)`", where)}
    assert paths and [path for path in sorted(paths) if not any((top / path).exists() for top in (lxe.TOP / "src", lxe.TOP))] == []


def test_every_attempt_is_in_the_table():
    shown = {name for _, _, tests in rows() for _, name in tests}
    assert "test_the_host_is_out_of_reach_of_all_privileges" in shown
    assert [f.__name__ for f in escapes.ATTEMPTS if f"test_no_way_out[{f.__name__}]" not in shown] == []


EVIL = "\x1b]0;evil\x07\x9b2J\u202e"


def test_what_is_printed_is_escaped(world):
    """Words of others, in whatever we print for people: no controls, no turning around of text."""
    said = [
        world.run("run", "--", EVIL),
        world.run("run", "-w", "/" + EVIL, "--", "true"),
        world.run("run", "-u", EVIL, "--", "true"),
        world.run("run", "--image", EVIL, "--", "true"),
        world.run("run", "--name", EVIL, "--", "true"),
        world.run("run", "--profile", EVIL, "--", "true"),
        world.run("run", "--cap-add", EVIL, "--", "true"),
        world.run("run", "--memory", EVIL, "--", "true"),
        world.run("run", "--" + EVIL, "--", "true"),
        world.run("run", "-e", "=" + EVIL, "--", "true"),
        world.run("exec", EVIL, "--", "true"),
        world.run("image", "rm", EVIL),
        world.run(EVIL),
    ]
    assert all(result.returncode in (125, 126, 127) and result.stderr for result in said)
    (world.state / "images" / ("x" + EVIL)).mkdir(parents=True)
    made = world.run("create", "lxe-evil", "--", "sh", "-c", f"printf '%b' '{EVIL}\\033cvisible\\n'; exec sleep 1000", EVIL)
    lxe.ok(made)
    lxe.ok(world.run("start", "lxe-evil"))
    lxe.poll_until(lambda: world.run("logs", "lxe-evil").stdout.strip(), what="what it has printed")
    said += [world.run(*words) for words in (["ps"], ["logs", "lxe-evil"], ["stats"], ["image", "ls"], ["gc", "-n"])]
    shown = []
    for words in (["inspect", "lxe-evil"], ["ps", "--format", "json"]):
        with world.pty(*words) as terminal:
            assert terminal.wait() == 0
            shown.append(terminal.seen.decode())
    lxe.ok(world.run("destroy", "--force", "lxe-evil"))
    (world.state / "images" / ("x" + EVIL)).rmdir()
    shown += [text.decode() for result in said for text in (result.stdout, result.stderr)]
    for text in shown:
        assert not [c for c in text if c in EVIL and not c.isprintable()], text
