"""Everything on this machine that looks like ours, one a line; with --against FILE only what an
earlier list did not have, and then a non-zero status when there is anything."""

import argparse
import sys
import time
from pathlib import Path

import lxe


def list_now():
    return lxe.whole_machine() | {f"directory {path}" for path in lxe.sandbox_dirs_of_root()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path)
    options = parser.parse_args()
    if options.against is None:
        print("\n".join(sorted(list_now())))
        return 0
    before = set(options.against.read_text().splitlines())
    end = time.monotonic() + 3
    while (left := list_now() - before) and time.monotonic() < end:
        lxe.pause(0.05)
    print("\n".join(sorted(left)), end="\n" if left else "")
    print(f"leaks: {len(left)} things left behind")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
