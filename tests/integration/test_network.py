"""What a sandbox's network lets through, and what is left of it: in a lab of network namespaces (netlab.py)."""

import contextlib
import json
import os
import platform
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import killsweep
import lxe
import netcrowd
import netfaults
import netlab
import pytest

WEB = "203.0.113.5"
OTHER = "203.0.113.6"
WEB6 = "2001:db8:2::5"

# Speaks from inside: each line "KIND ADDRESS PORT" is tried, and the answer, or how it failed, printed.
SPEAK = """
import errno, socket, sys
for line in sys.argv[1:]:
    kind, address, port = line.split()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    type = socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM
    with socket.socket(family, type) as s:
        s.settimeout(float(%r))
        try:
            s.connect((address, int(port)))
            s.send(b"hello\\n")
            print(s.recv(100).decode().strip())
        except OSError as e:
            refused = e.errno in (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.EACCES)
            print("refused" if refused else "timeout" if isinstance(e, TimeoutError) else e)
"""


@pytest.fixture(scope="module")
def internet():
    with netlab.NetLab() as lab:
        lab.tcp(lab.inet, 80)
        lab.tcp(lab.inet, 81)
        lab.udp(lab.inet, 53)
        lab.tcp(lab.inet, 80, "::")
        lab.service = lab.tcp(lab.host, 8080)
        yield lab


@pytest.fixture
def lab(internet):
    """Every test ends with nothing left in the namespace, and the rulesets as they were."""
    internet.binds = []
    yield internet
    internet.binds = []
    try:
        internet.assert_clean()
    except AssertionError:
        internet.world.purge()
        raise


def words(*tries, patience=5):
    return ["python3", "-c", SPEAK % patience, *tries]


def speak(lab, options, *tries, **more):
    """What a sandbox with these options gets: one line for each try."""
    result = lab.run("run", *options, "--", *words(*tries, **more))
    return lxe.ok(result).stdout.decode().splitlines()


def filtered(*allow):
    return ["--network", "filtered", *[word for rule in allow for word in ("--allow", rule)]]


def test_nothing_but_what_is_allowed_gets_through(lab):
    said = speak(
        lab,
        filtered(f"tcp://{WEB}:80", f"udp://{WEB}:53"),
        f"tcp {WEB} 80",
        f"tcp {WEB} 81",
        f"tcp {OTHER} 80",
        f"udp {WEB} 53",
        f"udp {OTHER} 53",
        f"tcp {netlab.HOST4} 8080",
    )
    assert said == [
        f"tcp 80 {WEB} hello",
        "refused",
        "refused",
        f"udp 53 {WEB} hello",
        "refused",
        "refused",
    ]
    assert not lab.service.heard


ECHO = """
import socket, struct, sys
# An echo request (RFC 792), of which this is the sum of all that is in it.
request = struct.pack("!BBHHH", 8, 0, 0xffff - 0x0800 - 7, 0, 7)
for address in sys.argv[1:]:
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as s:
        s.settimeout(5)
        s.sendto(request, (address, 0))
        answer = b""
        while len(answer) < 28 or answer[20] == 8:
            answer = s.recv(1000)
        print({0: "answered", 3: "refused"}[answer[20]])
"""


def test_icmp_is_allowed_and_denied(lab):
    options = [*filtered(f"icmp://{WEB}"), "--cap-add", "NET_RAW"]
    targets = [WEB, OTHER, netlab.HOST4]
    result = lab.run("run", *options, "--", "python3", "-c", ECHO, *targets)
    assert lxe.stdout_of(result).split() == ["answered", "refused", "refused"]
    assert speak(lab, filtered(f"icmp://{WEB}"), f"tcp {WEB} 80") == ["refused"]


def test_open_reaches_all_but_the_host_and_what_is_denied(lab):
    said = speak(
        lab,
        ["--network", "open", "--deny-net", f"tcp://{WEB}:81"],
        f"tcp {WEB} 80",
        f"tcp {WEB} 81",
        f"tcp {netlab.HOST4} 8080",
        f"tcp {WEB6} 80",
    )
    assert said == [f"tcp 80 {WEB} hello", "refused", "refused", f"tcp 80 {WEB6} hello"]
    assert not lab.service.heard


@pytest.mark.parametrize("early", [False, True])
def test_a_bridge_that_has_its_network_later_is_out_of_reach(early):
    make_bridge = ("link add br0 type bridge", "link set br0 up")
    with netlab.NetLab() as lab:
        # As where containers run: what is made later is routed to and from as well.
        for path in ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"):
            lab.host.sysctl(path, 1)
        neighbour, later = lab.namespace(f"{lab.host.name}-n"), "198.51.100.129"
        lab.tcp(lab.inet, 80)
        service = lab.tcp(neighbour, 80)
        lab.host.ip(*(make_bridge if early else ()))
        for number, options in enumerate((["--network", "open"], filtered("*"), filtered("*", f"tcp://{later}:80"))):
            name = f"s{number}"
            lxe.ok(lab.run("create", *options, name, "--", "sleep", "1000"))
            lxe.ok(lab.run("start", name))
        lab.host.ip(
            *(() if early else make_bridge),
            "addr add 198.51.100.130/30 dev br0",
            f"link add port0 master br0 type veth peer name eth0 netns {neighbour.name}",
            "link set port0 up",
        )
        neighbour.ip("link set eth0 up", f"addr add {later}/30 dev eth0", "route add default via 198.51.100.130")
        tries = words(f"tcp {WEB} 80", f"tcp {later} 80")
        said = [lxe.stdout_of(lab.run("exec", f"s{n}", "--", *tries)).splitlines() for n in range(3)]
        assert said[:2] == [[f"tcp 80 {WEB} hello", "refused"]] * 2
        assert said[2] == [f"tcp 80 {WEB} hello", f"tcp 80 {later} hello"] and len(service.heard) == 1
        for number in range(3):
            lxe.ok(lab.run("destroy", "--force", f"s{number}"))
        lab.assert_clean()


def test_ipv6_has_the_same_rules(lab):
    said = speak(lab, filtered(f"tcp://[{WEB6}]:80"), f"tcp {WEB6} 80", "tcp 2001:db8:2::6 80")
    assert said == [f"tcp 80 {WEB6} hello", "refused"]
    said = speak(lab, filtered(f"tcp://{WEB}:80"), f"tcp {WEB6} 80", f"tcp {WEB} 80")
    assert said == ["refused", f"tcp 80 {WEB} hello"]


