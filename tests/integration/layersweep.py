"""Ends snapshot, fork, restore and their like at each of their system calls, by SIGKILL and by an error, and
looks at what is there then: what was, or what is to be, and after a gc nothing else. Nothing is started: what
a sandbox would see is put together here from the layers on disk. Root only."""

import argparse
import collections
import json
import random
import re
import shutil
import subprocess
import sys

import faultsweep
import lxe

NAME = "box"
VERBS = {
    "snapshot": ("snapshot", NAME, "new"),
    "fork": ("fork", NAME, "other"),
    "fork of a snapshot": ("fork", f"{NAME}/old", "other"),
    "restore": ("restore", NAME, "old"),
    "rm": ("snapshot", "--rm", NAME, "old"),
    "destroy": ("destroy", NAME),
}


class Store:
    """The state directory, read as the program's own documentation has it."""

    def __init__(self, world):
        self.world = world
        self.layers = world.state / "layers"

    def box(self, name):
        link = self.world.state / "names" / name
        path = self.world.kept / link.readlink() if link.is_symlink() else None
        return path if path and (path / "record").exists() else None

    def base(self, box):
        words = (box / "base").read_text().split() if (box / "base").exists() else ["-"]
        return words[0], words[1:] == ["drop"]

    def chain(self, top):
        found = []
        while top != "-":
            found.append(top)
            top = (self.layers / top / "about").read_text().split()[0]
        return found

    def file_of(self, top, own=None):
        for rw in [*([own] if own else []), *(self.layers / layer / "rw" for layer in self.chain(top))]:
            if (rw / "u" / "srv" / "f").exists():
                return (rw / "u" / "srv" / "f").read_text()
        return None

    def content(self, box):
        top, drop = self.base(box)
        return self.file_of(top, None if drop else box / "rw")

    def snapshots(self, box):
        lines = (box / "snapshots").read_text().splitlines() if (box / "snapshots").exists() else []
        return {line.split(" ", 2)[2]: line.split(" ", 2)[0] for line in lines}

    def needed(self):
        tops = []
        for box in self.world.kept.iterdir():
            tops += [self.base(box)[0], *self.snapshots(box).values()]
        return {layer for top in tops for layer in self.chain(top)}


def prepare(world, text):
    """A stopped sandbox with a snapshot `old` of one text, and another text now."""
    lxe.ok(world.run("run", "--keep", "--name", NAME, "--", "sh", "-c", "echo old >/srv/f"))
    lxe.ok(world.run("snapshot", NAME, "old"))
    # As if it had been started once more.
    box = Store(world).box(NAME)
    below = world.state / "layers" / Store(world).base(box)[0] / "rw"
    shutil.copytree(below, box / "rw")
    (box / "rw" / "u" / "srv" / "f").write_text(text)


def put_back(world, template):
    for kind in ("sandboxes", "names", "layers"):
        # The directories themselves are watched, and stay.
        for path in (world.state / kind).iterdir():
            path.unlink() if path.is_symlink() or path.is_file() else shutil.rmtree(path)
        shutil.copytree(template / kind, world.state / kind, symlinks=True, dirs_exist_ok=True)


def look(world, verb, text, status):
    """What is wrong, or None."""
    store = Store(world)
    collected = world.run("gc", "-q")
    if collected.returncode:
        return f"gc: {collected.stderr.decode()}"
    box, other = store.box(NAME), store.box("other")
    if not box:
        return None if verb == "destroy" and not list(store.layers.iterdir()) else "the sandbox is gone"
    if verb == "destroy" and status == 0:
        return "it is not gone"
    names = store.snapshots(box)
    content = store.content(box)
    if content != text and not (verb == "restore" and content == "old\n"):
        return f"it has {content!r}"
    if verb == "restore" and status == 0 and content != "old\n":
        return "it was not restored"
    if set(names) - {"new"} != {"old"} and not (verb == "rm" and not names):
        return f"the snapshots are {names}"
    if (verb, status) == ("rm", 0) and names:
        return "its name is still there"
    if "old" in names and store.file_of(names["old"]) != "old\n":
        return "the old snapshot has changed"
    if "new" in names and store.file_of(names["new"]) != text:
        return "the new snapshot has something else"
    if (verb, status) == ("snapshot", 0) and "new" not in names:
        return "there is no snapshot"
    if other and store.content(other) != ("old\n" if verb == "fork of a snapshot" else text):
        return f"the fork has {store.content(other)!r}"
    if verb.startswith("fork") and status == 0 and not other:
        return "there is no fork"
    found = {path.name for path in store.layers.iterdir()}
    if found != store.needed():
        return f"layers {found} for {store.needed()}"
    if len(list(world.kept.iterdir())) != 1 + bool(other) or len(list((world.state / "names").iterdir())) != 1 + bool(other):
        return "a directory or a name is left"
    shown = [one["state"] for one in json.loads(world.run("ps", "--format", "json").stdout)]
    return None if set(shown) == {"stopped"} else f"they are {shown}"


def traced(world, options, words):
    command = ["strace", "-qq", *options, str(world.binary), *words]
    return subprocess.run(command, env=world.env_without_leak_check(), capture_output=True, timeout=lxe.DEADLINE)


def calls_of(world, words):
    log = world.base / "calls"
    done = traced(world, ["-o", str(log)], words)
    assert done.returncode == 0, done.stderr
    names = re.findall(r"^([a-z_0-9]+)\(", log.read_text(), re.M)
    return [(name, n + 1) for name, count in collections.Counter(names).items() for n in range(count)]


def points_of(world, words):
    """(call, its number, what is done to it): SIGKILL before each one, and an error of each that may have one."""
    for call, n in calls_of(world, words):
        if call in ("exit_group", "execve"):
            continue
        yield call, n, "signal=KILL"
        # A sanitizer's own calls are not to fail.
        if call not in faultsweep.NEVER and not lxe.IS_ASAN:
            yield call, n, f"error={faultsweep.ERROR_OF.get(call, 'EIO')}"


def sweep(world, verbs, points, rng, say=lambda line: None):
    """How many points there were, and what was wrong at which."""
    text, template, tried, wrong = "now\n", world.base / "template", 0, []
    prepare(world, text)
    for kind in ("sandboxes", "names", "layers"):
        shutil.copytree(world.state / kind, template / kind, symlinks=True)
    for verb in verbs:
        put_back(world, template)
        all_points = list(points_of(world, VERBS[verb]))
        for call, n, what in rng.sample(all_points, min(points or len(all_points), len(all_points))):
            put_back(world, template)
            done = traced(world, ["-o", "/dev/null", "-e", f"inject={call}:{what}:when={n}"], VERBS[verb])
            problem = look(world, verb, text, done.returncode)
            tried += 1
            if problem:
                wrong.append(f"{verb}: {call} {n} {what}: {problem} (status {done.returncode}, {done.stderr.decode().strip()})")
                say(wrong[-1])
        say(f"{verb}: {len(all_points)} points")
    put_back(world, template)
    lxe.ok(world.run("destroy", NAME))
    shutil.rmtree(template)
    return tried, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=0, help="of each verb (default: all)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("verbs", nargs="*", choices=[*VERBS, []])
    options = parser.parse_args()
    world = lxe.World()
    tried, wrong = sweep(world, options.verbs or list(VERBS), options.points, random.Random(options.seed), print)
    world.assert_clean()
    world.close()
    print(f"{tried} points, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
