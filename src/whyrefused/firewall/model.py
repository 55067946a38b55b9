"""What do nft's and iptables' rules have in common once they are read?

A rule is a row of operations: tests that narrow the packets down, effects that change a packet, and an action that ends
its way through the chain. Both readers produce these records, the walk consumes them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.firewall.ranges import Range, Ranges


class Unreadable(ValueError):  # noqa: N818 - names what was given, not what broke
    """The text is not what the command prints: cut short, an error message, or no rules at all."""


class Field(IntEnum):
    """The properties of a packet that a rule can ask about."""

    FAMILY = 0  # 4 or 6
    PROTOCOL = 1  # number of the transport protocol
    SOURCE = 2
    DESTINATION = 3
    SPORT = 4
    DPORT = 5
    IIF = 6  # names, not numbers; "" where the hook has none
    OIF = 7
    MARK = 8
    CT_MARK = 9
    STATE = 10  # bits, as in `ct state`
    STATUS = 11  # bits, as in `ct status`
    DIRECTION = 12  # 0 original, 1 reply
    FLAGS = 13  # TCP flags, as bits
    UID = 14
    GID = 15
    TYPE_OF_SOURCE = 16  # RTN_* of linux/rtnetlink.h
    TYPE_OF_DESTINATION = 17
    ROUTE_BACK = 18  # 1 when the reverse path check finds a route
    PACKET_TYPE = 19  # PACKET_* of linux/if_packet.h
    FRAGMENT = 20  # fragment offset
    ORIGINAL_DESTINATION = 21  # before NAT
    ORIGINAL_DPORT = 22
    CGROUP = 23  # of version 2, as a path; "" for packets that no program of this host sent
    SAME_CGROUP = 24  # 1: it was made once and not anew since
    ORIGINAL_SOURCE = 25  # before NAT
    ORIGINAL_SPORT = 26
    ICMP_TYPE = 27
    ICMP_CODE = 28
    ICMPV6_TYPE = 29
    ICMPV6_CODE = 30
    CHANCE = 31  # what is drawn for each packet, of all CHANCES


ADDRESSES = frozenset({Field.SOURCE, Field.DESTINATION, Field.ORIGINAL_SOURCE, Field.ORIGINAL_DESTINATION})
INTERFACES = frozenset({Field.IIF, Field.OIF})
NAMED = INTERFACES | {Field.CGROUP}
"""Fields that hold a name and not a number."""

CHANCES = (0, (1 << 32) - 1)
STATES = {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}
STATUSES = {"expected": 1, "seen-reply": 2, "assured": 4, "confirmed": 8, "snat": 16, "dnat": 32, "dying": 512}
FLAGS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128}
PROTOCOLS = {"icmp": 1, "igmp": 2, "ipencap": 4, "tcp": 6, "udp": 17, "dccp": 33, "ipv6": 41, "gre": 47, "esp": 50,
             "ah": 51, "icmpv6": 58, "ipv6-icmp": 58, "ospf": 89, "pim": 103, "vrrp": 112, "sctp": 132,
             "udplite": 136, "comp": 108}  # fmt: skip
ROUTE_TYPES = {"unspec": 0, "unicast": 1, "local": 2, "broadcast": 3, "anycast": 4, "multicast": 5, "blackhole": 6,
               "unreachable": 7, "prohibit": 8, "throw": 9, "nat": 10}  # fmt: skip
ICMP_TYPES = {"echo-reply": 0, "destination-unreachable": 3, "source-quench": 4, "redirect": 5, "echo-request": 8,
              "router-advertisement": 9, "router-solicitation": 10, "time-exceeded": 11, "parameter-problem": 12,
              "timestamp-request": 13, "timestamp-reply": 14, "info-request": 15, "info-reply": 16,
              "address-mask-request": 17, "address-mask-reply": 18}  # fmt: skip
ICMP_CODES = {"net-unreachable": 0, "host-unreachable": 1, "prot-unreachable": 2, "port-unreachable": 3,
              "frag-needed": 4, "net-prohibited": 9, "host-prohibited": 10, "admin-prohibited": 13}  # fmt: skip
ICMPV6_TYPES = {"destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3, "parameter-problem": 4,
                "echo-request": 128, "echo-reply": 129, "mld-listener-query": 130, "mld-listener-report": 131,
                "mld-listener-done": 132, "mld-listener-reduction": 132, "nd-router-solicit": 133,
                "nd-router-advert": 134, "nd-neighbor-solicit": 135, "nd-neighbor-advert": 136, "nd-redirect": 137,
                "router-renumbering": 138, "ind-neighbor-solicit": 141, "ind-neighbor-advert": 142,
                "mld2-listener-report": 143}  # fmt: skip
ICMPV6_CODES = {"no-route": 0, "admin-prohibited": 1, "addr-unreachable": 3, "port-unreachable": 4, "policy-fail": 5,
                "reject-route": 6}  # fmt: skip
PACKET_TYPES = {"host": 0, "unicast": 0, "broadcast": 1, "multicast": 2, "other": 3}

UNKNOWN_BECAUSE = {
    Field.SOURCE: "the source address is not known",
    Field.SPORT: "the source port is not known",
    Field.DPORT: "the destination port is not known",
    Field.DESTINATION: "the destination address is not known",
    Field.ORIGINAL_DESTINATION: "the destination address is not known",
    Field.IIF: "the interface it comes in on is not known",
    Field.OIF: "the interface it goes out on is not known",
    Field.MARK: "the packet mark is not known",
    Field.CT_MARK: "the connection mark is not known",
    Field.STATUS: "whether NAT changed the destination is not known",
    Field.UID: "the user who connects is not known",
    Field.GID: "the group of who connects is not known",
    Field.CGROUP: "the control group of who connects is not known",
    Field.SAME_CGROUP: "iptables does not know a control group again that was made anew, as a restart of its unit does",
    Field.STATE: "whether connection tracking knows the connection is not known",
    Field.TYPE_OF_SOURCE: "whether the source is an address of this host is not known",
    Field.TYPE_OF_DESTINATION: "whether the destination is an address of this host is not known",
    Field.ROUTE_BACK: "the route back to the source is not known",
    Field.CHANCE: "it is drawn at random",
}
"""Why a test on a field cannot be answered when the packet does not say."""

NOT_MODELLED = "this match is not modelled"
LOAD = "its answer may differ with load"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One element of a set or map: a matcher per field, and what a map holds for it."""

    cells: tuple[Ranges | tuple[str, ...], ...]  # numbers as ranges; interface names as patterns, `eth*`
    data: Any = None
    ports: frozenset[int] = frozenset()  # destination ports that stand in it alone, not in a range


