"""The base of all values that are read from and written to files or other processes."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A value that knows its keys, holds only finite numbers, and does not change."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
