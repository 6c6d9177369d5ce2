"""Who may import whom, and what may stand in which file: the directions of the design, read from the source itself."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "sql", "flows", "deployments")
PYTHON = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
SQL = sorted((ROOT / "sql").rglob("*.sql"))
STAGES = sorted((ROOT / "flows" / "stages").glob("*.py"))

# A package or module, and what of ours it may import. Anything that is not listed may import everything.
MAY_IMPORT = {
    "schemas": ("schemas",),
    "sql": (),
    "flows.stages": (
        "schemas",
        "sql",
        "flows.errors",
        "flows.settings",
        "flows.warehouse",
        "flows.stages",
        "flows.audit",
    ),
    "flows.warehouse": ("schemas", "sql", "flows.errors", "flows.settings"),
    "flows.settings": ("flows.errors",),
    "flows.errors": (),
    "flows.exports": ("schemas", "flows.errors", "flows.settings", "flows.exports"),
    "flows.audit": ("schemas",),
    "flows.pipeline": ("schemas", "sql", "flows"),
}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def imports(tree: ast.AST) -> set[str]:
    """Every module that is imported, at the top or in a function; `from a import b` may mean module a.b, so both count."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def wrong_imports(module: str, imported: set[str]) -> set[str]:
    rules = [allowed for package, allowed in MAY_IMPORT.items() if within(module, package)]
    ours = {name for name in imported if any(within(name, package) for package in PACKAGES)}
    # `from flows import errors` names `flows` too, which by itself is only a folder.
    ours -= set(PACKAGES)
    return {name for name in ours for allowed in rules if not any(within(name, package) for package in allowed)}


@pytest.mark.parametrize("path", PYTHON, ids=module_of)
def test_imports_follow_the_directions(path):
    assert wrong_imports(module_of(path), imports(parsed(path))) == set()


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("schemas.codes", "from flows.errors import UsageError"),
        ("schemas.codes", "from sql import statement"),
        ("sql", "import schemas.quoting"),
        ("flows.stages.land", "from flows import pipeline"),
        ("flows.stages.land", "def f():\n    import flows.deployed"),
        ("flows.pipeline", "from deployments import demo"),
        ("flows.warehouse", "from flows.stages.admit import admit"),
        ("flows.exports.rest", "from flows.stages import land"),
    ],
)
def test_an_import_against_the_directions_is_seen(module, line):
    assert wrong_imports(module, imports(ast.parse(line)))


ONLY_IN = {
    "prefect": ("flows.deployed", "deployments"),
    "great_expectations": ("flows.audit",),
    "duckdb_engine": ("flows.audit",),
    "httpx": ("flows.exports",),
}


@pytest.mark.parametrize("package", ONLY_IN)
def test_a_heavy_package_is_imported_in_its_module_only(package):
    users = {module_of(path) for path in PYTHON if any(within(name, package) for name in imports(parsed(path)))}
    assert {user for user in users if not any(within(user, allowed) for allowed in ONLY_IN[package])} == set()
    assert users


def test_heavy_packages_are_not_imported_with_the_pipeline():
    import subprocess
    import sys

    code = "import sys, flows.pipeline; print(sorted({'prefect', 'great_expectations', 'httpx', 'pandas', 'sqlalchemy'} & set(sys.modules)))"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
        ).stdout.strip()
        == "[]"
    )


def calls(tree: ast.AST, *names: str) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) in names]


def test_connections_are_made_in_one_place():
    users = {module_of(path) for path in PYTHON if calls(parsed(path), "duckdb.connect", "connect")}
    assert users == {"flows.warehouse"}


CLOCKS = (
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "time.time",
    "dt.datetime.now",
    "datetime.datetime.now",
    "datetime.date.today",
)


@pytest.mark.parametrize(
    "path", [*STAGES, ROOT / "flows" / "pipeline.py", *sorted((ROOT / "schemas").glob("*.py"))], ids=module_of
)
def test_the_clock_is_an_argument(path):
    assert [node.lineno for node in calls(parsed(path), *CLOCKS)] == []


