"""The caller's files inside: what binds add to a run, and how fast they are read and written."""

import random
import re
import subprocess

import measure
from report import Section

BINDS = 10
SIZE_MIB = 256
MANY = 100_000
CHANGED = 1_000
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


def copies(work, options):
    """What a copy-on-write bind of a large directory costs, and to list what has changed in it."""
    section = Section("cow", f"copy-on-write bind of {MANY} files and of none, ms", share="x run")
    work_dirs = {n: work.subdirectory(work.disk, f"cow{n}") for n in (MANY, 0)}
    for i in range(0, MANY, 1000):
        part = work_dirs[MANY] / f"d{i}"
        part.mkdir()
        for k in range(1000):
            (part / f"f{k}").touch()
    candidates = {"run": work.lxc_exec("run", "--", "true")}
    for n, path in work_dirs.items():
        candidates[f"cow, {n} files"] = work.lxc_exec("run", "--bind", f"{path}:/p:cow", "--", "true")
    samples = {name: [] for name in candidates}
    for _ in range(options.count):
        for name in random.sample(list(candidates), len(candidates)):
            took, status = measure.one_shot(candidates[name], work.env)
            if status:
                raise measure.Failed(f"{name}: status {status}")
            samples[name].append(took)
    for name, values in samples.items():
        section.row(name, measure.summary(values), share=measure.ratio(values, samples["run"]))
    share = measure.ratio(samples[f"cow, {MANY} files"], samples["cow, 0 files"])
    section.target(f"{MANY} files / none", share, 1.1, "x")
    name = f"cow{work.disk.name[-4:]}"
    work.call(*work.lxc_exec("create", "--bind", f"{work_dirs[MANY]}:/p:cow", name, "--", "sleep", "1000"))
    work.call(*work.lxc_exec("start", name))
    script = "cd /p; for d in $(seq 0 10000 90000); do for k in $(seq 100); do echo x >d$d/f$k; done; done"
    work.call(*work.lxc_exec("exec", name, "--", "sh", "-c", script))
    values = []
    for _ in range(options.count):
        took, status = measure.one_shot(work.lxc_exec("diff", name), work.env)
        if status:
            raise measure.Failed(f"diff: status {status}")
        values.append(took)
    section.row("diff of 1,000 changes", measure.summary(values))
    section.target(f"diff of 1,000 changes among {MANY} files", measure.summary(values)["p50"], 50.0, "ms")
    work.call(*work.lxc_exec("destroy", "--force", name))
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


def forks(work, options):
    """A sandbox that has written so many files, and one more on the same layers, again and again."""
    section = Section("fork", f"another sandbox with the files of one, {MANY} and none, ms")
    samples = {}
    for n in (MANY, 0):
        name = f"fork{work.disk.name[-4:]}-{n}"
        script = f"mkdir /srv/many; cd /srv/many; seq {n} | xargs -r -n 1000 touch"
        work.call(*work.lxc_exec("create", name, "--", "sleep", "1000"))
        work.call(*work.lxc_exec("start", name))
        work.call(*work.lxc_exec("exec", name, "--", "sh", "-c", script))
        work.call(*work.lxc_exec("kill", name))
        values = []
        for i in range(options.count):
            took, status = measure.one_shot(work.lxc_exec("fork", name, f"{name}-{i}"), work.env)
            if status:
                raise measure.Failed(f"fork: status {status}")
            values.append(took)
        for i in range(options.count):
            work.call(*work.lxc_exec("destroy", f"{name}-{i}"))
        work.call(*work.lxc_exec("destroy", name))
        samples[n] = measure.summary(values)
        section.row(f"fork, {n} files", samples[n])
    section.target(f"fork of {MANY} files", samples[MANY]["p50"], 10.0, "ms")
    return section


def source_and_changes(work):
    """A source of so many files, and an upper layer of an overlay in which a hundredth of them have changed."""
    lower, upper = (work.subdirectory(work.disk, name) for name in ("lower", "upper"))
    for d in range(100):
        (lower / str(d)).mkdir()
        for f in range(MANY // 100):
            (lower / str(d) / str(f)).write_text("as it was\n")
    for d in range(CHANGED // 100):
        (upper / str(d)).mkdir()
        for f in range(100):
            (upper / str(d) / str(f)).write_text("as it is \n" if f % 2 else "longer than it was\n")
    return lower, upper


def diffs(work, options):
    """What the engine of `diff` takes to list the changes, without the start of a program."""
    lower, upper = source_and_changes(work)
    record = work.subdirectory(work.disk, "record") / "record"
    tool = work.binary.parent / "test-changes"
    words = [str(p) for p in (tool, lower, upper, record)] + ["0.0", "0,0,0", "text"]
    values = []
    for _ in range(options.count):
        done = subprocess.run(words, env={"LXE_TIMED": "1"}, capture_output=True, text=True, check=True)
        if done.stdout.count("\nM ") + done.stdout.startswith("M ") != CHANGED:
            raise measure.Failed(f"{tool} lists other changes than there are")
        values.append(float(done.stderr))
    section = Section("diff", f"{CHANGED} changes among {MANY} files listed, ms")
    section.row("list and compare", measure.summary(values))
    section.target("p50 of the list", measure.summary(values)["p50"], 50.0, "ms")
    return section


def files(work, options):
    yield adds(work, options)
    yield copies(work, options)
    yield forks(work, options)
    yield diffs(work, options)
    yield throughput(work, options)
