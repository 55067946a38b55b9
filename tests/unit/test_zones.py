"""What the declared servers of a zone say of a name, against what the client got: who has it wrong?"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyrefused.causes.dns import VARIANTS
from whyrefused.evidence import HostEvidence
from whyrefused.facts import resolution
from whyrefused.facts.zones import OWN
from whyrefused.probes.lookups import TOLD
from whyrefused.records import Frame, Reply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from whyrefused.facts.asked import Reason

NAME, ZONE = "web.example.test", "example.test"
RIGHT, SIX, WRONG, THIRD = "198.18.0.11", "2001:db8::b", "198.18.0.12", "198.18.0.14"
STUB, ASKED, SERVER, SECOND = "127.0.0.53", "198.18.0.53", "198.18.0.54", "198.18.0.55"


def answers(role: str, server: str, *given: str, word: str = "NOERROR", own: str = "-", fqdn: str = NAME) -> list[str]:
    """The two rows of one server that gives these addresses, or none."""
    kinds = {"A": [one for one in given if ":" not in one], "AAAA": [one for one in given if ":" in one]}
    return [
        f"{NAME}\t{role}\t{server}\t{fqdn}\t{kind}\t{word}\t{','.join(each) or '-'}\t{own}\t{'600' if each else '-'}"
        for kind, each in kinds.items()
    ]


def zone(server: str, *given: str, word: str = "NOERROR") -> list[str]:
    """The same of a server of the zone, which says it itself where it says anything."""
    return answers(f"zone:{ZONE}", server, *given, word=word, own="aa" if word in TOLD else "-")


def host(got: Iterable[str], rows: Iterable[str], *more: str) -> HostEvidence:
    """A host that gives its programs these addresses, and whose nameservers and zones answer so."""
    named = [*(f"{NAME}\tgetent\t{one} STREAM {NAME}" for one in got), f"{NAME}\tstatus\t{0 if got else 2}",
             f"\tresolver\tnameserver {ASKED}", "\torder\thosts: files dns", *more]  # fmt: skip
    frames = {"names": named, "lookups": [*rows, f"{NAME}\tend"]}
    texts = {probe: Frame(text="\n".join(each) + "\n", status=0) for probe, each in frames.items()}
    return HostEvidence("app1", Reply(host="app1", frames=texts))


def why(got: Iterable[str], rows: Iterable[str], *more: str, right: Iterable[str] = (RIGHT,)) -> Reason:
    """Why is that not right?"""
    return resolution.reason(host(got, rows, *more), NAME, map(ip_address, right))


OLD = answers("nameserver", ASKED, WRONG)
ITSELF = answers("nameserver", ASKED, WRONG, own="aa")
LOST = answers("nameserver", ASKED, word="NXDOMAIN")
BEHIND = [*answers("nameserver", STUB, WRONG), *answers("uplink", ASKED, WRONG)]
FLUSH = (
    f"on {ASKED}: have it forgotten: rndc flushname {NAME}, unbound-control flush {NAME}, or systemctl restart dnsmasq"
)
MORE, NEW = answers("nameserver", ASKED, RIGHT, WRONG), answers("nameserver", ASKED, SIX)
TAKE_OUT = f"on {ASKED}: take out what it says of {NAME} itself"
SOMEWHERE = f"correct the record of {NAME} ({RIGHT}) in the zone that answers"
THERE = f"in the zone {ZONE}, on {SERVER} or where that has it from"
CASES = {
    "an old answer": ([WRONG], OLD, zone(SERVER, RIGHT), "stale-resolver", FLUSH),
    "of two servers one is silent": (
        [WRONG], OLD, [*zone(SERVER, word="TIMEOUT"), *zone(SECOND, RIGHT)], "stale-resolver", FLUSH,
    ),
    "its own answer": ([WRONG], ITSELF, zone(SERVER, RIGHT), "resolver-override", TAKE_OUT),
    "an old absence": ([], LOST, zone(SERVER, RIGHT), "stale-resolver", FLUSH),
    "its own absence": (
        [], answers("nameserver", ASKED, own="aa"), zone(SERVER, RIGHT), "resolver-override", TAKE_OUT,
    ),
    "through systemd-resolved": ([WRONG], BEHIND, zone(SERVER, RIGHT), "stale-resolver", FLUSH),
    "of systemd-resolved, behind which nobody answers": (
        [WRONG], [*answers("nameserver", STUB, WRONG), *answers("uplink", ASKED, word="TIMEOUT")], zone(SERVER, RIGHT),
        "stale-resolver", "resolvectl flush-caches",
    ),
    "an old absence of systemd-resolved": (
        [], [*answers("nameserver", STUB, word="NXDOMAIN"), *answers("uplink", ASKED, RIGHT)], zone(SERVER, RIGHT),
        "stale-resolver", "resolvectl flush-caches",
    ),
    "an old cache of systemd-resolved": (
        [WRONG], [*answers("nameserver", STUB, WRONG), *answers("uplink", ASKED, RIGHT)], zone(SERVER, RIGHT),
        "stale-cache", "resolvectl flush-caches",
    ),
    "one too many": ([RIGHT, WRONG], MORE, zone(SERVER, RIGHT), "stale-resolver", FLUSH),
    "one too many in the zone": (
        [RIGHT, WRONG], MORE, zone(SERVER, RIGHT, WRONG), "bad-member",
        f"{THERE}: take what should not be there out of the records of",
    ),
    "IPv6 that the zone has not": ([SIX], NEW, zone(SERVER, RIGHT), "stale-resolver", FLUSH),
    "IPv6 alone in the zone": (
        [SIX], NEW, zone(SERVER, SIX), "aaaa-only",
        f"{THERE}: take out the AAAA record, and have an A record, of",
    ),
    "a wrong record": (
        [WRONG], OLD, zone(SERVER, WRONG), "wrong-record",
        f"{THERE}: correct the record of {NAME} ({RIGHT})",
    ),
    "another wrong record": ([WRONG], OLD, zone(SERVER, THIRD), "wrong-record", SOMEWHERE),
    "servers of two minds, and a nameserver with a third": (
        [WRONG], answers("nameserver", ASKED, THIRD), [*zone(SERVER, RIGHT), *zone(SECOND, WRONG)], "wrong-record",
        SOMEWHERE,
    ),
    "systemd-resolved behind another nameserver": (
        [WRONG], [*OLD, *answers("nameserver", STUB, WRONG), *answers("uplink", SECOND, WRONG)], zone(SERVER, RIGHT),
        "stale-resolver", FLUSH,
    ),
    "no record": (
        [], LOST, zone(SERVER, word="NXDOMAIN"), "no-record",
        f"{THERE}: add a record for {NAME} ({RIGHT})",
    ),
    "no record but a wrong one in the zone": ([], LOST, zone(SERVER, THIRD), "no-record", f"add a record for {NAME}"),
    "servers of two minds": (
        [WRONG], OLD, [*zone(SERVER, RIGHT), *zone(SECOND, WRONG)], "zone-servers-differ",
        f"on {SECOND}: take the zone over again: rndc retransfer {ZONE}, or nsd-control transfer {ZONE}",
    ),
    "servers of two minds, neither the client's": (
        [WRONG], OLD, [*zone(SERVER, RIGHT), *zone(SECOND, THIRD)], "wrong-record", f"correct the record of {NAME}",
    ),
    "the first nameserver wrong, the second right": (
        [WRONG], [*OLD, *answers("nameserver", SECOND, RIGHT)], zone(SERVER, RIGHT), "wrong-resolver",
        f"take out nameserver {ASKED}",
    ),
    "a nameserver that fails": (
        [], answers("nameserver", ASKED, word="SERVFAIL"), zone(SERVER, RIGHT), "resolver-fails", "see why",
    ),
    "half a word": ([WRONG], OLD, zone(SERVER, RIGHT)[:1], "wrong-record", f"correct the record of {NAME}"),
    "a right nameserver, and another source before it": (
        [WRONG], answers("nameserver", ASKED, RIGHT), zone(SERVER, RIGHT), "nsswitch", "hosts: files dns",
    ),
    "a completed name that leads elsewhere": (
        [WRONG], [*answers("nameserver", ASKED, WRONG, fqdn=f"{NAME}.lab"), *answers("nameserver", ASKED, RIGHT)],
        zone(SERVER, RIGHT), "wrong-record", "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_who_has_it_wrong(case: str) -> None:
    """The zone, the nameserver, what it keeps or what it says itself; and the fix goes there."""
    got, own, said, variant, fix = CASES[case]
    found = why(got, [*own, *said])
    assert (variant, True) == (found.variant, fix in "\n".join(found.fix))
    quoted = {line.source for line in found.lines if " -r " in line.source}
    assert {row.split("\t")[2] for row in said} == {source.split()[-1] for source in quoted}
    if found.variant in OWN or "declared for its zone" in found.words:
        assert any(server in found.words for server in (SERVER, SECOND))
    assert found.variant not in OWN or len(found.verify) == 2


def test_what_is_missing() -> None:
    """One of two addresses is not given: the zone has it and the nameserver not, or the zone has it not either."""
    own, both = answers("nameserver", ASKED, RIGHT), (RIGHT, THIRD)
    assert "stale-resolver" == why([RIGHT], [*own, *zone(SERVER, *both)], right=both).variant
    found = why([RIGHT], [*own, *zone(SERVER, RIGHT)], right=both)
    assert ("missing-address", True) == (found.variant, found.fix[0].startswith(f"in the zone {ZONE}, on {SERVER}"))
    given = why([RIGHT], [*answers("nameserver", ASKED, *both), *zone(SERVER, *both)], right=both)
    assert "missing-address" == given.variant
    hosts = f"\thosts\t{RIGHT} {NAME}"
    found = why([RIGHT], [*own, *zone(SERVER, RIGHT)], hosts, right=both)
    assert ("missing-address", f"add {THIRD} in /etc/hosts") == (found.variant, found.fix[0])
    assert "missing-address" == why([RIGHT], [*own, *zone(SERVER, *both)], hosts, right=both).variant


def test_what_the_host_itself_says_stays_first() -> None:
    """/etc/hosts is the reason, and that the zone has it right stands beside it."""
    found = why([WRONG], [*answers("nameserver", ASKED, RIGHT), *zone(SERVER, RIGHT)], f"\thosts\t{WRONG} {NAME}")
    assert ("hosts-file", True) == (
        found.variant,
        found.words.endswith(f"; {SERVER}, declared for its zone, has it right"),
    )


def test_a_name_that_nobody_declared() -> None:
    """Where it has no address, what its zone has is what it should be; servers that differ say nothing of that."""
    assert "stale-resolver" == why([], [*LOST, *zone(SERVER, THIRD)], right=()).variant
    assert "no-record" == why([], [*LOST, *zone(SERVER, THIRD), *zone(SECOND, WRONG)], right=()).variant
    assert "no-record" == why([], [*LOST, *zone(SERVER)], right=()).variant


def test_how_long_it_is_kept() -> None:
    """An answer from a cache goes by itself: it says when."""
    assert "or wait: it is kept for 600 s more" in why([WRONG], [*OLD, *zone(SERVER, RIGHT)]).fix
    assert not [one for one in why([WRONG], [*ITSELF, *zone(SERVER, RIGHT)]).fix if "wait" in one]


def test_a_short_name() -> None:
    """One that a search domain completes is held against what the zone says of the full one."""
    rows = [*answers("nameserver", ASKED, WRONG), *zone(SERVER, RIGHT)]
    short = [row.replace(f"{NAME}\t", "web\t", 1) for row in (*rows, f"{NAME}\tend")]
    named = f"web\tgetent\t{WRONG} STREAM {NAME}\nweb\tstatus\t0\n\tresolver\tnameserver {ASKED}\n"
    frames = {"names": Frame(text=named, status=0), "lookups": Frame(text="\n".join(short), status=0)}
    client = HostEvidence("app1", Reply(host="app1", frames=frames))
    assert "stale-resolver" == resolution.reason(client, "web", {ip_address(RIGHT)}).variant


ADDRESSES = st.lists(st.sampled_from([RIGHT, WRONG, THIRD, SIX, "2001:db8::c"]), max_size=3, unique=True)
WORDS = st.sampled_from(["NOERROR", "NXDOMAIN", "SERVFAIL", "REFUSED", "TIMEOUT", "ECONNREFUSED"])
MUTE = st.sampled_from(
    ["SERVFAIL", "REFUSED", "TIMEOUT", "NOT-AUTHORITATIVE", "ALIAS-ELSEWHERE", "TRUNCATED", "RCODE9", "EPERM"]
)


@st.composite
def own_rows(draw: st.DrawFn) -> list[str]:
    """What the nameservers of a host say."""
    rows: list[str] = []
    for role, server in (("nameserver", STUB), ("nameserver", ASKED), ("uplink", ASKED), ("nameserver", SECOND)):
        if draw(st.booleans()):
            word = draw(WORDS)
            given_ = draw(ADDRESSES) if word == "NOERROR" else []
            rows += answers(role, server, *given_, word=word, own=draw(st.sampled_from(["aa", "-"])))
    return rows


@given(ADDRESSES, ADDRESSES, own_rows(), st.lists(MUTE, min_size=1, max_size=2))
def test_who_does_not_tell_decides_nothing(got: list[str], right: list[str], own: list[str], words: list[str]) -> None:
    """Servers that are silent, refuse or say it without authority change neither the reason nor what mends it."""
    mute = [
        row for server, word in zip((SERVER, SECOND), words, strict=False) for row in zone(server, RIGHT, word=word)
    ]
    plain, with_them = why(got, own, right=right), why(got, [*own, *mute], right=right)
    assert (plain.variant, plain.subject, plain.fix, plain.verify) == (
        with_them.variant, with_them.subject, with_them.fix, with_them.verify,
    )  # fmt: skip
    assert with_them.words.startswith(plain.words)
    assert f"{SERVER} ({words[0]})" in with_them.words
    assert with_them.words.rstrip(")").endswith("declared for its zone, was not asked successfully")
    assert {one.line for one in plain.lines} < {one.line for one in with_them.lines}


@given(ADDRESSES, ADDRESSES.filter(bool), own_rows(), ADDRESSES, ADDRESSES)
def test_a_nameserver_is_blamed_only_where_the_zone_is_right(
    got: list[str], right: list[str], own: list[str], said: list[str], other: list[str]
) -> None:
    """Whatever all of them say: one reason, of a known variant, and never against what the zone itself says."""
    found = why(got, [*own, *zone(SERVER, *said), *zone(SECOND, *other)], right=right)
    assert found.variant in VARIANTS
    assert found.fix
    wanted = set(right)
    if found.variant in {"stale-resolver", "resolver-override"}:
        assert said or other
        assert set(said) | set(other) <= wanted
    if found.variant == "zone-servers-differ":
        assert (set(said) <= wanted) is not (set(other) <= wanted)
    if any(line.startswith("in the zone") for line in found.fix) and found.variant != "missing-address":
        assert not any(each and set(each) <= wanted for each in (said, other))
