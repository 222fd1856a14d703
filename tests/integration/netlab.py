"""A host and an internet of network namespaces, for tests that must not touch the machine's own network.

    machine ── (nothing) ── lxet-…-host ── veth ── lxet-…-inet
                            198.51.100.2           198.51.100.1, all of 203.0.113.0/24
                            2001:db8:1::2          2001:db8:1::1, all of 2001:db8:2::/64

lxc-exec runs in the host namespace, by setns(2) and not by `ip netns exec`: that puts a new /sys on, and the
cgroups with it out of sight. The internet has no route to what is behind the host: only masqueraded packets are
answered. Nothing is forwarded, and both rulesets are empty, until a test or lxc-exec changes that.

Servers live in this process: a socket stays in the namespace in which it was made, and one thread serves all.
A lab has a World of its own, so state, run directory and address slots are its own as well.
"""

import contextlib
import ctypes
import json
import os
import re
import selectors
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import lxe

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_BIND, MS_REC, MS_SLAVE = 0x1000, 0x4000, 0x80000
IP_PKTINFO, IPV6_FREEBIND = 8, 78

HOST4, INET4 = "198.51.100.2", "198.51.100.1"
HOST6, INET6 = "2001:db8:1::2", "2001:db8:1::1"
NET4, NET6 = "203.0.113.0/24", "2001:db8:2::/64"

LIBC = ctypes.CDLL(None, use_errno=True)

# What a namespace starts with; the host's values of accept_dad would make every address wait a second.
# Forwarding is the first namespace's at first, and lxc-net has switched it on there.
QUIET = {"net/ipv6/conf/all/accept_dad": 0, "net/ipv6/conf/default/accept_dad": 0, "net/ipv4/ip_forward": 0}


def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def bind_mount(source, target):
    checked(LIBC.mount(os.fsencode(source), os.fsencode(target), None, MS_BIND, None))


class Namespace:
    """One network namespace, by name; what is done in it is done by threads that enter it."""

    def __init__(self, name):
        self.name = name
        subprocess.run(["ip", "netns", "add", name], check=True)
        self.fd = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        for path, value in QUIET.items():
            self.sysctl(path, value)

    def enter(self):
        checked(LIBC.setns(self.fd, CLONE_NEWNET))

    def call(self, function, *args, **named):
        """The function's result, from a thread that is in here."""
        box = {}

        def work():
            try:
                self.enter()
                box["result"] = function(*args, **named)
            except BaseException as error:  # pylint: disable=broad-except
                box["error"] = error

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if "error" in box:
            raise box["error"]
        return box["result"]

    def run(self, *argv, check=True, **popen):
        """A program in here, to its end: its standard output as text."""
        popen.setdefault("stdout", subprocess.PIPE)
        popen.setdefault("timeout", lxe.DEADLINE)
        words = [str(word) for word in argv]
        result = subprocess.run(words, text=True, preexec_fn=self.enter, **popen)
        assert not check or result.returncode == 0, (words, result.returncode, result.stdout)
        return result.stdout

    def ip(self, *lines):
        """Commands of ip(8), one on each line."""
        self.run("ip", "-batch", "-", input="\n".join(lines) + "\n")

    def sysctl(self, path, value=None):
        """Reads it, or sets it. /proc/sys/net is that of whoever looks."""
        file = Path("/proc/sys") / path
        if value is None:
            return self.call(file.read_text).strip()
        return self.call(file.write_text, f"{value}\n")

    def links(self):
        """The names of its network devices."""
        return {link["ifname"] for link in json.loads(self.run("ip", "-json", "link") or "[]")}

    def rules(self, save="iptables-save", save6="ip6tables-save"):
        """Both families' rules as they can be compared: without counters and without dates."""
        return "\n".join(without_counters(self.run(program)) for program in (save, save6))

    def all_rules(self):
        """With the nft and the legacy variant; a table that only one of them knows counts too."""
        both = [self.rules(f"iptables-{kind}-save", f"ip6tables-{kind}-save") for kind in KINDS]
        return "\n".join(both)

    def sets(self):
        return set(self.run("ipset", "list", "-name").split())

    def remove(self):
        os.close(self.fd)
        subprocess.run(["ip", "netns", "del", self.name], check=False)


KINDS = ("nft", "legacy")


