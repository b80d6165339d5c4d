"""Random tensors on a device without memory: nothing is drawn, sizes and types are right."""

import pytest

import kenaz as torch

META = {"device": "meta"}
SHAPE = (3, 2)


def bare(dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.empty(SHAPE, dtype=dtype, **META)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: torch.rand(SHAPE, **META),
        lambda: torch.randn(SHAPE, **META),
        lambda: torch.randint(3, SHAPE, **META),
        lambda: torch.normal(0.0, 1.0, SHAPE, **META),
        lambda: torch.normal(bare(), 1.0),
        lambda: torch.rand_like(bare()),
        lambda: torch.randn_like(torch.zeros(SHAPE), **META),
        lambda: torch.randint_like(bare(), 5),
        lambda: torch.bernoulli(bare()),
        lambda: torch.multinomial(bare(), 2),
        lambda: bare().uniform_(),
        lambda: bare().normal_(),
        lambda: bare().exponential_(),
        lambda: bare().bernoulli_(bare()),
        lambda: bare(torch.int64).random_(3),
        lambda: torch.nn.functional.dropout(bare(), 0.5),
        lambda: torch.nn.functional.dropout2d(torch.empty(1, *SHAPE, 1, **META), 0.5).view(SHAPE),
        lambda: torch.nn.init.trunc_normal_(bare()),
        lambda: torch.nn.init.trunc_normal_(bare(), a=1.5, b=4.0),
        lambda: torch.nn.init.kaiming_uniform_(bare()),
        lambda: torch.randperm(6, **META).view(SHAPE),
        lambda: torch.nn.Linear(2, 3, **META).weight,
    ],
)
def test_nothing_is_drawn(draw) -> None:
    before = torch.get_rng_state()
    out = draw()
    assert out.is_meta and out.shape == SHAPE
    assert torch.equal(before, torch.get_rng_state())


def test_types() -> None:
    assert torch.randint(3, (2,), **META).dtype == torch.randperm(3, **META).dtype == torch.int64
    assert torch.multinomial(bare(), 2).dtype == torch.int64
    assert torch.rand(2, dtype=torch.float64, requires_grad=True, **META).requires_grad
    with pytest.raises(RuntimeError, match="not implemented for 'Int'"):
        torch.rand(2, dtype=torch.int32, **META)
