"""The AppArmor profile of commands. Only a host with AppArmor and liblxc's profiles shows it: see scripts/vmtest."""

import os
import re
import subprocess

import pytest

import lxe
import netlab
import test_network_user
from lxe import ok, refusal, stdout_of

PROFILE = "lxc-container-default-cgns"
LABEL = ("cat", "/proc/self/attr/apparmor/current")
USERS = [(), ("--user", "1000:1000")]
# A file that liblxc's profile denies to everybody, and a mount; both are there for whoever has all else.
ALL = ("--cap-add", "ALL", "--new-privs", "--seccomp", "unconfined")
MOUNT = ("mount", "-t", "devpts", "-o", "newinstance", "none", "/mnt")


@pytest.fixture
def box(world):
    ok(world.run("create", "lxe-armoured", "--", "sleep", "1000"))
    ok(world.run("start", "lxe-armoured"))
    yield "lxe-armoured"
    ok(world.run("destroy", "--force", "lxe-armoured"))


@pytest.mark.parametrize("user", USERS)
def test_a_run_is_in_the_profile(world, user):
    assert stdout_of(world.run("run", *user, "--", *LABEL)) == f"{PROFILE} (enforce)\n"


@pytest.mark.parametrize("user", USERS)
def test_on_a_terminal_too(world, user):
    with world.pty("run", *user, "--", *LABEL) as pty:
        pty.expect(re.escape(f"{PROFILE} (enforce)"))
        assert pty.wait() == 0


@pytest.mark.parametrize("user", USERS)
def test_and_every_exec(world, box, user):
    assert stdout_of(world.run("exec", *user, box, "--", *LABEL)) == f"{PROFILE} (enforce)\n"


def test_new_privileges_and_no_filter_do_not_lead_out(world):
    assert stdout_of(world.run("run", *ALL, "--", *LABEL)) == f"{PROFILE} (enforce)\n"
    script = "echo changeprofile unconfined >/proc/self/attr/apparmor/current; cat /proc/self/attr/apparmor/current"
    done = world.run("run", *ALL, "--", "bash", "-c", script)
    assert done.stdout.decode() == f"{PROFILE} (enforce)\n" and b"ermission denied" in done.stderr, done


def test_it_denies_what_all_else_allows(world):
    assert world.run("run", *ALL, "--", *MOUNT).returncode != 0
    ok(world.run("run", *ALL, "--apparmor", "unconfined", "--", *MOUNT))


def test_whoever_asks_goes_without(world):
    assert stdout_of(world.run("run", "--apparmor", "unconfined", "--", *LABEL)) == "unconfined\n"


def test_another_profile_that_is_loaded(world):
    shown = stdout_of(world.run("run", "--apparmor", "lxc-container-default", "--", *LABEL))
    assert shown == "lxc-container-default (enforce)\n"


def test_one_that_is_not_loaded_starts_nothing(world):
    refused = world.run("run", "--apparmor", "lxe-no-such", "--", "echo", "ran")
    refusal(refused, 125, "enter the AppArmor profile 'lxe-no-such': no such file.*\nhint: .*not loaded")


RULES = "file, capability, network, mount, umount, pivot_root, signal, ptrace, unix, dbus,"


@pytest.fixture
def cage(tmp_path):
    """A profile that permits everything but to enter another."""
    name, rules = f"lxe-cage-{os.getpid()}", tmp_path / "cage"
    rules.write_text(f"profile {name} flags=(attach_disconnected,mediate_deleted) {{ {RULES} }}\n")
    subprocess.run(["apparmor_parser", "--replace", "--skip-cache", str(rules)], check=True)
    yield name
    subprocess.run(["apparmor_parser", "--remove", str(rules)], check=True)


def caged(world, cage, *args):
    words = ["aa-exec", "-p", cage, "--", str(world.binary), *args]
    popen = world.as_whom({"capture_output": True, "timeout": lxe.DEADLINE})
    return subprocess.run(words, env=world.env(), **popen)


def test_who_is_refused_the_profile_starts_nothing(world, cage):
    refused = caged(world, cage, "run", "--apparmor", PROFILE, "--", "echo", "ran")
    refusal(refused, 125, f"enter the AppArmor profile '{PROFILE}': permission denied\nhint: --apparmor")


def test_who_is_confined_already_stays_so(world, cage):
    assert stdout_of(caged(world, cage, "run", "--", *LABEL)) == f"{cage} (enforce)\n"


@pytest.mark.roots("makes a user of its own")
def test_pasta_that_its_profile_keeps_out_is_refused_with_the_way_out():
    """Debian 12's profile is passt's, and pasta is a name of that."""
    user = lxe.User()
    with netlab.NetLab() as lab:
        world = test_network_user.UserOnHost(lab, user, "pasta")
        result = world.run("run", "--network", "open", "--", "true")
        refusal(result, says="Permission denied\nhint: an AppArmor profile may forbid it: apt-get install slirp4netns")
        world.assert_clean(timeout=2.0 * lxe.SLACK)
        world.close()
    user.remove()
