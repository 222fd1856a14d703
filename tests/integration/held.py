"""Processes that are held by ptrace(2) at a moment of their lives, so that what is rare happens each time."""

import contextlib
import ctypes
import os

from tracer import CLONE, CONT, DETACH, EXEC, FORK, GET_EVENT, SEIZE, VFORK, WALL, ptrace

FORKS = (FORK, VFORK, CLONE)
OPTIONS = 1 << FORK | 1 << VFORK | 1 << CLONE | 1 << EXEC


class Held:
    """What is followed; the threads of a process are none."""

    def __init__(self):
        self.pids = set()

    def seize(self, pid):
        ptrace(SEIZE, pid, 0, OPTIONS)
        self.pids.add(pid)

    def next(self, pid, *events):
        """Lets it run to the next of these, where it is held."""
        while True:
            _, status = os.waitpid(pid, WALL)
            assert os.WIFSTOPPED(status), f"process {pid} has ended: {status:#x}"
            event = status >> 16
            if event in events:
                return event
            ptrace(CONT, pid, 0, 0 if event else os.WSTOPSIG(status))

    def child_of(self, pid):
        """What it forks next: held before its first instruction, and so is its parent after the fork."""
        self.next(pid, *FORKS)
        child = ctypes.c_ulong()
        ptrace(GET_EVENT, pid, 0, ctypes.addressof(child))
        self.pids.add(child.value)
        os.waitpid(child.value, WALL)
        return child.value

    def go_on(self, pid):
        ptrace(CONT, pid)

    def let_go(self, pid):
        self.pids.discard(pid)
        # Killed meanwhile.
        with contextlib.suppress(ProcessLookupError):
            ptrace(DETACH, pid)


@contextlib.contextmanager
def held():
    followed = Held()
    try:
        yield followed
    finally:
        for pid in list(followed.pids):
            followed.let_go(pid)


@contextlib.contextmanager
def starter(keeper, popen):
    """
    The client of an exec, the starter and the command that it has forked: the command goes on, the starter
    has not said yet that there is one.
    """
    with held() as followed:
        followed.seize(keeper)
        client = popen()
        starting = followed.child_of(keeper)
        followed.let_go(keeper)
        followed.go_on(starting)
        command = followed.child_of(starting)
        followed.let_go(command)
        yield client, starting, command


@contextlib.contextmanager
def program(keeper, name, go):
    """What the keeper, which `go` lets go on, executes under this name: held before its first instruction."""
    with held() as followed:
        followed.seize(keeper)
        go()
        while True:
            child = followed.child_of(keeper)
            followed.go_on(child)
            followed.next(child, EXEC)
            if os.path.basename(os.readlink(f"/proc/{child}/exe")) == name:
                break
            followed.let_go(child)
            followed.go_on(keeper)
        followed.let_go(keeper)
        yield child
