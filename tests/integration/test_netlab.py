"""The lab in which the network is tested: what it promises to the tests, and that it sees what is left."""

import os
import socket
import subprocess

import lxe
import netlab
import pytest


@pytest.fixture(scope="module")
def lab():
    with netlab.NetLab() as lab:
        yield lab


def ask(address, port, kind=socket.SOCK_STREAM):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, kind) as sock:
        sock.settimeout(lxe.DEADLINE)
        sock.connect((address, port))
        sock.sendall(b"hello\n")
        return sock.recv(4096).decode()


def test_the_internet_answers_on_all_its_addresses(lab):
    tcp, tcp6, udp = lab.tcp(lab.inet), lab.tcp(lab.inet, address="::"), lab.udp(lab.inet)
    assert lab.host.call(ask, "203.0.113.77", tcp.port) == f"tcp {tcp.port} 203.0.113.77 hello\n"
    assert lab.host.call(ask, "2001:db8:2::9", tcp6.port) == f"tcp {tcp6.port} 2001:db8:2::9 hello\n"
    assert lab.host.call(ask, "203.0.113.1", udp.port, socket.SOCK_DGRAM)== f"udp {udp.port} 203.0.113.1 hello\n"
    assert tcp.heard == [(netlab.HOST4, b"hello\n")] and tcp6.heard[0][0] == netlab.HOST6


def test_a_program_runs_in_the_lab_and_sees_nothing_of_the_machine(lab):
    assert netlab.HOST4 in lab.host.run("ip", "address")
    result = lab.run("run", "--", "cat", "/proc/net/dev")
    assert b"lo:" in lxe.ok(result).stdout
    lab.assert_clean()


def test_what_is_left_is_found(lab):
    lab.host.ip("link add lxedeadbeef type veth peer name other0")
    lab.host.run("iptables", "-N", "LXE-deadbeef-F")
    lab.host.run("ip6tables-legacy", "-N", "LXE-deadbeef-F")
    assert sorted(line.split()[0] for line in lab.left()) == ["link", "rule", "rule"]
    lab.host.ip("link del lxedeadbeef")
    lab.host.run("iptables", "-X", "LXE-deadbeef-F")
    lab.host.run("ip6tables-legacy", "-X", "LXE-deadbeef-F")
    lab.host.run("iptables", "-A", "FORWARD", "-j", "DROP")
    assert "-A FORWARD -j DROP" in lab.left()[0]
    lab.host.run("iptables", "-F", "FORWARD")


def test_the_hosts_iptables_can_be_another_one():
    with netlab.NetLab() as lab:
        lab.legacy()
        said = subprocess.run(["iptables", "-V"], preexec_fn=lab.enter, capture_output=True)
        assert b"legacy" in said.stdout
        lab.tools({"iptables-restore": None})
        assert subprocess.run(["which", "iptables-restore"], preexec_fn=lab.enter).returncode == 1
    names = os.listdir("/run/netns")
    assert lab.host.name not in names and lab.inet.name not in names
