"""Checkpointing: a part of the forward pass keeps only its inputs, and runs again when its gradients are wanted.

Two ways. Without re-entering (recommended): what operators save for their gradients is replaced by empty holders, and
the first one to be opened makes the function run again and fills them all. Re-entrant: one autograd Function, whose
backward runs the function again and calls backward inside.

    >>> x = torch.ones(2, requires_grad=True)
    >>> checkpoint(torch.sin, x, use_reentrant=False).sum().backward()
    >>> x.grad
    tensor([0.5403, 0.5403])
"""

from __future__ import annotations

import contextlib
import enum
import traceback
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .. import _api as torch
from .. import autograd

__all__ = [
    "checkpoint", "checkpoint_sequential", "CheckpointError", "CheckpointFunction", "check_backward_validity",
    "detach_variable", "get_device_states", "set_device_states", "noop_context_fn", "set_checkpoint_early_stop",
    "DefaultDeviceType", "set_checkpoint_debug_enabled", "CheckpointPolicy",
]  # fmt: skip

_DEFAULT_DETERMINISM_MODE = "default"


class CheckpointError(RuntimeError):
    """The function did something else the second time."""


class CheckpointPolicy(enum.Enum):
    """What a selective checkpoint does with an operator's result."""

    MUST_SAVE = 0
    PREFER_SAVE = 1
    MUST_RECOMPUTE = 2
    PREFER_RECOMPUTE = 3
    MUST_CPU_OFFLOAD = 4
    PREFER_CPU_OFFLOAD = 5


# ----------------------------------------------------------------------------------------- switches
_early_stop: bool | None = None
_debug: bool | None = None


@contextlib.contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """Whether running a function again ends as soon as all that is needed is there; overrides `early_stop=`."""
    global _early_stop
    before, _early_stop = _early_stop, enable
    try:
        yield
    finally:
        _early_stop = before


@contextlib.contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Iterator[None]:
    """Whether errors list what was saved, and by which lines; overrides `debug=`."""
    global _debug
    before, _debug = _debug, enabled
    try:
        yield
    finally:
        _debug = before


def noop_context_fn() -> tuple[Any, Any]:
    """The default `context_fn`: nothing around the first run, nothing around the second."""
    return contextlib.nullcontext(), contextlib.nullcontext()


# -------------------------------------------------------------- what a second run needs to be equal
class DefaultDeviceType:
    """The accelerator that a checkpoint assumes when no argument says which."""

    _default_device_type: str | None = None

    @staticmethod
    def set_device_type(device: str = "cuda") -> None:
        DefaultDeviceType._default_device_type = device

    @staticmethod
    def get_device_type() -> str:
        from .. import cuda

        return DefaultDeviceType._default_device_type or ("cuda" if cuda.is_available() else "cpu")


def _tensors(args: Any) -> Iterator[torch.Tensor]:
    from ._pytree import tree_iter

    return (a for a in tree_iter(args) if isinstance(a, torch.Tensor))


def get_device_states(*args: Any) -> tuple[list[int], list[torch.Tensor]]:
    """The accelerators that the arguments live on, and the states of their generators."""
    devices = sorted({t.get_device() for t in _tensors(args) if t.device.type not in ("cpu", "meta")})
    if not devices:
        return [], []
    from .. import cuda

    return devices, [cuda.get_rng_state(d) for d in devices]


def set_device_states(devices: list[int], states: list[torch.Tensor], *, device_type: str | None = None) -> None:
    """Put the generators of accelerators back into the given states."""
    if not devices:
        return
    from .. import cuda

    for device, state in zip(devices, states):
        cuda.set_rng_state(state, device)


