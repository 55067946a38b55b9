"""Open pages in this host's own browser and print what became of them. Runs on the host, Python 3.4+ on Linux.

Arguments: the text of dial.py, the user id of the login, then per page KEY, URL, WHO, PROXY, PROFILE (- for none).
Nothing stays on the host: the browser's files stand in a tmpfs of a mount namespace of its own, where all else is
read-only; where no namespace can be had, in a folder of a tmpfs that is removed at the end. Rows: probes/browses.py.
"""

import glob
import json
import os
import pwd
import re
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64encode
from hashlib import sha256
from urllib.parse import urlsplit

try:
    import ctypes

    LIBC = ctypes.CDLL(None, use_errno=True)
except (ImportError, OSError):  # a python3 without it; then there are no namespaces
    ctypes = LIBC = None

DIAL = sys.argv[1]
LOGIN = os.getuid() or int(sys.argv[2])  # become root is for looking; the browser is the login's
PAGE = 12.0  # seconds for one page
SETTLE = 0.7  # seconds until a browser that just began heeds its HSTS store, its resolver over HTTPS, its extensions
START = 12.0  # seconds until the browser answers
ALL = 40.0  # seconds for everything; below SECONDS of probes/browses.py
TOGETHER = 2
BEGUN = time.time()

BROWSERS = ("chromium", "google-chrome-stable", "google-chrome", "chromium-browser")
# The program behind the shell script of that name, which adds flags of its own.
PROGRAMS = {
    "chromium": ("/usr/lib/chromium/chromium", "/usr/lib64/chromium/chromium",
                 "/usr/lib64/chromium-browser/chromium-browser"),
    "google-chrome": ("/opt/google/chrome/chrome",),
    "google-chrome-stable": ("/opt/google/chrome/chrome",),
    "chromium-browser": ("/usr/lib/chromium-browser/chromium-browser", "/usr/lib64/chromium-browser/chromium-browser",
                         "/usr/lib/chromium/chromium"),
}  # fmt: skip
HOMES = {"google-chrome": "google-chrome", "google-chrome-stable": "google-chrome"}
POLICIES = {
    "chromium": ("/etc/chromium/policies",),
    "chromium-browser": ("/etc/chromium/policies", "/etc/chromium-browser/policies"),
    "google-chrome": ("/etc/opt/chrome/policies",),
    "google-chrome-stable": ("/etc/opt/chrome/policies",),
}
FLAG_FILES = ("/etc/chromium.d/*", "/etc/chromium/default", "/etc/chromium/chromium.conf", "/etc/default/chromium",
              "/etc/chromium-browser/default", "/etc/chromium-browser/customizations/*")  # fmt: skip
# Policies that decide where a connection goes (chromeenterprise.google/policies).
KEYS = re.compile(
    r'"(Proxy[A-Za-z]*|URL(?:Block|Allow)[a-z]*|DnsOverHttps[A-Za-z]*|BuiltInDnsClientEnabled|HttpsOnlyMode'
    r'|HttpsUpgradesEnabled|HSTSPolicy[A-Za-z]*|Extension(?:Install|Settings)[A-Za-z]*|ExplicitlyAllowedNetworkPorts)"'
)
SWITCHES = re.compile(
    r"--(proxy-[a-z-]+|winhttp-proxy-resolver|no-proxy-server|host-resolver-rules|host-rules|load-extension"
    r"|(?:en|dis)able-features|dns-over-https-[a-z]+|explicitly-allowed-ports)(?:=(.+))?$",
    re.DOTALL,
)
ALONE = ("no-proxy-server", "proxy-auto-detect")  # mean something without a value
VARIABLE = re.compile(r"(https?|all|no)_proxy$", re.IGNORECASE)
SECRET = re.compile(r"(//)[^\s\"',;]*@|((?:password|token|secret|key)[\"']?\s*[=:]\s*)[^\s\"',;&]+", re.IGNORECASE)
# What of a profile says where a connection goes. Cookies, passwords, history and open pages are never touched.
KEPT = ("Preferences", "Secure Preferences", "TransportSecurity", "Network Persistent State", "Network",
        "Extensions", "Extension Rules", "Extension State", "DNR Extension Rules", "Local Extension Settings",
        "Managed Extension Settings", "Cache")  # fmt: skip
