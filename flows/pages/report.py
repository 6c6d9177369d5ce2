"""The report: a site of static pages, and the same published figures as CSV, Parquet and JSON."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.pages.data import to_json
from flows.pages.site import CAVEAT, make_pages
from flows.spreadsheet import spreadsheet_text

if TYPE_CHECKING:
    from flows.stages.release import Release

__all__ = ["CAVEAT", "to_csv", "write_report"]


def write_report(release: Release, folder: Path) -> Path:
    """Write the pages and the figures as CSV, Parquet and JSON into the folder; return the path of `index.html`.

    They are made from the suppressed frame only. Each is written under another name first and is its owner's alone.
    """
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    parquet = io.BytesIO()
    pq.write_table(release.frame, parquet)
    _write(folder / "release.parquet", parquet.getvalue())
    _write(folder / "release.csv", to_csv(release).encode("utf-8"))
    _write(folder / "release.json", to_json(release).encode("utf-8"))
    downloads = {path.name: path.stat().st_size for path in sorted(folder.glob("release.*"))}
    for name, page in make_pages(release, downloads).items():
        _write(folder / name, page.encode("utf-8"))
    return folder / "index.html"


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
