"""An API that a source is pulled from, as `api:` in the source's YAML says it. A new REST source needs nothing else.

Secrets never stand here: what is named is a variable of the environment.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_STEP = re.compile(r"\.([\w@-]+)|\['([^']+)'\]")


def steps_of(path: str) -> tuple[str, ...]:
    """The names on the way from a JSON document to one of its members: `$.meta.next`, `$['@odata.nextLink']`."""
    return tuple(found[1] or found[2] for found in _STEP.finditer(path))


def _is_path(path: str) -> str:
    if not re.fullmatch(rf"\$(?:{_STEP.pattern})+", path):
        raise ValueError("is no path of a member, as are $.next, $.meta.total, $['@odata.nextLink']")
    return path


def _is_address(address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("is no address, as is https://api.example.org/v1")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a name or password: use `authentication`")
    return address.rstrip("/")


_CRON_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_CRON_ITEM = re.compile(r"(?:\*|(\d+)(?:-(\d+))?)(?:/([1-9]\d*))?")


def _is_cron(cron: str) -> str:
    wanted = "is no schedule of five fields (minute, hour, day, month, weekday), as is '15 4 * * *'"
    values = cron.split()
    if len(values) != len(_CRON_RANGES):
        raise ValueError(wanted)
    for value, (least, most) in zip(values, _CRON_RANGES, strict=True):
        for item in value.split(","):
            found = _CRON_ITEM.fullmatch(item)
            numbers = [int(number) for number in found.groups()[:2] if number] if found else []
            if found is None or any(not least <= number <= most for number in numbers) or numbers != sorted(numbers):
                raise ValueError(wanted)
    return " ".join(values)


_UNITS = {"second": "seconds", "minute": "minutes", "hour": "hours", "day": "days", "week": "weeks"}


def _as_span(value: Any) -> Any:
    found = re.fullmatch(r"(\d{1,6}) (second|minute|hour|day|week)s?", value) if isinstance(value, str) else None
    return timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else value


def _as_texts(value: Any) -> Any:
    values = value if isinstance(value, (list, tuple)) else [value]
    return tuple(str(v) if isinstance(v, (int, float)) else v for v in values)


# What would stand in a file that is committed.
_SECRET = re.compile(r"(proxy-)?authorization|cookie|.*(token|secret|password|api[-_]?key)", re.IGNORECASE)


def _tells_no_secret(said: dict[str, str]) -> dict[str, str]:
    if names := [name for name in said if _SECRET.fullmatch(name)]:
        raise ValueError(
            f"{', '.join(names)} would hold a secret, which never stands in this file: use `authentication`"
        )
    return said


JsonPath = Annotated[str, AfterValidator(_is_path)]
Address = Annotated[str, AfterValidator(_is_address)]
Cron = Annotated[str, AfterValidator(_is_cron)]
Span = Annotated[timedelta, BeforeValidator(_as_span)]
Parameter = Annotated[str, Field(min_length=1)]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")]
# Strict, so that a secret that was written here by mistake is noticed.
Variable = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{2,}$", description="Name of a variable of the environment")]


Headers = Annotated[dict[HeaderName, str], AfterValidator(_tells_no_secret)]
Parameters = Annotated[dict[str, str], AfterValidator(_tells_no_secret)]


class Bearer(_Part):
    kind: Literal["bearer"]
    secret: Variable


class HeaderKey(_Part):
    kind: Literal["header"]
    name: HeaderName
    secret: Variable


class Basic(_Part):
    kind: Literal["basic"]
    user: str = Field(pattern=r"^[^:]+$")
    secret: Variable


class FormKey(_Part):
    """A member of the form that each request posts, as REDCap wants it."""

    kind: Literal["form"] = "form"
    name: Parameter = "token"
    secret: Variable


class ClientCredentials(_Part):
    """OAuth 2, section 4.4 of RFC 6749: a token for a client without a user, asked for anew when it has expired."""

    kind: Literal["oauth2"]
    token_address: Address
    client_id: str
    secret: Variable
    scope: str | None = None
    in_body: bool = Field(default=False, description="Id and secret in the body instead of an Authorization header")


class BackendServices(_Part):
    """SMART Backend Services: a token for a client that signs, with a key of its own, who it is. Its server knows the public half."""

    kind: Literal["smart_backend"]
    token_address: Address
    client_id: str
    key_file: Variable = Field(description="Name of a variable that holds the path of the private key, a PEM file")
    key_id: str | None = Field(default=None, description="What the server calls the key (kid)")
    algorithm: Literal["RS384", "ES384"] = "RS384"
    scope: str = "system/*.read"


Authentication = Annotated[
    Bearer | HeaderKey | Basic | ClientCredentials | BackendServices, Field(discriminator="kind")
]


class LinkHeader(_Part):
    """The header `Link` (RFC 8288) names the next page as rel="next"; the last page has none."""

    kind: Literal["link_header"]


class NextLink(_Part):
    """The body names the next page; on the last one the member is null or empty.

    A page without the member is refused, as the way on may have got another name; `may_be_absent` if the last page leaves it out.
    """

    kind: Literal["next_link"]
    at: JsonPath
    may_be_absent: bool = False


class BundleLink(_Part):
    """FHIR search: the Bundle names the next page as the link of relation `next`; the last page has none.

    Its `total` counts what was searched for, not what was put beside it.
    """

    kind: Literal["bundle"]


class Cursor(_Part):
    """A mark that is sent back for the next page: a member of the body, a header, or a member of the page's last record.

    Of the latter kind the last page is empty, or `more` is false.
    """

    kind: Literal["cursor"]
    parameter: Parameter
    at: JsonPath | None = None
    header: HeaderName | None = None
    last_record: JsonPath | None = None
    more: JsonPath | None = Field(default=None, description="A member of the body that is false on the last page")
    may_be_absent: bool = False

    @model_validator(mode="after")
    def _stands_somewhere(self) -> Cursor:
        if sum(place is not None for place in (self.at, self.header, self.last_record)) != 1:
            raise ValueError("a cursor stands either `at` a place of the body, in a `header` or in the `last_record`")
        return self


End = Literal["empty", "short", "not_found"]


class PageNumber(_Part):
    """Pages are numbered. A record that vanishes or moves while they are read shifts those behind it, so that one is skipped.

    `check_seams` notices it: the last record of each page is asked for again, by itself, after the next page was read.
    """

    kind: Literal["page"]
    parameter: Parameter = "page"
    first: int = Field(default=1, ge=0)
    end: End = "empty"
    check_seams: bool = True


class Offset(_Part):
    """Pages begin at a number of records. `check_seams` lets each begin with the last record of the one before, to notice shifts."""

    kind: Literal["offset"]
    parameter: Parameter = "offset"
    end: End = "empty"
    check_seams: bool = True


class Single(_Part):
    """One response has everything."""

    kind: Literal["none"]


class PageSize(_Part):
    parameter: Parameter
    records: int = Field(ge=1)


class Incremental(_Part):
    """Only what has changed since the last pull is asked for.

    The next pull asks from the server's own clock at the start of this one (its header `Date`) or, with `field`, from the
    latest time that the records state; in both cases the overlap earlier. Our own clock has no say in it.
    """

    parameter: Parameter
    field: JsonPath | None = Field(
        default=None, description="Where a record states when it changed, as in $.updated_at"
    )
    prefix: str = Field(default="", pattern=r"^[a-z]{0,2}$", description="Before the time, as gt in FHIR")
    overlap: Span = timedelta(minutes=10)
    format: Literal["instant", "date", "epoch_seconds", "epoch_milliseconds"] = "instant"

    @model_validator(mode="after")
    def _loses_nothing(self) -> Incremental:
        if self.overlap < timedelta(seconds=1):
            raise ValueError(
                "an `overlap` of a second at least: records of the same instant may have come on both sides of a pull"
            )
        if self.format == "date" and self.prefix == "gt":
            raise ValueError("`gt` of a date begins with the day after it: say `ge`")
        return self


class Stated(_Part):
    """A value of the response: a header, or a member of the body."""

    at: JsonPath | None = None
    header: HeaderName | None = None

    @model_validator(mode="after")
    def _stands_somewhere(self) -> Stated:
        if (self.at is None) == (self.header is None):
            raise ValueError("it stands either `at` a place of the body or in a `header`")
        return self


class Total(Stated):
    """How many records there are: in each page, or in the answer of an address of its own."""

    path: str | None = Field(default=None, pattern=r"^/[^?#]*$")


class Version(Stated):
    """The version of the format that pages state. Another one is refused before anything of it lands."""

    accepted: Annotated[tuple[str, ...], BeforeValidator(_as_texts)] = Field(min_length=1)


class Retries(_Part):
    """How long a server that is busy or down is waited for, each time twice as long, before the pull gives up for now."""

    attempts: int = Field(default=6, ge=1, le=20)
    first_seconds: float = Field(default=1.0, ge=0)
    longest_seconds: float = Field(default=300.0, gt=0, description="A server that asks for more time is left alone")


class ApiPath(_Part):
    """One list of records."""

    path: str = Field(pattern=r"^/[^?#]*$")
    file: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="How the names of its files begin")
    parameters: Parameters = {}
    total: Total | None = Field(default=None, description="Instead of the total of the API")

    @property
    def what(self) -> str:
        """Its name in messages."""
        return self.path


class RestApi(_Part):
    """Lists of JSON objects, read page by page."""

    kind: Literal["rest"] = "rest"
    address: Address
    allow_plain_http: bool = Field(default=False, description="Without encryption also beyond this machine")
    paths: tuple[ApiPath, ...] = Field(min_length=1)
    parameters: Parameters = {}
    headers: Headers = {}
    authentication: Authentication | None = None
    paging: Annotated[
        LinkHeader | NextLink | BundleLink | Cursor | PageNumber | Offset | Single, Field(discriminator="kind")
    ] = LinkHeader(kind="link_header")
    page_size: PageSize | None = None
    incremental: Incremental | None = None
    total: Total | None = None
    version: Version | None = None
    requests_per_minute: float | None = Field(default=None, gt=0)
    timeout_seconds: float = Field(default=60.0, gt=0)
    retries: Retries = Retries()
    cron: Cron | None = Field(default=None, description="When it is pulled, in UTC")

    @model_validator(mode="after")
    def _can_be_pulled(self) -> RestApi:
        _expect_private(self)
        names = [path.file for path in self.paths]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two paths write files {', '.join(twice)}: their places could not be told apart")
        paging = self.paging
        if isinstance(paging, (PageNumber, Offset)):
            if paging.end == "short" and self.page_size is None:
                raise ValueError("what is a short page is known only with `page_size`")
            if paging.check_seams and self.page_size is None and paging.kind == "page":
                raise ValueError("seams of numbered pages are checked with `page_size`; or say `check_seams: false`")
            if paging.check_seams and self.page_size is not None and self.page_size.records < 2:
                raise ValueError("pages of one record have no seams to be checked: say `check_seams: false`")
        return self

    @property
    def lists(self) -> dict[str, str]:
        """What is pulled by itself: how its files begin -> where it is."""
        return {path.file: path.path for path in self.paths}

    def members_of_body(self) -> bool:
        """Whether anything is read from the body beside its records, which only a single document has room for."""
        paging = self.paging
        stated = [self.version, self.total, *(path.total for path in self.paths)]
        is_in_body = isinstance(paging, (NextLink, BundleLink)) or (
            isinstance(paging, Cursor) and bool(paging.at is not None or paging.more is not None)
        )
        return is_in_body or any(
            s is not None and s.at is not None and not (isinstance(s, Total) and s.path) for s in stated
        )


class Since(_Part):
    """Only what has changed since the last export is asked for: from the instant that the server states for it, less the overlap."""

    overlap: Span = timedelta(0)


class BulkApi(_Part):
    """FHIR Bulk Data: a server is asked for an export, makes its files in its own time, and they are fetched one by one."""

    kind: Literal["fhir_bulk"]
    address: Address
    allow_plain_http: bool = Field(default=False, description="Without encryption also beyond this machine")
    export: str = Field(default="/$export", pattern=r"^/([\w.-]+/)*\$export$", description="As /Group/ms/$export")
    file: str = Field(
        default="export", pattern=r"^[a-z0-9][a-z0-9_-]*$", description="How the names of its files begin"
    )
    types: tuple[str, ...] = Field(default=(), description="The resources that are asked for; all if none is named")
    parameters: Parameters = {}
    headers: Headers = {}
    authentication: Authentication | None = None
    incremental: Since | None = None
    patience: Span = Field(default=timedelta(hours=12), description="How long one command waits for the files")
    requests_per_minute: float | None = Field(default=None, gt=0)
    timeout_seconds: float = Field(default=60.0, gt=0)
    retries: Retries = Retries()
    cron: Cron | None = Field(default=None, description="When it is pulled, in UTC")

    @model_validator(mode="after")
    def _can_be_pulled(self) -> BulkApi:
        _expect_private(self)
        return self

    @property
    def lists(self) -> dict[str, str]:
        """What is pulled by itself: how its files begin -> where it is."""
        return {self.file: self.export}

    def members_of_body(self) -> bool:
        return False


class RedcapList(_Part):
    """All records of a project, or those of one of its reports.

    A report has some fields only: as a version of the same records it would blank the others, so give it a source of its own.
    REDCap says nothing by which rows that a report lacks could be noticed.
    """

    file: str = Field(
        default="records", pattern=r"^[a-z0-9][a-z0-9_-]*$", description="How the names of its files begin"
    )
    report: int | None = Field(default=None, ge=1, description="The report's id")
    parameters: Parameters = {}

    @property
    def what(self) -> str:
        """Its name in messages."""
        return "the records" if self.report is None else f"report {self.report}"


class RedcapApi(_Part):
    """A REDCap project, which is asked by forms: first for its dictionary and the ids of its records, then for some records at a time."""

    kind: Literal["redcap"]
    address: Address = Field(description="As in https://redcap.example.org/api")
    allow_plain_http: bool = Field(default=False, description="Without encryption also beyond this machine")
    paths: tuple[RedcapList, ...] = Field(default=(RedcapList(),), min_length=1, description="What is exported")
    headers: Headers = {}
    authentication: FormKey
    batch_records: int = Field(default=200, ge=1, le=10_000, description="So many records are asked for at a time")
    has_groups: bool = Field(default=True, description="With the data access group of each record")
    has_surveys: bool = Field(default=True, description="With the time of each survey")
    requests_per_minute: float | None = Field(default=None, gt=0)
    timeout_seconds: float = Field(default=120.0, gt=0)
    retries: Retries = Retries()
    cron: Cron | None = Field(default=None, description="When it is pulled, in UTC")

    @property
    def lists(self) -> dict[str, str]:
        """What is pulled by itself: how its files begin -> its name in messages."""
        return {path.file: path.what for path in self.paths}

    @property
    def incremental(self) -> None:
        """A project is read as a whole each time: the time of a change that REDCap knows is that of its log, not of a record."""
        return

    @model_validator(mode="after")
    def _can_be_pulled(self) -> RedcapApi:
        _expect_private(self)
        names = [path.file for path in self.paths]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two exports write files {', '.join(twice)}: their places could not be told apart")
        return self


def _kind(said: Any) -> str:
    return str(said.get("kind", "rest") if isinstance(said, dict) else getattr(said, "kind", "rest"))


Api = Annotated[
    Annotated[RestApi, Tag("rest")] | Annotated[BulkApi, Tag("fhir_bulk")] | Annotated[RedcapApi, Tag("redcap")],
    Discriminator(_kind),
]


def _expect_private(api: RestApi | BulkApi | RedcapApi) -> None:
    said = api.authentication
    addresses = [api.address, *([said.token_address] if isinstance(said, (ClientCredentials, BackendServices)) else [])]
    if not api.allow_plain_http and not all(map(is_private, addresses)):
        raise ValueError(
            "plain http would show records and secrets to everybody on the way: use https, or say `allow_plain_http: true`"
        )


def is_private(address: str) -> bool:
    """Whether nobody on the way can read what is sent there: it is encrypted, or never leaves this machine."""
    parts = urlsplit(address)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
