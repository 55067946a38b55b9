"""What is found because it is there is what it must be: one walk through each folder."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from whyrefused import causes, probes
from whyrefused.causes import ORDER
from whyrefused.probes import _remote

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src/whyrefused"
CHECKS = sorted(path for path in (ROOT / "checks").glob("*.py") if path.name != "__init__.py")

TITLES = {
    "service-not-running": ("server", "Service is not running"),
    "wrong-port": ("server", "Incorrect port"),
    "wrong-bind-address": ("server", "Listening on the wrong address"),
    "server-firewall": ("server", "Firewall blocking"),
    "overload": ("server", "Server overload or resource exhaustion"),
    "nat-misconfiguration": ("server", "Network misconfiguration"),
    "wrong-destination": ("client", "Incorrect hostname or port"),
    "dns": ("client", "Incorrect DNS settings"),
    "client-firewall": ("client", "Local firewall or antivirus"),
    "proxy": ("client", "Proxy server issues"),
    "browser": ("client", "Browser-related problems"),
}
"""The documented causes: id, side and title never change."""


def files(folder: str) -> set[str]:
    """The modules of a folder."""
    return {path.stem for path in (SOURCE / folder).glob("*.py") if not path.name.startswith("_")}


def test_all_causes_are_there() -> None:
    """Each documented cause is a file of its own, and there is no other; they are listed in the documented order."""
    assert {code.replace("-", "_") for code in TITLES} == files("causes")
    assert list(TITLES) == list(ORDER) == list(causes.registry())


@pytest.mark.parametrize("code", TITLES)
def test_cause(code: str) -> None:
    """A cause's id is its file's name, its title the documented one, its text a paragraph, and what hides it exists."""
    cause = causes.registry()[code]
    assert (code, *TITLES[code]) == (cause.code, cause.side, cause.title)
    assert len(cause.text.split()) > 15
    assert cause.text.endswith(".")
    assert set(cause.hidden_by) <= set(TITLES) - {code}
    assert cause.variants
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug) and words for slug, words in cause.variants.items())
    assert ["case", "evidence"] == [name.lstrip("_") for name in inspect.signature(cause.rule).parameters]
    assert inspect.getdoc(cause.rule)


def test_hiding_has_no_circle() -> None:
    """No two causes hide each other, however long the way round."""
    for code in TITLES:
        seen, ahead = set(), set(causes.registry()[code].hidden_by)
        while ahead:
            seen |= ahead
            ahead = {more for one in ahead for more in causes.registry()[one].hidden_by} - seen
        assert code not in seen


@pytest.mark.parametrize("path", sorted((SOURCE / "causes").glob("[a-z]*.py")), ids=lambda path: path.stem)
def test_causes_do_not_import_each_other(path: Path) -> None:
    """Causes stand alone."""
    imported = {node.module or "" for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)}
    assert not [module for module in imported if module.startswith("whyrefused.causes")]


def test_all_probes_are_found() -> None:
    """Each file of the folder is a probe."""
    assert files("probes") == set(probes.registry())


BEYOND = r"[$]\((?!\()|(^|[;&|{(] *)(exit|exec)\b"
"""What starts a process, or ends the shell."""


def _before(name: str) -> set[str]:
    """Whose frames does a probe look at, and those whose frames they look at?"""
    return {each for one in probes.registry()[name].AFTER for each in (one, *_before(one))}


@pytest.mark.parametrize("name", probes.registry())
def test_probe(name: str) -> None:
    """A probe has a docstring that asks, limits, a fragment that is shell, and a parser."""
    probe = probes.registry()[name]
    module = importlib.import_module(probe.__name__)
    assert str(module.__doc__).split("\n", 1)[0].endswith("?")
    assert probe.SOURCE
    assert 1 <= probe.SECONDS <= 60
    assert 1024 <= probe.BYTES <= 4 * 1024**2
    assert {probe.SIDE_BY_SIDE, probe.AT_ONCE} <= {True, False}
    assert probe.AT_ONCE or probe.SIDE_BY_SIDE, "what is slow runs beside the others"
    assert all(probes.registry()[one].AT_ONCE for one in probe.AFTER)
    assert name not in _before(name), "who is asked first?"
    assert "?" in str(inspect.getdoc(probe.fragment))
    assert inspect.getdoc(probe.parse)
    for asked in ((), ("4", "a b", 'it\'s $(id) `id` \\ "x" 80')):
        brief = f"k() {{\n{probes.known(probe, asked) or ':'}\n}}\n"
        assert "$(id)" in brief or not re.search(BEYOND, brief), "it runs in the shell that asks all"
        fragment = brief + probe.fragment(asked)
        assert subprocess.run(["sh", "-n", "-c", fragment], check=False, capture_output=True).returncode == 0
        own = fragment.replace("'echo; exec cat /proc/self/environ'", "")  # of the login shell
        assert not (probe.AT_ONCE and re.search(r"(^|[;&|{(] *)exec (?![0-9<>])", own)), "its frame would not end"
        seen = set(re.findall(r"seen_([a-z_]+)", fragment))
        assert seen <= set(probe.AFTER)


REMOTE = sorted((SOURCE / "probes/remote").glob("*.[pa][ylw]*"))


@pytest.mark.parametrize("name", probes.registry())
def test_probes_only_read(name: str) -> None:
    """No fragment writes a file: what is redirected goes nowhere, or to another stream."""
    text = probes.registry()[name].fragment(("4", "x 80"))
    for program in REMOTE:
        text = text.replace(shlex.quote(_remote.program(program.name)), "")
    for harmless in (">/dev/null", "2>&1", ">&3", "3>&1", ">&2"):
        text = text.replace(harmless, "")
    assert ">" not in text


CHANGING = {
    *(
        "remove",
        "unlink",
        "rename",
        "replace_file",
        "mkdir",
        "makedirs",
        "rmdir",
        "rmtree",
        "truncate",
        "chmod",
        "chown",
    ),
    *("link", "symlink", "write_text", "write_bytes", "system", "popen", "mkdtemp", "mkstemp", "mknod", "copytree"),
}
OWN = ("self.below(", "tempfile.mkdtemp(")
"""How the class `Place` of a program says that a file is one of its own, below a folder in memory."""


def name_of(call: ast.Call) -> str:
    """What is called?"""
    return str(getattr(call.func, "attr", getattr(call.func, "id", "")))


def changes(tree: ast.AST) -> list[str]:
    """Which calls make, change or remove files? Those that open one of /proc/self are none."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    opens = [call for call in calls if name_of(call) == "open" and "/proc/self/" not in ast.unparse(call.args[0])]
    writes = [call for call in opens if any(getattr(word, "value", "r") not in {"r", "rb"} for word in call.args[1:2])]
    reading = [call for call in writes if ast.unparse(call).startswith("os.open(") and "O_RDONLY" in ast.unparse(call)]
    return [ast.unparse(one) for one in calls if name_of(one) in CHANGING or (one in writes and one not in reading)]


