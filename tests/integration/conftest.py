"""One world for each worker of the session, and a look for leftovers after every test."""

import os
import tempfile
from pathlib import Path

import pytest

import lxe


def pytest_addoption(parser):
    parser.addoption(
        "--strict-leaks",
        action="store_true",
        default=bool(os.environ.get("LXE_STRICT_LEAKS")),
        help="count whatever on this machine looks like ours, not only what these tests made",
    )


def pytest_configure(config):
    config.addinivalue_line("markers", "roots(why): not run as an ordinary user (LXE_AS_USER)")


def pytest_collection_modifyitems(config, items):
    """What is root's alone is not collected as a user: not skipped, because it would prove nothing."""
    roots = [item for item in items if os.environ.get("LXE_AS_USER") and item.get_closest_marker("roots")]
    if roots:
        config.hook.pytest_deselected(items=roots)
        items[:] = [item for item in items if item not in roots]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A test that was not run proves nothing: skipped is failed."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped"


@pytest.fixture(scope="session")
def session_world(pytestconfig):
    assert os.access(lxe.BIN, os.X_OK), f"{lxe.BIN} is not built"
    user = lxe.User() if os.environ.get("LXE_AS_USER") else None
    world = lxe.World(strict=pytestconfig.getoption("strict_leaks"), user=user)
    yield world
    world.close()
    if user:
        user.remove()


@pytest.fixture
def tmp_path(tmp_path, session_world):
    """Where the program may write, too, whoever runs it."""
    user = session_world.user
    if not user:
        return tmp_path
    path = Path(tempfile.mkdtemp(dir=user.home))
    os.chown(path, user.uid, user.gid)
    return path


@pytest.fixture
def world(session_world):
    """Every test ends with the leak check. Two seconds are for what a killed keeper leaves to the
    kernel and to the host's pid 1; test_ways_out.py asserts where nothing may be left at once."""
    yield session_world
    try:
        session_world.assert_clean(timeout=2.0 * lxe.SLACK)
    except AssertionError:
        session_world.purge()
        raise
    findings = session_world.sanitizer_findings()
    assert not findings, findings
