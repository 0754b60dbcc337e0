"""Tell the caller's server that a job has ended (Standard Webhooks signatures)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
from standardwebhooks import Webhook

from ..operations.registry import operation_of
from ..outgoing import Limit, client
from .answers import fetch_answer

if TYPE_CHECKING:
    from .queue import JobQueue
    from .records import Row

PATIENCE = 15.0
"""Seconds for one attempt."""
RETRY_FOR = 86400
"""Seconds over which a webhook is tried again."""


def send(job: Row, event: str, queue: JobQueue) -> tuple[int | None, str | None]:
    """One POST: the fetch answer plus ``track_id`` and ``webhook_type``.

    Returns:
        The HTTP status, if there was an answer, and what went wrong, if anything did.
    """
    told = {
        "track_id": json.loads(job["request"]).get("track_id", job["track_id"]),
        "webhook_type": operation_of(job["operation"]).webhook_type,
    }
    payload = fetch_answer(job, queue) | told
    body = json.dumps(payload, separators=(",", ":"))
    now = datetime.now(UTC)
    headers = {"content-type": "application/json", "webhook-id": event, "webhook-timestamp": str(int(now.timestamp()))}
    key = queue.records.key(job["key_id"])
    secret = key["webhook_secret"] if key else queue.settings.webhook_secret
    if secret:
        headers["webhook-signature"] = Webhook(secret).sign(msg_id=event, timestamp=now, data=body)
    try:
        with (
            client(queue.settings.allow_hosts, Limit(PATIENCE)) as session,
            session.stream("POST", job["webhook"], content=body, headers=headers) as answer,
        ):
            pass  # the status is all that counts: a body without end is not read
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return None, str(error)[:300] or type(error).__name__
    return answer.status_code, None if answer.is_success else f"status {answer.status_code}"