def test_without_ipv6_on_the_host_there_is_none_inside():
    with netlab.NetLab() as lab:
        lab.host.ip("route del default via 2001:db8:1::1")
        lab.tcp(lab.inet, 80)
        result = lab.run("run", *filtered(f"tcp://{WEB}:80"), "--", "cat", "/proc/net/if_inet6")
        lines = lxe.stdout_of(result).splitlines()
        assert [line.split()[-1] for line in lines] == ["lo"]
        assert speak(lab, filtered(f"tcp://{WEB}:80"), f"tcp {WEB} 80") == [f"tcp 80 {WEB} hello"]
        lab.assert_clean()


HAS_FORCE_FORWARDING = os.path.exists("/proc/sys/net/ipv6/conf/all/force_forwarding")  # Linux 6.17
HARDENED = {
    "ipv4": {
        "forwarding": "1",
        "rp_filter": "1",
        "accept_redirects": "0",
        "accept_source_route": "0",
        "send_redirects": "0",
        "route_localnet": "0",
    },
    "ipv6": {"disable_ipv6": "0", "accept_ra": "0", "accept_redirects": "0", "force_forwarding": "1"},
}


@pytest.mark.parametrize("v6", [True, False])
def test_what_the_hosts_end_believes(v6):
    """Whatever new devices begin with on the host, and without a change of that there or inside."""
    asked = [f"ipv6/conf/{name}/disable_ipv6" for name in ("eth0", "default", "lo")]
    tell = f"cd /proc/sys/net && cat {' '.join(asked)} && echo up && cat"
    with netlab.NetLab() as lab:
        if not v6:
            lab.host.ip("route del default via 2001:db8:1::1")
        for family, settings in HARDENED.items():
            for name, value in settings.items():
                if name not in ("disable_ipv6", "force_forwarding"):
                    lab.host.sysctl(f"net/{family}/conf/default/{name}", 1 - int(value))
        before = lab.host.run("sysctl", "-a", "-r", "^net.ipv[46].conf.(default|all).")
        with lab.popen("run", "--network", "open", "--", "sh", "-c", tell, stdin=subprocess.PIPE) as process:
            inside = [process.stdout.readline().strip().decode() for _ in (*asked, "up")]
            (link,) = [name for name in lab.host.links() if name.startswith("lxe")]
            wanted = {
                f"net/{family}/conf/{link}/{name}": value
                for family, settings in HARDENED.items()
                for name, value in settings.items()
                if family == "ipv4" or v6
            }
            wanted.pop("" if HAS_FORCE_FORWARDING else f"net/ipv6/conf/{link}/force_forwarding", None)
            has = {file: lab.host.sysctl(file) for file in wanted}
            off = lab.host.sysctl(f"net/ipv6/conf/{link}/disable_ipv6")
            process.stdin.close()
        assert inside == ["0" if v6 else "1", "0", "0", "up"]
        assert off == ("0" if v6 else "1")
        assert has == wanted
        assert lab.host.run("sysctl", "-a", "-r", "^net.ipv[46].conf.(default|all).") == before
        lab.assert_clean()


@pytest.mark.parametrize("rule", ["tcp://203.0.113.5:80", "*.example"])
def test_ipv6_that_is_off_is_dropped_by_rules(rule):
    """Whoever switches it on later, on the host or inside, has not switched on a way out."""
    with netlab.NetLab() as lab:
        lab.host.ip("route del default via 2001:db8:1::1")
        with running(lab, filtered(rule), *WAIT):
            (link,) = [name for name in lab.host.links() if name.startswith("lxe")]
            rules = lab.host.run("ip6tables-save").splitlines()
            for hook, way, letter in (("FORWARD", "i", "E"), ("INPUT", "i", "E"), ("OUTPUT", "o", "I")):
                chain = f"LXE-{link[3:]}-{letter}"
                assert f"-A {hook} -{way} {link} -j {chain}" in rules, rules
                assert [line for line in rules if line.startswith(f"-A {chain} ")] == [f"-A {chain} -j DROP"]
        lab.assert_clean()


# The first thing that runs, with no shell and no libraries to be loaded before: a service that is started at boot.
SERVICE = """
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
static int try(const char *address, const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), r;
	inet_pton(AF_INET, address, &to.sin_addr);
	r = connect(fd, (struct sockaddr *)&to, sizeof(to));
	if (r == 0)
		write(fd, "x", 1);
	close(fd);
	return r;
}
int main(int argc, char **argv)
{
	int got_out = 0;
	(void)argc;
	for (int i = 0; i < 200; i++)
		got_out |= try(argv[1], argv[2]) == 0;
	return got_out ? 9 : try(argv[3], argv[4]) == 0 ? 0 : 8;
}
"""


def test_the_first_instruction_meets_the_rules(lab, tmp_path):
    """No moment in which something gets out: whoever tries at once, and as often as it can."""
    (tmp_path / "service.c").write_text(SERVICE)
    words = ["gcc", "-O2", "-w", "-static", "-o", "service", "service.c"]
    subprocess.run(words, check=True, cwd=tmp_path)
    before = len(lab.service.heard)
    options = [*filtered(f"tcp://{WEB}:80"), "--file", f"{tmp_path}/service:/service:755"]
    command = ["/service", netlab.HOST4, "8080", WEB, "80"]
    for _ in range(3):
        lxe.ok(lab.run("run", *options, "--", *command))
    # Parked until all of it is there, and released later.
    lxe.ok(lab.run("create", *options, "late", "--", *command))
    lxe.ok(lab.run("start", "late"))
    lxe.ok(lab.run("wait", "late"))
    lxe.ok(lab.run("destroy", "--force", "late"))
    assert len(lab.service.heard) == before


def test_the_network_is_ready_when_the_command_is(lab):
    """A first packet that is lost is sent again after a second."""
    for _ in range(5):
        said = speak(lab, filtered(f"tcp://{WEB}:80"), f"tcp {WEB} 80", patience=0.9)
        assert said == [f"tcp 80 {WEB} hello"]
    result = lab.run("run", *filtered(f"tcp://{WEB}:80"), "--", "cat", "/sys/class/net/eth0/operstate")
    assert lxe.stdout_of(result) == "up\n"


