"""Forty secrets: where does each stand, on a host, in the inventory, in the controller's environment?

A secret's core is twelve letters and digits that stand nowhere else, so that a piece of it is found in any spelling.
"""

from __future__ import annotations

import base64
import hashlib
import json
import pwd
import shlex
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .host import Host

WEB, APP = "web1", "app1"
HOME = pwd.getpwuid(0).pw_dir  # root's, on Debian the same everywhere

IN_PLACES = (
    "etc-environment", "etc-environment-at", "unit-environment", "unit-password", "environment-file", "manager",
    "login-shell", "apt", "docker-client", "docker-daemon",
)  # fmt: skip
"""Where a host keeps proxies and passwords, and the tool looks for the former."""
IN_FILES = ("netrc", "private-key", "aws-secret", "gcp", "dsn-postgres", "dsn-redis", "requirepass")
IN_PROCESSES = ("option-joined", "option-apart", "title")
"""In command lines that anybody on the host may list, and in the ExecStart of units."""
IN_WORDS = (
    "said-option", "said-private-key", "said-jwt", "said-aws", "said-dsn", "said-bearer", "said-netrc", "description",
    "rule-comment", "banner",
)  # fmt: skip
"""What a host says of itself: journals of units that fail, what a login prints, names that somebody gave."""
IN_INVENTORY = (
    "login-password", "become-password", "vault-value", "vault-password", "variable", "declared-proxy", "declared-dsn",
    "declared-page",
)  # fmt: skip
IN_CI = ("ci-token", "git-url")
NAMES = (*IN_PLACES, *IN_FILES, *IN_PROCESSES, *IN_WORDS, *IN_INVENTORY, *IN_CI)


def core(name: str) -> str:
    """Which letters are found in this secret alone?"""
    return "q7" + hashlib.sha256(name.encode()).hexdigest()[:10]


def secret(name: str) -> str:
    """Which secret is it? Every other one has signs that a URL or a shell would rather not have."""
    return f"{core(name)}/p@s+" if NAMES.index(name) % 2 else core(name)


