"""Dial every path of the arguments at once and print what the kernel said. Runs on the host, Python 3.4+.

A path is HOST PORT, or HOST PORT WHO PROXY; PROXY is METHOD+URL, the method with which the proxy is asked.
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
ANSWER = PATIENCE + 4  # seconds for a proxy's answer: it makes a connection of its own before
LINGER = 0.3  # seconds in which a server that will not serve closes or resets what it accepted
TOGETHER = threading.Semaphore(64)
EACH = 32  # connects to one address and port at once
THREADS = 256
LIMIT = 40.0  # seconds for all of it: less than the probe has, so that what ended by then is told
PLACES = {}
PRINT = threading.Lock()


def one_of(address):
    """A turn at this address and port."""
    return PLACES.setdefault(address[:2], threading.Semaphore(EACH))


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


def connect(family, address, then=after):
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
        return errno.errorcode.get(code, str(code)) if code else then(s), took, source, icmp
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno)), since(start), source, icmp
    finally:
        s.close()


NEEDS_ROOT = "needs root there (ansible_become: true, or log in as root)"


def unit(name):
    """What systemd says of a unit: whose it is, and its main process."""
    import subprocess

    asked = "LoadState,User,Group,SupplementaryGroups,DynamicUser,MainPID,ControlGroup,InactiveEnterTimestampMonotonic"
    asked += ",PrivateNetwork,NetworkNamespacePath"
    words = ["systemctl", "show", "--no-pager", "-p", asked, "--", name if "." in name else name + ".service"]
    said = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).communicate()[0]
    lines = said.decode("utf-8", "replace").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def owner(pid):
    """The user, group and further groups of a process, those that its sockets get (proc(5), the fs ids)."""
    with open("/proc/%d/status" % pid) as file:
        rows = dict(line.split(":", 1) for line in file if ":" in line)
    return int(rows["Uid"].split()[3]), int(rows["Gid"].split()[3]), [int(one) for one in rows["Groups"].split()]


def working(pid):
    """Who dials for a daemon: itself; where it is root and all its children are one other user, those."""
    main = owner(pid)
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
            children = [owner(int(child)) for child in file.read().split()]
    except (OSError, KeyError):
        return main
    return children[0] if main[0] == 0 and children and {child[0] for child in children} == {children[0][0]} else main


def account(name, group="", further=""):
    """The user, group and further groups of an account."""
    import grp
    import pwd

    try:
        entry = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        raise ValueError("no such user: %s" % name)
    gid = entry.pw_gid if not group else int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
    more = [int(one) if one.isdigit() else grp.getgrnam(one).gr_gid for one in further.split()]
    return entry.pw_uid, gid, os.getgrouplist(entry.pw_name, gid) + more


def enter(pid):
    """Go into the network namespace of a process; whether it is another than this one."""
    there = "/proc/%d/ns/net" % pid
    if os.readlink(there) == os.readlink("/proc/self/ns/net"):
        return False
    with open(there) as file:
        if hasattr(os, "setns"):
            os.setns(file.fileno(), 0)
        else:
            import ctypes

            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), 0):
                raise OSError(ctypes.get_errno(), "setns")
    return True


def group_of(pid):
    """The control group (of version 2) of a process, or -."""
    try:
        with open("/proc/%s/cgroup" % pid) as file:
            return next((line[3:].strip() for line in file if line.startswith("0::")), "") or "-"
    except OSError:
        return "-"


def become(who):
    """Be unit:NAME or user:NAME: uid, gid, control group, and words on it. Raises OSError, KeyError, ValueError."""
    kind, name = who.split(":", 1)
    words, group = [], group_of("self")
    if kind == "user":
        wanted = account(name)
    else:
        said = unit(name)
        pid = int(said.get("MainPID") or 0)
        if said.get("LoadState") != "loaded":
            raise ValueError("no such unit: %s" % name)
        private = said.get("PrivateNetwork") == "yes" or said.get("NetworkNamespacePath")
        if not pid and (private or said.get("DynamicUser") == "yes"):
            raise ValueError("%s does not run, and its user or network is there only while it does" % name)
        further = said.get("Group", ""), said.get("SupplementaryGroups", "")
        wanted = working(pid) if pid else account(said.get("User") or "root", *further)
        group = said.get("ControlGroup") or "-"
        if said.get("InactiveEnterTimestampMonotonic") == "0":
            words.append("kept")
        try:
            if pid and enter(pid):
                words.append("apart")
        except OSError as error:
            if os.geteuid() == 0 or private:
                raise ValueError("its network namespace: %s: %s" % (error.strerror, NEEDS_ROOT)) from None
    if os.geteuid() == 0:
        os.setgroups(wanted[2])
        os.setgid(wanted[1])
        os.setuid(wanted[0])
    elif (os.geteuid(), os.getegid()) != wanted[:2]:
        raise ValueError("dialling as %s %s" % (who, NEEDS_ROOT))
    return wanted[0], wanted[1], group, ",".join(words) or "-"


def printable(text, most):
    return "".join(c if " " <= c <= "~" else " " for c in text[:most]).strip() or "-"


def answer(s, start):
    """The head of what came back: status line and headers, or CLOSED, SILENT or errno without a line."""
    head = b""
    while b"\n\r\n" not in head and b"\n\n" not in head and len(head) < 16384:
        left = ANSWER - (time.monotonic() - start)
        s.settimeout(max(left, 0.01))
        try:
            more = s.recv(4096)
        except socket.timeout:
            return "SILENT" if b"\n" not in head else head.decode("latin-1")
        except OSError as error:
            return head.decode("latin-1") or errno.errorcode.get(error.errno, str(error.errno))
        if not more:
            return head.decode("latin-1") or "CLOSED"
        head += more
    return head.decode("latin-1")


def marks(head):
    """The headers by which a proxy's own answer is known from one that it hands on."""
    told = ("server:", "via:", "x-squid-error:", "proxy-status:", "proxy-authenticate:")
    lines = [line for line in head.splitlines()[1:40] if line.lower().startswith(told)]
    # Of a challenge only the scheme: what follows is the proxy's business.
    return "; ".join(line.split("realm")[0].strip() for line in lines)