PRIVATE = ("Cookies", "Cookies-journal", "Trust Tokens", "Trust Tokens-journal", "Device Bound Sessions")
COPY = 128 * 1024 * 1024  # bytes of a profile that are copied
ROOM = "384m"  # of the tmpfs
SHARED = "/dev/shm"  # noqa: S108

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID = 0x20000, 0x10000000, 0x20000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE, MNT_DETACH = 2, 4, 8, 0x4000, 0x40000, 2
MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE = 442, -100, 0x8000


class Unable(Exception):
    """Why a page could not be opened at all."""


def struck(text):
    """One line of this, without credentials."""
    text = SECRET.sub(lambda found: (found.group(1) or found.group(2)) + "***" + ("@" if found.group(1) else ""), text)
    return " ".join(text.split())[:400]


def call(name, *arguments):
    if getattr(LIBC, name)(*arguments):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def mount(kind, target, flags, data):
    call("mount", kind, target.encode(), kind, ctypes.c_ulong(flags), data.encode() if data else None)


class Place:
    """Where the browser keeps its files: a tmpfs that nobody else sees, or a folder of one that is removed.

    Only this class makes, changes or removes files, and only below `base`.
    """

    def __init__(self, row):
        self.apart = False
        self.row = row
        self.base = ""

    def make(self, user):
        if self.apart:
            # The whole tree read-only, then a tmpfs on top: the kernel refuses every other write (mount_setattr(2)).
            wanted = (ctypes.c_uint64 * 4)(1, 0, 0, 0)
            frozen = not LIBC.syscall(
                ctypes.c_long(MOUNT_SETATTR), ctypes.c_int(AT_FDCWD), b"/", ctypes.c_uint(AT_RECURSIVE),
                ctypes.byref(wanted), ctypes.c_size_t(32),
            )  # fmt: skip
            mount(b"tmpfs", SHARED, MS_NOSUID | MS_NODEV, "mode=1777,size=" + ROOM)
            self.row("place", "tmpfs", "read-only" if frozen else "writable")
            self.base = tempfile.mkdtemp(prefix="b", dir=SHARED)
        else:
            self.base = self._folder()
            self.row("place", "folder", os.path.dirname(self.base))
        self.own(user)

    @staticmethod
    def _folder():
        for folder in (SHARED, os.environ.get("XDG_RUNTIME_DIR", ""), "/run/user/%d" % os.getuid()):
            try:
                kind = subprocess.check_output(["stat", "-f", "-c", "%T", folder], stderr=subprocess.DEVNULL)
                if kind.strip() in (b"tmpfs", b"ramfs"):
                    return tempfile.mkdtemp(prefix="whyrefused-", dir=folder)
            except (OSError, subprocess.CalledProcessError):
                continue
        raise Unable("no file system in memory can be written to, and the disk is left alone")

    def below(self, path):
        """This path, which must be one of ours."""
        if not self.base or not (path + "/").startswith(self.base + "/") or "/../" in path + "/":
            raise Unable("%s is no place of ours" % path)
        return path

    def folder(self, *parts):
        path = os.path.join(self.base, *parts)
        os.mkdir(self.below(path))
        return path

    def write(self, name, text):
        with open(self.below(os.path.join(self.base, name)), "w") as file:
            file.write(text)

    def own(self, user):
        for folder, _, files in os.walk(self.base):
            for one in [folder] + [os.path.join(folder, file) for file in files]:
                os.chown(self.below(one), user.uid, user.gid, follow_symlinks=False)

    def copy(self, source, target, left):
        """Copy regular files, never through a link, while there is room. How much room is left."""
        try:
            kind = os.lstat(source).st_mode
            if stat.S_ISDIR(kind):
                os.mkdir(self.below(target))
                for one in os.listdir(source):
                    if one not in PRIVATE:
                        left = self.copy(os.path.join(source, one), os.path.join(target, one), left)
            elif stat.S_ISREG(kind):
                opened = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
                with os.fdopen(opened, "rb") as file, open(self.below(target), "wb") as made:
                    text = file.read(max(0, left))
                    made.write(text)
                    left -= len(text)
        except OSError:
            pass
        return left

    def empty(self):
        for name in os.listdir(self.base):
            shutil.rmtree(self.below(os.path.join(self.base, name)), ignore_errors=True)
            if os.path.lexists(os.path.join(self.base, name)):
                os.unlink(self.below(os.path.join(self.base, name)))

    def end(self):
        if self.base:
            shutil.rmtree(self.below(self.base), ignore_errors=True)


