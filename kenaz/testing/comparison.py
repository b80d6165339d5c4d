"""Comparing tensors, numbers, and containers of them, with a report of what differs where."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .. import _api as torch

__all__ = ["assert_allclose", "assert_close"]

# relative and absolute tolerance by dtype; others are compared exactly
TOLERANCES = {
    "float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7),
    "complex64": (1.3e-6, 1e-5), "complex128": (1e-7, 1e-7),
}  # fmt: skip
NUMBERS = (bool, int, float, complex)


class Options:
    """How to compare."""

    def __init__(self, rtol: float | None, atol: float | None, equal_nan: bool, allow_subclasses: bool, **checks: bool):
        self.rtol, self.atol, self.equal_nan, self.allow_subclasses = rtol, atol, equal_nan, allow_subclasses
        self.checks = checks

    def tolerances(self, *kinds: Any) -> tuple[float, float]:
        """Those given, or the widest of what the dtypes ask for."""
        if self.rtol is not None and self.atol is not None:
            return self.rtol, self.atol
        found = [TOLERANCES.get(str(kind).removeprefix("torch."), (0.0, 0.0)) for kind in kinds]
        return max(r for r, _ in found), max(a for _, a in found)


def assert_close(
    actual: Any, expected: Any, *, allow_subclasses: bool = True, rtol: float | None = None, atol: float | None = None,
    equal_nan: bool = False, check_device: bool = True, check_dtype: bool = True, check_layout: bool = True,
    check_stride: bool = False, msg: str | Callable[[str], str] | None = None,
) -> None:  # fmt: skip
    """Raise AssertionError unless |actual - expected| <= atol + rtol |expected| everywhere.

    >>> assert_close(torch.tensor([1.0]), torch.tensor([1.0 + 1e-7]))
    """
    if (rtol is None) != (atol is None):
        missing = "rtol" if rtol is None else "atol"
        raise ValueError(f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}.")
    checks = {"device": check_device, "dtype": check_dtype, "layout": check_layout, "stride()": check_stride}
    options = Options(rtol, atol, equal_nan, allow_subclasses, **checks)
    for where, error in _differences(actual, expected, options):
        failure = str(error) + (
            f"\n\nThe failure occurred for item {''.join(f'[{key!r}]' for key in where)}" if where else ""
        )
        if isinstance(error, AssertionError):
            failure = msg(failure) if callable(msg) else failure if msg is None else msg
        raise type(error)(failure)


def _differences(actual: Any, expected: Any, options: Options) -> Iterator[tuple[list, Exception]]:
    """Where in a container, and how, two things differ; the first is enough."""
    if _both(actual, expected, Sequence) and not _both(actual, expected, str):
        if len(actual) != len(expected):
            yield [], AssertionError(f"The length of the sequences mismatch: {len(actual)} != {len(expected)}")
            return
        for i in range(len(actual)):
            for where, error in _differences(actual[i], expected[i], options):
                yield [i, *where], error
    elif _both(actual, expected, Mapping):
        missing, extra = set(expected) - set(actual), set(actual) - set(expected)
        if missing or extra:
            yield (
                [],
                AssertionError(
                    "The keys of the mappings do not match:\n"
                    f"Missing keys in the actual mapping: {sorted(missing)}\n"
                    f"Additional keys in the actual mapping: {sorted(extra)}"
                ),
            )
            return
        for key in expected:
            for where, error in _differences(actual[key], expected[key], options):
                yield [key, *where], error
    else:
        try:
            _compare(actual, expected, options)
        except (AssertionError, TypeError) as error:
            yield [], error


def _both(actual: Any, expected: Any, kind: Any) -> bool:
    return isinstance(actual, kind) and isinstance(expected, kind)


def _compare(actual: Any, expected: Any, options: Options) -> None:
    if actual is None or expected is None:
        if actual is not expected:
            raise AssertionError(f"None mismatch: {actual} is not {expected}")
    elif _both(actual, expected, bool | np.bool_):
        if bool(actual) is not bool(expected):
            raise AssertionError(f"Booleans mismatch: {actual} is not {expected}")
    elif _both(actual, expected, NUMBERS):
        _compare_numbers(actual, expected, options)
    elif _both(actual, expected, torch.Tensor | np.ndarray | np.generic):
        if not options.allow_subclasses and type(actual) is not type(expected):
            raise _no_pair(actual, expected)
        _compare_tensors(torch.as_tensor(actual), torch.as_tensor(expected), options)
    else:
        raise _no_pair(actual, expected)


def _no_pair(actual: Any, expected: Any) -> TypeError:
    return TypeError(f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}.")


# -------------------------------------------------------------------------------------------------------------- numbers
def _compare_numbers(actual: Any, expected: Any, options: Options) -> None:
    if options.checks["dtype"] and type(actual) is not type(expected):
        raise AssertionError(f"The (d)types do not match: {type(actual)} != {type(expected)}.")
    kinds = {float: torch.float64, complex: torch.complex128}
    rtol, atol = options.tolerances(*(kinds.get(type(x), torch.int64) for x in (actual, expected)))
    _check_scalars(actual, expected, rtol, atol, options.equal_nan)


def _check_scalars(actual: Any, expected: Any, rtol: float, atol: float, equal_nan: bool) -> None:
    apart = abs(actual - expected)
    if actual == expected or equal_nan and actual != actual and expected != expected:
        return
    if math.isfinite(apart) and apart <= atol + rtol * abs(expected):
        return
    exact = rtol == atol == 0
    relative = apart / abs(expected) if expected != 0 else math.inf
    raise AssertionError(
        f"Scalars are not {'equal' if exact else 'close'}!\n\n"
        f"Expected {expected} but got {actual}.\n"
        f"Absolute difference: {apart}{'' if exact else f' (up to {atol} allowed)'}\n"
        f"Relative difference: {relative}{'' if exact else f' (up to {rtol} allowed)'}"
    )


# -------------------------------------------------------------------------------------------------------------- tensors
def _compare_tensors(actual: torch.Tensor, expected: torch.Tensor, options: Options) -> None:
    read = {
        "shape": lambda t: t.shape, "layout": lambda t: t.layout, "device": lambda t: t.device,
        "dtype": lambda t: t.dtype,
        "stride()": lambda t: t.stride(),
    }  # fmt: skip
    for name, attribute in read.items():
        if options.checks.get(name, True) and attribute(actual) != attribute(expected):
            raise AssertionError(
                f"The values for attribute '{name}' do not match: {attribute(actual)} != {attribute(expected)}."
            )
    rtol, atol = options.tolerances(actual.dtype, expected.dtype)
    kind = torch.promote_types(actual.dtype, expected.dtype)
    actual, expected = actual.detach().to(kind), expected.detach().to(kind)
    close = torch.isclose(actual, expected, rtol=rtol, atol=atol, equal_nan=options.equal_nan)
    if bool(close.all()):
        return
    if actual.numel() == 1 and actual.ndim == 0:
        _check_scalars(actual.item(), expected.item(), rtol, atol, options.equal_nan)
    raise AssertionError(_report(actual, expected, ~close, rtol, atol))


def _report(actual: torch.Tensor, expected: torch.Tensor, wrong: torch.Tensor, rtol: float, atol: float) -> str:
    if actual.dtype is torch.bool:
        actual, expected = actual.to(torch.int64), expected.to(torch.int64)
    elif not actual.is_floating_point() and not actual.is_complex():
        actual, expected = actual.to(torch.int64), expected.to(torch.int64)
    exact = rtol == atol == 0
    apart = (actual - expected).abs()
    count, total = int(wrong.sum()), wrong.numel()
    lines = [
        f"Tensor-likes are not {'equal' if exact else 'close'}!\n",
        f"Mismatched elements: {count} / {total} ({count / total:.1%})",
    ]
    ratio = torch.where(wrong, apart / expected.abs(), 0)
    for name, differences, allowed in (("absolute", torch.where(wrong, apart, 0), atol), ("relative", ratio, rtol)):
        at = int(differences.flatten().argmax())
        index = tuple(int(i) for i in np.unravel_index(at, differences.shape))
        lines.append(
            f"Greatest {name} difference: {differences.flatten()[at].item()} at index {index}"
            + ("" if exact else f" (up to {allowed} allowed)")
        )
    return "\n".join(lines)


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """The older `assert_close`, which does not look at dtypes."""
    warnings.warn(
        "`torch.testing.assert_allclose()` is deprecated since 1.12 and will be removed in a future release. Please "
        "use "
        "`torch.testing.assert_close()` instead.",
        FutureWarning,
        stacklevel=2,
    )
    actual, expected = torch.as_tensor(actual), torch.as_tensor(expected)
    if rtol is None and atol is None:
        wide = [TOLERANCES.get(str(t.dtype).removeprefix("torch."), (0.0, 0.0)) for t in (actual, expected)]
        rtol, atol = max(r for r, _ in wide), max(a for _, a in wide)
    assert_close(
        actual,
        expected,
        rtol=rtol,
        atol=atol,
        equal_nan=equal_nan,
        check_device=True,
        check_dtype=False,
        msg=msg or None,
    )
