"""Ask each nameserver of the host for the addresses of names, all at once, over UDP. Runs on the host, Python 3.4+.

The names are completed as glibc does it (resolv.conf(5)). systemd-resolved's stub is asked, and its uplinks besides.
"""

import errno
import ipaddress
import os
import select
import socket
import struct
import sys
import time
from collections import OrderedDict

PATIENCE = 3.0  # seconds for an answer; asked once more after one
SERVERS, NAMES = 3, 7  # glibc's MAXNS; completions of one name
CONF, UPLINKS, STUB = "/etc/resolv.conf", "/run/systemd/resolve/resolv.conf", "127.0.0.53"
TYPES = {"A": 1, "AAAA": 28}
CODES = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")


def read(path):
    servers, search, ndots = [], [], 1
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read(65536).splitlines()
    except OSError:
        lines = []
    for words in filter(None, (line.split() for line in lines)):
        if words[0] == "nameserver" and len(words) > 1:
            servers.append(words[1])
        elif words[0] in ("search", "domain"):
            search = [word for word in words[1:] if word != "."]
        elif words[0] == "options":
            for word in words[1:]:
                if word.startswith("ndots:") and word[6:].isdigit():
                    ndots = int(word[6:])
    return servers[:SERVERS], search, ndots


def completed(name, search, ndots):
    if name.endswith("."):
        return [name.rstrip(".")]
    more = [name + "." + each.rstrip(".") for each in search][: NAMES - 1]
    return [name, *more] if name.count(".") >= ndots else [*more, name]


def question(number, name, kind):
    labels = b"".join(struct.pack("B", len(one)) + one for one in name.encode("idna").split(b".") if one)
    return struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + labels + struct.pack(">BHH", 0, TYPES[kind], 1)


def skipped(data, at):
    while data[at]:
        if data[at] >= 192:
            return at + 2
        at += data[at] + 1
    return at + 1


def answer(data):
    """The response code and the addresses of an answer (RFC 1035, 4.1)."""
    _, flags, asked, given = struct.unpack_from(">HHHH", data)
    at, found = 12, []
    for _ in range(asked):
        at = skipped(data, at) + 4
    for _ in range(given):
        at = skipped(data, at)
        kind, _, _, length = struct.unpack_from(">HHIH", data, at)
        at += 10
        if kind in (1, 28) and length == (4 if kind == 1 else 16):
            found.append(str(ipaddress.ip_address(data[at : at + length])))
        at += length
    word = CODES[flags & 15] if flags & 15 < len(CODES) else "RCODE%d" % (flags & 15)
    return "TRUNCATED" if flags & 0x0200 else word, found


def opened(server, port=53):
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.setblocking(False)
    address, _, zone = server.partition("%")
    s.connect((address, port, 0, socket.if_nametoindex(zone)) if zone else (address, port))
    return s


def word_of(error):
    return errno.errorcode.get(error.errno, str(error.errno))


class Server:
    """One nameserver, all questions to it, and what it answered. A question is answered by its number."""

    def __init__(self, address, role):
        self.address, self.role = address, role
        self.questions, self.words = OrderedDict(), {}
        self.socket, self.error = None, ""
        try:
            self.socket = opened(address)
        except (OSError, ValueError) as error:
            self.error = word_of(error) if isinstance(error, OSError) else "UNABLE"

    def ask(self, asked):
        """Note one more question: name, completed name, type."""
        number = len(self.questions)
        try:
            self.questions[number] = (asked, question(number, asked[1], asked[2]))
        except ValueError:
            self.questions[number] = (asked, b"")
            self.words[number] = "UNABLE\t-"

    @property
    def waiting(self):
        """Is any question still without an answer?"""
        return not self.error and len(self.words) < len(self.questions)

    def send(self):
        """Send what is not answered yet."""
        for number, (_, packet) in self.questions.items():
            if number not in self.words and not self.error:
                self.tried(lambda packet=packet: self.socket.send(packet))

    def tried(self, call):
        """A connected UDP socket is told by ICMP that nobody listens, at the next call (udp(7))."""
        try:
            return call()
        except BlockingIOError:
            pass
        except OSError as error:
            self.error = word_of(error)
        return b""

    def hear(self):
        """Take one answer."""
        data = self.tried(lambda: self.socket.recv(4096))
        if not data:
            return
        try:
            number = struct.unpack_from(">H", data)[0]
            word, found = answer(data)
        except (IndexError, ValueError, struct.error):
            return
        if number in self.questions:
            self.words.setdefault(number, "%s\t%s" % (word, ",".join(found) or "-"))

    def tell(self):
        """Print a row for each question."""
        for number, ((name, fqdn, kind), _) in self.questions.items():
            word = self.words.get(number, (self.error or "TIMEOUT") + "\t-")
            sys.stdout.write("%s\t%s\t%s\t%s\t%s\t%s\n" % (name, self.role, self.address, fqdn, kind, word))


addresses, search, ndots = read(CONF)
servers = [Server(one, "nameserver") for one in addresses]
if STUB in addresses:
    servers += [Server(one, "uplink") for one in read(UPLINKS)[0] if one not in addresses]
for server in servers:
    for name in sys.argv[1:]:
        for fqdn in completed(name, search, ndots):
            for kind in TYPES:
                server.ask((name, fqdn, kind))
poll = select.poll()
for server in servers:
    server.send()
    if server.socket:
        poll.register(server.socket, select.POLLIN)
by_number = {server.socket.fileno(): server for server in servers if server.socket}
start, again = time.monotonic(), False
while any(server.waiting for server in servers) and time.monotonic() - start < PATIENCE:
    if not again and time.monotonic() - start > 1:
        again = True
        for server in servers:
            server.send()
    for number, _ in poll.poll(200):
        by_number[number].hear()
        if by_number[number].error:
            poll.unregister(number)
for server in servers:
    server.tell()
for name in sys.argv[1:]:
    sys.stdout.write("%s\tend\n" % name)
sys.stdout.flush()
os._exit(0)
