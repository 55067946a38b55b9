"""Where do a real host's rules go, with the verdicts that its kernel confirmed? Into data of the tests without root."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from whyrefused.firewall import Hook, Packet, Trace

DATA = Path(__file__).resolve().parents[1] / "unit/data/firewall"


def keep(name: str, texts: tuple[str | None, Mapping[str, str]], judged: Iterable[tuple[Packet, Hook, Trace]]) -> None:
    """Write what the commands printed, and a case for each connection."""
    folder = DATA / name
    folder.mkdir(exist_ok=True)
    listed, saves = texts
    if listed is not None:
        (folder / "nft.json").write_text(json.dumps(json.loads(listed)) + "\n")
    for command, text in saves.items():
        if text.strip():
            (folder / command.replace(" ", "-")).write_text(text)
    rows = [yaml.safe_dump(_case(*each), default_flow_style=True, sort_keys=False, width=10000) for each in judged]
    (folder / "cases.yml").write_text("".join(f"- {row}" for row in rows))


def _case(packet: Packet, hook: Hook, trace: Trace) -> dict[str, Any]:
    told = {
        "from": packet.source, "to": packet.destination, "port": packet.port, "protocol": packet.protocol,
        "interface": packet.interface, "addresses": sorted(packet.addresses or ()),
        "routes": [list(route) for route in packet.routes], "hook": hook, "verdict": trace.verdict, "how": trace.how,
        "author": trace.author, "redirected": trace.redirected, "quiet": trace.quiet, "why": trace.why,
    }  # fmt: skip
    return {key: value for key, value in told.items() if value not in ("", None, [])}
