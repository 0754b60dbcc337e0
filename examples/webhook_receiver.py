"""Receive orbitview's webhooks: check the signature, answer at once, never do the same event twice.

WEBHOOK_SECRET=whsec_… python examples/webhook_receiver.py [PORT]
"""

from __future__ import annotations

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

seen: set[str] = set()
"""Event ids; keep them in your database."""


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            Webhook(os.environ["WEBHOOK_SECRET"]).verify(body, headers)
        except WebhookVerificationError:
            self.send_error(401, "bad signature")
            return
        self.send_response(204)
        self.end_headers()
        event = headers["webhook-id"]
        if event not in seen:  # deliveries may repeat, events do not
            seen.add(event)
            job = json.loads(body)
            print(job["track_id"], job["status"], *job.get("output", []), flush=True)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 9000
    ThreadingHTTPServer(("127.0.0.1", port), Receiver).serve_forever()
