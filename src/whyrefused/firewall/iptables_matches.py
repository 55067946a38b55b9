"""What do the matches of an iptables rule ask? (iptables-extensions(8))"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from whyrefused.firewall import build
from whyrefused.firewall.ipset import lookup
from whyrefused.firewall.model import (
    FLAGS,
    LOAD,
    NOT_MODELLED,
    PACKET_TYPES,
    PROTOCOLS,
    ROUTE_TYPES,
    STATES,
    UNKNOWN_BECAUSE,
    Among,
    AnyOf,
    Field,
    Never,
    Open,
    Row,
    Test,
    Touch,
)
from whyrefused.firewall.nft_values import group
from whyrefused.firewall.ranges import address_range

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from whyrefused.firewall.ipset import Sets
    from whyrefused.firewall.ranges import Range

FULL = {4: (1 << 32) - 1, 6: (1 << 128) - 1}
TARGETS = ("-j", "-g", "--jump", "--goto")


class Arguments:
    """The words of one rule, taken from the left."""

    def __init__(self, words: list[str], version: int, sets: Sets | None) -> None:
        self.words = words
        self.version = version
        self.sets = sets
        self.at = 0
        self.protocol: int | None = None
        self.comment = ""
        self.module = ""

    def more(self) -> bool:
        """Are there words left?"""
        return self.at < len(self.words)

    def take(self) -> str:
        """Which is the next word? Empty at the end."""
        self.at += 1
        return self.words[self.at - 1] if self.at <= len(self.words) else ""

    def peek(self) -> str:
        """Which word comes next, without taking it?"""
        return self.words[self.at] if self.more() else ""

    def rest(self) -> list[str]:
        """Which values follow up to the next option?"""
        start = self.at
        while self.more() and not _is_option(self.peek()):
            self.at += 1
        return self.words[start : self.at]


def _is_option(word: str) -> bool:
    return word == "!" or (word.startswith("-") and len(word) > 1 and not word[1].isdigit())


def matches(arguments: Arguments) -> Iterator[Test | Touch]:
    """Which tests stand in the rule before its target?"""
    while arguments.more() and arguments.peek() not in TARGETS:
        start = arguments.at
        negated = arguments.peek() == "!"
        if negated:
            arguments.take()
        option = arguments.take()
        if option in ("-m", "--match"):
            arguments.module = arguments.take()
            if arguments.module in WHOLE:
                yield from _whole(arguments, start)
            continue
        reader = GENERIC.get(option) or MODULES.get(arguments.module, {}).get(option)
        yield from _one(arguments, start, reader, negated=negated)


Reader = "Callable[[Arguments, str, bool], Iterator[Test | Touch]]"


def _one(
    arguments: Arguments,
    start: int,
    reader: Callable[[Arguments, str, bool, int], Iterator[Test | Touch]] | None,
    *,
    negated: bool,
) -> Iterator[Test | Touch]:
    if reader:
        before = arguments.at
        try:
            yield from list(reader(arguments, " ".join(arguments.words[start : before + 1]), negated, start))
        except (ValueError, KeyError, IndexError):
            arguments.at = before
        else:
            return
    arguments.rest()
    module = f"-m {arguments.module} " if arguments.module else ""
    yield Open(text=module + " ".join(arguments.words[start : arguments.at]), why=NOT_MODELLED)


def _ends(arguments: Arguments, start: int) -> str:
    return " ".join(arguments.words[start : arguments.at])


def _address(field: Field) -> Callable[[Arguments, str, bool, int], Iterator[Test]]:
    def read(arguments: Arguments, text: str, negated: bool, start: int) -> Iterator[Test]:  # noqa: FBT001, ARG001 - one signature for all
        word = arguments.take()
        address, _, mask = word.partition("/")
        if mask and not mask.isdigit():
            value, bits = int(ipaddress.ip_address(address)), int(ipaddress.ip_address(mask))
            inverse = bits ^ FULL[arguments.version]
            if inverse & (inverse + 1):  # not a prefix: /255.0.0.255
                yield build.masked(field, bits, value & bits, text, negated=negated)
                return
            mask = str(bits.bit_count())
            word = f"{address}/{mask}"
        version, span = address_range(word)
        if version != arguments.version:
            raise ValueError(word)
        yield build.one_of(field, [span], text, negated=negated)

    return read


def _interface(field: Field) -> Callable[[Arguments, str, bool, int], Iterator[Test]]:
    def read(arguments: Arguments, text: str, negated: bool, start: int) -> Iterator[Test]:  # noqa: FBT001, ARG001 - one signature for all
        name = arguments.take()
        pattern = f"{name[:-1]}*" if name.endswith("+") else name
        yield build.interface(field, [pattern], text, negated=negated)

    return read


def _protocol(arguments: Arguments, text: str, negated: bool, start: int) -> Iterator[Test]:  # noqa: FBT001, ARG001 - one signature for all
    word = arguments.take()
    if word in ("all", "0"):
        if negated:
            yield Never(text=text)
        return
    number = PROTOCOLS[word] if word in PROTOCOLS else int(word)
    arguments.protocol = None if negated else number
    # `-p tcp` loads the match of the same name.
    arguments.module = arguments.module or word
    yield build.one_of(Field.PROTOCOL, [(number, number)], text, negated=negated)


def _fragment(arguments: Arguments, text: str, negated: bool, start: int) -> Iterator[Test]:  # noqa: FBT001, ARG001 - one signature for all
    if not negated:
        yield Never(text=text)


def span(word: str, sign: str = ":") -> Range:
    """Which range do `N`, `N:M`, `:M` and `N:` mean?"""
    low, dash, high = word.partition(sign)
    first = int(low or 0)
    return first, int(high or 65535) if dash else first


def _ports(field: Field) -> Callable[[Arguments, str, bool, int], Iterator[Test]]:
    def read(arguments: Arguments, text: str, negated: bool, start: int) -> Iterator[Test]:  # noqa: FBT001, ARG001 - one signature for all
        ranges = [span(part) for part in arguments.take().split(",")]
        yield build.one_of(field, ranges, text, negated=negated)

    return read


def _either_port(arguments: Arguments, text: str, negated: bool, start: int) -> Iterator[Test]:  # noqa: FBT001, ARG001 - one signature for all
    ranges = [span(part) for part in arguments.take().split(",")]
    tests = tuple(build.one_of(field, ranges, text) for field in (Field.SPORT, Field.DPORT))
    yield AnyOf(tests=tests, text=text, negated=negated)


def _flag_bits(word: str) -> int:
    names = {**FLAGS, "all": 0x3F, "none": 0}
    bits = 0
    for name in word.lower().split(","):
        bits |= names[name]
    return bits


def _tcp_flags(arguments: Arguments, text: str, negated: bool, start: int) -> Iterator[Test]:  # noqa: FBT001, ARG001 - one signature for all
    mask, wanted = _flag_bits(arguments.take()), _flag_bits(arguments.take())
    yield build.masked(Field.FLAGS, mask, wanted, _ends(arguments, start), negated=negated)


def _syn(arguments: Arguments, text: str, negated: bool, start: int) -> Iterator[Test]:  # noqa: FBT001, ARG001 - one signature for all
    yield build.masked(
        Field.FLAGS, _flag_bits("FIN,SYN,RST,ACK"), FLAGS["syn"], _ends(arguments, start), negated=negated
    )


def _state(arguments: Arguments, text: str, negated: bool, start: int) -> Iterator[Test]:  # noqa: FBT001, ARG001 - one signature for all
    states, nat = 0, []
    for name in arguments.take().split(","):
        if name in ("SNAT", "DNAT"):
            nat.append(name.lower())
        else:
            states |= STATES[name.lower()]
    tests = [build.any_bit(Field.STATE, states, text)] if states else []
    tests += [build.any_bit(Field.STATUS, {"snat": 16, "dnat": 32}[name], text) for name in nat]
    yield AnyOf(tests=tuple(tests), text=text, negated=negated)


def _ct_status(arguments: Arguments, text: str, negated: bool, start: int) -> Iterator[Test]:  # noqa: FBT001, ARG001 - one signature for all
    known = {"EXPECTED": 1, "SEEN_REPLY": 2, "ASSURED": 4, "CONFIRMED": 8}
    names = arguments.take().split(",")
    if names == ["NONE"]:
        yield build.masked(Field.STATUS, 0xF, 0, text, negated=negated)
        return
    yield build.any_bit(Field.STATUS, sum(known[name] for name in names), text, negated=negated)


def _ct_direction(arguments: Arguments, text: str, negated: bool, start: int) -> Iterator[Test]:  # noqa: FBT001, ARG001 - one signature for all
    value = {"ORIGINAL": 0, "REPLY": 1}[arguments.take().upper()]
    yield build.one_of(Field.DIRECTION, [(value, value)], text, negated=negated)


def _range(field: Field) -> Callable[[Arguments, str, bool, int], Iterator[Test]]:
    def read(arguments: Arguments, text: str, negated: bool, start: int) -> Iterator[Test]:  # noqa: FBT001, ARG001 - one signature for all
        yield build.one_of(field, [address_range(arguments.take())[1]], text, negated=negated)

    return read


def _route_type(field: Field) -> Callable[[Arguments, str, bool, int], Iterator[Test]]:
    def read(arguments: Arguments, text: str, negated: bool, start: int) -> Iterator[Test]:  # noqa: FBT001, ARG001 - one signature for all
        values = [ROUTE_TYPES[name.lower()] for name in arguments.take().split(",")]
        yield build.one_of(field, [(value, value) for value in values], text, negated=negated)

    return read


def _mark(field: Field) -> Callable[[Arguments, str, bool, int], Iterator[Test]]:
    def read(arguments: Arguments, text: str, negated: bool, start: int) -> Iterator[Test]:  # noqa: FBT001, ARG001 - one signature for all
        value, slash, mask = arguments.take().partition("/")
        bits = int(mask, 0) if slash else 0xFFFFFFFF
        yield build.masked(field, bits, int(value, 0), text, negated=negated)

    return read


def _ids(field: Field) -> Callable[[Arguments, str, bool, int], Iterator[Test]]:
    def read(arguments: Arguments, text: str, negated: bool, start: int) -> Iterator[Test]:  # noqa: FBT001, ARG001 - one signature for all
        low, dash, high = arguments.take().partition("-")
        test = build.one_of(field, [(int(low), int(high if dash else low))], text)
        # What no socket sent has no owner, which a negated match lets pass (owner_mt of net/netfilter/xt_owner.c).
        yield AnyOf(tests=(test,), text=text, negated=True) if negated else test

    return read


def _group(arguments: Arguments, text: str, negated: bool, start: int) -> Iterator[Test]:  # noqa: FBT001 - one signature for all
    path, below = group(arguments.take())
    if negated:
        yield Open(text=_ends(arguments, start), why=NOT_MODELLED)
        return
    yield build.interface(Field.CGROUP, [path, below], text)
    if not path.endswith(".slice"):  # slices stay
        yield build.one_of(Field.SAME_CGROUP, [(1, 1)], _ends(arguments, start))


def _icmp(kind: Field, code: Field) -> Callable[[Arguments, str, bool, int], Iterator[Test]]:
    def read(arguments: Arguments, text: str, negated: bool, start: int) -> Iterator[Test]:  # noqa: FBT001, ARG001 - one signature for all
        word, slash, rest = arguments.take().partition("/")
        if word == "any":
            if negated:
                yield Never(text=text)
            return
        number = int(word)
        codes = (int(rest), int(rest)) if slash else (0, 255)
        yield Among(fields=(kind, code), rows=(Row(cells=(((number, number),), (codes,))),), text=text, negated=negated)

    return read


def _packet_type(arguments: Arguments, text: str, negated: bool, start: int) -> Iterator[Test]:  # noqa: FBT001, ARG001 - one signature for all
    value = PACKET_TYPES[arguments.take()]
    yield build.one_of(Field.PACKET_TYPE, [(value, value)], text, negated=negated)


def _comment(arguments: Arguments, text: str, negated: bool, start: int) -> Iterator[Test]:  # noqa: FBT001, ARG001 - one signature for all
    arguments.comment = arguments.take()
    return iter(())


def _match_set(arguments: Arguments, text: str, negated: bool, start: int) -> Iterator[Test]:  # noqa: FBT001 - one signature for all
    name, flags = arguments.take(), arguments.take()
    text = f"-m set {_ends(arguments, start)}"
    while arguments.peek() in ("--return-nomatch", "--update-counters", "--update-subcounters"):
        arguments.take()
    test = lookup(arguments.sets, name, flags.split(","), arguments.version, text)
    yield _negate(test) if negated else test


def _negate(test: Test) -> Test:
    if isinstance(test, Open):
        return test
    return AnyOf(
        tests=(test,) if isinstance(test, Among) else test.tests if isinstance(test, AnyOf) else (),
        text=test.text,
        negated=True,
    )


GENERIC: dict[str, Callable[[Arguments, str, bool, int], Iterator[Test | Touch]]] = {
    "-s": _address(Field.SOURCE), "--source": _address(Field.SOURCE),
    "-d": _address(Field.DESTINATION), "--destination": _address(Field.DESTINATION),
    "-i": _interface(Field.IIF), "--in-interface": _interface(Field.IIF),
    "-o": _interface(Field.OIF), "--out-interface": _interface(Field.OIF),
    "-p": _protocol, "--protocol": _protocol,
    "-f": _fragment, "--fragment": _fragment,
}  # fmt: skip
_PORTS: dict[str, Callable[[Arguments, str, bool, int], Iterator[Test | Touch]]] = {
    "--dport": _ports(Field.DPORT), "--dports": _ports(Field.DPORT), "--destination-port": _ports(Field.DPORT),
    "--sport": _ports(Field.SPORT), "--sports": _ports(Field.SPORT), "--source-port": _ports(Field.SPORT),
}  # fmt: skip
MODULES: dict[str, dict[str, Callable[[Arguments, str, bool, int], Iterator[Test | Touch]]]] = {
    "tcp": {**_PORTS, "--tcp-flags": _tcp_flags, "--syn": _syn},
    "udp": _PORTS,
    "sctp": _PORTS,
    "dccp": _PORTS,
    "udplite": _PORTS,
    "multiport": {**_PORTS, "--ports": _either_port},
    "conntrack": {
        "--ctstate": _state, "--ctstatus": _ct_status, "--ctdir": _ct_direction, "--ctproto": _protocol,
        "--ctorigsrc": _address(Field.ORIGINAL_SOURCE), "--ctorigdst": _address(Field.ORIGINAL_DESTINATION),
        "--ctorigdstport": _ports(Field.ORIGINAL_DPORT), "--ctorigsrcport": _ports(Field.ORIGINAL_SPORT),
    },
    "state": {"--state": _state},
    "iprange": {"--src-range": _range(Field.SOURCE), "--dst-range": _range(Field.DESTINATION)},
    "addrtype": {
        "--src-type": _route_type(Field.TYPE_OF_SOURCE), "--dst-type": _route_type(Field.TYPE_OF_DESTINATION),
    },
    "mark": {"--mark": _mark(Field.MARK)},
    "connmark": {"--mark": _mark(Field.CT_MARK)},
    "owner": {"--uid-owner": _ids(Field.UID), "--gid-owner": _ids(Field.GID)},
    "cgroup": {"--path": _group},
    "pkttype": {"--pkt-type": _packet_type},
    "comment": {"--comment": _comment},
    "set": {"--match-set": _match_set},
    "icmp": {"--icmp-type": _icmp(Field.ICMP_TYPE, Field.ICMP_CODE)},
    "icmp6": {"--icmpv6-type": _icmp(Field.ICMPV6_TYPE, Field.ICMPV6_CODE)},
}  # fmt: skip


def _whole(arguments: Arguments, start: int) -> Iterator[Test | Touch]:
    """Read a match whose options make sense only together."""
    end = arguments.at
    while end < len(arguments.words) and arguments.words[end] not in (*TARGETS, "-m", "--match", *GENERIC):
        end += 1
    # `! -s` belongs to what follows.
    if end < len(arguments.words) and arguments.words[end - 1] == "!":
        end -= 1
    options = arguments.words[arguments.at : end]
    arguments.at = end
    yield from WHOLE[arguments.module](options, _ends(arguments, start))


def _limit(options: list[str], text: str) -> Iterator[Test]:  # noqa: ARG001 - one signature for all
    yield Open(text=text, why=LOAD, rest=True)


def _above(options: list[str], text: str) -> Iterator[Test]:
    over = any(option.endswith("-above") for option in options)
    under = any(option.endswith(("-upto", "hashlimit")) for option in options)
    inverted = "!" in options
    yield Open(text=text, why=LOAD, rest=(under != inverted) if over != under else None)


def _recent(options: list[str], text: str) -> Iterator[Test]:
    if "--set" in options or "--remove" in options:
        negated = "!" in options
        if "--set" in options and not negated:
            return
        yield Open(text=text, why=LOAD, rest=negated if "--remove" in options else False)
    else:
        yield Open(text=text, why=LOAD, rest="!" in options)


def _quota(options: list[str], text: str) -> Iterator[Test]:
    yield Open(text=text, why=LOAD, rest="!" not in options)


def _reverse_path(options: list[str], text: str) -> Iterator[Test]:
    yield build.one_of(Field.ROUTE_BACK, [(1, 1)], text, negated="--invert" in options)


def _extension_header(options: list[str], text: str) -> Iterator[Test]:  # noqa: ARG001 - one signature for all
    # A plain SYN or datagram carries none, and without one even a negated option does not match.
    yield Never(text=text)


def _statistic(options: list[str], text: str) -> Iterator[Test]:  # noqa: ARG001 - one signature for all
    yield Open(text=text, why=UNKNOWN_BECAUSE[Field.CHANCE])


def _count_only(options: list[str], text: str) -> Iterator[Test]:  # noqa: ARG001 - one signature for all
    return iter(())


WHOLE: dict[str, Callable[[list[str], str], Iterator[Test]]] = {
    "limit": _limit,
    "hashlimit": _above,
    "connlimit": _above,
    "recent": _recent,
    "quota": _quota,
    "rpfilter": _reverse_path,
    "nfacct": _count_only,
    "statistic": _statistic,
    **dict.fromkeys(("rt", "frag", "hbh", "dst", "mh", "ah", "esp"), _extension_header),
}
