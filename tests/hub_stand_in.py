"""A model hub on this machine: as much of its HTTP interface as its client asks for, and its ways to fail."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

LARGE = (".safetensors", ".bin", ".ckpt")
COMMIT = "c0ffee" + 34 * "0"


class HubStandIn:
    """Serves one repository.

    Attributes:
        files: what it publishes.
        spoiled: what it sends instead, under the sums of ``files``.
        sizes: sizes that it states, where they are not the files' own.
        refuse: HTTP status of every answer; 0 for none.
        drops: how many answers with a body of a large file break off in the middle.
        sent: how often each file was sent.
        asked: revisions that were asked for.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files, self.spoiled, self.sizes = files, dict[str, bytes](), dict[str, int]()
        self.refuse, self.drops = 0, 0
        self.sent: Counter[str] = Counter()
        self.asked: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_HEAD(self) -> None:
                hub._answer(self, body=False)

            def do_GET(self) -> None:
                hub._answer(self, body=True)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Stop; from now on nothing listens there."""
        self._server.shutdown()
        self._server.server_close()

    def _entry(self, name: str) -> dict[str, object]:
        data = self.files[name]
        size = self.sizes.get(name, len(data))
        entry: dict[str, object] = {"type": "file", "path": name, "rfilename": name, "size": size}
        entry["oid"] = entry["blobId"] = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        if name.endswith(LARGE):
            sha = hashlib.sha256(data).hexdigest()
            entry["lfs"] = {"oid": sha, "sha256": sha, "size": size, "pointerSize": 130}
        return entry

    def _answer(self, handler: BaseHTTPRequestHandler, body: bool) -> None:
        path = unquote(urlsplit(handler.path).path)
        if self.refuse:
            self._send(handler, self.refuse, b'{"error": "no"}', {}, body)
        elif path.startswith("/api/models/"):
            entries = [self._entry(name) for name in sorted(self.files)]
            if "/revision/" in path:
                self.asked.append(path.rsplit("/", 1)[1])
            told = entries if "/tree/" in path else {"id": "a/b", "sha": COMMIT, "siblings": entries}
            self._send(handler, 200, json.dumps(told).encode(), {"Content-Type": "application/json"}, body)
        else:
            name = path.split("/resolve/")[1].split("/", 1)[1]
            data, entry = self.spoiled.get(name, self.files[name]), self._entry(name)
            tag = entry["lfs"]["oid"] if "lfs" in entry else entry["oid"]  # type: ignore[index]
            headers = {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT}
            if body:
                self.sent[name] += 1
            if body and self.drops and name.endswith(LARGE):
                self.drops -= 1
                handler.send_response(200)
                handler.send_header("Content-Length", str(len(data)))
                handler.end_headers()
                handler.wfile.write(data[: len(data) // 2])
                handler.close_connection = True
            else:
                self._send(handler, 200, data, headers, body)

    @staticmethod
    def _send(handler: BaseHTTPRequestHandler, status: int, data: bytes, headers: dict[str, str], body: bool) -> None:
        handler.send_response(status)
        for key, value in (headers | {"Content-Length": str(len(data))}).items():
            handler.send_header(key, value)
        handler.end_headers()
        if body:
            handler.wfile.write(data)


def files_of(folder: Path) -> dict[str, bytes]:
    """What a folder holds, by name."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
