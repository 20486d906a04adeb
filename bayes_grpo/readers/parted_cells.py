"""Rows of tables in the markup of texts, with tabs in place of what parts their cells: pipes, Jira's, LaTeX's."""

import re

#: What may stand behind a command of LaTeX that draws a line.
_WHERE = r"(?:\[[^\]]{0,20}\]|\([a-z]{1,4}\)|\{[^{}]{0,20}\})*"

#: The end of a row of LaTeX, and what may follow it: a space below the row, lines, a comment.
_END = re.compile(rf"\\\\(?:\[[^\]]{{0,20}}\])?(?:\s|\\[a-z]+{_WHERE})*(?:%.*)?$")
#: Commands before a row of LaTeX: the lines above it.
_RULE = re.compile(rf"^\s*(?:\\(?:[a-z]*rule|hline|cline){_WHERE}\s*)+")
#: A command around the text of a cell, and the signs of LaTeX in it.
_COMMAND = re.compile(r"\\[A-Za-z]+\s*\{([^{}]*)\}")
_SIGN = re.compile(r"\\([_%&#$])|[${}]|\\(?:bfseries|bf|itshape|small|,|;)")
_AMPERSAND = re.compile(r"(?<!\\)&")


def is_rule(line: str) -> bool:
    """Whether a line only draws a line of a table of LaTeX."""
    return "\\" in line and _RULE.fullmatch(line) is not None


def with_tabs(line: str) -> str:
    r"""A row of a table with tabs between its cells; another line as it is.

    Parameters
    ----------
    line : str
        ``| 10 | 0.41 |``, ``10 | 0.41``, Jira's ``||step||reward||`` or LaTeX's ``10 & 0.41 \\``.

    Returns
    -------
    str
        The cells with tabs between them.
    """
    if "&" in line and (end := _END.search(line)) is not None:
        return "\t".join(
            _without_commands(cell) for cell in _AMPERSAND.split(_RULE.sub("", line[: end.start()].strip()))
        )
    if "|" not in line or "\t" in line:
        return line
    text = line.strip()
    if text.startswith("||"):
        text = text.replace("||", "|")
    return "\t".join(cell.strip().strip("*`") for cell in text.removeprefix("|").removesuffix("|").split("|"))


def _without_commands(cell: str) -> str:
    """The text of a cell of LaTeX; commands within commands are taken away from the inside."""
    for _ in range(3):
        cell = _COMMAND.sub(r"\1", cell)
    return _SIGN.sub(lambda sign: sign[1] or "", cell).strip()
