"""What an error that passes through module calls is told: which module it came from, and what that was called with."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from .. import _api as torch


class CallNote(str):
    """The note of an exception: "in Net.encoder.2: Linear(...), called with (float32[3, 4])".

    It is written in the innermost module; each module around it that the exception passes extends the path to the left.
    """

    module: Any  # the outermost module so far
    path: str  # from it to the innermost
    text: str  # what is said of the innermost

    @classmethod
    def of(cls, module: Any, path: str, text: str) -> CallNote:
        note = cls(f"in {type(module).__name__}{'.' if path else ''}{path}{text}")
        note.module, note.path, note.text = module, path, text
        return note


def explain(error: Exception, module: Any, args: tuple) -> None:
    """Tell an exception that leaves a module's call where it comes from; its type and message stay as they are."""
    with suppress(Exception):
        notes = getattr(error, "__notes__", [])
        position = next((i for i, note in enumerate(notes) if type(note) is CallNote), None)
        if position is None:
            error.add_note(CallNote.of(module, "", _describe(module, args)))
            return
        note = notes[position]
        name = next((name for name, below in module.named_modules() if below is note.module), "")
        if name:
            path = f"{name}.{note.path}" if note.path else name
            notes[position] = CallNote.of(module, path, note.text)


def _describe(module: Any, args: tuple) -> str:
    layer = "" if module._modules else f": {module!r}"
    return f"{layer}, called with ({', '.join(_describe_value(a) for a in args)})"


def _describe_value(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
    return repr(value) if isinstance(value, bool | int | float | str | None) else type(value).__name__
