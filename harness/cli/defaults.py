"""harness.toml: what a course's commands take where neither an option nor a variable says otherwise.

It is looked for in the working directory and above. Each key stands for an environment variable, which is set
from it if it is not set already; the options read the variables. Paths are relative to the file.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from harness.base.errors import UsageError

NAME = "harness.toml"
VARIABLES = {
    "assignment": "HARNESS_ASSIGNMENT",
    "data": "HARNESS_DATA",
    "store": "HARNESS_STORE",
    "results": "HARNESS_RESULTS",
}
"""The keys of the file, and the variable that each stands for."""


def defaults_file() -> Path | None:
    """Find the file that counts here; None if there is none."""
    here = Path.cwd()
    return next((file for folder in (here, *here.parents) if (file := folder / NAME).is_file()), None)


def take_defaults() -> None:
    """Set the variables that the file that counts here names, unless they are set already.

    Raises:
        UsageError: the file cannot be read, or a key or a value in it is wrong; all are named.
    """
    file = defaults_file()
    for key, value in _read(file).items() if file else ():
        os.environ[VARIABLES[key]] = os.environ.get(VARIABLES[key]) or value


# Private functions


def _read(file: Path) -> dict[str, str]:
    """Return the values of a file by key, as the variables have them."""
    from harness.base.errors import AssignmentError
    from harness.base.tables import read_toml

    try:
        table = read_toml(file)
    except AssignmentError as error:
        raise UsageError(f"{file}: {str(error).partition(': ')[2]}") from None
    mistakes = [mistake for key, value in table.items() for mistake in _mistakes(key, value, file)]
    if mistakes:
        raise UsageError("\n".join(f"{file}: {mistake}" for mistake in mistakes))
    return {key: _placed(key, value, file.parent) for key, value in table.items()}


def _mistakes(key: str, value: object, file: Path) -> Iterator[str]:
    from harness.base.tables import meant

    if key not in VARIABLES:
        yield f"{key}: no such key. {meant(key, VARIABLES, 'keys')}"
    elif not isinstance(value, str) or not value:
        yield f"{key}: expected text in quotes, got {value!r}."
    elif key == "assignment":
        try:
            _assignment(value, file.parent)
        except UsageError as error:
            yield f"{key}: {error}"
    elif key == "data" and not (file.parent / Path(value).expanduser()).is_dir():
        yield f"{key}: {value}: no such folder. Name the folder that holds the data, relative to this file."


def _assignment(value: str, folder: Path) -> Path:
    """Find an assignment: a file beside the defaults, or one that comes with the harness, by its id."""
    from harness.assignment.gallery import located

    path = folder / Path(value).expanduser()
    if path.suffix == ".toml" and not path.is_file():
        raise UsageError(
            f"{value}: no such file. Name one relative to this file, or the id of a shipped one."
        )
    return path if path.is_file() else located(value)


def _placed(key: str, value: str, folder: Path) -> str:
    """Return a value as it holds in any working directory; an id and an address stay as they are."""
    if key == "assignment":
        return str(_assignment(value, folder))
    return value if "://" in value else str(folder / Path(value).expanduser())
