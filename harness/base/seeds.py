"""Named random streams: every consumer of randomness has a seed of its own, derived from the base seed."""

import hashlib
from typing import Literal

Stream = Literal["init", "shuffle", "augment", "dropout"]


def seed_for(base: int, stream: Stream) -> int:
    """Derive the seed of one named stream, so that adding a stream never shifts another.

    `base` is any integer; the result is in [0, 2**63). The derivation is SHA-256 of
    ``"<base>/<stream>"``, the first eight bytes, top bit cleared: part of the reproducibility
    promise, so it never changes.
    """
    digest = hashlib.sha256(f"{base}/{stream}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
