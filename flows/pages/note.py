"""The release note: what a release is of, what it was made by, what it hides, and how it differs from the one before."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flows.stages.release import Release


def note(release: Release) -> dict[str, Any]:
    """What the note's page is made from. Its numbers are of figures, not of people, and follow from the published frames."""
    return {"version": _version(), "hidden": hidden_by_topic(release), "totals": _totals(release)}


def hidden_by_topic(release: Release) -> list[tuple[str, int, int]]:
    """Of each topic its figures and how many of them are suppressed, in the order in which a reader meets them."""
    from schemas.topics import topics

    titles = {topic.topic: topic.title for topic in topics()}
    rows = release.frame.select(["topic", "state"]).to_pylist()
    figures = Counter(row["topic"] for row in rows)
    hidden = Counter(row["topic"] for row in rows if row["state"] == "suppressed")
    return [(titles.get(topic, topic), count, hidden[topic]) for topic, count in figures.items()]


def _totals(release: Release) -> dict[str, int]:
    kinds = ("unchanged", "changed", "new", "gone", "newly_suppressed", "newly_shown", "shown_as_before")
    return {kind: sum(getattr(difference, kind) for difference in release.differences) for kind in kinds}


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("patient-outcomes")
    except PackageNotFoundError:
        return "not installed"
