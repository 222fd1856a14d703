"""Pty mode: throughput and echo round trip, beside lxc-attach, each on an outer pty of its own.

Both run the same busybox commands. `plain pty` is the same program on the host with no relay in
between: what the outer pty and the bench itself cost.
"""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

import measure
import peers
from report import Section

ECHO = "stty raw -echo; echo READY; exec cat"
BLOCKS = 512
BLOCK = 65536
# Without output processing, so that every byte that goes in comes out as it is.
POUR = (
    "stty raw -echo -opost; echo READY; "
    "while [ \"$(dd bs=1 count=1 2>/dev/null)\" = g ]; do "
    f"dd if=/dev/zero bs={BLOCK} count={BLOCKS} 2>/dev/null; done"
)


class Session:
    """A program on a pty of its own, up to its READY."""

    def __init__(self, work, argv):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            argv, env=work.env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(slave)
        work.stack.callback(self.close)
        self.poll = select.poll()
        self.poll.register(self.master, select.POLLIN)

    def read(self, size=BLOCK):
        if not self.poll.poll(measure.DEADLINE * 1000):
            raise measure.Failed(f"{self.process.args[0]}: no output within {measure.DEADLINE:g} s")
        try:
            return os.read(self.master, size)
        except OSError as error:
            raise measure.Failed(f"{self.process.args[0]} has gone: {error.strerror}") from None

    def expect(self, text):
        seen = b""
        while text not in seen:
            try:
                seen += self.read()
            except measure.Failed as failure:
                raise measure.Failed(f"{failure}; before that: {seen[-200:]!r}") from None
        return seen

    def close(self):
        if self.master < 0:
            return
        os.close(self.master)
        self.master = -1
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if number:
                self.process.send_signal(number)
            try:
                self.process.wait(5)
                return
            except subprocess.TimeoutExpired:
                continue


def round_trip(session, byte):
    begin = time.perf_counter_ns()
    os.write(session.master, byte)
    answer = session.read()
    end = time.perf_counter_ns()
    if answer != byte:
        raise measure.Failed(f"{session.process.args[0]}: {byte!r} came back as {answer[:50]!r}")
    return (end - begin) / 1000


def pour(session):
    """MiB/s of one BLOCKS * BLOCK, every byte counted."""
    left = BLOCKS * BLOCK
    os.write(session.master, b"g")
    begin = None
    while left > 0:
        left -= len(session.read())
        begin = begin or time.perf_counter()
    end = time.perf_counter()
    if left:
        raise measure.Failed(f"{session.process.args[0]}: {-left} bytes too many")
    return BLOCKS * BLOCK / (1 << 20) / (end - begin)


class Contest:
    """The same program on the terminal of each candidate, all of them open at once."""

    def __init__(self, work, container, script):
        run = work.lxc_exec("run", "--image", "busybox", "-t", "--", "/bin/sh", "-c", script)
        self.sessions = {"lxc-exec run -t": Session(work, run)}
        if container:
            argv = container.argv("/bin/sh", "-c", script)
            self.sessions["lxc-attach"] = Session(work, argv)
        plain = str(peers.rootfs(work) / "bin/busybox")
        self.sessions["plain pty"] = Session(work, [plain, "sh", "-c", script])
        for session in self.sessions.values():
            # The line's end, which the terminal may have made a CR LF, is read with it.
            session.expect(b"\n")

    def take_turns(self, count, sample):
        samples = {name: [] for name in self.sessions}
        for n in range(count):
            for name, session in self.sessions.items():
                samples[name].append(sample(session, n))
        for session in self.sessions.values():
            session.close()
        return samples


def rows(section, samples):
    base = samples.get("lxc-attach", samples["plain pty"])
    for name, values in samples.items():
        section.row(name, measure.summary(values), share=measure.ratio(values, base))


def throughput(work, options, container):
    size = BLOCKS * BLOCK >> 20
    section = Section("pty", f"pty mode: {size} MiB from inside, MiB/s", share="x lxc-attach")
    samples = Contest(work, container, POUR).take_turns(options.rounds, lambda s, _: pour(s))
    rows(section, samples)
    if container:
        share = measure.ratio(samples["lxc-exec run -t"], samples["lxc-attach"])
        section.target("lxc-exec / lxc-attach", share, 0.9, "x", at_least=True)
    return section


def echo(work, options, container):
    section = Section("echo", "pty mode: one byte there and back, µs", share="x lxc-attach")
    contest = Contest(work, container, ECHO)
    samples = contest.take_turns(options.echoes, lambda s, n: round_trip(s, b"%c" % (97 + n % 26)))
    rows(section, samples)
    if container:
        ours, theirs = (measure.summary(samples[n]) for n in ("lxc-exec run -t", "lxc-attach"))
        section.target("p50, lxc-exec / lxc-attach", ours["p50"] / theirs["p50"], 1.5, "x")
        section.target("p99, lxc-exec / lxc-attach", ours["p99"] / theirs["p99"], 2.0, "x")
    return section


def terminal(work, options):
    container, why = None, ""
    try:
        container = peers.LxcContainer(work)
    except measure.Failed as failure:
        why = str(failure)
    for part in (throughput, echo):
        section = part(work, options, container)
        if not container:
            section.note(f"lxc-attach: not usable here: {why}")
        yield section
