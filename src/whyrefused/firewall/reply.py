"""What comes back: which packet answers one that arrived, and which one does a rule send that rejects?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from whyrefused.firewall.flow import ABSENT, State, Value, differ
from whyrefused.firewall.model import (
    FLAGS,
    ICMP_CODES,
    ICMP_TYPES,
    ICMPV6_CODES,
    ICMPV6_TYPES,
    PROTOCOLS,
    ROUTE_TYPES,
    STATES,
    STATUSES,
    Field,
)
from whyrefused.firewall.start import BOTH, TRACKED, foreign, fresh, new

if TYPE_CHECKING:
    from collections.abc import Callable

    from whyrefused.firewall.flow import Manip

BACK = {"input": "output", "forward": "forward", "output": "input", "loop": "loop"}
"""Which way does the answer go to a packet that went this way?"""
TCP = (PROTOCOLS["tcp"],) * 2
LOCAL = (ROUTE_TYPES["local"],) * 2
ICMP_FIELDS = {
    "icmp": (Field.ICMP_TYPE, ICMP_TYPES, Field.ICMP_CODE, ICMP_CODES),
    "icmpv6": (Field.ICMPV6_TYPE, ICMPV6_TYPES, Field.ICMPV6_CODE, ICMPV6_CODES),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """The packet that comes back, and what the kernel does with it besides the rules."""

    way: str
    state: State
    track: Callable[[State], State]
    restore: dict[Manip, Callable[[State], State]]
    out_interface: str | None


def answer(first: State, last: State, way: str) -> Return:
    """Which packet answers one that arrived: a SYN-ACK or a datagram? `first` as it came, `last` as it was taken."""
    known = _turned(first, last)
    known[Field.FLAGS] = (FLAGS["syn"] | FLAGS["ack"],) * 2
    if way in ("forward", "output"):
        known.update(foreign())
    # An answer of this host belongs to the socket that listens, whose user the question does not tell.
    back = BACK[way]
    known[Field.IIF] = "" if back in ("output", "loop") else last.values[Field.OIF]
    known[Field.OIF] = "lo" if back == "loop" else _leaves(first, last) if back == "output" else ""
    state = _addressed(fresh(known), last)
    if last.untracked and last.values[Field.PROTOCOL] != TCP:
        state = replace(state, bound=frozenset())  # what answers opens a connection of its own, and NAT rules see it
    restore = _restore(first, last, ports=True)
    return Return(
        way=back, state=state, track=_follows(last), restore=restore,
        out_interface=came if isinstance(came := first.values[Field.IIF], str) else None,
    )  # fmt: skip


def _leaves(first: State, last: State) -> Value:
    """Through which interface does an answer of this host go at first? Until NAT puts its destination back."""
    if not last.source_moved:
        return first.values[Field.IIF]
    return "lo" if last.values[Field.TYPE_OF_SOURCE] == LOCAL else None


def knows(first: State, last: State, back: State) -> bool | None:
    """Does the client know what comes back: is it from where, and for whom, it asked? None where that is not known."""
    found: set[bool | None] = {True}
    # An address that the rules do not name is the host's own: it may be the one that was asked only if that was too.
    if Field.DESTINATION not in back.peers:
        own = first.values[Field.TYPE_OF_SOURCE] == LOCAL and back.values[Field.DESTINATION] is None
        found.add(None if own else False)
    # An ICMP error quotes what was asked; NAT puts that back with the address.
    if back.values[Field.PROTOCOL] == last.values[Field.PROTOCOL]:
        for at, was in ((Field.SOURCE, Field.DESTINATION), (Field.SPORT, Field.DPORT), (Field.DPORT, Field.SPORT)):
            here, asked = back.values[at], first.values[was]
            elsewhere = at is Field.SOURCE and here is None and first.values[Field.TYPE_OF_DESTINATION] != LOCAL
            other = True if elsewhere else False if here == asked else differ(asked, here)
            found.add(None if other is None else not other)
    return False if False in found else None if None in found else True


def error(first: State, last: State, how: str) -> Return:
    """Which packet does a rejecting rule send? It belongs to the connection already if that was tracked.

    `nf_reject_ipv4.c`, `icmp_glue_bits` and `nf_ct_attach` of the Linux kernel: the error is *related*.
    """
    known = _turned(first, last) | foreign()
    outwards = last.values[Field.IIF] == ""
    state = _addressed(fresh(known | _kind(how)), last)
    if how != "tcp reset":
        state = _icmp_source(state, outwards=outwards)
    values = list(state.values)
    values[Field.IIF] = ""
    values[Field.OIF] = "lo" if outwards else last.values[Field.IIF]
    state = replace(state, values=tuple(values), bound=BOTH, attached=True)
    if last.values[Field.STATE] == (STATES["new"],) * 2:
        state = _related(state, last)
    return Return(
        way="loop" if state.values[Field.OIF] == "lo" else "output", state=state, track=_invalid,
        restore=_restore(first, last, ports=how == "tcp reset"), out_interface=None,
    )  # fmt: skip


def _turned(first: State, last: State) -> dict[Field, Value]:
    """What has a packet that goes the other way?"""
    seen = last.values
    return {
        Field.FAMILY: seen[Field.FAMILY],
        Field.PROTOCOL: seen[Field.PROTOCOL],
        Field.SPORT: seen[Field.DPORT],
        Field.DPORT: seen[Field.SPORT],
        Field.SOURCE: seen[Field.DESTINATION],
        Field.DESTINATION: seen[Field.SOURCE],
        Field.TYPE_OF_SOURCE: seen[Field.TYPE_OF_DESTINATION],
        Field.TYPE_OF_DESTINATION: seen[Field.TYPE_OF_SOURCE],
        Field.MARK: (0, 0),
        Field.ROUTE_BACK: first.values[Field.ROUTE_BACK],
    }


def _addressed(state: State, last: State) -> State:
    """Which fields hold the address of who asked?"""
    return replace(
        state,
        peers=frozenset({Field.DESTINATION} if Field.SOURCE in last.peers else ()),
        bound=BOTH,
    )


def _kind(how: str) -> dict[Field, Value]:
    """What tells a reset, or an ICMP error?"""
    if how == "tcp reset":
        return {Field.FLAGS: (FLAGS["rst"] | FLAGS["ack"],) * 2}
    layer, _, code = how.partition(" ")
    number = (PROTOCOLS[layer],) * 2
    kind, kinds, coded, codes = ICMP_FIELDS[layer]
    found = (codes[code],) * 2 if code in codes else None
    unreachable = (kinds["destination-unreachable"],) * 2
    return {
        Field.PROTOCOL: number, Field.FLAGS: ABSENT, Field.SPORT: None, Field.DPORT: None, kind: unreachable,
        coded: found,
    }  # fmt: skip


def _icmp_source(state: State, *, outwards: bool) -> State:
    """Who sends an ICMP error? The address that was asked for if it is the host's own, else one that routing picks.

    `__icmp_send` of net/ipv4/icmp.c, `icmp6_send` of net/ipv6/icmp.c.
    """
    if state.values[Field.TYPE_OF_SOURCE] == LOCAL:
        return state
    values = list(state.values)
    values[Field.SOURCE], values[Field.TYPE_OF_SOURCE] = None, LOCAL
    # To itself, it takes the address that it writes to.
    return replace(state, values=tuple(values), peers=state.peers | ({Field.SOURCE} if outwards else set()))


def _invalid(state: State) -> State:
    """What does connection tracking make of an error whose connection it does not know?

    It leaves an ICMP error attached to nothing, and a reset not attached (nf_conntrack_in of the Linux kernel).
    """
    return replace(state, attached=state.values[Field.PROTOCOL] != TCP)


def _related(state: State, last: State) -> State:
    values = list(state.values)
    for field in TRACKED:
        values[field] = last.values[field]
    values[Field.STATE], values[Field.DIRECTION] = (STATES["related"],) * 2, (1, 1)
    originals = last.peers & {Field.ORIGINAL_SOURCE}
    return replace(state, values=tuple(values), peers=state.peers | originals, seen=True)


def _follows(last: State) -> Callable[[State], State]:
    """What does connection tracking make of an answer to a packet that it left like this?"""

    def track(state: State) -> State:
        if state.untracked:
            return new(state)
        if last.untracked:
            # A SYN-ACK opens no connection (tcp_new of nf_conntrack_proto_tcp.c), a datagram does.
            return state if state.values[Field.PROTOCOL] == TCP else new(state)
        values = list(state.values)
        for field in TRACKED:
            values[field] = last.values[field]
        values[Field.STATE], values[Field.DIRECTION] = (STATES["established"],) * 2, (1, 1)
        status = last.values[Field.STATUS]
        if isinstance(status, tuple) and status != ABSENT:
            values[Field.STATUS] = (status[0] | STATUSES["seen-reply"] | STATUSES["confirmed"],) * 2
        return replace(state, values=tuple(values), peers=state.peers | (last.peers & {Field.ORIGINAL_SOURCE}))

    return track


def _restore(first: State, last: State, *, ports: bool) -> dict[Manip, Callable[[State], State]]:
    """What does NAT put back in what comes back, so that its client knows it?"""
    restore: dict[Manip, Callable[[State], State]] = {}
    if last.source_moved or last.values[Field.SPORT] != first.values[Field.SPORT]:
        restore["destination"] = lambda state: _put(
            replace(state, peers=state.peers | {Field.DESTINATION}),
            {Field.TYPE_OF_DESTINATION: first.values[Field.TYPE_OF_SOURCE]}
            | ({Field.DPORT: first.values[Field.SPORT]} if ports else {}),
        )
    moved = (Field.DESTINATION, Field.DPORT)
    if any(last.values[field] != first.values[field] for field in moved):
        restore["source"] = lambda state: _put(
            state,
            {
                Field.SOURCE: first.values[Field.DESTINATION],
                Field.TYPE_OF_SOURCE: first.values[Field.TYPE_OF_DESTINATION],
            }
            | ({Field.SPORT: first.values[Field.DPORT]} if ports else {}),
        )
    return restore


def _put(state: State, known: dict[Field, Value]) -> State:
    values = list(state.values)
    for field, value in known.items():
        values[field] = value
    return replace(state, values=tuple(values))
