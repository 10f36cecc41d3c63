"""A submission's files put together from where a platform has laid them among those of others."""

import os
import shutil
from pathlib import Path, PurePosixPath

from harness.base.errors import UsageError
from harness.cohort.platforms.roster import Listed
from harness.sources.archives import is_archive
from harness.sources.files import MAX_BYTES, name_in_copy, open_regular, too_much
from harness.sources.packed import is_source_or_archive, nothing_to_judge
from harness.sources.submission import is_program
from harness.sources.unpack import MAX_UNPACKED, unpack_file


def gather(listed: Listed, to: Path) -> Path:
    """Copy what can be judged of a submission's parts into the empty folder `to`.

    Returns the folder, or the one file that there is.

    Raises:
        UsageError: nothing in it can be judged, a link, more than a submission may hold, or an entry that no
            honest zip file has.
    """
    names = dict(listed.parts)
    if not any(is_source_or_archive(PurePosixPath(name)) for name in names.values()):
        raise nothing_to_judge(listed.source, names.values())
    given, (first, *others) = Path(listed.given), names
    if given.is_dir() and not others:
        return given / first
    if given.is_dir():
        for path, name in names.items():
            if is_source_or_archive(PurePosixPath(name)):
                _copy(given / path, to / name_in_copy(PurePosixPath(name)).name, listed.source)
    else:
        with given.open("rb") as file:
            unpack_file(
                file, to, f"{listed.source} in {given.name}", renamed=names.get, accepts=is_source_or_archive
            )
    files = [path for path in to.rglob("*") if path.is_file()]
    is_one = len(files) == 1 and files[0].parent == to and (is_archive(files[0]) or is_program(files[0]))
    return files[0] if is_one else to


# Private functions


def _copy(path: Path, to: Path, source: str) -> None:
    file = open_regular(path)
    if file is None:
        raise UsageError(f"{source}: a link; expected the submission itself. Put the file or folder there.")
    with file, to.open("xb") as copy:
        if os.fstat(file.fileno()).st_size > (MAX_UNPACKED if is_archive(path) else MAX_BYTES):
            raise UsageError(too_much(source))
        shutil.copyfileobj(file, copy)
