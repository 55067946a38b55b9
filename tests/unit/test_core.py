"""The core that decides: what counts as complete, what is asked for in vain, and how an end is counted."""

from __future__ import annotations

import re
import shlex
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest
from scenarios.replay import questions_of
from scenarios.replay import read as story

from whyrefused import evidence as evidence_module
from whyrefused import judge, script
from whyrefused.escape import INVISIBLE, terminal, visible
from whyrefused.evidence import Evidence, HostEvidence
from whyrefused.plan.keys.services import ServiceItem
from whyrefused.probes import DIGITS, Unreadable, failed, read, registry, whole
from whyrefused.records import CouldNotLook, Frame, Line, Missing, Reply, Result, Run, Secret, Seen
from whyrefused.report.totals import counted, outcomes, summary, totals

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN = "0123456789abcdef"  # noqa: S105 - of no run
NFT = '{"nftables": [{"metainfo": {"version": "1.0.6"}}]}'
UNITS = (
    "Uptime=9.0\n\nId=a.service\nNames=a.service b.service\nLoadState=loaded\nActiveState=active\nSubState=running\n"
    "UnitFileState=enabled\n"
)
IP = "1: lo    inet 127.0.0.1/8 scope host lo\n2: eth0    inet 192.0.2.1/24 scope global eth0\n"
RUNNING = (
    "Id=a.service\nNames=a.service\nMainPID=0\n\nId=a@one.service\nNames=a@one.service\nMainPID=0\n\n"
    "Id=ab@two.service\nNames=ab@two.service\nMainPID=0\n\nend\n"
)
ANSWERS = {
    "units": UNITS, "addresses": IP, "processes": RUNNING, "nft": NFT, "iptables": "== end\n",
    "trouble": "unit\ta.service\nunheard\tpermission denied\nend\n",
}  # fmt: skip


def host(**frames: str | Frame | Missing) -> HostEvidence:
    """A host that answered these."""
    told = {name: Frame(text=it, status=0) if isinstance(it, str) else it for name, it in frames.items()}
    return HostEvidence("web1", Reply(host="web1", frames=told))


# Completeness: the framing.


def frame(body: bytes, length: int | None = None, *, name: str = "nft", token: str = TOKEN) -> bytes:
    """One frame as a host prints it, of which the length may lie."""
    size = len(body) if length is None else length
    return f"\nBEGIN {token} {name} {size}\n".encode() + body + f"\nEND {token} {name}\n".encode()


def split(sent: bytes, *asked: str) -> dict[str, Frame | Missing]:
    """What is read of these bytes?"""
    return script.split(sent, TOKEN, dict.fromkeys(asked or ("nft",), ()))


@pytest.mark.parametrize(
    ("status", "read_as"),
    [(b"0", 0), (b"7", 7), (b"255", 255), (b"999", 999), (b"1000", None), (b"", None), (b"-1", None), (b"x", None),
     (b"0 0", None), (b"+1", None)],
)  # fmt: skip
def test_status(status: bytes, read_as: int | None) -> None:
    """A frame counts only with an exit status: one to three digits, on the last line, before the token."""
    found = split(frame(b"text\n" + status + b" " + TOKEN.encode()))["nft"]
    if read_as is None:
        assert isinstance(found, Missing)
        assert f"nft: the answer is larger than {registry()['nft'].BYTES} bytes" == found.why
    else:
        assert found == Frame(text="text", status=read_as)
    assert isinstance(split(frame(b"text\n" + status + b" " + TOKEN.encode() + b"0"))["nft"], Missing)


def test_bytes_that_are_no_text() -> None:
    """They are kept, each as its own escape."""
    assert split(frame(b"\xff\n0 " + TOKEN.encode()))["nft"] == Frame(text="\udcff", status=0)


def test_another_run() -> None:
    """Frames of another token are no frames, and do not hide those of ours."""
    ours = frame(b"a\n0 " + TOKEN.encode())
    theirs = frame(b"b\n0 " + b"f" * 16, token="f" * 16)
    assert split(theirs + ours + theirs)["nft"] == Frame(text="a", status=0)
    assert isinstance(split(frame(b"b\n0 " + b"f" * 16))["nft"], Missing)


