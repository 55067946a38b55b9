"""What is known of each host: replies -> typed values, `Missing` staying `Missing`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from whyrefused import firewall
from whyrefused.probes import Unreadable, identity, read, registry
from whyrefused.probes.units import suffixed
from whyrefused.records import CouldNotLook, Frame, Line, Missing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from whyrefused.facts.addresses import Address
    from whyrefused.probes import (
        addresses,
        binding,
        browses,
        dials,
        kernel,
        listeners,
        names,
        proc_net,
        processes,
        proxy,
        queues,
        routes,
        serving,
        trouble,
        units,
    )
    from whyrefused.probes.configured import Configured
    from whyrefused.probes.lookups import Lookup
    from whyrefused.records import Reply

HELP: Mapping[str, str] = {
    "": "ansible_become: true, or log in as root",
    "all": "sudo gave it, and it was not enough",
    "list": "sudo does not permit this command to the login; docs/sudoers",
    "none": "sudo permits nothing to the login without a password; docs/sudoers",
}
"""What would help, by what sudo permits (`identity`)."""

HELD = 8 << 20
"""Of so many characters of what hosts said is also held what was read in them, which takes about ten times that."""


class HostEvidence:
    """All that one host answered. Asking for what is missing raises `CouldNotLook` with the reason."""

    def __init__(self, name: str, reply: Reply | None) -> None:
        self.name = name
        self._reply = reply
        self._values: dict[str, Any] = {}

    @property
    def size(self) -> int:
        """How much did it say, in characters?"""
        frames = self._reply.frames.values() if self._reply else ()
        return sum(len(frame.text) for frame in frames if isinstance(frame, Frame))

    @property
    def unreached(self) -> str | None:
        """Why was the host not reached? None where it was."""
        return "was not asked" if self._reply is None else self._reply.unreached

    def asked(self, probe: str) -> bool:
        """Was this asked at all, whatever became of it?"""
        return self._reply is not None and probe in self._reply.frames

    def line(self, source: str, text: str) -> Line:
        """Which line of evidence is this, with its host?"""
        return Line(host=self.name, source=source, line=text)

    def get(self, probe: str) -> Any:  # noqa: ANN401 - each probe has its own records
        """What did the probe find? Its parsed value, read once. Raises `CouldNotLook`."""
        if probe not in self._values:
            self._values[probe] = self._parse(probe)
        value = self._values[probe]
        if isinstance(value, Missing):
            raise CouldNotLook(f"{self.name}: {value.why}")
        return value

    def _parse(self, probe: str) -> Any:  # noqa: ANN401 - as above
        if self._reply is None or self._reply.unreached is not None:
            return Missing(self.unreached or "")
        frame = self._reply.frames.get(probe)
        if frame is None:
            return Missing(f"{probe}: not asked")
        if isinstance(frame, Missing):
            return frame
        try:
            return read(probe, frame)
        except Unreadable as error:
            return Missing(self._privilege(str(error)))
        except Exception as fault:  # noqa: BLE001 - what nobody thought of is not understood either
            return Missing(f"{registry()[probe].SOURCE}: not understood: {type(fault).__name__}")

    def _privilege(self, why: str) -> str:
        """The reason, and what would help: most of what cannot be read is read by root."""
        words = ("permi", "must be root", "sudo:", "privilege")
        if not any(word in why.lower() for word in words):
            return why
        return f"{why}: needs root there ({HELP[self._rights]})"

    @property
    def _rights(self) -> str:
        """What does sudo permit there? Empty where it was not asked, or not told."""
        frame = None if self._reply is None else self._reply.frames.get("identity")
        try:
            return identity.parse(frame).rights if isinstance(frame, Frame) else ""
        except Unreadable:
            return ""

    @property
    def identity(self) -> identity.Identity:
        """Which machine answered?"""
        return self.get("identity")  # type: ignore[no-any-return]

    @property
    def listeners(self) -> tuple[listeners.Listener, ...]:
        """Which sockets listen?"""
        return self.get("listeners")  # type: ignore[no-any-return]

    @property
    def open_ports(self) -> tuple[proc_net.Entry | proc_net.Sum, ...]:
        """Which ports are open in the kernel's own table, or how many sockets has it?"""
        return self.get("proc_net")  # type: ignore[no-any-return]

    @property
    def addresses(self) -> tuple[addresses.Address, ...]:
        """Which addresses does it have?"""
        return self.get("addresses")  # type: ignore[no-any-return]

    @property
    def queues(self) -> tuple[queues.Look, ...]:
        """How full are the queues of its listeners, once, and again where a connection waits?"""
        return self.get("queues")  # type: ignore[no-any-return]

    @property
    def kernel(self) -> kernel.Kernel:
        """Which limits has its kernel?"""
        return self.get("kernel")  # type: ignore[no-any-return]

    @property
    def serving(self) -> serving.Serving:
        """What may its well-known daemons hold by their own configuration?"""
        return self.get("serving")  # type: ignore[no-any-return]

    @property
    def routing(self) -> routes.Routing:
        """Where does it send packets, and does it forward those of others?"""
        return self.get("routes")  # type: ignore[no-any-return]

    @property
    def places(self) -> Mapping[str, proxy.Place]:
        """Where are proxy variables set?"""
        return self.get("proxy")  # type: ignore[no-any-return]

    @cached_property
    def rules(self) -> firewall.Ruleset:
        """Which firewall rules are loaded?"""
        nft, saves = self.get("nft"), self.get("iptables")
        try:
            return firewall.load_once(nft, saves)
        except ValueError as error:
            raise CouldNotLook(f"{self.name}: the firewall rules could not be read: {error}") from error

    @property
    def all_units(self) -> Mapping[str, units.Unit]:
        """What does systemd say of all that were asked for?"""
        return self.get("units")  # type: ignore[no-any-return]

    def unit(self, name: str) -> units.Unit:
        """What does systemd say of this unit?"""
        return self._asked("units", suffixed(name), f"systemctl show {name}")  # type: ignore[no-any-return]

    @property
    def binding(self) -> binding.Binding:
        """What decides on which address a program listens that leaves it to the host?"""
        return self.get("binding")  # type: ignore[no-any-return]

    def trouble(self, name: str) -> trouble.Trouble | None:
        """What does a unit say that is down or whose port is closed? None where it is well."""
        return self.get("trouble").get(name)  # type: ignore[no-any-return]

    def running(self, name: str) -> processes.Running:
        """Which limits has this unit, and how much of each is used?"""
        return self._asked("processes", suffixed(name), f"limits of {name}")  # type: ignore[no-any-return]

    def instances(self, name: str) -> tuple[str, ...]:
        """Under which names does this unit run: its own, and those of the instances of its template?"""
        stem = suffixed(name).removesuffix(".service") + "@"
        return (suffixed(name), *sorted(one for one in self.get("processes") if one.startswith(stem)))

    def resolved(self, name: str) -> names.Name:
        """What did the host's resolver order answer?"""
        return self._asked("names", name, f"getent ahosts {name}")  # type: ignore[no-any-return]

    def lookups(self, name: str) -> tuple[Lookup, ...]:
        """What did each of the host's nameservers answer, asked directly?"""
        return tuple(one for one in self._looked_up(name) if not one.zone)

    def zone_servers(self, name: str) -> tuple[Lookup, ...]:
        """What did the declared servers of its zone answer? None where no zone is declared, or it was not needed."""
        return tuple(one for one in self._looked_up(name) if one.zone)

    def _looked_up(self, name: str) -> tuple[Lookup, ...]:
        return self._asked("lookups", name, f"host {name}")  # type: ignore[no-any-return]

    def configured(self, where: str) -> Configured:
        """What stands where a client has its destination from?"""
        return self._asked("configured", where, where)  # type: ignore[no-any-return]

    def dial(self, key: str) -> dials.Dial:
        """What became of this path?"""
        return self._asked("dials", key, f"dialling {key.replace(' ', ':')}")  # type: ignore[no-any-return]

    def browse(self, key: str) -> browses.Browse:
        """What became of this page in the host's browser?"""
        # Its first word names its rows; the others may hold what is struck out of a reply.
        name, url, *_ = key.split(" ")
        return self._asked("browses", name, f"opening {url}")  # type: ignore[no-any-return]

    def _asked(self, probe: str, key: str, words: str) -> Any:  # noqa: ANN401 - as above
        found = self.get(probe).get(key)
        if found is None:
            raise CouldNotLook(f"{self.name}: {words}: no answer in time")
        if isinstance(found, Missing):
            raise CouldNotLook(f"{self.name}: {found.why}")
        return found

    def interface_of(self, address: Address) -> str | None:
        """Which interface carries this address of the host? None where none does."""
        return next((own.interface for own in self.addresses if own.address == address), None)


