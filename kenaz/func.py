"""Transformations of functions: derivatives, and functions of one example made functions of a batch.

Derivatives are those of `autograd`, recorded so that they can be differentiated again. `vmap` records one example
and repeats it for all at once (`_batching.py`), or calls the function once per example and stacks the results.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from . import _api as torch
from . import execute
from ._batching import CannotBatch, Recording
from ._rearranging import rearrange
from .autograd.functional import push_forward, rows_of
from .nn.utils.stateless import _functional_call as _call_with
from .utils._pytree import _broadcast_to_and_flatten, tree_flatten, tree_map, tree_unflatten

__all__ = [
    "debug_unwrap", "functional_call", "functionalize", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp",
    "linearize", "rearrange", "replace_all_batch_norm_modules_", "stack_module_state", "vjp", "vmap",
]  # fmt: skip


# ----------------------------------------------------------------------------------------------- inputs and results
def _fresh(x: Any) -> Any:
    """A tensor to differentiate with respect to; where an outer transformation differentiates too, it sees through
    it."""
    if not isinstance(x, torch.Tensor):
        return x
    return x.view_as(x) if x.requires_grad else x.detach().requires_grad_()


def _closed(results: Any, fresh: list) -> Any:
    """Results without a graph, unless it leads to something else than our own fresh inputs."""
    ours = {id(t.grad_fn or t._grad_fn) for t in fresh if t.is_leaf}
    leaves = [t for t in tree_flatten(results)[0] if isinstance(t, torch.Tensor) and t.requires_grad]
    return results if _leads_elsewhere(leaves, ours) else _detached(results)


def _leads_elsewhere(tensors: list, ours: set[int]) -> bool:
    stack = [t._grad_fn for t in tensors]
    seen = set(map(id, stack))
    while stack:
        fn = stack.pop()
        if not fn.edges and id(fn) not in ours:
            return True
        for edge in fn.edges:
            if edge is not None and id(edge[0]) not in seen:
                seen.add(id(edge[0]))
                stack.append(edge[0])
    return False


def _detached(tree: Any) -> Any:
    return tree_map(lambda t: t.detach() if isinstance(t, torch.Tensor) else t, tree)


def _chosen(args: tuple, argnums: Any) -> tuple[tuple, bool]:
    """The positions to differentiate with respect to, and whether they came as a tuple."""
    several = isinstance(argnums, tuple)
    numbers = argnums if several else (argnums,)
    for n in numbers:
        if not -len(args) <= n < len(args):
            raise RuntimeError(f"Got argnum={n}, but only {len(args)} positional inputs")
    return tuple(n % len(args) for n in numbers), several


def _opened(args: tuple, numbers: tuple) -> tuple[list, list, Any]:
    """The arguments with fresh tensors at some positions; those tensors; and their structure."""
    opened = list(args)
    for n in numbers:
        opened[n] = tree_map(_fresh, args[n])
    leaves, structure = tree_flatten(tuple(opened[n] for n in numbers))
    return opened, leaves, structure


def _gradients(output: Any, leaves: list, weight: Any = None) -> list:
    """Gradients of an output, with zeros where it does not depend on an input."""
    if not output.requires_grad:
        return [torch.zeros_like(t) for t in leaves]
    found = torch.autograd.grad(output, leaves, weight, create_graph=True, allow_unused=True)
    return [torch.zeros_like(t) if g is None else g for g, t in zip(found, leaves)]


# ------------------------------------------------------------------------------------------------------- derivatives
def grad_and_value(func: Callable, argnums: Any = 0, has_aux: bool = False) -> Callable:
    """A function that returns the gradient of a scalar function together with its value.

    >>> grad_and_value(lambda x: x * x)(torch.tensor(3.0))
    (tensor(6.), tensor(9.))
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> tuple:
        with torch.enable_grad():
            numbers, several = _chosen(args, argnums)
            opened, leaves, structure = _opened(args, numbers)
            output = func(*opened, **kwargs)
            aux = None
            if has_aux:
                if not (isinstance(output, tuple) and len(output) == 2):
                    raise RuntimeError(
                        "grad_and_value(f)(*args): output of function f should be a tuple: (output, aux) if has_aux is "
                        "True"
                    )
                output, aux = output
            _check_scalar(output)
            found = tree_unflatten(_gradients(output, leaves), structure)
        found, output, aux = _closed(found, leaves), _closed(output, leaves), _closed(aux, leaves)
        return (found if several else found[0]), ((output, aux) if has_aux else output)

    return wrapper


