"""How many nftables tables has the kernel? For hosts without nft: none is an answer, some are not. Python 3.4+."""

import os
import socket
import struct
import sys

NETFILTER, TABLES, DUMP, DONE, ERROR = 12, (10 << 8) | 1, 0x301, 3, 2  # linux/netlink.h, linux/netfilter/nf_tables.h

s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETFILTER)
s.settimeout(5)
s.bind((0, 0))
s.send(struct.pack("=IHHIIBBH", 20, TABLES, DUMP, 1, 0, 0, 0, 0))
found = 0
while True:
    data = s.recv(65536)
    while len(data) >= 16:
        size, kind = struct.unpack_from("=IH", data)
        if kind == DONE:
            some = "nft: not installed, kernel has %d tables\n" % found
            sys.stdout.write(some if found else "kernel without a table of nf_tables\n")
            sys.exit(127 if found else 0)
        if kind == ERROR or size < 16:
            sys.stdout.write("nf_tables: " + os.strerror(-struct.unpack_from("=i", data, 16)[0]) + "\n")
            sys.exit(1)
        found += 1
        data = data[(size + 3) & ~3 :]