@pytest.mark.parametrize("path", [path for path in REMOTE if path.suffix == ".py"], ids=lambda path: path.name)
def test_programs_are_sent_whole(path: Path) -> None:
    """What is sent does all that the file says; of its docstrings the empty lines are left out."""

    def does(text: str) -> str:
        tree = ast.parse(text)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                node.value = "\n".join(line for line in node.value.splitlines() if line.strip())
        return ast.dump(tree)

    assert does(path.read_text()) == does(_remote.program(path.name))


@pytest.mark.parametrize("path", [path for path in REMOTE if path.suffix == ".py"], ids=lambda path: path.name)
def test_programs_only_read(path: Path) -> None:
    """No program that runs on a host makes, changes or removes a file, but a class `Place` its own ones in memory."""
    tree = ast.parse(path.read_text())
    places = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Place"]
    own = [change for place in places for change in changes(place)]
    assert sorted(own) == sorted(changes(tree))
    assert not [change for change in own if not any(word in change for word in OWN)]


@pytest.mark.parametrize("path", CHECKS, ids=lambda path: path.stem)
def test_check(path: Path) -> None:
    """A check is a file with a docstring and one test of the file's name, which looks at what `look` has seen."""
    tree = ast.parse(path.read_text())
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    tests = [name for name in functions if name.startswith("test_")]
    assert str(ast.get_docstring(tree)).startswith(f"{path.stem.removeprefix('test_')}: ")
    assert [path.stem] == tests
    assert ast.get_docstring(functions[path.stem])
    arguments = [argument.arg for argument in functions[path.stem].args.args]
    assert arguments == (["declared", "seen"] if "look" in functions else ["declared"])
    if "look" in functions:
        assert ["declared", "evidence"] == [argument.arg for argument in functions["look"].args.args]
        assert ast.get_docstring(functions["look"])
