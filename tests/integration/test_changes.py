"""The engine behind diff, commit and discard (src/changes), on overlays that the tests mount themselves."""

import os
import random
import subprocess
import sys

import pytest

import lxe

pytestmark = pytest.mark.roots("only root mounts an overlay without a namespace")

TOOL = lxe.BIN.parent / "test-changes"
MODEL = os.path.join(os.path.dirname(__file__), "cowmodel.py")


def apart(script, *args, timeout=100, env=None):
    """A shell script in a mount namespace of its own."""
    return subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-euc", script, "sh", *map(str, args)],
                          capture_output=True, text=True, errors="backslashreplace", timeout=timeout,
                          env=env and dict(os.environ, **env))


@pytest.mark.parametrize("seed, rounds", [(1, 30), (random.randrange(10**9), 30)])
def test_a_commit_is_what_the_sandbox_saw(tmp_path, seed, rounds):
    done = apart('mount -t tmpfs tmpfs "$1"; exec "$2" -B "$3" "$4" "$1" "$5" "$6"',
                 tmp_path, sys.executable, MODEL, TOOL, seed, rounds)
    assert done.returncode == 0, done.stdout + done.stderr


def test_without_an_exchange_of_names(tmp_path):
    done = apart('mount -t tmpfs tmpfs "$1"; exec "$2" -B "$3" "$4" "$1" 100 10',
                 tmp_path, sys.executable, MODEL, TOOL, env={"LXE_NO_EXCHANGE": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
