"""What the hosts said, kept in one file and judged again: a saved host is judged exactly like a live one.

There are two such files: the one that `--save-evidence` writes at the end, and the journal of a run, which has a line
for each host that was finished before the run was killed.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from whyrefused.collect.replies import Replies
from whyrefused.collect.stored import Place, Stored
from whyrefused.collect.visited import Visited
from whyrefused.records import BadInput, Frame, Missing, Problem, Reply
from whyrefused.whose import rebooted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SCHEMA = "whyrefused/evidence/1"
JOURNAL = "whyrefused/journal/1"
TOLD = b'{"told": true}\n'
"""The last line of a journal whose run has written its reports, and was cut short."""
KILLED = "the run was killed"
ABOUT = ("started", "finished", "interrupted", "resumed")


def dumps(replies: Iterable[Reply]) -> str:
    """Which text keeps these replies? JSON with sorted keys; invalid UTF-8 stays as escapes of JSON."""
    return text(Visited(replies={reply.host: reply for reply in replies}))


def text(kept: Visited) -> str:
    """Which text keeps this visit? What there is nothing to say of is left out."""
    return "".join(parts(kept))


def parts(kept: Visited) -> Iterator[str]:
    """The same text host by host: it is never in memory as a whole."""
    about: dict[str, object] = {key: getattr(kept, key) for key in ABOUT}
    warnings = {host: list(said) for host, said in kept.warnings.items() if said}
    about |= {"notes": list(kept.notes), "warnings": warnings, "earlier": dict(kept.earlier)}
    more = {key: value for key, value in about.items() if value}
    before = "{\n"
    for key, value in sorted({"schema": SCHEMA, "hosts": "", **more}.items()):
        yield f"{before} {json.dumps(key)}: "
        yield from _hosts(kept) if key == "hosts" else [_indented(value, 1)]
        before = ",\n"
    yield "\n}\n"


def _hosts(kept: Visited) -> Iterator[str]:
    before = "{\n"
    for host in sorted(kept.replies):
        yield f"{before}  {json.dumps(host)}: {_indented(entry(kept.replies[host]), 2)}"
        before = ",\n"
    yield "\n }" if kept.replies else "{}"


def _indented(value: object, depth: int) -> str:
    return json.dumps(value, indent=1, sort_keys=True).replace("\n", "\n" + depth * " ")


def entry(reply: Reply) -> dict[str, Any]:
    """Which JSON keeps this reply?"""
    frames = {
        name: {"missing": frame.why} if isinstance(frame, Missing) else {"text": frame.text, "status": frame.status}
        for name, frame in reply.frames.items()
    }
    return {"unreached": reply.unreached, "frames": frames}


def loads(path: str) -> dict[str, Reply]:
    """Which replies does a file keep? By host. Raises `BadInput` where it is not such a file."""
    return dict(read(path).replies)


def read(path: str) -> Visited:
    """What does a file keep? Raises `BadInput` where it is not such a file."""
    try:
        kept = Stored(path)
        return _journal(kept) if _is_journal(kept) else _evidence(path, kept)
    except OSError as error:
        raise BadInput(Problem(file=path, message=f"saved evidence cannot be read: {error.strerror}")) from error
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise BadInput(Problem(file=path, message="is not evidence saved with --save-evidence")) from error


def _evidence(path: str, kept: Stored) -> Visited:
    """What does this evidence hold? Each reply is looked at once and not held; who asks for it reads it again."""
    about: dict[str, Any] = {}
    places: dict[str, Place] = {}
    wrong: Exception | None = None
    for member, name, place, value in kept.members():
        if member != "hosts":
            about[member] = value
        elif not name and value is None and not place.length:
            about[member], places = True, {}
        else:
            places[name] = place
            try:
                reply_of(name, value)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                wrong = error
    if about["schema"] != SCHEMA:
        raise BadInput(Problem(file=path, key="schema", message=f"is {about['schema']!r}, not {SCHEMA!r}"))
    if wrong or "hosts" not in about:
        raise ValueError from wrong
    return Visited(
        replies=Replies(places, lambda name: reply_of(name, kept.at(places[name]))),
        warnings={name: texts(said) for name, said in about.get("warnings", {}).items()},
        notes=texts(about.get("notes", [])),
        started=str(about.get("started", "")),
        finished=str(about.get("finished", "")),
        interrupted=str(about.get("interrupted", "")),
        resumed=str(about.get("resumed", "")),
        earlier=_moments(about.get("earlier", {})),
    )


def _is_journal(kept: Stored) -> bool:
    try:
        return bool(json.loads(kept.first_line())["schema"] == JOURNAL)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def _journal(kept: Stored) -> Visited:
    """What does this journal hold? Its last line may have been cut off: what has no end was not finished.

    As with evidence each reply is looked at once and not held. The first answer of a host counts, at either look.
    """
    looks: dict[bool, dict[str, Place]] = {False: {}, True: {}}
    warnings: dict[bool, dict[str, tuple[str, ...]]] = {False: {}, True: {}}
    earlier: dict[str, str] = {}
    head, end = None, None
    for place, line in kept.lines():
        one = json.loads(line)
        if head is None:
            head = one
        elif "host" in one:
            again = bool(one["again"])
            reply = reply_of(str(one["host"]), one)
            looks[again].setdefault(reply.host, place)
            warnings[again].setdefault(reply.host, tuple(dict.fromkeys(texts(one["warnings"]))))
        elif "earlier" in one:
            earlier |= _moments(one["earlier"])
        elif "finished" in one and end is None:
            end = one
    if head is None:
        raise ValueError
    end = end or {"interrupted": KILLED}
    first, second = (
        Visited(replies=_of_lines(kept, looks[again]), warnings=warnings[again]) for again in (False, True)
    )
    began = str(head["started"])
    return replace(
        joined(first, second).after({host: earlier[host] for host in earlier if host in looks[False]}, began),
        notes=texts(end.get("notes", [])),
        finished=str(end.get("finished", "")) or began,
        interrupted=str(end["interrupted"]),
    )


def _of_lines(kept: Stored, places: Mapping[str, Place]) -> Replies:
    return Replies(places, lambda name: reply_of(name, kept.at(places[name])))


def _moments(value: Mapping[str, Any]) -> dict[str, str]:
    return {host: _text(moment) for host, moment in value.items()}


def texts(value: Any) -> tuple[str, ...]:  # noqa: ANN401 - whatever JSON stands there
    """Which texts does this JSON list hold? Raises TypeError where it is none."""
    if not isinstance(value, list):
        raise TypeError
    return tuple(map(str, value))


def reply_of(name: str, one: Mapping[str, Any]) -> Reply:
    """Which reply does this JSON keep? Raises ValueError, KeyError, TypeError or AttributeError where it is none."""
    frames: dict[str, Frame | Missing] = {}
    for probe, frame in one["frames"].items():
        frames[probe] = (
            Missing(_text(frame["missing"])) if "missing" in frame
            else Frame(text=_text(frame["text"]), status=_status(frame["status"]))
        )  # fmt: skip
    unreached = one["unreached"]
    return Reply(host=name, frames=frames, unreached=None if unreached is None else _text(unreached))


def joined(first: Visited, second: Visited) -> Visited:
    """Both looks at each host as one reply. A host that was not reached again keeps what it said."""

    def both(host: str) -> Reply:
        reply = first.replies[host]
        return _both(reply, second.replies[host]) if host in second.replies else reply

    replies = Replies(first.replies, both)
    warnings = {
        host: tuple(dict.fromkeys((*first.warnings.get(host, ()), *second.warnings.get(host, ())))) for host in replies
    }
    return replace(
        first,
        replies=replies,
        warnings=warnings,
        notes=tuple(dict.fromkeys((*first.notes, *second.notes))),
    )


def _both(reply: Reply, more: Reply) -> Reply:
    if why := rebooted(reply, more):
        return replace(reply, frames={}, unreached=why, seconds=reply.seconds + more.seconds)
    frames = {name: frame for name, frame in more.frames.items() if name not in reply.frames}
    return replace(reply, frames={**reply.frames, **frames}, seconds=reply.seconds + more.seconds)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _status(value: object) -> int:
    """Nothing is turned into a status: `false` and `0.9` would be 0, which says that all went well."""
    if type(value) is not int:
        raise TypeError
    return value
