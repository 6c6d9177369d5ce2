"""What can go wrong, each with its exit code. A message says what, where and what to do, and holds no value of a person."""


class PipelineError(Exception):
    """Base of all errors a user is shown without a traceback."""

    exit_code = 30


class UsageError(PipelineError):
    """The command cannot mean anything: unknown source, bad option."""

    exit_code = 2


class UnreadableError(PipelineError):
    """A file cannot be read at all: encoding, binary, empty, a required column missing."""

    exit_code = 10


class HeldError(PipelineError):
    """A file is held: tolerance, gate, or a count that does not balance."""

    exit_code = 11


class NotFoundError(PipelineError):
    """A file, batch or id that was named does not exist."""

    exit_code = 12


class TransientError(PipelineError):
    """May heal by itself and may be retried: a lock that is held, a network."""

    exit_code = 20


class BrokenIdentityError(PipelineError):
    """An accounting identity does not hold after admission. Nothing was committed."""

    exit_code = 30
