"""Does each fault break what it says, and is all well again after it? Seen by plain connects, not by the tool."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from . import faults, healthy

if TYPE_CHECKING:
    from . import Host, Lab, Symptom
    from .faults import Fault

pytestmark = pytest.mark.lab

WEB = (
    (faults.nginx_stopped(), "refused", "refused"),
    (faults.nginx_moved(), "refused", "refused"),
    (faults.nginx_on_loopback(), "refused", "connected"),
    (faults.port_rejected(80), "refused", "refused"),
    (faults.port_rejected(80, "icmpx port-unreachable"), "refused", "refused"),
    (faults.port_rejected(80, "icmpx admin-prohibited"), "unreachable", "unreachable"),
    (faults.port_dropped(80), "timed-out", "timed-out"),
)
"""Fault of the web server -> what a client meets, and what the host itself meets on 127.0.0.1."""


@pytest.fixture(scope="module")
def fleet(lab: Lab) -> tuple[Host, Host]:
    """Boot a client and a web server that is well."""
    app, web = lab.boot("app1", "web1")
    healthy.web(web)
    return app, web


@pytest.mark.parametrize(("fault", "outside", "inside"), WEB, ids=[str(fault) for fault, *_ in WEB])
def test_web_fault(fleet: tuple[Host, Host], fault: Fault, outside: Symptom, inside: Symptom) -> None:
    """A client and the host itself meet the symptom on both families, and connect before and after."""
    app, web = fleet

    def met() -> list[Symptom]:
        ways = ((app, web.address), (app, web.address6), (web, "127.0.0.1"), (web, "::1"))
        with ThreadPoolExecutor() as pool:
            return list(pool.map(lambda way: way[0].connect(way[1], healthy.WEB_PORT), ways))

    before = met()
    with fault.on(web):
        during = met()
    assert [["connected"] * 4, [outside, outside, inside, inside], ["connected"] * 4] == [before, during, met()]


def test_moved_service_answers_elsewhere(fleet: tuple[Host, Host]) -> None:
    """The moved web server is on the port that the fault names."""
    app, web = fleet
    with faults.nginx_moved(8080).on(web):
        assert [app.connect(address, 8080) for address in (web.address, web.address6)] == ["connected"] * 2


@pytest.mark.parametrize("fault", [faults.port_rejected, faults.port_dropped])
def test_firewall_fault_for_one_source(lab: Lab, fleet: tuple[Host, Host], fault: object) -> None:
    """A rule for one client leaves the others alone."""
    app, web = fleet
    with fault(80, source=app.address).on(web):  # type: ignore[operator]
        assert (lab.connect(web.address, 80), app.connect(web.address6, 80)) == ("connected", "connected")
        assert app.connect(web.address, 80) != "connected"


def test_proxy_variable(lab: Lab, fleet: tuple[Host, Host]) -> None:
    """Every login has the variable while the fault lasts, whatever characters it holds."""
    app, _ = fleet
    url = "http://u:p%27$w@203.0.113.9:3128"
    with faults.proxy_in_environment(url).on(app):
        during = lab.ssh(app.name, "printenv http_proxy", user="auditor")
    after = lab.ssh(app.name, "printenv http_proxy || echo none", user="auditor")
    assert (f"{url}\n", "none\n") == (during, after)


def test_wrong_hosts_entry(fleet: tuple[Host, Host]) -> None:
    """The name leads to the wrong address alone while the fault lasts, and back to the right one."""
    app, web = fleet
    healthy.names(app, {"web.example.test": web.address})
    seen = [app.run("getent ahostsv4 web.example.test | cut -d' ' -f1 | uniq").split()]
    with faults.wrong_hosts_entry("web.example.test", app.address).on(app):
        seen.append(app.run("getent ahostsv4 web.example.test | cut -d' ' -f1 | uniq").split())
        assert app.connect("web.example.test", 80) == "refused"
    seen.append(app.run("getent ahostsv4 web.example.test | cut -d' ' -f1 | uniq").split())
    assert [[web.address], [app.address], [web.address]] == seen
