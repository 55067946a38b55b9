"""What the hosts said, kept in one file and judged again: a saved host is judged exactly like a live one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whyrefused.records import BadInput, Frame, Missing, Problem, Reply

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEMA = "whyrefused/evidence/1"


def dumps(replies: Iterable[Reply]) -> str:
    """Which text keeps these replies? JSON with sorted keys; invalid UTF-8 stays as escapes of JSON."""
    hosts = {reply.host: _reply(reply) for reply in replies}
    return json.dumps({"schema": SCHEMA, "hosts": hosts}, indent=1, sort_keys=True) + "\n"


def _reply(reply: Reply) -> dict[str, Any]:
    frames = {
        name: {"missing": frame.why} if isinstance(frame, Missing) else {"text": frame.text, "status": frame.status}
        for name, frame in reply.frames.items()
    }
    return {"unreached": reply.unreached, "frames": frames}


def loads(path: str) -> dict[str, Reply]:
    """Which replies does a file keep? By host. Raises `BadInput` where it is not such a file."""
    try:
        kept = json.loads(Path(path).read_text(encoding="utf-8"))
        if kept["schema"] != SCHEMA:
            raise BadInput(Problem(file=path, key="schema", message=f"is {kept['schema']!r}, not {SCHEMA!r}"))
        return {name: _read(name, entry) for name, entry in kept["hosts"].items()}
    except OSError as error:
        raise BadInput(Problem(file=path, message=f"saved evidence cannot be read: {error.strerror}")) from error
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise BadInput(Problem(file=path, message="is not evidence saved with --save-evidence")) from error


def _read(name: str, entry: dict[str, Any]) -> Reply:
    frames: dict[str, Frame | Missing] = {}
    for probe, frame in entry["frames"].items():
        frames[probe] = (
            Missing(_text(frame["missing"])) if "missing" in frame
            else Frame(text=_text(frame["text"]), status=_status(frame["status"]))
        )  # fmt: skip
    unreached = entry["unreached"]
    return Reply(host=name, frames=frames, unreached=None if unreached is None else _text(unreached))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _status(value: object) -> int:
    """Nothing is turned into a status: `false` and `0.9` would be 0, which says that all went well."""
    if type(value) is not int:
        raise TypeError
    return value
