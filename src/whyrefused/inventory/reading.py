"""What do these files make of an inventory, read from the beginning?

First who and what stands there, as Ansible has it (`ask`), then what is right of it (`judged`): pydantic, which only
the second needs, takes longer to load than the rest of this package.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.inventory import command, levels, locate
from whyrefused.inventory.bounds import VAULT
from whyrefused.inventory.flaws import discreet, inert, nearest, shown
from whyrefused.inventory.levels import EXPECT
from whyrefused.inventory.sources import examine, readable
from whyrefused.inventory.wanted import wanted
from whyrefused.records import BadInput, Inventory, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from whyrefused.inventory.command import Export
    from whyrefused.inventory.levels import Opened, Tree
    from whyrefused.inventory.sources import Found, Source
    from whyrefused.records import Host

LONGEST_MESSAGE = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Who is in the inventory, and who of them within --limit?"""

    tree: Tree
    chosen: Collection[str]
    unmatched: tuple[str, ...] = ()  # parts of --limit that name nobody


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was found, in which files, before any of it is judged."""

    sources: tuple[str, ...]
    environ: Mapping[str, str]
    answer: Answer
    files: tuple[Source, ...]
    plain: bool  # whether these files alone say so, and no command was asked


def ask(  # noqa: PLR0913 - all that has a say in it
    found: Found,
    sources: Sequence[str],
    limit: Sequence[str],
    vault: Sequence[str],
    environ: Mapping[str, str],
    *,
    certain: bool,
) -> Asked:
    """Who is at these sources, by what was found there? Raises BadInput where nobody is, or it cannot be told."""
    files, problems = examine(found)
    _stop(*problems, *_arguments(sources, vault))
    plain = _plain(sources, found, files, limit) if certain else None
    vaulted = {(file.kind, file.name) for file in files if file.text.startswith(VAULT)}
    answer = plain or _asked(sources, limit, vault, environ, vaulted)
    _stop(*_nobody(answer.tree, sources))
    _stop(*_unmatched(answer.tree, answer.chosen, limit))
    return Asked(sources=tuple(sources), environ=environ, answer=answer, files=files, plain=plain is not None)


def judged(asked: Asked) -> Inventory:
    """What should be true, by what stands there? Raises BadInput with every problem at once."""
    tree = asked.answer.tree
    hosts, problems = judge(tree, asked.sources, asked.environ, asked.files)
    _stop(*problems, secrets=tree.secrets)
    return Inventory(
        sources=asked.sources,
        hosts=hosts,
        groups=dict(tree.members),
        selected=tuple(host for host in tree.hosts if host in asked.answer.chosen),
        warnings=tuple(_warnings(tree, hosts, asked.answer.unmatched)),
    )


def judge(
    tree: Tree, given: Sequence[str], environ: Mapping[str, str], files: Sequence[Source] = ()
) -> tuple[Mapping[str, Host], tuple[Problem, ...]]:
    """Which hosts are in these levels, and what is wrong with them? Pure, but it looks whether key files are there."""
    from whyrefused.inventory.judging import Judging  # noqa: PLC0415 - see the top

    judging = Judging(tree, environ, readable)
    hosts = judging.hosts()
    several = [source for source in files if EXPECT in source.text]
    if not judging.complaints and len(several) < 2:  # noqa: PLR2004 - nothing can stand in two files
        return hosts, ()
    locator = locate.locator(files)
    fallback = given[0] if len(given) == 1 else ""
    problems = [*judging.problems(locator, fallback), *_replaced(tree, locator)]
    return hosts, tuple(sorted(problems, key=lambda problem: (problem.file, problem.line or 0, problem.key)))


def _stop(*problems: Problem, secrets: Collection[str] = ()) -> None:
    if problems:
        raise BadInput(*(_inert(problem, secrets) for problem in problems))


def _inert(problem: Problem, secrets: Collection[str] = ()) -> Problem:
    return Problem(
        message=inert(discreet(problem.message, secrets))[:LONGEST_MESSAGE],
        file=inert(problem.file),
        line=problem.line,
        key=inert(discreet(problem.key, secrets))[:LONGEST_MESSAGE],
    )


def _arguments(given: Sequence[str], vault: Sequence[str]) -> Iterator[Problem]:
    if not given:
        yield Problem(message="no inventory is given")
    for identity in vault:
        if identity.rpartition("@")[2] == "prompt":
            yield Problem(message=f"--vault-id {shown(identity)}: nobody is asked for a password; name a file")


def _plain(given: Sequence[str], found: Found, files: Sequence[Source], limit: Sequence[str]) -> Answer | None:
    """Who is there, if that can be told from the files alone?"""
    from whyrefused.inventory import plain  # noqa: PLC0415 - see the top

    try:
        printed = plain.read(given, found, files)
        tree = _parsed(lambda: levels.tree(printed.groups, printed.hostvars, wanted), given)
        if not limit:
            return Answer(tree=tree, chosen=tree.hosts.keys())
        members = {**dict.fromkeys(printed.named, ()), **tree.members}
        chosen, unmatched = plain.chosen(command.joined(limit), tree.hosts, members)
    except plain.Unsure:
        return None
    return Answer(tree=tree, chosen=chosen, unmatched=unmatched)


def _asked(
    given: Sequence[str],
    limit: Sequence[str],
    vault: Sequence[str],
    environ: Mapping[str, str],
    vaulted: Collection[tuple[str, str]],
) -> Answer:
    """Who is there, as the command has it?"""
    whole, limited = _exports(given, limit, vault, environ)
    tree = _tree(whole, given, vaulted, lambda sealed: command.opened(sealed, vault=vault, environ=environ))
    if limited is None:
        return Answer(tree=tree, chosen=tree.hosts.keys())
    return Answer(tree=tree, chosen=_tree(limited, given).hosts.keys(), unmatched=limited.unmatched)


def _exports(
    given: Sequence[str], limit: Sequence[str], vault: Sequence[str], environ: Mapping[str, str]
) -> tuple[Export, Export | None]:
    """What is in the whole inventory, and what within --limit? Both are asked at once: each costs most of a second."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        whole = pool.submit(command.export, given, vault=vault, environ=environ)
        limited = pool.submit(command.export, given, limit=limit, vault=vault, environ=environ) if limit else None
        return whole.result(), limited.result() if limited else None


