"""The sources of a submission, Python files and code cells of notebooks, and their fingerprints: what stays
when names, numbers, comments and layout are changed.

Text is only read, never compiled or run: it is cut into tokens, within bounds of size. Passages that two
texts share are found by winnowing.
Source: S. Schleimer, D. S. Wilkerson, A. Aiken, Winnowing: local algorithms for document fingerprinting,
SIGMOD 2003, 76-85, doi 10.1145/872757.872770 (the algorithm of MOSS).
"""

import hashlib
import io
import keyword
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.base.errors import UsageError
from harness.loader.protocol import NOTEBOOK
from harness.sources.files import source_files
from harness.sources.notebook_file import NotebookError, code_cells

GRAM = 24
"""Tokens in a row that make one fingerprint; shorter agreements are chance. A layer takes about 15."""
WINDOW = 9
"""Fingerprints of which one is kept: an agreement of GRAM + WINDOW - 1 = 32 tokens is never missed."""
MAX_CHARACTERS = 128 * 1024
"""Of one text; what comes after is not looked at."""
MAX_LINE = 1_000
"""Characters of a line that are looked at: Python's tokenizer takes quadratic time on some long ones."""
LIBRARIES = frozenset(sys.stdlib_module_names) | {"torch", "torchvision", "numpy"}
"""What names imported from here mean is known to everyone; all other names are their author's."""

_SKIPPED = frozenset(
    {tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING, tokenize.ENDMARKER}
)

MAX_TEXTS = 100
MAX_TOTAL_CHARACTERS = 1024 * 1024
"""Of one submission; files beyond either are not compared."""
MAX_NOTEBOOK_BYTES = 16 * 2**20
"""A larger notebook is left out; pictures among its outputs make it large, and code does not."""


@dataclass(frozen=True)
class Token:
    """One token as it is compared, and the line it is on, counted from 1."""

    text: str
    line: int


@dataclass(frozen=True)
class Text:
    """One source file: its lines to show, its tokens to compare."""

    name: str
    lines: tuple[str, ...]
    tokens: tuple[Token, ...]

    @cached_property
    def fingerprints(self) -> Mapping[str, tuple[int, ...]]:
        """Winnowed fingerprints, and where each begins among the tokens."""
        found: defaultdict[str, list[int]] = defaultdict(list)
        for position, fingerprint in winnow(grams([token.text for token in self.tokens])):
            found[fingerprint].append(position)
        return {fingerprint: tuple(places) for fingerprint, places in found.items()}


def read_text(name: str, pieces: Iterable[str]) -> Text:
    """Cut a source into tokens; `pieces` follow each other, and a mistake in one leaves the others whole."""
    lines: list[str] = []
    tokens: list[Token] = []
    left = MAX_CHARACTERS
    for piece in pieces:
        tokens += [Token(token.text, token.line + len(lines)) for token in canonical(piece[:left])]
        lines += piece[:left].splitlines()
        left = max(0, left - len(piece))
    return Text(name, tuple(lines), tuple(tokens))


def canonical(source: str) -> tuple[Token, ...]:
    """Reduce a program to what renaming and reformatting do not change.

    Its own names become ``N``, numbers ``0``, strings ``S``; what is imported from a library is written out
    (``torch.nn.Conv2d``), whatever it is called here. Imports, comments and docstrings are left out.
    """
    statements = list(_statements(source))
    known: dict[str, str] = {}
    for statement in statements:
        known |= _imported([token.text for token in statement])
    return tuple(
        token
        for statement in statements
        if statement[0].text not in ("import", "from") and any(token.text != "'" for token in statement)
        for token in _renamed(statement, known)
    )


def grams(texts: Sequence[str], length: int = GRAM) -> list[str]:
    """Hash every run of `length` tokens."""
    return [
        hashlib.blake2b("\0".join(texts[i : i + length]).encode(), digest_size=8).hexdigest()
        for i in range(len(texts) - length + 1)
    ]


def winnow(hashes: Sequence[str], window: int = WINDOW) -> list[tuple[int, str]]:
    """Select the smallest hash of every window, the rightmost of equal ones: positions and hashes."""
    kept: dict[int, str] = {}
    for start in range(max(1, len(hashes) - window + 1) if hashes else 0):
        stop = min(start + window, len(hashes))
        smallest = min(range(start, stop), key=lambda i: (hashes[i], -i))
        kept[smallest] = hashes[smallest]
    return sorted(kept.items())


