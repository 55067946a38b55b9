"""What does a real browser make of a page? Debian's Chromium, headless, driven by playwright.

As a program it takes a picture: `python tests/browser/chromium.py PAGE.html PICTURE.png 1280 900`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from types import TracebackType

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = (
    "--disable-gpu",
    "--disable-quic",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-smooth-scrolling",
)
PATIENCE = 60.0
TICK = os.sysconf("SC_CLK_TCK")


class Chromium:
    """One browser with one tab and a profile of its own, both gone at the end."""

    def __init__(self) -> None:
        self.profile = tempfile.mkdtemp(prefix="whyrefused-browser-")
        self._playwright = sync_playwright().start()
        try:
            self._context = self._playwright.chromium.launch_persistent_context(
                self.profile, executable_path=PROGRAM, args=OPTIONS, chromium_sandbox=os.geteuid() != 0
            )
            self.page = self._context.pages[0]
            self._protocol = self._context.new_cdp_session(self.page)
            self.events: list[dict[str, Any]] = []
            self._listen()
        except BaseException:
            self._playwright.stop()
            raise

    def _listen(self) -> None:
        for domain in ("Runtime", "Log", "Network", "Performance"):
            self.ask(f"{domain}.enable")
        for event in ("Log.entryAdded", "Runtime.exceptionThrown", "Network.requestWillBeSent"):
            self._protocol.on(event, lambda it, name=event: self.events.append({"method": name, "params": it}))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the browser and its profile."""
        self._context.close()
        self._playwright.stop()
        shutil.rmtree(self.profile, ignore_errors=True)

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
        """What does the browser answer to this command of the DevTools protocol?"""
        answer: dict[str, Any] = self._protocol.send(method, parameters)
        return answer

    def show(self, width: int, height: int, *, dark: bool = False, scripts: bool = True) -> None:
        """How large is the window, which scheme is wanted, do scripts run?"""
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.emulate_media(color_scheme="dark" if dark else "light")
        self.ask("Emulation.setScriptExecutionDisabled", value=not scripts)

    def open(self, path: Path, fragment: str = "") -> None:
        """Load a file to its end."""
        self.page.goto("about:blank")  # else a new fragment of the same page would load nothing
        self.events.clear()
        self.page.goto(path.resolve().as_uri() + fragment)

    def evaluate(self, expression: str) -> Any:  # noqa: ANN401 - any JSON value
        """What is the value of this JavaScript on the page? Also where the page itself may run none."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait until this JavaScript is true on the page.

        playwright's own way to wait needs eval, which the page's policy forbids.
        """
        end = time.monotonic() + PATIENCE
        while not self.evaluate(expression):
            if time.monotonic() > end:
                raise TimeoutError(expression)
            time.sleep(0.02)

    def cpu(self) -> float:
        """How many seconds of the processor have all processes of the browser used, those that have ended too?"""
        parents: dict[int, int] = {}
        used: dict[int, float] = {}
        root = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
                words = (stat.parent / "cmdline").read_bytes()
            except OSError:  # it ended meanwhile
                continue
            number = int(stat.parent.name)
            parents[number], used[number] = int(fields[1]), sum(map(int, fields[11:15])) / TICK
            if f"--user-data-dir={self.profile}".encode() in words and b"--type=" not in words:
                root = number
        ours, more = set(), {root}
        while more:
            ours |= more
            more = {it for it, parent in parents.items() if parent in more} - ours
        return sum(used.get(it, 0.0) for it in ours)

    def metric(self, name: str) -> float:
        """What has the page cost so far?"""
        return float({it["name"]: it["value"] for it in self.ask("Performance.getMetrics")["metrics"]}[name])

    def picture(self) -> bytes:
        """What does the window show, as PNG?"""
        return self.page.screenshot()

    def size_up(self, width: int, *, dark: bool = False) -> None:
        """Make the window as high as the page."""
        self.show(width, int(self.evaluate("document.documentElement.scrollHeight")), dark=dark)


def screenshot(browser: Chromium, html_path: Path, size: tuple[int, int], *, dark: bool = False) -> bytes:
    """What does a window of this size show of a page, as PNG? A height of 0 takes all of it."""
    width, height = size
    browser.show(width, height or 1000, dark=dark)
    browser.open(html_path)
    browser.until("document.documentElement.classList.contains('ready') || !document.getElementById('rows')")
    if not height:
        browser.size_up(width, dark=dark)
    return browser.picture()


def main() -> None:
    """Take the picture that the command line asks for."""
    arguments = argparse.ArgumentParser(description="Take a picture of a page.")
    arguments.add_argument("html_path", type=Path)
    arguments.add_argument("png_path", type=Path)
    arguments.add_argument("width", type=int, nargs="?", default=1280)
    arguments.add_argument("height", type=int, nargs="?", default=900, help="0 takes all of the page")
    arguments.add_argument("--dark", action="store_true")
    given = arguments.parse_args()
    with Chromium() as browser:
        picture = screenshot(browser, given.html_path, (given.width, given.height), dark=given.dark)
    given.png_path.write_bytes(picture)


if __name__ == "__main__":
    main()