def forms(name: str) -> Iterator[bytes]:
    """How might it be written? Its core as it is, in capitals, and in base64 and base16 whatever stands before."""
    raw = core(name).encode()
    yield raw
    yield raw.upper()
    yield raw.hex().encode()
    for before in range(3):
        coded = base64.b64encode(bytes(before) + raw)
        yield coded[-(-8 * before // 6) : 8 * (before + len(raw)) // 6]


def found(data: bytes) -> set[str]:
    """Which of the secrets stand in these bytes?"""
    return {name for name in NAMES if any(form in data for form in forms(name))}


def _key(name: str) -> str:
    """Make what looks like a private key, with the secret in its body."""
    body = base64.b64encode(hashlib.sha512(name.encode()).digest() * 4 + core(name).encode() * 4).decode()
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return "\n".join(["-----BEGIN RSA PRIVATE KEY-----", *lines, f"-----END {'RSA'} PRIVATE KEY-----"])


def _jwt(name: str) -> str:
    parts = ({"alg": "HS256", "typ": "JWT"}, {"sub": "app", "key": core(name)})
    coded = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return ".".join((*coded, core(name) * 3))


def _proxy(name: str) -> str:
    return f"http://deploy:{secret(name)}@203.0.113.9:3128"


def said() -> str:
    """What does a service say that fails? One secret in each line, each in the way that programs write it."""
    return "\n".join((
        f"cannot start: app --password={secret('said-option')} --port 80",
        _key("said-private-key"),
        f"rejected token {_jwt('said-jwt')}",
        f"denied: AWS_SECRET_ACCESS_KEY={secret('said-aws')} AKIA{core('said-aws').upper()}AB",
        f"could not connect to postgres://app:{quote(secret('said-dsn'), safe='')}@db:5432/app: refused",
        f"> Authorization: Bearer {secret('said-bearer')}",
        f"machine db login app password {secret('said-netrc')}",
    ))  # fmt: skip


def plant(host: Host) -> None:
    """Put all that stands on a host into place: files, units, processes, rules, and what its login prints."""
    write, run = host.write, host.run
    write("/etc/environment", f"http_proxy={_proxy('etc-environment')}\nHTTPS_PROXY={_proxy('etc-environment-at')}\n")
    write("/etc/profile.d/proxy.sh", f"export all_proxy='{_proxy('login-shell')}'\n")
    write("/etc/apt/apt.conf.d/90proxy", f'Acquire::http::Proxy "{_proxy("apt")}";\n')
    docker = {"proxies": {"default": {"httpProxy": _proxy("docker-client")}}}
    write(f"{HOME}/.docker/config.json", json.dumps(docker))
    write("/etc/docker/daemon.json", json.dumps({"proxies": {"http-proxy": _proxy("docker-daemon")}}))
    write("/etc/systemd/system.conf.d/proxy.conf", f'[Manager]\nDefaultEnvironment="ftp_proxy={_proxy("manager")}"\n')
    write("/etc/app/secret.env", f"APP_KEY={secret('environment-file')}\nhttp_proxy={_proxy('environment-file')}\n")
    write(
        "/etc/systemd/system/nginx.service.d/proxy.conf",
        f'[Service]\nEnvironment="https_proxy={_proxy("unit-environment")}" "DB_PASSWORD={secret("unit-password")}"\n'
        "EnvironmentFile=/etc/app/secret.env\n",
    )
    _files(host)
    command = f"app --password={secret('option-joined')} -p {secret('option-apart')}"
    write(
        "/etc/systemd/system/app.service",
        f"[Unit]\nDescription=App (token={secret('description')})\n[Service]\nExecStart=/bin/bash -c "
        f"'exec -a \"{command}\" sleep infinity'\n",
    )
    write("/etc/systemd/system/bad.service", "[Service]\nExecStart=/bin/sh -c 'cat /etc/app/said; exit 1'\n")
    write("/etc/app/said", said() + "\n")
    title = f"exec -a 'db: {secret('title')}' sleep infinity"
    run(f"systemd-run -q --unit=titled bash -c {shlex.quote(title)}")
    comment = f"token={secret('rule-comment')}"
    run(f"nft 'add table inet t; add chain inet t i {{ type filter hook input priority 0; }}; "
        f"add rule inet t i tcp dport 81 counter reject comment \"{comment}\"'")  # fmt: skip
    for home in (HOME, "/home/auditor"):
        run(f"sed -i '1i echo banner password={secret('banner')}' {home}/.bashrc 2>/dev/null || true")
    run("systemctl daemon-reexec; systemctl restart nginx app; systemctl start bad || true; journalctl --sync")


def _files(host: Host) -> None:
    host.write(f"{HOME}/.netrc", f"machine db login app password {secret('netrc')}\n")
    host.write("/etc/app/key.pem", _key("private-key"))
    host.write(f"{HOME}/.aws/credentials", f"[default]\naws_secret_access_key = {secret('aws-secret')}\n")
    host.write("/etc/app/gcp.json", json.dumps({"type": "service_account", "private_key": _key("gcp")}))
    dsn = f"postgres://app:{quote(secret('dsn-postgres'), safe='')}@db.example.test:5432/app"
    host.write("/etc/app/app.env", f"DATABASE_URL={dsn}\nDATABASE_PASSWORD={secret('dsn-postgres')}\n")
    host.write("/etc/app/app.yml", f"cache:\n  url: redis://:{secret('dsn-redis')}@cache.example.test:6379/0\n")
    host.write("/etc/redis/secret.conf", f"requirepass {secret('requirepass')}\n")


def environment() -> Mapping[str, str]:
    """What does CI put into the environment of its jobs?"""
    return {
        "GITHUB_TOKEN": secret("ci-token"),
        "JENKINS_URL": "http://ci.example.test/",
        "BUILD_NUMBER": "7",
        "GIT_URL": f"https://oauth2:{secret('git-url')}@git.example.test/app.git",
        "GIT_COMMIT": "0" * 40,
        "http_proxy": f"http://ci:{secret('git-url')}@203.0.113.9:3128",
    }


INVENTORY = f"""
all:
  vars:
    db_password: {secret("variable")}
    ansible_become_password: {secret("become-password")}
    ansible_password: {secret("login-password")}
    expect:
      proxy: {{http: "http://audit:{quote(secret("declared-proxy"), safe="")}@proxy.example.test:3128"}}
  hosts:
    {APP}:
      expect:
        services: {{bad: running, app: stopped}}
        connects:
          - {{to: "postgres://app:{quote(secret("declared-dsn"), safe="")}@$web1:5432/app", proxy: none,
             configured_in: "/etc/app/app.env#DATABASE_URL", as: "unit:app"}}
          - {{to: "redis://:{quote(secret("declared-dsn"), safe="")}@$web1:6379",
             configured_in: "/etc/app/app.yml#cache.url"}}
          - {{to: "http://app:{quote(secret("declared-page"), safe="")}@$web1:81/", proxy: none}}
        browses: ["http://app:{quote(secret("declared-page"), safe="")}@$web1:81/"]
    {WEB}:
      expect:
        services: {{nginx: running, bad: running, app: running, absent-one: running}}
        ports:
          80/tcp: {{service: nginx, allow: [any], clients: [{APP}]}}
          81/tcp: {{service: bad, allow: [any], clients: [{APP}, localhost]}}
        resolves: {{db.example.test: 192.0.2.1}}
        headroom: {{backlog: 20%, files: 20%, conntrack: 20%}}
        wide: consistent
"""
