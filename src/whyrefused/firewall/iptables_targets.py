"""What does the target of an iptables rule do? (iptables-extensions(8))"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.firewall import build
from whyrefused.firewall.iptables_matches import span
from whyrefused.firewall.model import Action, Change, Field, Op, Rewrite, Touch, Untrack
from whyrefused.firewall.ranges import address_range

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from whyrefused.firewall.iptables_matches import Arguments
    from whyrefused.firewall.ranges import Range

WORD = 0xFFFFFFFF
REJECTS = {
    "tcp-reset": "tcp reset",
    "icmp-net-unreachable": "icmp net-unreachable", "icmp-host-unreachable": "icmp host-unreachable",
    "icmp-port-unreachable": "icmp port-unreachable", "icmp-proto-unreachable": "icmp prot-unreachable",
    "icmp-net-prohibited": "icmp net-prohibited", "icmp-host-prohibited": "icmp host-prohibited",
    "icmp-admin-prohibited": "icmp admin-prohibited",
    "icmp6-no-route": "icmpv6 no-route", "icmp6-adm-prohibited": "icmpv6 admin-prohibited",
    "icmp6-addr-unreachable": "icmpv6 addr-unreachable", "icmp6-port-unreachable": "icmpv6 port-unreachable",
    "icmp6-policy-fail": "icmpv6 policy-fail", "icmp6-reject-route": "icmpv6 reject-route",
}  # fmt: skip
IDLE = frozenset({
    "LOG", "NFLOG", "ULOG", "TCPMSS", "TCPOPTSTRIP", "TOS", "DSCP", "ECN", "CLASSIFY", "CHECKSUM", "TRACE", "AUDIT",
    "TEE", "HL", "TTL", "IDLETIMER", "RATEEST", "LED", "SECMARK", "CONNSECMARK", "AMANDA",
})  # fmt: skip
DECIDERS = {
    "NFQUEUE": "a program in user space decides",
    "QUEUE": "a program in user space decides",
    "TPROXY": "a transparent proxy takes the connection",
    "SYNPROXY": "a SYN proxy answers in the server's place",
}


def target(arguments: Arguments, chains: Collection[str]) -> Iterator[Op]:
    """Which effects and actions does the rule end with?"""
    if not arguments.more():
        return
    option, name = arguments.take(), arguments.take()
    options = arguments.words[arguments.at :]
    text = " ".join((option, name, *options))
    # A chain cannot have the name of a built-in verdict, but may well have that of an extension.
    if name in ("ACCEPT", "DROP", "RETURN"):
        yield Action(kind=name.lower())  # type: ignore[arg-type]
    elif name in chains:
        yield Action(kind="goto" if option in ("-g", "--goto") else "jump", target=name)
    elif name in EXTENSIONS:
        yield from EXTENSIONS[name](name, options, text)
    elif name not in IDLE:
        yield Action(kind="unknown", how=DECIDERS.get(name, "this target is not modelled"), text=text)


def _reject(name: str, options: list[str], text: str) -> Iterator[Op]:
    # iptables-save always prints the code.
    code = _value(options, "--reject-with") or "icmp-port-unreachable"
    if code in REJECTS:
        yield Action(kind="reject", how=REJECTS[code])
    else:
        yield Action(kind="unknown", how=DECIDERS.get(name, "this target is not modelled"), text=text)


def _track(name: str, options: list[str], text: str) -> Iterator[Op]:  # noqa: ARG001 - one signature for all
    if name == "NOTRACK" or "--notrack" in options:
        yield Untrack(xt=True)


def _set(name: str, options: list[str], text: str) -> Iterator[Op]:  # noqa: ARG001 - one signature for all
    for option in ("--add-set", "--del-set"):
        if named := _value(options, option):
            yield Touch(named=named)
    if "--map-set" in options:
        yield Change(field=Field.MARK)


def _value(options: list[str], name: str) -> str | None:
    return options[options.index(name) + 1] if name in options[:-1] else None


def _nat(name: str, options: list[str], text: str) -> Iterator[Op]:
    yield _rewrite(name, options, text)


def _rewrite(name: str, options: list[str], text: str) -> Rewrite:
    source = name in ("SNAT", "MASQUERADE")
    try:
        if name == "MASQUERADE":
            ports = _value(options, "--to-ports")
            return Rewrite(own=True, source=True, port=span(ports, "-") if ports else None, says=text)
        if name == "REDIRECT":
            ports = _value(options, "--to-ports")
            return Rewrite(own=True, port=span(ports, "-") if ports else None, says=text)
        to = _value(options, "--to-destination") or _value(options, "--to-source")
        if name in ("DNAT", "SNAT") and to:
            address, port = _leads_to(to)
            return Rewrite(address=address, port=port, source=source, says=text)
    except ValueError:
        pass
    return Rewrite(known=False, source=source, says=text)


def _leads_to(text: str) -> tuple[Range | None, Range | None]:
    """Where does `--to-destination` or `--to-source` lead: ADDRESS, a range of them, :PORT, [IPV6]:PORT-PORT?"""
    if text.startswith("["):
        address, _, port = text[1:].partition("]")
        port = port.lstrip(":")
    elif text.count(":") > 1:
        address, port = text, ""
    else:
        address, _, port = text.partition(":")
    # PORT-PORT/BASE shifts the port; the base has no bearing on where the range lies.
    found = span(port.partition("/")[0], "-") if port else None
    return (address_range(address)[1] if address else None), found


def _mark(name: str, options: list[str], text: str) -> Iterator[Op]:  # noqa: ARG001 - one signature for all
    target_field = Field.CT_MARK if name == "CONNMARK" else Field.MARK
    try:
        change = _mark_change(target_field, options)
    except ValueError:
        change = None
    yield change or Change(field=target_field)


def _mark_change(field: Field, options: list[str]) -> Change | None:
    for option in ("--set-xmark", "--set-mark", "--and-mark", "--or-mark", "--xor-mark"):
        if word := _value(options, option):
            value, _, mask = word.partition("/")
            number, bits = int(value, 0), int(mask or "0xffffffff", 0)
            keep, flip = {
                "--set-xmark": (~bits & WORD, number),
                "--set-mark": (~(bits | number) & WORD if mask else 0, number),
                "--and-mark": (number, 0),
                "--or-mark": (~number & WORD, number),
                "--xor-mark": (WORD, number),
            }[option]
            return build.linear(field, keep, flip, field)
    if "--save-mark" in options or "--restore-mark" in options:
        packet = int(_value(options, "--nfmask") or _value(options, "--mask") or "0xffffffff", 0)
        connection = int(_value(options, "--ctmask") or _value(options, "--mask") or "0xffffffff", 0)
        if "--save-mark" in options:
            return Change(field=Field.CT_MARK, keep=~connection & WORD, copied=Field.MARK, mask=packet, flip=0)
        return Change(field=Field.MARK, keep=~packet & WORD, copied=Field.CT_MARK, mask=connection, flip=0)
    return None


EXTENSIONS: dict[str, Callable[[str, list[str], str], Iterator[Op]]] = {
    "REJECT": _reject,
    **dict.fromkeys(("DNAT", "REDIRECT", "NETMAP", "SNAT", "MASQUERADE"), _nat),
    **dict.fromkeys(("MARK", "CONNMARK", "HMARK"), _mark),
    **dict.fromkeys(("CT", "NOTRACK"), _track),
    "SET": _set,
}