def namespaces():
    """Go where mounts are ours alone. False where that is not permitted."""
    uid, gid = os.getuid(), os.getgid()
    if not LIBC:
        return False
    try:
        call("unshare", CLONE_NEWNS | CLONE_NEWPID)
    except OSError:
        try:
            call("unshare", CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID)
            for name, text in (("setgroups", "deny"), ("uid_map", "%d %d 1" % (uid, uid)),
                               ("gid_map", "%d %d 1" % (gid, gid))):  # fmt: skip
                with open("/proc/self/" + name, "w") as file:
                    file.write(text)
        except OSError:
            return False
    return True


def settled():
    """Our mounts change nobody else's, and /proc is that of our own processes."""
    call("mount", b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None)
    mount(b"proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "")


class Browser:
    """One run of the browser, driven over the debugging pipe."""

    def __init__(self, argv, env, user, base):
        self.base = base
        down, self.write = os.pipe()
        self.read, up = os.pipe()
        self.waiting, self.count, self.events = b"", 0, []

        def become():
            os.setsid()
            # The pipe's ends are 3 and 4 in the browser (--remote-debugging-pipe).
            a, b = os.dup2(down, 60), os.dup2(up, 61)
            del a, b
            os.dup2(60, 3)
            os.dup2(61, 4)
            os.closerange(5, 256)
            user.become()

        for end in (down, up, self.write, self.read):
            os.set_inheritable(end, end in (down, up))
        self.log = tempfile.TemporaryFile(dir=base)  # noqa: SIM115 - read by last_words; it has no name
        self.process = subprocess.Popen(
            argv, env=env, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, preexec_fn=become,
            close_fds=False, cwd=base,
        )  # fmt: skip
        os.close(down)
        os.close(up)

    def send(self, method, session=None, **parameters):
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        try:
            os.write(self.write, json.dumps(message).encode() + b"\0")
        except OSError:
            raise Unable(self.last_words())
        return self.count

    def ask(self, limit, method, session=None, **parameters):
        """The answer, or None where none comes in time."""
        number = self.send(method, session, **parameters)
        return self.until(limit, lambda message: message.get("id") == number)

    def until(self, limit, wanted):
        end = time.time() + limit
        while True:
            while b"\0" in self.waiting:
                text, _, self.waiting = self.waiting.partition(b"\0")
                message = json.loads(text.decode("utf-8", "replace"))
                if wanted(message):
                    return message
                if "method" in message and len(self.events) < 2000:
                    self.events.append(message)
            left = end - time.time()
            if left <= 0 or not select.select([self.read], [], [], left)[0]:
                return None
            more = os.read(self.read, 1 << 16)
            if not more:
                raise Unable(self.last_words())
            self.waiting += more
            if len(self.waiting) > 8 << 20:
                raise Unable("the browser said too much")

    def last_words(self):
        time.sleep(0.1)
        self.log.seek(0)
        lines = [line for line in self.log.read(65536).decode("utf-8", "replace").splitlines() if line.strip()]
        told = [line for line in lines if "FATAL" in line or "annot" in line or "ailed" in line] or lines
        return "the browser ended: " + (struck(told[-1]) if told else "without a word")

    def stop(self):
        for close in (self.write, self.read):
            try:
                os.close(close)
            except OSError:
                pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except OSError:
            pass
        self.process.wait()
        self.log.close()
        reap()


def reap():
    """End what the browser left of itself: whatever lost its parent is a child of ours (prctl(2), subreaper)."""
    for _ in range(50):
        mine = []
        try:
            with open("/proc/self/task/%d/children" % os.getpid()) as file:
                mine = file.read().split()
        except OSError:
            pass
        for one in mine:
            try:
                os.kill(int(one), signal.SIGKILL)
            except OSError:
                pass
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except OSError:
            return
        time.sleep(0.01)


class User:
    """As whom the browser runs."""

    def __init__(self, who):
        try:
            found = pwd.getpwnam(who.partition(":")[2]) if who != "-" else pwd.getpwuid(LOGIN)
        except KeyError:
            raise Unable("no user %s is there" % (who.partition(":")[2] or LOGIN))
        self.name, self.uid, self.gid, self.home = found.pw_name, found.pw_uid, found.pw_gid, found.pw_dir
        self.shell = found.pw_shell or "/bin/sh"
        if os.getuid() not in (0, self.uid):
            raise Unable("running a browser as %s: not permitted, needs root there" % self.name)

    def become(self):
        if os.getuid() == 0 and self.uid:
            os.initgroups(self.name, self.gid)
            os.setgid(self.gid)
            os.setuid(self.uid)

    def reads(self, file):
        """May this user, and so the browser, read what we could?"""
        found = os.stat(file)
        return not self.uid or found.st_mode & stat.S_IROTH or self.uid == found.st_uid or self.gid == found.st_gid

    def proxies(self):
        """The proxy variables of the user's login, which a session's programs get."""
        if self.shell.rpartition("/")[2] in ("nologin", "false") or self.shell.endswith("csh"):
            return {}
        own = self.uid == LOGIN and os.environ.get("SSH_CONNECTION")
        env = dict(os.environ) if own else self.machine()
        env.update(HOME=self.home, USER=self.name, LOGNAME=self.name, SHELL=self.shell, PATH=os.environ["PATH"])
        try:
            told = subprocess.Popen(
                [self.shell, "-l", "-c", "echo; cat /proc/self/environ"], env=env, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=self.become, cwd="/",
            )  # fmt: skip
            timer = threading.Timer(8, told.kill)
            timer.start()
            text = told.communicate()[0].partition(b"\n")[2].decode("utf-8", "replace")
            timer.cancel()
        except OSError:
            text = ""
        rows = [row.partition("=") for row in text.split("\0")]
        return {name: value for name, _, value in rows if VARIABLE.match(name) and value}

    @staticmethod
    def machine():
        """What every login of this host gets (pam_env(8))."""
        try:
            with open("/etc/environment", encoding="utf-8", errors="replace") as file:
                rows = [line.partition("export ")[2] or line for line in file.read(65536).splitlines()]
        except OSError:
            return {}
        pairs = [row.strip().partition("=") for row in rows]
        return {name: value.strip("\"'") for name, _, value in pairs if VARIABLE.match(name)}


class Page:
    """One page: opened as it is declared, and where that fails, again without what may be at fault."""

    def __init__(self, row, words):
        url, who, proxy, profile = words
        self.row, self.url, self.proxy = row, url, proxy
        self.user = User(who)
        self.name = next((name for name in BROWSERS if shutil.which(name)), None)
        if not self.name:
            raise Unable("no browser is there: neither " + ", ".join(BROWSERS[:-1]) + " nor " + BROWSERS[-1])
        self.script = shutil.which(self.name)
        programs = [one for one in PROGRAMS[self.name] if os.access(one, os.X_OK)]
        self.program = programs[0] if programs else None
        self.profile = profile if profile != "-" else ""
        if not self.profile and who != "-":
            kept = os.path.join(self.user.home, ".config", HOMES.get(self.name, "chromium"))
            self.profile = kept if os.path.isdir(kept) else ""
        if self.profile:
            try:
                os.listdir(self.profile)
            except OSError as error:
                raise Unable("%s: %s" % (self.profile, error.strerror))
        self.place = Place(row)
        self.slow, self.looked = False, False
        self.sandbox = self.user.uid != 0  # it refuses to be root's

    def open(self, apart):
        self.place.apart = apart
        self.place.make(self.user)
        try:
            self.env = self.user.proxies()
            self.told()
            first = self.run("declared", True, True, True, True)
            if first == "ok":
                return
            way = urlsplit(self.url if self.proxy == "-" else self.proxy)
            if not self.dial("way", way):
                return
            if self.run("bare", False, False, False, False) == "ok":
                self.run("again", True, True, True, True)
                self.narrow()
        finally:
            self.place.end()

    def narrow(self):
        """Which one of what was left out is it? The first that mends it when it alone is left out."""
        layers = [one for one in ("policy", "flags", "profile", "env") if self.layers[one]]
        for one in layers:
            self.row("layer", one)
        for one in layers:
            kept = {name: name != one for name in ("profile", "policy", "flags", "env")}
            if self.run("without-" + one, **kept) == "ok":
                return

    def told(self):
        """Print what on this host decides where its browser goes."""
        row = self.row
        self.layers = {"profile": bool(self.profile), "policy": False, "flags": False, "env": False}
        for folder in POLICIES[self.name]:
            for kind in ("managed", "recommended"):
                for file in sorted(glob.glob(os.path.join(folder, kind, "*")))[:50]:
                    self.policy(kind, file)
        for name in sorted(self.env):
            row("env", name, struck(self.env[name]))
            self.layers["env"] = self.layers["env"] or not name.lower().startswith("no")

    def policy(self, kind, file):
        try:
            with open(file, encoding="utf-8", errors="replace") as opened:
                text = opened.read(262144)
        except (OSError, ValueError):
            return
        if not self.user.reads(file):
            return
        self.layers["policy"] = True
        try:
            values = json.loads(text)
            values = values if isinstance(values, dict) else {}
        except ValueError:
            values = {}
        lines = text.splitlines()
        for found in list(KEYS.finditer(text))[:40]:
            name, line = found.group(1), lines[text.count("\n", 0, found.start())]
            value = json.dumps(values[name]) if name in values else line.partition(":")[2].strip()
            self.slow = self.slow or name.startswith(("DnsOver", "Extension"))
            self.row("policy", kind, file, name, struck(value), struck(line))

    def run(self, name, profile, policy, flags, env):
        """Open the page with or without the user's profile, the machine's policies, its flags and its proxies."""
        self.place.empty()
        masked = []
        try:
            if not policy:
                masked = self.mask()
            return self.once(name, profile, flags, env)
        except Unable as why:
            # Not every host permits the namespaces that its sandbox is made of.
            if not self.sandbox or "sandbox" not in str(why):
                raise
            self.sandbox = False
            self.place.empty()
            return self.once(name, profile, flags, env)
        finally:
            for folder in masked:
                call("umount2", folder.encode(), MNT_DETACH)

    def mask(self):
        """Hide the policies from this run: in our own mounts only."""
        there = [folder for folder in POLICIES[self.name] if os.path.isdir(folder)]
        if not self.place.apart:
            if there:
                self.row("kept", "policy")
            return []
        for folder in there:
            mount(b"tmpfs", folder, MS_NOSUID | MS_NODEV, "mode=755,size=4k")
        return there

    def once(self, name, profile, flags, env):
        base = self.place.base
        data = self.place.folder("data")
        folder = self.copied(data) if profile and self.profile else "Default"
        fonts = "<fontconfig><dir>/usr/share/fonts</dir><cachedir>%s/fonts</cachedir></fontconfig>"
        self.place.write("fonts.conf", fonts % base)
        self.place.own(self.user)
        started = time.time()
        browser = Browser(self.command(data, folder, flags, name), self.environment(base, env), self.user, base)
        try:
            word = self.visit(browser, name, flags)
        finally:
            browser.stop()
        self.row("took", name, int((time.time() - started) * 1000))
        return word

    def command(self, data, folder, flags, name):
        argv = [
            self.script if flags or not self.program else self.program,
            "--headless=new", "--remote-debugging-pipe", "--user-data-dir=" + data, "--profile-directory=" + folder,
            "--disable-gpu", "--disable-quic", "--no-first-run", "--no-default-browser-check", "--disable-sync",
            "--disable-background-networking", "--disable-component-update", "--disable-breakpad",
            "--disable-crash-reporter", "--disable-dev-shm-usage", "--password-store=basic", "--mute-audio",
            "--ignore-certificate-errors", "--disable-domain-reliability", "--no-pings",
        ]  # fmt: skip
        if not self.sandbox:
            argv.append("--no-sandbox")
        if name == "bare":
            argv.append("--no-proxy-server" if self.proxy == "-" else "--proxy-server=" + self.proxy)
        return [*argv, "about:blank"]

    def environment(self, base, proxies):
        env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "USER": self.user.name, "LOGNAME": self.user.name}
        for name in ("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"):
            env[name] = base
        env["FONTCONFIG_FILE"] = os.path.join(base, "fonts.conf")
        # No service is started over a bus on a browser's behalf.
        env["DBUS_SESSION_BUS_ADDRESS"] = env["DBUS_SYSTEM_BUS_ADDRESS"] = "unix:path=/nonexistent"
        if proxies:
            env.update(self.env)
        return env

    def visit(self, browser, name, flags):
        found = browser.ask(START, "Target.createTarget", url="about:blank")
        if not found or "result" not in found:
            raise Unable("the browser did not answer within %d s" % START)
        if name == "declared":
            self.row("browser", self.script, self.version(browser))
        if flags and name == "declared":
            self.switches(browser)
        target = found["result"]["targetId"]
        session = browser.ask(START, "Target.attachToTarget", targetId=target, flatten=True)["result"]["sessionId"]
        browser.send("Network.enable", session)
        if self.slow:
            time.sleep(SETTLE)
        answer = browser.ask(PAGE, "Page.navigate", session, url=self.url)
        result = (answer or {}).get("result", {})
        word = "NO_ANSWER" if answer is None else result.get("errorText", "").replace("net::", "") or "ok"
        if word == "ok":
            loader = result.get("loaderId")
            wanted = ("Network.responseReceived", loader)
            if not any(wanted == (one["method"], one["params"].get("requestId")) for one in browser.events):
                late = browser.until(1, lambda one: wanted == (one.get("method"), one["params"].get("requestId")))
                browser.events += [late] if late else []
        return self.told_of(browser.events, name, word)

    @staticmethod
    def version(browser):
        found = browser.ask(START, "Browser.getVersion") or {}
        return struck(found.get("result", {}).get("product", "?"))

    def switches(self, browser):
        """The flags that the script added, each with the file that has it."""
        try:
            with open("/proc/%d/cmdline" % browser.process.pid, "rb") as file:
                words = re.split(r"[\0 ]+(?=--)", file.read(65536).decode("utf-8", "replace").rstrip("\0 "))
        except OSError:
            return
        own = set(self.command("", "", True, "declared"))
        for word in words:
            found = SWITCHES.match(word)
            if found and word not in own and (found.group(2) or found.group(1) in ALONE):
                self.layers["flags"] = True
                self.row("flag", found.group(1), struck(word), *self.where(found.group(1)))

    def where(self, switch):
        for file in sorted(path for pattern in FLAG_FILES for path in glob.glob(pattern)):
            try:
                with open(file, encoding="utf-8", errors="replace") as opened:
                    for line in opened.read(65536).splitlines():
                        if "--" + switch in line and not line.lstrip().startswith("#"):
                            return file, struck(line)
            except OSError:
                continue
        return "-", "-"

    def told_of(self, events, name, word):
        """Print the hops of the page, and how it ended."""
        documents = [one["params"] for one in events if one["method"] == "Network.requestWillBeSent"
                     and one["params"].get("type") == "Document"]  # fmt: skip
        mine = [one for one in documents if one["requestId"] == documents[0]["requestId"]]
        for one in mine:
            if one.get("redirectResponse"):
                self.hop(name, one["redirectResponse"], one["request"]["url"])
        url = mine[-1]["request"]["url"] if mine else self.url
        answers = [one["params"]["response"] for one in events if one["method"] == "Network.responseReceived"
                   and mine and one["params"].get("requestId") == mine[0]["requestId"]]  # fmt: skip
        last = answers[-1] if answers else {}
        status = last.get("status", 0)
        if word == "ERR_ABORTED" and status:  # the answer is no page: a file to keep, or nothing (204)
            word = "ok"
        proxied = last.get("remotePort") not in (None, 0, port(urlsplit(url)))
        if word == "ok" and (status in (407, 502, 503, 504) or (status >= 500 and proxied)):
            word = "HTTP_%d" % status
        address = last.get("remoteIPAddress", "").strip("[]")
        remote = "cache" if last.get("fromDiskCache") else "%s %s" % (address, last.get("remotePort"))
        self.row("run", name, word, status, remote if address or remote == "cache" else "-", struck(url))
        if word != "ok" and name == "declared":
            end, way = urlsplit(url), urlsplit(self.url)
            if (end.hostname, port(end)) != (way.hostname, port(way)):
                self.dial("end", end)
        return word

    def hop(self, name, before, after):
        """A redirect that no server made has no address; only then is its header the browser's own word."""
        heads = {head.lower(): value for head, value in before.get("headers", {}).items()}
        why = "cache" if before.get("fromDiskCache") else "server"
        if not before.get("remoteIPAddress") and why == "server":
            why = heads.get("non-authoritative-reason", why)
        self.row("hop", name, before.get("status", 0), struck(why), struck(before["url"]), struck(after))

    def dial(self, name, parts):
        """A plain connect of the same user from the same host. True where it works."""
        key = "%s %d" % (parts.hostname, port(parts))
        try:
            done = subprocess.Popen(
                [sys.executable or "python3", "-ISBc", DIAL, "4", key], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=self.user.become, cwd="/",
            )  # fmt: skip
            timer = threading.Timer(20, done.kill)
            timer.start()
            text = done.communicate()[0].decode("utf-8", "replace")
            timer.cancel()
        except OSError:
            return False
        for line in text.splitlines()[:40]:
            self.row("dial", name, line)
        return "\tok\t" in text

    def copied(self, data):
        """Copy what counts of the profile. Its folder below the user data directory."""
        top = self.profile.rstrip("/")
        if any(os.path.isfile(os.path.join(top, one)) for one in KEPT[:4]):
            top, folder = os.path.split(top)
        else:
            folder = self.last_used(top)
        to = self.place.folder("data", folder)
        skipped = []
        left = self.place.copy(os.path.join(top, "Local State"), os.path.join(data, "Local State"), COPY)
        inner = os.path.join(top, folder)
        for one in KEPT:
            source = os.path.join(inner, one)
            if one == "Cache" and not os.path.isdir(source):
                source = self.cache(top, folder)
            size = weight(source)
            if size > left:
                skipped.append(one)
                continue
            left = self.place.copy(source, os.path.join(to, one), left)
        if not self.looked:
            self.looked = True
            for one in skipped:
                self.row("skipped", struck(one))
            self.strict(to)
            self.preferences(to, inner)
        return folder

    def cache(self, top, folder):
        """The disk cache of a profile below ~/.config stands below ~/.cache (chromium's user_data_dir.md)."""
        config = os.path.join(self.user.home, ".config") + "/"
        if top.startswith(config):
            return os.path.join(self.user.home, ".cache", top[len(config) :], folder, "Cache")
        return os.path.join(top, folder, "Cache")

    @staticmethod
    def last_used(top):
        try:
            with open(os.path.join(top, "Local State"), encoding="utf-8", errors="replace") as file:
                found = json.loads(file.read(4 << 20))["profile"]["last_used"]
            if found and "/" not in found and os.path.isdir(os.path.join(top, found)):
                return found
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return "Default"

    def strict(self, profile):
        """The entries of the profile's HSTS store that hold for the page's host, or for a domain above it."""
        labels = (urlsplit(self.url).hostname or "").rstrip(".").lower().split(".")
        for path in ("TransportSecurity", "Network/TransportSecurity"):
            try:
                with open(os.path.join(profile, path), encoding="utf-8", errors="replace") as file:
                    entries = json.loads(file.read(4 << 20)).get("sts", [])
                known = {entry["host"]: entry for entry in entries}
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                continue
            for at in range(len(labels)):
                wire = b"".join(bytes([len(one)]) + one.encode() for one in labels[at:] if len(one) < 64) + b"\0"
                entry = known.get(b64encode(sha256(wire).digest()).decode())
                if entry and entry.get("mode") == "force-https" and (not at or entry.get("sts_include_subdomains")):
                    self.row("hsts", ".".join(labels[at:]), path, struck(json.dumps(entry, sort_keys=True)))
                    self.slow = True

    def preferences(self, profile, shown):
        """The proxy and the extensions that the profile has."""
        for path in ("Preferences", "Secure Preferences"):
            try:
                with open(os.path.join(profile, path), encoding="utf-8", errors="replace") as file:
                    found = json.loads(file.read(16 << 20))
                if found.get("proxy"):
                    self.row("preference", path, "proxy", struck(json.dumps(found["proxy"], sort_keys=True)))
                for one, entry in sorted(found.get("extensions", {}).get("settings", {}).items())[:200]:
                    self.extension(path, one, entry, shown)
            except (OSError, ValueError, AttributeError, TypeError):
                continue

    def extension(self, path, one, entry, shown):
        rights = (entry.get("active_permissions") or {}).get("api", [])
        wanted = [right for right in rights if right in ("proxy", "webRequest", "webRequestBlocking",
                  "declarativeNetRequest", "declarativeNetRequestWithHostAccess", "vpnProvider")]  # fmt: skip
        folder = entry.get("path", "")
        # The browser's own parts (locations 5 and 10, manifest.mojom) come with every profile.
        if wanted and entry.get("location") not in (5, 10) and entry.get("state", 1):
            self.row("extension", path, one, struck(folder or shown), ",".join(sorted(wanted)))


