"""The report: one HTML page, one CSV and one Parquet file of the same published figures."""

from __future__ import annotations

import csv
import io
import os
import re
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.pages.quality import data_quality
from flows.pages.symptoms import symptoms, weakness, who_reports
from flows.pages.treatments import treatments
from flows.pages.views import Figures, Frame, day, is_shown, plain
from flows.spreadsheet import spreadsheet_text

if TYPE_CHECKING:
    from flows.stages.release import Release

CAVEAT = (
    "Observational, unblinded, self-reported data; not a substitute for randomised trials; "
    "shows association, not effect."
)


def write_report(release: Release, folder: Path) -> Path:
    """Write `index.html`, `release.csv` and `release.parquet` into the folder and return the page's path.

    They are made from the suppressed frame only. Each is written under another name first and is its owner's alone.
    """
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    parquet = io.BytesIO()
    pq.write_table(release.frame, parquet)
    _write(folder / "release.parquet", parquet.getvalue())
    _write(folder / "release.csv", to_csv(release).encode("utf-8"))
    return _write(folder / "index.html", to_html(release).encode("utf-8"))


def _write(path: Path, content: bytes) -> Path:
    partial = path.with_name(f".{path.name}.part")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    partial.replace(path)
    return path


def to_csv(release: Release) -> str:
    """The frame as CSV. Suppressed values are empty and their `state` says so; no cell can start a formula."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(release.frame.column_names)
    for row in release.frame.to_pylist():
        writer.writerow([_csv_value(value) for value in row.values()])
    return text.getvalue()


def _csv_value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6f}".rstrip("0").rstrip(".")
    if isinstance(value, str):
        return spreadsheet_text(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def to_html(release: Release) -> str:
    """The page: one file, no script, nothing fetched."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("flows.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    frame = Frame.of(release)
    css = files("flows.pages").joinpath("templates", "report.css").read_text(encoding="utf-8")
    page = templates.get_template("report.html").render(
        release=release,
        css=css,
        facts=_facts(frame),
        sections=[who_reports(frame), symptoms(frame), weakness(frame), treatments(frame), data_quality(frame)],
        caveat=CAVEAT,
        membership=_membership_sentence(frame),
        day=day,
        when=frame.when,
        suppressed_count=release.suppressed_count,
        figure_count=release.frame.num_rows,
        earlier_count=frame.earlier_count,
    )
    # A number stays on one line with its percent sign, and with the n it is the value of.
    return re.sub(r"(?<=\d) (?=%)|(?<=\bn) (?== )|(?<=\bn =) (?=\d)", "\u00a0", page)


def _facts(frame: Frame) -> list[tuple[str, str]]:
    release = frame.release
    patients = frame.figure("membership", "reported_on")
    members = frame.figure("membership", "members")
    return [
        ("Patients counted", plain(patients)),
        ("Members in all", plain(members)),
        ("As of", f"{release.as_of_at.day} {release.as_of_at:%b %Y}"),
        ("Up to batch", f"{release.as_of_batch:,}"),
        ("Minimum cell", f"{release.minimum_cell}"),
    ]


def _membership_sentence(frame: Frame) -> str:
    patients, members, consented = (
        frame.figure("membership", step) for step in ("reported_on", "members", "consented")
    )
    if not is_shown(patients) or not (patients or {}).get("value"):
        return "Members of these platforms who chose to report."
    return (
        f"Members of these platforms who chose to report: {plain(patients)} consented patients with multiple "
        f"sclerosis. {_agreed_sentence(consented, members)}"
    )


def _agreed_sentence(consented: Figures | None, members: Figures | None) -> str:
    if is_shown(consented) and is_shown(members):
        return f"{plain(consented)} of {plain(members)} members agreed to be counted."
    if is_shown(consented):
        return f"{plain(consented)} members agreed to be counted; how many members there are is suppressed."
    if is_shown(members):
        return f"How many of the {plain(members)} members agreed to be counted is suppressed."
    return "How many members there are, and how many of them agreed to be counted, is suppressed."
