"""Script mode: bytes through `cat` in a pipeline, inside and outside of a sandbox."""

import os
import subprocess
import time

import measure
from report import Section

SIZE = 256 << 20
CHUNK = 1 << 20
LIMIT = "1M"  # of one that passes on the head and the tail


def pipeline(work, argv, size):
    """MiB/s between the first and the last byte that come out, so that start-up is not in it."""
    source = subprocess.Popen(
        ["head", "-c", str(size), "/dev/zero"], stdout=subprocess.PIPE, start_new_session=True
    )
    filter_ = subprocess.Popen(
        argv, env=work.env, stdin=source.stdout, stdout=subprocess.PIPE, start_new_session=True
    )
    source.stdout.close()
    out, total, begin = filter_.stdout.fileno(), 0, 0
    try:
        while data := os.read(out, CHUNK):
            begin = begin or time.perf_counter()
            total += len(data)
            end = time.perf_counter()
    finally:
        filter_.stdout.close()
        status = filter_.wait()
        source.wait()
    if status or (total != size and LIMIT not in argv):
        raise measure.Failed(f"{argv[0]}: status {status}, {total} of {size} bytes")
    return size / (1 << 20) / (end - begin)


def script(work, options):
    section = Section("script", f"script mode: {SIZE >> 20} MiB through cat, MiB/s", best="p50")
    candidates = {
        "cat": ["cat"],
        "lxc-exec run -- cat": work.lxc_exec("run", "--", "cat"),
        "… run --output-limit 1M": work.lxc_exec("run", "--output-limit", LIMIT, "--", "cat"),
    }
    samples = {name: [] for name in candidates}
    for _ in range(options.rounds):
        for name, argv in candidates.items():
            samples[name].append(pipeline(work, argv, SIZE))
    for name, values in samples.items():
        section.row(name, measure.summary(values), share=measure.ratio(values, samples["cat"]))
    section.target("lxc-exec / cat", measure.ratio(samples["lxc-exec run -- cat"], samples["cat"]),
                   0.9, "x", at_least=True)  # fmt: skip
    yield section
