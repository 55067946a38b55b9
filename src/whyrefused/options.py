"""What do the command line and the environment say, in the run's own words?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from whyrefused import ssh
from whyrefused.audit import Settings
from whyrefused.collect.visit import Options
from whyrefused.records import BadInput, Problem

if TYPE_CHECKING:
    import pytest

LATEST = Path("reports") / "latest"


def settings(config: pytest.Config) -> Settings:
    """How is this run to be done? Raises `BadInput`."""
    get = config.getoption
    worker = getattr(config, "workerinput", {})
    return Settings(
        options=_of_visits(config),
        connect_timeout=get("connect_timeout"),
        replay=get("evidence"),
        save=get("save_evidence"),
        shareable=bool(get("shareable")),
        second_look=get("second_look") == "auto",
        resume=_resumed(config),
        shared=worker.get("whyrefused"),
    )


def _resumed(config: pytest.Config) -> float | None:
    """How old may an answer be that is taken over? None where none is."""
    if not config.getoption("resume"):
        return None
    if config.getoption("evidence"):
        words = "and --evidence are given: saved evidence is judged, and nobody is visited; give one of them"
        raise BadInput(Problem(key="--resume", message=words))
    return float(config.getoption("resume_age"))


def _of_visits(config: pytest.Config) -> Options:
    get = config.getoption
    forks = get("forks") or _forks_of_environment()
    environment = os.environ
    return Options(
        forks=forks,
        host_timeout=get("host_timeout"),
        ssh=ssh.Settings(
            ssh_config=get("ssh_config", default=None),
            identity_file=get("ssh_identity_file", default=None) or environment.get("ANSIBLE_PRIVATE_KEY_FILE"),
            user=environment.get("ANSIBLE_REMOTE_USER"),
        ),
        become=bool(get("sudo", default=False)),
        become_user=get("sudo_user", default=None),
    )


def _forks_of_environment() -> int:
    given = os.environ.get("ANSIBLE_FORKS") or "32"
    if not given.isascii() or not given.isdigit() or int(given) < 1:
        raise BadInput(Problem(key="ANSIBLE_FORKS", message=f"{given!r} is not a number of hosts above 0"))
    return int(given)


def written(config: pytest.Config) -> list[Path]:
    """Which files does a run write?"""
    option = config.option
    files = (*targets(config), option.shareable, option.save_evidence, getattr(option, "xmlpath", None))
    return [Path(file) for file in files if file]


def targets(config: pytest.Config) -> tuple[str | Path | None, str | Path | None]:
    """Where do the page and the findings go?"""
    html, findings = getattr(config.option, "htmlpath", None), config.option.findings
    base = config.invocation_params.dir / LATEST
    return (html, findings) if html or findings else (base.with_suffix(".html"), base.with_suffix(".json"))


def css(config: pytest.Config) -> str:
    """Which style is added to ours? pytest-html's `--css`."""
    return "\n".join(Path(path).read_text(encoding="utf-8") for path in getattr(config.option, "css", ()))
