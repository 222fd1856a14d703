"""Speaks the keeper's protocol by hand (src/proto/wire.h, src/proto/msg.h), also where it is wrong."""

import array
import os
import select
import socket
import struct

import lxe

VERSION, TERMIOS = 2, 60

TYPES = {name: number for number, name in enumerate(
    "CREATE BUILDING STARTED EXITED DRAINED DONE BYE STOP BUILD HELLO CREATED START EXEC SIGNAL "
    "WAIT DETACH OK ATTACH YIELD YIELDED BELL WATCH SNAPSHOT DATA LAYER SETTLE SETTLED".split(), 1)}
NAMES = {number: name for name, number in TYPES.items()}
TAGS = {name: number for number, name in enumerate(
    "VERSION TYPE ROLES BEGUN STATE LIBEXEC DATA TTY_SAVED TTY_RAW IMAGE ID PID SIGNAL OUTCOME "
    "FLAGS NONCE ROLE PROCESS GRACE MODES ROWS COLS SIZE BYTES".split(), 1)}
CONTROL, DRIVE, WATCH = 1, 2, 3
FDS = {name: number for number, name in enumerate(
    "PARENT DIR SPEC STDIN STDOUT STDERR RING TTY RESULT MASTER PROCS INPUT BELL".split())}
LAYER_FREEZE = 1

# What a message of a type has beside version, type and roles, and an innocent value for each.
NOBODY = {"TTY_SAVED": bytes(TERMIOS), "TTY_RAW": bytes(TERMIOS)}
FIELDS = {
    "CREATE": {"BEGUN": 1, "STATE": "/x", "LIBEXEC": "/x", "DATA": "/x", "IMAGE": "x",
               "ID": "0123456789abcdef", "FLAGS": 0, **NOBODY},
    "EXEC": {"BEGUN": 1, "FLAGS": 0, **NOBODY},
    "HELLO": {"NONCE": bytes(32), "ROLE": CONTROL, "PROCESS": 0},
    "ATTACH": {"FLAGS": 0, **NOBODY},
    "SNAPSHOT": {"MODES": bytes(768), "ROWS": 1, "COLS": 1, "SIZE": 0},
    "DATA": {"BYTES": b"x"},
    "LAYER": {"PROCESS": 0, "FLAGS": 0},
    "SETTLED": {"FLAGS": 0},
    "CREATED": {"PID": 1},
    "STARTED": {"PID": 1},
    "STOP": {"SIGNAL": 0, "GRACE": 0, "FLAGS": 0},
    "SIGNAL": {"SIGNAL": 0},
}
FIELDS["BUILD"] = FIELDS["CREATE"]


def encode_field(name, value):
    if isinstance(value, int):
        value = struct.pack("<Q", value & (2**64 - 1))
    value = value.encode() if isinstance(value, str) else value
    return struct.pack("<BI", TAGS[name], len(value)) + value


def decode_fields(data):
    fields, at = {}, 0
    while at < len(data):
        tag, size = struct.unpack_from("<BI", data, at)
        fields[tag] = data[at + 5 : at + 5 + size]
        at += 5 + size
    return fields


def encode(kind, roles=(), version=VERSION, **more):
    """A record in the order in which our own programs write it."""
    fields = {"VERSION": version, "TYPE": TYPES.get(kind, kind),
              "ROLES": bytes(FDS.get(role, role) for role in roles),
              **FIELDS.get(kind, {}), **more}
    return b"".join(encode_field(name, fields[name])
                    for name in sorted(fields, key=TAGS.__getitem__) if fields[name] is not None)


class Box:
    """A running sandbox, as somebody sees it who can read its directory."""

    def __init__(self, world, keeper, path):
        self.world, self.keeper, self.path = world, keeper, path
        record = decode_fields((path / "record").read_bytes())
        self.nonce, self.spec = record[10], record[11]

    def log(self):
        path = self.path / "log"
        return path.read_text() if path.exists() else ""

    def fds(self):
        return len(os.listdir(f"/proc/{self.keeper}/fd"))

    def ticks(self):
        stat = lxe.read_proc(self.keeper, "stat").rsplit(b")", 1)[-1].split()
        return int(stat[11]) + int(stat[12])

    def stranger(self):
        return Peer(self)

    def peer(self, role=CONTROL, process=0):
        peer = Peer(self)
        peer.say("HELLO", NONCE=self.nonce, ROLE=role, PROCESS=process)
        return peer


class Peer:
    def __init__(self, box):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        cwd = os.open(".", os.O_PATH | os.O_DIRECTORY)
        try:
            # A path may be too long for connect(2), and /proc/self is not his whose ids are changed.
            os.chdir(box.path)
            with box.world.identity():
                self.socket.connect("socket")
        finally:
            os.fchdir(cwd)
            os.close(cwd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def close(self):
        self.socket.close()

    def send(self, data, fds=()):
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.socket.sendmsg([data], rights)

    def say(self, kind, fds=None, **fields):
        fds = fds or {}
        self.send(encode(kind, roles=fds, **fields), list(fds.values()))

    def hear(self, timeout=lxe.DEADLINE):
        """The next message's name and fields; none at the end. Descriptors are dropped."""
        assert select.select([self.socket], [], [], timeout)[0], "the keeper says nothing"
        try:
            data, fds, _, _ = socket.recv_fds(self.socket, 16384, 16)
        except ConnectionResetError:
            return None, {}
        for fd in fds:
            os.close(fd)
        fields = decode_fields(data)
        return (NAMES[fields[2][0]] if data else None), fields

    def expect(self, wanted, timeout=lxe.DEADLINE):
        name, fields = self.hear(timeout)
        assert name == wanted, (name, wanted)
        return fields

    def closed(self, timeout=1.5 * lxe.SLACK):
        """The keeper has closed it; what it had said before does not matter."""
        while self.hear(timeout)[0]:
            pass
