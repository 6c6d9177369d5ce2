"""Names and texts as SQL reads them: the one place where either is quoted."""


def quoted(identifier: str) -> str:
    """The identifier, whatever characters it holds."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """The text as a string literal, for the statements that take no bound values (views, COPY options, comments)."""
    return "'" + text.replace("'", "''") + "'"
