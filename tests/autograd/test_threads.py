"""Each thread has grad modes of its own, and begins with gradients on."""

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import kenaz as torch


def in_thread(function: Callable) -> Any:
    found: list = []

    def run() -> None:
        try:
            found.append(function())
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


def tracks() -> bool:
    return (torch.ones(2, requires_grad=True) * 2).requires_grad


def test_a_thread_begins_with_gradients() -> None:
    with torch.no_grad():
        assert in_thread(tracks) and in_thread(torch.is_grad_enabled)
        assert not tracks()
    with torch.inference_mode():
        assert in_thread(tracks) and not in_thread(torch.is_inference_mode_enabled)
        assert torch.is_inference_mode_enabled() and torch.ones(1).is_inference()


def test_a_mode_stays_in_its_thread() -> None:
    inside, done = threading.Event(), threading.Event()
    seen: list = []

    def other() -> None:
        with torch.no_grad():
            seen.append(tracks())
            inside.set()
            done.wait(10)
            seen.append(tracks())
        seen.append(tracks())

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(10)
    assert tracks() and torch.is_grad_enabled()
    done.set()
    thread.join()
    assert seen == [False, False, True]


def test_hooks_on_saved_tensors_stay_in_their_thread() -> None:
    calls: list = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: calls.append(t) or t, lambda t: t):
        in_thread(lambda: torch.ones(2, requires_grad=True).exp())
        assert not calls
        torch.ones(2, requires_grad=True).exp()
        assert calls


def test_backward_in_a_thread() -> None:
    def train() -> list:
        w = torch.ones(2, requires_grad=True)
        (w * w).sum().backward()
        return w.grad.tolist()

    with torch.no_grad():
        assert in_thread(train) == [2.0, 2.0]
        assert not torch.is_grad_enabled()


def test_modes_are_plain_while_there_is_one_thread() -> None:
    """What operators read at every call costs nothing before a second thread comes."""
    program = (
        "import kenaz as torch; from kenaz.autograd.modes import State, state; "
        "x = torch.ones(2, requires_grad=True); (x * 2).sum().backward(); print(type(state) is State)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"]
