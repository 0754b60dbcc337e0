"""A client for an orbitview server, and in compatible mode for the hosted API that it stands in for.

>>> from orbitview import Client
>>> with Client("http://127.0.0.1:8000") as client:                       # doctest: +SKIP
...     job = client.views("photo.png", formats=["glb"], wait=True)
...     client.save(job, "out")
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import httpx
from PIL import Image

from .errors import InvalidImage, InvalidRequest, OrbitviewError

Job = dict[str, Any]
"""A job as the server tells it: ``id``, ``status``, ``files`` and more (see ``GET /v1/jobs/{id}``)."""
ENDED = ("success", "failed", "cancelled")


class ServerError(OrbitviewError):
    """The server refused or failed; ``code``, ``message`` and ``hint`` are the server's."""

    code = "server_error"
    status = 502


Picture = str | os.PathLike[str] | bytes | Image.Image


def _pictures(image: Any, azimuths: Any) -> dict[str, Any]:
    """The field ``image``, or ``images`` where there are several of one object.

    Raises:
        InvalidRequest: azimuths that do not belong to as many pictures.
    """
    if not isinstance(image, list | tuple):
        if azimuths is not None:
            raise InvalidRequest("There is one picture.", hint="azimuths are for a list of pictures.", field="azimuths")
        return {"image": _picture(image)}
    known = [*(azimuths or ()), *[None] * (len(image) - len(azimuths or ()))]
    if len(known) != len(image):
        raise InvalidRequest(
            f"There are {len(known)} azimuths for {len(image)} pictures.", hint="Give one each.", field="azimuths"
        )
    pairs = zip(image, known, strict=True)
    return {"images": [{"image": _picture(p)} | ({} if a is None else {"azimuth": a}) for p, a in pairs]}


def _picture(image: str | os.PathLike[str] | bytes | Image.Image) -> str:
    """A URL as it is; anything else as a data URL."""
    if isinstance(image, str) and image.lower().startswith(("http://", "https://", "data:")):
        return image
    if isinstance(image, Image.Image):
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        data = buffer.getvalue()
    elif isinstance(image, bytes):
        data = image
    else:
        try:
            data = Path(image).read_bytes()
        except OSError as error:
            raise InvalidImage(
                f"Cannot read {image}: {error.strerror}.", hint="Check the path.", field="image"
            ) from error
    return "data:application/octet-stream;base64," + base64.b64encode(data).decode()


def _checked(response: httpx.Response) -> Any:
    """The body of a good answer.

    Raises:
        ServerError: with what the server said.
    """
    try:
        body = response.json() if response.content else None
    except ValueError:
        body = None
    if response.is_success and not (
        isinstance(body, dict) and body.get("status") in ("error", "failed") and "files" not in body
    ):
        return body
    told = body if isinstance(body, dict) else {}
    message = told.get("detail") or told.get("message") or f"The server answered with status {response.status_code}."
    if isinstance(message, dict):
        message = " ".join(text for texts in message.values() for text in texts)
    error = ServerError(str(message), hint=str(told.get("hint") or told.get("tip") or ""))
    error.code, error.status = str(told.get("title", "server_error")).replace(" ", "_"), response.status_code
    raise error


def _finished(job: Job) -> Job:
    """The job, if it succeeded.

    Raises:
        ServerError: it failed or was cancelled.
    """
    if job["status"] != "success":
        told = job.get("error") or {}
        raise ServerError(told.get("message") or f"The job was {job['status']}.", hint=told.get("hint") or "")
    return job


def _as_job(answer: dict[str, Any]) -> Job:
    """A hosted answer in the form of our own jobs."""
    files = answer.get("views") or [
        {"name": url.rsplit("/", 1)[-1], "format": "png", "url": url, "camera": None}
        for url in answer.get("output") or []
    ]
    return {
        "id": answer.get("id"),
        "status": answer["status"],
        "files": files,
        "meta": answer.get("meta", {}),
        "error": None,
    }


