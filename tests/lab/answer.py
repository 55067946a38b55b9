"""Who was reached? `answer.py PORT...`; a program that is sent to the host.

It listens on TCP and UDP, and tells everybody its own address and port: behind NAT they are not the ones dialled.
"""

import os
import selectors
import socket
import sys

PACKET_INFO = 50  # IPV6_PKTINFO of linux/in6.h
ASK_INFO = 49  # IPV6_RECVPKTINFO


def plain(address: str) -> str:
    """Which address is meant? A socket for both families writes IPv4 ones as ::ffff:192.0.2.1."""
    return address.removeprefix("::ffff:").partition("%")[0]


def take(server: socket.socket) -> None:
    """Answer one TCP connection."""
    with server.accept()[0] as end:
        end.settimeout(None)
        address, port = end.getsockname()[:2]
        end.sendall(f"{plain(address)} {port}\n".encode())


def reply(server: socket.socket) -> None:
    """Answer one datagram, from the address it was sent to."""
    _, info, _, client = server.recvmsg(64, 256)
    address = plain(socket.inet_ntop(socket.AF_INET6, info[0][2][:16]))
    said = f"{address} {server.getsockname()[1]}\n".encode()
    server.sendmsg([said], [(socket.IPPROTO_IPV6, PACKET_INFO, info[0][2])], 0, client)


def main() -> None:
    """Listen, tell the service manager so (sd_notify(3)), and answer for good."""
    selector = selectors.DefaultSelector()
    for port in map(int, sys.argv[1:]):
        stream = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=256)
        selector.register(stream, selectors.EVENT_READ, take)
        datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        datagrams.setsockopt(socket.IPPROTO_IPV6, ASK_INFO, 1)
        datagrams.bind(("::", port))
        selector.register(datagrams, selectors.EVENT_READ, reply)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
    while True:
        for key, _ in selector.select():
            try:
                key.data(key.fileobj)
            except OSError:  # its client is gone, or a rule keeps the answer in
                continue


if __name__ == "__main__":
    main()
