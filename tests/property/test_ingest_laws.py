"""However the same records are delivered, the warehouse says the same; and every record is accounted for.

Only the stages from a file to the warehouse run here, without the audit, so that many deliveries can be tried.
"""

import csv
import io
import shutil
import tempfile
from itertools import permutations
from pathlib import Path

import pytest
from canonical import (
    admit_batches,
    canonical_with,
    core,
    prepare,
    quarantined,
    query,
    record,
    spooled,
    write,
    write_csv,
)
from hypothesis import given
from hypothesis import strategies as st
from modes import examples
from ready import copied
from ready import empty as empty_workspace

from flows.settings import Workspace, open_workspace


@pytest.fixture(scope="session")
def empty(ready):
    """A workspace with an empty warehouse, to be copied: making one takes longer than filling it."""
    return open_workspace(ready.made("empty", empty_workspace))


class Copy:
    """A fresh workspace with the key of all others, so that pseudonyms can be compared."""

    def __init__(self, empty: Workspace) -> None:
        self._empty = empty

    def __enter__(self) -> Workspace:
        self._folder = tempfile.TemporaryDirectory()
        root = Path(self._folder.name) / "workspace"
        copied(self._empty.root, root)
        return Workspace(root)

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


# Few keys and few values, so that versions, repeats and ties are the rule. `near_fall_count` 99999 is blanked.
VERSIONS = st.fixed_dictionaries(
    {
        "key": st.sampled_from("ab"),
        "source_patient_id": st.sampled_from(["p1", "p1", "p2"]),
        "source_updated_at": st.sampled_from(
            ["", "", "2025-01-01T00:00:00Z", "2025-06-01T00:00:00+02:00", "2025-05-31 22:00:00"]
        ),
        "is_deleted": st.sampled_from(["", "", "", "true"]),
        "fall_count": st.sampled_from(["0", "1", "2.0"]),
        "near_fall_count": st.sampled_from(["", "3", "99999"]),
    }
)
# Each version with the day of the export that brings it, or none.
SAID = st.lists(
    st.tuples(VERSIONS, st.sampled_from([None, "2025-07-01", "2025-07-02", "2025-07-02T120000Z"])),
    min_size=1,
    max_size=6,
)


def fall_report(version: dict[str, str]) -> dict[str, str]:
    said = dict(version)
    return record("fall_report", said.pop("key"), **said)


def deliver(workspace: Workspace, batches: list[list[tuple[dict[str, str], str | None]]], cut: int) -> None:
    """Each batch as files of at most `cut` records; the records of one export share the file's name, which states it."""
    number = 0
    folder = workspace.root.parent / "delivered"
    listed = []
    for batch in batches:
        files = []
        for stated in dict.fromkeys(day for _, day in batch):
            rows = [fall_report(version) for version, day in batch if day == stated]
            for start in range(0, len(rows), cut):
                number += 1
                # A column of its own makes each file's bytes its own, whatever its records are.
                part = [{**row, f"file_{number}": ""} for row in rows[start : start + cut]]
                name = f"fall_report-{number}{'-' + stated if stated else ''}.csv"
                files.append(write_csv(folder / name, part))
        listed.append(files)
    admit_batches(workspace, listed)


@examples(6, 100)
@given(said=SAID, data=st.data())
def test_the_order_splitting_and_repetition_of_records_change_nothing(empty, said, data):
    again = data.draw(st.lists(st.sampled_from(said), max_size=2), label="repeated")
    other = data.draw(st.permutations(said + again), label="order")
    cut = data.draw(st.integers(1, 3), label="records a file")
    first_batch = data.draw(st.integers(0, len(other)), label="records in the first batch")
    with Copy(empty) as one, Copy(empty) as two:
        deliver(one, [said], cut=len(said))
        deliver(two, [part for part in (other[:first_batch], other[first_batch:]) if part], cut)
        assert core(one, "fall_report") == core(two, "fall_report")


