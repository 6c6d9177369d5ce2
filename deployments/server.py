"""Prefect's own server, quiet: `python -m deployments.server`, with the options of `prefect server start`.

It sends nothing anywhere, and nor do its pages. Prefect has a second set of pages, which names a third party's server to every
browser that opens it; no setting keeps it from being served, but what is not installed is not.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from deployments.local_server import QUIET


def main() -> None:
    """Run `prefect server start` with this process's arguments."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    # Only now: Prefect reads its settings when it is imported.
    import prefect
    from prefect.cli import app

    prefect.__ui_v2_static_path__ = Path(os.devnull) / "none"
    sys.argv[1:1] = ["server", "start"]
    app()


if __name__ == "__main__":
    main()
