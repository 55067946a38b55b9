"""The frozen records that pass between the stages, one per arrow of the design.

inventory -> plan -> collect -> probes -> evidence -> checks -> causes -> diagnose -> report
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.inventory.expect import Expect

Outcome = Literal["passed", "failed", "error", "skipped"]
"""spec.md: passed = as declared, with evidence; error = could not be decided; skipped = does not apply."""

Symptom = Literal[
    "connected", "refused", "reset", "timed-out", "unreachable", "dns-failure", "proxy-error", "local-error"
]

LATER = "not checked yet"
"""The words in `observed` of an item whose key is declared and has no check in this version; counted by them."""

Answer = Literal["proven", "excluded", "unknown"]


class CouldNotLook(Exception):  # noqa: N818 - the outcome's own words
    """A question that the evidence cannot answer; the item that needed it ends as *error*."""

    def __init__(self, why: str) -> None:
        self.why = why  # and the text of the exception: BaseException.__new__ keeps what it is made of


class Missing:
    """Evidence that is not there, and why. No use of it gives a value: all raise `CouldNotLook`, which ends as *error*.

    To compare, test, count, hash, search, loop over, call or calculate with it raises, and so does putting it into a
    sentence: what is not known can be neither judged nor told as if it were. `isinstance(it, Missing)` is the one
    question that it answers, and `why` what is read of it then.
    """

    __slots__ = ("why",)

    def __init__(self, why: str) -> None:
        self.why = why

    def __repr__(self) -> str:
        return f"Missing({self.why!r})"

    def __getattr__(self, name: str) -> NoReturn:
        # Python itself looks for dunders (copying, pickling); those must stay plain misses.
        if name.startswith("__"):
            raise AttributeError(name)
        raise CouldNotLook(self.why)

    def _refuse(self, *_: object) -> NoReturn:
        raise CouldNotLook(self.why)

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __bool__ = __len__ = __iter__ = __reversed__ = __contains__ = __getitem__ = __call__ = _refuse
    __hash__ = _refuse
    __str__ = __format__ = __bytes__ = __fspath__ = _refuse
    __int__ = __float__ = __complex__ = __index__ = __round__ = __trunc__ = __floor__ = __ceil__ = _refuse
    __neg__ = __pos__ = __abs__ = __invert__ = _refuse
    __add__ = __sub__ = __mul__ = __matmul__ = __truediv__ = __floordiv__ = __mod__ = __divmod__ = __pow__ = _refuse
    __radd__ = __rsub__ = __rmul__ = __rmatmul__ = __rtruediv__ = __rfloordiv__ = __rmod__ = __rdivmod__ = _refuse
    __and__ = __or__ = __xor__ = __lshift__ = __rshift__ = __rpow__ = _refuse
    __rand__ = __ror__ = __rxor__ = __rlshift__ = __rrshift__ = _refuse
    __enter__ = __next__ = __await__ = __aiter__ = _refuse


class Unneeded(Missing):
    """Evidence that was not looked for: it only explains, and the host's first facts show nothing that needs it.

    It is missing like any other, so nothing passes by it. Who meets it has found something that those facts did not.
    """

    __slots__ = ()


class Secret:
    """A value that no report, log or error may show: printing it prints stars."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """What is the value? Called only where it is handed to the one who needs it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How a host is reached: Ansible's connection variables, rendered and checked."""

    kind: Literal["ssh", "local", "docker", "podman", "kubectl", "openssh"]  # openssh: testinfra's own ssh backend
    address: str  # `ansible_host`, else the inventory name
    port: int | None = None
    user: str | None = None
    password: Secret | None = None
    key_file: str | None = None
    ssh_arguments: tuple[str, ...] = ()  # `ansible_ssh_common_args` and its kin, split as a shell splits
    host_key_checking: bool = True
    become: bool = False
    become_user: str = "root"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One inventory host and all that is declared of it."""

    name: str
    connection: Connection
    groups: tuple[str, ...]  # every group it is in, `all` left out, sorted
    expect: Expect


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What should be true: every host, and which of them this run is limited to."""

    sources: tuple[str, ...]  # as given
    hosts: Mapping[str, Host]  # every host of the inventory, in its order
    groups: Mapping[str, tuple[str, ...]]  # group -> its hosts, nested groups included; `all` too
    selected: tuple[str, ...]  # the hosts that `--limit` leaves, in inventory order
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with an inventory or a command line, and what would have been right."""

    message: str
    file: str = ""
    line: int | None = None
    key: str = ""  # as a path: hosts.web1.expect.ports.443/tcp.bind

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.file and self.line else self.file
        return ": ".join(part for part in (place, self.key, self.message) if part)


class BadInput(Exception):  # noqa: N818 - names what was given, not what broke
    """The inventory or the command line is wrong: exit status 4, all problems at once, before any connection."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of evidence in a host's own words."""

    host: str  # inventory name of the host that said it
    source: str  # the command or file that printed it, as an operator would type it
    line: str  # as printed, redacted; escaping is the report's business


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a check looked at for one item: the value it judges, and the host's own words for it."""

    value: Any  # each check has its own
    said: str  # one line, in the host's words
    lines: tuple[Line, ...] = ()
    symptom: Symptom | None = None  # of a path


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What one probe printed on one host, complete: its end frame, length and exit status arrived."""

    text: str  # stdout and stderr as they came, UTF-8 with invalid bytes kept as surrogate escapes
    status: int  # exit status of the probe's fragment


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """All that one host answered: a frame per probe, or why there is none."""

    host: str
    frames: Mapping[str, Frame | Missing]  # by probe name
    unreached: str | None = None  # why the host was not reached or logged in to, else None
    seconds: float = 0.0  # the whole visit
    starved: bool = False  # this machine, not the host, was out of descriptors, threads or memory
    asked: str = ""  # when its visit began (ISO 8601, UTC); empty in what was saved
    question: str = ""  # stands for what it was asked, where and as whom; empty in what was saved


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The verdict on one declared item: one entry of `results[]` in findings.json."""

    id: str  # pytest node id
    host: str
    check: str  # file name of the check without `test_`
    subject: str  # what is declared: `nginx`, `443/tcp`, `http_proxy`
    outcome: Outcome
    expected: str
    observed: str
    evidence: tuple[Line, ...] = ()
    finding: str | None = None  # id of the finding that explains it
    # A path (check `connects`) has these too:
    client: str | None = None
    server: str | None = None
    destination: str | None = None  # host part of what the client dials: a name or an address
    port: int | None = None
    symptom: Symptom | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What one of the eleven causes answers about one failure."""

    answer: Answer
    because: str  # one sentence
    evidence: tuple[Line, ...] = ()
    variant: str = ""  # stable slug, only when proven
    host: str = ""  # where the fault is, only when proven
    subject: str = ""  # the unit, port, name … at fault, only when proven
    fix: tuple[str, ...] = ()  # commands or edits, smallest first, only when proven
    verify: tuple[str, ...] = ()  # commands that show it, only when proven


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One root cause and all the items it explains: one entry of `findings[]` in findings.json."""

    id: str  # stable between runs: cause, host and subject
    cause: str  # one of the eleven ids, or `undetermined`
    variant: str
    host: str  # where the fault is
    subject: str
    title: str  # one sentence naming cause, host and the host's own word, for the first line of the report
    explains: tuple[str, ...]  # result ids
    evidence: tuple[Line, ...]
    fix: tuple[str, ...]
    verify: tuple[str, ...]
    differential: Mapping[str, Ruling]  # by cause id, all eleven
    hides: tuple[str, ...] = ()  # causes that cannot be looked at behind this one; mending it may reveal them


@dataclass(frozen=True, slots=True, kw_only=True)
class Private:
    """Names that a report for strangers does not tell, as the inventory and the hosts have them."""

    hosts: frozenset[str] = frozenset()  # inventory names, addresses, the hosts' own names, declared destinations
    users: frozenset[str] = frozenset()  # who logs in, or is become


NOTHING_PRIVATE = Private()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One whole run, as the reports show it."""

    started: str  # ISO 8601, UTC
    finished: str
    inventory: tuple[str, ...]  # the sources as given
    hosts: tuple[str, ...]  # visited, or tried
    complete: bool  # False when cut short
    results: tuple[Result, ...]
    findings: tuple[Finding, ...]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # group -> hosts of this run
    notes: tuple[str, ...] = ()  # what the reader must know: host key checking off, interrupted by …
    foreign: tuple[tuple[str, str, str], ...] = ()  # other tests of the same run: (id, outcome, text)
    private: Private = NOTHING_PRIVATE
    resumed: str = ""  # when this run began, where an earlier one had asked some of its hosts: `started` is that one's
    earlier: tuple[tuple[str, str], ...] = ()  # (host, when it was asked): those that the earlier run had asked
