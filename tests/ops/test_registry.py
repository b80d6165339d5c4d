"""Every operator and every public function, tested by being there: see `samples.py` for what they are called with."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import kenaz as torch
from kenaz import execute, interpret
from kenaz.ops.record import PUBLIC, REGISTRY
from tests.ops import samples
from tests.ops.samples import Call

F = torch.nn.functional
DISCONTINUOUS = {  # the result jumps with its input or picks between equals: no differences to compare a gradient with
    "nextafter", "floor", "ceil", "trunc", "fix", "round", "sign", "sgn", "heaviside",
}  # fmt: skip


NO_GRADIENTS = {
    **dict.fromkeys(
        ("cholesky", "cholesky_inverse", "cholesky_solve", "lobpcg"), "it reads one half of a matrix, its derivative is that of both: tests of linalg"),
    "as_strided_scatter": "PyTorch's gradient is not the derivative: nothing comes back from what was not written to",
    "ctc_loss": "its derivative is that of log-probabilities that sum to one, as PyTorch's: tests/nn",
}
ONCE = {  # PyTorch has no second derivative of these either
    "grid_sampler", "grid_sampler_2d", "grid_sampler_3d", "grid_sample", "embedding_bag",
}  # fmt: skip


# -------------------------------------------------------------------------------------------------- what is called with what
def generated(name: str) -> list[Call]:
    """Samples of a function that is an operator and no more: its record says how many tensors it takes."""
    op = PUBLIC[name].op  # type: ignore[attr-defined]
    if op.family == "reduction":
        return [Call(samples.x(2, 3)), Call(samples.x(2, 3), 1)]
    code, defaults = op.body.__code__, op.body.__defaults__ or ()
    n = code.co_argcount - 1 - len(defaults)
    if op.name in samples.INTEGERS:
        arrays = [samples.i(*size, low=1) for size in ((2, 3), (3,), (2, 1))[:n]]
    else:
        low, high = samples.DOMAINS.get(op.name, (-2.0, 2.0))
        arrays = [samples.x(*size, low=low, high=high) for size in ((2, 3), (3,), (2, 1))[:n]]
    return [Call(*arrays)]


def calls_of(name: str) -> list[Call]:
    """The samples of a dotted name: from the tables, or generated."""
    plain = name.rpartition(".")[2]
    table = samples.NETWORK if name.startswith("nn.") else samples.METHODS if name.startswith("Tensor.") else samples.TABLE
    if plain in table:
        return table[plain]
    op = getattr(PUBLIC.get(name), "op", None)
    return generated(name) if op is not None and op.family in ("pointwise", "reduction") else []


def find(name: str) -> Callable:
    found: Any = torch
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _is_inplace(name: str) -> bool:
    return name.endswith("_") and not name.endswith("__")


NAMES = sorted(n for n in PUBLIC if not _is_inplace(n) and n not in samples.ELSEWHERE)
NETWORK = sorted(
    f"nn.functional.{n}" for n in dir(F) if not n.startswith("_") and not n.endswith("_") and callable(getattr(F, n))
    and f"nn.functional.{n}" not in samples.ELSEWHERE
)  # fmt: skip
METHODS = sorted(f"Tensor.{n}" for n in samples.METHODS)
CALLABLES = NAMES + NETWORK + METHODS
SAMPLES = {name: calls_of(name) for name in CALLABLES}


pytestmark = pytest.mark.filterwarnings("ignore:.*(beta|deprecated|batchmean):UserWarning")


# ------------------------------------------------------------------------------------------------------------------ helpers
def tensor(array: np.ndarray) -> torch.Tensor:
    return torch.tensor(np.array(array))


def leaf(array: np.ndarray) -> torch.Tensor:
    """A tensor whose gradient is asked for, where it can have one."""
    return torch.tensor(np.array(array), requires_grad=array.dtype.kind == "f" and id(array) not in samples.FIXED)


def tensors_in(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, (tuple, list)):
        return [t for v in value for t in tensors_in(v)]
    return []


def same(a: Any, b: Any) -> None:
    """Equal in structure, dtype, size and every bit."""
    if not isinstance(a, torch.Tensor) and not isinstance(a, (tuple, list)):
        assert a == b
        return
    left, right = tensors_in(a), tensors_in(b)
    assert len(left) == len(right)
    for s, t in zip(left, right, strict=True):
        assert s.dtype is t.dtype and s.shape == t.shape
        np.testing.assert_array_equal(s.detach().numpy(), t.detach().numpy())


@pytest.fixture(autouse=True)
def honest_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every kernel that runs be compared with what its rule promised: size (asserted by the interpreter) and kind of dtype."""
    stored = interpret._stored

    def checked(value: Any, out: Any, *more: Any) -> np.ndarray:
        kind = np.asarray(value).dtype.kind
        order = "biufc"
        assert kind == "V" or out.dtype.np.kind == "V" or order.index(kind.replace("u", "i")) <= order.index(
            out.dtype.np.kind.replace("u", "i")
        ), f"a kernel gave {np.asarray(value).dtype} for {out}"
        return stored(value, out, *more)

    monkeypatch.setattr(interpret, "_stored", checked)


