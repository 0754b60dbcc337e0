"""The OpenAPI document against the server, by schemathesis: no 5xx, no answer that it does not describe."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from server_process import running

WAITS = "/v1/3d/generations"
"""Answers when the mesh is there: asked while nothing else waits."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("serve", "chosen"),
    [
        ([], ["--include-path", WAITS]),
        (["--no-worker"], ["--exclude-path", WAITS, "--exclude-path-regex", "/events$"]),
    ],
    ids=["what waits", "the rest"],
)
def test_answers_are_as_described(tmp_path: Path, serve: list[str], chosen: list[str]) -> None:
    with running(tmp_path, *serve, compatible_wait=0, max_queue=10000) as server:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", server.url + "/openapi.json", *chosen),
                *("--checks", "not_a_server_error,status_code_conformance,content_type_conformance"),
                *("--checks", "response_schema_conformance,response_headers_conformance"),
                *("--phases", "examples,coverage,fuzzing", "--max-examples", "4", "--seed", "5"),
                *("--suppress-health-check", "all", "--continue-on-failure", "--request-timeout", "60"),
            ],
            capture_output=True,
            text=True,
            timeout=500,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stdout[-6000:]
        assert httpx.get(server.url + "/readyz").status_code == 200
    assert "unexpected error" not in (tmp_path / "server.log").read_text()


def test_documents_need_no_network(tmp_path: Path) -> None:
    with running(tmp_path, "--no-worker") as server:
        for path in ("/docs", "/redoc"):
            page = httpx.get(server.url + path).text
            links = [part.split('"')[0] for part in page.replace("'", '"').split('="')[1:]]
            assert not [link for link in links if link.startswith(("http:", "https:", "//"))]
            for link in links:
                if link.startswith("/"):
                    assert httpx.get(server.url + link).status_code == 200