@dataclass(frozen=True, slots=True, kw_only=True)
class Among:
    """Is what these fields hold (masked) one of these elements?"""

    fields: tuple[Field, ...]
    rows: tuple[Row, ...]
    text: str | Mapping[str, Any]  # in the host's words, or nft's JSON to render
    mask: int | None = None  # only with a single field
    negated: bool = False
    named: str = ""  # the named set it looks in
    exact: frozenset[int] = frozenset()  # destination ports among the elements that stand there one by one
    by_port: Mapping[int, tuple[Row, ...]] | None = None  # of many elements: those that a destination port may find
    others: tuple[Row, ...] = ()  # and those that every port may find

    def rows_at(self, port: tuple[int, int] | str | None) -> tuple[Row, ...]:
        """Which elements can a packet with this destination port find, in their order?"""
        if self.by_port is None or not isinstance(port, tuple) or port[0] != port[1]:
            return self.rows
        return self.by_port.get(port[0], self.others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """A test that nobody can answer from the rules alone."""

    text: str | Mapping[str, Any]
    why: str
    rest: bool | None = None  # what it answers while no limit is exceeded


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyOf:
    """Does at least one of these tests hold?"""

    tests: tuple[Among, ...]
    text: str | Mapping[str, Any]
    negated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Never:
    """A test that no new connection passes."""

    text: str | Mapping[str, Any] = ""


Test = Among | Open | AnyOf | Never


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An effect: the field becomes (old & keep) ^ (copied & mask) ^ flip; unknown when `flip` is None."""

    field: Field
    keep: int = 0
    copied: Field | None = None
    mask: int = 0
    flip: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Untrack:
    """An effect: connection tracking leaves this packet alone."""

    xt: bool = False  # iptables' own, which spares an error that was attached to what was not tracked either


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """An effect: the packet may add itself to, or remove itself from, this set."""

    named: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """An effect: NAT rewrites an address, and no later NAT rule of this hook is asked."""

    address: Range | None = None  # None: stays (or, with `own`, becomes the host's own address)
    port: Range | None = None
    own: bool = False  # redirect
    source: bool = False  # snat, masquerade: it is the source that is rewritten
    known: bool = True  # False: to where is not modelled
    says: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What ends a packet's way through a rule, a chain or the host."""

    kind: Literal["accept", "drop", "reject", "jump", "goto", "return", "continue", "unknown"]
    target: str = ""  # the chain that jump and goto lead to
    how: str = ""  # for reject; for unknown why it is
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """A map to actions or NAT targets, by what the fields hold; a packet without an element leaves the rule."""

    table: Among  # its rows carry `Action` or `Rewrite`


Op = Test | Change | Untrack | Touch | Rewrite | Action | Verdicts


Guard = tuple[int, Any, Any]  # (field, lowest, highest) that a rule's tests let through


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rule:
    """One rule, as it is printed and as it is walked."""

    ops: tuple[Op, ...]
    text: str | Mapping[str, Any]  # iptables-save's line, or nft's JSON to render
    handle: int | None = None
    comment: str = ""
    counter: tuple[int, int] | None = None  # packets, bytes
    guards: tuple[Guard, ...] = ()  # it cannot match outside of these
    ports: frozenset[int] = frozenset()  # destination ports it names one by one


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chain:
    """A list of rules; a base chain is where the kernel hands packets in."""

    name: str
    rules: tuple[Rule, ...] = ()
    live: tuple[tuple[tuple[Guard, ...], int, Rule], ...] = ()  # the rules that change anything, with their positions
    kind: str = ""  # filter, nat, route
    hook: str = ""  # empty: reached by jumps only
    priority: int = 0
    policy: str = "accept"
    devices: tuple[str, ...] | None = ()  # ingress and egress chains belong to devices; None: not known which
    order: int = 0  # of creation, as far as the listing tells


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """A namespace of chains."""

    tool: str  # nft, iptables, ip6tables, iptables-legacy, ip6tables-legacy
    family: str  # ip, ip6, inet, netdev
    name: str
    chains: Mapping[str, Chain] = field(default_factory=dict)
    sets: Mapping[str, Any] = field(default_factory=dict)  # elements of named sets, as nft or ipset lists them

    def sees(self, version: int) -> bool:
        """Do packets of this IP version come here?"""
        return self.family in ("inet", "netdev", "ip" if version == 4 else "ip6")  # noqa: PLR2004 - IP version


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ruleset:
    """All that a host's firewalls hold."""

    tables: tuple[Table, ...] = ()
    unseen: tuple[str, ...] = ()  # rules that exist and were not given: no acceptance is certain
    notes: tuple[str, ...] = ()  # what is outside the question: bridge and arp tables, flowtables


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """The first packet of a new connection, or the first that answers it."""

    protocol: str = "tcp"
    source: str = "any"  # an address, a CIDR, FIRST-LAST, or `any` of the destination's IP version (else IPv4)
    destination: str | None = None
    port: int = 0
    source_port: int | None = None  # None: an ephemeral one, 1024-65535 (RFC 6056, section 3.2)
    interface: str | None = None  # in (input, forward) or out (output); None: not known, but not `lo`
    out_interface: str | None = None  # for forward; None: not known, or told by `routes`
    mark: int = 0
    uid: int | None = None  # who connects, for output
    gid: int | None = None
    cgroup: str | None = None  # of who connects, /system.slice/app.service
    same_cgroup: bool = False  # it was made once and not anew since
    reply: bool = False  # the SYN-ACK that answers a tracked connection; port 0: to an ephemeral port
    addresses: frozenset[str] | None = None  # this host's own; None: not known
    routes: tuple[tuple[str, str], ...] = ()  # (CIDR, interface): where forwarded packets leave
    route_back: bool | None = True  # what reverse path checks (`fib saddr . iif`, rpfilter) find


Verdict = Literal["accept", "reject", "drop", "cannot-tell"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One rule (or policy) on the packet's way."""

    tool: str
    family: str
    table: str
    chain: str
    hook: str  # of the base chain the packet came through
    rule: str  # as the host prints it; for a policy `policy drop`
    handle: int | None = None
    index: int = 0  # position of the rule in its chain, from 1; 0 for a policy
    comment: str = ""
    counter: tuple[int, int] | None = None
    decided: bool = False
    names_port: bool = False

    @property
    def place(self) -> str:
        """Where does it stand, in one line?"""
        return f"{self.tool} {self.family} {self.table} {self.chain}"


ERRNO = {
    "tcp reset": "ECONNREFUSED", "icmp port-unreachable": "ECONNREFUSED", "icmp host-unreachable": "EHOSTUNREACH",
    "icmp net-unreachable": "ENETUNREACH", "icmp prot-unreachable": "ENOPROTOOPT", "icmp net-prohibited": "ENETUNREACH",
    "icmp host-prohibited": "EHOSTUNREACH", "icmp admin-prohibited": "EHOSTUNREACH",
    "icmpv6 port-unreachable": "ECONNREFUSED", "icmpv6 addr-unreachable": "EHOSTUNREACH",
    "icmpv6 no-route": "ENETUNREACH", "icmpv6 admin-prohibited": "EACCES", "icmpv6 policy-fail": "EACCES",
    "icmpv6 reject-route": "EACCES",
}  # fmt: skip
"""What connect() ends with at the client, as icmp_err_convert and icmpv6_err_convert of the Linux kernel have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What the rules do with the packet, and which of them decide it."""

    verdict: Verdict
    how: str = ""  # for reject: `tcp reset`, `icmp port-unreachable`, …
    why: str = ""  # for cannot-tell: one sentence that names the match
    steps: tuple[Step, ...] = ()
    names_port: bool = False  # the deciding rule, or a jump that led to it, names this very port
    author: str = ""  # who wrote the deciding rule: ufw, firewalld, docker, fail2ban, …, by hand; empty without a rule
    redirected: str = ""  # ADDRESS:PORT that NAT makes of the destination; `:PORT` on this host; several with ` or `
    port: int | None = None  # the destination port that the deciding rule saw, after NAT
    readings: tuple[Verdict, ...] = ()  # for cannot-tell: every verdict that is possible
    quiet: Verdict | None = None  # the verdict while no limit is exceeded

    @property
    def decided(self) -> Step | None:
        """Which rule or policy had the last word? Of several chains that accept, the last that did so by a rule."""
        words = [step for step in self.steps if step.decided]
        return next((step for step in reversed(words) if step.index), words[-1] if words else None)

    @property
    def errno(self) -> str:
        """What does the client's connect() end with? Empty where nothing answers or that cannot be told."""
        return ERRNO.get(self.how, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Sources that the rules treat alike."""

    sources: tuple[str, ...]  # addresses, CIDRs and FIRST-LAST ranges
    trace: Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTrip:
    """What some sources see of a connection, after its first packet and what answers it have met the rules."""

    sources: tuple[str, ...]  # addresses, CIDRs and FIRST-LAST ranges
    verdict: Verdict  # drop: nothing comes back
    there: Trace
    back: Trace | None = None  # of the answer, or of the error that a rule sends; None where nothing is sent back
    how: str = ""  # for reject, as it arrives
    reaches: tuple[str, ...] = ()  # where it may be accepted: `Trace.redirected` of each reading
    why: str = ""  # for cannot-tell: one sentence that names the match
    readings: tuple[Verdict, ...] = ()  # for cannot-tell: every verdict that is possible