@pytest.fixture
def interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep graphs from being compiled, which rounds otherwise, where every bit is compared."""
    monkeypatch.setattr(execute, "_plan_for", lambda *graph: None)


# --------------------------------------------------------------------------------------------------------------- completeness
def test_every_function_has_samples() -> None:
    missing = [n for n in CALLABLES if not SAMPLES[n]]
    assert not missing, f"add samples to tests/ops/samples.py for {missing}"


def test_every_operator_is_reached() -> None:
    """All operators are recorded by some sample, forwards or backwards."""
    for name in CALLABLES:
        for call in SAMPLES[name]:
            args, kwargs = call.tensors(lambda a: leaf(a) if a.dtype.kind != "c" else tensor(a).requires_grad_())
            outs = [t for t in tensors_in(find(name)(*args, **kwargs)) if t.requires_grad]
            leaves = [t for t in tensors_in(args) + tensors_in(tuple(kwargs.values())) if t.requires_grad]
            sums = [(o.abs() if o.is_complex() else o).sum() for o in outs]
            if sums:
                torch.autograd.grad(sums, leaves, allow_unused=True)
    torch.bernoulli(leaf(samples.unit(3)))
    torch.zeros(2, 2)[0] = 1
    unreached = {n for n, op in REGISTRY.items() if not op.calls and not op.backward_classes}
    unreached = {n for n in unreached - set(UNREACHED) if not n.startswith(("linalg_", "fft_", "special_"))}  # tested by subject
    assert not unreached, f"no sample uses the operators {sorted(unreached)}"


UNREACHED: dict[str, str] = {
    "batch_norm_known": "nn.BatchNorm2d(6).eval(): tests/codegen/test_rows.py",
    "embedding_backward_onto": "two look-ups in one table: tests/codegen/test_lookups.py",
    "masked_put": "x[mask] = values: tests/ops/test_indexing.py",
    "part_alias": "x.real where x is real: tests/ops/test_views.py",
    "view_as_dtype": "x.view(dtype): tests/ops/test_views.py",
    "upsample_lanczos2d_aa": "tests/ops/test_resampling.py",
    "upsample_lanczos2d_aa_backward": "tests/ops/test_resampling.py",
    "ormqr": "torch.linalg",
    **dict.fromkeys(("dirichlet_grad", "sample_dirichlet", "standard_gamma", "standard_gamma_grad"), "random numbers: tests of distributions"),
    **dict.fromkeys(("overlap_add",), "istft: tests of signals"),
    "embedding_sparse": "gradients of some rows: tests/sparse/test_sparse.py",
    "dropped": "random numbers: tests/nn/test_layers.py",
    **dict.fromkeys(
        ("late_embedding", "late_gather", "late_index", "late_index_add", "late_index_select", "late_scatter", "late_scatter_add"),
        "an index that is not computed yet: tests/ops/test_late_indices.py",
    ),
    "max_pool": "pooling of integers: tests/ops/test_pooling.py",
}


# --------------------------------------------------------------------------------------------------------------------- checks
@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("name", CALLABLES)
def test_forms(name: str) -> None:
    """The function, run at once, as a method, in place and with `out=`, gives the same."""
    function = find(name)
    plain = name.rpartition(".")[2]
    for call in SAMPLES[name]:
        args, kwargs = call.tensors(tensor)
        lazily = function(*args, **kwargs)
        with torch.eager():
            args, kwargs = call.tensors(tensor)
            same(function(*args, **kwargs), lazily)
        first = args[0] if args else None
        if isinstance(first, torch.Tensor) and name in PUBLIC and plain in _METHODS_ALIKE:
            same(getattr(first, plain)(*args[1:], **kwargs), lazily)
        if isinstance(first, torch.Tensor) and isinstance(lazily, torch.Tensor) and "." not in name:
            _check_inplace(plain, args, kwargs, lazily)
            _check_out(function, args, kwargs, lazily)


_METHODS_ALIKE = {n for n in PUBLIC if callable(getattr(torch.Tensor, n, None))} - {"where", "polygamma", "einsum"}


def _check_inplace(name: str, args: tuple, kwargs: dict, expected: torch.Tensor) -> None:
    inplace = getattr(torch.Tensor, name + "_", None)
    if inplace is None or expected.shape != args[0].shape or name in ("rsub",):
        return
    target = args[0].clone()
    if torch.can_cast(expected.dtype, target.dtype):
        result = inplace(target, *args[1:], **kwargs)
        assert result is target
        same(target.to(expected.dtype), expected if expected.dtype is target.dtype else expected.to(target.dtype).to(expected.dtype))
    else:
        with pytest.raises(RuntimeError, match="can't be cast"):
            inplace(target, *args[1:], **kwargs)


def _check_out(function: Callable, args: tuple, kwargs: dict, expected: torch.Tensor) -> None:
    out = torch.zeros_like(expected)
    try:
        result = function(*args, **kwargs, out=out)
    except TypeError as error:
        assert "out" in str(error)  # a function without out=
        return
    assert result is out
    same(out, expected)


def _cotangents(outs: list[torch.Tensor]) -> list[torch.Tensor]:
    random = np.random.default_rng(3)
    return [torch.tensor(np.asarray(random.uniform(0.5, 1.5, o.shape))) for o in outs]


def _value(function: Callable, call: Call, arrays: dict[int, np.ndarray], cotangents: list) -> float:
    """The scalar product of results and cotangents, with the sample's arrays replaced by those given."""
    args, kwargs = call.tensors(lambda a: tensor(arrays.get(id(a), a)))
    outs = [o for o in tensors_in(function(*args, **kwargs)) if o.is_floating_point()]
    return sum(float((o * v).sum()) for o, v in zip(outs, cotangents, strict=True))