@examples(6, 100)
@given(said=SAID)
def test_of_each_record_one_version_is_current_and_it_is_the_greatest(empty, said):
    with Copy(empty) as workspace:
        deliver(workspace, [[one] for one in said], cut=1)
        rows = query(
            workspace,
            """
            SELECT count(*) FILTER (superseded_in IS NULL), count(DISTINCT record_id),
                bool_and(superseded_in IS NOT NULL OR rank = 1)
            FROM (
                SELECT *, row_number() OVER (
                    PARTITION BY record_id ORDER BY source_updated_at DESC NULLS LAST, exported_at DESC NULLS LAST, row_hash DESC
                ) AS rank
                FROM history.fall_report
            )
            """,
        )
        (current, keys, is_greatest) = rows[0]
        assert current == keys == len({version["key"] for version, _ in said})
        assert is_greatest


@examples(3, 50)
@given(said=SAID)
def test_what_was_delivered_once_is_unchanged_when_it_comes_again(empty, said):
    with Copy(empty) as workspace:
        deliver(workspace, [said], cut=6)
        before, rows = core(workspace, "fall_report"), query(workspace, "SELECT count(*) FROM history.fall_report")
        folder = workspace.root.parent / "again"
        paths = []
        for n, (version, stated) in enumerate(said):
            name = f"fall_report-x{n}{'-' + stated if stated else ''}.csv"
            paths.append(write_csv(folder / name, [{**fall_report(version), f"again_{n}": ""}]))
        outcomes = admit_batches(workspace, [paths])
        assert [outcome.counts["unchanged_count"] for outcome in outcomes] == [1] * len(said)
        assert core(workspace, "fall_report") == before
        assert query(workspace, "SELECT count(*) FROM history.fall_report") == rows


@pytest.mark.parametrize(
    "order", [*permutations(("X 07-01", "X 07-03", "Y 07-02")), ("X 07-01 and X 07-03 and Y 07-02",)], ids=str
)
def test_content_ranks_as_its_latest_export_in_whatever_order_exports_arrive(empty, order):
    counts = {"X": "1", "Y": "2"}
    batches = [[part.split() for part in batch.split(" and ")] for batch in order]
    with Copy(empty) as workspace:
        versions = [
            [({"key": "a", "fall_count": counts[word]}, f"2025-{day}") for word, day in batch] for batch in batches
        ]
        deliver(workspace, versions, cut=1)
        current = query(
            workspace,
            "SELECT fall_count, exported_at::DATE::VARCHAR FROM history.fall_report WHERE superseded_in IS NULL",
        )
        assert current == [(1, "2025-07-03")]


def test_a_value_that_returns_in_a_later_export_is_current_again(workspace, tmp_path):
    for day, count in (("2025-07-01", "1"), ("2025-07-02", "2"), ("2025-07-03", "1")):
        path = write_csv(
            tmp_path / f"fall_report-{day}.csv", [record("fall_report", "a", fall_count=count, **{day: ""})]
        )
        admit_batches(workspace, [[path]])
    assert query(workspace, "SELECT fall_count FROM history.fall_report WHERE superseded_in IS NULL") == [(1,)]
    assert query(workspace, "SELECT count(*) FROM history.fall_report") == [(3,)]


def test_a_record_that_moves_to_another_patient_is_a_new_version(workspace, tmp_path):
    for day, patient in (("2025-07-01", "p1"), ("2025-07-02", "p2")):
        path = write_csv(tmp_path / f"fall_report-{day}.csv", [record("fall_report", "a", source_patient_id=patient)])
        admit_batches(workspace, [[path]])
    assert query(workspace, "SELECT count(DISTINCT patient_id), count(DISTINCT row_hash) FROM history.fall_report") == [
        (2, 2)
    ]


def test_a_blanked_value_and_a_missing_one_are_two_contents(workspace, tmp_path):
    rows = [record("fall_report", "a", near_fall_count=text) for text in ("", "99999")]
    path = write_csv(tmp_path / "fall_report.csv", rows)
    (outcome,) = admit_batches(workspace, [[path]])
    assert outcome.counts["admitted_count"] == 2


def test_row_hash_does_not_depend_on_the_time_zone_of_the_session(workspace, tmp_path):
    path = write_csv(
        tmp_path / "outcome_assessment.csv",
        [
            record(
                "outcome_assessment",
                "a",
                assessed_at="2025-01-15T08:30:00Z",
                source_updated_at="2025-01-15T08:30:00+01:00",
            )
        ],
    )
    here = spooled(prepare(workspace, path), "outcome_assessment")
    shutil.rmtree(workspace.folder("spool", "canonical"))
    there = spooled(prepare(workspace, path, canonical_with(time_zone="Asia/Kathmandu")), "outcome_assessment")
    assert [row["row_hash"] for row in here] == [row["row_hash"] for row in there]


