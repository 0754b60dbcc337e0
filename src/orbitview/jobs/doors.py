"""The doors of the queue's library that are not public, all of them, and what we use them for.

``pyproject.toml`` names one version of the library; ``tests/test_doors.py`` fails where another has moved a door.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from dbos import DBOS, DBOSClient


def take_over(worker: str) -> int:
    """Run here, or queue again, the jobs that a worker left when it went for good; how many they are.

    Public calls (``list_workflows``, ``resume_workflow``) would do, but forget how often a job was begun: one that
    kills its workers would go round for ever.
    """
    return len(DBOS._recover_pending_workflows([worker]))


def choose_partition(instance: DBOS, queue: str, choose: Callable[[list[str]], str]) -> None:
    """Have ``choose`` say which of a queue's waiting partitions is served next; by itself the library draws one.

    Args:
        queue: its name; all others keep their order.
    """
    database = instance._sys_db
    plain = database.get_queue_partitions

    def chosen(name: str) -> list[str]:
        partitions: list[str] = plain(name)
        return [choose(partitions)] if name == queue and partitions else partitions

    database.get_queue_partitions = chosen


COLUMNS = (
    "status",
    "name",
    "queue_name",
    "priority",
    "serialization",
    "queue_partition_key",
    "application_name",
    "attributes",
)
"""Of a queued workflow, as the library names them in what it builds and in its table."""


def enqueue_together(client: DBOSClient, connection: sa.Connection, entries: Sequence[tuple[Any, str]]) -> None:
    """Queue workflows with new ids in the caller's transaction, each with its one argument.

    As ``enqueue_in_transaction`` does one by one, which is most of what it costs to take in a job.
    """
    database = client._sys_db
    built = [client._build_enqueue_status(options, argument)[1] for options, argument in entries]
    database._apply_caller_schema(connection)
    rows = [
        {name: status[name] for name in COLUMNS}
        | {
            "workflow_uuid": status["workflow_uuid"],
            "application_version": status["app_version"],
            "recovery_attempts": 0,
            "is_debounced": False,
            "creator_xid": status["workflow_uuid"],
        }
        for status in built
    ]
    connection.execute(sa.insert(database.tables.workflow_status), rows)
    inputs = [{name: status[name] for name in ("workflow_uuid", "inputs")} for status in built]
    connection.execute(sa.insert(database.tables.workflow_input), inputs)
