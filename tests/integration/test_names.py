"""Rules that are names: the resolver of a sandbox, and the addresses that it lets through."""

import contextlib
import fcntl
import os
import re
import shutil
import signal
import subprocess

import held
import lxe
import nameserver
import netlab
import pytest
from nameserver import ADDRESS, Nameserver
from peer import Box

WEB, OTHER, PRIVATE = "203.0.113.9", "203.0.113.10", "10.77.0.1"
WEB6 = "2001:db8:2::9"

# Prints the answer of whoever listens at HOST PORT, or why there is none.
FETCH = 'if exec 3<>/dev/tcp/$1/$2; then echo hello >&3; cat <&3; else echo no; fi'
LOOK_UP = 'getent ahosts "$1" | cut -d" " -f1 | sort -u; :'


# For each word of its input: who answers at that host, or "no"; and with "env NAME", a variable.
TALKER = """
import os, socket, sys
for line in sys.stdin:
    word = line.strip()
    if word.startswith("env "):
        print(os.environ.get(word[4:]), flush=True)
        continue
    try:
        with socket.create_connection((word, int(sys.argv[1])), timeout=5) as sock:
            sock.sendall(b"hello\\n")
            print(sock.recv(100).split()[2].decode(), flush=True)
    except OSError:
        print("no", flush=True)
"""


