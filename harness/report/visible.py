"""Text from a submission, made harmless before it is escaped: nothing invisible, nothing endless."""

import re

LONGEST_NAME = 120
"""Characters of a name that are shown; its first and last ones are kept."""

_JOINED = "[\u0600-\u08ff\u0900-\u0dff]"
JOINER = f"(?<={_JOINED})[\u200c\u200d](?={_JOINED})"
"""Zero-width characters that are part of how Persian, Arabic and Indic words are spelled."""

# Control characters (a terminal's escape codes begin with one), half surrogates, and the marks that hide
# or reorder what stands beside them: zero-width characters, and those that set the direction of writing.
# Tab and line feed stay.
_HIDDEN = re.compile(
    f"(?!{JOINER})"
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufeff\uffa0\ufff9-\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)


def visible(text: str) -> str:
    """Replace what cannot be seen by its code, as in ``⟨U+202E⟩``."""
    return _HIDDEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text.replace("\r\n", "\n"))


def short(name: str) -> str:
    """Cut the middle out of a very long name."""
    if len(name) <= LONGEST_NAME:
        return name
    half = LONGEST_NAME // 2
    return f"{name[:half]}…{name[-half + 1 :]}"