def test_only_what_was_asked() -> None:
    """An answer to what nobody asked is passed over; one that comes twice is none; the order is that of the asking."""
    good = frame(b"a\n0 " + TOKEN.encode())
    other = frame(b"b\n0 " + TOKEN.encode(), name="units")
    assert ["units", "nft"] == list(split(good + other, "units", "nft"))
    assert split(other + good) == {"nft": Frame(text="a", status=0)}
    twice = split(good + other + good, "nft", "units")
    assert isinstance(twice["nft"], Missing)
    assert twice["nft"].why == "nft: answered twice"
    assert twice["units"] == Frame(text="b", status=0)


def test_a_head_begins_a_line() -> None:
    """What looks like a frame in the middle of a line is what somebody printed."""
    good = frame(b"a\n0 " + TOKEN.encode())
    assert isinstance(split(b"x" + good[1:])["nft"], Missing)
    assert split(good[1:])["nft"] == Frame(text="a", status=0)
    broken = good.replace(b" nft ", b" ?\nnft ", 1)
    assert isinstance(split(broken)["nft"], Missing)


def test_length_lies() -> None:
    """A frame that is longer or shorter than it says ends the reading: what follows may be within it."""
    for length in (0, 3, 99):
        found = split(
            frame(b"a\n0 " + TOKEN.encode(), length) + frame(b"b\n0 " + TOKEN.encode(), name="units"), "nft", "units"
        )
        assert {"nft: the answer was cut off", "units: the answer was cut off"} == {
            it.why for it in found.values() if isinstance(it, Missing)
        }


def test_whether_it_was_asked_or_cut() -> None:
    """What is missing of a whole reply was not answered; of one without its end, it was cut off."""
    done = f"\nDONE {TOKEN} 1\n".encode()
    many = f"\nDONE {TOKEN} 12\n".encode()
    cut = (done[:-2], b"", b"\nDONE ffff 1\n", b"x" + done[1:], done[:-1] + b"x\n", b"\n1\n")
    answered = dict.fromkeys((done, done[1:], many), "not answered")
    for sent, words in (answered | dict.fromkeys(cut, "the answer was cut off")).items():
        found = split(sent)["nft"]
        assert isinstance(found, Missing)
        assert f"nft: {words}" == found.why, sent


def test_one_script() -> None:
    """What answers at once is asked in one shell; each slow question runs beside all that follow."""
    asked: dict[str, tuple[str, ...]] = {
        "units": ("a",), "nft": (), "names": ("x",), "dials": ("1", "192.0.2.1 1"), "configured": ("/x#y",),
    }  # fmt: skip
    calls = {name: f"ask {name} {it.SECONDS} {it.BYTES}" for name, it in registry().items() if name in asked}
    one, two = (
        f"{calls[name]} {shlex.quote(registry()[name].fragment(asked[name]))}" for name in ("dials", "configured")
    )
    text = script.script(asked, TOKEN)
    assert f"all() {{\n{{ {one}; }} | {{\n{{ {two}; }} | {{\nfirst\ncat\n}}\ncat\n}}\n}}\n" in text
    rest = f"! owed nft || {calls['nft']}\n! owed units || {calls['units']}\n"
    assert f"left() {{\n{{ ! owed names || {calls['names']}; }} | {{\n{rest}cat\n}}\n}}\n" in text
    assert f"frame nft {registry()['nft'].BYTES}\nframe units {registry()['units'].BYTES}\n" in text
    assert text.endswith('DONE %s %s\\n\' "$r" "$T" 5\n')
    assert text.startswith(f"S=''; A=; M=; T={TOKEN}; Q='p_nft() {{")


def test_a_script_of_little_and_of_much() -> None:
    """Who asks for nothing slow waits for nothing; what is too long for one shell is asked question by question."""
    nothing = script.script({}, TOKEN)
    assert "left() {\n:\n}" in nothing
    assert "; Q=''\n" in nothing
    assert "all() {" not in nothing
    much = {"nft": (), "units": tuple(f"unit-{number:090}" for number in range(1000))}
    text = script.script(much, TOKEN)
    assert "; Q=''\n" in text
    for name, arguments in much.items():
        probe = registry()[name]
        own = shlex.quote(probe.fragment(arguments))
        assert f"! owed {name} || ask {name} {probe.SECONDS} {probe.BYTES} {own}\n" in text


