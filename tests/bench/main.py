"""How fast lxc-exec is, beside other programs of its kind; docs/BENCH.md says how to read it."""

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

import cold
import confinement
import files
import living
import measure
import memory
import network
import peers
import report
import script
import terminal
from workspace import Workspace

TOP = Path(__file__).resolve().parent.parent.parent
BIN = Path(os.environ.get("LXE_BIN", TOP / "build" / "lxc-exec")).resolve()
PARTS = ("cold", "confinement", "phases", "script", "pty", "memory", "living", "network", "files")


def parse(words):
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--count", type=int, default=100, metavar="N",
                        help="cold starts of each kind back to back; the rest follows from it "
                        "(default: 100)")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="few samples: half a minute")
    parser.add_argument("--only", action="append", choices=PARTS, help="may be repeated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every figure here")
    parser.add_argument("--check", action="store_true", help="status 1 when a target is missed")
    options = parser.parse_args(words)
    if options.quick:
        options.count = min(options.count, 20)
    if options.count < 5:
        parser.error("--count: at least 5")
    options.rounds = 3 if options.quick else 7
    options.echoes = 500 if options.quick else 2000
    return options


def host():
    load = os.getloadavg()[0]
    return {
        "kernel": platform.release(),
        "cpus": os.cpu_count(),
        "load": load,
        "cgroups": "v2" if Path("/sys/fs/cgroup/cgroup.controllers").exists() else "v1",
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def heading(facts):
    line = "kernel {kernel}, {cpus} CPUs, cgroup {cgroups}, load {load:.1f}".format(**facts)
    if facts["load"] > 0.5 * facts["cpus"]:
        line += ": others are at work, so trust ratios, not figures"
    return line


def prepare(work):
    """What a first run builds is not what is measured here."""
    work.call(*work.lxc_exec("image", "build", "-q", "host", "busybox"))
    work.call(*work.lxc_exec("run", "--", "true"))


def sections(work, options):
    wanted = options.only or PARTS
    if "cold" in wanted:
        yield from cold.cold(work, options, *peers.usable(work))
    for name, part in (
        ("confinement", confinement.confinement),
        ("phases", cold.phases),
        ("script", script.script),
        ("pty", terminal.terminal),
        ("memory", memory.memory),
        ("living", living.living),
        ("network", network.network),
        ("files", files.files),
    ):
        if name in wanted:
            yield from part(work, options)


def bench(options):
    facts, done = host(), []
    print(heading(facts), flush=True)
    with Workspace(BIN) as work:
        prepare(work)
        for section in sections(work, options):
            print(f"\n{report.text(section)}", flush=True)
            done.append(section)
    if options.json:
        record = {"host": facts, "sections": [section.as_dict() for section in done]}
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    targets = [target for section in done for target in section.targets]
    met = sum(target["ok"] for target in targets)
    print(f"\nbench: {met} of {len(targets)} targets met")
    return 1 if options.check and met < len(targets) else 0


def main(words):
    options = parse(words)
    if os.geteuid() != 0:
        print("bench: needs root, to make containers", file=sys.stderr)
        return 1
    if not BIN.exists():
        print(f"bench: no program at '{BIN}': run make first", file=sys.stderr)
        return 1
    try:
        return bench(options)
    except measure.Failed as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
