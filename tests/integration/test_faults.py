"""Failures in what the keeper forks, at the points that once went wrong; faultsweep.py tries every one."""

import functools

import faultsweep
import pytest


class Kit:
    """The sweep's tools, for a few points of it."""

    def __init__(self, world, tree, kill):
        self.forks = faultsweep.Forks(world, tree, kill)

    @functools.cache
    def points(self, target, call=None):
        return [point for point in self.forks.points(target) if call in (None, point[1])]

    def statuses(self, points):
        """How each of them ended, after every end was found to be a good one."""
        assert points
        results = {}
        for point in points:
            complaint, _, results[point] = self.forks.try_point(point)
            assert not complaint, (point, complaint)
        return results


@pytest.fixture(scope="module")
def tree(session_world):
    return faultsweep.Tree(session_world)


@pytest.fixture(scope="module")
def failing(session_world, tree):
    return Kit(session_world, tree, kill=False)


@pytest.fixture(scope="module")
def killing(session_world, tree):
    return Kit(session_world, tree, kill=True)


def some(points, number):
    """That many of them, spread evenly, the first and the last included."""
    last = len(points) - 1
    return [points[last * n // (number - 1)] for n in range(number)]


def is_fork(point):
    return point[1] in ("fork", "clone", "clone3")


def in_every_run(points):
    """Without what pid 1 does more often or less in another run: it reads the host's mountinfo by pages,
    which others make longer and shorter, and looks at its ids while an ordinary user's are being mapped."""
    copied = next(n for n, point in enumerate(points) if point[1] == "memfd_create")
    paged = [point for point in points[copied:] if point[1] in ("read", "write")]
    return [point for point in points if point not in paged and point[1] != "geteuid"]


def test_a_start_ends_at_once_with_pid_1(world, killing):
    results = killing.statuses(some(in_every_run(killing.points("init")), 12))
    assert set(results.values()) == {125}, results


def test_a_start_ends_at_once_with_its_monitor(world, killing):
    points = killing.points("monitor")
    fork = next(n for n, point in enumerate(points) if is_fork(point))
    # Right after its fork pid 1 has not yet asked the kernel to die with it.
    results = killing.statuses(some(points[:fork], 4) + points[fork + 1 : fork + 9 : 2])
    assert set(results.values()) == {125}, results


@pytest.mark.parametrize("call", ["capset", "seccomp", "setsid", "close_range", "write", "read"])
def test_no_failed_step_of_the_command_is_forgotten(world, failing, call):
    results = failing.statuses(failing.points("command", call)[-1:])
    assert set(results.values()) == {125}, results


@pytest.mark.parametrize("call", ["prctl", "setgroups", "setresgid", "setresuid", "dup2", "chdir"])
def test_nor_one_that_is_made_of_many_calls(world, failing, call):
    results = failing.statuses(failing.points("command", call)[-3:])
    assert set(results.values()) == {125}, results


def test_no_namespace_is_left_out(world, failing):
    results = failing.statuses(failing.points("init", "unshare") + failing.points("starter", "setns"))
    assert set(results.values()) == {125}, results


def test_no_device_is_left_out(world, failing):
    # liblxc only warns, and leaves an empty file instead.
    results = failing.statuses(failing.points("init", "move_mount"))
    assert list(results.values()).count(125) >= 6, results
