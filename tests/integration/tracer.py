"""Follows a keeper and everything it forks by ptrace(2), and lets one system call of one of them fail,
or kills the process at it. strace(1) injects by the number of a call alone, into every process that
makes so many of it; here the process has a role, which its place in the tree of forks gives it.

    tracer.py PID ROLE                  write what ROLE calls until it executes something
    tracer.py PID ROLE CALL N ERRNO     its N-th CALL is not made and fails; 0: it is killed there

CALL is a number, as is ERRNO. Ends with 0 when everybody that it followed has ended, with 3 if ROLE
never came to that call.
"""

import ctypes
import errno
import os
import platform
import signal
import struct
import sys

SEIZE, CONT, SYSCALL, LISTEN, GET_EVENT, DETACH = 0x4206, 7, 24, 0x4208, 0x4201, 17
GET_SYSCALL_INFO, GET_REGS, SET_REGS = 0x420E, 0x4204, 0x4205
FORK, VFORK, CLONE, EXEC, EXIT, STOPPED = 1, 2, 3, 4, 6, 128
OPTIONS = 1 | 1 << FORK | 1 << VFORK | 1 << CLONE | 1 << EXEC  # and SYSGOOD
TRACE_EXIT = 1 << EXIT
ENTRY = 1
PRSTATUS, ARM_SYSTEM_CALL = 1, 0x404
WALL = 0x40000000

# The holder of a user namespace ends before anything depends on what it calls.
ROLES = ("monitor", "init", "starter", "command")
# Whom each forks, in order; what it clones with another signal than SIGCHLD at its end is set apart.
# An ordinary user has two children first that map ids for his keeper.
MAPPERS = ("mapper", "mapper") if os.environ.get("LXE_AS_USER") else ()
FORKED = {"keeper": (*MAPPERS, "monitor", "starter"), "monitor": ("init",), "starter": ("command",)}
CLONED = {"keeper": "holder"}

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, pid, address=0, data=0):
    if libc.ptrace(request, pid, address, data) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


def set_registers(pid, kind, values):
    """Sets 64-bit words of a register set: {index: value}."""
    words = (ctypes.c_int64 * 64)()
    vector = Vector(ctypes.addressof(words), ctypes.sizeof(words))
    ptrace(GET_REGS, pid, kind, ctypes.addressof(vector))
    for index, value in values.items():
        words[index] = value
    ptrace(SET_REGS, pid, kind, ctypes.addressof(vector))


def skip_call(pid):
    if platform.machine() == "x86_64":
        set_registers(pid, PRSTATUS, {15: -1})
    else:
        number = ctypes.c_int(-1)
        vector = Vector(ctypes.addressof(number), ctypes.sizeof(number))
        ptrace(SET_REGS, pid, ARM_SYSTEM_CALL, ctypes.addressof(vector))


def set_result(pid, value):
    set_registers(pid, PRSTATUS, {10 if platform.machine() == "x86_64" else 0: value})


def entered_call(pid):
    """Number and arguments of the call that is about to be made; None at the end of one."""
    info = ctypes.create_string_buffer(88)
    ptrace(GET_SYSCALL_INFO, pid, len(info), ctypes.addressof(info))
    return struct.unpack_from("7Q", info, 24) if info.raw[0] == ENTRY else None


class Tracer:
    def __init__(self, role, point, out):
        self.role, self.point, self.out = role, point, out
        self.roles, self.early, self.forks = {}, set(), {}
        self.count, self.failing, self.reached, self.watching = 0, False, False, True

    def run(self, keeper):
        self.roles[keeper] = "keeper"
        ptrace(SEIZE, keeper, 0, OPTIONS)
        while self.roles:
            try:
                pid, status = os.waitpid(-1, WALL)
            except ChildProcessError:
                break
            if not os.WIFSTOPPED(status):
                self.roles.pop(pid, None)
            elif pid in self.roles:
                self.handle(pid, os.WSTOPSIG(status), status >> 16)
            else:
                self.early.add(pid)  # whose child it is comes next

    def handle(self, pid, stop, event):
        try:
            self.resume(pid, *self.answer(pid, stop, event))
        except OSError as error:
            if error.errno != errno.ESRCH:  # killed meanwhile
                raise

    def resume(self, pid, request, data):
        if request == CONT and self.watching and self.roles[pid] == self.role:
            request = SYSCALL
        ptrace(request, pid, 0, data)

    def answer(self, pid, stop, event):
        """What a stop is answered with: how it goes on, and the signal it gets."""
        if event in (FORK, VFORK, CLONE):
            self.forked(pid, event)
        elif event == EXEC and self.roles[pid] == self.role:
            self.watching = False
        elif event == STOPPED:
            return (CONT if stop == signal.SIGTRAP else LISTEN), 0
        elif stop == signal.SIGTRAP | 0x80:
            self.at_call(pid)
        elif not event:
            return CONT, stop
        return CONT, 0

    def forked(self, parent, event):
        child = ctypes.c_ulong()
        ptrace(GET_EVENT, parent, 0, ctypes.addressof(child))
        pid, role = child.value, self.roles[parent]
        if event == CLONE:
            self.roles[pid] = CLONED.get(role, "other")
        elif event == VFORK:  # what becomes another program at once
            self.roles[pid] = "other"
        else:
            earlier = self.forks[role] = self.forks.get(role, -1) + 1
            self.roles[pid] = (FORKED.get(role, ()) + ("other",) * (earlier + 1))[earlier]
        if pid in self.early:
            self.early.remove(pid)
            self.handle(pid, signal.SIGTRAP, STOPPED)

    def at_call(self, pid):
        entered = entered_call(pid)
        if self.failing and not entered:
            self.failing = self.watching = False
            set_result(pid, -self.point[2])
        elif entered and not self.point:
            self.out.write(f"{entered[0]} {entered[2]}\n")
        elif entered and entered[0] == self.point[0] and not self.reached:
            self.count += 1
            if self.count == self.point[1]:
                self.strike(pid)

    def strike(self, pid):
        self.reached = True
        if self.point[2]:
            self.failing = True
            skip_call(pid)
        else:
            self.watching = False
            os.kill(pid, signal.SIGKILL)


def main(pid, role, *point):
    tracer = Tracer(role, tuple(map(int, point)), sys.stdout)
    tracer.run(int(pid))
    return 0 if tracer.reached or not point else 3


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