def test_root_inside_cannot_change_the_rules(lab):
    tools = "iptables -F; iptables -P OUTPUT ACCEPT; ip6tables -F; iptables-legacy -F; nft flush ruleset"
    attack = f"({tools}; ip route add 198.51.100.0/24 dev eth0) >/dev/null 2>&1; "
    attack += f"echo x >/dev/tcp/{netlab.HOST4}/8080; echo x >/dev/tcp/{OTHER}/80"
    before, heard = lab.host.all_rules(), len(lab.service.heard)
    options = [*filtered(f"tcp://{WEB}:80"), "--cap-add", "NET_ADMIN,NET_RAW"]
    result = lab.run("run", *options, "--", "bash", "-c", attack)
    assert result.stderr.count(b"Connection refused") >= 2, result.stderr
    assert lab.host.all_rules() == before and len(lab.service.heard) == heard


def test_a_false_sender_gets_nowhere(lab):
    """Another source address, to the host and beyond."""
    steal = "ip addr add 198.51.100.77/32 dev lo; ip addr add 10.213.0.9/32 dev lo; "
    tries = [f"from {address} {target}" for address in ("198.51.100.77", "10.213.0.9") for target in (WEB,)]
    script = "import socket,sys\nfor line in sys.argv[1:]:\n _, a, t = line.split()\n"
    script += " s = socket.socket(); s.settimeout(0.3); s.bind((a, 0))\n"
    script += " try: s.connect((t, 80)); print('through')\n except OSError: print('no')\n"
    result = lab.run(
        "run", *filtered(f"tcp://{WEB}:80"), "--cap-add", "NET_ADMIN", "--",
        "bash", "-c", steal + 'exec python3 -c "$@"', "bash", script, *tries,
    )  # fmt: skip
    assert lxe.stdout_of(result).split() == ["no", "no"]


SERVE = """
import socket
import struct
s = socket.create_server(("", 80))
print("up", flush=True)
while True:
    with s.accept()[0] as c:
        c.send(b"inside")
"""


@contextlib.contextmanager
def running(lab, options, *command):
    """A sandbox that has said "up", and is ended at the end of the block."""
    process = lab.popen("run", *options, "--", *command, stdin=subprocess.PIPE)
    with process:
        try:
            line = process.stdout.readline()
            assert line == b"up\n", process.stderr.read() if not line else line
            yield process
        finally:
            process.stdin.close()
            process.terminate()
            process.wait(lxe.DEADLINE)


WAIT = ("sh", "-c", "echo up; cat")


def address_of_one(lab):
    """The addresses of the one sandbox that there is: its own, and the host's end of it."""
    (link,) = [name for name in lab.host.links() if name.startswith("lxe")]
    gateway = re.search(r"inet ([\d.]+)/30", lab.host.run("ip", "-4", "addr", "show", link))[1]
    return re.sub(r"\d+$", lambda last: str(int(last[0]) + 1), gateway), gateway


SUBNETS = [[], ["--subnet", "10.99.0.0/24"]]


@pytest.mark.parametrize("subnet", SUBNETS)
def test_neighbours_cannot_reach_each_other_and_are_told_so(lab, subnet, tmp_path):
    record = tmp_path / "record"
    options = ["--network", "open"]
    with running(lab, [*options, *subnet], "python3", "-c", SERVE):
        address, gateway = address_of_one(lab)
        tries = (f"tcp {address} 80", f"tcp {gateway} 80")
        assert speak(lab, [*options, "--result", str(record)], *tries) == ["refused"] * 2
        first, _ = json.loads(record.read_text())["blocked"]
        assert (first["direction"], first["destination"]) == ("out", address)
        assert first["hint"] == "sandboxes do not reach each other"


@pytest.mark.parametrize("subnet", SUBNETS)
def test_a_neighbour_that_came_later_is_not_reached_either_and_is_told(lab, subnet):
    """Its rules are met first: it is they that refuse. Whatever subnets the two have."""
    lxe.ok(lab.run("create", "--network", "open", *subnet, "first", "--", "sleep", "1000"))
    lxe.ok(lab.run("start", "first"))
    before = lab.host.links()
    with running(lab, ["--network", "open", "--name", "later"], "python3", "-c", SERVE):
        (link,) = set(lab.host.links()) - set(before)
        gateway = re.search(r"inet ([\d.]+)/30", lab.host.run("ip", "-4", "addr", "show", link))[1]
        address = re.sub(r"\d+$", lambda last: str(int(last[0]) + 1), gateway)
        tries = words(f"tcp {address} 80", f"udp {address} 53")
        assert lxe.stdout_of(lab.run("exec", "first", "--", *tries)).split() == ["refused"] * 2
        hint = "sandboxes do not reach each other"
        wanted = {("in", "tcp", address, 80, hint), ("in", "udp", address, 53, hint)}

        def told():
            listed = json.loads(lxe.stdout_of(lab.run("inspect", "later")))["blocked"]
            return {(b["direction"], b["protocol"], b["destination"], b["port"], b["hint"]) for b in listed}

        lxe.poll_until(lambda: told() == wanted, what="what the later one did not let in")
    lxe.ok(lab.run("destroy", "--force", "first"))


FORGE = """
import socket, struct, sys
# An error of ICMP about a packet over UDP: what it says of whom.
def add(words):
    total = sum(struct.unpack("!%dH" % (len(words) // 2), words))
    return ~((total & 0xffff) + (total >> 16)) & 0xffff
def error(code, mtu, source, sport, target, tport):
    inner = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, 0, 0x4000, 64, 17, 0,
                        socket.inet_aton(source), socket.inet_aton(target))
    inner = inner[:10] + struct.pack("!H", add(inner)) + inner[12:]
    inner += struct.pack("!HHHH", sport, tport, 8, 0)
    text = struct.pack("!BBHHH", 3, code, 0, 0, mtu) + inner
    return text[:2] + struct.pack("!H", add(text)) + text[4:]
print("up", flush=True)
for line in sys.stdin:
    source, sport, target, tport = line.split()
    for code, mtu in ((4, 600), (3, 0)):
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as s:
            s.sendto(error(code, mtu, source, int(sport), target, int(tport)), (source, 0))
    print("sent", flush=True)
"""