def without_counters(text):
    lines = [re.sub(r" \[\d+:\d+\]$", "", line) for line in text.splitlines()]
    return "\n".join(line for line in lines if not line.startswith("#"))


class Server:
    """One listening socket; `heard` has the address of whoever came and what he said at first."""

    def __init__(self, sock, answer):
        self.sock, self.answer, self.heard = sock, answer, []
        self.port = sock.getsockname()[1]

    @property
    def is_udp(self):
        return self.sock.type == socket.SOCK_DGRAM


def reached_at(ancillary):
    """The address that a datagram was sent to, and what makes the answer come from there."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
            return socket.inet_ntoa(data[8:12]), [(level, kind, bytes(4) + data[8:12] + bytes(4))]
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
            return socket.inet_ntop(socket.AF_INET6, data[:16]), [(level, kind, data[:16] + bytes(4))]
    return "", []


def greet(server, said, local):
    """What a server answers unless it is given something else to do: who was reached."""
    kind = "udp" if server.is_udp else "tcp"
    return f"{kind} {server.port} {local} {said.decode(errors='replace').strip()}\n".encode()


class Servers:
    """All sockets of a lab and the one thread that serves them."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.wake_in, self.wake_out = os.pipe()
        self.selector.register(self.wake_in, selectors.EVENT_READ, None)
        self.open = []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def add(self, namespace, address, port, kind, answer):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET

        def make():
            sock = socket.socket(family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET:
                sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
            else:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
                sock.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
            sock.bind((address, port))
            if kind == socket.SOCK_STREAM:
                sock.listen(256)
            return sock

        server = Server(namespace.call(make), answer or greet)
        self.open.append(server)
        self.selector.register(server.sock, selectors.EVENT_READ, server)
        os.write(self.wake_out, b"x")
        return server

    def serve(self):
        while True:
            for key, _ in self.selector.select():
                if key.data is None:
                    if b"q" in os.read(self.wake_in, 64):
                        return
                elif isinstance(key.data, Server):
                    self.accept(key.data)
                else:
                    self.converse(key.fileobj, key.data)

    def accept(self, server):
        with contextlib.suppress(OSError):
            if server.is_udp:
                said, asked, _, peer = server.sock.recvmsg(65535, 256)
                server.heard.append((peer[0], said))
                local, back = reached_at(asked)
                answer = server.answer(server, said, local)
                if answer:
                    server.sock.sendmsg([answer], back, 0, peer)
                return
            connection, peer = server.sock.accept()
            server.heard.append((peer[0], b""))
            # Answered when he has sent his line or closed his half.
            self.selector.register(connection, selectors.EVENT_READ, (server, len(server.heard) - 1))

    def converse(self, connection, about):
        server, number = about
        with contextlib.suppress(OSError), connection:
            self.selector.unregister(connection)
            said = connection.recv(65536)
            server.heard[number] = (server.heard[number][0], said)
            answer = server.answer(server, said, connection.getsockname()[0])
            if answer:
                connection.settimeout(5)
                connection.sendall(answer)

    def close(self):
        os.write(self.wake_out, b"q")
        self.thread.join()
        for key in list(self.selector.get_map().values()):
            if key.data is not None:
                key.fileobj.close()
        self.selector.close()
        os.close(self.wake_in)
        os.close(self.wake_out)


class LabWorld(lxe.World):
    """A world whose programs run on a lab's host, and that is clean when the host is."""

    def __init__(self, lab):
        super().__init__()
        self.lab = lab

    def as_whom(self, popen):
        return {"preexec_fn": self.lab.enter, **super().as_whom(popen)}

    def pty(self, *args, **options):
        return super().pty(*args, pre=self.lab.enter, **options)

    def leftovers(self):
        return super().leftovers() + self.lab.left()


class NetLab:
    """The two namespaces, their servers, and lxc-exec in the first of them. A context manager."""

    def __init__(self):
        self.stack = contextlib.ExitStack()
        self.binds = []

    def __enter__(self):
        with self.stack:
            name = f"lxet-{os.getpid():x}-{os.urandom(2).hex()}"
            self.host = self.namespace(f"{name}-host")
            self.inet = self.namespace(f"{name}-inet")
            self.wire()
            self.servers = Servers()
            self.stack.callback(self.servers.close)
            self.world = LabWorld(self)
            self.stack.callback(self.world.close)
            self.use_tables("nft")
            self.stack = self.stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def use_tables(self, kind):
        """As on a host whose firewall is in use: there the tables are, if only empty ones."""
        for family in ("iptables", "ip6tables"):
            text = "".join(f"*{table}\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n" for table in ("filter", "nat"))
            self.host.run(f"{family}-{kind}-restore", "-w", "--noflush", input=text)
        self.before = self.host.all_rules()

    def namespace(self, name):
        namespace = Namespace(name)
        self.stack.callback(namespace.remove)
        return namespace

    def wire(self):
        self.inet.ip(f"link add host0 type veth peer name inet0 netns {self.host.name}")
        for ns, device, v4, v6 in (
            (self.host, "inet0", HOST4, HOST6),
            (self.inet, "host0", INET4, INET6),
        ):
            ns.ip(
                "link set lo up",
                f"link set {device} up",
                f"addr add {v4}/24 dev {device}",
                f"addr add {v6}/64 dev {device} nodad",
            )
        self.host.ip(f"route add default via {INET4}", f"route add default via {INET6}")
        self.inet.ip(f"route add local {NET4} dev lo", f"route add local {NET6} dev lo")

    # Servers: on every address of the namespace, unless one is given. answer(server, said, local address)
    # gives the bytes that go back.

    def tcp(self, namespace, port=0, address="0.0.0.0", answer=None):
        return self.servers.add(namespace, address, port, socket.SOCK_STREAM, answer)

    def udp(self, namespace, port=0, address="0.0.0.0", answer=None):
        return self.servers.add(namespace, address, port, socket.SOCK_DGRAM, answer)

    # lxc-exec, in the host namespace.

    def enter(self):
        """Between fork and exec of whatever is to run on this host."""
        self.host.enter()
        if self.binds:
            checked(LIBC.unshare(CLONE_NEWNS))
            checked(LIBC.mount(None, b"/", None, MS_REC | MS_SLAVE, None))
            for source, target in self.binds:
                bind_mount(source, target)

    def run(self, *args, **popen):
        return self.world.run(*args, **popen)

    def popen(self, *args, **popen):
        return self.world.popen(*args, **popen)

    def pty(self, *args, **options):
        return self.world.pty(*args, **options)

    def resolv_conf(self, text):
        """Which servers the host asks."""
        path = self.world.base / f"resolv.conf{len(self.binds)}"
        path.write_text(text)
        path.chmod(0o644)
        self.binds.append((path, os.path.realpath("/etc/resolv.conf")))

    # The host's tools, as another host has them. Only processes of this lab see it: the links of
    # /etc/alternatives, behind which Debian has them, are covered for these.

    def tools(self, links):
        """links: name in /etc/alternatives → what it leads to, or None where the host has none."""
        directory = self.world.base / f"alternatives-{os.urandom(3).hex()}"
        shutil.copytree("/etc/alternatives", directory, symlinks=True)
        for name, target in links.items():
            (directory / name).unlink(missing_ok=True)
            if target:
                (directory / name).symlink_to(target)
        directory.chmod(0o755)
        self.binds.append((directory, "/etc/alternatives"))

    def legacy(self):
        """A host whose iptables is the legacy variant."""
        families = ("iptables", "ip6tables")
        names = [f"{family}{end}" for family in families for end in ("", "-restore", "-save")]
        self.tools({name: f"/usr/sbin/{name.replace('tables', 'tables-legacy', 1)}" for name in names})
        self.use_tables("legacy")

    def script(self, name, text):
        """A program that stands for a tool of the host's: its path."""
        path = self.world.base / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def left(self):
        """What a sandbox has left in the host namespace."""
        found = [f"link {name}" for name in self.host.links() if name.startswith("lxe")]
        found += [f"set {name}" for name in self.host.sets() if name.lower().startswith("lxe")]
        rules = self.host.all_rules()
        found += [f"rule {line}" for line in rules.splitlines() if "lxe" in line.lower()]
        if rules != self.before and not found:
            found.append(f"ruleset:\n{rules}\nbefore:\n{self.before}")
        return found

    def assert_clean(self):
        """Nothing in the namespace, and nothing of what every sandbox leaves nowhere."""
        left = self.left()
        assert not left, "left behind:\n" + "\n".join(left)
        self.world.assert_clean(timeout=2.0 * lxe.SLACK)
        findings = self.world.sanitizer_findings()
        assert not findings, findings
