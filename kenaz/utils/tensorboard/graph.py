"""A model as TensorBoard's graph page shows it: its modules, in the order and with the shapes of one forward pass."""

from __future__ import annotations

from typing import Any

from ... import _api as torch
from .._pytree import tree_iter
from .records import message


def graph(model: Any, inputs: Any) -> bytes:
    """The GraphDef of a module called on `inputs` (a tensor, or a tuple of arguments)."""
    arguments = inputs if isinstance(inputs, tuple) else (inputs,)
    nodes: list[bytes] = []
    maker: dict[int, str] = {}  # the node that last made a tensor
    keep: list[Any] = []  # an id stays a tensor's own as long as the tensor lives

    def note(value: Any, name: str) -> None:
        for t in tree_iter(value):
            if isinstance(t, torch.Tensor):
                keep.append(t)
                maker[id(t)] = name

    def sources(value: Any) -> list[str]:
        return list(dict.fromkeys(maker[id(t)] for t in tree_iter(value) if id(t) in maker))

    names = {id(m): "/".join((type(model).__name__, *n.split("."))) if n else "" for n, m in model.named_modules()}
    for i, argument in enumerate(arguments):
        name = f"input/input_{i}"
        nodes.append(_node(name, "IO Node", [], argument))
        note(argument, name)

    def after(module: Any, args: Any, result: Any) -> None:
        name = names[id(module)]
        if name and not any(True for _ in module.children()):
            nodes.append(_node(name, type(module).__name__, sources(args), result, _parameters(module, name, nodes)))
            note(result, name)

    handles = [m.register_forward_hook(after) for m in model.modules()]
    was_training = model.training
    try:
        model.eval()
        with torch.no_grad():
            result = model(*arguments)
    finally:
        model.train(was_training)
        for handle in handles:
            handle.remove()
    nodes.append(_node("output/output_0", "IO Node", sources(result), result))
    return message(*((1, "bytes", n) for n in nodes), (4, "bytes", message((1, "int", 22))))


def _parameters(module: Any, name: str, nodes: list[bytes]) -> list[str]:
    found = []
    for key, parameter in module.named_parameters(recurse=False):
        found.append(f"{name}/{key}")
        nodes.append(_node(found[-1], "Parameter", [], parameter))
    return found


def _node(name: str, op: str, inputs: list[str], value: Any, more: list[str] | None = None) -> bytes:
    tensors = [t for t in tree_iter(value) if isinstance(t, torch.Tensor)]
    shapes = message(
        *((7, "bytes", message(*((2, "bytes", message((1, "int", n))) for n in t.shape))) for t in tensors)
    )
    attribute = (
        message((1, "bytes", "_output_shapes"), (2, "bytes", message((1, "bytes", shapes)))) if tensors else None
    )
    return message(
        (1, "bytes", name), (2, "bytes", op), *((3, "bytes", i) for i in (*inputs, *(more or ()))),
        (5, "bytes", attribute),
    )  # fmt: skip
