"""What a command may do: what is asked for by options, and by profiles, is what it finds."""

import re
import subprocess

import pytest

import lxe
from lxe import ok, refusal, stdout_of

DEFAULT = 0xA80425FB  # what container engines leave by default
NET_ADMIN, SYS_ADMIN, CHOWN, MKNOD = 1 << 12, 1 << 21, 1 << 0, 1 << 27
STATUS = "cat /proc/self/status"


def parse(status):
    return {name: int(value, 16) for name, value in re.findall(r"^(Cap\w+|NoNewPrivs|Seccomp):\s+(\w+)$", status, re.M)}


def status_of(world, *options):
    return parse(stdout_of(world.run("run", *options, "--", "sh", "-c", STATUS)))


def is_confined(status, caps, root=True, no_new_privs=1):
    own = caps if root else 0
    assert status["CapBnd"] == caps and status["CapPrm"] == status["CapEff"] == own, status
    assert status["CapInh"] == status["CapAmb"] == 0, status
    assert (status["NoNewPrivs"], status["Seccomp"]) == (no_new_privs, 2), status


@pytest.mark.parametrize(
    "options, caps",
    [
        ([], DEFAULT),
        (["--cap-add", "net_admin"], DEFAULT | NET_ADMIN),
        (["--cap-drop", "CAP_CHOWN,MKNOD"], DEFAULT & ~(CHOWN | MKNOD)),
        (["--cap-drop", "ALL", "--cap-add", "chown"], CHOWN),
        (["--cap-drop", "all"], 0),
    ],
)
def test_capabilities_are_what_was_asked_for(world, options, caps):
    is_confined(status_of(world, *options), caps)


def test_all_capabilities_are_those_of_the_kernel(world):
    last = int(open("/proc/sys/kernel/cap_last_cap").read())
    is_confined(status_of(world, "--cap-add", "ALL"), (1 << last + 1) - 1)


def test_a_plain_user_has_none(world):
    is_confined(status_of(world, "--user", "1000", "--cap-add", "NET_ADMIN"), DEFAULT | NET_ADMIN, root=False)
    # The change of the user takes capabilities that the command is not to have.
    is_confined(status_of(world, "--user", "1000:100", "--cap-drop", "ALL"), 0, root=False)


def test_a_sandbox_keeps_its_capabilities_for_every_exec(world):
    options = ("--cap-drop", "ALL", "--cap-add", "CHOWN", "--new-privs")
    ok(world.run("create", *options, "lxe-caps", "--", "sleep", "1000"))
    ok(world.run("start", "lxe-caps"))
    for user in ("0", "1000"):
        inside = parse(stdout_of(world.run("exec", "-u", user, "lxe-caps", "--", "sh", "-c", STATUS)))
        is_confined(inside, CHOWN, root=user == "0", no_new_privs=0)
    ok(world.run("destroy", "--force", "lxe-caps"))


def test_profiles_have_lists(world, tmp_path):
    profile = tmp_path / "caps.conf"
    profile.write_text("[run]\ncap-drop = CHOWN, mknod\ncap-add = NET_ADMIN\nnew-privs = yes\n")
    caps = (DEFAULT | NET_ADMIN) & ~(CHOWN | MKNOD)
    is_confined(status_of(world, "--profile", str(profile)), caps, no_new_privs=0)
    # The command line comes later.
    is_confined(
        status_of(world, "--profile", str(profile), "--cap-add", "CHOWN", "--cap-drop", "NET_ADMIN"),
        DEFAULT & ~MKNOD,
        no_new_privs=0,
    )


@pytest.mark.parametrize(
    "options, says",
    [
        (["--cap-add", "NET_ADMN"], r"no capability 'NET_ADMN'\nhint: did you mean NET_ADMIN\?"),
        (["--cap-drop", "chown", "--cap-add", "CHOWN"], "'CAP_CHOWN' is both added and dropped"),
        (["--cap-add", "ALL", "--cap-drop", "all"], "'ALL' is both added and dropped"),
        (["--cap-add", ","], "no capability is named"),
        (["--cap-add", "\x1b[2J"], r"no capability '\\x1b\[2J'\nhint"),
    ],
)
def test_what_makes_no_sense_starts_nothing(world, options, says):
    refusal(world.run("run", *options, "--", "true"), says=says)
    assert not world.current_ids()