DIFFERENTIABLE = [n for n in CALLABLES if n.rpartition(".")[2] not in DISCONTINUOUS | set(NO_GRADIENTS)]


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients(name: str) -> None:
    """First and second derivatives in random directions are those that central differences give."""
    function = find(name)
    for call in SAMPLES[name]:
        _check_gradients(function, call, name.rpartition(".")[2] not in ONCE)


def _leaves(function: Callable, call: Call) -> tuple[dict[int, tuple[np.ndarray, torch.Tensor]], list[torch.Tensor]]:
    made: dict[int, tuple[np.ndarray, torch.Tensor]] = {}

    def make(array: np.ndarray) -> torch.Tensor:
        t = leaf(array)
        if t.requires_grad:
            made[id(array)] = array, t
        return t

    args, kwargs = call.tensors(make)
    outs = [o for o in tensors_in(function(*args, **kwargs)) if o.is_floating_point()]
    return made, outs


def _check_gradients(function: Callable, call: Call, twice: bool, step: float = 1e-6) -> None:
    made, outs = _leaves(function, call)
    if not made or not any(o.requires_grad for o in outs):
        return
    cotangents = _cotangents(outs)
    pairs = [(o, v) for o, v in zip(outs, cotangents, strict=True) if o.requires_grad]
    leaves = [t for _, t in made.values()]
    grads = torch.autograd.grad([o for o, _ in pairs], leaves, [v for _, v in pairs], create_graph=True, allow_unused=True)
    random = np.random.default_rng(5)
    directions = [np.asarray(random.uniform(0.5, 1.5, a.shape) * random.choice([-1, 1], a.shape)) for a, _ in made.values()]
    for (key, (array, _)), grad, d in zip(made.items(), grads, directions, strict=True):
        up, down = (_value(function, call, {key: array + s * d}, cotangents) for s in (step, -step))
        expected = (up - down) / (2 * step)
        actual = 0.0 if grad is None else float((grad.detach().numpy() * d).sum())
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
    if twice:
        _check_second(function, call, made, grads, cotangents, directions)


