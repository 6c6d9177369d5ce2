"""What is wrong with a YAML, in the words of who writes it, and without any of its values: a secret may stand there by mistake."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from schemas.apis import FormKey

# Parts whose `kind` says what else they have; pydantic names that kind as if it were a step on the way. REDCap's key is of one kind.
_KINDS = ("api", "authentication", "paging")


def told(error: ValidationError) -> list[str]:
    """Each fault by the names on the way to it; not that a list lacks what another fault says of its elements."""
    faults = error.errors(include_url=False, include_input=False)
    return [f"{_way(fault) or 'file'}: {_words(fault)}" for fault in faults if not _follows(fault, faults)]


def _follows(fault: ErrorDetails, others: list[ErrorDetails]) -> bool:
    way = fault["loc"]
    return fault["type"] == "too_short" and any(way == other["loc"][: len(way)] != other["loc"] for other in others)


def _way(fault: ErrorDetails) -> str:
    way = fault["loc"]
    steps = zip(("", *way), way, strict=False)
    return ".".join(str(name) for before, name in steps if before not in _KINDS or name in FormKey.model_fields)


def _words(fault: ErrorDetails) -> str:
    said = fault.get("ctx", {})
    match fault["type"]:
        case "missing":
            return "is not there"
        case "extra_forbidden":
            return "is no name that is known here"
        case "model_type" | "model_attributes_type" | "dict_type":
            return "must be `name: value` pairs"
        case "union_tag_not_found":
            return "does not say of which `kind` it is"
        case "union_tag_invalid":
            return f"is of no `kind` that is known; there are: {said['expected_tags']}"
        case "string_pattern_mismatch":
            return f"is not written as {said['pattern']} says"
        case _:
            return fault["msg"].removeprefix("Value error, ")
