"""What reads text from outside, each as a function of bytes that breaks or holds; and what it is fed at first."""

from __future__ import annotations

import atexit
import importlib
import json
import re
import shutil
import struct
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whyrefused import firewall, report, script
from whyrefused.collect import saved
from whyrefused.escape import INVISIBLE, plain, terminal, visible
from whyrefused.inventory import guards, levels, sources
from whyrefused.inventory.plain import Unsure
from whyrefused.inventory.plain import read as read_plain
from whyrefused.inventory.reading import judge
from whyrefused.inventory.wanted import wanted
from whyrefused.probes import Unreadable, registry
from whyrefused.records import BadInput, Frame, Line, Missing, Result, Run
from whyrefused.redact import redact
from whyrefused.ssh import config, known_hosts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

DATA = Path(__file__).parents[1] / "unit/data"
CASES = Path(__file__).parent / "cases"
TOKEN = "0123456789abcdef"  # noqa: S105 - of no run
SCRATCH = Path(tempfile.mkdtemp(prefix="fuzz-")) / "evidence.json"
LOOKUP: Any = importlib.import_module("whyrefused.probes.remote.lookup")
"""What a host asks nameservers with."""
atexit.register(shutil.rmtree, SCRATCH.parent, ignore_errors=True)
PACKETS = (
    firewall.Packet(source="192.0.2.7", destination="198.51.100.1", port=443),
    firewall.Packet(source="2001:db8::7", destination="2001:db8::1", port=443, interface="eth0"),
)


CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
TAG = re.compile(r"<[^>]*>?")
ANCHOR = re.compile(r"-[0-9a-f]{12}\b")


class Broken(AssertionError):  # noqa: N818 - a verdict, not an error of ours
    """A promise that does not hold for this input."""


def holds(promise: object, what: str) -> None:
    """Break where this is not so."""
    if not promise:
        raise Broken(what)


def text_of(data: bytes) -> str:
    """What does a frame hold that came as these bytes?"""
    return data.decode("utf-8", "surrogateescape")


def probe(name: str, data: bytes) -> None:
    """A probe reads what a host prints, or says why it cannot."""
    for status in (0, 1):
        try:
            registry()[name].parse(Frame(text=text_of(data), status=status))
        except Unreadable as refused:
            holds(str(refused), "no reason is given")


def framing(data: bytes) -> None:
    """Every question has one answer; a frame is only what stands between its marks."""
    asked: dict[str, tuple[str, ...]] = {"identity": (), "listeners": (), "nft": ()}
    whole = data.replace(b"TOKEN", TOKEN.encode())
    for reply in (whole, _framed(data)):
        found = script.split(reply, TOKEN, asked)
        holds(list(found) == list(asked), "a question without an answer")
        for frame in found.values():
            if isinstance(frame, Missing):
                continue
            holds(frame.text.encode("utf-8", "surrogateescape") in reply, "a frame that nobody sent")
            holds(0 <= frame.status <= 999, "no exit status")
    kept = script.split(_framed(data), TOKEN, asked)["identity"]
    holds(isinstance(kept, Frame) and kept.text.encode("utf-8", "surrogateescape") == data, "a frame is not kept whole")


def _framed(data: bytes) -> bytes:
    """Frame these bytes as the answer of one probe."""
    body = data + f"\n0 {TOKEN}".encode()
    return b"BEGIN %s identity %d\n%s\nEND %s identity\nDONE %s 1\n" % (
        TOKEN.encode(), len(body), body, TOKEN.encode(), TOKEN.encode(),
    )  # fmt: skip


def redaction(data: bytes) -> None:
    """A known secret stays nowhere, one in a URL neither, and what was redacted stays as it is."""
    text = text_of(data)
    kept = redact(text)
    holds(redact(kept) == kept, "redacting twice is not as once")
    secret = "q7Zx81cc0e55"  # noqa: S105 - of nobody
    for around in (f"{text}{secret}{text}", f"http://u:{secret}@h {text}", f"{text[:50]} password={secret}\n{text}"):
        holds(secret not in redact(around, [secret]), "a known secret is told")
    holds(secret not in redact(f"\nhttp://u:{secret}@h {text}"), "the password of a URL is told")


def escaping(data: bytes) -> None:
    """Nothing unseen is left, markup is none, and the page has the elements that it has anyway."""
    text = text_of(data)
    holds(not INVISIBLE.search(visible(text)), "something unseen is left")
    holds(visible(visible(text)) == visible(text), "escaping twice is not as once")
    holds(not CONTROL.search(terminal(text)), "a terminal would act")
    plain(text).encode("utf-8", "strict")
    holds(TAG.findall(_page(text)) == TAG.findall(_page("x")), "markup in the page")
    json.loads(report.to_json(_run(text)))


def _run(text: str) -> Run:
    result = Result(
        id=text, host=text, check=text, subject=text, outcome="failed", expected=text, observed=text,
        evidence=(Line(host=text, source=text, line=text),),
    )  # fmt: skip
    return Run(
        started=text, finished=text, inventory=(text,), hosts=(text,), complete=True, results=(result,), findings=(),
        groups={text: (text,)}, notes=(text,), foreign=((text, "failed", text),),
    )  # fmt: skip


def _page(text: str) -> str:
    """Put this into every field of a page; a field is never empty, since an empty one leaves out its element."""
    return ANCHOR.sub("", report.page(_run(f"x{text}"), causes={}))


def yaml_inventory(data: bytes) -> None:
    """A file of an inventory is fit for Ansible, or says what is wrong with it."""
    for problem in guards.problems(text_of(data), "hosts.yml", must_be_yaml=True):
        holds(str(problem), "no reason is given")


