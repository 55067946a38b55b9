"""Dial every path of the arguments at once and print what the kernel said. Runs on the host, Python 3.4+.

A path is HOST PORT, or HOST PORT WHO PROXY.
"""

import errno
import os
import select
import socket
import struct
import sys
import threading
import time

PATIENCE = float(sys.argv[1])  # seconds for one TCP connect
NAMES = 12.0  # seconds for a name; a dead resolver costs glibc 5 s a try, twice
LINGER = 0.3  # seconds in which a server that will not serve closes or resets what it accepted
TOGETHER = threading.Semaphore(64)
PRINT = threading.Lock()


def row(*words):
    with PRINT:
        sys.stdout.write("\t".join(map(str, words)) + "\n")
        sys.stdout.flush()


def since(start):
    return int((time.monotonic() - start) * 1000)


def queued(s):
    """The ICMP error in the socket's queue (ip(7), IP_RECVERR): errno, and type/code/sender or -."""
    try:
        _, ancillary, _, _ = s.recvmsg(1, 256, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
    except (OSError, AttributeError):
        return 0, "-"
    for level, kind, data in ancillary:
        if len(data) >= 18 and (level, kind) in ((socket.IPPROTO_IP, 11), (socket.IPPROTO_IPV6, 25)):
            code, _, icmp, detail = struct.unpack_from("=IBBB", data)
            family = struct.unpack_from("=H", data, 16)[0]
            if family == socket.AF_INET and len(data) >= 24:
                return code, "%d/%d/%s" % (icmp, detail, socket.inet_ntop(socket.AF_INET, data[20:24]))
            if family == socket.AF_INET6 and len(data) >= 40:
                return code, "%d/%d/%s" % (icmp, detail, socket.inet_ntop(socket.AF_INET6, data[24:40]))
    return 0, "-"


def wait(s, start):
    """How the connect ended: errno or 0, and the ICMP error. One in the queue wakes poll before SO_ERROR has it."""
    icmp = "-"
    poll = select.poll()
    poll.register(s, select.POLLOUT)
    while True:
        left = PATIENCE - (time.monotonic() - start)
        if left <= 0 or not poll.poll(left * 1000):
            return errno.ETIMEDOUT, icmp
        code = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        waiting, sender = queued(s)
        icmp = icmp if sender == "-" else sender
        if code or waiting:
            return code or waiting, icmp
        try:
            s.getpeername()
        except OSError:
            time.sleep(0.01)
        else:
            return 0, icmp


def after(s):
    """What the server did with the connection it took: ok, or CLOSED or ECONNRESET without a byte."""
    poll = select.poll()
    poll.register(s, select.POLLIN)
    if not poll.poll(LINGER * 1000):
        return "ok"
    try:
        return "ok" if s.recv(1, socket.MSG_PEEK) else "CLOSED"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))


def connect(family, address):
    s = socket.socket(family, socket.SOCK_STREAM)
    start = time.monotonic()
    source = icmp = "-"
    try:
        s.setblocking(False)
        if family == socket.AF_INET6:
            # IPv4 queues the ICMP errors of a connect always, IPv6 only when asked (ipv6(7), IPV6_RECVERR).
            s.setsockopt(socket.IPPROTO_IPV6, 25, 1)
        code = s.connect_ex(address)
        try:
            source = s.getsockname()[0]
        except OSError:
            pass
        if code == errno.EINPROGRESS:
            code, icmp = wait(s, start)
        elif code:
            icmp = queued(s)[1]
        took = since(start)
        return errno.errorcode.get(code, str(code)) if code else after(s), took, source, icmp
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno)), since(start), source, icmp
    finally:
        s.close()


def path(key):
    host, port, who, proxy = [*key.split(" "), "-", "-"][:4]
    if who != "-" or proxy != "-":
        row(key, "unable", "not dialled")
        row(key, "end")
        return
    start = time.monotonic()
    try:
        found = socket.getaddrinfo(host, int(port), 0, socket.SOCK_STREAM)
    except socket.gaierror as error:
        names = [n for n in dir(socket) if n.startswith("EAI_") and getattr(socket, n) == error.errno]
        row(key, "name", names[0] if names else error.errno, since(start))
        row(key, "end")
        return
    for family, _, _, _, address in found:
        with TOGETHER:
            code, took, source, icmp = connect(family, address)
        row(key, "try", address[0], code, took, source, icmp)
        if code == "ok":
            break
    row(key, "end")


threads = []
for key in sys.argv[2:]:
    thread = threading.Thread(target=path, args=(key,))
    thread.daemon = True
    thread.start()
    threads.append(thread)
limit = time.monotonic() + NAMES + 2 * PATIENCE
for thread in threads:
    thread.join(max(0.0, limit - time.monotonic()))
os._exit(0)
