"""The workbench's errors: each message says what was received, which rule it broke and what to do next."""

from __future__ import annotations


class WorkbenchError(Exception):
    """Base of all errors that the workbench raises on purpose."""


class LoadError(WorkbenchError):
    """A model, or a file of one, that cannot be read."""


class InputError(WorkbenchError, ValueError):
    """An argument, or a model's input, that does not fit."""


class RunError(WorkbenchError):
    """A model whose inputs fit and that still cannot be run, with the runtime's reason."""


class MissingLibraryError(WorkbenchError, ImportError):
    """A library that the request needs and that is not installed; the message has the pip line."""


class HistoryError(WorkbenchError):
    """A history of races that cannot be read or written; a race that could not be kept is in a file it names."""


class RaceError(WorkbenchError):
    """A race that cannot be run or whose process failed."""


class QueueFullError(WorkbenchError):
    """A request that is refused since too many wait already; it may be sent again later."""


class ClosedError(WorkbenchError):
    """A request to something that was closed, or whose process has ended."""


class StateError(WorkbenchError):
    """A step that the state of a kernel does not allow; the message names both states."""


class ReplyTimeoutError(WorkbenchError, TimeoutError):
    """An answer, or a reply, that did not come in time."""


class DeadLetterError(WorkbenchError):
    """A message that no kernel will answer; the message says why, and the runtime keeps it as a dead letter."""


class KernelDiedError(WorkbenchError):
    """A message of which its kernel died."""


class CacheError(WorkbenchError):
    """A folder of models that cannot be kept within its budget, or cannot be read or written."""


class TruncationWarning(UserWarning):
    """A text that was too long for its model, of which the rest was left out."""
