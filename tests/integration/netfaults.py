"""The n-th system call of each kind of lxc-exec-net fails, while it makes a network and while it takes it back.

The program is replaced by a script that has strace(1) inject the failure. Whatever happens, a run that goes wrong
says so with status 125, nothing gets past the rules, and one gc with the real program leaves nothing.
"""

import argparse
import random
import shutil
import subprocess
import sys

import lxe
import netlab

CALLS = ("openat", "socket", "sendto", "sendmsg", "recvmsg", "write", "setns", "fcntl", "memfd_create", "bind", "fork,clone,clone3")
ERRORS = ("EIO", "ENOMEM", "EPERM")
OPTIONS = ("--network", "filtered", "--allow", "tcp://203.0.113.5:80")
# What it may reach, and what it may not.
TRY = f"exec 3<>/dev/tcp/203.0.113.5/80 && echo hello >&3 && cat <&3; : 2>/dev/null >/dev/tcp/{netlab.HOST4}/8080"


def faulty(lab, rule):
    """The script in the place of the program; None: the program itself."""
    place = lab.world.binary.parent / "lxc-exec-net"
    place.unlink()
    if rule is None:
        shutil.copy(place.parent / "lxc-exec-net.real", place)
        return
    real = place.parent / "lxc-exec-net.real"
    place.write_text(f"#!/bin/sh\nexec strace -D -qqq -o /dev/null -e inject={rule} {real}\n")
    place.chmod(0o755)


def one(lab, service, rule):
    """Complaints."""
    faulty(lab, rule)
    heard, complaints = len(service.heard), []
    result = lab.run("run", *OPTIONS, "--", "bash", "-c", TRY, env=lab.world.env_without_leak_check())
    through = b"tcp 80" in result.stdout
    if len(service.heard) != heard:
        complaints.append("something got past the rules")
    # The last command of the shell is refused: 1 is its own status. What fails afterwards is another failure.
    late = result.returncode == 125 and b"left behind" in result.stderr
    if result.returncode not in (1, 125) or ((result.returncode == 1) != through and not late):
        complaints.append(f"status {result.returncode}: {result.stdout!r} {result.stderr!r}")
    if result.returncode == 125 and not result.stderr.startswith(b"lxc-exec: "):
        complaints.append(f"no reason: {result.stderr!r}")
    faulty(lab, None)
    lxe.ok(lab.run("gc"))
    try:
        lab.assert_clean()
    except AssertionError as error:
        complaints.append(str(error))
    return complaints


def random_rule(rng):
    return f"{rng.choice(CALLS)}:error={rng.choice(ERRORS)}:when={rng.randint(1, 40)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rule", action="append", help="instead of random ones, as strace(1) takes it")
    options = parser.parse_args()
    rng, failures = random.Random(options.seed), 0
    with netlab.NetLab() as lab:
        lab.tcp(lab.inet, 80)
        service = lab.tcp(lab.host, 8080)
        lab.world.binary = lab.world.copy_of_the_build() / lxe.BIN.name
        real = lab.world.binary.parent / "lxc-exec-net"
        shutil.copy(real, real.parent / "lxc-exec-net.real")
        subprocess.run([lab.world.binary, "run", "--", "true"], env=lab.world.env(), check=True)
        for rule in options.rule or (random_rule(rng) for _ in range(options.points)):
            for complaint in one(lab, service, rule):
                failures += 1
                print(f"{rule}: {complaint}", flush=True)
    print(f"netfaults: {len(options.rule or range(options.points))} points with seed {options.seed}, {failures} complaints")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
