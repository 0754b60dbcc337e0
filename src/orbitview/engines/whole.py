"""Whether files of weights are what loading needs: whole, of the right layout, and every tensor in its place.

A tensor that is missing would be filled with noise, and the run would report success.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import EngineUnavailable, OrbitviewError

_POINTER = b"version https://git-lfs"


def unfit(folder: Path, file: str, why: str) -> EngineUnavailable:
    """What to say of a file; the command mends it, for the folder has the engine's name."""
    return EngineUnavailable(
        f"{file} in {folder} {why}.",
        hint=f"Run: orbitview engines pull {folder.name} --accept-license.",
        field="engine",
    )


def check_files(folder: Path, names: Iterable[str]) -> None:
    """Look at each file as far as it can be done without reading tensors.

    Raises:
        EngineUnavailable: one is a pointer of Git LFS, is cut short, or is no JSON.
    """
    for name in names:
        path = folder / name
        try:
            with open(path, "rb") as file:
                start = file.read(len(_POINTER))
            if start == _POINTER:
                raise unfit(folder, name, "is a pointer of Git LFS, not the file itself")
            if path.suffix == ".json" and not isinstance(json.loads(path.read_text("utf-8")), dict):
                raise unfit(folder, name, "is not the JSON object that it should be")
            if path.suffix == ".safetensors":
                from safetensors import safe_open

                with safe_open(path, "pt"):
                    pass
            if path.suffix in (".bin", ".ckpt") and start[:2] == b"PK" and not zipfile.is_zipfile(path):
                raise unfit(folder, name, "is cut short")
        except OrbitviewError:
            raise
        except ValueError as error:  # UnicodeDecodeError and JSONDecodeError among them
            raise unfit(folder, name, f"is no valid JSON ({error})") from error
        except Exception as error:  # safetensors has an error of its own, which this module may not import
            raise unfit(folder, name, f"cannot be read: {_first_line(error)}") from error


@contextmanager
def reading(folder: Path, file: str) -> Iterator[None]:
    """Whatever goes wrong inside is the file's fault.

    Raises:
        EngineUnavailable: something went wrong.
    """
    try:
        yield
    except (OrbitviewError, MemoryError):
        raise
    except Exception as error:
        if type(error).__name__ == "OutOfMemoryError":  # torch's; the file is innocent
            raise
        raise unfit(folder, file, f"cannot be loaded: {_first_line(error)}") from error


def check_tensors(
    folder: Path, file: str, missing: Iterable[str] = (), unexpected: Iterable[str] = (), misshapen: Iterable[Any] = ()
) -> None:
    """Raises EngineUnavailable: one of them names a tensor."""
    unexpected = [name for name in unexpected if not name.endswith("position_ids")]  # a buffer of older libraries
    for names, what in ((missing, "lacks"), (misshapen, "has in another shape"), (unexpected, "has beyond the model")):
        some = sorted(str(name) for name in names)
        if some:
            more = f" and {len(some) - 1} more" if len(some) > 1 else ""
            raise unfit(folder, file, f"{what} the tensor {some[0]}{more}")


def found(folder: Path, names: str | Sequence[str]) -> str:
    """Of alternatives the one that is there, else the first."""
    names = [names] if isinstance(names, str) else names
    return next((name for name in names if (folder / name).is_file()), names[0])


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200] if text else ''}".rstrip(": .")
