"""Every way the harness itself can stop, each with its exit code.

A failed rule is never an exception: it is a `Finding`. An error here means that there is no verdict.
"""


class HarnessError(Exception):
    """No verdict could be reached; the base of all errors that the command line reports."""

    exit_code = 3


class UsageError(HarnessError):
    """The command line asks for something that does not exist or cannot be combined."""

    exit_code = 2


class AssignmentError(HarnessError):
    """The assignment or the submission's manifest is not valid; the message lists every error."""

    exit_code = 2


class DataError(HarnessError):
    """A data file is there but is not the official one, or a named data set is incomplete."""

    exit_code = 2


class DataUnavailableError(HarnessError):
    """The data set is nowhere on this machine and could not be downloaded."""

    exit_code = 3


class SandboxError(HarnessError):
    """No process can be locked on this machine; nothing of a submission runs outside the lock."""

    exit_code = 3


class GraphError(HarnessError):
    """The loader's child returned something that is not a graph that the harness accepts."""

    exit_code = 3


class TrainingError(HarnessError):
    """The training child stopped without a result, for a reason that is not the student's."""

    exit_code = 3
