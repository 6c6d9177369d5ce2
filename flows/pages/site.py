"""The site: overview, a page for each topic and each subject, methods, data quality, downloads. Every page is one file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from flows.pages.columns import COLUMNS
from flows.pages.figures import Figure, Place, figures_of, sentence, table_ids
from flows.pages.frame import SUBJECT_KINDS, Frame, Subject, day
from flows.pages.lines import cells_of
from flows.pages.note import note
from flows.pages.profiles import profile
from flows.pages.quality import quality_figures
from flows.pages.words import breakable, capital, has_value, in_sentence, is_shown, plain
from schemas.topics import Topic, TopicTable, topics

if TYPE_CHECKING:
    from flows.stages.release import Release

CAVEAT = (
    "Observational, unblinded, self-reported data; not a substitute for randomised trials; "
    "shows association, not effect."
)
TITLE = "Multiple sclerosis: symptoms and treatments, as patients report them"
_PLURALS = {"symptom": "Symptoms", "treatment": "Treatments", "instrument": "Instruments"}
_QUALITY = "data_quality"


@dataclass(frozen=True)
class Section:
    """A part of a page: the figures of one topic."""

    section_id: str
    title: str
    lead: str
    figures: list[Figure]
    caveats: tuple[str, ...] = ()
    link: str = ""


@dataclass(frozen=True)
class Entry:
    """A subject in a list of pages, with the main figures on it in one sentence."""

    subject: Subject
    says: str


def make_pages(release: Release, downloads: Mapping[str, int], known: Sequence[Topic] | None = None) -> dict[str, str]:
    """Every page of the site by its file name. `downloads` are the files beside them, with their size in bytes.

    `known` are the topics; without them, those of `schemas/topics`.
    """
    return _Site(Frame.of(release), dict(downloads), topics() if known is None else known).pages()


class _Site:
    """The pages while they are made; all of them know the same frame and the same list of pages."""

    def __init__(self, frame: Frame, downloads: dict[str, int], known: Sequence[Topic]) -> None:
        self.frame, self.downloads = frame, downloads
        self.topics = _topics_with_tables(frame, known)
        self.subjects = {kind: frame.subjects(kind) for kind in SUBJECT_KINDS}
        self.css = _text("site.css")
        self.script = _text("sort.html")
        self.script_hash = base64.b64encode(hashlib.sha256(self.script.encode()).digest()).decode()

    def pages(self) -> dict[str, str]:
        found = {"index.html": self._overview()}
        for topic in self.topics:
            found[f"{topic.topic}.html"] = self._topic(topic)
        for subjects in self.subjects.values():
            for subject in subjects:
                found[subject.page] = self._subject(subject)
        found["methods.html"] = self._methods()
        found["downloads.html"] = self._downloads()
        found["release-note.html"] = self._render(
            "release-note.html", "release-note.html", "Release note", **note(self.frame.release)
        )
        return found

    def _render(self, template: str, page: str, title: str, **given: Any) -> str:
        release = self.frame.release
        text = (
            _templates()
            .get_template(template)
            .render(
                release=release,
                page=page,
                title=title,
                site_title=TITLE,
                css=self.css,
                script=self.script,
                script_hash=self.script_hash,
                caveat=CAVEAT,
                day=day,
                when=self.frame.when,
                as_of=self.frame.as_of,
                contents=self._contents(),
                **given,
            )
        )
        return breakable(text)

    def _contents(self) -> list[list[tuple[str, str]]]:
        by_kind = [(f"index.html#by-{kind}", f"By {kind}") for kind in SUBJECT_KINDS if self.subjects[kind]]
        return [
            [("index.html", "Overview")],
            [(f"{t.topic}.html", t.title) for t in self.topics if t.topic != _QUALITY],
            by_kind,
            [
                ("methods.html", "Methods and caveats"),
                (f"{_QUALITY}.html", "Data quality"),
                ("downloads.html", "Downloads"),
                ("release-note.html", "Release note"),
            ],
        ]

    def _sections(self, place: Place, taken: set[str]) -> list[Section]:
        found = []
        for topic in self.topics:
            figures = [
                figure
                for spec in topic.tables
                if place.kind in spec.places
                for figure in figures_of(self.frame, topic, spec, place, taken)
            ]
            if figures:
                link = f"{topic.topic}.html"
                found.append(Section(topic.topic, topic.title, topic.lead, figures, topic.caveats, link))
        return found

    def _overview(self) -> str:
        return self._render(
            "index.html",
            "index.html",
            TITLE,
            facts=self._facts(),
            membership=membership_sentence(self.frame),
            sections=self._sections(Place("overview"), set()),
            kinds=[(kind, _PLURALS[kind], self._entries(kind)) for kind in SUBJECT_KINDS if self.subjects[kind]],
            topics=[topic for topic in self.topics if topic.topic != _QUALITY],
            nothing=self._nothing(),
        )

    def _entries(self, kind: str) -> list[Entry]:
        return [Entry(subject, next(iter(self._says(subject)), "")) for subject in self.subjects[kind]]

    def _says(self, subject: Subject) -> list[str]:
        found = [sentence(self.frame, spec, subject) for topic in self.topics for spec in topic.tables if spec.says]
        return [text for text in found if text]

    def _is_silent(self, subject: Subject) -> bool:
        """A topic has a sentence for such subjects, and none of its figures may be said."""
        return not self._says(subject) and any(
            cells_of(self.frame, spec, table_id, subject)
            for topic in self.topics
            for spec in topic.tables
            if spec.says
            for table_id in table_ids(self.frame, spec)
        )

    def _facts(self) -> list[tuple[str, str]]:
        release = self.frame.release
        return [
            ("Patients counted", plain(self.frame.figure("membership", "reported_on"))),
            ("Members in all", plain(self.frame.figure("membership", "members"))),
            ("As of", f"{release.as_of_at.day} {release.as_of_at:%b %Y}"),
            ("Last batch of data", f"{release.as_of_batch:,}"),
            ("Smallest count shown", f"{release.minimum_cell}"),
        ]

    def _topic(self, topic: Topic) -> str:
        taken: set[str] = set()
        figures = [
            f
            for s in topic.tables
            for f in figures_of(self.frame, topic, s, Place("topic"), taken)
            if "topic" in s.places
        ]
        if topic.topic == _QUALITY:
            figures = [*quality_figures(self.frame), *figures]
        about = {cell.subject for cells in self.frame.tables.values() for cell in cells if cell.topic == topic.topic}
        return self._render(
            "topic.html",
            f"{topic.topic}.html",
            topic.title,
            topic=topic,
            figures=figures,
            kinds=[
                (kind, _PLURALS[kind], found)
                for kind in SUBJECT_KINDS
                if (found := [s for s in self.subjects[kind] if s in about])
            ],
            nothing=self._nothing() if topic.topic != _QUALITY else "No file has been admitted yet.",
        )

    def _subject(self, subject: Subject) -> str:
        listed = self.subjects[subject.kind]
        at = listed.index(subject)
        sections = self._sections(Place("subject", subject), set())
        return self._render(
            "subject.html",
            subject.page,
            subject.label,
            subject=subject,
            profile=profile(subject),
            says=self._says(subject),
            is_silent=self._is_silent(subject),
            sections=sections,
            before=listed[at - 1] if at else None,
            after=listed[at + 1] if at + 1 < len(listed) else None,
        )

    def _methods(self) -> str:
        release = self.frame.release
        methods: dict[str, dict[str, None]] = {}
        for row in self.frame.rows:
            if row["statistic"] != "count":
                methods.setdefault(row["topic"], {})[f"{row['statistic']}\0{row['method']}"] = None
        listed = [
            (topic, _by_method([self._method(topic, *key.split("\0")) for key in methods.get(topic.topic, {})]))
            for topic in self.topics
        ]
        return self._render(
            "methods.html",
            "methods.html",
            "Methods and caveats",
            topics=[(topic, found) for topic, found in listed if found or topic.caveats],
            sources=release.sources,
            suppressed_count=release.suppressed_count,
            figure_count=release.frame.num_rows,
            earlier_count=self.frame.earlier_count,
        )

    @staticmethod
    def _method(topic: Topic, statistic: str, method: str) -> tuple[str, str]:
        return topic.statistics.get(statistic) or capital(statistic.replace("_", " ")), method

    def _downloads(self) -> str:
        frame = self.frame.release.frame
        return self._render(
            "downloads.html",
            "downloads.html",
            "Downloads",
            files=[(name, _size(size)) for name, size in self.downloads.items()],
            columns=[(name, COLUMNS.get(name, "")) for name in frame.column_names],
            row_count=frame.num_rows,
        )

    def _nothing(self) -> str:
        """The sentence of a page without figures; it names the time looked at, so that an old export explains itself."""
        return f"There is nothing to show: nobody who may be counted reported on this from {self.frame.when}."


def _topics_with_tables(frame: Frame, given: Sequence[Topic]) -> list[Topic]:
    """The topics; a table of the release that none of them names stands at the end of its topic, as figures."""
    known = {topic.topic: topic for topic in given}
    for name in dict.fromkeys(cells[0].topic for cells in frame.tables.values()):
        known.setdefault(name, Topic(topic=name, title=capital(name.replace("_", " ")), position=99))
    found = []
    for topic in sorted(known.values(), key=lambda t: (t.position, t.topic)):
        named = {name for spec in topic.tables for name in table_ids(frame, spec)} | set(topic.unlisted)
        extra = [
            TopicTable(
                id=name,
                title=capital(name.replace("_", " ")),
                of_whom="Consented patients with multiple sclerosis, {as_of}.",
                columns=tuple(dict.fromkeys(statistic for cell in cells for statistic in cell.figures)),
            )
            for name, cells in frame.tables.items()
            if cells[0].topic == topic.topic and name not in named
        ]
        found.append(topic.model_copy(update={"tables": (*topic.tables, *extra)}))
    return found


def _by_method(found: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Figures made in one way named together; without those whose name says how they are made."""
    named: dict[str, list[str]] = {}
    for name, method in found:
        if name.casefold() != method.casefold():
            names = named.setdefault(method, [])
            names.append(in_sentence(name) if names else name)
    return [("; ".join(names), method) for method, names in named.items()]


def membership_sentence(frame: Frame) -> str:
    """Who is counted, as a sentence whatever of it is suppressed."""
    patients, members, consented = (
        frame.figure("membership", step) for step in ("reported_on", "members", "consented")
    )
    if patients is None or not has_value(patients) or not patients["value"]:
        return "Members of these platforms who chose to report."
    start = (
        f"Members of these platforms who chose to report: {plain(patients)} consented patients with multiple sclerosis."
    )
    if is_shown(consented) and is_shown(members):
        return f"{start} {plain(consented)} of {plain(members)} members agreed to be counted."
    if is_shown(consented):
        return f"{start} {plain(consented)} members agreed to be counted; how many members there are is suppressed."
    if is_shown(members):
        return f"{start} How many of the {plain(members)} members agreed to be counted is suppressed."
    return f"{start} How many members there are, and how many of them agreed to be counted, is suppressed."


@cache
def _templates() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("flows.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _text(name: str) -> str:
    return files("flows.pages").joinpath("templates", name).read_text(encoding="utf-8").strip()


def _size(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB" if size >= 1_000_000 else f"{max(1, round(size / 1000)):,} kB"
