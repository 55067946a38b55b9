"""Which target is fed, and for how long? `python tests/fuzz TARGET SECONDS`; without a target each in its turn.

With atheris, which is led by what of our code an input reaches; where it is not installed, with random changes of the
corpus. What breaks a target is kept under `tests/fuzz/cases/TARGET/` and ends the run with status 1.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import random
import subprocess
import sys
import time
from pathlib import Path

if not __package__:
    # `python tests/fuzz` puts this very folder first on the path; the package `fuzz` is found from its parent.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

GUIDED = importlib.util.find_spec("atheris") is not None
LONGEST = 65_536


def main() -> int:
    """Feed what was asked for."""
    parser = argparse.ArgumentParser(prog="make fuzz", description="Feed everything that reads text from outside.")
    parser.add_argument("target", nargs="?", default="", help="its name in targets.py")
    parser.add_argument("seconds", nargs="?", type=float, default=60.0, help="for each target (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--unguided", action="store_true", help="without atheris, also where it is installed")
    given = parser.parse_args()
    if given.target and GUIDED and not given.unguided:
        return _guided(given.target, given.seconds, given.seed)
    from fuzz.targets import TARGETS  # noqa: PLC0415 - where atheris is to watch it, it has to be there before

    if given.target:
        return _random(given.target, given.seconds, given.seed)
    # Each in a process of its own: atheris ends the one it runs in.
    more = ["--unguided"] if given.unguided else []
    runs = [[sys.executable, __file__, name, str(given.seconds), f"--seed={given.seed}", *more] for name in TARGETS]
    return max(subprocess.run(run, check=False).returncode != 0 for run in runs)


def _random(name: str, seconds: float, seed: int) -> int:
    from fuzz.changes import changed  # noqa: PLC0415 - as above
    from fuzz.targets import TARGETS, corpus  # noqa: PLC0415 - as above

    chance = random.Random(seed)  # noqa: S311 - no secret
    fed = list(corpus(name)) or [b""]
    until, count = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        data = changed(chance, fed)[:LONGEST]
        try:
            TARGETS[name](data)
        except Exception as fault:  # noqa: BLE001 - that is what is looked for
            return _broken(name, data, fault)
        count += 1
    sys.stdout.write(f"{name}: {count} inputs in {seconds:g} s, random, seed {seed}: none broke it\n")
    return 0


def _guided(name: str, seconds: float, seed: int) -> int:
    import atheris  # noqa: PLC0415 - it may not be installed

    with atheris.instrument_imports(include=["whyrefused"]):
        from fuzz.targets import TARGETS, corpus  # noqa: PLC0415 - as above

    folder = Path.cwd() / ".cache/fuzz" / name
    folder.mkdir(parents=True, exist_ok=True)
    for data in corpus(name):
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)

    def one(data: bytes) -> None:
        try:
            TARGETS[name](data)
        except Exception as fault:
            _broken(name, data, fault)
            raise

    options = [
        f"-max_total_time={int(seconds)}", f"-seed={seed % 2**32}", f"-max_len={LONGEST}", "-timeout=20",
        "-rss_limit_mb=1024", "-print_final_stats=1", "-verbosity=0", f"-artifact_prefix={folder.parent}/",
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options, str(folder)], one)
    atheris.Fuzz()
    return 0


def _broken(name: str, data: bytes, fault: Exception) -> int:
    kept = Path(__file__).parent / "cases" / name / hashlib.sha256(data).hexdigest()[:12]
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(data)
    sys.stdout.write(f"{name}: {type(fault).__name__}: {str(fault)[:200]!r}, by {kept}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
