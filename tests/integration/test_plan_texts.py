"""The firewall's texts that the unit tests compare whole are ones that both variants of iptables take, and undo."""

import re
import uuid
from pathlib import Path

import netlab
import pytest

PLANS = Path(__file__).resolve().parent.parent / "unit" / "plan"
NAMES = sorted(path.stem for path in PLANS.glob("*.v4") if "undo" not in path.name)
OTHERS = "*filter\n:DOCKER-USER - [0:0]\n-A FORWARD -j DOCKER-USER\nCOMMIT\n"
OTHERS += "*nat\n-A POSTROUTING -s {} -j MASQUERADE\nCOMMIT\n"


@pytest.fixture(scope="module")
def namespace():
    space = netlab.Namespace(f"lxet-{uuid.uuid4().hex[:6]}-plan")
    yield space
    space.remove()


def change(space, family, kind, text):
    program = f"{'ip' if family == '4' else 'ip6'}tables-{kind}-restore"
    space.run(program, "--noflush", "-w", input=text)


def make_sets(space, text):
    for name in set(re.findall(r"--match-set (\S+) ", text)):
        inet = "inet" if name.endswith("-4") else "inet6"
        space.run("ipset", "create", name, "hash:ip", "family", inet, "-exist")


@pytest.mark.parametrize("kind", netlab.KINDS)
def test_a_plan_is_taken_and_taken_back(namespace, kind):
    for family, source in (("4", "203.0.113.9"), ("6", "2001:db8:9::9")):
        change(namespace, family, kind, OTHERS.format(source))
    before = namespace.all_rules()
    for name in NAMES:
        for family in "46":
            text = (PLANS / f"{name}.v{family}").read_text()
            make_sets(namespace, text)
            change(namespace, family, kind, text)
            during = namespace.run(f"{'ip' if family == '4' else 'ip6'}tables-{kind}-save")
            jumps = [line for line in during.splitlines() if line.startswith("-A FORWARD")]
            assert "LXE-" in jumps[0] and "LXE-" in jumps[1] and "DOCKER" in jumps[2], jumps
            change(namespace, family, kind, (PLANS / f"{name}.undo.v{family}").read_text())
            assert namespace.all_rules() == before, (name, family)
