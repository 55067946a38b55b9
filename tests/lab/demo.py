"""Which fleet does `make lab` boot, what is wrong with it, and how is it audited?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from . import faults, healthy
from .fleet import Lab

if TYPE_CHECKING:
    from .faults import Fault

NAME = "demo"
ROOT = Path(__file__).resolve().parents[2]
INVENTORY = Path(__file__).with_name("demo.yml")
HTML, FINDINGS = ROOT / "reports/lab.html", ROOT / "reports/lab.json"
DEAD_PROXY = "http://deploy:wr0ng-h4nds@203.0.113.9:3128"  # the password is there to be kept out of the report


def up(*, broken: bool = True) -> Lab:
    """Which lab is it? A client, a web server and a database, healthy or with the faults of `wrong`."""
    lab = Lab(NAME, keep=True).up()
    app, web, database = lab.boot("app1", "web1", "db1")
    healthy.web(web)
    healthy.database(database)
    healthy.names(app, {"web.example.test": web.address, "db.example.test": database.address})
    lab.inventory(INVENTORY.read_text())
    if broken:
        for host, fault in wrong(lab):
            fault.into(lab[host])
    return lab


def wrong(lab: Lab) -> tuple[tuple[str, Fault], ...]:
    """What is wrong, and on which host?"""
    return (
        ("web1", faults.nginx_on_loopback()),
        ("db1", faults.port_rejected(healthy.DATABASE_PORT, source=lab["app1"].address)),
        ("app1", faults.proxy_in_environment(DEAD_PROXY, "https_proxy")),
        ("app1", faults.wrong_hosts_entry("db.example.test", lab["web1"].address)),
    )


def audit(lab: Lab, keep: Path | None = None) -> int:
    """Which exit status has the audit of the lab? It runs in the controller's namespace and prints as it goes.

    In the folder `keep` is left what judges it again elsewhere: the inventory, without the way there, and the evidence.
    """
    inventory = lab.folder / "inventory.yml"
    # In one word each: pytest takes a word that is a path for a test folder, and looks for its configuration there.
    argv = (
        *(sys.executable, "-m", "pytest", f"--inventory={inventory}"),
        *(f"--html={HTML}", "--self-contained-html", f"--findings={FINDINGS}"),
    )
    if keep:
        argv = (*argv, f"--save-evidence={keep / 'evidence.json'}")
        lines = inventory.read_text().splitlines(keepends=True)
        (keep / "hosts.yml").write_text("".join(it for it in lines if "ansible_ssh_common_args" not in it))
    for written in (HTML, FINDINGS):
        written.unlink(missing_ok=True)  # an earlier run's is not this one's
    return subprocess.run((*lab.inside, *argv), cwd=ROOT, check=False).returncode
