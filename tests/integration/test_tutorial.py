"""What a page of docs/ says is what happens: its commands are pasted into a shell, and their output is compared."""

import fnmatch
import os
import re
import subprocess

import lxe

DOCS = lxe.TOP / "docs"


def steps(page):
    """Each command with the lines that it is said to print."""
    for block in re.findall(r"^```console\n(.*?)^```", page.read_text(), re.S | re.M):
        commands = re.split(r"^\$ ", block, flags=re.M)
        assert commands[0] == ""
        for text in commands[1:]:
            first, *printed = text.rstrip("\n").split("\n")
            yield first, printed


def matches(printed, line):
    return printed == line or (printed.endswith("...") and fnmatch.fnmatchcase(line, printed[:-3].replace("[", "[[]") + "*"))


def run_page(world, home, page):
    env = world.env(HOME=str(home))
    env["PATH"] = f"{world.binary.parent}:{env['PATH']}"
    todo = list(steps(page))
    script = "".join(f"{command}\necho '@@@'\n" for command, _ in todo)
    result = subprocess.run(
        ["bash", "-s"], input=script.encode(), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        cwd=home, timeout=lxe.DEADLINE * 3, **world.as_whom({}),
    )
    answers = result.stdout.decode().split("@@@\n")
    assert len(answers) == len(todo) + 1, result.stdout
    for (command, printed), answer in zip(todo, answers):
        said = answer.splitlines()
        assert len(said) == len(printed) and all(map(matches, printed, said)), f"{command}:\n{answer}"


def test_the_agents_tutorial(world, tmp_path):
    world.give(tmp_path)
    os.chmod(tmp_path, 0o755)
    run_page(world, tmp_path, DOCS / "TUTORIAL-AGENT.md")