def _tree(
    export: Export, given: Sequence[str], vaulted: Collection[tuple[str, str]] = (), opened: Opened | None = None
) -> Tree:
    return _parsed(lambda: levels.parse(export.text, wanted, vaulted, opened), given)


def _parsed(parse: Callable[[], Tree], given: Sequence[str]) -> Tree:
    try:
        return parse()
    except levels.NotAnExport as error:
        raise BadInput(_inert(Problem(message=str(error), file=given[0] if len(given) == 1 else ""))) from None


def _nobody(tree: Tree, given: Sequence[str]) -> Iterator[Problem]:
    if not tree.hosts:
        yield Problem(message="no host is in this inventory", file=", ".join(given))


def _unmatched(tree: Tree, chosen: object, limit: Sequence[str]) -> Iterator[Problem]:
    if not chosen:
        pattern = ",".join(limit)
        yield Problem(
            message=f"--limit {shown(pattern)} leaves no host of this inventory"
            f"{nearest(pattern, (*tree.hosts, *tree.groups))}"
        )


def _replaced(tree: Tree, locator: locate.Locator) -> Iterator[Problem]:
    """Which level declares `expect` in two places? Ansible keeps one of them and drops the other without a word."""
    for kind, name in sorted({*locator.maps, *(who for who, _ in locator.lines)}):
        places = sorted({(place.file, place.line) for place in locator.all((kind, name), (EXPECT,))})
        if len(places) > 1 and name in (tree.groups if kind == "groups" else tree.hosts):
            first = ", ".join(f"{file}:{line}" for file, line in places[:-1])
            file, line = places[-1]
            yield Problem(
                message=f"stands in {first} too; of one level Ansible keeps only one, so write them as one",
                file=file,
                line=line,
                key=f"{kind}.{name}.{EXPECT}",
            )


def _warnings(tree: Tree, hosts: Mapping[str, Host], unmatched: Sequence[str]) -> Iterator[str]:
    from whyrefused.inventory.connection import BECOME_PASSWORD  # noqa: PLC0415 - see the top

    for pattern in unmatched:
        yield f"--limit: {shown(pattern)} names nobody"
    unchecked = [name for name, host in hosts.items() if not host.connection.host_key_checking]
    if unchecked:
        yield f"host keys are not checked for {counted(unchecked)}"
    for name in sorted(tree.names.intersection(BECOME_PASSWORD)):
        yield f"{name} is not used: `sudo -n` runs without a password or not at all"


def counted(names: Sequence[str]) -> str:
    """How are many names said shortly?"""
    return names[0] if len(names) == 1 else f"{len(names)} hosts ({names[0]}, …)"