class _Surroundings:
    """The state around a run: random generators and autocast. `restored()` is a context in which it is as it was."""

    def __init__(self, args: Any, preserve_rng_state: bool) -> None:
        self.preserve_rng_state = preserve_rng_state
        if preserve_rng_state:
            self.cpu_state = torch.get_rng_state()
            self.devices, self.device_states = get_device_states(*args)
        self.autocast = {d: _get_autocast_kwargs(d) for d in ("cpu", "cuda")}

    @contextlib.contextmanager
    def restored(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            if self.preserve_rng_state:
                stack.callback(torch.set_rng_state, torch.get_rng_state())
                torch.set_rng_state(self.cpu_state)
                if self.devices:
                    now = get_device_states(*(torch.empty(0, device=d) for d in self.devices))
                    stack.callback(set_device_states, *now)
                    set_device_states(self.devices, self.device_states)
            for device_type, kwargs in self.autocast.items():
                if kwargs or torch.is_autocast_enabled(device_type):
                    stack.enter_context(torch.autocast(device_type, **(kwargs or {"enabled": False})))
            yield


def _get_autocast_kwargs(device_type: str = "cuda") -> dict | None:
    """How autocast is set for a kind of device, or None if it is off."""
    if not torch.is_autocast_enabled(device_type):
        return None
    return {
        "enabled": True,
        "dtype": torch.get_autocast_dtype(device_type),
        "cache_enabled": torch.is_autocast_cache_enabled(),
    }


def detach_variable(inputs: tuple) -> tuple:
    """The inputs cut off from their graph, each with the requires_grad it had."""
    if not isinstance(inputs, tuple):
        raise RuntimeError(f"Only tuple of tensors is supported. Got Unsupported input type: {type(inputs).__name__}")
    return tuple(_cut(x) for x in inputs)


def _cut(x: Any) -> Any:
    return x.detach().requires_grad_(x.requires_grad) if isinstance(x, torch.Tensor) else x


def check_backward_validity(inputs: Iterable) -> None:
    if not any(x.requires_grad for x in inputs if isinstance(x, torch.Tensor)):
        warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2)


# --------------------------------------------------------------------------------------- public API
def checkpoint(
    function: Callable,
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], tuple[Any, Any]] = noop_context_fn,
    determinism_check: str = _DEFAULT_DETERMINISM_MODE,
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """function(*args, **kwargs), whose intermediate values are computed again in the backward pass instead of kept."""
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. "
            "Starting in PyTorch 2.9, calling checkpoint without use_reentrant will raise an exception. "
            "use_reentrant=False is recommended, but if you need to preserve the current default behavior, you can "
            "pass use_reentrant=True. Refer to docs for more details on the differences between the two variants.",
            stacklevel=2,
        )
        use_reentrant = True
    preserve_rng_state = kwargs.pop("preserve_rng_state", True)
    if use_reentrant:
        if kwargs:
            raise ValueError(f"Unexpected keyword arguments: {','.join(kwargs)}")
        if context_fn is not noop_context_fn or debug is not False:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
        return CheckpointFunction.apply(function, preserve_rng_state, *args)
    if determinism_check not in _METADATA:
        raise ValueError(f"determinism_check should be one of {list(_METADATA)}, but got {determinism_check}")
    forward_context, recompute_context = context_fn()
    if not torch.is_grad_enabled():
        with forward_context:
            return function(*args, **kwargs)
    frame = _Frame(
        function, args, kwargs, preserve_rng_state, recompute_context, _METADATA[determinism_check],
        early_stop if _early_stop is None else _early_stop, debug if _debug is None else _debug,
    )  # fmt: skip
    with autograd.graph.saved_tensors_hooks(frame.pack, frame.unpack), forward_context:
        return function(*args, **kwargs)


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """A chain of functions (or an `nn.Sequential`) in so many segments, all checkpointed but the last."""
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint.checkpoint_sequential: the use_reentrant parameter should be passed explicitly. "
            "In version 2.9 we will raise an exception if use_reentrant is not passed. use_reentrant=False is "
            "recommended, but if you need to preserve the current default behavior, you can pass use_reentrant=True. "
            "Refer to docs for more details on the differences between the two variants.",
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError(f"Unexpected keyword arguments: {','.join(kwargs)}")
    functions = list(functions.children()) if hasattr(functions, "children") else list(functions)

    def chain(part: list) -> Callable:
        def run(x: Any) -> Any:
            for f in part:
                x = f(x)
            return x

        return run

    size = len(functions) // segments
    for i in range(segments - 1):
        segment = chain(functions[i * size : (i + 1) * size])
        input = checkpoint(segment, input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
    return chain(functions[(segments - 1) * size :])(input)


# --------------------------------------------------------------------------------------- re-entrant
class CheckpointFunction(autograd.Function):
    @staticmethod
    def forward(ctx, run_function, preserve_rng_state, *args):
        check_backward_validity(args)
        ctx.run_function = run_function
        ctx.surroundings = _Surroundings(args, preserve_rng_state)
        ctx.tensor_indices = [i for i, a in enumerate(args) if isinstance(a, torch.Tensor)]
        ctx.inputs = [None if isinstance(a, torch.Tensor) else a for a in args]
        ctx.save_for_backward(*(args[i] for i in ctx.tensor_indices))
        with torch.no_grad():
            return run_function(*args)

    @staticmethod
    def backward(ctx, *grads):
        if not autograd._is_checkpoint_valid():
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing an `inputs` "
                "parameter to .backward(). To resolve this error, you can either set use_reentrant=False, or call "
                ".backward() without passing the `inputs` argument."
            )
        inputs = list(ctx.inputs)
        for i, tensor in zip(ctx.tensor_indices, ctx.saved_tensors):
            inputs[i] = tensor
        inputs = detach_variable(tuple(inputs))
        with ctx.surroundings.restored(), torch.enable_grad():
            outputs = ctx.run_function(*inputs)
        outputs = (outputs,) if isinstance(outputs, torch.Tensor) else outputs
        pairs = [(o, g) for o, g in zip(outputs, grads) if isinstance(o, torch.Tensor) and o.requires_grad]
        if not pairs:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        autograd.backward([o for o, _ in pairs], [g for _, g in pairs])
        return (None, None, *(x.grad if isinstance(x, torch.Tensor) else None for x in inputs))