def flow():
    """A connection over UDP that has been answered."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(lxe.DEADLINE)
    sock.connect((OTHER, 53))
    sock.send(b"one")
    sock.recv(100)
    return sock


def test_no_error_is_told_of_anothers_connection(lab):
    """The host's sockets would believe that they are refused, and its routes that they are narrow."""
    options = [*filtered(), "--cap-add", "NET_RAW"]
    with running(lab, options, "python3", "-c", FORGE) as process, lab.host.call(flow) as sock:
        process.stdin.write(f"{netlab.HOST4} {sock.getsockname()[1]} {OTHER} 53\n".encode())
        process.stdin.flush()
        assert process.stdout.readline() == b"sent\n"
        sock.send(b"two")
        assert b"two" in sock.recv(100)
        assert "mtu 600" not in lab.host.run("ip", "route", "get", OTHER)


NARROW = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.setsockopt(socket.IPPROTO_IP, 10, 2)
s.connect((sys.argv[1], 53))
try:
    s.send(bytes(1400))
    s.recv(100)
except OSError:
    pass
print(s.getsockopt(socket.IPPROTO_IP, 14))
s.connect((sys.argv[1], 9))
try:
    s.send(b"x")
    s.recv(100)
except ConnectionRefusedError:
    print("refused")
"""


def test_errors_of_its_own_connections_pass(lab):
    """A path that is narrow, a port that is closed, outside and inside."""
    lab.host.ip("link set inet0 mtu 1300")
    try:
        result = lab.run("run", *filtered(f"udp://{WEB}"), "--", "python3", "-c", NARROW, WEB)
        assert lxe.stdout_of(result).split() == ["1300", "refused"]
    finally:
        lab.host.ip("link set inet0 mtu 1500")

    def ask():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(lxe.DEADLINE)
            sock.connect((netlab.HOST4, 5353))
            sock.send(b"x")
            with pytest.raises(ConnectionRefusedError):
                sock.recv(100)

    with running(lab, ["--publish", "5353:53/udp"], *WAIT):
        lab.inet.call(ask)


def test_exec_into_a_sandbox_with_a_network(lab):
    lxe.ok(lab.run("create", *filtered(f"tcp://{WEB}:80"), "web", "--", "sleep", "1000"))
    lxe.ok(lab.run("start", "web"))
    result = lab.run("exec", "web", "--", *words(f"tcp {WEB} 80", f"tcp {OTHER} 80"))
    assert lxe.stdout_of(result).splitlines() == [f"tcp 80 {WEB} hello", "refused"]
    lxe.ok(lab.run("destroy", "--force", "web"))


def test_others_forwarding_policy_does_not_matter(lab):
    """As Docker leaves a host: FORWARD drops what nobody has allowed, and there are chains of others."""
    lab.host.run("iptables", "-N", "DOCKER-USER")
    lab.host.run("iptables", "-A", "FORWARD", "-j", "DOCKER-USER")
    lab.host.run("iptables", "-P", "FORWARD", "DROP")
    before = lab.host.all_rules()
    try:
        said = speak(lab, filtered(f"tcp://{WEB}:80"), f"tcp {WEB} 80", f"tcp {OTHER} 80")
        assert said == [f"tcp 80 {WEB} hello", "refused"]
        assert lab.host.all_rules() == before
    finally:
        lab.host.run("iptables", "-P", "FORWARD", "ACCEPT")
        lab.host.run("iptables", "-F", "FORWARD")
        lab.host.run("iptables", "-X", "DOCKER-USER")


def bridge(lab):
    """A bridge of another engine's: br0 on the host, and two of its containers, as namespaces."""
    lab.host.ip("link add br0 type bridge", "link set br0 up", "addr add 203.0.113.129/25 dev br0")
    lab.inet.ip(f"route del local {netlab.NET4} dev lo", "route add local 203.0.113.0/25 dev lo")
    both = [lab.namespace(f"{lab.host.name}-{n}") for n in ("p", "q")]
    for n, (space, port) in enumerate(zip(both, ("port0", "port1"))):
        space.ip(
            f"link add up0 type veth peer name {port} netns {lab.host.name}",
            "link set up0 up",
            f"addr add 203.0.113.{130 + n}/25 dev up0",
            "route add default via 203.0.113.129",
        )
        lab.host.ip(f"link set {port} master br0 up")
    return both


@pytest.mark.parametrize("netfilter", [0, 1])
def test_with_and_without_br_netfilter(netfilter):
    """What crosses a bridge of the host's goes through its rules or not: ours hold, and are in nobody's way."""
    with netlab.NetLab() as lab:
        one, two = bridge(lab)
        lab.host.sysctl("net/bridge/bridge-nf-call-iptables", netfilter)
        lab.tcp(one, 7000)
        lab.tcp(lab.inet, 80)
        lab.host.run("iptables", "-I", "FORWARD", "-s", "203.0.113.131", "-d", "203.0.113.130")
        rules = lab.host.all_rules()
        there = "203.0.113.130"
        with running(lab, filtered(f"tcp://{WEB}:80"), *WAIT):
            assert two.call(is_reached, there), "two others on one bridge"
            assert lab.host.call(is_reached, there)
            said = speak(lab, filtered(f"tcp://{WEB}:80"), f"tcp {WEB} 80", f"tcp {OTHER} 80", f"tcp {there} 7000")
            assert said == [f"tcp 80 {WEB} hello", "refused", "refused"]
            said = speak(lab, filtered(f"tcp://{there}:7000"), f"tcp {there} 7000", f"tcp 203.0.113.131 7000")
            assert said == [f"tcp 7000 {there} hello", "refused"]
        counted = lab.host.run("iptables", "-vnxL", "FORWARD", "1").split()
        assert (int(counted[0]) > 0) == bool(netfilter), "did what crosses the bridge meet the rules?"
        assert lab.host.all_rules() == rules
        lab.host.run("iptables", "-D", "FORWARD", "1")
        lab.assert_clean()