def test_whose_rights() -> None:
    """Where another user's rights are taken, whatever his name, sudo is asked for just the commands that are listed."""
    text = script.script({"nft": ()}, TOKEN, become="db admin")
    sudo = shlex.quote("sudo -n -u 'db admin' --")
    assert text.startswith(f"S={sudo}; A=; M=; T={TOKEN}; Q=")
    assert "U='db admin'; R=$S\npermitted() {" in text
    listed = {run.command for it in registry().values() for run in it.RUNS if run.rights == "listed"}
    assert listed
    assert listed == set(re.findall(r'\*"/([^"]*),"\*[|)]', text.partition("permitted()")[2].partition(" M=list;")[0]))


# Completeness: an answer and its exit status.


@pytest.mark.parametrize(
    ("status", "words"),
    [(124, "nft -j list ruleset: no answer within 10 s"), (126, "nft -j list ruleset: not permitted"),
     (127, "nft -j list ruleset: not installed"), (1, "nft -j list ruleset: exit status 1"),
     (-1, "nft -j list ruleset: exit status -1")],
)  # fmt: skip
def test_failed(status: int, words: str) -> None:
    """Why a command did not answer is its status, and its own last words that are any, not without end."""
    assert words == failed(Frame(text=" \n\n", status=status), "nft -j list ruleset", 10)
    assert f"{words} (last)" == failed(Frame(text="first\n last \n \n", status=status), "nft -j list ruleset", 10)
    assert f"{words} ({'x' * 200})" == failed(Frame(text="x" * 300, status=status), "nft -j list ruleset", 10)


def test_read() -> None:
    """An answer is read only where its command ended well, however whole it looks."""
    assert read("addresses", Frame(text=IP, status=0))
    with pytest.raises(Unreadable, match=r"^uname -n; .*: exit status 3"):
        read("identity", Frame(text="web1\n0\n", status=3))
    with pytest.raises(Unreadable, match=r"^systemctl show: no answer within 10 s \(UnitFileState=enabled\)"):
        read("units", Frame(text=UNITS, status=124))


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("007", 7), ("9" * DIGITS, int("9" * DIGITS)), ("9" * (DIGITS + 1), None), ("", None), ("-1", None),
     ("1.0", None), ("٣", None), ("²", None), (" 1", None)],
)  # fmt: skip
def test_whole(text: str, number: int | None) -> None:
    """A number is of plain digits, and no more of them than a kernel counts with."""
    assert DIGITS == 20
    assert number == whole(text)


# What is known of a host.


def test_what_was_not_asked_or_reached() -> None:
    """Nobody asked, nobody reached, not asked that: each says so, with the host."""
    nobody = Evidence([])["web1"]
    assert nobody.unreached == "was not asked"
    with pytest.raises(CouldNotLook, match=r"^web1: was not asked$"):
        nobody.get("units")
    lost = HostEvidence("web1", Reply(host="web1", frames={"units": Frame(text=UNITS, status=0)}, unreached="refused"))
    assert lost.unreached == "refused"
    with pytest.raises(CouldNotLook, match=r"^web1: refused$"):
        lost.get("units")
    assert host().unreached is None
    with pytest.raises(CouldNotLook, match=r"^web1: units: not asked$"):
        host().get("units")
    with pytest.raises(CouldNotLook, match=r"^web1: cut off$"):
        host(units=Missing("cut off")).get("units")
    assert host().name == "web1"
    assert Evidence([Reply(host="a", frames={}), Reply(host="b", frames={})]).hosts == ("a", "b")


def test_what_nobody_thought_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parser that breaks has not understood: a miss with the command and the kind of surprise, not the end."""

    def breaks(_frame: Frame) -> None:
        raise KeyError("secret")

    monkeypatch.setattr(registry()["nft"], "parse", breaks)
    with pytest.raises(CouldNotLook, match=r"^web1: nft -j list ruleset: not understood: KeyError$"):
        host(nft=NFT).get("nft")


def test_it_is_read_once() -> None:
    """Whoever asks again gets the very same value."""
    known = host(units=UNITS)
    assert known.get("units") is known.get("units")


def test_what_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a limited amount of what was said what was read is held too; what was read first is forgotten first."""
    texts = {"a": "x" * 6, "b": "x" * 4, "c": "x", "d": "x" * 99}
    frames = {name: {"nft": Frame(text=text, status=0), "units": Missing("gone")} for name, text in texts.items()}
    monkeypatch.setattr(evidence_module, "HELD", 10)
    known = Evidence({name: Reply(host=name, frames=frames[name]) for name in texts})
    assert [known[name].size for name in texts] == [6, 4, 1, 99]
    assert known["none"].size == 0
    a, b = known["a"], known["b"]
    assert known["a"] is a
    assert known["b"] is b
    c = known["c"]
    assert known["b"] is b
    assert known["c"] is c
    assert known["a"] is not a
    large = known["d"]
    assert known["d"] is large
    assert known["c"] is not c
    assert known["none"] is not known["none"]