def _check_second(function: Callable, call: Call, made: dict, grads: Any, cotangents: list, directions: list) -> None:
    """The derivative of <grads, weights> in all the directions at once."""
    weights = [np.asarray(np.random.default_rng(8).uniform(0.5, 1.5, a.shape)) for a, _ in made.values()]
    recorded = [(g, w) for g, w in zip(grads, weights, strict=True) if g is not None and g.requires_grad]
    if not recorded:
        return
    leaves = [t for _, t in made.values()]
    second = torch.autograd.grad([(g * torch.tensor(w)).sum() for g, w in recorded], leaves, allow_unused=True)
    actual = sum(float((s.numpy() * d).sum()) for s, d in zip(second, directions, strict=True) if s is not None)
    step = 1e-5
    sides = []
    for s in (step, -step):
        moved = {key: array + s * d for (key, (array, _)), d in zip(made.items(), directions, strict=True)}
        sides.append(_first_order(function, call, moved, cotangents, weights))
    np.testing.assert_allclose(actual, (sides[0] - sides[1]) / (2 * step), rtol=1e-4, atol=1e-5)


def _first_order(function: Callable, call: Call, arrays: dict, cotangents: list, weights: list) -> float:
    leaves: list[torch.Tensor] = []

    def make(array: np.ndarray) -> torch.Tensor:
        t = tensor(arrays.get(id(array), array))
        if array.dtype.kind == "f" and id(array) not in samples.FIXED:
            leaves.append(t.requires_grad_())
        return t

    args, kwargs = call.tensors(make)
    outs = [o for o in tensors_in(function(*args, **kwargs)) if o.is_floating_point()]
    pairs = [(o, v) for o, v in zip(outs, cotangents, strict=True) if o.requires_grad]
    grads = torch.autograd.grad([o for o, _ in pairs], leaves, [v for _, v in pairs], allow_unused=True)
    return sum(float((g.numpy() * w).sum()) for g, w in zip(grads, weights, strict=True) if g is not None)


FOR_TENSORS = [n for n in NAMES if SAMPLES[n] and SAMPLES[n][0].args and isinstance(SAMPLES[n][0].args[0], np.ndarray)]


@pytest.mark.parametrize("name", FOR_TENSORS)
def test_wrong_type(name: str) -> None:
    """A string in the place of the first tensor, an argument too many, or an unknown one, is a TypeError."""
    call = SAMPLES[name][0]
    args, kwargs = call.tensors(tensor)
    with pytest.raises(TypeError):
        find(name)("text", *args[1:], **kwargs)
    with pytest.raises(TypeError):
        find(name)(*args, **kwargs, no_such_argument=1)


@pytest.mark.parametrize("name", [n for n in NAMES if SAMPLES[n] and getattr(PUBLIC[n], "op", None) is not None])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "int64", "uint8", "bool", "complex64"])
def test_dtypes(name: str, dtype: str) -> None:
    """In every dtype an operator either works, giving what its rule says, or refuses with a message."""
    call = SAMPLES[name][0]
    args, kwargs = call.tensors(lambda a: tensor(np.abs(a) if dtype == "uint8" else a).to(getattr(torch, dtype)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            outs = tensors_in(find(name)(*args, **kwargs))
            for out in outs:
                assert (out.float() if out.dtype is torch.bfloat16 else out).numpy().shape == out.shape
        except (RuntimeError, NotImplementedError, TypeError) as error:
            assert "ufunc" not in str(error)  # NumPy's words are none of ours