def test_forwarding_is_as_it_was(lab):
    files = [f"net/ipv{v}/conf/{name}/forwarding" for v in (4, 6) for name in ("all", "default", "inet0")]
    files.append("net/ipv6/conf/inet0/force_forwarding")  # Linux 6.17
    files = [file for file in files if lab.host.call(os.path.exists, f"/proc/sys/{file}")]
    before = {file: lab.host.sysctl(file) for file in files}
    assert before["net/ipv4/conf/inet0/forwarding"] == "0"
    with running(lab, ["--network", "open"], *WAIT):
        assert lab.host.sysctl("net/ipv4/conf/inet0/forwarding") == "1"
        assert lab.host.sysctl("net/ipv4/ip_forward") == "0"
        speak(lab, filtered(f"tcp://{WEB}:80"), f"tcp {WEB} 80")
        assert lab.host.sysctl("net/ipv4/conf/inet0/forwarding") == "1", "there is still another one"
    assert {file: lab.host.sysctl(file) for file in files} == before


def test_an_uplink_that_changes_takes_a_new_start_and_is_no_way_out():
    """What began before does not get out by a device that it does not know; what begins now does."""
    with netlab.NetLab() as lab:
        lab.tcp(lab.inet, 80)
        lxe.ok(lab.run("create", *filtered("*"), "old", "--", "sleep", "1000"))
        lxe.ok(lab.run("start", "old"))
        lab.inet.ip(
            f"link add host1 type veth peer name inet1 netns {lab.host.name}",
            "link set host1 up",
            f"addr del {netlab.INET4}/24 dev host0",
            f"addr add {netlab.INET4}/24 dev host1",
        )
        lab.host.ip(
            "link set inet1 up",
            f"addr del {netlab.HOST4}/24 dev inet0",
            f"addr add {netlab.HOST4}/24 dev inet1",
            f"route add default via {netlab.INET4}",
        )
        tries = words(f"tcp {WEB} 80")
        assert lxe.stdout_of(lab.run("exec", "old", "--", *tries)) == "refused\n"
        assert speak(lab, filtered(f"tcp://{WEB}:80"), f"tcp {WEB} 80") == [f"tcp 80 {WEB} hello"]
        assert lxe.stdout_of(lab.run("exec", "old", "--", *tries)) == "refused\n"
        lxe.ok(lab.run("destroy", "--force", "old"))
        assert lab.host.sysctl("net/ipv4/conf/inet1/forwarding") == "0"
        lab.assert_clean()


def is_reached(address):
    try:
        with socket.create_connection((address, 7000), 0.3) as sock:
            sock.send(b"x")
            return bool(sock.recv(100))
    except OSError:
        return False


def test_the_host_is_no_router_for_its_neighbours():
    """What comes in by a device that forwards for a sandbox's sake, and is for a network behind the host."""
    with netlab.NetLab() as lab:
        behind = lab.namespace(f"{lab.host.name}-b")
        behind.ip(
            f"link add up0 type veth peer name down0 netns {lab.host.name}",
            "link set up0 up",
            "addr add 203.0.113.130/25 dev up0",
            "addr add 2001:db8:3::2/64 dev up0 nodad",
            "route add default via 203.0.113.129",
        )
        lab.host.ip(
            "link set down0 up",
            "addr add 203.0.113.129/25 dev down0",
            "addr add 2001:db8:3::1/64 dev down0 nodad",
        )
        behind.ip("route add default via 2001:db8:3::1")
        lab.inet.ip(
            f"route del local {netlab.NET4} dev lo",
            "route add local 203.0.113.0/25 dev lo",
            f"route add 203.0.113.128/25 via {netlab.HOST4}",
            f"route add 2001:db8:3::/64 via {netlab.HOST6}",
        )
        addresses = ("203.0.113.130", "2001:db8:3::2")
        for address, anywhere in zip(addresses, ("0.0.0.0", "::")):
            lab.tcp(behind, 7000, anywhere)
            assert lab.host.call(is_reached, address)
        lab.tcp(lab.inet, 80)
        with running(lab, ["--network", "open"], *WAIT):
            assert speak(lab, filtered(f"tcp://{WEB}:80"), f"tcp {WEB} 80") == [f"tcp 80 {WEB} hello"]
            assert [lab.inet.call(is_reached, address) for address in addresses] == [False, False]
        lab.assert_clean()
        # He for whom forwarding is on already is a router, and stays one.
        lab.host.sysctl("net/ipv4/ip_forward", 1)
        with running(lab, ["--network", "open"], *WAIT):
            assert lab.inet.call(is_reached, addresses[0])


def test_forwarding_that_somebody_else_switches_on_stays(lab):
    with running(lab, ["--network", "open"], *WAIT):
        lab.host.sysctl("net/ipv4/ip_forward", 1)
    try:
        assert lab.host.sysctl("net/ipv4/conf/inet0/forwarding") == "1"
    finally:
        lab.host.sysctl("net/ipv4/ip_forward", 0)


def test_a_subnet_that_the_host_uses_is_refused(lab):
    result = lab.run("run", "--network", "open", "--subnet", "198.51.100.128/25", "--", "true")
    lxe.refusal(result, 125, r"collides with the host's route to 198\.51\.100\.0/24 on inet0")


def test_the_usual_subnet_gives_way(lab):
    lab.host.ip("route add 10.213.0.0/17 via 198.51.100.1")
    try:
        result = lab.run("run", *filtered(f"tcp://{WEB}:80"), "--", "cat", "/proc/net/route")
        assert "10.213" not in lxe.stdout_of(result)
        assert speak(lab, filtered(f"tcp://{WEB}:80"), f"tcp {WEB} 80") == [f"tcp 80 {WEB} hello"]
    finally:
        lab.host.ip("route del 10.213.0.0/17")


def test_a_full_subnet_is_refused(lab):
    options = ["--network", "open", "--subnet", "203.0.113.248/29"]
    with running(lab, options, *WAIT), running(lab, options, *WAIT):
        result = lab.run("run", *options, "--", "true")
        lxe.refusal(result, 125, r"the subnet 203\.0\.113\.248/29 is full: 2 sandboxes")


def test_the_legacy_variant_of_iptables():
    with netlab.NetLab() as lab:
        lab.tcp(lab.inet, 80)
        lab.legacy()
        said = speak(
            lab, filtered(f"tcp://{WEB}:80", f"tcp://[{WEB6}]:80"), f"tcp {WEB} 80", f"tcp {OTHER} 80"
        )
        assert said == [f"tcp 80 {WEB} hello", "refused"]
        with running(lab, filtered(f"tcp://{WEB}:80"), *WAIT):
            assert "LXE-" in lab.host.rules("iptables-legacy-save", "ip6tables-legacy-save")
            assert "LXE-" not in lab.host.rules("iptables-nft-save", "ip6tables-nft-save")
        lab.assert_clean()


