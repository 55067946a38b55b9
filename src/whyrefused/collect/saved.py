"""What the hosts said, kept in one file and judged again: a saved host is judged exactly like a live one.

There are two such files: the one that `--save-evidence` writes at the end, and the journal of a run, which has a line
for each host that was finished before the run was killed.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whyrefused.collect import visited
from whyrefused.collect.visited import Visited
from whyrefused.records import BadInput, Frame, Missing, Problem, Reply
from whyrefused.whose import rebooted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SCHEMA = "whyrefused/evidence/1"
JOURNAL = "whyrefused/journal/1"
KILLED = "the run was killed"
ABOUT = ("started", "finished", "interrupted")


def dumps(replies: Iterable[Reply]) -> str:
    """Which text keeps these replies? JSON with sorted keys; invalid UTF-8 stays as escapes of JSON."""
    return text(Visited(replies={reply.host: reply for reply in replies}))


def text(kept: Visited) -> str:
    """Which text keeps this visit? What there is nothing to say of is left out."""
    about = {key: getattr(kept, key) for key in ABOUT}
    warnings = {host: list(said) for host, said in kept.warnings.items() if said}
    more = {key: value for key, value in {**about, "notes": list(kept.notes), "warnings": warnings}.items() if value}
    hosts = {host: entry(reply) for host, reply in kept.replies.items()}
    return json.dumps({"schema": SCHEMA, "hosts": hosts, **more}, indent=1, sort_keys=True) + "\n"


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
        content = Path(path).read_text(encoding="utf-8")
        return _journal(content) if _is_journal(content) else _evidence(path, json.loads(content))
    except OSError as error:
        raise BadInput(Problem(file=path, message=f"saved evidence cannot be read: {error.strerror}")) from error
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise BadInput(Problem(file=path, message="is not evidence saved with --save-evidence")) from error


def _evidence(path: str, kept: Any) -> Visited:  # noqa: ANN401 - whatever JSON the file holds
    if kept["schema"] != SCHEMA:
        raise BadInput(Problem(file=path, key="schema", message=f"is {kept['schema']!r}, not {SCHEMA!r}"))
    return Visited(
        replies={name: _reply(name, one) for name, one in kept["hosts"].items()},
        warnings={name: _texts(said) for name, said in kept.get("warnings", {}).items()},
        notes=_texts(kept.get("notes", [])),
        started=str(kept.get("started", "")),
        finished=str(kept.get("finished", "")),
        interrupted=str(kept.get("interrupted", "")),
    )


def _is_journal(content: str) -> bool:
    try:
        return bool(json.loads(content.partition("\n")[0])["schema"] == JOURNAL)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def _journal(content: str) -> Visited:
    """What does this journal hold? Its last line may have been cut off: what has no end was not finished."""
    whole = content.rpartition("\n")[0].split("\n")
    head, *lines = (json.loads(line) for line in whole)
    first = visited.of(_answer(one) for one in lines if "host" in one and not one["again"])
    again = visited.of(_answer(one) for one in lines if "host" in one and one["again"])
    end = next((one for one in lines if "finished" in one), {"interrupted": KILLED})
    return replace(
        joined(first, again),
        notes=_texts(end.get("notes", [])),
        started=str(head["started"]),
        finished=str(end.get("finished", "")) or str(head["started"]),
        interrupted=str(end["interrupted"]),
    )


def _answer(one: Mapping[str, Any]) -> visited.Answer:
    return _reply(str(one["host"]), one), _texts(one["warnings"])


def _texts(value: Any) -> tuple[str, ...]:  # noqa: ANN401 - as above
    if not isinstance(value, list):
        raise TypeError
    return tuple(map(str, value))


def _reply(name: str, one: Mapping[str, Any]) -> Reply:
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
    replies = {
        host: _both(reply, second.replies[host]) if host in second.replies else reply
        for host, reply in first.replies.items()
    }
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
