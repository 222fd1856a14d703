"""Timing of programs, and what is made of the samples. Knows nothing of what is measured."""

import os
import signal
import statistics
import time

DEADLINE = 30.0
RESULT_FD = 9


class Failed(Exception):
    """A measurement that could not be made; the text says why."""


def pause(seconds):
    time.sleep(seconds)


def poll_until(condition, what, timeout=DEADLINE):
    end = time.monotonic() + timeout
    while not (answer := condition()):
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {timeout:g} s")
        pause(0.002)
    return answer


def percentile(samples, share):
    """Between the two nearest samples; the samples need not be sorted."""
    ordered = sorted(samples)
    at = share * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def summary(samples):
    return {
        "n": len(samples),
        "min": min(samples),
        "p50": statistics.median(samples),
        "p90": percentile(samples, 0.90),
        "p99": percentile(samples, 0.99),
    }


def ratio(samples, base):
    """Of the medians."""
    return statistics.median(samples) / statistics.median(base)


def reap(pid):
    """Waits for a program to end; when we are interrupted it is ended first."""
    try:
        return os.waitpid(pid, 0)[1]
    except BaseException:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        raise


def start(argv, env, stderr=os.devnull, result_fd=None):
    """A program with nothing on stdin: its pid, for reap()."""
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, str(stderr), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
    ]
    if result_fd is not None:
        actions.append((os.POSIX_SPAWN_DUP2, result_fd, RESULT_FD))
    # A session of its own: Ctrl-C is for the bench, which then ends what it has started.
    return os.posix_spawn(argv[0], argv, env, file_actions=actions, setsid=True)


def one_shot(argv, env, stderr=os.devnull, result_fd=None):
    """Runs a program to its end with nothing on stdin: (milliseconds, status)."""
    begin = time.perf_counter_ns()
    status = reap(start(argv, env, stderr, result_fd))
    end = time.perf_counter_ns()
    return (end - begin) / 1e6, os.waitstatus_to_exitcode(status)
