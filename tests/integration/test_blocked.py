"""What a sandbox wanted to reach and may not: in the record, in inspect, under -v, with what would allow it."""

import json
import os
import socket

import lxe
import netlab
import pytest
from lxe import ok

CLIENT = """
import socket, sys
for what in sys.argv[1:]:
    kind, host, port = what.split(",")
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET,
                         socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    sock.settimeout(20)
    try:
        sock.connect((host, int(port)))
        sock.sendall(b"hello\\n")
        print(what, sock.recv(100).split()[0].decode())
    except OSError as error:
        print(what, type(error).__name__)
"""


@pytest.fixture(scope="module")
def lab():
    with netlab.NetLab() as lab:
        yield lab


@pytest.fixture(scope="module")
def servers(lab):
    """A TCP and a UDP server on all addresses of the internet, one on the host."""
    return lab.tcp(lab.inet), lab.udp(lab.inet), lab.tcp(lab.host)


def ask(lab, *words, options=(), **popen):
    return lab.run("run", *options, "--", "/usr/bin/python3", "-c", CLIENT, *words, **popen)


def answers(result):
    return dict(line.split() for line in ok(result).stdout.decode().splitlines())


def test_each_is_listed_once_with_the_option_that_would_allow_it(lab, servers, tmp_path):
    tcp, udp, host = servers
    wanted = [f"tcp,203.0.113.5,{tcp.port}", f"tcp,203.0.113.6,{tcp.port}", f"udp,203.0.113.6,{udp.port}",
              f"tcp,{netlab.HOST4},{host.port}"]
    twice = [*wanted, wanted[1]]
    record = tmp_path / "record"
    options = ["-v", "--result", str(record), "--allow", f"tcp://203.0.113.5:{tcp.port}",
               "--deny-net", "203.0.113.9"]
    done = ask(lab, *twice, f"tcp,203.0.113.9,{tcp.port}", options=options)
    got = answers(done)
    assert got.pop(wanted[0]) == "tcp"
    assert set(got.values()) == {"ConnectionRefusedError"} or "OSError" in got.values(), got
    listed = json.loads(record.read_text())["blocked"]
    assert [(b["protocol"], b["destination"], b["port"], b["count"]) for b in listed] == [
        ("tcp", "203.0.113.6", tcp.port, 2),
        ("udp", "203.0.113.6", udp.port, 1),
        ("tcp", netlab.HOST4, host.port, 1),
        ("tcp", "203.0.113.9", tcp.port, 1),
    ], listed
    assert listed[3]["hint"] == "--deny-net 203.0.113.9 denies it"
    for line in (f"blocked: tcp 203.0.113.6:{tcp.port}, 2 times: --allow tcp://203.0.113.6:{tcp.port}",
                 f"blocked: udp 203.0.113.6:{udp.port}, once: --allow udp://203.0.113.6:{udp.port}"):
        assert f"lxc-exec: {line}\n" in done.stderr.decode(), done.stderr
    # And they do allow it.
    hints = [word for b in listed[:3] for word in b["hint"].split()]
    assert set(answers(ask(lab, *wanted, options=[*options, *hints])).values()) == {"tcp", "udp"}
    assert json.loads(record.read_text())["blocked"] == []
    lab.assert_clean()


def test_inspect_shows_it_while_the_sandbox_runs(lab, servers):
    tcp, _, _ = servers
    null = os.open(os.devnull, os.O_RDWR)
    ok(lab.run("create", "-T", "--network", "filtered", "box", "--", "sleep", "1000", stdin=null,
               stdout=null, stderr=null))
    ok(lab.run("start", "box"))
    client = ("/usr/bin/python3", "-c", CLIENT)
    ok(lab.run("exec", "box", "--", *client, f"tcp,203.0.113.7,{tcp.port}", stdin=null))
    os.close(null)
    lxe.poll_until(lambda: json.loads(ok(lab.run("inspect", "box")).stdout)["blocked"] == [
        {"direction": "out", "protocol": "tcp", "destination": "203.0.113.7", "port": tcp.port, "count": 1,
         "hint": f"--allow tcp://203.0.113.7:{tcp.port}"}], what="what is blocked")
    shown = json.loads(ok(lab.run("inspect", "box")).stdout)["network"]
    assert shown["mode"] == "filtered" and shown["allow"] == []
    ok(lab.run("destroy", "--force", "box"))
    lab.assert_clean()


LISTEN = """
import socket, sys
s = socket.create_server(("", 80))
u = socket.socket(type=socket.SOCK_DGRAM)
u.connect(("203.0.113.5", 53))
print(u.getsockname()[0], flush=True)
sys.stdin.read()
"""


def refused_there(lab, address, port):
    """What the host is not let in to, it waits for: one packet is enough."""
    def ask():
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as sock:
            sock.connect_ex((address, port))

    lab.call(ask)