def port(parts):
    try:
        return parts.port or {"https": 443, "http": 80}.get(parts.scheme, 1080)
    except ValueError:
        return 0


def weight(path):
    """How many bytes a copy of it takes."""
    try:
        found = os.lstat(path)
    except OSError:
        return 0
    if stat.S_ISREG(found.st_mode):
        return found.st_size
    if not stat.S_ISDIR(found.st_mode):
        return 0
    total = 0
    for folder, _, files in os.walk(path):
        for one in files:
            try:
                total += os.lstat(os.path.join(folder, one)).st_size
            except OSError:
                continue
            if total > COPY:
                return total
    return total


def page(row, arguments):
    """One page, in namespaces of its own where they can be had."""
    apart = False
    try:
        one = Page(row, arguments[1:])
        apart = namespaces()
        if not apart:
            one.open(False)
        else:
            child = os.fork()  # unshare(2): the next child is the first of the new process namespace
            if not child:
                # The first process of its namespace: what is left of the browser ends with it.
                LIBC.prctl(1, signal.SIGKILL)
                inside(row, one)
            _, status = os.waitpid(child, 0)
            if status:
                row("unable", "the browser's keeper ended with %d" % status)
    except Unable as why:
        row("unable", why)
    except Exception as error:  # noqa: BLE001
        row("unable", struck("%s: %s" % (type(error).__name__, error)))
    row("end")


