"""Sandboxes with a network, in a host and an internet of network namespaces that are made for it."""

import contextlib
import ctypes
import json
import os
import resource
import socket
import statistics
import subprocess
import threading
import time

import measure
from report import Section

RULES = [word for i in range(20) for word in ("--allow", f"tcp://203.0.113.{i + 10}:443")]
NAMES = [word for i in range(20) for word in ("--allow", f"tcp://web{i}.example:{i + 1}")]
CROWD = 20
ALONE = 3  # its end waits for the kernel's clock: it varies more than that of many
SETTLE = 0.15  # the kernel goes on for a while with what has ended
SECONDS = 1.0
ADDRESS = "198.51.100.1"
SEND = """
import socket, sys, time
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))
data, sent, end = bytes(1 << 17), 0, time.monotonic() + float(sys.argv[3])
while time.monotonic() < end:
    sent += sock.send(data)
print(sent)
"""


def enter(namespace):
    """The calling thread, and what it starts from now on."""
    if ctypes.CDLL(None).setns(namespace.fileno(), 0):
        raise measure.Failed("setns")


class Lab:
    """`host`, in which lxc-exec runs, wired to `inet`; a third one, `plain`, to measure a veth alone."""

    def __init__(self, work, stack):
        self.work, self.stack = work, stack
        self.names = {}
        for name in ("host", "inet", "plain"):
            self.names[name] = f"lxet-{work.tag[9:]}-{name}"
            self.ip("netns", "add", self.names[name])
            stack.callback(self.ip, "netns", "del", self.names[name])
            self.within(name, "link", "set", "lo", "up")
        self.wire("host", "198.51.100.2/24", "inet", f"{ADDRESS}/24")
        self.wire("plain", "203.0.113.2/24", "host", "203.0.113.1/24")

    def ip(self, *words):
        if self.work.call("/usr/sbin/ip", *words):
            raise measure.Failed(f"ip {' '.join(words)}")

    def within(self, name, *words):
        self.ip("-n", self.names[name], *words)

    def wire(self, one, address, other, other_address):
        self.within(one, "link", "add", f"to-{other}", "type", "veth", "peer", "name", f"to-{one}",
                    "netns", self.names[other])
        for name, device, net in ((one, f"to-{other}", address), (other, f"to-{one}", other_address)):
            self.within(name, "addr", "add", net, "dev", device)
            self.within(name, "link", "set", device, "up")

    def open(self, name):
        return open(f"/run/netns/{self.names[name]}", encoding="utf-8")

    @contextlib.contextmanager
    def inside(self, name):
        with open("/proc/thread-self/ns/net", encoding="utf-8") as home, self.open(name) as there:
            enter(there)
            try:
                yield
            finally:
                enter(home)

    def run(self, *words):
        with self.inside("host"):
            took, status = measure.one_shot(self.work.lxc_exec("run", *words), self.work.env)
        if status:
            raise measure.Failed(f"run {' '.join(words)}: status {status}")
        return took


def one_of(work, lab, words):
    """The whole run, and its teardown."""
    record = work.disk / "network.json"
    whole = lab.run("--result", str(record), *words, "--", "true")
    return whole, json.loads(record.read_text())["spans_us"]["teardown"] / 1000


def cold(work, lab, count):
    kinds = {
        "--network none": [],
        "filtered, 20 rules": ["--network", "filtered", *RULES],
        "filtered, 20 rules, a name": [*RULES, "--allow", "tcp://web.example:443"],
        "filtered, 20 names": NAMES,
    }
    whole, start, teardown = ({kind: [] for kind in kinds} for _ in range(3))
    for _ in range(count):
        for kind, words in kinds.items():
            took, end = one_of(work, lab, words)
            whole[kind].append(took)
            start[kind].append(took - end)
            teardown[kind].append(end)
    for key, title, samples in (
        ("network", "a cold run with a network, ms", whole),
        ("network-start", "the same without its teardown, ms", start),
        ("network-teardown", "its teardown, ms", teardown),
    ):
        section = Section(key, title, share="x none")
        base = samples["--network none"]
        for kind, values in samples.items():
            section.row(kind, measure.summary(values), measure.ratio(values, base))
        p50 = {kind: measure.summary(values)["p50"] for kind, values in samples.items()}
        if samples is start:
            section.target("20 rules add", p50["filtered, 20 rules"] - p50["--network none"], 15, "ms")
            for kind in ("20 rules, a name", "20 names"):
                section.target(f"{kind}: add", p50[f"filtered, {kind}"] - p50["--network none"], 40, "ms")
        if samples is teardown:
            section.target("with a network", p50["filtered, 20 rules"], 60, "ms")
        yield section