class Evidence:
    """What is known of all hosts."""

    def __init__(self, replies: Mapping[str, Reply] | Iterable[Reply]) -> None:
        self._replies = replies if isinstance(replies, Mapping) else {reply.host: reply for reply in replies}
        self._held: dict[str, HostEvidence] = {}
        self._size = 0
        self._at: Mapping[Address, tuple[str, ...]] | None = None

    def __getitem__(self, host: str) -> HostEvidence:
        found = self._held.get(host)
        if found is None:
            reply = self._replies.get(host)
            found = HostEvidence(host, reply)
            if reply is not None:
                self._hold(found)
        return found

    def _hold(self, one: HostEvidence) -> None:
        """Keep what was read of a host, and forget those that were read first: what is read again costs time alone."""
        self._held[one.name] = one
        self._size += one.size
        while self._size > HELD and len(self._held) > 1:
            oldest = next(iter(self._held))
            self._size -= self._held.pop(oldest).size

    @property
    def hosts(self) -> tuple[str, ...]:
        """Which hosts were asked?"""
        return tuple(self._replies)

    def holders(self, address: Address) -> tuple[str, ...]:
        """Which hosts have this address for others to reach? Every host is looked at once."""
        if self._at is None:
            found: dict[Address, list[str]] = {}
            for name in self._replies:
                host = self._held.get(name) or HostEvidence(name, self._replies[name])
                own = looked(lambda of=host: of.addresses)
                for one in (
                    ()
                    if isinstance(own, Missing)
                    else dict.fromkeys(one.address for one in own if one.scope == "global")
                ):
                    found.setdefault(one, []).append(name)
            self._at = {address: tuple(names) for address, names in found.items()}
        return self._at.get(address, ())


def looked(question: Any) -> Any:  # noqa: ANN401 - passes through what the question gives
    """What does this question give, or what is missing? For where a miss does not end the reasoning."""
    try:
        return question()
    except CouldNotLook as miss:
        return Missing(miss.why)
