"""What would a fleet of any size have said? Replies of real lab hosts, told again under other names.

`data/standard.json` has what one host answered to the standard audit, well and with each fault; `data/path.json` what a
client and its server did, for each way in which the client's connect ended. `python -m bench.grown` in tests/ records
both anew, as root.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from bench import standard

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DATA = Path(__file__).parent / "data"
STANDARD, PATH = DATA / "standard.json", DATA / "path.json"
MOMENT = "2026-01-01T00:00:00Z"
FAULTS = {7: "stopped", 17: "loopback", 27: "dropped", 37: "proxy", 47: "silent"}
"""Which of fifty hosts has which fault: one in ten has one. `silent` answered nothing."""
DOWN = {5: "stopped", 15: "dropped", 25: "stopped", 35: "stopped", 45: "dropped"}
"""Which of fifty endpoints does not answer, and why."""
Reply = dict[str, Any]


@cache
def recorded(path: Path) -> Mapping[str, Mapping[str, Reply]]:
    """What did the lab's hosts answer, by kind and host?"""
    return json.loads(path.read_text())  # type: ignore[no-any-return]


def renamed(reply: Reply, was: tuple[str, str], name: str, address: str, number: int) -> Reply:
    """The same reply, of a host of this name and address, booted by itself."""
    text = json.dumps(reply).replace(was[0], name).replace(was[1], address)
    frames = json.loads(text)["frames"]
    hostname, uid, boot, *rest = frames["identity"]["text"].split("\n")
    frames["identity"]["text"] = "\n".join([hostname, uid, f"{boot[:-12]}{number:012x}", *rest])
    return {"unreached": None, "frames": frames}


def silent() -> Reply:
    """What is kept of a host that did not answer?"""
    return {"unreached": "connect-timed-out: no answer within 10 s", "frames": {}}


def name_of(number: int) -> str:
    """How is a host of the fleet called?"""
    return f"h{number:05}"


def address_of(number: int) -> str:
    """Which address has it?"""
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def fleet(folder: Path, hosts: int, *, faults: Mapping[int, str] = FAULTS) -> tuple[Path, Path]:
    """An inventory of so many hosts of the standard audit, in groups of fifty, and what they said."""
    reached: dict[str, Any] = {}
    children: dict[str, Any] = {}
    for number in range(1, hosts + 1):
        reached[name_of(number)] = {"ansible_host": address_of(number)}
        children.setdefault(f"rack{number // 50:03}", {"hosts": {}})["hosts"][name_of(number)] = {}
    everything = {"vars": {"expect": standard.expect()}, "hosts": reached, "children": children}
    return _inventory(folder, {"all": everything}), _evidence(folder, _replies(hosts, faults))


def _replies(hosts: int, faults: Mapping[int, str]) -> Iterator[tuple[str, Reply]]:
    kinds = recorded(STANDARD)
    for number in range(1, hosts + 1):
        kind = faults.get(number % 50, "well")
        name, address = name_of(number), address_of(number)
        ((was, reply),) = kinds["well" if kind == "silent" else kind].items()
        one = renamed(reply, (was, reply["address"]), name, address, number)
        yield name, silent() if kind == "silent" else one


def matrix(folder: Path, clients: int, endpoints: int, *, down: Mapping[int, str] = DOWN) -> tuple[Path, Path]:
    """An inventory in which each of the clients dials each of the endpoints, and what all of them said."""
    servers, dialling = _hosts("s", 1, endpoints), _hosts("c", 2, clients)
    web = {"services": {"nginx": "running"}, "ports": {"80/tcp": {"service": "nginx", "clients": ["app"]}}}
    children = {"web": {"hosts": servers, "vars": {"expect": web}}, "app": {"hosts": dialling}}
    replies = {**dict(_servers(servers, down)), **dict(_clients(dialling, servers, down))}
    return _inventory(folder, {"all": {"children": children}}), _evidence(folder, iter(replies.items()))


def _hosts(letter: str, network: int, many: int) -> dict[str, dict[str, str]]:
    numbers = range(1, many + 1)
    return {f"{letter}{one:03}": {"ansible_host": f"10.{network}.{one >> 8}.{one & 255}"} for one in numbers}


def _servers(servers: Mapping[str, Mapping[str, str]], down: Mapping[int, str]) -> Iterator[tuple[str, Reply]]:
    for number, (name, variables) in enumerate(servers.items(), 1):
        one = recorded(PATH)[down.get(number, "well")]["s01"]
        yield name, renamed(one, ("s01", one["address"]), name, variables["ansible_host"], number)


def _clients(
    clients: Mapping[str, Mapping[str, str]], servers: Mapping[str, Mapping[str, str]], down: Mapping[int, str]
) -> Iterator[tuple[str, Reply]]:
    kinds = recorded(PATH)
    for number, (name, variables) in enumerate(clients.items(), 1):
        one = kinds["well"]["c01"]
        made = renamed(one, ("c01", one["address"]), name, variables["ansible_host"], number + 1000)
        rows = []
        for place, server in enumerate(servers.values(), 1):
            pair = kinds[down.get(place, "well")]
            text = pair["c01"]["frames"]["dials"]["text"].replace(pair["s01"]["address"], server["ansible_host"])
            rows.append(text.replace(pair["c01"]["address"], variables["ansible_host"]))
        made["frames"]["dials"]["text"] = "".join(rows)
        yield name, made


def _inventory(folder: Path, content: dict[str, Any]) -> Path:
    path = folder / "inventory.yml"
    path.write_text(yaml.dump(content, Dumper=yaml.CSafeDumper, sort_keys=False))
    return path


def _evidence(folder: Path, replies: Iterator[tuple[str, Reply]]) -> Path:
    """Write it as --save-evidence does, one host after the other."""
    path = folder / "evidence.json"
    with path.open("w") as file:
        file.write(f'{{\n "finished": "{MOMENT}",\n "hosts": {{')
        for number, (name, reply) in enumerate(replies):
            file.write(f"{',' if number else ''}\n  {json.dumps(name)}: {json.dumps(reply, sort_keys=True)}")
        file.write(f'\n }},\n "schema": "whyrefused/evidence/1",\n "started": "{MOMENT}"\n}}\n')
    return path


def record() -> None:
    """Ask real hosts, well and with each fault."""
    from bench import recording  # noqa: PLC0415 - only where it is asked for

    DATA.mkdir(exist_ok=True)
    for path, kinds in ((STANDARD, recording.standard_kinds()), (PATH, recording.path_kinds())):
        path.write_text(json.dumps(kinds, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    record()