class Names:
    def __init__(self, lab):
        self.lab = lab
        self.dns = Nameserver(lab, {})
        self.web = lab.tcp(lab.inet)
        lab.resolv_conf(f"nameserver {ADDRESS}\n")

    def run(self, *options, script="", words=()):
        """What a script of bash's puts out, with the options."""
        argv = [*options, "--", "bash", "-c", script, "bash", *map(str, words)]
        return lxe.ok(self.lab.run("run", *argv)).stdout.decode()

    def fetch(self, *options, host, port=None):
        return self.run(*options, script=FETCH, words=(host, port or self.web.port)).strip()

    @contextlib.contextmanager
    def talk(self, *options):
        """A sandbox that lives, and is asked who answers at a host."""
        argv = ["run", *options, "--", "/usr/bin/python3", "-c", TALKER, str(self.web.port)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with self.lab.popen(*argv, **pipes) as process:

            def ask(word):
                process.stdin.write(f"{word}\n")
                process.stdin.flush()
                return process.stdout.readline().strip()

            yield ask
            process.stdin.close()
            assert process.wait(lxe.DEADLINE) == 0

    def resolvers(self):
        """The dnsmasqs of this world's sandboxes."""
        found = [pid for pid in lxe.all_pids() if lxe.read_proc(pid, "comm") == b"dnsmasq\n"]
        marks = [f"lxe-{one}" for one in self.lab.world.current_ids()]
        return [pid for pid in found if any(m in lxe.read_proc(pid, "cgroup").decode() for m in marks)]

    def log(self):
        """What the keepers of sandboxes that live have noted."""
        return "".join(path.read_text() for path in self.lab.world.run_dir.glob("sandboxes/*/log"))

    def look_up(self, *options, name):
        return self.run(*options, script=LOOK_UP, words=(name,)).split()


@pytest.fixture(scope="module")
def in_a_lab():
    with netlab.NetLab() as lab:
        yield Names(lab)


@pytest.fixture
def names(in_a_lab):
    in_a_lab.dns.zone.clear()
    in_a_lab.dns.asked.clear()
    in_a_lab.dns.ttl = nameserver.TTL
    yield in_a_lab
    in_a_lab.lab.assert_clean()


def test_a_name_is_followed_and_nothing_else_is(names):
    names.dns.zone.update({"www.example": [WEB], "other.example": [OTHER]})
    ports = names.web.port, names.lab.tcp(names.lab.inet).port
    said = names.run(
        "--allow", f"tcp://www.example:{ports[0]}",
        script=f"fetch() {{ {FETCH}; }}; fetch www.example {ports[0]}; fetch www.example {ports[1]}; "
        f"fetch {OTHER} {ports[0]}; fetch other.example {ports[0]}; fetch {WEB} {ports[0]}",
    )  # fmt: skip
    answers = [line for line in said.splitlines() if line]
    assert [line.split()[0] for line in answers] == ["tcp", "no", "no", "no", "tcp"]
    assert names.dns.names() == {"www.example"}


def test_an_exact_name_is_not_those_below_it_nor_those_that_end_in_it(names):
    zone = ["www.example", "a.www.example", "example", "xwww.example"]
    names.dns.zone.update({name: [WEB] for name in zone})
    script = "".join(f"echo {name} $(getent ahosts {name} | head -1);" for name in zone)
    said = names.run("--allow", "www.example", script=script)
    assert [line for line in said.splitlines() if " " in line.strip()] == [f"www.example {WEB} STREAM www.example"]
    assert names.dns.names() == {"www.example"}


def test_a_wildcard_is_all_below_it_and_not_the_name(names):
    zone = ["example", "a.example", "b.a.example", "xexample", "example.other"]
    names.dns.zone.update({name: [WEB] for name in zone})
    script = "".join(f"echo {name} $(getent ahosts {name} | head -1);" for name in zone)
    said = names.run("--allow", "*.example", script=script)
    assert re.findall(r"(\S+) \S+ STREAM", said) == ["a.example", "b.a.example"]
    assert names.dns.names() == {"a.example", "b.a.example"}


def test_a_chain_of_cnames_ends_in_the_set_of_the_name_that_was_asked(names):
    names.dns.zone.update(
        {"www.example": ["CNAME edge.cdn"], "edge.cdn": ["CNAME node.cdn"], "node.cdn": [WEB]}
    )
    assert names.fetch("--allow", "www.example", host="www.example").endswith("hello")
    assert names.look_up("--allow", "www.example", name="edge.cdn") == []


def test_two_names_behind_one_address_that_moves(names):
    """A cache would answer for b with an address that only a's set has."""
    names.dns.zone.update({"a.example": ["CNAME x.cdn"], "b.example": ["CNAME x.cdn"], "x.cdn": [WEB]})
    fifo = names.lab.world.base / "moved"
    with names.talk("--allow", "tcp://a.example", "--allow", "tcp://b.example") as talk:
        assert [talk("a.example"), talk("b.example")] == [WEB, WEB]
        names.dns.zone["x.cdn"] = [OTHER]
        assert [talk("a.example"), talk("b.example")] == [OTHER, OTHER]
    assert not fifo.exists()


def test_an_address_changes_while_a_sandbox_lives_and_what_is_connected_stays_so(names):
    names.dns.zone["www.example"] = [WEB]
    with names.talk("--allow", "tcp://www.example") as talk:
        assert talk("www.example") == WEB
        names.dns.zone["www.example"] = [OTHER]
        assert talk("www.example") == OTHER
        assert talk(WEB) == WEB
        sets = names.lab.host.run("ipset", "save")
    found = dict(re.findall(r"^add LXE-\S+-a0-4 (\S+) timeout (\d+)", sets, re.M))
    assert set(found) == {WEB, OTHER} and all(590 <= int(left) <= 600 for left in found.values())


@pytest.mark.parametrize("address", ["127.0.0.1", "10.77.0.1", "169.254.169.254", "192.168.1.1", "0.0.0.0"])
def test_an_answer_that_leads_to_the_neighbourhood_is_refused(names, address):
    names.dns.zone.update({"evil.example": [address], "both.example": [WEB, address]})
    script = "getent ahosts evil.example; getent ahosts both.example; :"
    assert names.run("--allow", "*.example", script=script) == ""


def test_unless_a_rule_names_that_network(names):
    names.dns.zone["intern.example"] = [PRIVATE]
    rules = ["--allow", "*.example", "--allow", "10.77.0.0/16"]
    assert names.look_up(*rules, name="intern.example") == [PRIVATE]


def test_no_answer_is_good_for_longer_than_its_address_is_let_through(names):
    names.dns.zone["www.example"] = [WEB]
    names.dns.ttl = 86400
    script = r"""import socket
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(5)
    sock.connect((open("/etc/resolv.conf").read().split()[1], 53))
    sock.send(b"\0\1\1\0\0\1\0\0\0\0\0\0" + b"\3www\7example\0\0\1\0\1")
    print(int.from_bytes(sock.recv(512)[-10:-6], "big"))
    """.replace("\n    ", "\n")
    argv = ["run", "--allow", "www.example", "--", "/usr/bin/python3", "-c", script]
    assert int(lxe.ok(names.lab.run(*argv)).stdout) == 60


def test_an_answer_that_leads_to_the_host_is_refused(names):
    names.dns.zone["me.example"] = [netlab.HOST4]
    listener = names.lab.tcp(names.lab.host)
    assert names.fetch("--allow", "*.example", host="me.example", port=listener.port).endswith("no")
    assert names.fetch("--allow", "*.example", host=netlab.HOST4, port=listener.port).endswith("no")
    assert listener.heard == []


def test_addresses_of_ipv6(names):
    names.dns.zone["six.example"] = [WEB6]
    names.dns.zone["evil.example"] = ["fd00::1"]
    six = names.lab.tcp(names.lab.inet, address="::")
    said = names.fetch("--allow", "*.example", host="six.example", port=six.port)
    assert said.startswith(f"tcp {six.port} {WEB6}")
    assert names.look_up("--allow", "*.example", name="evil.example") == []


def test_another_server_cannot_be_asked_and_only_what_is_allowed_goes_upstream(names):
    names.dns.zone["www.example"] = [WEB]
    elsewhere = Nameserver(names.lab, names.dns.zone, "203.0.113.54")
    script = """import socket
    query = b"\\0\\1\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0" + b"\\3www\\7example\\0\\0\\1\\0\\1"
    def ask(server, query):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.settimeout(10)
        try:
            sock.connect((server, 53))
            sock.send(query)
            print(server, sock.recv(512)[3] & 15)
        except OSError as error:
            print(server, type(error).__name__)
    gateway = open("/etc/resolv.conf").read().split()[1]
    ask("203.0.113.53", query)
    ask("203.0.113.54", query)
    ask(gateway, query)
    for i in range(50):
        ask(gateway, query.replace(b"\\3www\\7example", b"\\3%03d\\6tunnel" % i))
    """.replace("\n    ", "\n")
    argv = ["run", "--allow", "www.example", "--", "/usr/bin/python3", "-c", script]
    lines = lxe.ok(names.lab.run(*argv)).stdout.decode().split("\n")[:-1]
    assert [line.split()[0] for line in lines[:2]] == ["203.0.113.53", "203.0.113.54"]
    assert all(line.endswith("Error") for line in lines[:2]), lines[:2]
    assert lines[2].endswith(" 0") and [line.split()[1] for line in lines[3:]] == ["3"] * 50
    assert names.dns.asked == [("www.example", 1)] and elsewhere.asked == []


ASK_AT = """
import socket, sys
query = bytes.fromhex(sys.argv[2])
for kind, said in ((socket.SOCK_DGRAM, query), (socket.SOCK_STREAM, len(query).to_bytes(2, "big") + query)):
    with socket.socket(socket.AF_INET, kind) as s:
        s.settimeout(0.3)
        try:
            s.connect((sys.argv[1], 53))
            s.send(said)
            print("answered" if s.recv(100) else "closed")
        except OSError as e:
            print("no")
"""


def test_a_resolver_answers_its_own_sandbox_alone(names):
    """Whoever else asks would fill its sets, and learn what it may reach."""
    lab = names.lab
    names.dns.zone["www.example"] = [WEB]
    query = b"\0\1\1\0\0\1\0\0\0\0\0\0" + nameserver.encode_name("www.example") + b"\0\1\0\1"
    options = ["--allow", "www.example", "--subnet", "10.99.0.0/24"]
    lab.inet.ip(f"route add 10.99.0.0/24 via {netlab.HOST4}")
    try:
        with lab.popen("run", *options, "--", "cat", stdin=-1, stdout=-1) as process:
            process.stdin.write(b"up\n")
            process.stdin.flush()
            assert process.stdout.readline() == b"up\n"
            (link,) = [name for name in lab.host.links() if name.startswith("lxe")]
            gateway = re.search(r"inet ([\d.]+)/30", lab.host.run("ip", "-4", "addr", "show", link))[1]
            words = ["/usr/bin/python3", "-c", ASK_AT, gateway, query.hex()]
            for asker in (lab.inet, lab.host):
                assert asker.run(*words).split() == ["no", "no"], asker.name
            for rule in (["--network", "open"], ["--allow", "10.99.0.0/24"]):
                assert lxe.stdout_of(lab.run("run", *rule, "--", *words)).split() == ["no", "no"]
            assert not names.dns.asked
            process.communicate()
    finally:
        lab.inet.ip("route del 10.99.0.0/24")


def test_a_question_over_tcp_opens_the_address_as_well(names):
    names.dns.zone["www.example"] = [WEB]
    script = r"""import socket, sys
    query = b"\0\1\1\0\0\1\0\0\0\0\0\0" + b"\3www\7example\0\0\1\0\1"
    gateway = open("/etc/resolv.conf").read().split()[1]
    with socket.create_connection((gateway, 53), timeout=5) as sock:
        sock.sendall(len(query).to_bytes(2, "big") + query)
        assert sock.recv(512).endswith(socket.inet_aton(sys.argv[1]))
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5) as sock:
        sock.sendall(b"hello\n")
        print(sock.recv(100).decode())
    """.replace("\n    ", "\n")
    argv = ["run", "--allow", "www.example", "--", "/usr/bin/python3", "-c", script, WEB, str(names.web.port)]
    assert lxe.ok(names.lab.run(*argv)).stdout.startswith(b"tcp ")


def test_what_is_blocked_has_its_name_and_the_option_that_would_allow_it(names):
    names.dns.zone.update({"www.example": ["CNAME x.cdn"], "x.cdn": [WEB], "api.example": [WEB]})
    script = f"echo >/dev/tcp/www.example/{names.web.port}; getent ahosts api.example"
    argv = ["-v", "--allow", "tcp://www.example:443", "--", "bash", "-c", script]
    said = names.lab.run("run", *argv).stderr.decode()
    assert f"blocked: tcp {WEB}:{names.web.port}, once: --allow tcp://www.example:{names.web.port}\n" in said
    assert re.search("blocked: dns api.example, [^:]*: --allow api.example\n", said)


def test_a_name_and_those_below_it_can_have_ports_of_their_own(names):
    names.dns.zone.update({"git.example": [WEB], "x.git.example": [OTHER], "y.example": ["203.0.113.11"]})
    ssh = names.lab.tcp(names.lab.inet)
    script = (
        f"fetch() {{ {FETCH}; }}; for name in git.example x.git.example y.example; do "
        f"for port in {ssh.port} {names.web.port}; do fetch $name $port | cut -d' ' -f1; done; done"
    )
    rules = ["--allow", f"tcp://git.example:{ssh.port}", "--allow", f"tcp://*.example:{names.web.port}"]
    assert names.run(*rules, script=script).split() == ["tcp", "tcp", "no", "tcp", "no", "tcp"]


def test_without_names_there_is_no_resolver(names):
    said = names.run("--allow", "203.0.113.9", script="cat /etc/resolv.conf")
    assert said.startswith("# ") and "nameserver" not in said
    said = names.run("--allow", f"udp://{ADDRESS}:53", script="cat /etc/resolv.conf")
    assert said == f"nameserver {ADDRESS}\n"


def test_where_the_network_is_open_the_hosts_servers_are_asked(names):
    names.dns.zone["www.example"] = [WEB]
    script = "cat /etc/resolv.conf; getent ahosts www.example | head -1"
    said = names.run("--network", "open", script=script)
    assert said.startswith(f"nameserver {ADDRESS}\n{WEB} ")


def test_a_name_that_is_denied(names):
    names.dns.zone.update({"bad.example": [WEB], "good.example": [OTHER]})
    script = (
        f"fetch() {{ {FETCH}; }}; for host in {WEB} bad.example good.example; do "
        f"fetch $host {names.web.port} | cut -d' ' -f1; done"
    )
    options = ["--network", "open", "--deny-net", "bad.example"]
    assert names.run(*options, script=script).split() == ["no", "no", "tcp"]
    with names.talk(*options) as talk:
        names.dns.zone["bad.example"] = ["203.0.113.12"]
        assert [talk("bad.example"), talk("203.0.113.12"), talk(OTHER)] == ["no", "no", OTHER]


def test_a_name_that_is_denied_stays_so_by_way_of_one_that_is_allowed(names):
    names.dns.zone.update({"bad.example": [WEB], "www.example": ["CNAME bad.example"], "other.example": [WEB, OTHER]})
    options = ["--allow", "www.example", "--allow", "*.example", "--deny-net", "bad.example"]
    with names.talk(*options) as talk:
        assert [talk("www.example"), talk(WEB), talk("bad.example")] == ["no", "no", "no"]
        assert talk("other.example") in (OTHER, "no") and talk(OTHER) == OTHER


def test_a_name_that_is_denied_and_has_no_address_fails_the_start(names):
    result = names.lab.run("run", "--network", "open", "--deny-net", "nowhere.example", "--", "true")
    assert result.returncode == 125
    assert b"--deny-net 'nowhere.example': the name cannot be resolved" in result.stderr
    assert b"hint:" in result.stderr


def test_a_resolver_that_is_killed_takes_the_names_with_it(names):
    names.dns.zone["www.example"] = [WEB]
    with names.talk("--allow", "tcp://www.example") as talk:
        assert talk("www.example") == WEB
        for pid in names.resolvers():
            lxe.kill(pid)
        assert talk("www.example") == "no"
        assert talk(WEB) == WEB
        lxe.poll_until(names.log, what="a note of it in the sandbox's log")
        assert "no name is known inside any more" in names.log()


def test_a_proxy_by_name(names):
    names.dns.zone["proxy.example"] = [WEB]
    script = (
        'echo "$http_proxy $HTTPS_PROXY $no_proxy"; getent hosts proxy.example; cat /etc/resolv.conf; '
        f"fetch() {{ {FETCH}; }}; fetch proxy.example {names.web.port}; fetch {OTHER} {names.web.port}"
    )
    url = f"http://proxy.example:{names.web.port}"
    lines = names.run("--proxy", url, script=script).splitlines()
    assert lines[0].startswith(f"{url} {url} localhost")
    assert lines[1].split() == [WEB, "proxy.example"] and lines[2].startswith("# ")
    assert lines[3] == f"tcp {names.web.port} {WEB} hello" and lines[4:] == ["no"]


def test_a_proxys_password_is_seen_inside_alone(names):
    names.dns.zone["proxy.example"] = [PRIVATE]
    url = f"http://me:geheim@proxy.example:{names.web.port}"
    source = names.lab.world.base / "proxy"
    source.write_text(url + "\n")
    source.chmod(0o600)
    with names.talk("--proxy", f"file:{source}") as talk:
        assert talk("env https_proxy") == url
        words = [lxe.read_proc(pid, "cmdline") for pid in lxe.all_pids()]
        assert not [one for one in words if b"geheim" in one]
        assert not [path for path in readable_by_all(names.lab.world.base) if b"geheim" in path.read_bytes()]


def readable_by_all(directory):
    return [path for path in directory.rglob("*") if path.is_file() and path.stat().st_mode & 0o004]


def test_a_proxy_that_cannot_be_found_fails_the_start(names):
    result = names.lab.run("run", "--proxy", "http://nowhere.example:3128", "--", "true")
    assert result.returncode == 125 and b"'nowhere.example': the name cannot be resolved" in result.stderr


@pytest.fixture
def another_host(names):
    """The lab with other programs or files where the host has its own; as it was, behind the test."""
    lab, number = names.lab, len(names.lab.binds)

    def put(path, text):
        mode = 0o755 if text.startswith("#!") else 0o644
        file = lab.world.base / f"other{len(lab.binds)}"
        file.write_text(text)
        file.chmod(mode)
        lab.binds.append((file, path))

    yield put
    del lab.binds[number:]


@pytest.mark.parametrize("program", ["ipset", "dnsmasq"])
def test_without_what_names_take_nothing_starts(names, another_host, program):
    another_host(f"/usr/sbin/{program}", "no program")
    result = names.lab.run("run", "--allow", "www.example", "--", "true")
    says = rf"rules with names need {program}, which is not installed\nhint: install the package {program}"
    lxe.refusal(result, 125, says)


def test_a_dnsmasq_that_does_not_start(names, another_host):
    another_host("/usr/sbin/dnsmasq", "#!/bin/sh\necho 'dnsmasq: is not well' >&2\nexit 3\n")
    result = names.lab.run("run", "--allow", "www.example", "--", "true")
    lxe.refusal(result, 125, "dnsmasq does not listen: dnsmasq: is not well")


def test_an_ipset_that_fails_half_way(names, another_host):
    text = "#!/bin/sh\nhead -1 | /usr/bin/ipset.real restore\necho 'ipset: enough' >&2\nexit 1\n"
    another_host("/usr/sbin/ipset", text.replace("/usr/bin/ipset.real", str(real_ipset(names))))
    result = names.lab.run("run", "--allow", "a.example", "--allow", "b.example", "--", "true")
    assert result.returncode == 125 and b"ipset: enough" in result.stderr
    del names.lab.binds[-1:]
    lxe.ok(names.lab.run("gc"))


def real_ipset(names):
    path = names.lab.world.base / "ipset"
    shutil.copy("/usr/sbin/ipset", path)
    return path


def test_where_only_the_hosts_loopback_knows_names_an_open_network_has_a_resolver(names, another_host):
    another_host(os.path.realpath("/etc/resolv.conf"), "nameserver 127.0.0.53\n")
    stub = names.lab.udp(names.lab.host, port=53, address="127.0.0.53", answer=names.dns.answer)
    names.dns.zone.update({"www.example": [WEB], "evil.example": ["169.254.169.254"]})
    said = names.run("--network", "open", script="getent ahosts www.example | head -1; getent ahosts evil.example; :")
    assert said.startswith(f"{WEB} ") and "169.254" not in said and stub.heard


@pytest.fixture
def bridge(names):
    names.lab.host.ip("link add br9 type bridge", "link set br9 up", "addr add 203.0.113.129/25 dev br9")
    yield "203.0.113.129"
    names.lab.host.ip("link del br9")


def test_where_the_hosts_server_is_an_address_of_its_own_an_open_network_has_a_resolver(
    names, another_host, bridge
):
    names.dns.zone["www.example"] = [WEB]
    for address in (netlab.HOST4, netlab.HOST6, bridge):
        another_host(os.path.realpath("/etc/resolv.conf"), f"nameserver {address}\n")
        stub = names.lab.udp(names.lab.host, port=53, address=address, answer=names.dns.answer)
        assert names.look_up("--network", "open", name="www.example") == [WEB], address
        assert stub.heard


def test_servers_that_are_shielded_are_not_named_to_an_open_network(names, another_host, bridge):
    path, text = os.path.realpath("/etc/resolv.conf"), "nameserver 169.254.169.253\nnameserver 203.0.113.130\n"
    another_host(path, f"{text}nameserver {ADDRESS}\n")
    assert names.run("--network", "open", script="cat /etc/resolv.conf") == f"nameserver {ADDRESS}\n"
    another_host(path, text)
    said = names.run("--network", "open", "--allow", "203.0.113.130", script="cat /etc/resolv.conf")
    assert said == "nameserver 203.0.113.130\n"
    assert "203.0.113" not in names.run("--network", "open", script="cat /etc/resolv.conf")


def test_nothing_of_a_sandbox_whose_processes_were_all_killed_stays(names):
    names.dns.zone["www.example"] = [WEB]
    argv = ["run", "--allow", "www.example", "--", "sleep", "infinity"]
    with names.lab.popen(*argv, stdout=subprocess.DEVNULL) as process:
        lxe.poll_until(names.resolvers, what="a dnsmasq")
        keeper = names.lab.world.keeper()
        os.kill(process.pid, signal.SIGKILL)
        lxe.kill(keeper)
    lxe.poll_until(lambda: not names.resolvers(), what="the end of dnsmasq")
    lxe.ok(names.lab.run("gc"))


def test_a_named_sandbox_and_what_is_executed_in_it(names):
    names.dns.zone["www.example"] = [WEB]
    lxe.ok(names.lab.run("create", "--allow", "www.example", "box", "--", "sleep", "infinity"))
    lxe.ok(names.lab.run("start", "box"))
    said = lxe.ok(names.lab.run("exec", "box", "--", "getent", "ahosts", "www.example")).stdout
    lxe.ok(names.lab.run("destroy", "--force", "box"))
    assert said.startswith(WEB.encode())


def refuses_a_signal(box):
    """The keeper has seen what there was to see before this."""
    with box.peer() as peer:
        peer.say("SIGNAL", SIGNAL=0)
        peer.expect("DONE")


def is_parked(pid):
    status = lxe.read_proc(pid, "status").decode()
    return "\nSeccomp:\t2\n" in status and lxe.process_state(pid) == "S"


def test_a_command_that_dies_while_dnsmasq_is_waited_for(names):
    """Killed for its memory, say, after it was parked."""
    world = names.lab.world
    lxe.ok(names.lab.run("run", "--", "true"))
    image = os.open(world.state / "images" / "host", os.O_RDONLY)
    fcntl.flock(image, fcntl.LOCK_EX)
    client = names.lab.popen("run", "--allow", "www.example", "--", "true")
    keeper, sandbox = world.keeper(), world.sandbox_id()
    box = Box(world, keeper, world.sandboxes / sandbox)
    with held.program(keeper, "dnsmasq", lambda: os.close(image)):
        members = next(path / "x0" / "cgroup.procs" for path in lxe.cgroup_dirs()
                       if path.name == f"lxe-{sandbox}" and (path / "x0").exists())
        command = lxe.poll_until(lambda: next(filter(is_parked, map(int, members.read_text().split())), None), what="a parked command")
        refuses_a_signal(box)
        os.kill(command, signal.SIGKILL)
        lxe.poll_until(lambda: not lxe.is_alive(command), what="its end")
        refuses_a_signal(box)
    _, said = client.communicate(timeout=lxe.DEADLINE)
    assert client.returncode == 125 and b"park the command: its process died" in said, (client.returncode, said)
