"""Sandboxes that live: making them, commands in them, many of them, coming back to their terminal."""

import contextlib
import fcntl
import json
import os
import pty
import select
import shutil
import struct
import subprocess
import termios
import time

import measure
import memory
import peers
from report import Section

CROWD = 200
SCREEN = (24, 80)
MARK = b"the-last-line"


def timed(work, *words):
    took, status = measure.one_shot(work.lxc_exec(*words), work.env)
    if status:
        raise measure.Failed(f"{' '.join(words)}: status {status}")
    return took


def creation(work, count):
    """create + start, against a whole cold run; in turns."""
    made, cold = [], []
    for n in range(count):
        name = f"made{n}"
        made.append(timed(work, "create", name, "--", "sleep", "1000") + timed(work, "start", name))
        timed(work, "destroy", "--force", name)
        cold.append(timed(work, "run", "--", "true"))
    section = Section("create", "create and start of a named sandbox, ms", share="x run")
    base = measure.summary(cold)
    section.row("run -- true", base, 1.0)
    section.row("create + start", measure.summary(made), measure.ratio(made, cold))
    section.target("create + start / run", measure.ratio(made, cold), 1.0, "x")
    return section


@contextlib.contextmanager
def runc_container(work):
    """A running container of runc's, for runc exec."""
    shutil.rmtree(work.disk / "bundle", ignore_errors=True)  # that of the cold starts
    base = peers.runc(work)
    words = base.argv("exec")
    run = words.index("run")
    bundle = words[words.index("--bundle") + 1]
    config = os.path.join(bundle, "config.json")
    with open(config) as file:
        spec = json.load(file)
    spec["process"]["args"] = ["/bin/busybox", "sleep", "100000"]
    with open(config, "w") as file:
        json.dump(spec, file)
    name = words[-1]
    process = subprocess.Popen(words, env=work.env, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        argv = [*words[:run], "exec", name, "/bin/true"]
        measure.poll_until(lambda: measure.one_shot(argv, work.env)[1] == 0, "runc exec")
        yield argv
    finally:
        work.call(*words[:run], "kill", name, "KILL")
        process.wait(10)
        shutil.rmtree(bundle)


def peers_of_exec(work, stack):
    with contextlib.suppress(measure.Failed):
        yield "lxc-attach", peers.LxcContainer(work).argv("/bin/true")
    with contextlib.suppress(measure.Failed):
        yield "runc exec", stack.enter_context(runc_container(work))


def execution(work, count):
    with contextlib.ExitStack() as stack:
        timed(work, "create", "busy", "--", "sleep", "1000")
        timed(work, "start", "busy")
        argvs = {"exec": work.lxc_exec("exec", "busy", "--", "true")}
        argvs.update(peers_of_exec(work, stack))
        samples = {name: [] for name in argvs}
        for _ in range(count):
            for name, argv in argvs.items():
                took, status = measure.one_shot(argv, work.env)
                if status:
                    raise measure.Failed(f"{name}: status {status}")
                samples[name].append(took)
        timed(work, "destroy", "--force", "busy")
    section = Section("exec", "true in a sandbox that runs, ms", share="x exec")
    for name, values in samples.items():
        section.row(name, measure.summary(values), measure.ratio(values, samples["exec"]))
    section.target("exec, p50", measure.summary(samples["exec"])["p50"], 5.0, "ms")
    others = [name for name in samples if name != "exec"]
    if others:
        largest = max(others, key=lambda name: measure.summary(samples[name])["p50"])
        section.target(f"exec / {largest}", measure.ratio(samples["exec"], samples[largest]), 0.3, "x")
    return section


def private_memory(keeper):
    total = 0
    for pid in (keeper, *memory.children(keeper)):
        if memory.program_of(pid) == "lxc-exec-keeper":
            rollup = memory.fields(memory.proc(pid, "smaps_rollup"))
            total += rollup["Private_Clean"] + rollup["Private_Dirty"]
    return total / 1024


def crowd(work, count):
    names = [f"idle{n}" for n in range(CROWD)]
    for name in names:
        timed(work, "create", name, "--", "sleep", "1000")
        timed(work, "start", name)
    listing = [timed(work, "ps") for _ in range(count)]
    keepers = []
    for name in names:
        answer = subprocess.run(work.lxc_exec("inspect", name), env=work.env, check=True,
                                stdout=subprocess.PIPE).stdout
        keepers.append(json.loads(answer)["keeper"])
    sizes = [private_memory(keeper) for keeper in keepers]
    for name in names:
        timed(work, "destroy", "--force", name)
    yield ps_section(listing)
    section = Section("crowd", f"{CROWD} idle sandboxes at once, MiB private each")
    section.row("keeper + monitor", measure.summary(sizes))
    section.target("the largest", max(sizes), 2.0, "MiB")
    yield section


def ps_section(listing):
    section = Section("ps", f"ps with {CROWD} sandboxes, ms")
    section.row("ps", measure.summary(listing))
    section.target("p50", measure.summary(listing)["p50"], 20.0, "ms")
    return section


def redraw_once(work):
    """From the start of attach to the last line of the picture, ms."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *SCREEN, 0, 0))
    begun = time.monotonic()
    client = subprocess.Popen(work.lxc_exec("attach", "screen"), env=work.env, stdin=slave,
                              stdout=slave, stderr=slave, start_new_session=True)
    seen = b""
    while MARK not in seen:
        if not select.select([master], [], [], measure.DEADLINE)[0]:
            raise measure.Failed("attach draws nothing")
        seen = (seen + os.read(master, 65536))[-65536:]
    took = (time.monotonic() - begun) * 1000
    client.terminate()
    client.wait(10)
    os.close(master)
    os.close(slave)
    return took


def redraw(work, count):
    script = ('i=0; while [ $i -lt 8000 ]; do i=$((i+1)); '
              'echo "$i: some words of a log that fills the scrollback"; done; '
              f'printf {MARK.decode()}; exec sleep 1000')
    timed(work, "create", "screen", "--", "sh", "-c", script)
    timed(work, "start", "screen")
    logs = work.lxc_exec("logs", "screen")
    measure.poll_until(lambda: MARK in subprocess.run(logs, env=work.env, check=True,
                                                      stdout=subprocess.PIPE).stdout, "the text")
    samples = [redraw_once(work) for _ in range(count)]
    timed(work, "destroy", "--force", "screen")
    section = Section("redraw", "attach, until the screen is drawn from 256 KiB, ms")
    section.row("attach", measure.summary(samples))
    section.target("p50", measure.summary(samples)["p50"], 20.0, "ms")
    return section


def living(work, options):
    count = max(10, options.count // 2)
    yield creation(work, count)
    yield execution(work, count)
    yield redraw(work, max(5, count // 4))
    yield from crowd(work, max(5, count // 4))