# A program of root's with the setuid bit, run by somebody else.
SETUID = """
    cp /usr/bin/python3 /var/gain && chmod 4755 /var/gain
    setpriv --reuid 1000 --regid 1000 --clear-groups /var/gain -c 'import os
print(os.geteuid(), open("/proc/self/status").read())'"""


def test_new_privileges_are_for_those_who_ask(world):
    uid, status = stdout_of(world.run("run", "--", "sh", "-c", SETUID)).split(" ", 1)
    assert uid == "1000"
    is_confined(parse(status), DEFAULT, root=False)
    uid, status = stdout_of(world.run("run", "--new-privs", "--", "sh", "-c", SETUID)).split(" ", 1)
    assert uid == "0"
    # It gains what root inside has, and is filtered as everybody.
    is_confined(parse(status), DEFAULT, no_new_privs=0)


def test_without_no_new_privs_the_filter_holds(world):
    for user in ("0", "1000"):
        script = STATUS + "; unshare -U true 2>&1"
        result = world.run("run", "--new-privs", "--user", user, "--", "sh", "-c", script)
        is_confined(parse(result.stdout.decode()), DEFAULT, root=user == "0", no_new_privs=0)
        assert b"unshare failed: Operation not permitted" in result.stdout


def test_an_asked_for_privilege_that_the_caller_lacks_is_an_error(world):
    """no_new_privs cannot be taken off again (prctl(2))."""
    result = subprocess.run(
        ["setpriv", "--no-new-privs", str(lxe.BIN), "run", "--new-privs", "--", "true"],
        env=world.env(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=lxe.DEADLINE,
    )
    refusal(result, says="no_new_privs")


# What the host's kernel has of these, a sandbox sees nothing of.
HIDDEN_FILES = """/proc/kallsyms /proc/kcore /proc/iomem /proc/ioports /proc/slabinfo /proc/vmallocinfo
    /proc/timer_list /proc/timer_stats /proc/latency_stats /proc/sched_debug /proc/cmdline /proc/interrupts
    /proc/keys /proc/key-users /proc/partitions /proc/diskstats""".split()
HIDDEN_DIRECTORIES = """/proc/acpi /proc/asound /proc/scsi /sys/firmware /sys/devices/virtual/powercap /sys/block
    /sys/class/block /sys/dev/block /sys/fs/selinux""".split()
READ_ONLY = "/proc/sys /proc/sys/net /proc/bus /proc/fs /proc/irq /proc/sysrq-trigger /sys".split()
LOOK = f"""
import os
def readable(path):
    try:
        return open(path, "rb").read(1)
    except (FileNotFoundError, PermissionError):  # AppArmor refuses what is covered as well
        return b""
for path in {HIDDEN_FILES}:
    if readable(path): print("readable", path)
for path in {HIDDEN_DIRECTORIES}:
    if os.path.exists(path) and os.listdir(path): print("not empty", path)
    if os.path.exists(path) and not os.statvfs(path).f_flag & os.ST_RDONLY: print("writable", path)
for path in {READ_ONLY}:
    if os.path.exists(path) and not os.statvfs(path).f_flag & os.ST_RDONLY: print("writable", path)
for line in open("/proc/self/mountinfo"):
    if "shared:" in line or "master:" in line: print("propagates", line)
print("end")"""


def test_what_engines_mask_is_masked(world):
    assert any(open(path, "rb").read(1) for path in ("/proc/kallsyms", "/proc/cmdline", "/proc/interrupts"))
    ok(world.run("create", "lxe-masks", "--", "sh", "-c", "python3 -c \"$1\"; exec sleep 1000", "sh", LOOK))
    ok(world.run("start", "lxe-masks"))
    for user in ("0", "1000"):
        assert stdout_of(world.run("run", "-u", user, "--", "python3", "-c", LOOK)) == "end\n"
        assert stdout_of(world.run("exec", "-u", user, "lxe-masks", "--", "python3", "-c", LOOK)) == "end\n"
    lxe.poll_until(lambda: b"end" in world.run("logs", "lxe-masks").stdout, what="what the init command sees")
    assert stdout_of(world.run("logs", "lxe-masks")) == "end\n"
    ok(world.run("destroy", "--force", "lxe-masks"))


def test_each_sandbox_has_a_boot_id(world):
    """liblxc's mount in what is read-only stays: programs tell machines apart by it."""
    script = "cat /proc/sys/kernel/random/boot_id"
    ids = {stdout_of(world.run("run", "--", "sh", "-c", script)) for _ in range(2)}
    assert len(ids | {open("/proc/sys/kernel/random/boot_id").read()}) == 3


TRY = """
import os
paths = ["/etc/passwd", "/usr/share/doc", "/usr/share/doc/.", "/etc/hostname", "/etc/../etc/hostname"]
for path in paths:
    for what in (lambda p: os.open(p, os.O_RDONLY), os.listdir, lambda p: os.open(p, os.O_WRONLY), os.unlink, os.rmdir,
                 lambda p: os.rename(p, "/tmp/x"), lambda p: os.chmod(p, 0o777), lambda p: os.chown(p, 0, 0),
                 lambda p: os.link(p, "/tmp/y")):
        try:
            what(path)
            print("reached", path)
        except OSError:
            pass
print("end")"""


def test_a_denied_path_is_out_of_reach(world, tmp_path):
    options = ["--deny", "/etc/passwd", "--deny", "/usr/share/doc", "--deny", "/etc/hostname", "--deny", "/usr/share/doc/x"]
    say = ["sh", "-c", 'python3 -c "$1"; exec sleep 1000', "sh", TRY]
    ok(world.run("create", *options, "lxe-deny", "--", *say))
    ok(world.run("start", "lxe-deny"))
    profile = tmp_path / "deny.conf"
    profile.write_text("[run]\ndeny = /etc/passwd:/usr/share/doc:/etc/hostname\n")
    for user in ("0", "1000"):
        for way in (["exec", "-u", user, "lxe-deny"], ["run", "-u", user, *options], ["run", "--profile", str(profile)]):
            assert stdout_of(world.run(*way, "--", "python3", "-c", TRY)) == "end\n"
    lxe.poll_until(lambda: world.run("logs", "lxe-deny").stdout == b"end\n", what="what the init command reaches")
    ok(world.run("destroy", "--force", "lxe-deny"))
    assert "reached" in stdout_of(world.run("run", "--", "python3", "-c", TRY))


@pytest.mark.parametrize(
    "path, says",
    [
        ("/there/is/none", "deny '/there/is/none': no such file or directory\nhint: what --deny names must exist"),
        ("/etc/passwd/x", "deny '/etc/passwd/x': not a directory"),
        ("etc", "--deny 'etc' is not an absolute path"),
        ("//", "--deny '/' would deny all of the container"),
        ("/proc", "permission denied"),
        ("/dev", "permission denied"),
    ],
)
def test_what_cannot_be_denied_starts_nothing(world, path, says):
    refusal(world.run("run", "--deny", "/usr/share/doc", "--deny", path, "--", "true"), says=says)


def test_a_denied_link_denies_what_it_leads_to(world):
    real = "/usr/lib/os-release"
    assert stdout_of(world.run("run", "--", "sh", "-c", f"cat {real}"))
    result = world.run("run", "--deny", "/usr/share/../lib/os-release", "--", "cat", real)
    assert result.returncode == 1 and b"Permission denied" in result.stderr
    result = world.run("run", "--deny", "/bin", "--", "/usr/bin/true")
    assert result.returncode == 126, result


def test_an_apparmor_profile_that_cannot_be_had_starts_nothing(world):
    """vm_apparmor.py has what holds where AppArmor is on."""
    refused = world.run("run", "--apparmor", "lxe-no-such", "--", "echo", "ran")
    refusal(refused, says="enter the AppArmor profile 'lxe-no-such': [^$]*\nhint: ")
    for name in ("a b", ":ns:a", "a//&b", "x" * 201):
        refused = world.run("run", f"--apparmor={name}", "--", "echo", "ran")
        refusal(refused, says="is not the name of an AppArmor profile")
    for name in ("default", "unconfined"):
        ok(world.run("run", "--apparmor", name, "--", "true"))