# Accounting. Fields that are fine, fields that a rule refuses or blanks, and records that are none.
FIELDS = {
    "source_record_id": ["a", "b", "c", "", "é|\\", '"q"'],
    "source_patient_id": ["p1", "p2", "NA", ""],
    "source_updated_at": ["", "2025-01-01T00:00:00Z", "yesterday"],
    "is_deleted": ["", "false", "true", "perhaps"],
    "period_started_on": ["2025-01-01", "2025-02-30", ""],
    "period_ended_on": ["2025-01-31", "2024-12-31", "2999-01-01"],
    "fall_count": ["0", "3", "-1", "two", "3.7"],
    "near_fall_count": ["", "1", "99999", "line\nbreak", 'a "quote"'],
}
ROWS = st.lists(st.tuples(*(st.sampled_from(values) for values in FIELDS.values())), max_size=8)
SHAPES = st.lists(
    st.sampled_from(["whole", "whole", "whole", "short", "long", "blank line before"]), min_size=8, max_size=8
)


def written(rows: list[tuple[str, ...]], shapes: list[str], end: str) -> tuple[str, list[str]]:
    """A CSV file and the text of each of its records, as they stand in it."""
    text, originals = ",".join(FIELDS) + end, []
    for fields, shape in zip(rows, shapes, strict=False):
        out = io.StringIO()
        cells = {"short": fields[:-2], "long": (*fields, "more")}.get(shape, fields)
        csv.writer(out, lineterminator="\n").writerow(cells)
        originals.append(out.getvalue().removesuffix("\n"))
        text += end * (shape == "blank line before") + originals[-1] + end
    return text, originals


def is_refused(fields: list[str]) -> bool:
    if len(fields) != len(FIELDS):
        return True
    record_id, patient, updated, deleted, started, ended, falls, _ = fields
    if record_id == "" or updated == "yesterday" or deleted == "perhaps":
        return True
    if deleted == "true":
        return False  # of a tombstone nothing else is read
    return patient in ("", "NA") or started in ("", "2025-02-30") or ended != "2025-01-31" or falls not in ("0", "3")


@examples(10, 200)
@given(rows=ROWS, shapes=SHAPES, end=st.sampled_from(["\n", "\r\n", "\r"]), copies=st.integers(1, 2))
def test_every_record_is_accounted_for_and_every_refused_one_is_kept_as_it_was(empty, rows, shapes, end, copies):
    text, originals = written(rows * copies, shapes * copies, end)
    oracle = [fields for fields in csv.reader(io.StringIO(text, newline="")) if fields][1:]
    with Copy(empty) as workspace:
        path = write(workspace.root.parent / "fall_report.csv", text)
        candidate = prepare(workspace, path)
        (outcome,) = admit_batches(workspace, [[path]])
        counts = outcome.counts
        assert counts["read_count"] == counts["independent_count"] == len(oracle) == len(originals)
        disposed = ("admitted_count", "unchanged_count", "duplicate_count", "quarantined_count", "out_of_scope_count")
        assert counts["read_count"] == sum(counts[name] for name in disposed)

        kept = quarantined(workspace, candidate)
        refused = {row["record_number"] for row in kept if row["action"] == "refuse"}
        assert len(refused) == counts["quarantined_count"]
        assert refused == {number for number, fields in enumerate(oracle, start=1) if is_refused(fields)}
        lines = [
            text[: _start(text, originals, number, end)].replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
            for number in range(len(originals))
        ]
        for row in kept:
            assert row["original"] == originals[row["record_number"] - 1]
            assert row["line"] == lines[row["record_number"] - 1]
            assert row["rule"] and row["message"]


def _start(text: str, originals: list[str], number: int, end: str) -> int:
    at = text.index(end) + len(end)
    for n, original in enumerate(originals):
        while text.startswith(end, at):
            at += len(end)
        if n == number:
            return at
        at += len(original) + len(end)
    raise AssertionError
