"""Durable jobs: records, the queue, the worker and webhooks."""