class _Shared:
    """What both clients know: address, key, mode."""

    def __init__(self, base_url: str, api_key: str | None, compatible: bool) -> None:
        self.base_url, self.api_key, self.compatible = base_url.rstrip("/"), api_key, compatible

    def _headers(self) -> dict[str, str]:
        return {"X-API-Key": self.api_key} if self.api_key and not self.compatible else {}

    def _start(self, image: Any, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        body = {
            **_pictures(image, options.pop("azimuths", None)),
            **{k: v for k, v in options.items() if v is not None},
        }
        if self.compatible:
            return "/api/v5/multiview", {"key": self.api_key or "", "prompt": "views of the object", **body}
        return "/v1/views", body


class Client(_Shared):
    """Talks to a server; use it as a context manager or ``close`` it.

    Args:
        base_url: of the server.
        api_key: where the server wants one.
        compatible: speak the hosted API's ``/api/v5/multiview`` and fetch loop instead of ``/v1``.
        timeout: seconds for a single request.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        api_key: str | None = None,
        *,
        compatible: bool = False,
        timeout: float = 60.0,
    ) -> None:
        super().__init__(base_url, api_key, compatible)
        self._http = httpx.Client(
            base_url=self.base_url, headers=self._headers(), timeout=timeout, follow_redirects=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def views(
        self,
        image: Picture | Sequence[Picture],
        *,
        wait: bool = True,
        progress: Callable[[Job], object] | None = None,
        **options: Any,
    ) -> Job:
        """Start a job, and by default wait for it.

        Args:
            image: path, bytes, picture, or a URL that the server fetches; or a list of such, of one object from
                several sides (``/v1`` alone).
            progress: called with every progress event while waiting.
            options: ``azimuths``, of a list of pictures, in degrees relative to the first (None: found), and
                fields of ``POST /v1/views``, for instance ``rig``, ``formats``, ``engine``, ``seed``.

        Raises:
            ServerError: the server refused the request, or the job failed.
        """
        path, body = self._start(image, options)
        answer = _checked(self._http.post(path, json=body))
        if self.compatible:
            while wait and answer["status"] == "processing":
                if progress:
                    progress(answer)
                time.sleep(min(2.0, max(0.2, float(answer.get("eta") or 1) / 4)))
                answer = _checked(self._http.post(f"/api/v3/fetch/{answer['id']}", json={"key": self.api_key or ""}))
            return _as_job(answer)
        return self._awaited(answer, wait, progress)

    def files(
        self,
        job_id: int,
        formats: list[str],
        *,
        wait: bool = True,
        progress: Callable[[Job], object] | None = None,
        **options: Any,
    ) -> Job:
        """Make further files of a finished job's object, as a job of its own that needs no engine.

        Args:
            formats: such as ``["usdz", "3mf", "frames"]``.
            options: further fields of ``POST /v1/jobs/{id}/files``, for instance
                ``output={"object_height": "12cm"}``.

        Raises:
            ServerError: the server refused the request, or the job failed.
        """
        body = {"formats": formats, **{k: v for k, v in options.items() if v is not None}}
        return self._awaited(_checked(self._http.post(f"/v1/jobs/{job_id}/files", json=body)), wait, progress)

    def _awaited(self, answer: Job, wait: bool, progress: Callable[[Job], object] | None) -> Job:
        if not wait:
            return dict(answer)
        for event in self.events(answer["id"]):
            if progress and event.get("status") not in ENDED:
                progress(event)
        return _finished(self.job(answer["id"]))

    def events(self, job_id: int) -> Iterator[Job]:
        """Progress of a job as it comes: ``status``, ``percent``, ``stage``, ``position``; last the whole job."""
        with self._http.stream("GET", f"/v1/jobs/{job_id}/events", timeout=None) as response:
            if not response.is_success:
                response.read()
                _checked(response)
            for line in response.iter_lines():
                if line.startswith("data: "):
                    yield json.loads(line[6:])

    def job(self, job_id: int) -> Job:
        """A job as it is now."""
        return dict(_checked(self._http.get(f"/v1/jobs/{job_id}")))

    def jobs(self) -> Iterator[Job]:
        """All jobs of this key, newest first."""
        before: int | None = None
        while True:
            page = _checked(self._http.get("/v1/jobs", params={"before": before} if before else {}))
            yield from page["jobs"]
            before = page["next"]
            if before is None:
                return

    def cancel(self, job_id: int) -> None:
        """Cancel a job that waits or runs; delete one that has ended."""
        _checked(self._http.delete(f"/v1/jobs/{job_id}"))

    def engines(self) -> list[dict[str, Any]]:
        """The server's engines."""
        return list(_checked(self._http.get("/v1/engines")))

    def upload(self, image: str | os.PathLike[str] | bytes | Image.Image) -> str:
        """Store a picture on the server; its link, to be used as ``image``."""
        return str(_checked(self._http.post("/v1/images", json={"image": _picture(image)}))["url"])

    def download(self, file: dict[str, Any]) -> bytes:
        """The bytes of one of a job's files."""
        response = self._http.get(file["url"])
        response.raise_for_status()
        return response.content

    def save(self, job: Job, directory: str | os.PathLike[str]) -> list[Path]:
        """Download all files of a job."""
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for file in job["files"]:
            path = folder / Path(file["name"]).name
            path.write_bytes(self.download(file))
            written.append(path)
        return written


class AsyncClient(_Shared):
    """The same for asyncio."""

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        api_key: str | None = None,
        *,
        compatible: bool = False,
        timeout: float = 60.0,
    ) -> None:
        super().__init__(base_url, api_key, compatible)
        self._http = httpx.AsyncClient(
            base_url=self.base_url, headers=self._headers(), timeout=timeout, follow_redirects=True
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def views(
        self,
        image: Picture | Sequence[Picture],
        *,
        wait: bool = True,
        progress: Callable[[Job], object] | None = None,
        **options: Any,
    ) -> Job:
        """See :meth:`Client.views`."""
        path, body = self._start(image, options)
        answer = _checked(await self._http.post(path, json=body))
        if self.compatible:
            while wait and answer["status"] == "processing":
                if progress:
                    progress(answer)
                await asyncio.sleep(min(2.0, max(0.2, float(answer.get("eta") or 1) / 4)))
                answer = _checked(
                    await self._http.post(f"/api/v3/fetch/{answer['id']}", json={"key": self.api_key or ""})
                )
            return _as_job(answer)
        return await self._awaited(answer, wait, progress)

    async def files(
        self,
        job_id: int,
        formats: list[str],
        *,
        wait: bool = True,
        progress: Callable[[Job], object] | None = None,
        **options: Any,
    ) -> Job:
        """See :meth:`Client.files`."""
        body = {"formats": formats, **{k: v for k, v in options.items() if v is not None}}
        answer = _checked(await self._http.post(f"/v1/jobs/{job_id}/files", json=body))
        return await self._awaited(answer, wait, progress)

    async def _awaited(self, answer: Job, wait: bool, progress: Callable[[Job], object] | None) -> Job:
        if not wait:
            return dict(answer)
        async for event in self.events(answer["id"]):
            if progress and event.get("status") not in ENDED:
                progress(event)
        return _finished(await self.job(answer["id"]))

    async def events(self, job_id: int) -> AsyncIterator[Job]:
        """See :meth:`Client.events`."""
        async with self._http.stream("GET", f"/v1/jobs/{job_id}/events", timeout=None) as response:
            if not response.is_success:
                await response.aread()
                _checked(response)
            async for line in response.aiter_lines():
                if line.startswith("data: "):
                    yield json.loads(line[6:])

    async def job(self, job_id: int) -> Job:
        """A job as it is now."""
        return dict(_checked(await self._http.get(f"/v1/jobs/{job_id}")))

    async def cancel(self, job_id: int) -> None:
        """Cancel a job that waits or runs; delete one that has ended."""
        _checked(await self._http.delete(f"/v1/jobs/{job_id}"))

    async def download(self, file: dict[str, Any]) -> bytes:
        """The bytes of one of a job's files."""
        response = await self._http.get(file["url"])
        response.raise_for_status()
        return response.content
