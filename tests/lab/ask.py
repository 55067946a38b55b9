"""What do connections meet? A program that is sent to the host.

It reads JSON, {"seconds": how long silence lasts, "dials": [[protocol, source, destination, port], ...]}, dials all of
them at once and prints a list of [what was met, what was said]: `accept` and the answer's text, `tcp reset`, `icmp TYPE
CODE`, `icmpv6 TYPE CODE`, `drop` for silence, else the name of the errno.
"""

import contextlib
import errno
import json
import select
import socket
import struct
import sys
import time

TCP, UDP = "tcp", "udp"
UNREACHABLE = {4: 3, 6: 1}  # type of the ICMP message


class Dial:
    """One connection that is tried."""

    def __init__(self, protocol: str, source: str, destination: str, port: int) -> None:
        self.protocol = protocol
        self.destination = (destination, port)
        self.version = 6 if ":" in destination else 4
        family = socket.AF_INET6 if self.version == 6 else socket.AF_INET
        self.end = socket.socket(family, socket.SOCK_STREAM if protocol == TCP else socket.SOCK_DGRAM)
        self.end.settimeout(0)
        self.end.bind((source, 0))
        self.key = (self.version, protocol, self.end.getsockname()[1])
        self.met, self.said, self.open = "", "", False

    def start(self) -> None:
        """Send the first packet."""
        try:
            self.end.connect(self.destination)
            if self.protocol == UDP:
                self.open = True
                self.end.send(b"?")
        except BlockingIOError:
            pass
        except OSError as error:
            self.fail(error.errno)

    def fail(self, number: int) -> None:
        """Keep how it failed; what a rule of this host holds back (EPERM) is as silent as what one of another does."""
        if number != errno.EPERM:
            self.met = "tcp reset" if number == errno.ECONNREFUSED else errno.errorcode[number]

    def silent(self) -> str:
        """What is it when nothing has come? A handshake alone is a connection."""
        return "accept" if self.open and self.protocol == TCP else "drop"

    def look(self) -> None:
        """Take what has come."""
        if not self.open:
            if number := self.end.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self.fail(number)
                return
            self.open = True
        try:
            self.said = self.end.recv(64).decode().strip()
            self.met = "accept"
        except BlockingIOError:
            self.met = ""
        except OSError as error:
            self.fail(error.errno)


def quoted(version: int, data: bytes) -> tuple:
    """Of which connection does this ICMP message speak, and what does it say?"""
    if version == 4:
        data = data[(data[0] & 15) * 4 :]
        inner = data[8:]
        protocol, ports = inner[9], inner[(inner[0] & 15) * 4 :]
    else:
        inner = data[8:]
        protocol, ports = inner[6], inner[40:]
    name = {6: TCP, 17: UDP}.get(protocol, "")
    said = f"{'icmp' if version == 4 else 'icmpv6'} {data[0]} {data[1]}"
    return (version, name, struct.unpack("!H", ports[:2])[0]), (data[0], said)


def listeners() -> dict:
    """Which sockets see the ICMP messages that come in?"""
    found = {}
    for version, family, protocol in ((4, socket.AF_INET, socket.IPPROTO_ICMP), (6, socket.AF_INET6, 58)):
        found[version] = socket.socket(family, socket.SOCK_RAW, protocol)
        found[version].settimeout(0)
    return found


def hear(version: int, raw: socket.socket, dials: dict) -> None:
    """Take one ICMP message: what it says of a connection is more than its errno tells."""
    with contextlib.suppress(OSError, IndexError, struct.error):
        key, (kind, said) = quoted(version, raw.recv(2048))
        if kind == UNREACHABLE[version] and key in dials:
            dials[key].met = said


def main() -> None:
    """Dial all, wait for all, tell all."""
    asked = json.load(sys.stdin)
    dials = [Dial(*each) for each in asked["dials"]]
    keyed = {dial.key: dial for dial in dials}
    raws = listeners()
    for dial in dials:
        dial.start()
    until = time.monotonic() + asked["seconds"]
    settle = 0.05  # an errno may come before its ICMP message
    while time.monotonic() < until:
        waiting = [dial for dial in dials if not dial.met]
        if not waiting:
            until = min(until, time.monotonic() + settle)
        streams = [dial.end for dial in waiting if not dial.open]
        ready = select.select([*(dial.end for dial in waiting), *raws.values()], streams, [], 0.02)
        for version, raw in raws.items():
            if raw in ready[0]:
                hear(version, raw, keyed)
        for dial in waiting:
            if not dial.met and (dial.end in ready[0] or dial.end in ready[1]):
                dial.look()
    print(json.dumps([[dial.met or dial.silent(), dial.said] for dial in dials]))  # noqa: T201 - a program's answer


if __name__ == "__main__":
    main()
