"""What others wrote stays a text in a spreadsheet and in a terminal."""

import csv

import pytest
from canonical import csv_text, record, write

from flows.pipeline import ingest
from flows.spreadsheet import spreadsheet_text
from flows.status import export_quarantine


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\tx", "\r=1"])
def test_a_formula_becomes_a_text(text):
    assert spreadsheet_text(text) == f"'{text}"


@pytest.mark.parametrize("sign", ["\x1b", "\x07", "\u202e", "\x9b", "\0"])
def test_signs_of_control_are_shown(sign):
    assert sign not in spreadsheet_text(f"a{sign}b")
    assert spreadsheet_text("two\nlines, ümlaut") == "two\nlines, ümlaut"


def test_an_export_of_the_quarantine_holds_no_formula(workspace, now, tmp_path):
    hostile = record("consent", "=1+1", status="@lost\x1b[2J")
    good = [record("consent", f"c{n}") for n in range(40)]
    path = write(tmp_path / "consent.csv", csv_text([*good, hostile]))
    (outcome,) = ingest(workspace, [path], now=now).files
    assert export_quarantine(workspace, outcome.file_id, tmp_path / "out.csv") == 1
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["original"].startswith("'=1+1")
    assert "\x1b" not in row["original"]
