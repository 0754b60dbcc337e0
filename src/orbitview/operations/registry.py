"""The table of operations: every module beside this one that has an ``OPERATION``."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

from ..errors import InvalidRequest
from .base import Operation


@cache
def operations() -> dict[str, Operation]:
    """All operations by name."""
    package = __name__.rpartition(".")[0]
    place = import_module(package).__path__
    modules = (import_module(f"{package}.{found.name}") for found in pkgutil.iter_modules(place))
    listed: list[Operation] = [module.OPERATION for module in modules if hasattr(module, "OPERATION")]
    return {operation.name: operation for operation in listed}


def operation_of(name: str) -> Operation:
    """The operation of a job's record.

    Raises:
        InvalidRequest: there is none of that name: the record is a later version's.
    """
    try:
        return operations()[name]
    except KeyError:
        raise InvalidRequest(f"The operation {name!r} is not known here.", hint="Upgrade this server.") from None
