"""Runs that are killed at random moments between start and end; afterwards nothing may be left.

Ways of killing: TERM to the client, KILL to the client, KILL to the keeper, KILL to both. Only after
the last one is a `gc` allowed. What is drawn depends on the seed alone.
"""

import argparse
import collections
import os
import random
import signal
import sys
import time

import lxe

WAYS = ["term client", "kill client", "kill keeper", "kill both"]
TREE = "for i in 1 2 3; do setsid sh -c 'trap \"\" HUP TERM; sleep 5; sleep 5' & done; sleep 0.03"
COMMANDS = {
    "short": ["true"],
    "while": ["sleep", "0.03"],
    "tree": ["sh", "-c", TREE],
    "noisy": ["sh", "-c", "seq 1 20000"],
}
GRACE = 5.0 * lxe.SLACK


class Plan:
    """What one run does, and when and how it is killed."""

    def __init__(self, rng, span):
        self.way = rng.choice(WAYS)
        self.command = rng.choice(list(COMMANDS))
        self.pty = rng.random() < 0.5
        self.delay = rng.random() * span

    def __str__(self):
        mode = "pty" if self.pty else "script"
        return f"{self.way} after {self.delay * 1000:.1f} ms, {mode}, {self.command}"


class Run:
    def __init__(self, world, plan):
        words = ["run", "--", *COMMANDS[plan.command]]
        self.terminal = world.pty(*words) if plan.pty else None
        self.process = self.terminal.process if plan.pty else world.popen(*words)

    def wait(self):
        if self.terminal:
            status = self.terminal.wait()
            return status, self.terminal.seen
        out, err = self.process.communicate(timeout=lxe.DEADLINE)
        return self.process.returncode, out + err

    def close(self):
        if self.terminal:
            self.terminal.close()


def keeper_of(client):
    """The keeper is a child of the client, from its birth on, whatever it is called by then."""
    for pid in lxe.all_pids():
        if lxe.parent_of(pid) == client:
            return pid
    return None


def kill(pid, number):
    """False when it had ended by itself."""
    if pid is None or not lxe.is_alive(pid):
        return False
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def strike(plan, client):
    """Kills: whether there was something to kill, and whether both are dead afterwards."""
    if plan.way == "term client":
        return kill(client, signal.SIGTERM), False
    if plan.way == "kill keeper":
        return kill(keeper_of(client), signal.SIGKILL), False
    # Stopped first, so that it neither starts a keeper now nor sees the keeper's end.
    hit = kill(client, signal.SIGSTOP)
    keeper = keeper_of(client)
    if plan.way == "kill both":
        kill(keeper, signal.SIGKILL)
    kill(client, signal.SIGKILL)
    return hit, hit and (keeper is None or plan.way == "kill both")


def sweep_up(world):
    """One gc, when the kernel has ended what dies with a keeper."""
    end = time.monotonic() + 1.0
    while any(world.our_processes()) and time.monotonic() < end:
        lxe.pause(0.005)
    lxe.ok(world.run("gc"))


def allowed(plan, status):
    """The command's own status, or what this way of being killed makes of it."""
    own = {0, 141}
    by_way = {
        "term client": {143, -signal.SIGTERM},
        "kill client": {-signal.SIGKILL},
        "kill keeper": {125},
        "kill both": {-signal.SIGKILL},
    }
    return status in own | by_way[plan.way]


def one(world, plan):
    """One run: whether it was struck, and a complaint or nothing."""
    run = Run(world, plan)
    try:
        lxe.pause(plan.delay)
        hit, nobody_is_left = strike(plan, run.process.pid)
        status, said = run.wait()
        if nobody_is_left:
            sweep_up(world)
        world.assert_clean(timeout=GRACE)
        if not allowed(plan, status):
            return hit, f"status {status}: {said[-500:]!r}"
        if run.terminal and not nobody_is_left:
            lxe.poll_until(lambda: not run.terminal.is_raw(), GRACE, what="a sane terminal")
        return hit, None
    except AssertionError as error:
        return True, str(error)
    finally:
        run.close()


def measure(world):
    """How long an undisturbed run takes: the span from which the moments are drawn."""
    times = []
    for _ in range(3):
        begin = time.monotonic()
        lxe.ok(world.run("run", "--", *COMMANDS["while"]))
        times.append(time.monotonic() - begin)
    return min(times) * 1.2


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=300)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    world = lxe.World()
    counts, struck, failures = collections.Counter(), collections.Counter(), 0
    try:
        span = measure(world)
        for number in range(options.count):
            plan = Plan(rng, span)
            hit, complaint = one(world, plan)
            counts[plan.way] += 1
            struck[plan.way] += hit
            if complaint:
                failures += 1
                print(f"run {number}: {plan}: {complaint}", flush=True)
                world.purge()
        findings = world.sanitizer_findings()
        if findings:
            print(findings)
            failures += 1
    finally:
        world.close()
    for way in WAYS:
        print(f"  {way:12} {counts[way]:4} runs, {struck[way]:4} struck while running")
    total = f"{options.count} runs killed with seed {options.seed}, {sum(struck.values())} struck"
    print(f"sweep: {total} while running, {failures} failures")
    return 1 if failures or not options.count else 0


if __name__ == "__main__":
    sys.exit(main())