# What fails, fails whole.

TOOLS = ("iptables-restore", "ip6tables-restore")


@pytest.mark.parametrize("missing", TOOLS)
def test_a_missing_tool(lab, missing):
    lab.tools({missing: None})
    result = lab.run("run", "--network", "open", "--", "true")
    lxe.refusal(result, 125, rf"'{missing}' is not installed.*\nhint: .*apt-get install iptables")


@pytest.mark.parametrize("broken", TOOLS)
def test_a_tool_that_fails_half_way(lab, broken):
    """It takes the first half of its transaction, and then fails, as it would with a rule it does not know."""
    names = {name: f"/usr/sbin/xtables-nft-multi {name}" for name in TOOLS}
    text = f"#!/bin/sh\nhead -n 4 >{lab.world.base}/half\n(cat {lab.world.base}/half; echo COMMIT) |"
    text += f" {names[broken]} --noflush >/dev/null 2>&1\n"
    text += f"echo '{broken} v1.8.9: line 5 failed: No chain/target/match by that name.' >&2\nexit 1\n"
    lab.tools({broken: str(lab.script(f"broken-{broken}", text))})
    result = lab.run("run", "--network", "open", "--", "true")
    lxe.refusal(result, 125, rf"{broken} v1\.8\.9: line 5 failed: No chain")


def test_ten_thousand_rules(lab):
    rules = [word for n in range(10000) for word in ("--allow", f"tcp://10.{n >> 8}.{n & 255}.1:{n + 1}")]
    lxe.ok(lab.run("run", "--network", "filtered", *rules, "--", "true"))


# Whoever is killed.


def test_a_killed_keeper_leaves_nothing(lab):
    with running(lab, filtered(f"tcp://{WEB}:80"), *WAIT) as process:
        lxe.kill(lab.world.keeper())
        assert process.wait(lxe.DEADLINE) == 125
    lab.assert_clean()


def network_helper_of(keeper):
    pids = Path(f"/proc/{keeper}/task/{keeper}/children").read_text(encoding="ascii").split()
    (pid,) = [int(pid) for pid in pids if Path(f"/proc/{pid}/comm").read_text(encoding="ascii") == "lxc-exec-net\n"]
    return pid


def test_what_waits_to_take_the_network_back_holds_nothing(lab):
    with running(lab, filtered(f"tcp://{WEB}:80", "*.example"), *WAIT):
        pid = network_helper_of(lab.world.keeper())
        fds = {fd.name: os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()}
        memory = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    socket_of_keeper = fds.pop("3")
    assert socket_of_keeper.startswith("socket:") and fds == dict.fromkeys("012", "/dev/null"), fds
    assert lxe.IS_ASAN or int(re.search(r"^Anonymous: +(\d+) kB$", memory, re.M)[1]) < 400, memory


def test_a_killed_keeper_takes_it_along(lab):
    with running(lab, filtered(f"tcp://{WEB}:80"), *WAIT) as process:
        helper = os.pidfd_open(network_helper_of(lab.world.keeper()))
        lxe.kill(lab.world.keeper())
        assert process.wait(lxe.DEADLINE) == 125
        assert select.select([helper], [], [], lxe.DEADLINE)[0]
        os.close(helper)


def test_another_one_takes_the_network_back_when_it_is_killed(lab):
    with running(lab, filtered(f"tcp://{WEB}:80", "*.example"), *WAIT) as process:
        keeper = lab.world.keeper()
        lxe.kill(network_helper_of(keeper))
        process.stdin.close()
        assert process.wait(lxe.DEADLINE) == 0


def test_what_a_killed_sandbox_has_left_is_in_nobodys_way(lab):
    with running(lab, filtered(f"tcp://{WEB}:80"), *WAIT) as process:
        keeper = lab.world.keeper()
        lxe.kill(process.pid)
        lxe.kill(keeper)
    assert speak(lab, filtered(f"tcp://{WEB}:80"), f"tcp {WEB} 80") == [f"tcp 80 {WEB} hello"]
    lab.run("gc")
    lab.assert_clean()


def kill_both(client, keeper):
    """At one moment: a keeper whose client has ended begins to remove things at once."""
    os.kill(keeper, signal.SIGSTOP)
    lxe.kill(client)
    lxe.kill(keeper)


def test_gc_that_sees_no_processes_removes_what_is_dead_and_nothing_else(lab):
    """The lock says who lives: it is the same from every pid namespace."""
    elsewhere = ["unshare", "--pid", "--fork", "--mount-proc", lab.world.binary, "gc"]
    lxe.ok(lab.run("create", *filtered(f"tcp://{WEB}:80"), "lives", "--", "sleep", "1000"))
    lxe.ok(lab.run("start", "lives"))
    before = set(lab.world.keepers())
    with running(lab, filtered(f"tcp://{WEB}:80"), *WAIT) as process:
        (keeper,) = set(lab.world.keepers()) - before
        kill_both(process.pid, keeper)
    assert len(set(re.findall("LXE-[0-9a-f]{8}", lab.host.rules()))) == 2
    result = subprocess.run(elsewhere, env=lab.world.env(), preexec_fn=lab.enter, capture_output=True, check=False)
    assert result.returncode == 0 and not result.stderr, result.stderr
    devices = [name for name in lab.host.links() if name.startswith("lxe")]
    assert len(devices) == 1 and len(set(re.findall("LXE-[0-9a-f]{8}", lab.host.rules()))) == 1
    said = lxe.stdout_of(lab.run("exec", "lives", "--", *words(f"tcp {WEB} 80", f"tcp {OTHER} 80"))).splitlines()
    assert said == [f"tcp 80 {WEB} hello", "refused"]
    lxe.ok(lab.run("destroy", "--force", "lives"))


