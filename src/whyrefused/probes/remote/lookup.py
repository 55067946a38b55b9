"""Ask each nameserver of the host for the addresses of names, all at once, over UDP. Runs on the host, Python 3.4+.

The names are completed as glibc does it (resolv.conf(5)). systemd-resolved's stub is asked, and its uplinks besides.
An argument is `NAME`, or `!NAME`: for that the declared servers of its zone are asked too, for what they know
themselves. `@ZONE=SERVER,…` declares them.
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
NS, CNAME, SOA, ALIASES = 2, 5, 6, 16
RECURSE, ITSELF, CUT = 0x0100, 0x0400, 0x0200  # RD, AA, TC (RFC 1035, 4.1.1)
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


def encoded(name):
    return tuple(one.lower() for one in name.encode("idna").split(b".") if one)


def question(number, name, kind, flags):
    asked = b"".join(struct.pack("B", len(one)) + one for one in encoded(name))
    return struct.pack(">HHHHHH", number, flags, 1, 0, 0, 0) + asked + struct.pack(">BHH", 0, TYPES[kind], 1)


def labels(data, at):
    """A name, and where what follows it begins (RFC 1035, 4.1.4)."""
    found, after, jumps = [], 0, 0
    while data[at]:
        if data[at] >= 192:
            after, at, jumps = after or at + 2, struct.unpack_from(">H", data, at)[0] & 0x3FFF, jumps + 1
            if jumps > ALIASES:
                raise ValueError(at)
        else:
            found.append(data[at + 1 : at + 1 + data[at]].lower())
            at += data[at] + 1
    return tuple(found), after or at + 1


def answer(data, closely):
    """The response code, is it its own word, whom it refers to, and records: owner, address, alias, TTL.

    RFC 1035, 4.1; RFC 2308, 2.2. Aliases and referrals are looked for only where it is read closely.
    """
    _, flags, asked, given, more = struct.unpack_from(">HHHHH", data)
    at, found, cuts, about = 12, [], [], set()
    for _ in range(asked):
        at = labels(data, at)[1] + 4
    for place in range(given + more if closely else given):
        owner, at = labels(data, at)
        kind, _, ttl, length = struct.unpack_from(">HHIH", data, at)
        at += 10
        if place >= given:
            about.add(kind)
            cuts += [owner] if kind == NS else []
        elif kind in (1, 28) and length == (4 if kind == 1 else 16):
            found.append((owner, str(ipaddress.ip_address(data[at : at + length])), None, ttl))
        elif kind == CNAME and closely:
            found.append((owner, None, labels(data, at)[0], ttl))
        at += length
    word = CODES[flags & 15] if flags & 15 < len(CODES) else "RCODE%d" % (flags & 15)
    return "TRUNCATED" if flags & CUT else word, bool(flags & ITSELF), [] if SOA in about else cuts, found


def within(name, zone):
    return name[-len(zone) :] == zone


def itself(told, name, zone):
    """What a server knows itself of a name in its zone. Where an alias leads out of that is for others to tell."""
    word, own, cuts, found = told
    if word not in ("NOERROR", "NXDOMAIN"):
        return word, []
    if not own:
        return "NOT-AUTHORITATIVE", []
    aliases = {owner: target for owner, _, target, _ in found if target is not None}
    for _ in range(ALIASES):
        name = aliases.get(name, name)
    told = [one for one in found if one[0] == name and one[1]]
    # A part of the zone that others have: without a record of its own it says nothing of what is there.
    below = not told and any(len(cut) > len(zone) and within(name, cut) for cut in cuts)
    return ("ALIAS-ELSEWHERE", []) if below or not within(name, zone) else (word, told)


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

    def __init__(self, address, role, zone=()):
        self.address, self.role, self.zone = address, role, zone
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
            self.questions[number] = (asked, question(number, asked[1], asked[2], 0 if self.zone else RECURSE))
        except ValueError:
            self.questions[number] = (asked, b"")
            self.words[number] = ("UNABLE", "-")

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
            told = word, own, _, found = answer(data, bool(self.zone))
            if self.zone:
                word, found = itself(told, encoded(self.questions[number][0][1]), self.zone)
        except (IndexError, KeyError, ValueError, struct.error):
            return
        if number in self.questions:
            given = [one for one in found if one[1]]
            kept = str(min(one[3] for one in found)) if given else "-"
            row = word, ",".join(one[1] for one in given) or "-", "aa" if own else "-", kept
            self.words.setdefault(number, row)

    def tell(self, columns):
        """Print a row for each question, with so many columns of what was answered."""
        for number, ((name, fqdn, kind), _) in self.questions.items():
            told = self.words.get(number, (self.error or "TIMEOUT", "-"))[:columns]
            sys.stdout.write("\t".join((name, self.role, self.address, fqdn, kind, *told)) + "\n")


def meant(fqdn, zones):
    """The servers of the nearest zone above a name, which is the one that has it."""
    try:
        above = [zone for zone in zones if within(encoded(fqdn), zone)]
    except ValueError:
        return []
    return zones[max(above, key=len)] if above else []


def main(arguments):
    names = [one for one in arguments if one[0] != "@"]
    zones = OrderedDict()
    for zone, _, own in (one[1:].partition("=") for one in arguments if one[0] == "@"):
        zones[encoded(zone)] = [Server(one, "zone:" + zone, encoded(zone)) for one in own.split(",")]
    addresses, search, ndots = read(CONF)
    servers = [Server(one, "nameserver") for one in addresses]
    if STUB in addresses:
        servers += [Server(one, "uplink") for one in read(UPLINKS)[0] if one not in addresses]
    for name in names:
        for fqdn in completed(name.lstrip("!"), search, ndots):
            for server in servers + (meant(fqdn, zones) if name[0] == "!" else []):
                for kind in TYPES:
                    server.ask((name.lstrip("!"), fqdn, kind))
    servers += [server for each in zones.values() for server in each if server.questions]
    ask(servers)
    for server in servers:
        server.tell(4 if zones else 2)
    for name in names:
        sys.stdout.write("%s\tend\n" % name.lstrip("!"))


def ask(servers):
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


if __name__ == "__main__":
    main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)