def texts_below(folder: Path) -> tuple[Text, ...]:
    """Read the sources below a folder, in the order of their names.

    Nothing in them can raise: what is no Python is compared as far as it is.
    """
    found: list[Text] = []
    left = MAX_TOTAL_CHARACTERS
    for text in _texts(folder):
        left -= sum(map(len, text.lines))
        if left < 0 or len(found) == MAX_TEXTS:
            break
        if text.tokens:
            found.append(text)
    return tuple(found)


# Private functions


def _statements(source: str) -> Iterator[list[Token]]:
    """Cut a program into its logical lines; it ends where it is no Python any more."""
    statement: list[Token] = []
    lines = (f"{line[:MAX_LINE]}\n" for line in io.StringIO(source))
    tokens = tokenize.generate_tokens(lambda: next(lines, ""))
    while True:
        try:
            token = next(tokens)
        except (StopIteration, tokenize.TokenError, SyntaxError, ValueError, RecursionError):
            break
        if token.type == tokenize.NEWLINE or token.string == ";":
            if statement:
                yield statement
            statement = []
        elif token.type not in _SKIPPED and token.string.strip():
            statement.append(Token(_text(token), token.start[0]))
    if statement:
        yield statement


def _text(token: tokenize.TokenInfo) -> str:
    """Write a token down; names are told apart later, a string is marked by a quote."""
    if token.type == tokenize.NUMBER:
        return "0"
    kind = tokenize.tok_name[token.type]
    return "'" if kind == "STRING" or kind.startswith("FSTRING") else token.string


def _imported(words: Sequence[str]) -> dict[str, str]:
    """Read an import statement: what each name that it binds stands for, of the libraries alone."""
    if words[0] == "import":
        return dict(_bindings(words[1:], ""))
    if words[0] == "from" and "import" in words:
        at = words.index("import")
        module = "".join(words[1:at])
        if module.partition(".")[0] in LIBRARIES:
            return dict(_bindings([word for word in words[at + 1 :] if word not in "()"], f"{module}."))
    return {}


def _bindings(words: Sequence[str], prefix: str) -> Iterator[tuple[str, str]]:
    """Read ``a.b as c, d`` behind the word import."""
    clause: list[str] = []
    for word in (*words, ","):
        if word != ",":
            clause.append(word)
            continue
        path, alias = clause, None
        if len(clause) > 2 and clause[-2] == "as":
            path, alias = clause[:-2], clause[-1]
        clause = []
        if path and (prefix or path[0] in LIBRARIES):
            # `import a.b` binds a; `import a.b as c` binds all of it.
            yield (alias, prefix + "".join(path)) if alias else (path[0], prefix + path[0])


def _renamed(statement: Sequence[Token], known: Mapping[str, str]) -> Iterator[Token]:
    """Replace names; ``nn.Conv2d`` becomes one token if nn is known."""
    words = [token.text for token in statement]
    i = 0
    while i < len(words):
        word, line = words[i], statement[i].line
        i += 1
        if word == "'":
            yield Token("S", line)
        elif not word.isidentifier() or keyword.iskeyword(word):
            yield Token(word, line)
        elif word in known and words[i - 2 : i - 1] != ["."]:
            path = [known[word]]
            while words[i : i + 1] == ["."] and words[i + 1 : i + 2] and words[i + 1].isidentifier():
                path.append(words[i + 1])
                i += 2
            yield Token(".".join(path), line)
        else:
            yield Token("N", line)


def _texts(folder: Path) -> Iterator[Text]:
    try:
        for file in source_files(folder):
            name = file.relative_to(folder).as_posix()
            if file.suffix == NOTEBOOK:
                yield read_text(name, _cells(file))
            elif file.suffix == ".py":
                yield read_text(name, [file.read_text(encoding="utf-8", errors="replace")])
    except UsageError:  # more than a submission may hold: it was refused, and there is little to compare
        return


def _cells(file: Path) -> Iterator[str]:
    """Read the code cells of a notebook, each under a comment that numbers it; magics are blank lines."""
    if file.stat().st_size > MAX_NOTEBOOK_BYTES:
        return
    try:
        cells = code_cells(file)
    except NotebookError:
        return
    for number, source in enumerate(cells, 1):
        kept = ("" if line.lstrip().startswith(("%", "!", "?")) else line for line in source.splitlines())
        yield "\n".join([f"# cell {number}", *kept]) + "\n"
