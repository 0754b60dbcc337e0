"""The queue library's private doors are where ``orbitview.jobs.doors`` expects them."""

import inspect
from pathlib import Path

import dbos
import pytest
import sqlalchemy as sa
from dbos._dbos import DBOSRegistry  # noqa: F401  (the module that holds the doors)

import orbitview
from orbitview.config import Settings
from orbitview.jobs import doors
from orbitview.jobs.queue import JobQueue


def test_recovery_takes_a_list_of_workers_and_returns_handles() -> None:
    wanted = inspect.signature(dbos.DBOS._recover_pending_workflows)
    assert list(wanted.parameters) == ["executor_ids"]
    assert "List" in str(wanted.return_annotation) or "list" in str(wanted.return_annotation)


def test_the_database_lists_a_queues_partitions_and_the_runner_asks_it_by_name() -> None:
    from dbos import _queue, _sys_db

    assert list(inspect.signature(_sys_db.SystemDatabase.get_queue_partitions).parameters) == ["self", "queue_name"]
    assert "_sys_db.get_queue_partitions(" in inspect.getsource(_queue)


def test_a_chosen_partition_goes_first_and_other_queues_are_left_alone() -> None:
    class Database:
        def get_queue_partitions(self, name: str) -> list[str]:
            return {"jobs": ["a", "b"], "mail": ["c", "d"], "empty": []}[name]

    class Instance:
        _sys_db = Database()

    doors.choose_partition(Instance(), "jobs", max)  # type: ignore[arg-type]
    asked = Instance._sys_db.get_queue_partitions
    assert asked("jobs") == ["b"]
    assert asked("mail") == ["c", "d"]
    assert asked("empty") == []


def test_queued_together_is_queued_as_the_library_does_it(tmp_path: Path) -> None:
    """Every column of both tables, but for ids and times."""
    queue = JobQueue(Settings(data_dir=tmp_path))
    entries = [
        {
            "workflow_name": "some.work",
            "queue_name": "some-queue",
            "workflow_id": uid,
            "queue_partition_key": "somebody",
            "priority": 7,
            "app_version": "1",
        }
        for uid in ("one", "two", "three")
    ]
    with queue.engine.begin() as connection:
        queue.client.enqueue_in_transaction(connection, entries[0], "argument")  # type: ignore[arg-type]
        doors.enqueue_together(queue.client, connection, [(entry, "argument") for entry in entries[1:]])
    with queue.engine.connect() as connection:
        for table in ("workflow_status", "workflow_input"):
            rows = [dict(row) for row in connection.execute(sa.text(f"SELECT * FROM {table}")).mappings()]
            assert {row.pop("workflow_uuid") for row in rows} == {"one", "two", "three"}
            for row in rows:
                if table == "workflow_status":
                    assert row.pop("creator_xid")
                    assert all(row.pop(name) for name in ("created_at", "updated_at"))
                assert row == rows[0]
    queue.close()


@pytest.mark.parametrize(
    "door", ["_recover_pending_workflows", "_sys_db", "get_queue_partitions", "_build_enqueue_status"]
)
def test_no_other_module_uses_them(door: str) -> None:
    for path in Path(orbitview.__file__).parent.rglob("*.py"):
        if path.name != "doors.py":
            assert door not in path.read_text(), path
