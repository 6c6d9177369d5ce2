"""What the fault tests tried, for the summary at the end of the run."""

from collections import Counter

counts: Counter[str] = Counter()


def tried(kind: str, number: int = 1) -> None:
    """Note that so many faults of a kind were tried."""
    counts[kind] += number
