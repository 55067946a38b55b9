"""A long way to every host: what either end says arrives half a round trip later, and a connection takes one to begin.

`python relay.py SECONDS ROUTES COUNTS` listens where ROUTES (JSON) has `[[listen, to], …]`, on port 22 of each, says
`ready`, and when its input ends writes to COUNTS how often each client had heard something new when it spoke.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

PORT = 22


@dataclass(slots=True)
class Talk:
    """How often did the client of one connection speak, having heard something new? That is its round trips.

    What it says sooner than any answer could have come belongs to the trip before.
    """

    task: asyncio.Task[None] | None  # held here: the loop itself does not
    trips: int = 0
    heard: bool = True  # that the connection stands
    since: float = 0.0  # when the last trip began

    def said(self, now: float, seconds: float) -> None:
        """The client says something."""
        if self.heard and now - self.since >= seconds:
            self.trips += 1
            self.since = now
            self.heard = False


async def pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, half: float, talk: Talk, *, up: bool
) -> None:
    """Carry what one end says to the other, in its order, half a round trip later."""
    loop = asyncio.get_running_loop()
    due = 0.0
    while data := await reader.read(1 << 16):
        if up:
            talk.said(loop.time(), 2 * half)
        # Two timers of one moment would have no order.
        due = max(loop.time() + half, due + 1e-6)
        loop.call_at(due, partial(_deliver, writer, data, talk, up=up))
    await asyncio.sleep(max(due - loop.time(), 0) + half)
    if not writer.is_closing():
        writer.write_eof() if up else writer.close()


def _deliver(writer: asyncio.StreamWriter, data: bytes, talk: Talk, *, up: bool) -> None:
    if not writer.is_closing():
        writer.write(data)
        talk.heard = talk.heard or not up


async def serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, seconds: float, to: str, talks: list[Talk]
) -> None:
    """One connection, from its beginning, which takes a round trip, to its end."""
    talk = Talk(task=asyncio.current_task())
    talks.append(talk)
    await asyncio.sleep(seconds)
    try:
        far_reader, far_writer = await asyncio.open_connection(to, PORT)
        await asyncio.gather(
            pump(reader, far_writer, seconds / 2, talk, up=True),
            pump(far_reader, writer, seconds / 2, talk, up=False),
        )
        far_writer.close()
    except OSError:
        writer.close()


async def main(seconds: float, routes: list[tuple[str, str]]) -> list[Talk]:
    """Serve all of them until nobody needs it any more."""
    talks: list[Talk] = []
    for listen, to in routes:
        await asyncio.start_server(partial(serve, seconds=seconds, to=to, talks=talks), listen, PORT, backlog=512)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    return talks


if __name__ == "__main__":
    found = asyncio.run(main(float(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())))
    Path(sys.argv[3]).write_text(json.dumps([talk.trips for talk in found]))