def ini_inventory(data: bytes) -> None:
    """The same of one that need not be YAML."""
    guards.problems(text_of(data), "hosts", must_be_yaml=False)


def plain_inventory(data: bytes) -> None:
    """An inventory that passed the guards is read here and judged, or left to the command; of some kind."""
    kinds = (
        ("hosts.yml", "inventory"),
        ("hosts", "inventory"),
        ("group_vars/all.yml", "groups"),
        ("hosts.json", "inventory"),
    )
    path, kind = kinds[data[0] % len(kinds) if data else 0]
    parts = {"path": path, "kind": kind, "name": "all", "given": path, "executable": False}
    found = sources.Found(files=[sources.File(data=data, **parts)], listed={"group_vars": ("all.yml",)})  # type: ignore[arg-type]
    files, problems = sources.examine(found)
    if problems:
        return
    given = [path] if kind == "inventory" else ["h1,"]
    with suppress(Unsure, levels.NotAnExport):
        printed = read_plain(given, found, files)
        judge(levels.tree(printed.groups, printed.hostvars, wanted), given, {}, files)


def exported(data: bytes) -> None:
    """What `ansible-inventory` printed is a tree that is judged, or it is none."""
    try:
        tree = levels.parse(text_of(data), wanted)
    except levels.NotAnExport:
        return
    judge(tree, ["hosts.yml"], {})


def evidence(data: bytes) -> None:
    """A file is saved evidence, or it is not."""
    SCRATCH.write_bytes(data)
    with suppress(BadInput):
        saved.loads(str(SCRATCH))


def nft_json(data: bytes) -> None:
    """A ruleset of nft is read, or says that it is none; a packet then walks it."""
    _ruleset(nft_json=text_of(data))


def iptables_save(data: bytes) -> None:
    """The same of iptables."""
    text = text_of(data)
    _ruleset(saves={"iptables-save": text})
    _ruleset(saves={"ip6tables-save": text})


def ipset_save(data: bytes) -> None:
    """The same of ipset."""
    text = text_of(data)
    rules = "*filter\n:INPUT DROP [0:0]\n-A INPUT -m set --match-set s src -j ACCEPT\nCOMMIT\n"
    _ruleset(saves={"iptables-save": rules, "ipset save": text})


def _ruleset(nft_json: str | None = None, saves: Mapping[str, str] | None = None) -> None:
    try:
        rules = firewall.load(nft_json, saves or {})
    except firewall.Unreadable as refused:
        holds(str(refused), "no reason is given")
        return
    for packet in PACKETS:
        holds(firewall.judge(rules, packet).verdict, "no verdict")


def known_host_file(data: bytes) -> None:
    """A known_hosts file is read as far as it can be."""
    table = known_hosts.parse(text_of(data), "known_hosts")
    known_hosts.candidates((table,), "web1")
    known_hosts.key_types((table,), "[web1]:2222")


def ssh_settings(data: bytes) -> None:
    """What `ssh -G` prints is read."""
    config.parse(text_of(data))


def dns_answer(data: bytes) -> None:
    """A nameserver's packet is an answer or none; what is the word of a zone's server is about its zone."""
    zone = LOOKUP.encoded("example.test")
    name = LOOKUP.encoded("web.example.test")
    for closely in (False, True):
        try:
            told = LOOKUP.answer(data, closely)
        except (IndexError, ValueError, struct.error):
            continue
        word, found = LOOKUP.itself(told, name, zone)
        holds(word not in {"NOERROR", "NXDOMAIN"} or told[1], "a word of its own without authority")
        holds(all(LOOKUP.within(one[0], zone) for one in found), "a word about what is beyond its zone")


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "framing": framing,
    "redaction": redaction,
    "escaping": escaping,
    "inventory-yaml": yaml_inventory,
    "inventory-ini": ini_inventory,
    "inventory-plain": plain_inventory,
    "inventory-export": exported,
    "evidence": evidence,
    "nft": nft_json,
    "iptables-save": iptables_save,
    "ipset-save": ipset_save,
    "known-hosts": known_host_file,
    "ssh-settings": ssh_settings,
    "dns-answer": dns_answer,
    **{f"probe-{name}": partial(probe, name) for name in registry()},
}
"""By the name that `make fuzz TARGET=` takes."""


def corpus(target: str) -> tuple[bytes, ...]:
    """What is a target fed at first? What real hosts printed, and what once broke it."""
    return tuple(path.read_bytes() for path in sorted({*_recorded(target), *(CASES / target).glob("*")}))


def _recorded(target: str) -> Iterator[Path]:
    if target.startswith("probe-"):
        yield from (DATA / "probes" / target.removeprefix("probe-")).glob("*.txt")
    elif target in {"redaction", "escaping", "framing"}:
        yield from (path for number, path in enumerate(sorted(DATA.glob("probes/*/*.txt"))) if number % 7 == 0)
    else:
        pattern = {"nft": "firewall/*/nft.json", "iptables-save": "firewall/*/ip*tables-save", "evidence": "",
                   "ipset-save": "firewall/*/ipset-save", "known-hosts": "ssh/known_hosts"}.get(target, "")  # fmt: skip
        yield from DATA.glob(pattern) if pattern else ()
        if target.startswith("inventory"):
            yield from (DATA.parents[2] / "inventories").glob("*.yml")
            yield from (DATA.parents[2] / "inventories/example").glob("*.yml")
        if target == "evidence":
            yield from sorted((DATA.parents[1] / "scenarios").glob("*/evidence.json"))[::40]
