"""The figures of a release as JSON, for programs: the same rows as in CSV and Parquet, with what the release says of itself."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flows.stages.release import Release


def to_json(release: Release) -> str:
    """`release` says what it is of, `figures` has one object a row; a suppressed value is null and its `state` says so."""
    about = {
        "release_id": release.release_id,
        "status": release.status,
        "as_of_batch": release.as_of_batch,
        "as_of_at": release.as_of_at,
        "drafted_at": release.released_at,
        "window_from_on": release.window_from_on,
        "window_to_on": release.window_to_on,
        "minimum_cell": release.minimum_cell,
        "fingerprint": release.fingerprint,
        "fingerprints": release.fingerprints,
        "figure_count": release.frame.num_rows,
        "suppressed_count": release.suppressed_count,
        "compared_with": release.compared_with,
        "differences": [asdict(difference) for difference in release.differences],
    }
    figures = [{name: _finite(value) for name, value in row.items()} for row in release.frame.to_pylist()]
    document = {"release": about, "figures": figures}
    return json.dumps(document, default=_text, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    """JSON has no word for what is not a number."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _text(value: Any) -> str:
    return str(value.isoformat())
