"""Time and memory of a full report, with all ten record tables, at growing sizes: how it grows says more than a figure.

python tests/benchmarks/report.py [--records 1000000 10000000] [--folder DIR]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measuring import FLOOR, OUTCOMES, REPORTS_A_PATIENT, measured, ratio, show

FIGURES = """
    SELECT count(*) || ' figures, ' || count(*) FILTER (WHERE state = 'suppressed') || ' of them suppressed' AS published
    FROM ops.release_cell
"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument(
        "--records",
        type=int,
        nargs="+",
        default=[1_000_000, 10_000_000],
        help="symptom reports; the other tables grow along",
    )
    options.add_argument("--folder", type=Path)
    given = options.parse_args()
    for records in given.records:
        with tempfile.TemporaryDirectory(dir=given.folder) as name:
            run(Path(name), records)


def run(folder: Path, records: int) -> None:
    from flows.cohort import write_cohort
    from flows.cohort.model import COHORT_ENDS_ON

    log = write_cohort(folder / "cohort", round(records / REPORTS_A_PATIENT), dirt=False)
    print(
        f"\n{log.patients:,} patients, {log.records['symptom_report']:,} symptom reports, "
        f"{sum(log.records.values()):,} records in all, {os.cpu_count()} cores",
        flush=True,
    )
    reports = folder / "cohort" / "symptom_report.csv"
    floor, floor_memory = measured(sys.executable, "-c", FLOOR, reports, folder / "floor.duckdb")
    show("floor: typed CREATE TABLE AS, symptom reports", floor, floor, floor_memory)
    workspace = folder / "workspace"
    measured(OUTCOMES, "init", workspace)
    command = (OUTCOMES, "--workspace", workspace)
    (workspace / "landing" / "canonical").mkdir(exist_ok=True)
    for file in sorted((folder / "cohort").glob("*.csv")):
        os.link(file, workspace / "landing" / "canonical" / file.name)
    show("ingest of all tables", *ratio(measured(*command, "ingest"), floor))
    report = (*command, "report", "--on", str(COHORT_ENDS_ON))
    show("report: build, release, pages, publish", *ratio(measured(*report), floor))
    subprocess.run([*command, "query", FIGURES], check=True)


if __name__ == "__main__":
    main()
