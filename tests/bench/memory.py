"""What an idle sandbox costs: private memory of our own processes, and their CPU time."""

import os
import time
from pathlib import Path

import measure
import terminal
from report import Section

WATCH = 2.0
SETTLED = 0.4


def proc(pid, name):
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except OSError:
        raise measure.Failed(f"process {pid} has gone") from None


def fields(text):
    """`Name: value kB` lines as numbers; lines of another form are left out."""
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        number = value.split()[:1]
        if number and number[0].isdigit():
            found[name] = int(number[0])
    return found


def children(pid):
    for path in Path(f"/proc/{pid}/task").iterdir():
        yield from map(int, (path / "children").read_text().split())


def program_of(pid):
    return os.path.basename(os.readlink(f"/proc/{pid}/exe"))


def our_processes(client):
    """Client, keeper and monitor: the keeper is the client's child, the monitor the keeper's."""
    found = {"client": client}
    for role, parent in (("keeper", "client"), ("monitor", "keeper")):
        for pid in children(found[parent]):
            if program_of(pid) == "lxc-exec-keeper":
                found[role] = pid
        if role not in found:
            raise measure.Failed(f"the {role} is not to be found")
    return found


def cpu_time(pid):
    """Nanoseconds; where the kernel counts no more than ticks, those."""
    if os.path.exists(f"/proc/{pid}/schedstat"):
        return int(proc(pid, "schedstat").split()[0])
    user, system = proc(pid, "stat").rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) * 10**9 // os.sysconf("SC_CLK_TCK")


def activity(pids):
    """(Switches of context, nanoseconds on a CPU), of all of them."""
    switches = nanoseconds = 0
    for pid in pids:
        status = fields(proc(pid, "status"))
        switches += status["voluntary_ctxt_switches"] + status["nonvoluntary_ctxt_switches"]
        nanoseconds += cpu_time(pid)
    return switches, nanoseconds


def settle(pids):
    """Until none of them has run for a moment: the gate is open, and what it looked at is done."""
    end, before = time.monotonic() + 10, None
    while (now := activity(pids)) != before:
        if time.monotonic() > end:
            return
        before = now
        measure.pause(SETTLED)


def look(section, title, client):
    pids = our_processes(client)
    settle(pids.values())
    total = 0
    for role, pid in pids.items():
        rollup = fields(proc(pid, "smaps_rollup"))
        clean, dirty = rollup["Private_Clean"], rollup["Private_Dirty"]
        total += clean + dirty
        section.cells(f"{title}: {role}", clean=clean, dirty=dirty, rss=rollup["Rss"])
    before = activity(pids.values())
    measure.pause(WATCH)
    switches, nanoseconds = (b - a for a, b in zip(before, activity(pids.values())))
    section.target(f"{title}: private, all three", total / 1024, 1.5, "MiB")
    section.target(f"{title}: wake-ups in {WATCH:g} s", switches, 0, "")
    section.target(f"{title}: CPU time in {WATCH:g} s", nanoseconds / 1000, 0, "µs")


def memory(work, _):
    section = Section("memory", "an idle sandbox, KiB", columns=("clean", "dirty", "rss"))
    for title, words in (
        ("run", ("run", "-T", "--", "sh", "-c", "echo READY; exec sleep 1000")),
        ("shell", ("shell", "-t")),
    ):
        session = terminal.Session(work, work.lxc_exec(*words))
        session.expect(b"READY" if title == "run" else b"# ")
        look(section, title, session.process.pid)
        session.close()
    yield section