def test_gc_that_cannot_know_whether_a_namespace_is_gone_leaves_what_is_in_it(lab):
    """Without a name, and only processes that gc does not see would be in it."""
    with running(lab, filtered(f"tcp://{WEB}:80"), *WAIT) as process:
        keeper = lab.world.keeper()
        kill_both(process.pid, keeper)
    lxe.poll_until(lambda: not any(lab.world.our_processes()), what="the end of what the keeper has left")
    before = lab.host.all_rules()
    assert "LXE-" in before
    script = f"mount -t tmpfs none /run/netns && exec {lab.world.binary} gc"
    blind = ["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", script]
    options = {"env": lab.world.env(), "preexec_fn": lab.inet.enter, "capture_output": True, "timeout": lxe.DEADLINE}
    for _ in range(2):
        said = subprocess.run(blind, **options, check=False)
        assert said.returncode == 125 and b"whether its network namespace is gone" in said.stderr, said
        assert lab.host.all_rules() == before
    lxe.ok(lab.run("gc"))
    lab.assert_clean()


def test_a_tool_that_outlives_its_keeper_is_waited_for(lab):
    """It holds the sandbox's lock: one gc is enough all the same."""
    begun = lab.world.base / "begun"
    # What a tool has started itself does not die with the keeper.
    text = f"#!/bin/sh\nsleep 0.4 &\necho >{begun}\nwait\n"
    lab.tools({"iptables-restore": str(lab.script("slow", text))})
    process = lab.popen("run", *filtered(f"tcp://{WEB}:80"), "--", "true")
    lxe.poll_until(begun.exists, what="the tool")
    keeper = lab.world.keeper()
    lxe.kill(process.pid)
    lxe.kill(keeper)
    process.wait(lxe.DEADLINE)
    lab.binds.pop()
    assert lab.world.ids & set(lxe.stdout_of(lab.run("gc")).split())
    lab.assert_clean()


@contextlib.contextmanager
def held_up(lab):
    """A run that leads: its iptables-restore waits, and fails when it is let go. What comes later is the real one."""
    begun, go = lab.world.base / "leader-begun", lab.world.base / "leader-go"
    os.mkfifo(go)
    way = os.open(go, os.O_RDWR)
    text = f"#!/bin/sh\nif [ ! -e {begun} ]; then : >{begun}; read line <{go}; exit 1; fi\n"
    lab.tools({"iptables-restore": str(lab.script("held-up", f'{text}exec /usr/sbin/iptables-nft-restore "$@"\n'))})
    try:
        with lab.popen("run", *filtered(f"tcp://{WEB}:80"), "--", *words(f"tcp {WEB} 80")) as leader:
            lxe.poll_until(begun.exists, what="the tool")
            yield leader, lambda: os.write(way, b"\n")
    finally:
        os.close(way)
        lab.binds.pop()
        begun.unlink()
        go.unlink()


RECVMSG = {"x86_64": "47", "aarch64": "212"}[platform.machine()]


def waiting(lab):
    """Those who have sent their rules to who leads, and wait for the answer: not for a question, which comes as 3."""
    mark, found = os.fsencode(str(lab.world.base)), []
    for pid in lxe.all_pids():
        if lxe.read_proc(pid, "comm") == b"lxc-exec-net\n" and mark in lxe.read_proc(pid, "environ"):
            call = lxe.read_proc(pid, "syscall").decode().split()
            found += [pid] if call[:1] == [RECVMSG] and call[1] != "0x3" else []
    return found


@contextlib.contextmanager
def queued_behind(lab):
    """Another run, of which the keeper is given as well."""
    before = set(lab.world.keepers())
    with lab.popen("run", *filtered(f"tcp://{OTHER}:80"), "--", *words(f"tcp {OTHER} 80", f"tcp {WEB} 80")) as process:
        lxe.poll_until(lambda: waiting(lab), what="its rules in the queue")
        (keeper,) = set(lab.world.keepers()) - before
        yield process, keeper


def said_by(process):
    said, _ = process.communicate(timeout=lxe.DEADLINE)
    assert process.returncode == 0
    return said.decode().split("\n")[:-1]


@pytest.mark.parametrize("how", ["fails", "killed"])
def test_who_waits_for_a_leader_that_does_not_do_it_does_it_himself(lab, how):
    with held_up(lab) as (leader, let_go):
        keeper = lab.world.keeper()
        with queued_behind(lab) as (waits, _):
            if how == "killed":
                kill_both(leader.pid, keeper)
            else:
                let_go()
            assert said_by(waits) == [f"tcp 80 {OTHER} hello", "refused"]
        if how == "fails":
            assert said_by(leader) == [f"tcp 80 {WEB} hello"]
    if how == "killed":
        assert lxe.stdout_of(lab.run("gc"))
    lab.assert_clean()


def test_who_is_killed_while_he_waits_has_no_rules_when_gc_has_ended(lab):
    with held_up(lab) as (leader, let_go):
        with queued_behind(lab) as (waits, keeper):
            kill_both(waits.pid, keeper)
            waits.communicate(timeout=lxe.DEADLINE)
        lxe.poll_until(lambda: not waiting(lab), what="the end of who waited")
        with lab.popen("gc", stdout=subprocess.PIPE) as gc:
            lxe.poll_until(lambda: waiting(lab), what="gc, which waits for the leader")
            let_go()
            assert gc.communicate(timeout=lxe.DEADLINE)[0] and gc.returncode == 0
        assert len(set(re.findall("LXE-[0-9a-f]{8}", lab.host.rules()))) <= 1
        assert said_by(leader) == [f"tcp 80 {WEB} hello"]
    lab.assert_clean()


def test_what_is_left_is_taken_back_from_another_host(lab):
    """As when it was made in a namespace of ip-netns(8), and gc runs elsewhere."""
    with running(lab, filtered(f"tcp://{WEB}:80"), *WAIT) as process:
        keeper = lab.world.keeper()
        lxe.kill(process.pid)
        lxe.kill(keeper)
    lxe.poll_until(lambda: not any(lab.world.our_processes()), what="the end of what the keeper has left")
    lxe.ok(lab.world.run("gc", preexec_fn=lab.inet.enter))
    lab.assert_clean()


def test_a_killed_client_leaves_nothing(lab):
    with running(lab, filtered(f"tcp://{WEB}:80"), *WAIT) as process:
        lxe.kill(process.pid)
    lxe.poll_until(lambda: not lab.left(), what="the end of the sandbox")


def test_many_at_once(lab):
    assert not netcrowd.crowd(lab, 20)


def sweep(module, *words):
    argv = [sys.executable, "-B", Path(module.__file__), *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=lxe.DEADLINE * 4)
    assert done.returncode == 0, done.stdout


