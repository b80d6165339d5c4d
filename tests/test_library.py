"""Operators that programs define: schemas, kernels, derivatives, and finding them under `torch.ops`."""

from typing import Optional

import pytest

import kenaz as torch
from kenaz import Tensor
from kenaz.library import Library, custom_op, define, impl, infer_schema, opcheck, register_fake


@custom_op("tests::scaled_sin", mutates_args=())
def scaled_sin(x: Tensor, y: float, n: int = 3, flag: bool = True) -> Tensor:
    return x.sin() * y


def _keep(ctx: object, inputs: tuple, output: Tensor) -> None:
    ctx.save_for_backward(inputs[0])  # type: ignore[attr-defined]
    ctx.y = inputs[1]  # type: ignore[attr-defined]


def test_custom_op_and_its_names() -> None:
    x = torch.tensor([0.5])
    assert torch.equal(scaled_sin(x, 2.0), x.sin() * 2)
    assert str(scaled_sin) == "<CustomOpDef(tests::scaled_sin)>"
    assert str(torch.ops.tests.scaled_sin.default) == "tests.scaled_sin.default"
    assert torch.equal(torch.ops.tests.scaled_sin(x, y=2.0), x.sin() * 2)
    with pytest.raises(AttributeError, match="'_OpNamespace' 'tests' object has no attribute 'nothing'"):
        torch.ops.tests.nothing


def test_derivative() -> None:
    @custom_op("tests::with_gradient", mutates_args=())
    def f(x: Tensor, y: float) -> Tensor:
        return x.sin() * y

    x = torch.tensor([0.5, 1.0], dtype=torch.float64, requires_grad=True)
    out = f(x, 2.0)
    assert out.requires_grad and type(out.grad_fn).__name__ == "GeneratedBackwardFor_tests_with_gradient_defaultBackward"
    with pytest.raises(RuntimeError, match="no autograd formula was registered"):
        out.sum().backward()
    f.register_autograd(lambda ctx, g: (g * ctx.saved_tensors[0].cos() * ctx.y, None), setup_context=_keep)
    assert torch.autograd.gradcheck(lambda t: f(t, 2.0), (x,))


def test_lists_of_tensors() -> None:
    @custom_op("tests::weighted", mutates_args=())
    def f(xs: list[Tensor], w: float) -> list[Tensor]:
        return [x * w for x in xs]

    f.register_autograd(lambda ctx, gs: ([g * 3 for g in gs], None))
    xs = [torch.ones(2, requires_grad=True), torch.ones(1)]
    made = f(xs, 3.0)
    assert isinstance(made, list)
    made[0].sum().backward()
    assert xs[0].grad.tolist() == [3, 3]


def test_wrong_arguments() -> None:
    x = torch.ones(1)
    for args, kwargs, words in (
        ((3, 2.0), {}, "Expected a value of type 'Tensor' for argument 'x' but instead found type 'int'.\nPosition: 0"),
        ((x,), {}, "is missing value for argument 'y'. Declaration: tests::scaled_sin\\(Tensor x, float y, SymInt n=3"),
        ((x, 2.0), {"zz": 1}, "Unknown keyword argument 'zz' for operator 'tests::scaled_sin'"),
        ((x, "a"), {}, "Expected a value of type 'float' for argument 'y'"),
    ):
        with pytest.raises(RuntimeError, match=words):
            scaled_sin(*args, **kwargs)


def test_meta_tensors_need_a_fake_kernel() -> None:
    define("tests::doubled", "(Tensor x) -> Tensor")
    impl("tests::doubled", "cpu", lambda x: x * 2)
    with pytest.raises(RuntimeError, match="no fake impl"):
        torch.ops.tests.doubled(torch.ones(2, device="meta"))
    register_fake("tests::doubled", lambda x: torch.empty_like(x))
    assert torch.ops.tests.doubled(torch.ones(2, device="meta")).device.type == "meta"
    assert set(opcheck(torch.ops.tests.doubled.default, (torch.ones(2),)).values()) == {"SUCCESS"}
    register_fake("tests::doubled", lambda x: x.new_empty(7))
    assert "real one" in opcheck("tests::doubled", (torch.ones(2),), raise_exception=False)["test_faketensor"]


def test_writing_to_arguments() -> None:
    @custom_op("tests::increment", mutates_args={"x"})
    def f(x: Tensor, by: Optional[float] = None) -> None:  # noqa: UP045  as programs write it
        x.add_(by or 1)

    x = torch.zeros(2)
    version = x._version
    assert f(x) is None and x.tolist() == [1, 1] and x._version > version
    assert f._schema == "(Tensor(a0!) x, float? by=None) -> ()"
    with pytest.raises(RuntimeError, match="Cannot register autograd formula for non-functional operator"):
        f.register_autograd(lambda ctx, g: g)


def test_results_may_not_be_inputs() -> None:
    same = custom_op("tests::same", _same, mutates_args=())
    with pytest.raises(RuntimeError, match="The output of this custom operator \\(1\\) must not also be an input"):
        same(torch.ones(1))


def _same(x: Tensor) -> Tensor:
    return x


def test_schema_of_annotations() -> None:
    def f(
        x: Tensor, y: torch.dtype, z: torch.device, *, s: str = "a", u: int | float | bool = 1, q: float | None = None
    ) -> list[Tensor]: ...

    text = '(Tensor x, ScalarType y, Device z, *, str s="a", Scalar u=1, float? q=None) -> Tensor[]'
    assert infer_schema(f, mutates_args=()) == text
    assert infer_schema(f, mutates_args={"x"}) == text.replace("Tensor x", "Tensor(a0!) x")
    with pytest.raises(ValueError, match="Parameter x must have a type annotation"):
        infer_schema(lambda x: x, mutates_args=())
    with pytest.raises(ValueError, match="Return has unsupported type <class 'set'>"):
        infer_schema(_wrong_return, mutates_args=())


def _wrong_return(x: Tensor) -> set: ...


def test_library_objects() -> None:
    library = Library("tests_of_library", "DEF")
    assert library.define("plus(Tensor x, Scalar by=1) -> Tensor") == "plus"
    library.impl("plus", lambda x, by=1: x + by, "CPU")
    assert torch.ops.tests_of_library.plus(torch.zeros(1), by=3).item() == 3
    with pytest.raises(ValueError, match="Unsupported kind: XYZ"):
        Library("a", "XYZ")


def test_operators_of_aten() -> None:
    x = torch.arange(6.0).reshape(2, 3)
    aten = torch.ops.aten
    assert aten.add.Tensor(x, 1).sum() == 21 and str(aten.add.Tensor) == "aten.add.Tensor"
    assert aten.slice.Tensor(x, 1, 0, 2).shape == (2, 2)
    assert aten._to_copy.default(x, dtype=torch.float64).dtype is torch.float64
    assert aten.unsqueeze(x, 0).shape == (1, 2, 3)
    with pytest.raises(AttributeError, match="The underlying op of 'aten.add' has no overload name 'Foo'"):
        aten.add.Foo
    with pytest.raises(OSError, match="Could not load this library"):
        torch.ops.load_library("nowhere.so")


def test_autocast_casts_what_was_asked_for() -> None:
    seen = []

    @custom_op("tests::looks", mutates_args=())
    def f(x: Tensor) -> Tensor:
        seen.append(x.dtype)
        return x * 1

    f.register_autocast("cpu", torch.bfloat16)
    f(torch.ones(1))
    with torch.autocast("cpu"):
        f(torch.ones(1))
        assert torch.is_autocast_enabled("cpu")
    assert seen == [torch.float32, torch.bfloat16]
