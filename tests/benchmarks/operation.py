"""How long a standing installation takes from a file that lands to rows that can be queried: `make bench`.

Prints seconds beside their bounds (30 s for one file, 120 s and one report run for 1,000 at once) and asserts nothing.
`operation.py URL` has Prefect use the PostgreSQL database of that URL.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

# The root before `tests`, or tests/sql would stand in for the package `sql`.
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))
from standing import Standing, until

WAIT = 600


def seconds(standing: Standing, names: list[str]) -> float:
    """From the last of these files that lands until all are in the published file."""
    standing.drop(names)
    begun = time.monotonic()
    until(lambda: standing.has_taken(names), WAIT, standing.told)
    return time.monotonic() - begun


def main() -> None:
    database = f'server_database = "{sys.argv[1]}"\n' if len(sys.argv) > 1 else ""
    with tempfile.TemporaryDirectory() as folder:
        standing = Standing(Path(folder) / "ws", database)
        begun = time.monotonic()
        standing.start()
        print(f"outcomes up until everything runs     {time.monotonic() - begun:6.1f} s")
        try:
            seconds(standing, ["warm"])
            until(standing.is_reported, WAIT)
            until(standing.is_idle, WAIT)
            print(f"one file, warm, until it is queryable {seconds(standing, ['one']):6.1f} s   bound 30 s")
            until(standing.is_reported, WAIT)
            until(standing.is_idle, WAIT)
            before = len(standing.runs("report"))
            taken = seconds(standing, [f"many-{n}" for n in range(1000)])
            print(f"1,000 files at once                   {taken:6.1f} s   bound 120 s")
            until(standing.is_reported, WAIT)
            until(standing.is_idle, WAIT)
            print(f"report runs for them                  {len(standing.runs('report')) - before:6}     bound 1")
            print(
                f"files admitted more than once         {sum(n > 1 for n in standing.taken().values()):6}     bound 0"
            )
        finally:
            standing.stop()


if __name__ == "__main__":
    main()
