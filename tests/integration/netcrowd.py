"""Many sandboxes with a filtered network at once: each gets what is allowed, none fails, and nothing is left."""

import argparse
import subprocess
import sys
import time

import lxe
import netlab

ADDRESS = "203.0.113.5"
ASK = f"exec 3<>/dev/tcp/{ADDRESS}/80 && echo hello >&3 && cat <&3"
FILTERED = ["--network", "filtered", *(f"--allow=tcp://203.0.113.{n}:{n}" for n in range(1, 21))]
PATIENCE = 300.0


def crowd(lab, count):
    """Complaints. Somebody serves port 80 of the internet."""
    words = ["run", *FILTERED, f"--allow=tcp://{ADDRESS}:80", "--", "bash", "-c", ASK]
    lxe.ok(lab.run(*words))
    begun, complaints = time.monotonic(), []
    many = [lab.popen(*words, stdin=subprocess.DEVNULL) for _ in range(count)]
    for process in many:
        out, error = process.communicate(timeout=PATIENCE)
        if process.returncode or out.decode() != f"tcp 80 {ADDRESS} hello\n":
            complaints.append(f"status {process.returncode}: {out!r} {error.decode()}")
    print(f"crowd: {count} at once in {time.monotonic() - begun:.1f} s")
    try:
        lab.assert_clean()
    except AssertionError as error:
        complaints.append(str(error))
    return complaints


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    with netlab.NetLab() as lab:
        lab.tcp(lab.inet, 80)
        complaints = crowd(lab, parser.parse_args().count)
    print("\n".join(complaints[:20]))
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