def processor_ms():
    """Of all that has been waited for; what the kernel's own threads did for it is not in it."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (usage.ru_utime + usage.ru_stime) * 1000


def at_once(work, lab, words):
    """Until the last of them has ended, ms."""
    words = work.lxc_exec("run", *words)
    with lab.inside("host"):
        begin = time.perf_counter()
        pids = [measure.start(words, work.env) for _ in range(CROWD)]
        if any([measure.reap(pid) for pid in pids]):
            raise measure.Failed("one of many runs failed")
        return (time.perf_counter() - begin) * 1000


class Crowd:
    """One run of a kind, and many of it at once."""

    def __init__(self, name, words):
        self.name, self.words = name, [*words, "--", "true"]
        self.alone, self.together, self.busy = [], [], []

    def turn(self, work, lab):
        for _ in range(ALONE):
            measure.pause(SETTLE)
            before = processor_ms()
            self.alone.append(lab.run(*self.words))
            self.busy.append(processor_ms() - before)
        measure.pause(SETTLE)
        self.together.append(at_once(work, lab, self.words))

    def put(self, section):
        section.row(f"one, {self.name}", measure.summary(self.alone), 1.0)
        section.row(f"all, {self.name}", measure.summary(self.together), self.ratio())

    def ratio(self):
        return measure.ratio(self.together, self.alone)

    def floor(self, cpus):
        busy = statistics.median(self.busy)
        return (f"one {self.name} takes {busy:.1f} ms of processor time: on {cpus} processors {CROWD} "
                f"cannot take less than {CROWD * busy / cpus / statistics.median(self.alone):.1f} x one")  # fmt: skip


def crowd(work, lab, rounds):
    """What twenty without a network take in their turn is the machine's share of it."""
    section = Section("network-crowd", f"{CROWD} runs at once, ms", share="x one")
    kinds = filtered, plain = Crowd("filtered", RULES), Crowd("no network", [])
    for _ in range(rounds):
        for kind in kinds:
            kind.turn(work, lab)
    for kind in kinds:
        kind.put(section)
    section.target("all / one, filtered", filtered.ratio(), 6, "x")
    for kind in kinds:
        section.note(kind.floor(len(os.sched_getaffinity(0))))
    return section


@contextlib.contextmanager
def sink(lab, name, address):
    """Takes whatever comes: the port."""
    there = lab.open(name)
    box = []

    def make():
        enter(there)
        box.append(socket.create_server((address, 0)))

    def take():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = box[0].accept()
                while connection.recv(1 << 20):
                    pass

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    there.close()
    threading.Thread(target=take, daemon=True).start()
    yield box[0].getsockname()[1]
    box[0].shutdown(socket.SHUT_RDWR)
    box[0].close()


def rate(work, lab, name, argv):
    with lab.inside(name):
        done = subprocess.run(argv, env=work.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    return int(done.stdout) / SECONDS / 1e6


def throughput(work, lab, rounds):
    section = Section("network-rate", "TCP to the host's namespace, MB/s", share="x plain")
    plain, ours = [], []
    with sink(lab, "host", "203.0.113.1") as port:
        send = ["/usr/bin/python3", "-c", SEND]
        for _ in range(rounds):
            words = [*send, "203.0.113.1", str(port), str(SECONDS)]
            plain.append(rate(work, lab, "plain", words))
            ours.append(rate(work, lab, "host", work.lxc_exec("run", "--allow", "203.0.113.1", "--", *words)))
    section.row("a veth alone", measure.summary(plain), 1.0)
    section.row("a filtered sandbox", measure.summary(ours), measure.ratio(ours, plain))
    section.target("sandbox / plain", measure.ratio(ours, plain), 0.9, "x", at_least=True)
    return section


def network(work, options):
    with contextlib.ExitStack() as stack:
        lab = Lab(work, stack)
        yield from cold(work, lab, max(10, options.count // 4))
        yield crowd(work, lab, options.rounds)
        yield throughput(work, lab, options.rounds)
