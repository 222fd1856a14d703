"""The caller's files inside: what binds add to a run, and how fast they are read and written."""

import random
import re

import measure
from report import Section

BINDS = 10
SIZE_MIB = 256
COPIED = re.compile(r"copied, ([\d.e-]+) s")


def adds(work, options):
    """One `true` with and without binds, in turns, in an order that is drawn anew each time."""
    words = []
    for n in range(BINDS):
        path = work.subdirectory(work.disk, f"bind{n}")
        (path / "secret").touch()
        words += ["--bind", f"{path}:/b/{n}"]
    deny = ["--deny", "/b/3/secret"]
    candidates = {
        "run": work.lxc_exec("run", "--", "true"),
        f"run, {BINDS} binds": work.lxc_exec("run", *words, "--", "true"),
        f"run, {BINDS} binds and --deny": work.lxc_exec("run", *words, *deny, "--", "true"),
    }
    samples = {name: [] for name in candidates}
    for _ in range(options.count):
        for name in random.sample(list(candidates), len(candidates)):
            took, status = measure.one_shot(candidates[name], work.env)
            if status:
                raise measure.Failed(f"{name}: status {status}")
            samples[name].append(took)
    section = Section("binds", f"one `true` with {BINDS} binds, ms", share="x run")
    for name, values in samples.items():
        section.row(name, measure.summary(values), share=measure.ratio(values, samples["run"]))
    p50 = {name: measure.summary(values)["p50"] for name, values in samples.items()}
    section.target(f"{BINDS} binds add", p50[f"run, {BINDS} binds"] - p50["run"], 2.0, "ms")
    return section


def rate(work, prefix, words):
    """MiB/s as dd tells it, so that no start is in it."""
    script = "LC_ALL=C dd bs=1M " + words + " 2>&1"
    said = COPIED.search(work.call(*prefix, "/bin/sh", "-c", script))
    if not said:
        raise measure.Failed(f"dd {words} said nothing")
    return SIZE_MIB / float(said[1])


def throughput(work, options):
    """The same file, by its path on the host and through a bind."""
    path = work.subdirectory(work.disk, "throughput") / "file"
    work.call("/bin/dd", "if=/dev/zero", f"of={path}", "bs=1M", f"count={SIZE_MIB}")
    name = f"files{path.parent.parent.name[-4:]}"
    work.call(*work.lxc_exec("create", "--bind", str(path.parent), name, "--", "sleep", "1000"))
    work.call(*work.lxc_exec("start", name))
    ways = {"host": [], "bind": work.lxc_exec("exec", name, "--")}
    kinds = {
        "read": f"if={path} of=/dev/null",
        "write": f"if=/dev/zero of={path} count={SIZE_MIB} conv=notrunc",
    }
    section = Section("throughput", f"{SIZE_MIB} MiB of one file by dd, MiB/s", share="x host")
    for kind, words in kinds.items():
        samples = {way: [] for way in ways}
        for _ in range(3 * options.rounds):
            for way in random.sample(list(ways), len(ways)):
                samples[way].append(rate(work, ways[way], words))
        for way, values in samples.items():
            share = measure.ratio(values, samples["host"])
            section.row(f"{kind}, {way}", measure.summary(values), share=share)
        # What is else at work only makes a few milliseconds of copying slower: the quick ones count.
        quick = {way: measure.percentile(values, 0.9) for way, values in samples.items()}
        section.target(f"{kind}, p90 of bind / host", quick["bind"] / quick["host"], 0.95, "x", at_least=True)
    work.call(*work.lxc_exec("destroy", "--force", name))
    return section


def files(work, options):
    yield adds(work, options)
    yield throughput(work, options)
