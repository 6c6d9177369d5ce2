"""Speed and memory of `outcomes ingest`, as ratios against a floor measured in the same run on the same machine.

python tests/benchmarks/ingest.py [--records 5000000] [--folder DIR]
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from measuring import FLOOR, OUTCOMES, REPORTS_A_PATIENT, measured, ratio, show


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--records", type=int, default=5_000_000)
    options.add_argument("--folder", type=Path)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        run(Path(name), given.records)


def run(folder: Path, records: int) -> None:
    from flows.cohort import write_cohort

    patients = round(records / REPORTS_A_PATIENT)
    print(f"a cohort of {patients:,} patients …", flush=True)
    log = write_cohort(folder / "cohort", patients, dirt=False)
    reports = folder / "cohort" / "symptom_report.csv"
    print(
        f"{log.records['symptom_report']:,} symptom reports, {reports.stat().st_size / 1e6:,.0f} MB, {os.cpu_count()} cores\n"
    )
    floor, floor_memory = measured(sys.executable, "-c", FLOOR, reports, folder / "floor.duckdb")
    show("floor: typed CREATE TABLE AS over read_csv", floor, floor, floor_memory)
    workspace = folder / "workspace"
    measured(OUTCOMES, "init", workspace)
    ingest = (OUTCOMES, "--workspace", workspace, "ingest")
    measured(*ingest, folder / "cohort" / "patient.csv", folder / "cohort" / "consent.csv")
    anew = folder / "symptom_report-anew.csv"
    with reports.open("rb") as old, anew.open("wb") as new:
        shutil.copyfileobj(old, new)
        new.write(b"\n")
    for what, file in (
        ("first load: land to published", reports),
        ("the same file again", reports),
        ("the same records in a new file", anew),
    ):
        # Delivered as exporters do it, by a rename into landing.
        os.link(file, workspace / "landing" / "canonical" / file.name)
        show(what, *ratio(measured(*ingest), floor))
    show("status", *ratio(measured(OUTCOMES, "--workspace", workspace, "status"), floor))
    show(
        "query",
        *ratio(
            measured(OUTCOMES, "--workspace", workspace, "query", "SELECT count(*) FROM history.symptom_report"), floor
        ),
    )
    show("report: build to pages", *ratio(measured(OUTCOMES, "--workspace", workspace, "report"), floor))


if __name__ == "__main__":
    main()
