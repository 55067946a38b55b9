"""Is the findings document what spec.md promises, whatever the hosts said?"""

from __future__ import annotations

import json
import random
import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from whyrefused import report
from whyrefused.records import Answer, Finding, Line, Outcome, Result, Ruling, Run, Symptom

DATA = Path(__file__).parent / "data/report"
SAMPLE = runpy.run_path(str(DATA / "sample.py"))
PAYLOADS = json.loads((DATA / "payloads.json").read_text())
VALID = Draft202012Validator(report.schema())

ANY = st.text(st.characters(exclude_categories=()), max_size=20)
LINES = st.lists(st.builds(Line, host=ANY, source=ANY, line=ANY), max_size=2).map(tuple)
ANYS = st.lists(ANY, max_size=2).map(tuple)
RULINGS = st.builds(Ruling, answer=st.sampled_from(get_args(Answer)), because=ANY, evidence=LINES)
RESULTS = st.builds(
    Result, id=ANY, host=ANY, check=ANY, subject=ANY, outcome=st.sampled_from(get_args(Outcome)), expected=ANY,
    observed=ANY, evidence=LINES, finding=st.none() | ANY, client=st.none() | ANY,
    port=st.none() | st.integers(1, 65535), symptom=st.none() | st.sampled_from(get_args(Symptom)),
)  # fmt: skip
FINDINGS = st.builds(
    Finding, id=ANY, cause=st.sampled_from([*report.cause_ids(), "undetermined"]), variant=ANY, host=ANY, subject=ANY,
    title=ANY, explains=ANYS, evidence=LINES, fix=ANYS, verify=ANYS,
    differential=st.dictionaries(st.sampled_from(report.cause_ids()), RULINGS),
)  # fmt: skip
RUNS = st.builds(
    Run, started=ANY, finished=ANY, inventory=ANYS, hosts=ANYS, complete=st.booleans(),
    results=st.lists(RESULTS, max_size=3).map(tuple), findings=st.lists(FINDINGS, max_size=2).map(tuple),
    groups=st.dictionaries(ANY, ANYS, max_size=2), notes=ANYS,
    foreign=st.lists(st.tuples(ANY, ANY, ANY), max_size=2).map(tuple),
    resumed=ANY, earlier=st.lists(st.tuples(ANY, ANY), max_size=2).map(tuple),
)  # fmt: skip


def test_the_schema_is_one() -> None:
    """The schema is itself valid, and closes every set of words as the records do."""
    schema = report.schema()
    Draft202012Validator.check_schema(schema)
    result = schema["$defs"]["result"]["properties"]
    assert list(get_args(Outcome)) == result["outcome"]["enum"]
    assert {*get_args(Symptom), None} == set(result["symptom"]["enum"])
    assert list(get_args(Answer)) == schema["$defs"]["ruling"]["properties"]["answer"]["enum"]
    assert [*report.cause_ids(), "undetermined"] == schema["$defs"]["cause"]["enum"]
    assert list(SAMPLE["CAUSES"]) == list(report.cause_ids())


@pytest.mark.parametrize("name", ["broken", "healthy", "empty", "resumed"])
def test_documents_fit_the_schema(name: str) -> None:
    """Every run gives a document that fits."""
    VALID.validate(report.findings(SAMPLE[name]()))


@pytest.mark.parametrize("key", ["results", "findings"])
def test_a_document_that_lacks_a_key_does_not_fit(key: str) -> None:
    """The schema asks for each key that spec.md lists."""
    wanted = report.schema()["$defs"][key.removesuffix("s")]["required"]
    for gone in wanted:
        document = report.findings(SAMPLE["broken"]())
        del document[key][0][gone]
        assert not VALID.is_valid(document), gone


@settings(max_examples=60, deadline=None)
@given(RUNS)
def test_any_run_gives_a_document_for_any_reader(run: Run) -> None:
    """Whatever stands in the records: it fits, it is printable ASCII, and it reads back as the same."""
    text = report.to_json(run)
    VALID.validate(report.findings(run))
    assert report.findings(run) == json.loads(text)
    assert text.replace("\n", "").isascii()
    assert text.replace("\n", "").isprintable()


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_text_stays_inside_its_field(payload: str) -> None:
    """The document's keys do not depend on what hosts say."""
    clean, hostile = (
        json.loads(report.to_json(it)) for it in (SAMPLE["poisoned_run"](""), SAMPLE["poisoned_run"](payload))
    )
    assert report.to_json(SAMPLE["poisoned_run"](payload)).replace("\n", "").isprintable()
    for document in (clean, hostile):
        document["run"]["groups"] = list(document["run"]["groups"].values())
    assert _shape(clean) == _shape(hostile)


def _shape(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return {key: _shape(it) for key, it in value.items()}
    return [_shape(it) for it in value] if isinstance(value, list) else type(value).__name__


def test_when_each_was_asked() -> None:
    """Both moments stand there where a run was resumed, sorted by host; else nothing does."""
    run = report.findings(SAMPLE["resumed"]())["run"]
    assert [("app2", "2026-11-22T05:40:01Z"), ("web1", "2026-11-22T05:40:02Z")] == list(run["asked"].items())
    assert ("2026-11-22T05:40:01Z", "2026-11-22T06:00:01Z") == (run["started"], run["resumed"])
    assert not {"asked", "resumed"} & set(report.findings(SAMPLE["broken"]())["run"])


def test_bytes_that_are_not_text_are_shown() -> None:
    """A surrogate escape stands as the byte that it was."""
    run = replace(SAMPLE["healthy"](), notes=("caf\udce9 \ud800",))
    assert ["caf\\xe9 \\ud800"] == json.loads(report.to_json(run))["run"]["notes"]


def test_the_order_of_answers_does_not_show() -> None:
    """The same run in another order gives the same bytes."""
    run, shuffled = SAMPLE["broken"](), random.Random(2)  # noqa: S311 - an order, no secret
    for _ in range(20):
        other = replace(
            run,
            results=tuple(shuffled.sample(run.results, len(run.results))),
            findings=tuple(shuffled.sample(run.findings, len(run.findings))),
            hosts=tuple(shuffled.sample(run.hosts, len(run.hosts))),
            groups=dict(shuffled.sample(list(run.groups.items()), len(run.groups))),
        )
        assert report.to_json(run) == report.to_json(other)


def test_only_a_path_has_the_keys_of_a_path() -> None:
    """`client`, `server`, `destination`, `port`, `symptom` stand together, or not at all."""
    path_keys = {"client", "server", "destination", "port", "symptom"}
    found = {it["id"]: path_keys & set(it) for it in report.findings(SAMPLE["broken"]())["results"]}
    assert path_keys == found["checks/test_connects.py::test_connects[app1-web1:80]"]
    assert set() == found["checks/test_ports.py::test_listens[web1-80/tcp]"]


def test_a_cause_that_was_not_asked_is_unknown() -> None:
    """The differential has all eleven, whoever answered."""
    run = replace(SAMPLE["broken"](), findings=(replace(SAMPLE["loopback"](), differential={}),))
    differential = report.findings(run)["findings"][0]["differential"]
    assert dict.fromkeys(report.cause_ids(), "unknown") == {cause: it["answer"] for cause, it in differential.items()}
