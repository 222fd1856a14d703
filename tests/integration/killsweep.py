"""Runs that are killed at random moments between start and end; afterwards nothing may be left.

Ways of killing: TERM to the client, KILL to the client, KILL to the keeper, KILL to both. Only after
the last one is a `gc` allowed. What is drawn depends on the seed alone.
"""

import os
import signal
import sys
import time

import lxe
import sweeping

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
        self.kind = rng.choice(WAYS)
        self.command = rng.choice(list(COMMANDS))
        self.pty = rng.random() < 0.5
        self.delay = rng.random() * span

    def __str__(self):
        mode = "pty" if self.pty else "script"
        return f"{self.kind} after {self.delay * 1000:.1f} ms, {mode}, {self.command}"


class Run:
    def __init__(self, world, plan):
        words = ["run", *sweeping.options_of(world), "--", *sweeping.command_of(world, COMMANDS[plan.command])]
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
    if plan.kind == "term client":
        return kill(client, signal.SIGTERM), False
    if plan.kind == "kill keeper":
        return kill(keeper_of(client), signal.SIGKILL), False
    # Stopped first, so that it neither starts a keeper now nor sees the keeper's end.
    hit = kill(client, signal.SIGSTOP)
    keeper = keeper_of(client)
    if plan.kind == "kill both":
        kill(keeper, signal.SIGKILL)
    kill(client, signal.SIGKILL)
    return hit, hit and (keeper is None or plan.kind == "kill both")


def sweep_up(world):
    """One gc, when the kernel has ended what dies with a keeper."""
    end = time.monotonic() + lxe.ORPHANS
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
    return status in own | by_way[plan.kind]


def one(world, plan):
    """One run: whether it was struck, and the complaints."""
    run = Run(world, plan)
    try:
        lxe.pause(plan.delay)
        hit, nobody_is_left = strike(plan, run.process.pid)
        status, said = run.wait()
        if nobody_is_left:
            sweep_up(world)
        world.assert_clean(timeout=GRACE)
        if not allowed(plan, status):
            return hit, [f"status {status}: {said[-500:]!r}"]
        if run.terminal and not nobody_is_left:
            lxe.poll_until(lambda: not run.terminal.is_raw(), GRACE, what="a sane terminal")
        return hit, []
    except AssertionError as error:
        return True, [str(error)]
    finally:
        run.close()


def measure(world):
    """How long an undisturbed run takes: the span from which the moments are drawn."""
    times = []
    for _ in range(3):
        begin = time.monotonic()
        lxe.ok(world.run("run", *sweeping.options_of(world), "--",
                         *sweeping.command_of(world, COMMANDS["while"])))
        times.append(time.monotonic() - begin)
    return min(times) * 1.2


def plans(world):
    span = measure(world)
    return lambda rng: Plan(rng, span)


if __name__ == "__main__":
    sys.exit(sweeping.main(__doc__, "runs killed", WAYS, plans, one))