def test_who_has_an_address() -> None:
    """Those that show it for others to reach, in their order; who does not say has none, and all are looked at once."""
    other = IP + "3: eth1    inet 192.0.2.9/24 scope global eth1\n"
    told = {"a": IP, "b": other + "4: eth2    inet 192.0.2.9/32 scope global eth2\n", "c": "nonsense"}
    replies = {name: Reply(host=name, frames={"addresses": Frame(text=text, status=0)}) for name, text in told.items()}
    known = Evidence(replies)
    shown = {text: known.holders(ip_address(text)) for text in ("192.0.2.1", "192.0.2.9", "127.0.0.1", "192.0.2.2")}
    assert shown == {"192.0.2.1": ("a", "b"), "192.0.2.9": ("b",), "127.0.0.1": (), "192.0.2.2": ()}
    replies.clear()
    assert known.holders(ip_address("192.0.2.1")) == ("a", "b")


@pytest.mark.parametrize(
    ("why", "root"),
    [("Operation not permitted", True), ("Permission denied", True), ("you must be root", True),
     ("sudo: a password is required", True),
     ("insufficient Privilege", True), ("no such file", False)],
)  # fmt: skip
def test_what_would_help(why: str, root: bool) -> None:  # noqa: FBT001 - of a table
    """What only root may read says that, and nothing else does."""
    with pytest.raises(CouldNotLook) as refused:
        host(nft=Frame(text=why, status=1)).get("nft")
    wanted = ": needs root there (ansible_become: true, or log in as root)" if root else ""
    assert refused.value.why == f"web1: nft -j list ruleset: exit status 1 ({why}){wanted}"


PROPERTIES = {
    "identity": "identity", "listeners": "listeners", "open_ports": "proc_net", "addresses": "addresses",
    "queues": "queues", "kernel": "kernel", "serving": "serving", "routing": "routes", "places": "proxy",
    "all_units": "units", "binding": "binding",
}  # fmt: skip


@pytest.mark.parametrize("name", PROPERTIES)
def test_each_question_asks_its_probe(name: str) -> None:
    """Each question gives what its own probe found, and misses with that probe's miss."""
    with pytest.raises(CouldNotLook, match=r"^web1: gone$"):
        getattr(host(**{PROPERTIES[name]: Missing("gone")}), name)
    _, replies, _ = story("healthy")
    answered = {probe: it for reply in replies.values() for probe, it in reply.frames.items()}
    if PROPERTIES[name] in answered:
        known = host(**answered)
        assert getattr(known, name) is known.get(PROPERTIES[name])
        assert getattr(known, name) is not None


ASKED: dict[str, tuple[Callable[[HostEvidence], Any], str, str]] = {
    "unit": (lambda it: it.unit("x"), "units", "systemctl show x"),
    "running": (lambda it: it.running("x"), "processes", "limits of x"),
    "resolved": (lambda it: it.resolved("x"), "names", "getent ahosts x"),
    "lookups": (lambda it: it.lookups("x"), "lookups", "host x"),
    "zone_servers": (lambda it: it.zone_servers("x"), "lookups", "host x"),
    "configured": (lambda it: it.configured("/x#y"), "configured", "/x#y"),
    "dial": (lambda it: it.dial("x 80"), "dials", "dialling x:80"),
    "browse": (lambda it: it.browse("p1 http://x/ -"), "browses", "opening http://x/"),
}
EMPTY = {"units": UNITS, "processes": RUNNING, "names": "", "lookups": "", "configured": "", "dials": "", "browses": ""}
FOUND = {
    "names": "x\tstatus\t2\n", "lookups": "x\tend\n", "configured": "/x#y\tfile\t-\n", "dials": "x 80\tend\n",
    "units": UNITS.replace("b.service", "x.service"),
    "processes": RUNNING.replace("Names=a.service", "Names=x.service"),
}  # fmt: skip


