"""Lives of a named sandbox, from create to destroy, in which somebody is killed at a random moment.

Who: the creator, the keeper, one that executes, drives, watches, stops or destroys; by KILL or TERM.
The others must end by themselves and say what is wrong in one line; then a `gc` and a `destroy` of
what is kept, and nothing may be left. What is drawn depends on the seed alone.
"""

import signal
import subprocess
import sys
import threading

import killsweep
import lxe
import sweeping

NAME = "life"
VICTIMS = ["create", "start", "keeper", "exec", "attach", "watch", "stop", "destroy"]
# How long after its birth each is struck at most: a little more than it lives.
SPANS = {"create": 0.04, "start": 0.004, "keeper": 0.12, "exec": 0.025, "attach": 0.04,
         "watch": 0.06, "stop": 0.02, "destroy": 0.012}
COMMAND = ["sh", "-c", "n=0; while :; do n=$((n + 1)); echo number $n; sleep 0.005; done"]
EXECS = [["true"], ["sh", "-c", "seq 1 5000"],
         ["sh", "-c", "setsid sh -c 'trap \"\" HUP TERM; sleep 5; sleep 5' >/dev/null 2>&1 & sleep 0.03"]]


class Plan:
    def __init__(self, rng):
        self.kind = rng.choice(VICTIMS)
        self.signal = signal.SIGKILL if rng.random() < 0.7 else signal.SIGTERM
        self.delay = rng.random() * SPANS[self.kind] * lxe.SLACK
        self.which = rng.randrange(len(EXECS))
        self.tty = rng.random() < 0.5
        self.destroy_at_once = rng.random() < 0.3

    def __str__(self):
        return (f"{self.signal.name} to {self.kind} {self.which} after {self.delay * 1000:.1f} ms"
                f"{', tty' if self.tty else ''}{', no stop' if self.destroy_at_once else ''}")


class Life:
    def __init__(self, world, plan):
        self.world, self.plan = world, plan
        self.timers, self.complaints = [], []
        self.struck = False

    def strike(self, find_pid):
        pid = find_pid()
        self.struck |= killsweep.kill(pid, self.plan.signal)

    def aim(self, kind, find_pid):
        if kind != self.plan.kind or self.timers:
            return
        timer = threading.Timer(self.plan.delay, self.strike, [find_pid])
        self.timers.append(timer)
        timer.start()

    def popen(self, kind, *words, aim=True):
        client = self.world.popen(*words)
        if aim:
            self.aim(kind, lambda: None if client.poll() is not None else client.pid)
        return client

    def hear(self, client, what):
        """It ends by itself; what it has to say is one line, perhaps with a hint."""
        try:
            out, err = client.communicate(timeout=lxe.DEADLINE)
        except subprocess.TimeoutExpired:
            client.kill()
            client.communicate()
            self.complaints.append(f"{what} hangs")
            return None, b""
        lines = err.decode(errors="replace").splitlines()
        good = not lines or (lines[0].startswith("lxc-exec: ") and len(lines) <= 2
                             and all(line.startswith("hint: ") for line in lines[1:]))
        if not good:
            self.complaints.append(f"{what} says {lines}")
        if client.returncode < 0 and not self.struck:
            self.complaints.append(f"{what} died of {client.returncode}")
        return client.returncode, out

    def step(self, kind, *words):
        return self.hear(self.popen(kind, *words), kind)

    def keeper_pid(self):
        return min(self.world.keepers(), default=None)

    def visit(self):
        """Three commands at once, a driver and a watcher."""
        plan, world = self.plan, self.world
        execs = [self.popen("exec", "exec", NAME, "--", *command, aim=n == plan.which)
                 for n, command in enumerate(EXECS)]
        watcher = self.popen("watch", "attach", "--read-only", NAME)
        with world.pty("attach", NAME) as driver:
            self.aim("attach", lambda: driver.pid)
            end = 40
            while driver.process.poll() is None and end and b"number" not in driver.seen:
                driver.pump(0.01)
                end -= 1
            for n, client in enumerate(execs):
                status, out = self.hear(client, f"exec {n}")
                if n == 1 and status == 0 and out != b"".join(b"%d\n" % i for i in range(1, 5001)):
                    self.complaints.append(f"exec {n} has lost output: {len(out)} bytes")
            if driver.process.poll() is None:
                driver.write(b"\x1d")
                driver.wait()
            lxe.poll_until(lambda: not driver.is_raw(), killsweep.GRACE, what="a sane terminal")
        return watcher

    def live(self):
        plan = self.plan
        creator = self.popen("create", "create", *(["-t"] if plan.tty else []), NAME, "--", *COMMAND)
        self.aim("keeper", self.keeper_pid)
        self.hear(creator, "create")
        self.step("start", "start", NAME)
        watcher = self.visit()
        if not plan.destroy_at_once:
            self.step("stop", "stop", "--stop-timeout", "50ms", NAME)
        self.step("destroy", "destroy", "--force", NAME)
        for timer in self.timers:
            timer.join()
        # Whatever was struck, and whenever: this is how its user gets rid of it.
        lxe.ok(self.world.run("gc"))
        if self.world.run("inspect", NAME).returncode == 0:
            done = self.world.run("destroy", "--force", NAME)
            # One that was killed may have said so to the keeper, which is quicker than we are.
            if done.returncode and self.world.run("inspect", NAME).returncode == 0:
                self.complaints.append(f"destroy of what was left: {done.stderr!r}")
        self.hear(watcher, "watch")
        self.world.assert_clean(timeout=killsweep.GRACE)


def one(world, plan):
    life = Life(world, plan)
    try:
        life.live()
    except (AssertionError, subprocess.TimeoutExpired) as error:
        life.complaints.append(str(error))
    finally:
        for timer in life.timers:
            timer.cancel()
    return life.struck, life.complaints


if __name__ == "__main__":
    sys.exit(sweeping.main(__doc__, "lives", VICTIMS, lambda world: Plan, one))
