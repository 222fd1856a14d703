"""What the sweeps have in common: so many plans from one seed, each tried on one world, and the counts."""

import argparse
import collections
import json
import os
import random
import shutil
import subprocess
import time

import lxe
import netlab


class Networked:
    """A world on a host of its own (netlab.py), each of whose sandboxes has a network."""

    options = ["--network", "filtered", "--allow", f"tcp://{netlab.INET4}:80", "--publish", "8080:80"]

    def __init__(self, lab):
        self.lab, self.run, self.popen, self.pty = lab, lab.run, lab.popen, lab.pty

    def __getattr__(self, name):
        return getattr(self.lab.world, name)

    def assert_clean(self, timeout=0.0):
        self.lab.world.assert_clean(timeout)
        lxe.poll_until(lambda: not self.lab.left(), max(timeout, 0.01), what=f"{self.lab.left()} to go")

    def close(self):
        self.lab.__exit__()


class Stored:
    """A world each of whose sandboxes writes over a directory of the caller's, which is committed, and into an image."""

    def __init__(self, world):
        self.world, self.run, self.popen, self.pty = world, world.run, world.popen, world.pty
        self.top, self.image = world.base / "project", world.base / "image.ext4"
        self.top.mkdir()
        (self.top / "file").write_text("as it was\n")
        with open(self.image, "wb") as file:
            file.truncate(8 << 20)
        subprocess.run(["mke2fs", "-q", "-F", self.image], check=True)
        self.options = ["--disk", "16M", "--disk", f"{self.image}:/mnt/image", "--workdir", f"{self.top}:cow",
                        "--on-success", "commit", "--on-failure", "discard"]

    @staticmethod
    def command(words):
        return ["sh", "-c", 'echo $$ >file; mkdir -p new; seq 500 >new/$$; echo >/mnt/image/$$; exec "$@"', "sh", *words]

    def __getattr__(self, name):
        return getattr(self.world, name)

    def settle(self):
        """What was to be committed is kept when somebody was killed in it: so it is completed now, and forgotten."""
        for one in json.loads(lxe.ok(self.run("ps", "--format", "json")).stdout):
            if one["state"] in ("stopped", "failed"):
                lxe.ok(self.run("commit", one["id"]))
                lxe.ok(self.run("destroy", one["id"]))

    def assert_clean(self, timeout=0.0):
        end = time.monotonic() + timeout
        while self.world.leftovers() and time.monotonic() < end:
            lxe.pause(0.02)
            self.settle()
        self.world.assert_clean()
        left = [path.name for path in self.top.iterdir() if path.name not in ("file", "new")]
        assert not left, f"left in the project: {left}"
        # Nobody holds a lock of it any more, and what is in it is whole.
        subprocess.run(["e2fsck", "-p", self.image], check=False, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        subprocess.run(["e2fsck", "-fn", self.image], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        shutil.rmtree(self.top / "new", ignore_errors=True)

    def close(self):
        self.world.close()


def new_world(networked, stored, user):
    if stored:
        return Stored(lxe.World(user=user))
    if networked:
        return Networked(netlab.NetLab().__enter__())
    return lxe.World(user=user)


def options_of(world):
    return getattr(world, "options", [])


def command_of(world, words):
    return world.command(words) if isinstance(world, Stored) else words


def report(noun, kinds, counts, struck):
    for kind in kinds:
        print(f"  {kind:12} {counts[kind]:4} {noun}, {struck[kind]:4} struck while running")


def main(about, noun, kinds, planner, one):
    """
    planner(world) gives what makes a plan, with its `kind`, from random numbers; one(world, plan)
    whether something was struck while it ran, and the complaints. Returns the exit status.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--network", action="store_true", help="each sandbox has one")
    parser.add_argument("--stored", action="store_true", help="each has a disk image and a copy-on-write bind")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    user = lxe.User() if os.environ.get("LXE_AS_USER") else None
    world = new_world(options.network, options.stored, user)
    counts, struck, failures = collections.Counter(), collections.Counter(), 0
    try:
        plan_from = planner(world)
        for number in range(options.count):
            plan = plan_from(rng)
            hit, complaints = one(world, plan)
            counts[plan.kind] += 1
            struck[plan.kind] += hit
            if complaints:
                failures += 1
                print(f"{noun} {number}: {plan}: {'; '.join(complaints)}", flush=True)
                world.purge()
        if findings := world.sanitizer_findings():
            print(findings)
            failures += 1
    finally:
        world.close()
        if user:
            user.remove()
    report(noun, kinds, counts, struck)
    total = f"{options.count} {noun} with seed {options.seed}, {sum(struck.values())} struck"
    print(f"sweep: {total} while running, {failures} failures")
    return 1 if failures or not options.count else 0
