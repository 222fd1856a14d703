"""What the default confinement costs: one-shots and execs with it and without, in turns."""

import random
import shutil
import statistics

import measure
from report import Section

BARE = ("--seccomp", "unconfined", "--cap-add", "ALL", "--new-privs", "--apparmor", "unconfined", "--no-explain")
FLOOR = ("unshare", "--fork", "--pid", "--mount-proc", "--net", "--ipc", "--uts", "/bin/true")
RUN_MS, EXEC_MS = 1.5, 0.5


def in_turns(work, argvs, count):
    """{name: ms of each}: every round has all of them once, in an order drawn anew."""
    rng, names, samples = random.Random(1), list(argvs), {name: [] for name in argvs}
    for _ in range(count):
        rng.shuffle(names)
        for name in names:
            took, status = measure.one_shot(argvs[name], work.env)
            if status:
                raise measure.Failed(f"{name}: status {status}")
            samples[name].append(took)
    return samples


def section_of(key, title, samples, bound):
    names = list(samples)
    confined, bare = (samples[name] for name in names[:2])
    section = Section(key, title, share="x bare")
    for name in names:
        section.row(name, measure.summary(samples[name]), measure.ratio(samples[name], bare))
    added = statistics.median(confined) - statistics.median(bare)
    section.target("confinement adds, p50", added, bound, "ms")
    return section


def confinement(work, options):
    count = options.count
    argvs = {
        "run": work.lxc_exec("run", "--", "true"),
        "run, unconfined": work.lxc_exec("run", *BARE, "--", "true"),
        "unshare: the floor": [shutil.which(FLOOR[0]) or "/usr/bin/unshare", *FLOOR[1:]],
    }
    yield section_of("confined-run", "a one-shot of `true`, confined by default and not at all, ms",
                     in_turns(work, argvs, count), RUN_MS)  # fmt: skip
    for name, words in (("confined", ()), ("bare", BARE)):
        work.call(*work.lxc_exec("create", *words, name, "--", "sleep", "1000"))
        work.call(*work.lxc_exec("start", name))
    argvs = {
        "exec": work.lxc_exec("exec", "confined", "--", "true"),
        "exec, unconfined": work.lxc_exec("exec", "bare", "--", "true"),
        "true: the floor": ["/bin/true"],
    }
    yield section_of("confined-exec", "an exec of `true` in a sandbox of either kind, ms",
                     in_turns(work, argvs, 2 * count), EXEC_MS)  # fmt: skip
    for name in ("confined", "bare"):
        work.call(*work.lxc_exec("destroy", "--force", name))
