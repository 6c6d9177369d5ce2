"""Texts of others in a CSV of ours: a spreadsheet must not run them, nor a terminal be steered by them."""

# A spreadsheet takes a cell that begins like this for a formula (OWASP, CSV injection).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
# What steers a terminal, and what turns the direction of writing so that a name looks like another.
_KEPT = "\t\r\n"


def spreadsheet_text(text: str) -> str:
    """The text as a cell that stays a text: an apostrophe before what would be a formula, signs of control as escapes.

    >>> spreadsheet_text("=1+1")
    "'=1+1"
    """
    plain = "".join(
        sign if sign.isprintable() or sign in _KEPT else sign.encode("unicode_escape").decode() for sign in text
    )
    return f"'{plain}" if plain.startswith(_FORMULA_STARTS) else plain
