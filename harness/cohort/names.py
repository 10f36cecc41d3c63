"""One name for one student, however a list, a file system or a keyboard has written it."""

import unicodedata

from harness.intake.sources import printable

_JOINERS = "\u200c\u200d"
"""Zero-width characters that are part of how Persian, Arabic and Indic names are spelled."""


def known_as(written: str) -> str:
    """Give the name under which a student is entered and looked up.

    Letters are composed (NFC), every kind of space is one space, and other invisible characters are left out.
    """
    kept = (c for c in printable(written) if c in _JOINERS or unicodedata.category(c) != "Cf")
    spaced = "".join(" " if unicodedata.category(c) == "Zs" else c for c in kept)
    return " ".join(filter(None, spaced.split(" "))).strip(f" {_JOINERS}")


def is_name(text: str) -> bool:
    """Tell whether a text may be a student's name: not empty, and no control character in it."""
    return text != "" and all(c in _JOINERS or c.isprintable() for c in text)
