"""Cold starts: a new sandbox, `true` in it, everything removed again; the whole process's time."""

import json
import os
import random

import measure
from report import Section

SPACING = 0.150
# After a run of one's own, at once or after a pause: the first run of each turn follows somebody
# else's, whose remains the kernel may still be removing, and is told apart.
BURST = 5
SPANS = ("spawn", "open", "cgroup", "rootfs", "start", "attach", "exec", "teardown")


class Turns:
    """Who runs next. Every round has all candidates once, in an order drawn anew."""

    def __init__(self, names):
        self.rng, self.names = random.Random(1), list(names)

    def rounds(self, count):
        for _ in range(count):
            self.rng.shuffle(self.names)
            yield from self.names


class Runner:
    def __init__(self, work, candidates):
        self.work = work
        self.candidates = {candidate.name: candidate for candidate in candidates}
        self.runs = 0

    def run(self, name):
        self.runs += 1
        took, status = measure.one_shot(self.candidates[name].argv(self.runs), self.work.env)
        if status:
            raise measure.Failed(f"{name}: status {status} in run {self.runs}")
        return took

    def bursts(self, count, spacing):
        """Samples by name, and those of the first runs."""
        samples, firsts = ({name: [] for name in self.candidates} for _ in range(2))
        for name in Turns(self.candidates).rounds(max(1, round(count / BURST))):
            for nth in range(BURST + 1):
                if spacing:
                    measure.pause(spacing)
                (samples if nth else firsts)[name].append(self.run(name))
        return samples, firsts


def show(section, runner, samples, firsts, unusable):
    ours = samples["lxc-exec run"]
    for name, values in samples.items():
        stats = measure.summary(values)
        note = runner.candidates[name].note
        section.row(name, stats, share=measure.ratio(ours, values), note=note)
    for name, why in unusable.items():
        section.note(f"{name}: not usable here: {why}")
    section.target("lxc-exec run, p50", measure.summary(ours)["p50"], 12, "ms")
    if "runc run" in samples:
        section.target("lxc-exec run / runc run", measure.ratio(ours, samples["runc run"]), 0.5, "x")
        first = {name: measure.summary(firsts[name])["p50"] for name in ("lxc-exec run", "runc run")}
        section.note("after somebody else's run, p50: lxc-exec {:.1f} ms, runc {:.1f} ms".format(*first.values()))


def cold(work, options, candidates, unusable):
    runner = Runner(work, candidates)
    spaced = max(BURST, options.count * 2 // 5)
    for title, key, count, spacing in (
        ("back to back", "cold", options.count, 0),
        ("150 ms apart", "cold-spaced", spaced, SPACING),
    ):
        section = Section(key, f"one-shot of `true`, {title}, ms", share="lxc-exec/it")
        samples, firsts = runner.bursts(count, spacing)
        show(section, runner, samples, firsts, unusable)
        yield section


def phases_of(work):
    """One run that reports its spans: {phase: ms}, with what is in none of them as `client`."""
    read_end, write_end = os.pipe()
    try:
        argv = work.lxc_exec("run", "--result", f"fd:{measure.RESULT_FD}", "--", "true")
        whole, status = measure.one_shot(argv, work.env, result_fd=write_end)
        os.close(write_end)
        write_end = -1
        record = json.loads(os.read(read_end, 65536))
    finally:
        for fd in (read_end, write_end):
            if fd >= 0:
                os.close(fd)
    if status or not record["teardown"]["ok"]:
        raise measure.Failed(f"status {status}: {record['message']}, {record['teardown']}")
    spans = {name: record["spans_us"][name] / 1000 for name in SPANS}
    return {**spans, "client": whole - sum(spans.values()), "whole": whole}


def phase_section(work, key, title, count, spacing):
    section = Section(key, f"phases of lxc-exec run -- true, {title}, ms")
    phases_of(work)
    runs = []
    for _ in range(count):
        if spacing:
            measure.pause(spacing)
        runs.append(phases_of(work))
    for name in (*SPANS, "client", "whole"):
        section.row(name, measure.summary([run[name] for run in runs]))
    return section


def phases(work, options):
    yield phase_section(work, "phases", "back to back", options.count, 0)
    spaced = max(3, options.count * 2 // 5)
    yield phase_section(work, "phases-spaced", "150 ms apart", spaced, SPACING)
