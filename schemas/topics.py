"""Topics of the report: for each the tables a reader meets, how they are drawn, and the words for their values.

A topic is one YAML file in `schemas/topics` and one statement in `sql/release` that yields its cells. Pages are made from
both; a topic needs no Python of its own.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.reading_yaml import read_yaml

# bars: a share with its interval for each value.  levels: ordered levels of each value, stacked.
# series: a line over the times of dimension_2.  curve: a step curve over the days of dimension_2.
# estimates: a point with its interval for each value, beside the line of no change.  body: parts of the body.
# table: figures only.
Chart = Literal["bars", "levels", "series", "curve", "estimates", "body", "table"]
# Where a table stands: on the overview, on the page of each of its subjects, on the page of the topic.
Place = Literal["overview", "subject", "topic"]
# The order of the lines: that of the release, or the greatest value, or the greatest lower limit, first.
Order = Literal["frame", "value", "low"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TopicTable(_Part):
    """A table of the release as the pages show it. The same table may stand twice, drawn in two ways.

    In `title` and `of_whom`, {subject} stands for the subject of the page, {when} for the window, {as_of} for the day of
    the report, {family} for what `*` of the id stands for. In `says`, {reporting} is the count and {any.share} the share of
    that value of dimension_2 (without one, of dimension_1).
    """

    table_id: str = Field(alias="id", description="table_id of the release frame; `name_*` is each that begins so")
    title: str = Field(description="What is shown; `{subject}` stands for the subject of the page")
    of_whom: str = Field(description="Of which patients, and when: a sentence")
    chart: Chart = "table"
    statistic: str = Field(default="share", description="The statistic that is drawn")
    drawn: tuple[str, ...] = Field(
        default=(), description="Only these values of dimension_2 are drawn; all are in the table"
    )
    columns: tuple[str, ...] = Field(default=("count", "share"), description="Statistics that are columns of the table")
    dimension: str | None = Field(default=None, description="Only rows of this dimension_1")
    listed: tuple[str, ...] = Field(default=(), description="Only these values of dimension_2 are in the table")
    apart: tuple[str, ...] = Field(
        default=("cant_tell", "unknown", "not_stated", "missing"), description="Levels that are no step of the others"
    )
    beside: str | None = Field(
        default=None, description="The value of dimension_2 whose share stands beside the bar, with its interval"
    )
    order: Order = "frame"
    most: int = Field(default=0, description="At most so many lines are drawn; 0: all that fit")
    reference: float = Field(default=0.0, description="The value of no change, of estimates")
    is_whole_scale: bool = Field(
        default=False, description="Points of an instrument are drawn over all of its scale, from least to greatest"
    )
    says: str = Field(default="", description="One sentence with the main figures, on the page of a subject")
    places: tuple[Place, ...] = ("topic",)
    notes: tuple[str, ...] = Field(default=(), description="How to read it, and what it does not show")


class Topic(_Part):
    """A topic. `statistics` are the words for statistics that are neither a count nor a share."""

    topic: str
    title: str
    lead: str = ""
    position: int
    tables: tuple[TopicTable, ...] = ()
    words: dict[str, dict[str, str]] = Field(default_factory=dict, description="Dimension, value, and the words for it")
    statistics: dict[str, str] = Field(default_factory=dict)
    caveats: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = Field(
        default=(), description="Tables that stand within others, and nowhere by themselves"
    )

    @model_validator(mode="after")
    def _tables_are_told_apart(self) -> Topic:
        names = [(table.table_id, table.chart, table.dimension, table.drawn, table.statistic) for table in self.tables]
        if len(names) != len(set(names)):
            raise ValueError("two tables have one id and are drawn in one way")
        return self


@cache
def topics() -> tuple[Topic, ...]:
    """All topics, in the order in which a reader meets them."""
    folder = files("schemas").joinpath("topics")
    found = [
        Topic.model_validate(read_yaml(path.read_text(encoding="utf-8")))
        for path in folder.iterdir()
        if path.name.endswith(".yaml")
    ]
    return tuple(sorted(found, key=lambda topic: (topic.position, topic.topic)))


@cache
def words() -> dict[str, dict[str, str]]:
    """The words for the values of each dimension, of all topics together."""
    found: dict[str, dict[str, str]] = {}
    for topic in topics():
        for dimension, given in topic.words.items():
            known = found.setdefault(dimension, {})
            if different := [value for value, text in given.items() if known.get(value, text) != text]:
                raise ValueError(f"topics: two words for {dimension} {', '.join(different)}")
            known |= given
    return found
