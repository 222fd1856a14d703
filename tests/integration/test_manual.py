"""The manual and the other pages name what the program has, all of it and nothing else."""

import json
import re
import subprocess

import lxe
import pytest

PAGES = ["README.md", "SECURITY.md", "TUTORIAL-AGENT.md", "ARCHITECTURE.md", "CHANGELOG.md"]
MANUAL = ["lxc-exec.1", "lxc-exec.3", "lxc-exec.conf.5"]

# Options of other programs that the pages call.
OTHERS = {
    "now", "user",  # systemctl
    "cflags", "libs",  # pkg-config
    "git",  # diff, in its output
    "version",  # the verb's other name
}

# What asks for something once is no key of a profile.
NO_KEYS = {"fix", "follow", "force", "help", "patch", "recipe", "rm", "size", "take-over", "watch"}


@pytest.fixture(scope="module")
def manual(tmp_path_factory):
    """The pages as they are installed."""
    made = tmp_path_factory.mktemp("manual")
    command = ["make", "-s", "-C", str(lxe.TOP), "install", f"DESTDIR={made}"]
    done = subprocess.run(command, capture_output=True, timeout=lxe.DEADLINE * 4)
    assert done.returncode == 0, done.stderr
    return {name: next(made.rglob(name)).read_text() for name in MANUAL}


def said(result):
    assert result.returncode == 0 and not result.stderr
    return result.stdout.decode()


def verbs(world):
    """Each verb with its help, those of two words included."""
    listed = said(world.run("--help")).split("\nVerbs:\n")[1].split("\n\n")[0]
    found = [re.match(r"  (image \w+|\w+) ", line)[1] for line in listed.splitlines()]
    texts = said(world.run("image", "--help")).split("\nUsage: lxc-exec ")
    assert len(texts) == len([verb for verb in found if verb.startswith("image ")])
    images = {" ".join(text.removeprefix("Usage: lxc-exec ").split()[:2]): text for text in texts}
    return {verb: images[verb] if verb in images else said(world.run(verb, "--help")) for verb in found}


def options(texts):
    return set(re.findall(r"^  (?:-\w, |    )--([a-z-]+)", "\n".join(texts), re.M))


def flags(page):
    """The long options that a page in mdoc(7) names by its macro."""
    lines = [line for line in page.splitlines() if re.search(r"\bFl\b", line)]
    return {word[1:] for line in lines for word in line.split() if re.fullmatch(r"-[a-z][a-z-]+", word)}


def test_the_manual_names_every_verb_and_option_and_no_other(world, manual):
    texts = verbs(world)
    page = manual["lxc-exec.1"]
    assert set(re.findall(r'^\.It Cm (image \w+|\w+) Ar "', page, re.M)) == set(texts)
    have = options(texts.values())
    listed = re.findall(r"^\.It (?:Fl \w , )?Fl -([a-z-]+)", page, re.M)
    assert len(have) > 50 and set(listed) == have and len(listed) == len(have)
    for name, text in manual.items():
        assert flags(text) - have == set(), name


def test_every_option_is_a_key_but_those_that_ask_once(world, manual):
    page = manual["lxc-exec.conf.5"]
    keys = set(re.findall(r"^\.It Cm ([a-z-]+)$", page, re.M)) | set(re.findall(r"^\.Ss \[([a-z-]+)\]$", page, re.M))
    have = options(verbs(world).values())
    assert have - keys == NO_KEYS
    defaults = (lxe.TOP / "conf" / "default.conf").read_text()
    documented = set(re.findall(r"^#([a-z-]+) = ", defaults, re.M)) | set(re.findall(r"^\[([a-z-]+)\]$", defaults, re.M))
    assert have - NO_KEYS - documented == set()


def test_every_member_of_a_record_is_explained(world, manual, tmp_path):
    """Those of the lists, which are empty here, are looked at where they are filled."""
    record = tmp_path / "result.json"
    world.run("run", "--result", str(record), "--output-limit", "1K", "--dry-run", "--workdir", str(tmp_path), "--", "true")
    text = manual["lxc-exec.1"]
    explained = " ".join(re.findall(r"^(?:\.It )?\.?Cm (.*)$", text[text.index(".Sh RESULT") : text.index(".Sh DENIALS")], re.M)).split()
    found = json.loads(record.read_text())
    members = set(found) | {key for name in ("rusage", "teardown", "output", "changes") for key in found[name]}
    assert len(members) > 30 and members - set(explained) == set()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_names_no_option_and_no_verb_that_there_is_not(world, name):
    texts = verbs(world)
    path = lxe.TOP / name
    text = (path if path.exists() else lxe.TOP / "docs" / name).read_text()
    assert set(re.findall(r"(?<![\w-])--([a-z][a-z-]+)", text)) - options(texts.values()) - OTHERS == set()
    code = "\n".join(re.findall(r"^```.*?\n(.*?)^```", text, re.S | re.M) + re.findall(r"`([^`\n]+)`", text))
    called = set(re.findall(r"\blxc-exec (image [a-z]+|[a-z]+)\b", code))
    assert called - set(texts) == set()
