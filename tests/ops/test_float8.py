"""Floats of eight bits: kept, converted, printed; not computed with. Values are PyTorch 2.13's."""

import math

import pytest

import kenaz as torch

VALUES = [1.0, 2.3, -500.0, math.nan, math.inf, 1e-3, -0.07]
KINDS = {
    "float8_e4m3fn": ([1.0, 2.25, -448.0, math.nan, 448.0, 1.9531e-03, -7.0312e-02], (-448, 448, 0.125)),
    "float8_e5m2": ([1.0, 2.5, -512.0, math.nan, math.inf, 9.7656e-04, -6.25e-02], (-57344, 57344, 0.25)),
    "float8_e4m3fnuz": ([1.0, 2.25, math.nan, math.nan, math.nan, 9.7656e-04, -7.0312e-02], (-240, 240, 0.125)),
    "float8_e5m2fnuz": ([1.0, 2.5, -512.0, math.nan, math.nan, 9.7656e-04, -6.25e-02], (-57344, 57344, 0.125)),
    "float8_e8m0fnu": ([1.0, 2.0, 512.0, math.nan, math.nan, 9.7656e-04, 6.25e-02], (5.87747e-39, 1.70141e38, 1.0)),
}


@pytest.mark.parametrize("name", KINDS)
def test_conversion(name: str) -> None:
    kind, (expected, limits) = getattr(torch, name), KINDS[name]
    x = torch.tensor(VALUES).to(kind)
    assert x.dtype is kind and x.element_size() == 1
    torch.testing.assert_close(x.float(), torch.tensor(expected), equal_nan=True, rtol=1e-4, atol=0)
    assert torch.equal(x.view(torch.uint8).view(kind)[:2].float(), x[:2].float())
    assert torch.cat([x, x]).dtype is torch.zeros(2, dtype=kind).dtype is x.bfloat16().to(kind).dtype is kind
    assert x[0].item() == 1 and x.tolist()[:2] == expected[:2] and (x == x)[0]
    assert repr(torch.ones(2, dtype=kind)) == f"tensor([1., 1.], dtype=torch.{name})"
    info = torch.finfo(kind)
    assert (info.min, info.max, info.eps) == pytest.approx(limits, rel=1e-5)


def test_nothing_is_computed() -> None:
    x = torch.ones(2).to(torch.float8_e4m3fn)
    for function in (lambda: x + x, lambda: x * 2, lambda: x.sum(), lambda: x.exp()):
        with pytest.raises(NotImplementedError, match="not implemented for 'Float8_e4m3fn'"):
            function()
    with pytest.raises(RuntimeError, match="Promotion for Float8 Types is not supported, attempted to promote Float8_e4m3fn and Float"):
        torch.promote_types(torch.float8_e4m3fn, torch.float32)
    with pytest.raises(TypeError, match="Got unsupported ScalarType Float8_e4m3fn"):
        x.numpy()


def test_files(tmp_path) -> None:  # type: ignore[no-untyped-def]
    x = torch.tensor(VALUES[:3]).to(torch.float8_e5m2)
    torch.save({"x": x}, tmp_path / "x.pt")
    found = torch.load(tmp_path / "x.pt")["x"]
    assert found.dtype is torch.float8_e5m2 and torch.equal(found.float(), x.float())
