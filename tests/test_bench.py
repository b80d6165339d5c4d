"""The benchmark's tasks run, and give a time."""

import pytest

import kenaz
from bench import tasks


@pytest.mark.parametrize("task", tasks.TASKS)
def test_task(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tasks.TASKS, task, (1, tasks.TASKS[task][1]))
    assert tasks.measure(kenaz, task, {}) > 0
