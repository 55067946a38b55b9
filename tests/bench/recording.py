"""What do real hosts of the lab say, well and with each fault of `grown`?"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import standard
from lab import Lab, healthy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab import Host

ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = "sed -i 's/listen 80 default_server/listen 127.0.0.1:80 default_server/' /etc/nginx/sites-enabled/default"
CLOSED = standard.RULES.replace("tcp dport 80 accept", "")
STANDARD = {
    "well": "true",
    "stopped": "systemctl stop nginx",
    "loopback": f"{LOOPBACK} && systemctl restart nginx",
    "dropped": f"printf %s {shlex.quote(CLOSED)} | nft -f -",
    "proxy": "echo http_proxy=http://192.0.2.9:3128 >>/etc/environment",
}
PATH = {
    "well": "true",
    "stopped": "systemctl stop nginx",
    "dropped": "nft 'add table inet f; add chain inet f i { type filter hook input priority 0; }; "
    "add rule inet f i tcp dport 80 drop'",
}


def standard_kinds() -> dict[str, Any]:
    """What does a host of the standard audit say, by kind?"""
    return {kind: _said(fault, "h01") for kind, fault in STANDARD.items()}


def path_kinds() -> dict[str, Any]:
    """What do a server and its client say, by kind?"""
    return {kind: _said(fault, "s01", "c01") for kind, fault in PATH.items()}


def _said(fault: str, *names: str) -> dict[str, Any]:
    with Lab(f"grown-{os.getpid()}") as lab:
        hosts = lab.boot(*names)
        _well(lab, hosts)
        hosts[0].run(fault)
        kept = lab.folder / "evidence.json"
        argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--second-look=never",
                f"--inventory={lab.folder / 'inventory.yml'}", f"--save-evidence={kept}",
                f"--findings={lab.folder / 'findings.json'}"]  # fmt: skip
        subprocess.run([*lab.inside, *argv], cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
        said = json.loads(kept.read_text())["hosts"]
        return {host.name: {**said[host.name], "address": host.address} for host in hosts}


def _well(lab: Lab, hosts: Sequence[Host]) -> None:
    if len(hosts) == 1:
        standard.prepare(lab, hosts)
        return
    server, client = hosts
    healthy.web(server)
    web = {"services": {"nginx": "running"}, "ports": {"80/tcp": {"service": "nginx", "clients": ["app"]}}}
    children = {"web": {"hosts": {server.name: {}}, "vars": {"expect": web}}, "app": {"hosts": {client.name: {}}}}
    lab.inventory({"all": {"children": children}})
