"""The systemd units, as make install puts them."""

import configparser
import os
import shutil
import signal
import subprocess

import pytest

import lxe


@pytest.fixture(scope="module")
def units(tmp_path_factory):
    top = tmp_path_factory.mktemp("install")
    words = ["make", "install-units", f"DESTDIR={top}", "BINDIR=/opt/bin", "SYSTEMDUNITDIR=/units"]
    subprocess.run(words, cwd=lxe.TOP, check=True, stdout=subprocess.DEVNULL, timeout=lxe.DEADLINE)
    return top / "units"


def read(path):
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str
    parser.read_string(path.read_text())
    return parser


def test_the_service_runs_the_installed_program(units):
    service = read(units / "lxc-exec-gc.service")["Service"]
    assert service["ExecStart"] == "/opt/bin/lxc-exec gc --quiet"
    assert (service["Type"], service["NoNewPrivileges"]) == ("oneshot", "yes")
    assert "@" not in (units / "lxc-exec-gc.service").read_text()


def test_the_timer_repeats_it(units):
    timer = read(units / "lxc-exec-gc.timer")
    assert timer["Timer"]["OnUnitInactiveSec"] and timer["Timer"]["OnBootSec"]
    assert timer["Install"]["WantedBy"] == "timers.target"


def test_systemd_takes_them(units, tmp_path):
    analyze = shutil.which("systemd-analyze")
    if not analyze:
        return  # what can be said without it is said above
    for unit in units.iterdir():
        # It looks for the program where the unit says it is.
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/bin/lxc-exec", str(lxe.BIN)))
    # The manual page is not where it would look for it.
    done = subprocess.run([analyze, "verify", "--man=no", *map(str, tmp_path.iterdir())],
                          capture_output=True, timeout=lxe.DEADLINE)
    assert (done.returncode, done.stdout) == (0, b""), done
    assert b"lxc-exec" not in done.stderr, done.stderr


def test_gc_works_with_what_the_service_leaves_it(world, units):
    """A kept sandbox whose keeper was killed, ended with the service's capabilities."""
    service = read(units / "lxc-exec-gc.service")["Service"]
    names = [name.removeprefix("CAP_").lower() for name in service["CapabilityBoundingSet"].split()]
    lxe.ok(world.run("create", "box", "--", "sleep", "1000"))
    os.kill(world.keeper(), signal.SIGKILL)
    lxe.poll_until(lambda: b"crashed" in world.run("ps").stdout)
    bounding = "-all," + ",".join(f"+{name}" for name in names)
    done = subprocess.run(
        ["setpriv", "--no-new-privs", f"--bounding-set={bounding}", lxe.BIN, "gc"],
        env=world.env(), capture_output=True, timeout=lxe.DEADLINE)
    lxe.ok(done)
    assert b"stopped" in world.run("ps").stdout and not list(world.left_cgroups())
    lxe.ok(world.run("destroy", "box"))
