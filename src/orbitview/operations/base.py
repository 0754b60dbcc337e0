"""What an operation says of itself, and what it works with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field

from ..cameras import Camera
from ..progress import Progress
from ..storage import Storage

Row = dict[str, Any]
Dialect = Literal["v3", "v5", "v6", "own"]
"""Of a route: the hosted service's years, which differ in small things, or our own REST."""

Flag = Literal["yes", "no"] | bool
Whole = Annotated[int | str, Field(description="A number, or the same as a string.")]
PICTURE = "https://example.com/chair.png"


class KeyBody(BaseModel):
    """What every hosted call may carry."""

    key: str | None = Field(None, description="API key; may come as Authorization: Bearer or X-API-Key instead.")


class WorkBody(KeyBody):
    """What every hosted call that makes a job may carry."""

    webhook: str | None = Field(None, description="URL that gets a POST when the job has ended.")
    track_id: str | int | None = Field(None, description="Handed back in the webhook call.")


class OwnBody(BaseModel):
    """What every request of our own REST that makes a job may carry."""

    webhook: str | None = None
    track_id: str | None = None
    priority: int = Field(10, ge=1, le=100, description="Lower runs first among the key's own jobs.")


@dataclass
class Desk:
    """Where one job's work is done.

    Attributes:
        prefix: the unguessable part of its files' keys.
        storage: where they go.
        work: an empty folder.
        progress: told the share done and the stage; raises :class:`orbitview.Cancelled` where nobody waits any more.
        publish: shows the files made so far.
        keep_scene: whether to keep the object itself, so that further files can be made of it.
        files: what was kept.
        left: what can wait until the job has been told to be done.
    """

    prefix: str
    storage: Storage
    work: Path
    progress: Progress
    publish: Callable[[list[Row]], None]
    keep_scene: bool = True
    files: list[Row] = field(default_factory=list)
    left: list[Callable[[], None]] = field(default_factory=list)

    def part(self, begin: float, end: float) -> Progress:
        """Progress of what takes from ``begin`` to ``end`` of the whole."""
        return lambda share, stage: self.progress(begin + (end - begin) * share, stage)

    def keep(self, name: str, path: Path, key: str, camera: Camera | None = None) -> None:
        """Store a file of the job's and write it down."""
        self.storage.put(key, path)
        self._note(name, key, camera)

    def keep_later(self, name: str, make: Callable[[], bytes | None], key: str) -> None:
        """Write a file down that is made and stored by :meth:`clear`."""

        def store() -> None:
            if (data := make()) is not None:
                self.storage.put(key, data)

        self._note(name, key)
        self.left.append(store)

    def _note(self, name: str, key: str, camera: Camera | None = None) -> None:
        about = camera.numbers() if camera is not None else None
        self.files.append({"name": name, "key": key, "format": name.split(".")[-1], "camera": about})

    def clear(self) -> None:
        """Do what was left for later."""
        while self.left:
            self.left.pop(0)()


class Operation(ABC):
    """Something that is done with a picture, as a job.

    Attributes:
        name: in a job's record.
        webhook_type: what the hosted service calls it.
        summary: for people.
        hosted: paths of the hosted service and their dialect.
        fetch: where the hosted service's answers tell to look for the result; the number is appended.
        body: the hosted request, as it is documented; it is read more loosely.
        example: of it.
        own: path below ``/v1`` of our own REST; empty where it has none.
        model: its request.
    """

    name: ClassVar[str]
    webhook_type: ClassVar[str]
    summary: ClassVar[str]
    hosted: ClassVar[dict[str, Dialect]]
    fetch: ClassVar[str] = "/api/v3/fetch/"
    body: ClassVar[type[KeyBody]]
    example: ClassVar[Row] = {"image": PICTURE}
    own: ClassVar[str] = ""
    model: ClassVar[type[OwnBody]] = OwnBody

    @abstractmethod
    def read(self, body: Row, storage: Storage, dialect: Dialect) -> tuple[Row, list[bytes | None]]:
        """Check a loosely typed body.

        Returns:
            The request as the job keeps it, with ``engine`` (of metrics and estimates), ``seed`` and ``image``; and the
            bytes of its pictures, None where one is a URL.

        Raises:
            BadFields: with every wrong field.
        """

    @abstractmethod
    def run(self, request: Row, pictures: Sequence[bytes], desk: Desk) -> Row:
        """Do it, and keep its files; returns what is to be known of it afterwards.

        The same request gives the same files under the same keys: a worker may die and another begin anew.
        """

    @abstractmethod
    def outputs(self, request: Row, prefix: str) -> list[str]:
        """Keys of the files that the hosted answer calls ``output``; known before the work is done."""

    @abstractmethod
    def meta(self, request: Row, made: Row, prefix: str, storage: Storage) -> Row:
        """The hosted answer's ``meta``; ``made`` is what :meth:`run` returned, empty until then."""

    def shaped(self, answer: Row, request: Row, prefix: str, storage: Storage) -> Row:
        """The hosted answer, put right where this operation's differs from the others'."""
        return answer


def picture_link(image: Row, storage: Storage) -> str:
    """The address of a job's own picture."""
    link: str = storage.link(image["key"]) if "key" in image else image["url"]
    return link
