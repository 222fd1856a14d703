"""--publish: ports of the host that lead to a sandbox, and nothing else that does."""

import contextlib
import socket

import lxe
import netlab
import pytest
from lxe import refusal

SERVER = """
import select, socket, sys
socks = []
for what in sys.argv[1:]:
    kind, port = what.split(",")
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    sock.bind(("0.0.0.0", int(port)))
    if kind == "tcp":
        sock.listen(16)
    socks.append(sock)
print("up", flush=True)
while True:
    for sock in select.select(socks, [], [])[0]:
        if sock.type == socket.SOCK_STREAM:
            peer, address = sock.accept()
            peer.sendall(("tcp %s" % address[0]).encode())
            peer.close()
        else:
            data, address = sock.recvfrom(100)
            sock.sendto(("udp %s" % address[0]).encode(), address)
"""


@pytest.fixture(scope="module")
def lab():
    with netlab.NetLab() as lab:
        yield lab


@contextlib.contextmanager
def serving(lab, *ports, options=()):
    """A sandbox that listens to these ports inside, until the end of the block."""
    words = ["run", *options, "--", "/usr/bin/python3", "-c", SERVER, *ports]
    with lab.popen(*words, stdin=-3, stdout=-1, stderr=-1) as process:
        try:
            assert process.stdout.readline() == b"up\n", process.stderr.read()
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=lxe.DEADLINE)
    lab.assert_clean()


def ask(address, port, kind=socket.SOCK_STREAM, timeout=lxe.DEADLINE):
    """What is answered, or the name of the error."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.settimeout(timeout)
        try:
            sock.connect((address, port))
            if kind == socket.SOCK_DGRAM:
                sock.send(b"hello")
            return sock.recv(100).decode()
        except OSError as error:
            return type(error).__name__


def test_a_port_is_reached_from_outside_and_from_the_host(lab):
    options = ["--publish", "8080:80", "--publish", "5300:53/udp", "--subnet", "10.99.0.0/24"]
    with serving(lab, "tcp,80", "udp,53", "tcp,81", options=options):
        assert lab.inet.call(ask, netlab.HOST4, 8080) == f"tcp {netlab.INET4}"
        assert lab.inet.call(ask, netlab.HOST4, 5300, socket.SOCK_DGRAM) == f"udp {netlab.INET4}"
        assert lab.host.call(ask, netlab.HOST4, 8080) == f"tcp {netlab.HOST4}"
        # The host's loopback has no meaning inside: it comes from the gateway.
        assert lab.host.call(ask, "127.0.0.1", 8080).startswith("tcp 10.99.0.")
        assert lab.host.call(ask, "127.0.0.1", 5300, socket.SOCK_DGRAM).startswith("udp 10.99.0.")
        for port in (80, 81, 53):
            assert lab.inet.call(ask, netlab.HOST4, port) == "ConnectionRefusedError"


def test_nothing_else_comes_in_whoever_knows_the_way(lab):
    options = ["--publish", "8080:80", "--network", "open", "--subnet", "10.99.0.0/24"]
    lab.inet.ip(f"route add 10.99.0.0/24 via {netlab.HOST4}")
    with serving(lab, "tcp,80", "tcp,81", options=options):
        device = next(name for name in lab.host.links() if name.startswith("lxe"))
        route = lab.host.run("ip", "route", "show", "dev", device).split()[0]
        guest = route.rsplit(".", 1)[0] + f".{int(route.split('/')[0].rsplit('.', 1)[1]) + 2}"
        for port in (80, 81):
            assert lab.inet.call(ask, guest, port, timeout=0.3) == "TimeoutError"
            assert lab.host.call(ask, guest, port, timeout=0.3) in ("TimeoutError", "PermissionError")
        assert lab.inet.call(ask, netlab.HOST4, 8080) == f"tcp {netlab.INET4}"
    lab.inet.ip("route del 10.99.0.0/24")


def test_an_address_of_the_host_is_that_address_alone(lab):
    with serving(lab, "tcp,80", options=["--publish", "127.0.0.1:8081:80"]):
        assert lab.host.call(ask, "127.0.0.1", 8081).startswith("tcp ")
        assert lab.inet.call(ask, netlab.HOST4, 8081) == "ConnectionRefusedError"
        assert lab.host.call(ask, netlab.HOST4, 8081) == "ConnectionRefusedError"
    with serving(lab, "tcp,80", options=["--publish", f"{netlab.HOST4}:8081:80"]):
        assert lab.inet.call(ask, netlab.HOST4, 8081) == f"tcp {netlab.INET4}"
        assert lab.host.call(ask, "127.0.0.1", 8081) == "ConnectionRefusedError"


def test_the_loopback_is_not_reached_by_a_neighbour_who_routes_it():
    """He sends to 127.0.0.1 by way of the host: what DNAT makes of it is no longer refused as a martian."""
    with netlab.NetLab() as lab:
        lab.inet.sysctl("net/ipv4/conf/all/route_localnet", 1)
        lab.inet.ip(
            "route del local 127.0.0.0/8 dev lo table local",
            "route del local 127.0.0.1 dev lo table local",
            f"route add 127.0.0.1/32 via {netlab.HOST4} src {netlab.INET4}",
        )
        for options in (["--publish", "127.0.0.1:8081:80"], ["--publish", "8081:80"]):
            with serving(lab, "tcp,80", options=options):
                assert lab.host.call(ask, "127.0.0.1", 8081).startswith("tcp ")
                assert lab.inet.call(ask, "127.0.0.1", 8081, timeout=0.3) == "TimeoutError"


def test_a_sandbox_does_not_reach_anothers_port(lab):
    client = f"import socket; socket.create_connection(('{netlab.HOST4}', 8080), 5)"
    with serving(lab, "tcp,80", options=["--publish", "8080:80"]):
        done = lab.run("run", "--allow", f"tcp://{netlab.HOST4}:8080", "--", "python3", "-c", client)
        assert done.returncode == 1 and b"ConnectionRefused" in done.stderr
    lab.assert_clean()


def test_a_port_that_is_taken_or_an_address_that_is_not_there_is_refused(lab):
    server = lab.tcp(lab.host)
    publish = lambda what: lab.run("run", "--publish", what, "--", "true")  # noqa: E731
    refusal(publish(f"{server.port}:80"), says=f"port {server.port} of this machine is in use")
    refusal(publish("203.0.113.77:8080:80"), says="this machine does not have that address")
    with serving(lab, "tcp,80", options=["--publish", "8080:80"]):
        refusal(publish("8080:81"), says="port 8080 of this machine is in use")
        lxe.ok(publish("8080:81/udp"))
    lxe.ok(publish("8080:81"))
    lab.assert_clean()
