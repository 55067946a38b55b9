"""Four outcomes, each from its own word, and no surprise of one host that ends the run."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from whyrefused.diagnose import first_of
from whyrefused.evidence import Evidence, looked
from whyrefused.judge import Judged, Question, judge, result
from whyrefused.plan.keys.connects import PathItem
from whyrefused.plan.keys.services import ServiceItem
from whyrefused.probes.dials import Dial, Try
from whyrefused.records import CouldNotLook, Finding, Frame, Line, Missing, Reply, Seen

if TYPE_CHECKING:
    from collections.abc import Callable

ITEM = ServiceItem(host="a", check="services", subject="x", wanted="x running", unit="x", state="running", enabled=None)
SEEN = Seen(value=1, said="x: active", lines=(Line(host="a", source="systemctl show", line="x: active"),))
NOTHING = Evidence([Reply(host="a", frames={})])


class Skip(Exception):  # noqa: N818 - stands where pytest's own stands
    """Says that a check does not apply."""


def passes(**_: Any) -> None:  # noqa: ANN401 - what a check is given
    """Nothing is wrong."""


def fails(**_: Any) -> None:  # noqa: ANN401 - as above
    """It is not as declared."""
    raise AssertionError


def sees(_item: object, _evidence: Evidence) -> Seen:
    """Looks, and sees."""
    return SEEN


def seeing(value: object, lines: tuple[Line, ...] = SEEN.lines) -> Callable[..., Seen]:
    """A function that sees this."""

    def function(*_: object) -> Seen:
        return Seen(value=value, said="", lines=lines)

    function.sees = True  # type: ignore[attr-defined] - for the test
    return function


sees.sees = True  # type: ignore[attr-defined] - as above


def raising(error: BaseException) -> Callable[..., Any]:
    """A function that raises this."""

    def function(*_: object, **__: object) -> Any:  # noqa: ANN401 - never returns
        raise error

    return function


@pytest.mark.parametrize(
    ("look", "test", "outcome", "why"),
    [
        (sees, passes, "passed", ""),
        (sees, fails, "failed", ""),
        (None, passes, "error", "its check looks at nothing"),
        (seeing(Missing("gone")), passes, "error", "gone"),
        (seeing((True, Missing("gone"))), passes, "error", "gone"),
        (seeing(1, ()), passes, "error", "no line of evidence shows that it is as declared"),
        (seeing(1, (*SEEN.lines, Line(host="b", source="ss", line=""))), passes, "error", "b: was not asked"),
        (None, raising(Skip("not checked yet")), "skipped", "not checked yet"),
        (raising(Skip("needs root")), passes, "skipped", "needs root"),
        (raising(CouldNotLook("a: no answer")), passes, "error", "a: no answer"),
        (sees, raising(CouldNotLook("a: no answer")), "error", "a: no answer"),
        (raising(ValueError("bad")), passes, "error", "the check itself failed: ValueError: bad"),
        (sees, raising(KeyError("k")), "error", "the check itself failed: KeyError: 'k'"),
        (raising(RecursionError("deep")), passes, "error", "the check itself failed: RecursionError: deep"),
        (lambda _item, evidence: evidence["b"].listeners, passes, "error", "b: was not asked"),
        (lambda _item, _evidence: Missing("gone").value, passes, "error", "gone"),
    ],
)
def test_outcome(look: Any, test: Callable[..., None], outcome: str, why: str) -> None:  # noqa: ANN401 - a function or None
    """A check that asserts, misses, skips or breaks ends as just that."""
    one = judge(Question(id="q", item=ITEM, look=look, test=test), NOTHING, Skip)
    assert (outcome, why) == (one.outcome, one.why)
    assert (one.miss is None) is (outcome in {"passed", "failed"})
    assert (one.seen is None) is (not hasattr(look, "sees"))


def test_interrupts_pass_through() -> None:
    """Ctrl-C ends the run, not one item."""
    with pytest.raises(KeyboardInterrupt):
        judge(Question(id="q", item=ITEM, look=raising(KeyboardInterrupt()), test=passes), NOTHING, Skip)


def finding(cause: str, *explains: str) -> Finding:
    """A finding of this cause."""
    return Finding(
        id=f"{cause}:a:x", cause=cause, variant="", host="a", subject="x", title="", explains=explains, evidence=(),
        fix=(), verify=(), differential={},
    )  # fmt: skip


def judged(outcome: Any, seen: Seen | None = SEEN, why: str = "", item: Any = ITEM) -> Judged:  # noqa: ANN401 - a literal
    """An item that ended so."""
    return Judged(question=Question(id="q", item=item, look=sees, test=passes), outcome=outcome, seen=seen, why=why)


def test_result() -> None:
    """A result tells what was wanted, what was seen, and by which finding it is explained; a passed one by none."""
    findings = first_of([finding("service-not-running", "q"), finding("proxy", "other")])
    failed, passed = (result(judged(outcome), findings) for outcome in ("failed", "passed"))
    assert ("x running", "x: active", "service-not-running:a:x") == (failed.expected, failed.observed, failed.finding)
    assert (SEEN.lines, None) == (passed.evidence, passed.finding)
    lost = result(judged("error", None, "a: no answer"), findings)
    assert ("a: no answer", (), None) == (lost.observed, lost.evidence, lost.finding)


@pytest.mark.parametrize(
    ("causes", "first"),
    [
        (("service-not-running", "server-firewall"), "server-firewall"),
        (("server-firewall", "service-not-running"), "server-firewall"),
        (("wrong-port", "dns", "server-firewall"), "dns"),
        (("undetermined",), "undetermined"),
        (("wrong-port",), "wrong-port"),
    ],
)
def test_what_a_client_meets_first(causes: tuple[str, ...], first: str) -> None:
    """Of two roots the one that hides the other is told first."""
    told = result(judged("failed"), first_of([finding(cause, "q") for cause in causes]))
    assert f"{first}:a:x" == told.finding


def test_unexplained() -> None:
    """A failure that no finding explains has none."""
    assert result(judged("failed"), first_of([finding("proxy", "other")])).finding is None


def test_path() -> None:
    """A path tells both of its ends and what the client saw."""
    one = Try(address=ip_address("192.0.2.1"), word="ECONNREFUSED", milliseconds=1, source="", icmp=None, line="")
    dial = Dial(tries=(one,), no_name="", lines=())
    item = PathItem(host="a", check="connects", subject="b:80", wanted="a connects to b:80", server="b",
                    destination="b.example.com", port=80, server_port="80/tcp")  # fmt: skip
    told = result(judged("failed", Seen(value=dial, said="", symptom=dial.symptom), item=item), {})
    assert ("a", "b", "b.example.com", 80, "refused") == (
        told.client, told.server, told.destination, told.port, told.symptom
    )  # fmt: skip
    assert result(judged("error", None, "x", item), {}).symptom is None


def test_evidence_misses() -> None:
    """What was not asked, did not arrive or cannot be read raises, with the host and the reason, as often as asked."""
    frames = {"listeners": Frame(text="nonsense", status=0), "nft": Frame(text="Operation not permitted", status=1)}
    known = Evidence([Reply(host="a", frames=frames), Reply(host="b", frames={}, unreached="refused: port 22")])
    assert ("a", "b") == known.hosts
    for _ in range(2):
        with pytest.raises(CouldNotLook, match=r"^a: ss -Htulnpe: not understood"):
            known["a"].listeners  # noqa: B018 - reading it is the question
        with pytest.raises(CouldNotLook, match=r"needs root there \(ansible_become"):
            known["a"].get("nft")
        with pytest.raises(CouldNotLook, match=r"^a: units: not asked"):
            known["a"].unit("nginx")
        with pytest.raises(CouldNotLook, match=r"^b: refused: port 22"):
            known["b"].addresses  # noqa: B018 - as above
        with pytest.raises(CouldNotLook, match=r"^c: was not asked"):
            known["c"].rules  # noqa: B018 - as above


def test_what_would_help() -> None:
    """What needs root says what sudo permits to the login, where it was asked."""
    told = {
        "": "ansible_become: true",
        "all": "sudo gave it, and it was not enough",
        "list": "does not permit this command",
        "none": "permits nothing",
        "?": "ansible_become: true",
    }
    for rights, words in told.items():
        identity = Frame(text=f"web1\n1000\nboot\ndebian\n\n{rights}\n", status=0)
        frames = {"identity": identity, "nft": Frame(text="Operation not permitted", status=1)}
        with pytest.raises(CouldNotLook, match=f"needs root there .*{words}"):
            Evidence([Reply(host="a", frames=frames)])["a"].get("nft")
    for lost in (Missing("gone"), Frame(text="nonsense", status=0)):
        with pytest.raises(CouldNotLook, match=r"needs root there \(ansible_become"):
            Evidence([Reply(host="a", frames={**frames, "identity": lost})])["a"].get("nft")


def test_looked() -> None:
    """A question gives its answer, or the miss as a value."""
    assert looked(lambda: 7) == 7
    miss = looked(raising(CouldNotLook("gone")))
    assert isinstance(miss, Missing)
    assert miss.why == "gone"
