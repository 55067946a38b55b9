"""Look at one end of some paths while they are dialled: which SYN, RST and ICMP came and went? Python 3.4+.

    sight.py watch SECONDS CLIENT/SERVER/PORT …      only look
    sight.py burst SECONDS CLIENT/SERVER/PORT/CONTROL …   look, and after a while dial PORT and CONTROL several times

Headers only, of the named pairs only. Rows, tab between the words:

    PATH burst|control WORD COUNT                how many connects ended so
    PATH packet in|out KIND TTL SENDER COUNT     KIND: SYN, SYN-ACK, RST, ICMP-TYPE/CODE
    lost WHY                                     no packet was looked at
    PATH seen                                    its packets were looked at to the end
    seen                                         and those of all paths
"""

import collections
import errno
import os
import select
import socket
import struct
import sys
import threading
import time

FIRST, BURST, CONTROL, PATIENCE = 1.5, 12, 5, 2.5
KINDS = {2: "SYN", 18: "SYN-ACK", 4: "RST", 20: "RST"}
OUTGOING, EVERY = 4, 3  # PACKET_OUTGOING of packet(7), ETH_P_ALL
ATTACH_FILTER = 26  # SO_ATTACH_FILTER of socket(7)
MOST = 64  # rows of one path
# bpf(4): TCP with SYN or RST, ICMP, ICMPv6; 96 bytes of each. (code, where true, where false, k)
FILTER = (
    (0x30, 0, 0, 0), (0x74, 0, 0, 4), (0x15, 7, 0, 6), (0x15, 0, 11, 4),
    (0x30, 0, 0, 9), (0x15, 10, 0, 1), (0x15, 0, 8, 6), (0xB1, 0, 0, 0), (0x50, 0, 0, 13), (0x05, 0, 0, 4),
    (0x30, 0, 0, 6), (0x15, 4, 0, 58), (0x15, 0, 2, 6), (0x30, 0, 0, 53),
    (0x45, 1, 0, 6), (0x06, 0, 0, 0), (0x06, 0, 0, 96),
)  # fmt: skip


def row(*words):
    sys.stdout.write("\t".join(map(str, words)) + "\n")


def opened():
    s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(EVERY))
    code = b"".join(struct.pack("HBBI", *one) for one in FILTER)
    memory = bytearray(code)
    address = __import__("ctypes").addressof(__import__("ctypes").c_char.from_buffer(memory))
    s.setsockopt(socket.SOL_SOCKET, ATTACH_FILTER, struct.pack("HP", len(FILTER), address))
    s.setblocking(False)
    return s


def header(data):
    """Source, destination, time to live, protocol and payload of an IP packet."""
    if data[0] >> 4 == 4:
        inner = (data[0] & 15) * 4
        names = [socket.inet_ntop(socket.AF_INET, data[at : at + 4]) for at in (12, 16)]
        return names[0], names[1], data[8], data[9], data[inner:]
    names = [socket.inet_ntop(socket.AF_INET6, data[at : at + 16]) for at in (8, 24)]
    return names[0], names[1], data[7], data[6], data[40:]


def ports(data):
    return struct.unpack_from("!HH", data)


class Looking(threading.Thread):
    """All packets of the paths until the time is up, counted."""

    def __init__(self, paths, until):
        threading.Thread.__init__(self)
        self.daemon = True
        self.paths, self.until, self.found, self.s = paths, until, collections.OrderedDict(), opened()

    def run(self):
        """Look until then."""
        while True:
            left = self.until - time.monotonic()
            if left <= 0:
                return
            if select.select([self.s], [], [], left)[0]:
                try:
                    data, origin = self.s.recvfrom(96)
                    self.packet(data, "out" if origin[2] == OUTGOING else "in")
                except (OSError, IndexError, struct.error, ValueError):
                    continue

    def packet(self, data, way):
        """Count one, where it belongs to a path."""
        source, target, ttl, protocol, rest = header(data)
        if protocol == 6:
            kind, ends, both = KINDS.get(rest[13] & 0x17), (source, target), ports(rest)
        elif protocol in (1, 58):
            kind = "ICMP-%d/%d" % (rest[0], rest[1])
            inner = header(rest[8:])
            ends, both = inner[:2], ports(inner[4])
        else:
            return
        for client, server, port in self.paths:
            if kind and (
                (ends == (client, server) and both[1] == port) or (ends == (server, client) and both[0] == port)
            ):
                key = ("%s/%s/%d" % (client, server, port), "packet", way, kind, ttl, source)
                if key in self.found or len(self.found) < MOST * len(self.paths):
                    self.found[key] = self.found.get(key, 0) + 1


def connects(server, port, count):
    """How do so many connects at once end? Words and how often."""
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    ends, waiting, poll = collections.Counter(), {}, select.poll()
    for _ in range(count):
        s = socket.socket(family, socket.SOCK_STREAM)
        s.setblocking(False)
        code = s.connect_ex((server, port))
        if code == errno.EINPROGRESS:
            waiting[s.fileno()] = s
            poll.register(s, select.POLLOUT)
        else:
            ends[errno.errorcode.get(code, str(code)) if code else "ok"] += 1
            s.close()
    until = time.monotonic() + PATIENCE
    while waiting and time.monotonic() < until:
        for number, _ in poll.poll(max(0, (until - time.monotonic()) * 1000)):
            code = waiting[number].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            ends[errno.errorcode.get(code, str(code)) if code else "ok"] += 1
            poll.unregister(number)
            waiting.pop(number).close()
    for s in waiting.values():
        ends["ETIMEDOUT"] += 1
        s.close()
    return ends


def dialled(client, server, port, control):
    name = "%s/%s/%d" % (client, server, port)
    for kind, number, count in (("burst", port, BURST), ("control", control, CONTROL)):
        for word, times in sorted(connects(server, number, count).items()):
            row(name, kind, word, times)


mode, seconds = sys.argv[1], float(sys.argv[2])
asked = [one.split("/") for one in sys.argv[3:]]
start = time.monotonic()
looking = None
try:
    looking = Looking(
        [(client, server, int(port)) for client, server, port in (one[:3] for one in asked)], start + seconds
    )
    looking.start()
except (OSError, AttributeError) as error:
    row("lost", error)
if mode == "burst":
    time.sleep(FIRST)
    threads = [threading.Thread(target=dialled, args=(c, s, int(p), int(q))) for c, s, p, q in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
if looking:
    looking.join()
    for key, times in looking.found.items():
        words = list(key)
        words.append(times)
        row(*words)
    for path in looking.paths:
        row("%s/%s/%d" % path, "seen")
    row("seen")
else:
    time.sleep(max(0.0, start + seconds - time.monotonic()))
sys.stdout.flush()
os._exit(0)