def _check_scalar(output: Any) -> None:
    if not isinstance(output, torch.Tensor):
        raise RuntimeError(f"grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got {type(output)}")
    if output.dim():
        raise RuntimeError(
            f"grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor with {output.dim()} "
            "dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
        )


def grad(func: Callable, argnums: Any = 0, has_aux: bool = False) -> Callable:
    """A function that returns the gradient of a scalar function.

    >>> grad(grad(torch.sin))(torch.tensor(0.0))
    tensor(-0.)
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        found, value = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return wrapper


def vjp(func: Callable, *primals: Any, has_aux: bool = False) -> tuple:
    """`(func(*primals), pull)`, where `pull(cotangents)` is the product of cotangents with the Jacobian."""
    with torch.enable_grad():
        opened, leaves, structure = _opened(primals, tuple(range(len(primals))))
        result = func(*opened)
        outputs, aux = result if has_aux else (result, None)
        flat, outputs_structure = tree_flatten(outputs)

    def pull(*cotangents: Any) -> Any:
        given = cotangents[0] if len(cotangents) == 1 else cotangents
        weights, weights_structure = tree_flatten(given)
        if len(weights) != len(flat):
            raise RuntimeError(
                f"Expected pytree structure of cotangents to be the same as pytree structure of outputs to the "
                f"function. cotangents: {weights_structure}, primal output: {outputs_structure}"
            )
        pairs = [(o, w) for o, w in zip(flat, weights) if o.requires_grad]
        with torch.enable_grad():
            found: Any = [None] * len(leaves)
            if pairs:
                found = torch.autograd.grad(
                    [o for o, _ in pairs],
                    leaves,
                    [w for _, w in pairs],
                    retain_graph=True,
                    create_graph=True,
                    allow_unused=True,
                )
            found = [torch.zeros_like(t) if g is None else g for g, t in zip(found, leaves)]
        return _closed(tree_unflatten(found, structure), leaves)

    outputs = _closed(outputs, leaves)
    return (outputs, pull, _closed(aux, leaves)) if has_aux else (outputs, pull)


def jvp(func: Callable, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> tuple:
    """`(func(*primals), J @ tangents)`."""
    if not isinstance(primals, tuple):
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals to be a tuple. E.g. it should be valid to call f(*primals)."
        )
    with torch.enable_grad():
        opened, leaves, _ = _opened(primals, tuple(range(len(primals))))
        result = func(*opened)
        outputs, aux = result if has_aux else (result, None)
        flat, structure = tree_flatten(outputs)
        moved = push_forward(tuple(flat), tuple(leaves), tuple(tree_flatten(tangents)[0]), True)
    outputs, moved = _closed(outputs, leaves), _closed(tree_unflatten(list(moved), structure), leaves)
    return (outputs, moved, _closed(aux, leaves)) if has_aux else (outputs, moved)


def linearize(func: Callable, *primals: Any) -> tuple:
    """`(func(*primals), push)`, where `push(*tangents)` is the product of the Jacobian with tangents."""
    return func(*primals), lambda *tangents: jvp(func, primals, tangents)[1]


def jacrev(
    func: Callable, argnums: Any = 0, *, has_aux: bool = False, chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable:  # fmt: skip
    """A function that returns the Jacobian of a function, row by row.

    >>> jacrev(lambda x: x * x)(torch.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with torch.enable_grad():
            numbers, several = _chosen(args, argnums)
            opened, leaves, structure = _opened(args, numbers)
            result = func(*opened, **kwargs)
            outputs, aux = result if has_aux else (result, None)
            rows = tree_map(lambda o: _rows(o, leaves, structure, several), outputs)
        rows = _closed(rows, leaves)
        return (rows, _closed(aux, leaves)) if has_aux else rows

    return wrapper


def _rows(output: Any, leaves: list, structure: Any, several: bool) -> Any:
    rows = tree_unflatten(list(rows_of(output, tuple(leaves), True)), structure)
    return rows if several else rows[0]


def jacfwd(func: Callable, argnums: Any = 0, has_aux: bool = False, *, randomness: str = "error") -> Callable:
    """A function that returns the Jacobian of a function: the numbers of `jacrev`."""
    return jacrev(func, argnums, has_aux=has_aux)


def hessian(func: Callable, argnums: Any = 0) -> Callable:
    """A function that returns the Hessian of a function."""
    return jacfwd(jacrev(func, argnums), argnums)


# --------------------------------------------------------------------------------------------------------------- vmap
def vmap(
    func: Callable, in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *, chunk_size: int | None = None
) -> Callable:
    """A function over batches made of one over examples.

    >>> vmap(torch.dot)(torch.ones(2, 3), torch.ones(2, 3))
    tensor([3., 3.])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        name = getattr(func, "__name__", repr(func))
        leaves, dims, structure = _batched(name, args, in_dims)
        keywords, keyword_structure = tree_flatten(kwargs)
        sizes = [t.size(d) for t, d in zip(leaves, dims) if d is not None]
        sizes += [t.size(0) for t in keywords if isinstance(t, torch.Tensor)]
        if len(set(sizes)) != 1:
            raise ValueError(
                f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for the "
                "mapped dimension"
            )
        leaves += keywords
        dims += [0 if isinstance(t, torch.Tensor) else None for t in keywords]

        def call(values: list) -> Any:
            named = tree_unflatten(values[len(values) - len(keywords) :], keyword_structure)
            return func(*tree_unflatten(values[: len(values) - len(keywords)], structure), **named)

        with _random_numbers(randomness) as restart:
            if randomness != "different" and sizes[0] > 1:
                found = _at_once(name, call, leaves, dims, out_dims)
                if found is not None:
                    return found[0]
            results = []
            for i in range(sizes[0]):
                restart()
                results.append(call([t if d is None else t.select(d, i) for t, d in zip(leaves, dims)]))
        return _stacked(name, results, out_dims)

    return wrapper


def _at_once(name: str, call: Callable, leaves: list, dims: list, out_dims: Any) -> tuple | None:
    """The results for all examples from what the function records for one, in a tuple; None where it must loop."""
    if execute.mode.eager or any(d is not None and t.requires_grad for t, d in zip(leaves, dims)):
        return None
    recording = Recording(leaves, dims)
    result = call(recording.example)
    flat, structure = tree_flatten(result)
    axes = _broadcast_to_and_flatten(out_dims, structure)
    if recording.was_computed() or axes is None or not all(isinstance(t, torch.Tensor) for t in flat):
        return None
    try:
        batches = [t if d is None else recording.batch(t) for t, d in zip(flat, axes)]
    except CannotBatch:
        return None
    if any(d is None and recording.varies(t) for t, d in zip(flat, axes)):
        return None
    moved = [b if d is None else b.movedim(0, d) for b, d in zip(batches, axes)]
    return (tree_unflatten(moved, structure),)


def _batched(name: str, args: tuple, in_dims: Any) -> tuple[list, list, Any]:
    """The leaves of the arguments, and along which axis each is a batch (None: it is not)."""
    where = f"vmap({name}, in_dims={in_dims}, ...)(<inputs>)"
    if not isinstance(in_dims, (int, tuple, list)):
        raise ValueError(
            f"{where}: expected `in_dims` to be int or a (potentially nested) tuple matching the structure of inputs, "
            f"got: {type(in_dims)}."
        )
    if not args:
        raise ValueError(
            f"vmap({name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to vmap over a "
            "function with no inputs. The latter is unsupported."
        )
    leaves, structure = tree_flatten(args)
    dims = _broadcast_to_and_flatten(tuple(in_dims) if isinstance(in_dims, list) else in_dims, structure)
    if dims is None:
        raise ValueError(
            f"{where}: in_dims is not compatible with the structure of `inputs`. in_dims has structure "
            f"{tree_flatten(in_dims)[1]} but inputs has structure {structure}."
        )
    found: list[int | None] = []
    for leaf, dim in zip(leaves, dims):
        if dim is None:
            found.append(None)
            continue
        if not isinstance(leaf, torch.Tensor):
            raise ValueError(
                f"{where}: Got in_dim={dim} for an input but the input is of type {type(leaf)}. We cannot vmap over "
                "non-Tensor arguments, please use None as the respective in_dim"
            )
        if not -leaf.dim() <= dim < leaf.dim():
            raise ValueError(
                f"{where}: Got in_dim={dim} for some input, but that input is a Tensor of dimensionality {leaf.dim()} "
                f"so expected in_dim to satisfy -{leaf.dim()} <= in_dim < {leaf.dim()}."
            )
        found.append(dim % leaf.dim())
    return leaves, found, structure


def _stacked(name: str, results: list, out_dims: Any) -> Any:
    """The results of the examples side by side, the batch at the axes asked for."""
    columns, structure = zip(*[tree_flatten(r) for r in results])
    dims = _broadcast_to_and_flatten(out_dims, structure[0])
    if dims is None:
        raise ValueError(
            f"vmap({name}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with the structure of "
            f"`outputs`. out_dims has structure {tree_flatten(out_dims)[1]} but outputs has structure {structure[0]}."
        )
    found: list = []
    for parts, dim in zip(zip(*columns), dims):
        if dim is None:
            found.append(parts[0])
            continue
        if not isinstance(parts[0], torch.Tensor):
            raise ValueError(
                f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(parts[0])}. Did you mean to set "
                "out_dims= to None for output?"
            )
        found.append(torch.stack(parts, dim))
    return tree_unflatten(found, structure[0])


@contextmanager
def _random_numbers(randomness: str) -> Iterator[Callable]:
    """What to do before each example: with "same", every one draws the same numbers; with "error", none may draw."""
    if randomness == "different":
        yield lambda: None
        return
    state = torch.default_generator.get_state()
    if randomness == "same":
        yield lambda: torch.default_generator.set_state(state)
        return
    yield lambda: None
    if state._array().tobytes() != torch.default_generator.get_state()._array().tobytes():  # runs nothing, unlike equal
        raise RuntimeError(
            "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' "
            "randomness flags on vmap or perform the randomness operation out of vmap"
        )


# ------------------------------------------------------------------------------------------------------------ modules
def functional_call(
    module: Any, parameter_and_buffer_dicts: Any, args: Any = None, kwargs: Any = None, *, tie_weights: bool = True,
    strict: bool = False,
) -> Any:  # fmt: skip
    """Call a module with other parameters and buffers than its own."""
    if isinstance(parameter_and_buffer_dicts, (list, tuple)):
        together: dict = {}
        for one in parameter_and_buffer_dicts:
            for key in one:
                if key in together:
                    raise ValueError(
                        f"{key} appears in multiple dictionaries; behavior of functional call is ambiguous"
                    )
            together |= one
    else:
        together = parameter_and_buffer_dicts
    return _call_with(module, together, () if args is None else args, kwargs, tie_weights=tie_weights, strict=strict)


def functionalize(func: Callable, *, remove: str = "mutations") -> Callable:
    """The function: what it writes in place is recorded as new values anyway.

    >>> functionalize(lambda x: x.clone().add_(1))(torch.ones(1))
    tensor([2.])
    """
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            f"functionalize(f, remove='mutations'): received invalid argument for remove={remove}. Valid options are:\n"
            "     remove='mutations': all inplace and out= operators will be removed from the program, and replaced "
            "with their out-of-place equivalents.\n"
            "     remove='mutations_and_views': In addition to the above, all aliasing operators {view} will be "
            "replaced with their non-aliasing counterparts, {view}_copy.\n"
        )
    return functools.wraps(func)(lambda *args, **kwargs: func(*args, **kwargs))


def debug_unwrap(tensor: Any, *, recurse: bool = True) -> Any:
    """The tensor: transformations here work on tensors that are what they seem."""
    return tensor


def replace_all_batch_norm_modules_(root: Any) -> Any:
    """A module whose batch normalizations keep no running statistics any more: `vmap` cannot write to them."""
    for module in root.modules():
        if hasattr(module, "track_running_stats") and hasattr(module, "running_mean"):
            module.running_mean = module.running_var = module.num_batches_tracked = None
            module.track_running_stats = False
    return root


def stack_module_state(models: list) -> tuple[dict, dict]:
    """The parameters and the buffers of several modules of one kind, stacked along a new first axis."""
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if not all(type(m) is type(models[0]) for m in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")

    def stacked(tensors: list) -> Any:
        return torch.stack([t.detach() for t in tensors]).requires_grad_(tensors[0].requires_grad)

    parameters, buffers = ([dict(getattr(m, what)()) for m in models] for what in ("named_parameters", "named_buffers"))
    return (
        {k: stacked([p[k] for p in parameters]) for k in parameters[0]},
        {k: stacked([b[k] for b in buffers]) for k in buffers[0]},
    )
