"""Which symptom has a TCP connect? `dial.py ADDRESS PORT TIMEOUT USER`; a program that is sent to the host."""

import errno
import os
import pwd
import socket
import sys

LISTEN_SECONDS = 0.3
"""How long a server that took the connection gets to close or reset it. One that waits for us to speak is connected."""


def symptom(address: str, port: int, timeout: float) -> str:
    """What happened, by exception and errno?"""
    try:
        found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)
    except socket.gaierror:
        return "dns-failure"
    family, _, _, _, where = found[0]
    with socket.socket(family, socket.SOCK_STREAM) as end:
        end.settimeout(timeout)
        try:
            end.connect(where)
        except ConnectionRefusedError:
            return "refused"
        except ConnectionResetError:
            return "reset"
        except TimeoutError:
            return "timed-out"
        except OSError as error:
            # EPERM: this host's own filter. EACCES is what ICMPv6 "administratively prohibited" becomes.
            return "local-error" if error.errno in (errno.EPERM, errno.EADDRNOTAVAIL) else "unreachable"
        return _held(end)


def _held(end: socket.socket) -> str:
    end.settimeout(LISTEN_SECONDS)
    try:
        return "connected" if end.recv(1) else "reset"
    except TimeoutError:
        return "connected"
    except OSError:
        return "reset"


def become(user: str) -> None:
    """Who dials? Owner-matched firewall rules and limits ask that."""
    entry = pwd.getpwnam(user)
    if entry.pw_uid != os.geteuid():
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)


if __name__ == "__main__":
    become(sys.argv[4])
    print(symptom(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))  # noqa: T201 - a program's answer