# ------------------------------------------------------------------------------ without re-entering
class _Holder:
    """Stands where an operator saved a tensor; `value` is there between the second run and its use."""

    __slots__ = ("__weakref__", "value")

    def __init__(self) -> None:
        self.value: torch.Tensor | None = None


class _StopRecomputation(Exception):
    """Ends a second run that has computed all that was needed."""


class _SaveInputs(autograd.Function):
    """A node of the graph that does nothing but save tensors.

    A checkpoint inside another must not keep its inputs by itself: saved this way they are among what the outer one
    drops and computes again.
    """

    @staticmethod
    def forward(ctx, anchor, *tensors):
        ctx.save_for_backward(*tensors)
        return torch.empty(0)

    @staticmethod
    def backward(ctx, *grads):
        raise AssertionError("this node is never reached")


class _Frame:
    """One checkpointed call: the holders of its first run, in order, and how to fill them."""

    def __init__(
        self, function: Callable, args: tuple, kwargs: dict, preserve_rng_state: bool, recompute_context: Any,
        metadata_of: Callable, early_stop: bool, debug: bool,
    ) -> None:  # fmt: skip
        from ._pytree import tree_flatten

        self.function = function
        self.recompute_context = recompute_context
        self.metadata_of = metadata_of
        self.early_stop, self.debug = early_stop, debug
        self.surroundings = _Surroundings((args, kwargs), preserve_rng_state)
        self.holders: list[weakref.ref[_Holder]] = []
        self.metadata: list[Any] = []
        self.lines: list[str] = []
        self.reruns: list[str] = []
        leaves, self.structure = tree_flatten((args, kwargs))
        self.is_tensor = [isinstance(x, torch.Tensor) for x in leaves]
        self.others = [None if t else x for t, x in zip(self.is_tensor, leaves)]
        tensors = [x for t, x in zip(self.is_tensor, leaves) if t]
        self.required = [t.requires_grad for t in tensors]
        self.saver = _SaveInputs.apply(torch.empty(0, requires_grad=True), *tensors).grad_fn

    def pack(self, x: torch.Tensor) -> _Holder:
        holder = _Holder()
        self.holders.append(weakref.ref(holder))
        self.metadata.append(self.metadata_of(x))
        if self.debug:
            self.lines.append(_users_line())
        return holder

    def unpack(self, holder: _Holder) -> Any:
        if holder.value is None:
            self._run_again()
        value, holder.value = holder.value, None  # a further backward pass (retain_graph) runs the function once more
        return value

    def _run_again(self) -> None:
        args, kwargs = self._inputs()
        seen: list = []
        self.reruns = []

        def keep(x: torch.Tensor) -> torch.Tensor:
            value = x.detach()
            i = len(seen)
            seen.append(self.metadata_of(x))
            if self.debug:
                self.reruns.append(_users_line())
            if i < len(self.holders):
                holder = self.holders[i]()
                if holder is not None:
                    holder.value = value
            if self.early_stop and len(seen) == len(self.holders):
                raise _StopRecomputation
            return value

        with (
            self.surroundings.restored(),
            self.recompute_context,
            torch.enable_grad(),
            autograd.graph.saved_tensors_hooks(keep, lambda x: x),
            contextlib.suppress(_StopRecomputation),
        ):
            self.function(*args, **kwargs)
        self._compare(seen)

    def _inputs(self) -> tuple:
        tensors = iter(zip(self.saver.saved_tensors, self.required))
        leaves = list(self.others)
        for i, is_tensor in enumerate(self.is_tensor):
            if is_tensor:
                tensor, required = next(tensors)
                leaves[i] = tensor.detach().requires_grad_(required)
        return self.structure.unflatten(leaves)

    def _compare(self, seen: list) -> None:
        """Raise CheckpointError unless the second run saved what the first one did."""
        if len(seen) != len(self.metadata):
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the original forward and "
                f"recomputation.\nNumber of tensors saved during forward: {len(self.metadata)}\n"
                f"Number of tensors saved during recomputation: {len(seen)}.{self._tip()}"
            )
        different = [(i, a, b) for i, (a, b) in enumerate(zip(self.metadata, seen)) if a != b]
        if different:
            listing = "".join(
                f"tensor at position {i}:\nsaved metadata: {a}\nrecomputed metadata: {b}\n" for i, a, b in different
            )
            raise CheckpointError(
                "torch.utils.checkpoint: Recomputed values for the following tensors have different metadata than "
                f"during the forward pass.\n{listing}.{self._tip()}"
            )

    def _tip(self) -> str:
        if not self.debug:
            return (
                "\n\nTip: To see a more detailed error message, either pass `debug=True` to\n"
                "`torch.utils.checkpoint.checkpoint(...)` or wrap the code block\n"
                "with `with torch.utils.checkpoint.set_checkpoint_debug_enabled(True):` to\n"
                "enable checkpoint-debug mode globally.\n"
            )
        first, second = (
            "\n".join(f"  {i}: {line}" for i, line in enumerate(lines)) for lines in (self.lines, self.reruns)
        )
        return f"\n\nSaved in the original forward:\n{first}\nSaved in the recomputation:\n{second}\n"


def _metadata(x: torch.Tensor) -> dict:
    return {"shape": x.shape, "dtype": x.dtype, "device": x.device}


_METADATA: dict[str, Callable] = {_DEFAULT_DETERMINISM_MODE: _metadata, "none": lambda _: None}


def _users_line() -> str:
    """File, line and text of the innermost frame that is not Kenaz's."""
    here = __file__.rsplit("utils", 1)[0]
    frames = [f for f in traceback.extract_stack() if not f.filename.startswith(here)]
    return f"{frames[-1].filename}:{frames[-1].lineno}: {frames[-1].line}" if frames else "?"