def ask(s, method, host, port):
    """What the proxy answers when it is asked for this: milliseconds, what became of the tunnel, marks, status line."""
    start = time.monotonic()
    name = "[%s]" % host if ":" in host else host
    place = name if method == "HEAD" and port == "80" else "%s:%s" % (name, port)
    target = "http://%s/" % place if method == "HEAD" else place
    close = "Connection: close\r\n" if method == "HEAD" else ""
    text = "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: whyrefused\r\n%s\r\n" % (method, target, place, close)
    try:
        s.settimeout(ANSWER)
        s.sendall(text.encode("ascii"))
        head = answer(s, start)
    except OSError as error:
        head = errno.errorcode.get(error.errno, str(error.errno))
    took = since(start)
    line = (head.splitlines() or [""])[0]
    tunnel = "-"
    if method == "CONNECT" and line.startswith("HTTP/") and line[8:].lstrip().startswith("2"):
        s.setblocking(False)
        tunnel = after(s)
    return took, tunnel, printable(marks(head), 300), printable(line, 200)


def through(key, host, port, proxy):
    """Dial the proxy, and ask it for the way to HOST PORT."""
    method, _, url = proxy.partition("+")
    scheme, _, place = url.partition("://")
    if scheme != "http":
        row(key, "unable", "not dialled through %s proxy" % ("an https" if scheme == "https" else "a " + scheme))
        return
    name, _, number = place.rpartition(":")
    if not number.isdigit():
        row(key, "unable", "not dialled: the declared proxy has no port, and programs differ in theirs")
        return

    def asking(method):
        def then(s):
            said.append((method, *ask(s, method, host, port)))
            return "ok"

        return then

    for family, address in addresses(key, name.strip("[]"), number):
        said = []
        with one_of(address), TOGETHER:
            code, took, source, icmp = connect(family, address, asking(method))
            if said and method == "HEAD" and said[0][4].split(" ")[1:2] > ["5"]:
                # A gateway behind the proxy answers so too; to a CONNECT only the proxy itself does.
                connect(family, address, asking("CONNECT"))
        row(key, "try", address[0], code, took, source, icmp)
        for words in said:
            row(key, "answer", *words)
        if code == "ok":
            return


def addresses(key, host, port):
    """The addresses of a name, in the order a program gets them; none, and a row, where it has none."""
    start = time.monotonic()
    try:
        found = socket.getaddrinfo(host, int(port), 0, socket.SOCK_STREAM)
    except socket.gaierror as error:
        names = [n for n in dir(socket) if n.startswith("EAI_") and getattr(socket, n) == error.errno]
        row(key, "name", names[0] if names else error.errno, since(start))
        return []
    return [(family, address) for family, _, _, _, address in found]


def path(key):
    host, port, _, proxy = [*key.split(" "), "-", "-"][:4]
    if proxy != "-":
        through(key, host, port, proxy)
    else:
        direct(key, host, port)
    row(key, "end")


def direct(key, host, port):
    for family, address in addresses(key, host, port):
        with one_of(address), TOGETHER:
            code, took, source, icmp = connect(family, address)
        row(key, "try", address[0], code, took, source, icmp)
        if code == "ok":
            break


def all_of(keys):
    left = list(reversed(keys))

    def work():
        while True:
            try:
                key = left.pop()
            except IndexError:
                return
            path(key)

    threads = []
    for _ in range(min(len(keys), THREADS)):
        thread = threading.Thread(target=work)
        thread.daemon = True
        thread.start()
        threads.append(thread)
    limit = time.monotonic() + LIMIT
    for thread in threads:
        thread.join(max(0.0, limit - time.monotonic()))


def ends_with(parent):
    """End when the parent has. Nobody else may: what began this visit is another user."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def all_as(who, keys):
    """Dial these as somebody, and say who that is."""
    try:
        own = os.geteuid(), os.getegid(), group_of("self"), "-"
        told = own if who == "-" else become(who)
    except (OSError, KeyError, ValueError) as error:
        for key in keys:
            row(key, "unable", getattr(error, "strerror", None) or error.args[0])
            row(key, "end")
        return
    for key in keys:
        row(key, "as", *told)
    all_of(keys)


threading.stack_size(262144)
# Who dials is a matter of a whole process, and a fork must come before the first thread.
mine, children, first = {}, [], os.getpid()
for key in sys.argv[2:]:
    mine.setdefault([*key.split(" "), "-"][2], []).append(key)
for who in sorted(mine):
    if who != "-":
        child = os.fork()
        if child == 0:
            threading.Thread(target=ends_with, args=(first,), daemon=True).start()
            all_as(who, mine[who])
            os._exit(0)
        children.append(child)
all_as("-", mine.get("-", []))
for child in children:
    os.waitpid(child, 0)
os._exit(0)
