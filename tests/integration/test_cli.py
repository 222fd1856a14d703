"""The command line: what it refuses and how, what it says about itself, and housekeeping."""

import re
import json
import os
import shutil
import subprocess

import pytest

import lxe
from lxe import ok, refusal, stdout_of

VERBS = ["run", "shell", "image", "stats", "gc", "doctor", "version"]


def test_help_goes_to_stdout(world):
    text = stdout_of(world.run("--help"))
    assert text == stdout_of(world.run("help"))
    for verb in VERBS:
        assert verb in text


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(world, verb):
    text = stdout_of(world.run(verb, "--help"))
    assert f"lxc-exec {verb}" in text and "xample" in text
    assert max(len(line) for line in text.splitlines()) <= 100
    assert text == stdout_of(world.run("help", verb))


def test_version(world):
    text = stdout_of(world.run("version"))
    assert text == stdout_of(world.run("--version"))
    assert text.split()[0] == "lxc-exec" and text.split()[1][0].isdigit()


@pytest.mark.parametrize(
    "words,says",
    [
        (["rum", "--", "true"], "run"),
        (["frobnicate"], "frobnicate"),
        (["ls"], "run -- ls"),
        (["run", "--no-such-option", "--", "true"], "no-such-option"),
        (["run", "-Z", "--", "true"], "Z"),
        (["run"], "command"),
        (["run", "--"], "command"),
        (["run", "--timeout"], "timeout"),
        (["run", "--timeout", "10x", "--", "true"], "10x"),
        (["run", "--timeout", "-1", "--", "true"], "-1"),
        (["run", "--memory", "lots", "--", "true"], "lots"),
        (["run", "--memory", "012M", "--", "true"], "012M"),
        (["run", "--pids", "1e3", "--", "true"], "1e3"),
        (["run", "--pids", "", "--", "true"], "pids"),
        (["run", "-e", "=x", "--", "true"], "=x"),
        (["run", "-w", "not/absolute", "--", "true"], "not/absolute"),
        (["run", "--image", "n" * 200, "--", "true"], "name|image"),
        (["run", "--image", "../../etc", "--", "true"], r"\.\./\.\./etc"),
        (["run", "--image", "", "--", "true"], "image|name"),
        (["run", "--profile", "no-such-profile", "--", "true"], "no-such-profile"),
        (["run", "--result", "fd:999", "--", "true"], "fd:999|999"),
        (["run", "--result", "/no/such/dir/file", "--", "true"], "/no/such/dir"),
        (["gc", "--no-such"], "no-such"),
        (["image"], "image"),
        (["image", "frob"], "frob"),
        (["doctor", "extra"], "extra"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else None,
)
def test_bad_usage_is_refused(world, words, says):
    refusal(world.run(*words), 125, says)


def test_two_separators(world):
    refusal(world.run("run", "--", "--", "true"), 125, "twice")


def test_untrusted_text_is_escaped_in_messages(world):
    result = world.run("run", "--image", "a\x1b[31mb", "--", "true")
    assert result.returncode == 125 and b"\x1b" not in result.stderr


def run_in_shell(world, redirection, *words):
    script = f'exec "$0" "$@" {redirection}'
    command = ["sh", "-c", script, str(world.binary), *words]
    popen = world.as_whom({"capture_output": True})
    return subprocess.run(command, env=world.env(), timeout=lxe.DEADLINE, **popen)


@pytest.mark.parametrize("redirection", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors(world, redirection):
    """Either refused in one line, or it runs, and none of our own files takes the number's place."""
    result = run_in_shell(world, redirection, "run", "--", "sh", "-c", "ls -l /proc/self/fd >&2; true")
    assert result.returncode in (0, 125)
    assert b"sandboxes" not in result.stderr and b"socket:" not in result.stderr
    if result.returncode == 125 and "2>" not in redirection:
        refusal(result)


def test_stdin_is_a_directory(world):
    result = run_in_shell(world, "< /usr", "run", "--", "cat")
    assert result.returncode in (1, 125)
    assert len(result.stderr.splitlines()) in (1, 2)
    result = run_in_shell(world, "< /usr")
    refusal(result)


def test_a_full_stdout(world):
    result = run_in_shell(world, "> /dev/full", "version")
    assert result.returncode == 125 and result.stderr.startswith(b"lxc-exec: ")


def test_an_unknown_term(world):
    """The command still gets its terminal; whoever needs terminfo complains itself."""
    with world.pty("run", "--", "sh", "-c", "echo $TERM", env=world.env(TERM="no-such-term")) as pty:
        status = pty.wait()
    assert (status == 0 and b"no-such-term" in pty.seen) or (
        status == 125 and pty.seen.startswith(b"lxc-exec: ")
    )


def test_gc_has_nothing_to_do(world):
    ok(world.run("gc"))
    ok(world.run("gc", "--dry-run"))


def test_doctor_warns_of_core_dumps_of_everybody(world, tmp_path):
    (tmp_path / "one").write_text("1\n")
    script = 'mount --bind "$1" /proc/sys/fs/suid_dumpable && exec "$0" doctor --format json'
    words = ["unshare", "-m", "sh", "-c", script, str(world.binary), str(tmp_path / "one")]
    done = subprocess.run(words, env=world.env(), capture_output=True, timeout=lxe.DEADLINE)
    found = [check for check in json.loads(done.stdout)["checks"] if check["name"] == "core dumps"]
    assert "suid_dumpable is 1" in str(found) and "sysctl fs.suid_dumpable=0" in str(found)


def test_doctor_speaks_and_speaks_json(world):
    text = stdout_of(world.run("doctor"))
    assert len(re.findall(r"^(?:ok|warn|unknown) +AppArmor ", text, re.M)) == 1
    assert "cgroup" in text and "kernel" in text.lower() and "dnsmasq" in text
    report = json.loads(stdout_of(world.run("doctor", "--format", "json")))
    assert "cgroup" in json.dumps(report)


@pytest.fixture(scope="module")
def public_tree():
    """A copy of the build where an ordinary user can read it."""
    world = lxe.World()
    tree = world.base / "public"
    shutil.copytree(lxe.BIN.parent, tree, ignore=lambda _, names: [n for n in names if not keep(n)])
    tree.chmod(0o755)
    yield world, tree / "lxc-exec"
    world.assert_clean(timeout=2.0)
    world.close()


def keep(name):
    return name.startswith("lxc-") or name.endswith(".conf") or name == "conf"


def as_user(world, binary, *words):
    home = world.base / "home"
    home.mkdir(exist_ok=True)
    os.chown(home, 65534, 65534)
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "XDG_RUNTIME_DIR": str(home)}
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(binary), *words]
    return subprocess.run(
        command, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=lxe.DEADLINE
    )


def test_a_user_without_ids_is_refused_clearly(public_tree):
    world, binary = public_tree
    refused = as_user(world, binary, "run", "--", "true")
    refusal(refused, 125, "'/etc/subuid' gives no 65536 ids to user nobody")
    assert b"hint: as root: lxc-exec doctor --fix nobody" in refused.stderr


def test_an_ordinary_user_can_ask(public_tree):
    world, binary = public_tree
    ok(as_user(world, binary, "--help"))
    ok(as_user(world, binary, "version"))
    result = as_user(world, binary, "doctor")
    assert result.returncode in (0, 1) and b"cgroup" in result.stdout
    report = as_user(world, binary, "doctor", "--format", "json")
    json.loads(report.stdout)


def test_an_installed_copy_works(world, tmp_path):
    """make install with DESTDIR and PREFIX; what it needs is found below the prefix."""
    target = tmp_path / "root"
    done = subprocess.run(
        ["make", "-s", "-C", str(lxe.TOP), "install", f"DESTDIR={target}"], capture_output=True
    )
    assert done.returncode == 0, done.stderr
    installed = {str(p.relative_to(target)) for p in target.rglob("*") if p.is_file()}
    for name in ("bin/lxc-exec", "libexec/lxc-exec/lxc-exec-keeper", "libexec/lxc-exec/lxc-exec-init"):
        assert f"usr/local/{name}" in installed
    assert any(name.endswith("man1/lxc-exec.1") for name in installed), installed
    assert any("lxc-templates/lxc-" in name for name in installed)


ODD = "a\nb\x1b[1m\\c"

NAMES = {
    "remove an image": ["image", "rm", ODD],
    "look at an image": ["image", "inspect", ODD],
    "build an image": ["image", "build", ODD],
    "run on an image": ["run", "--image", ODD, "--", "true"],
    "import from": ["image", "import", "x", ODD],
    "import as": ["image", "import", ODD, "/"],
    "import a layout": ["image", "import", "x", f"oci:{ODD}"],
    "export to": ["image", "export", "none", f"/nowhere/{ODD}"],
    "a recipe": ["image", "build", "-f", ODD, "x"],
    "a sandbox": ["exec", ODD, "--", "true"],
    "a name": ["create", ODD, "--", "true"],
    "a bind": ["run", "--bind", f"/{ODD}:/x", "--", "true"],
    "a bind's place": ["run", "--bind", f"/etc:{ODD}", "--", "true"],
    "a tmpfs": ["run", "--tmpfs", f"{ODD}:size=1M", "--", "true"],
    "a rule": ["run", "--allow", ODD, "--", "true"],
    "a port": ["run", "--publish", ODD, "--", "true"],
    "an option": ["run", f"--{ODD}", "--", "true"],
    "a profile": ["run", "--profile", ODD, "--", "true"],
    "a verb": [ODD],
    "changes": ["diff", ODD],
    "a snapshot": ["snapshot", ODD, "x"],
    "a secret": ["run", "--secret", f"X=file:/{ODD}", "--", "true"],
    "a user": ["run", "--user", ODD, "--", "true"],
    "a directory": ["run", "--cwd", f"/{ODD}", "--", "true"],
    "a limit": ["run", "--memory", ODD, "--", "true"],
    "a command": ["run", "--", ODD],
}


@pytest.mark.parametrize("what", NAMES)
def test_what_was_given_is_escaped_once(world, what):
    said = world.run(*NAMES[what]).stderr.decode()
    assert "\x1b" not in said and len(said.splitlines()) <= 3
    assert r"\x5cx" not in said and r"\x5c\x5c" not in said and r"a\x0ab\x1b[1m\x5cc" in said, said
