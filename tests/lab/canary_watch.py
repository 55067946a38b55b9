"""Loaded with `-p`: notes what a run starts and what it sends, and breaks it where it is told to.

`CANARY_NOTES` names the file that is written, `CANARY_CRASH` the function `MODULE:NAME` that raises; with
`CANARY_BLIND` nothing is redacted.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from whyrefused import script
from whyrefused.collect import visit
from whyrefused.probes import trouble

NOTES = Path(os.environ.pop("CANARY_NOTES"))
CRASH = os.environ.pop("CANARY_CRASH", "")


def note(kind: str, *what: object) -> None:
    """Keep it, one line each."""
    with NOTES.open("a") as file:
        file.write(json.dumps([kind, *what], default=repr) + "\n")


def started(event: str, arguments: tuple[Any, ...]) -> None:
    """Note every program that Python starts, with its arguments and its environment."""
    if event == "subprocess.Popen":
        program, words, _, environment = arguments
        note("started", str(program), [os.fsdecode(word) for word in words], dict(environment or os.environ))


sys.addaudithook(started)
made = script.script


def sent(*arguments: Any, **options: Any) -> str:  # noqa: ANN401 - whatever it is called with
    """Note the script that goes to a host."""
    text = made(*arguments, **options)
    note("sent", text)
    return text


script.script = sent
if os.environ.pop("CANARY_BLIND", ""):
    visit.redact = trouble.redact = lambda text, *_: text
    visit.redacted = lambda texts, *_: list(texts)
    trouble.ASK = trouble.ASK.replace("| strike |", "|")
if CRASH:
    module, _, name = CRASH.partition(":")

    def crash(*arguments: object, **options: object) -> None:
        """Fail in a way that nobody has thought of, with all that is known in the traceback's frames."""
        del arguments, options
        raise RuntimeError("a crash that was asked for")

    setattr(importlib.import_module(module), name, crash)
