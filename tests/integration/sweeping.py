"""What the sweeps have in common: so many plans from one seed, each tried on one world, and the counts."""

import argparse
import collections
import os
import random

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


def new_world(networked, user):
    if networked:
        return Networked(netlab.NetLab().__enter__())
    return lxe.World(user=user)


def options_of(world):
    return getattr(world, "options", [])


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
    options = parser.parse_args()
    rng = random.Random(options.seed)
    user = lxe.User() if os.environ.get("LXE_AS_USER") else None
    world = new_world(options.network, user)
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
