"""Every error that a user can cause: one family, each with a code, a sentence and a hint."""

from __future__ import annotations


class OrbitviewError(Exception):
    """Base of all errors that orbitview raises on purpose.

    Attributes:
        code: stable, machine-readable name.
        message: one sentence that says what is wrong.
        hint: what to do next.
        field: the request field at fault, if there is one.
        status: the HTTP status that fits.
    """

    code = "error"
    status = 500

    def __init__(self, message: str, *, hint: str = "", field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.field = field

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self), self.message, self.hint, self.field)


def _restore(kind: type[OrbitviewError], message: str, hint: str, field: str | None) -> OrbitviewError:
    return kind(message, hint=hint, field=field)


class InvalidRequest(OrbitviewError):
    """A parameter is missing, of the wrong kind or out of range."""

    code = "invalid_request"
    status = 422


class InvalidImage(OrbitviewError):
    """The picture cannot be read, is too large, or shows no object."""

    code = "invalid_image"
    status = 422


class EngineUnavailable(OrbitviewError):
    """The engine is unknown or lacks a package, its weights or a device."""

    code = "engine_unavailable"
    status = 422


class Cancelled(OrbitviewError):
    """The caller asked to stop."""

    code = "cancelled"
    status = 409