def test_the_one_clock_of_the_warehouse_is_the_lock_holder_s():
    lines = (ROOT / "flows" / "warehouse.py").read_text().splitlines()
    (node,) = calls(parsed(ROOT / "flows" / "warehouse.py"), *CLOCKS)
    assert "holder = {" in lines[node.lineno - 1]


@pytest.mark.parametrize(
    "path", [p for p in SQL if {"prepare", "admit", "macros", "marts", "release"} & set(p.parts)], ids=lambda p: p.stem
)
def test_no_statement_asks_the_clock(path):
    code = re.sub(r"--.*", "", path.read_text())
    assert (
        re.findall(
            r"\b(now|current_timestamp|current_date|today|get_current_timestamp)\b\s*\(?",
            re.sub(r"\$\w+|\{\w+\}|'[^']*'", "", code),
            re.IGNORECASE,
        )
        == []
    )


# What may stand in the text of a statement: names that went through `quoted`, texts through `literal`, SQL made of contracts,
# and whole numbers. A value of a record or a word of a user is bound.
SAFE_CALLS = ("quoted", "literal", "statement", "rows_statement", "pseudonym_statement", "join", "len", "int")
SAFE_NAMES = re.compile(
    r"^(table|theirs|column|row|fed|select|test|out_of_scope|columns|read|ledger|name|names|view|listed|rejects|steps|schema|history|current|file_id|ordinal)$"
)


def unsafe_parts(tree: ast.AST) -> list[str]:
    """Values pasted into the f-strings given to `execute`, `sql` or `query`, by their source text."""
    found = []
    for node in ast.walk(tree):
        if not (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("execute", "executemany", "sql", "query")
        ):
            continue
        for part in (p for argument in node.args[:1] for p in ast.walk(argument) if isinstance(p, ast.FormattedValue)):
            inner = part.value
            is_call = isinstance(inner, ast.Call) and ast.unparse(inner.func).split(".")[-1] in SAFE_CALLS
            is_name = isinstance(inner, ast.Name) and SAFE_NAMES.match(inner.id)
            is_generated = ast.unparse(inner) in SAFE_EXPRESSIONS
            if not (is_call or is_name or is_generated):
                found.append(ast.unparse(inner))
    return found


SAFE_EXPRESSIONS = {
    "parts['content']",  # quoted names
    "parts['contested']",
    "literal(check.column) if check.column else 'NULL'",
    "file_id * _PLACES_A_FILE",  # a whole number given by the ledger
}


@pytest.mark.parametrize(
    "path", [p for p in PYTHON if "stages" in p.parts or p.stem in ("warehouse", "pipeline", "status")], ids=module_of
)
def test_values_are_bound_and_never_pasted(path):
    assert unsafe_parts(parsed(path)) == []


def test_a_pasted_value_is_seen():
    assert unsafe_parts(ast.parse("con.execute(f\"SELECT * FROM t WHERE source = '{source.name}'\")")) == [
        "source.name"
    ]


HEAVY_LINES = re.compile(r"^-- \S")


@pytest.mark.parametrize("path", SQL, ids=lambda p: str(p.relative_to(ROOT / "sql")))
def test_every_statement_says_what_it_is_for_and_its_grain(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    comment = []
    for line in lines:
        if not line.startswith("--"):
            break
        comment.append(line)
    assert comment, "no header comment"
    assert HEAVY_LINES.match(comment[0])
    assert len(comment[0]) > 20
    head = " ".join(comment)
    code = "\n".join(lines[len(comment) :])
    yields_rows = re.search(r"^\s*(WITH|SELECT|CREATE (OR REPLACE )?(TEMP )?(TABLE|VIEW)|COPY)\b", code)
    if yields_rows:
        assert "Grain:" in head
