"""An authoritative nameserver for netlab: its zone is a dictionary that tests change while it answers.

    zone["www.example"] = ["203.0.113.9", "2001:db8:2::9", "CNAME other.example"]

A name that is not in it does not exist. `asked` has every question, in their order: (name, type).
"""

import socket
import struct

A, CNAME, TXT, AAAA = 1, 5, 16, 28
ADDRESS, TTL = "203.0.113.53", 30
CHAIN_MAX = 8


def encode_name(name):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    return labels + b"\0"


def record(text):
    """Type and data of one record, which is written as an address, as CNAME NAME or as TXT WORD."""
    if text.startswith("CNAME "):
        return CNAME, encode_name(text.split()[1])
    if text.startswith("TXT "):
        word = text.split()[1].encode()
        return TXT, bytes([len(word)]) + word
    if ":" in text:
        return AAAA, socket.inet_pton(socket.AF_INET6, text)
    return A, socket.inet_aton(text)


def read_question(query):
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode(errors="replace"))
        at += 1 + query[at]
    (kind,) = struct.unpack_from(">H", query, at + 1)
    return ".".join(labels).lower(), kind, query[12 : at + 5]


class Nameserver:
    def __init__(self, lab, zone=None, address=ADDRESS):
        self.zone, self.asked, self.ttl = zone if zone is not None else {}, [], TTL
        self.address = address
        self.server = lab.udp(lab.inet, port=53, address=address, answer=self.answer)
        self.stream = lab.tcp(lab.inet, port=53, address=address, answer=self.answer_stream)

    def names(self):
        return {name for name, _ in self.asked}

    def records(self, name, kind):
        """Those of the answer, a chain of CNAMEs included."""
        for _ in range(CHAIN_MAX):
            found = [record(text) for text in self.zone.get(name, [])]
            for one, data in found:
                if one in (kind, CNAME):
                    yield encode_name(name) + struct.pack(">HHIH", one, 1, self.ttl, len(data)) + data
            following = [text.split()[1] for text in self.zone.get(name, []) if text.startswith("CNAME ")]
            if not following:
                return
            name = following[0]

    def answer_stream(self, server, said, local):
        answer = self.answer(server, said[2:], local)
        return struct.pack(">H", len(answer)) + answer

    def answer(self, _server, query, _local):
        name, kind, question = read_question(query)
        self.asked.append((name, kind))
        records = list(self.records(name, kind))
        flags = 0x8580 | (0 if name in self.zone else 3)
        return query[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0) + question + b"".join(records)