@pytest.mark.parametrize("name", ASKED)
def test_one_of_those_asked(name: str) -> None:
    """What was asked for by name and not told is a miss, never a nothing; and each asks its own probe."""
    ask, probe, words = ASKED[name]
    with pytest.raises(CouldNotLook, match=r"^web1: gone$"):
        ask(host(**{probe: Missing("gone")}))
    with pytest.raises(CouldNotLook, match=rf"^web1: {re.escape(words)}: no answer in time$"):
        ask(host(**{probe: EMPTY[probe]}))
    if probe in FOUND:
        assert ask(host(**{probe: FOUND[probe]})) is not None


@pytest.mark.parametrize("name", ASKED)
def test_one_of_those_asked_is_missing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """What could not be looked at for one name is a miss of that name, with its reason."""
    ask, probe, _ = ASKED[name]
    keys = ("x", "x.service", "x 80", "p1", "/x#y")
    monkeypatch.setattr(registry()[probe], "parse", lambda _frame: dict.fromkeys(keys, Missing("not permitted")))
    with pytest.raises(CouldNotLook, match=r"^web1: not permitted$"):
        ask(host(**{probe: ""}))


def test_servers_of_a_zone_are_no_nameservers_of_the_host() -> None:
    """What each of the two answered is told apart."""
    rows = [f"x\t{role}\t::1\tx.y\tA\tNXDOMAIN\t-" for role in ("nameserver", "zone:y", "uplink")]
    known = host(lookups="\n".join([*rows, "x\tend"]))
    assert ["", ""] == [one.zone for one in known.lookups("x")]
    assert ["y"] == [one.zone for one in known.zone_servers("x")]


def test_names_of_units() -> None:
    """A unit is found by every name, with and without its suffix, and with the instances of just its template."""
    known = host(**ANSWERS)
    assert {"a.service"} == {known.unit(name).id for name in ("a", "b", "a.service")}
    assert known.instances("a") == ("a.service", "a@one.service")
    assert known.running("a").name == "a.service"
    assert known.trouble("a.service")
    assert known.trouble("other.service") is None
    assert known.line("ss", "x") == Line(host="web1", source="ss", line="x")
    assert (known.interface_of(known.addresses[1].address), known.interface_of(known.unit)) == ("eth0", None)  # type: ignore[arg-type] - no address


def test_rules() -> None:
    """Rules are loaded from both answers; what cannot be read of them is a miss, with the host and the reason."""
    known = host(**ANSWERS)
    assert known.rules.tables == ()
    assert known.rules is known.rules
    for lost in ("nft", "iptables"):
        with pytest.raises(CouldNotLook, match=r"^web1: gone$"):
            host(**{**ANSWERS, lost: Missing("gone")}).rules  # noqa: B018 - reading it is the question
    bad = NFT[:-2] + ', {"rule": 1}]}'
    with pytest.raises(CouldNotLook, match=r"^web1: the firewall rules could not be read: ."):
        host(**{**ANSWERS, "nft": bad}).rules  # noqa: B018 - as above
    saved = {
        **ANSWERS,
        "nft": "kernel without nf_tables",
        "iptables": "== iptables-save\n*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -j ACCEPT\nCOMMIT\n"
        "== status 0\n== end\n",
    }
    assert [table.name for table in host(**saved).rules.tables] == ["filter"]


def test_a_secret_shows_stars() -> None:
    """A secret is only what it is where it is asked for by that name."""
    secret = Secret("hunter2")
    assert secret.reveal() == "hunter2"
    assert {repr(secret), str(secret), f"{secret}", f"{[secret]}"[1:-1]} == {"Secret(***)"}


def test_the_reason_is_the_text() -> None:
    """A miss tells its reason to whoever prints it."""
    assert (CouldNotLook("gone").why, str(CouldNotLook("gone"))) == ("gone", "gone")


# Outcomes.

ITEM = ServiceItem(host="a", check="services", subject="x", wanted="x running", unit="x", state="running", enabled=None)