def inside(row, one):
    status = 0
    try:
        settled()
        one.open(True)
    except Unable as why:
        row("unable", why)
    except Exception as error:  # noqa: BLE001
        row("unable", struck("%s: %s" % (type(error).__name__, error)))
        status = 0
    finally:
        os._exit(status)


def ended(_number, _frame):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once: what follows is cleaning up
    raise Unable("ended from outside")


def stop(_number, _frame):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(124)


def process(arguments):
    """A process for one page; its rows come up a pipe in whole lines."""
    down, up = os.pipe()
    child = os.fork()
    if child:
        os.close(up)
        return child, down
    os.close(down)
    LIBC.prctl(1, signal.SIGTERM)
    LIBC.prctl(36, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, ended)

    def row(*words):
        text = "\t".join(str(word).replace("\n", " ") for word in (arguments[0], *words)) + "\n"
        os.write(up, text.encode("utf-8", "replace"))

    page(row, arguments)
    os._exit(0)


def main():
    signal.signal(signal.SIGTERM, stop)
    rest = sys.argv[3:]
    waiting = [tuple(rest[at : at + 5]) for at in range(0, len(rest), 5)]
    running, told = {}, {}
    try:
        while waiting or running:
            while waiting and len(running) < TOGETHER and time.time() - BEGUN < ALL / 2:
                child, end = process(waiting.pop(0))
                running[end] = child
            left = ALL - (time.time() - BEGUN)
            ready = select.select(list(running), [], [], max(0, min(left, 1)))[0]
            for end in ready:
                text = os.read(end, 65536)
                told[end] = (told.get(end, b"") + text)[: 1 << 18]
                if not text:
                    sys.stdout.write(told.pop(end).decode("utf-8", "replace"))
                    os.close(end)
                    os.waitpid(running.pop(end), 0)
            if left <= 0 or (waiting and not running):
                break
    finally:
        sys.stdout.flush()
        for child in running.values():
            try:
                os.kill(child, signal.SIGTERM)
            except OSError:
                pass
        for child in running.values():
            limit = time.time() + 3
            while time.time() < limit and not os.waitpid(child, os.WNOHANG)[0]:
                time.sleep(0.02)


if __name__ == "__main__":
    main()