def test_what_somebody_sends_and_cannot_be_set_is_in_nobodys_way(lab):
    bad = os.memfd_create("bad")
    os.write(bad, b"*filter\n-A LXE-00000000-E -j ACCEPT\nCOMMIT\n\f\n")
    with held_up(lab) as (leader, let_go), queued_behind(lab) as (waits, _):
        (queue,) = (lab.world.run_dir / "network").glob("*.set")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
            other.connect(str(queue))
            socket.send_fds(other, [struct.pack("i9s3x", 0, b"00000000")], [bad])
            let_go()
            with contextlib.suppress(ConnectionResetError):
                assert other.recv(64) == b""
        assert said_by(waits) == [f"tcp 80 {OTHER} hello", "refused"]
        assert said_by(leader) == [f"tcp 80 {WEB} hello"]
    os.close(bad)
    lab.assert_clean()


def test_runs_with_a_network_are_killed_at_random_moments():
    sweep(killsweep, "--network", "--seed", "7", "--count", "10")


def test_system_calls_fail_where_a_network_is_made():
    sweep(netfaults, "--seed", "3", "--points", "6")


def test_a_setting_that_cannot_be_read_is_not_one_that_there_is_not():
    """Nothing would be forwarded, and nobody would know why."""
    sweep(netfaults, "--rule", "openat:error=ENOMEM -P /proc/sys/net/ipv4/conf/inet0/forwarding")


FED = [*(f"write:error=ENOMEM:when={when}" for when in ("3", "4", "4+")), "poll:error=ENOMEM:when=1+"]


@pytest.mark.parametrize("rule", FED)
def test_a_part_of_the_rules_is_not_taken_for_all_of_them(rule):
    """iptables-restore ends well with no text at all."""
    sweep(netfaults, "--rule", rule)


def reads_ahead(lab, end):
    """A tool that reads all that it is told before it does any of it, as some versions of iptables-restore do."""
    text = f"#!/bin/sh\ntext=$(cat; echo .)\n{end}\n"
    lab.tools({"iptables-restore": str(lab.script("reads-ahead", text))})


def test_a_tool_that_has_read_all_and_does_nothing_has_failed(lab):
    reads_ahead(lab, "echo not today >&2; exit 1")
    done = lab.run("run", *filtered(f"tcp://{WEB}:80"), "--", "echo", "begun")
    assert (done.returncode, done.stdout) == (125, b"")
    assert b"set the firewall's rules: not today" in done.stderr
    lab.assert_clean()


def test_what_has_been_read_is_not_yet_in_force(lab):
    reads_ahead(lab, 'sleep 0.3; printf %s "${text%.}" | exec /usr/sbin/iptables-nft-restore "$@"')
    argv = ["run", *filtered(f"tcp://{WEB}:80"), "--", *words(f"tcp {netlab.HOST4} 8080", f"tcp {WEB} 80")]
    with contextlib.ExitStack() as stack:
        for process in [stack.enter_context(lab.popen(*argv)) for _ in range(8)]:
            assert said_by(process) == ["refused", f"tcp 80 {WEB} hello"]
    lab.assert_clean()


def test_what_a_legacy_host_has_is_seen_without_the_long_names(lab):
    """Where there is one variant alone, it is called iptables-save."""
    lab.legacy()
    names = [f"{family}{end}" for family in ("iptables", "ip6tables") for end in ("", "-restore", "-save")]
    lab.tools({name: "/usr/sbin/xtables-legacy-multi" for name in names})
    bare = lab.world.base / "sbin"
    shutil.copytree("/usr/sbin", bare, symlinks=True, ignore=shutil.ignore_patterns("*-legacy-save"))
    lab.binds.append((bare, "/usr/sbin"))
    with running(lab, filtered(f"tcp://{WEB}:80"), *WAIT) as process:
        keeper = lab.world.keeper()
        kill_both(process.pid, keeper)
    assert lxe.stdout_of(lab.run("gc"))
    lab.assert_clean()


def test_who_leads_does_not_wait_for_all_who_come(lab):
    """0.6 s for the rules of any number: of many who come one after the other."""
    each = 'while read -r line; do echo "$line"; if [ "$line" = COMMIT ]; then sleep 0.3; fi; done'
    text = f'#!/bin/sh\n{each} | /usr/sbin/iptables-nft-restore "$@"\n'
    lab.tools({"iptables-restore": str(lab.script("slow-commit", text))})
    begun, processes = time.time(), []
    with contextlib.ExitStack() as stack:
        for _ in range(12):
            processes.append(stack.enter_context(lab.popen("run", *filtered(f"tcp://{WEB}:80"), "--", "date", "+%s.%N")))
            time.sleep(0.25)
        times = [float(said_by(process)[0]) - begun for process in processes]
    assert times[0] < 2, times
    lab.assert_clean()


def test_without_a_network_nothing_of_it_is_started(lab):
    trace = lab.world.base / "trace"
    names = ("lxc-exec-net", "libmnl", "iptables", "NETLINK_NETFILTER")
    argv = ["strace", "-f", "-o", str(trace), str(lab.world.binary), "run", "--", "true"]
    subprocess.run(argv, env=lab.world.env_without_leak_check(), preexec_fn=lab.enter, check=True)
    text = trace.read_text()
    assert not [name for name in names if name in text]


def test_the_end_of_one_run_directorys_sandboxes_does_not_stop_those_of_another(lab):
    path = "net/ipv4/conf/inet0/forwarding"
    assert lab.host.sysctl(path) == "0"
    first, second = lab.world, netlab.LabWorld(lab)
    waits = ["run", *filtered(f"tcp://{WEB}:80"), "--", "bash", "-c", f"echo up; read; exec {{c}}<>/dev/tcp/{WEB}/80; echo hello >&$c; cat <&$c"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    try:
        with first.popen(*waits, **pipes) as one, second.popen(*waits, **pipes) as two:
            assert [p.stdout.readline() for p in (one, two)] == ["up\n"] * 2
            for process in (one, two):
                said, _ = process.communicate("\n", timeout=lxe.DEADLINE)
                assert said == f"tcp 80 {WEB} hello\n"
        # What the first had switched on goes with the next that ends there.
        lxe.ok(first.run("run", *filtered(WEB), "--", "true"))
        assert lab.host.sysctl(path) == "0"
    finally:
        second.close()
