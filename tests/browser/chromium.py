"""What does a real browser make of a page? Debian's Chromium, headless, driven over its debugging pipe.

As a program it takes the pictures of the README: `python tests/browser/chromium.py PAGE.html PICTURE.png 1280 900`.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
LAUNCH = """
import fcntl, os, sys
reads, writes = (fcntl.fcntl(int(it), fcntl.F_DUPFD, 10) for it in sys.argv[1:3])
os.dup2(reads, 3), os.dup2(writes, 4), os.close(reads), os.close(writes)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""The debugging pipe is file descriptor 3, which Chromium reads, and 4, which it writes."""


class Chromium:
    """One browser with one tab and a profile of its own, both gone at the end."""

    def __init__(self) -> None:
        self.profile = tempfile.mkdtemp(prefix="whyrefused-browser-")
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()
        program = [str(PROGRAM), *OPTIONS, *sandbox, f"--user-data-dir={self.profile}"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(to_read), str(to_write), *program],
            pass_fds=(to_read, to_write),
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._input = os.fdopen(self._read, "rb", buffering=0)
        self._kept = b""
        self._number = 0
        self._session = ""
        self.events: list[dict[str, Any]] = []
        try:
            self._attach()
        except BaseException:
            self.close()
            raise

    def _attach(self) -> None:
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Performance"):
            self.ask(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the browser and its profile."""
        os.close(self._write)
        self._input.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
        """What does the browser answer to this command of the DevTools protocol?"""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._kept:
            part = self._input.read(1 << 20)
            if not part:
                raise RuntimeError("the browser ended")
            self._kept += part
        message, _, self._kept = self._kept.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer

    def show(self, width: int, height: int, *, dark: bool = False, scripts: bool = True) -> None:
        """How large is the window, which scheme is wanted, do scripts run?"""
        phone = width < 600
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.ask("Emulation.setScriptExecutionDisabled", value=not scripts)

    def open(self, path: Path, fragment: str = "") -> None:
        """Load a file to its end."""
        self._go("about:blank")  # else a new fragment of the same page would load nothing
        self._go(path.resolve().as_uri() + fragment)

    def _go(self, url: str) -> None:
        self.events.clear()
        self.ask("Page.navigate", url=url)
        until = time.monotonic() + 60
        while not any(it.get("method") == "Page.loadEventFired" for it in self.events):
            if time.monotonic() > until:
                raise TimeoutError(url)
            self.events.append(self._next())

    def evaluate(self, expression: str) -> Any:  # noqa: ANN401 - any JSON value
        """What is the value of this JavaScript on the page?"""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def metric(self, name: str) -> float:
        """What has the page cost so far?"""
        return float({it["name"]: it["value"] for it in self.ask("Performance.getMetrics")["metrics"]}[name])

    def picture(self, *, whole: bool = False) -> bytes:
        """What does the window show, as PNG; `whole`: with all that is below its edge?"""
        return base64.b64decode(self.ask("Page.captureScreenshot", captureBeyondViewport=whole)["data"])

    def size_up(self, width: int, *, dark: bool = False) -> None:
        """Make the window as high as the page."""
        self.show(width, int(self.evaluate("document.documentElement.scrollHeight")), dark=dark)


def screenshot(html_path: Path, png_path: Path, width: int, height: int, *, dark: bool = False) -> None:
    """Take a picture of a page; a height of 0 takes all of it."""
    with Chromium() as browser:
        browser.show(width, height or 1000, dark=dark)
        browser.open(Path(html_path))
        if not height:
            browser.size_up(width, dark=dark)
        Path(png_path).write_bytes(browser.picture())


def main() -> None:
    """Take the picture that the command line asks for."""
    arguments = argparse.ArgumentParser(description="Take a picture of a page.")
    arguments.add_argument("html_path", type=Path)
    arguments.add_argument("png_path", type=Path)
    arguments.add_argument("width", type=int, nargs="?", default=1280)
    arguments.add_argument("height", type=int, nargs="?", default=900, help="0 takes all of the page")
    arguments.add_argument("--dark", action="store_true")
    given = arguments.parse_args()
    screenshot(given.html_path, given.png_path, given.width, given.height, dark=given.dark)


if __name__ == "__main__":
    main()