def test_what_is_refused_on_the_way_in_is_listed_as_well(lab, tmp_path):
    record, pipes = tmp_path / "record", {"stdin": -1, "stdout": -1, "stderr": -1}
    options = ["-v", "--result", str(record), "--subnet", "10.99.0.0/24", "--publish", "8088:80"]
    lab.inet.ip(f"route add 10.99.0.0/24 via {netlab.HOST4}")
    try:
        with lab.popen("run", *options, "--", "/usr/bin/python3", "-c", LISTEN, **pipes) as process:
            guest = process.stdout.readline().decode().strip()
            assert guest, process.stderr.read()
            with lab.inet.call(lambda: socket.create_connection((netlab.HOST4, 8088), lxe.DEADLINE)):
                refused_there(lab.inet, guest, 80)
                refused_there(lab.host, guest, 443)
                lab.inet.call(lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", (guest, 53)))
            _, said = process.communicate(timeout=lxe.DEADLINE)
    finally:
        lab.inet.ip("route del 10.99.0.0/24")
    listed = json.loads(record.read_text())["blocked"]
    assert {(b["direction"], b["protocol"], b["destination"], b["port"], b["hint"]) for b in listed} == {
        ("in", "tcp", guest, 80, "--publish 80:80"),
        ("in", "tcp", guest, 443, "--publish 443:443"),
        ("in", "udp", guest, 53, "--publish 53:53/udp"),
    }, listed
    assert f"lxc-exec: blocked: inbound tcp {guest}:443, once: --publish 443:443\n" in said.decode(), said
    lab.assert_clean()


def test_its_connections_are_forgotten_and_those_of_others_are_not(lab, servers):
    tcp, udp, _ = servers
    with open(os.devnull, "r+b") as null:
        # As long as it is there, the kernel looks at connections at all.
        ok(lab.run("create", "-T", "--network", "open", "other", "--", "sleep", "1000", stdin=null,
                   stdout=null, stderr=null))
    lab.host.call(udp_hello, udp.port)
    before = int(lab.host.sysctl("net/netfilter/nf_conntrack_count"))
    assert before >= 1
    got = answers(ask(lab, f"tcp,203.0.113.5,{tcp.port}", f"udp,203.0.113.5,{udp.port}",
                      options=["--network", "open"]))
    assert set(got.values()) == {"tcp", "udp"}
    assert int(lab.host.sysctl("net/netfilter/nf_conntrack_count")) == before
    ok(lab.run("destroy", "--force", "other"))
    lab.assert_clean()


def udp_hello(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(lxe.DEADLINE)
        sock.connect(("203.0.113.5", port))
        sock.send(b"hello\n")
        sock.recv(100)


@pytest.mark.parametrize("source", ("words", "profile"))
def test_ten_thousand_rules(lab, servers, source, tmp_path):
    tcp, _, _ = servers
    rules = [f"tcp://198.51.{100 + i // 250}.{i % 250}:{i + 1}" for i in range(10000)]
    rules[-1] = f"tcp://203.0.113.5:{tcp.port}"
    if source == "words":
        options = [word for rule in rules for word in ("--allow", rule)]
    else:
        lines = [f"l{i} = {' '.join(rules[i:i + 25])}" for i in range(0, len(rules), 25)]
        profile = tmp_path / "many.conf"
        profile.write_text("[run]\nnetwork = filtered\n[allow]\n" + "\n".join(lines) + "\n")
        options = ["--profile", str(profile)]
    got = answers(ask(lab, f"tcp,203.0.113.5,{tcp.port}", f"tcp,203.0.113.6,{tcp.port}", options=options))
    assert got == {f"tcp,203.0.113.5,{tcp.port}": "tcp",
                   f"tcp,203.0.113.6,{tcp.port}": "ConnectionRefusedError"}
    lab.assert_clean()


def test_a_proxy_is_all_that_is_reached_and_programs_are_told_of_it(lab, servers, tmp_path):
    tcp, _, _ = servers
    url = tmp_path / "url"
    url.write_text(f"http://u:s3cret@203.0.113.5:{tcp.port}\n")
    done = ask(lab, f"tcp,203.0.113.5,{tcp.port}", f"tcp,203.0.113.6,{tcp.port}",
               options=["--proxy", f"file:{url}"])
    assert list(answers(done).values()) == ["tcp", "ConnectionRefusedError"]
    done = lab.run("run", "--proxy", f"file:{url}", "--", "sh", "-c", "echo $https_proxy $ALL_PROXY")
    assert ok(done).stdout.decode().split() == [f"http://u:s3cret@203.0.113.5:{tcp.port}"] * 2
    lab.assert_clean()


def test_two_sandboxes_never_share_a_group_of_the_log(lab, servers):
    """Three in subnets of two places: two of them have the same number."""
    wanted = f"tcp,203.0.113.5,{servers[0].port}"
    names = ("a", "b", "c")

    def blocked(name):
        return [one["destination"] for one in json.loads(ok(lab.run("inspect", name)).stdout)["blocked"]]

    for i, name in enumerate(names):
        options = ["--network", "filtered", "--subnet", f"10.5{i}.0.0/29"]
        ok(lab.run("create", *options, name, "--", "sleep", "infinity"))
        ok(lab.run("start", name))
    for name in names:
        ok(lab.run("exec", name, "--", "/usr/bin/python3", "-c", CLIENT, wanted))
        lxe.poll_until(lambda name=name: blocked(name) == ["203.0.113.5"], what=f"what {name} was refused")
        ok(lab.run("destroy", "--force", name))
