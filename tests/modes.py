"""The two modes of the tests. The default one keeps every rule on a bounded share of examples, seeds and kills, in minutes;
`make test-long` (OUTCOMES_TESTS=long) runs all of it, and there hypothesis draws new examples each time.
"""

import os
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings

IS_LONG = os.environ.get("OUTCOMES_TESTS") == "long"
T = TypeVar("T")


def share(bounded: T, whole: T) -> T:
    """What a test takes in the default mode, and what in the long one."""
    return whole if IS_LONG else bounded


def examples(bounded: int, whole: int) -> Callable:
    """How many examples hypothesis draws for a property in the default mode, and in the long one."""
    return settings(max_examples=share(bounded, whole))


def long_only(reason: str) -> pytest.MarkDecorator:
    """For a rule whose smallest honest input takes more than 20 s; the reason is printed where it is skipped."""
    return pytest.mark.skipif(not IS_LONG, reason=f"only in `make test-long`: {reason}")


def load_hypothesis_profile() -> None:
    """Default: the same examples every time. Long: new ones, and what was found is printed so that it can be pinned by `@example`.

    No deadline, since a shared machine is slow at times; shrinking a file would take minutes, so that only the long mode does it.
    """
    common = {
        "deadline": None,
        "database": None,
        "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    }
    settings.register_profile("default mode", derandomize=True, phases=(Phase.explicit, Phase.generate), **common)
    settings.register_profile("long mode", derandomize=False, print_blob=True, **common)
    settings.load_profile("long mode" if IS_LONG else "default mode")