def one(outcome: Any, *, seen: bool = True) -> judge.Judged:  # noqa: ANN401 - a literal
    """An item that ended so."""
    question = judge.Question(id=f"q {outcome} {seen}", item=ITEM, look=None, test=lambda **_: None)
    return judge.Judged(question=question, outcome=outcome, seen=Seen(value=1, said="") if seen else None)


def test_only_failures_are_explained() -> None:
    """Causes are looked for of what failed and was seen, and of nothing else."""
    ends = [one("passed"), one("failed"), one("failed", seen=False), one("error"), one("skipped")]
    (found,) = judge.failures(ends)
    assert (found.id, found.item, found.seen) == ("q failed True", ITEM, ends[1].seen)


def test_findings_explain_failures() -> None:
    """Whatever failed is explained by a finding, and a pass is nothing to explain."""
    inventory, replies, _ = story("stopped")
    evidence = Evidence(replies.values())
    ends = [judge.judge(each, evidence, pytest.skip.Exception) for each in questions_of(inventory)]
    failures = {each.question.id for each in ends if each.outcome == "failed"}
    assert failures == {id_ for found in judge.explain(inventory, ends, evidence) for id_ in found.explains}
    assert failures
    assert judge.explain(inventory, [each for each in ends if each.outcome == "passed"], evidence) == ()


def test_what_did_not_run_says_so() -> None:
    """The words by which a reader knows an item that was not come to; it is neither a pass nor a failure."""
    question = judge.Question(id="q", item=ITEM, look=None, test=lambda **_: None)
    ended = judge.not_run(question, judge.INTERRUPTED)
    assert (ended.question, ended.outcome, ended.seen, ended.why) == (question, "skipped", None, "not run: interrupted")
    assert ended.miss is None
    assert judge.NOT_RUN == "not run: the run was cut short"
    assert judge.NO_LOOK == "its check looks at nothing"


# Counting.


def run(*ends: str, complete: bool = True) -> Run:
    """A run whose items ended so."""
    results = tuple(
        Result(id=str(number), host="a", check="ports", subject="", outcome=end, expected="", observed="")  # type: ignore[arg-type] - a literal
        for number, end in enumerate(ends)
    )
    return Run(started="", finished="", inventory=(), hosts=("a",), complete=complete, results=results, findings=())


def test_totals() -> None:
    """Each end is counted as itself; decided are those that passed or failed."""
    of = totals(run("passed", "passed", "passed", "failed", "failed", "error", "skipped"))
    assert (of.passed, of.failed, of.error, of.skipped, of.decided, of.items) == (3, 2, 1, 1, 5, 7)
    assert [("passed", "3 passed"), ("failed", "2 failed"), ("error", "1 error"), ("skipped", "1 skipped")] == outcomes(
        of
    )
    assert counted(0, "host") == "0 hosts"
    assert summary(run("error", complete=False)) == (
        "Incomplete: 1 host, 1 item: 0 passed, 0 failed, 1 error, 0 skipped; 0 findings."
    )


# Escaping.


def test_widths_of_escapes() -> None:
    """Every character that is shown as an escape is as wide as its kind: two, four or eight digits, told apart."""
    assert visible("\x01\xad\u0600\ufffb\U000110bd\U000e007f") == "\\x01\\xad\\u0600\\ufffb\\U000110bd\\U000e007f"
    assert terminal("\ta\tb") == "    a    b"
    for code in (*range(0x20), *range(0x7F, 0xA0)):
        character = chr(code)
        assert (character in "\t\n") is not bool(INVISIBLE.fullmatch(character))
        assert character in "\t\n" or visible(character) == f"\\x{code:02x}"


def test_a_byte_is_told_from_half_a_character() -> None:
    """A byte that was no UTF-8 is shown as that byte, the halves of a character as what they are."""
    assert [visible(chr(code)) for code in (0xDC7F, 0xDC80, 0xDCFF, 0xDD00)] == ["\\udc7f", "\\x80", "\\xff", "\\udd00"]


def test_what_was_asked() -> None:
    """A probe that was asked was, whatever became of it; of a host that nobody came to nothing was."""
    reply = Reply(host="web1", frames={"units": Missing("it took too long")})
    assert HostEvidence("web1", reply).asked("units")
    assert not HostEvidence("web1", reply).asked("nft")
    assert not HostEvidence("web1", None).asked("units")
