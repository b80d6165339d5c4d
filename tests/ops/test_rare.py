"""Operators that few programs use: copies of views, segments, hashes, signatures of old, removed functions. Values are
PyTorch 2.13's."""

import math
from pathlib import Path

import numpy as np
import pytest

import kenaz as torch
from kenaz import Tensor


def x() -> Tensor:
    return torch.arange(6.0).reshape(2, 3) + 1


V = [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("alias", ()), ("as_strided", ((2,), (1,))), ("detach", ()), ("diagonal", ()), ("expand", ((2, 3),)),
        ("narrow", (0, 0, 1)), ("permute", ((1, 0),)), ("select", (0, 1)), ("split", (1,)), ("split_with_sizes", ([1, 1],)),
        ("squeeze", ()), ("t", ()), ("transpose", (0, 1)), ("unbind", ()), ("unfold", (0, 2, 1)), ("unsqueeze", (0,)),
        ("view", ((3, 2),)),
    ],
)  # fmt: skip
def test_copies_of_views(name: str, args: tuple) -> None:
    data = x()
    expected = data if name == "alias" else getattr(data, name)(*args)
    found = getattr(torch, f"{name}_copy")(data, *args)
    pairs = zip(found, expected) if isinstance(found, tuple) else [(found, expected)]
    for f, e in pairs:
        assert torch.equal(f, e) and f.is_contiguous()
        f.zero_()
    assert data.sum() == 21  # memory of its own


def test_more_copies() -> None:
    assert torch.slice_copy(x(), 1, 0, 3, 2).tolist() == [[1, 3], [4, 6]]
    assert torch.t_copy(x(), out=torch.empty(0)).shape == (3, 2)
    assert torch.view_copy(x(), torch.int32)[0, 0] == 1065353216
    parts = torch.unsafe_split(x().requires_grad_(), 1)
    parts[0].mul_(2)
    assert torch.unsafe_chunk(x(), 2)[1].tolist() == [[4, 5, 6]]
    assert torch.unsafe_split_with_sizes(x(), [2, 1], 1)[1].shape == (2, 1)


def test_copies_bear_names_of_their_own() -> None:
    v = x().requires_grad_()
    nodes = {"alias": (), "diagonal": (), "expand": ((2, 3),), "permute": ((1, 0),), "select": (0, 1), "t": (), "view": (6,)}  # fmt: skip
    for name, args in nodes.items():
        assert getattr(torch, f"{name}_copy")(v, *args).grad_fn.name() == f"{name.title()}Backward0_copy"
        with pytest.raises(TypeError, match=f"^{name}_copy\\(\\)"):
            getattr(torch, f"{name}_copy")(v, *args, no_such=1)
    assert torch.unbind_copy(v)[0].grad_fn.name() == "UnbindBackward0_copy"
    assert torch.unsafe_chunk(v, 2)[0].grad_fn.name() == "UnsafeSplitBackward0"


def test_indexing_by_positions_and_sizes_without_writing() -> None:
    assert x().index((0, 1), (1, 2)) == 6 and x().index(1, 0).tolist() == [1, 4]
    with pytest.warns(UserWarning, match="non-inplace resize is deprecated"):
        assert x().resize(3, 2).tolist() == [[1, 2], [3, 4], [5, 6]]
    with (
        pytest.warns(UserWarning, match="non-inplace resize"),
        pytest.raises(RuntimeError, match="requested resize to 2x2 \\(4 elements in total\\)"),
    ):
        x().resize(2, 2)


@pytest.mark.parametrize(
    ("kwargs", "reduce", "expected"),
    [
        (dict(lengths=[1, 2]), "sum", [1, 5]),
        (dict(offsets=[0, 1, 1, 3]), "mean", [1, math.nan, 2.5]),
        (dict(lengths=[0, 3], initial=5.0), "mean", [5, 11 / 3]),
        (dict(lengths=[0, 3]), "prod", [1, 6]),
        (dict(lengths=[0, 3]), "min", [math.inf, 1]),
    ],
)
def test_segments(kwargs: dict, reduce: str, expected: list) -> None:
    given = {k: torch.tensor(v) if isinstance(v, list) else v for k, v in kwargs.items()}
    np.testing.assert_allclose(torch.segment_reduce(torch.tensor(V), reduce, **given).numpy(), expected, rtol=1e-6)


def test_segments_of_other_axes_and_mistakes() -> None:
    lengths = torch.tensor([[1, 2], [2, 1]])
    assert torch.segment_reduce(x(), "max", lengths=lengths, axis=1).tolist() == [[1, 3], [5, 6]]
    assert torch.autograd.gradcheck(
        lambda t: torch.segment_reduce(t, "mean", lengths=lengths, axis=1), (x().double().requires_grad_(),)
    )
    for kwargs, words in (
        (dict(reduce="sum"), "Either lengths or offsets must be defined"),
        (dict(reduce="foo", lengths=lengths), "reduce argument must be either sum, prod, mean, amax or amin, got foo"),
        (dict(reduce="sum", lengths=torch.tensor([0, 1])), "Expected all rows of lengths along axis to sum"),
    ):
        with pytest.raises(RuntimeError, match=words):
            torch.segment_reduce(x(), **kwargs)


HASHES = [9218868437227405312, 4615063718147915776]


def test_hashes() -> None:
    assert torch.hash_tensor(x() - 1).item() == 4610560118520545280
    assert torch.hash_tensor(torch.tensor([5, 7, -1], dtype=torch.int32)).item() == 18446744073709551613
    assert torch.hash_tensor(torch.tensor([1.5, 2.5])).item() == 9222246136947933184
    assert torch.hash_tensor(x() - 1, (0,), keepdim=True).shape == (1, 3)
    assert (x() - 1).hash_tensor(1).tolist() == HASHES
    with pytest.raises(RuntimeError, match="Unknown hash_tensor mode: 1"):
        torch.hash_tensor(x(), mode=1)


def test_nonzero_of_a_known_size() -> None:
    assert torch.nonzero_static(x() > 4, size=3, fill_value=9).tolist() == [[1, 1], [1, 2], [9, 9]]
    assert torch.nonzero_static(torch.tensor(3.0), size=2).shape == (2, 0)
    with pytest.raises(RuntimeError, match="'size' must be an non-negative integer"):
        x().nonzero_static(size=-1)


def test_numbers_that_might_be_symbols() -> None:
    assert [torch.sym_max(1, 2.0), torch.sym_min(1, 2.0), torch.sym_int(-3.7), torch.sym_float(3)] == [2.0, 1.0, -3, 3.0]
    assert type(torch.sym_min(1, 2.0)) is float and torch.sym_sum([1, 2, 3]) == 6 and torch.sym_sqrt(4) == 2
    assert torch.sym_ite(True, 1, 2) == 1 and torch.sym_not(True) is False
    with pytest.raises(AssertionError, match="expected SymBool or bool, got <class 'int'>"):
        torch.sym_ite(1, 1, 2)
    with pytest.raises(RuntimeError, match="Invalid value range for 5 between"):
        torch.sym_constrain_range(5, min=0, max=3)
    with pytest.raises(RuntimeError, match="must be greater than 2. got: 2"):
        torch.sym_constrain_range_for_size(1, min=0, max=2)


def test_control_flow() -> None:
    assert torch.cond(torch.tensor(True), lambda t: t + 1, lambda t: t - 1, (torch.zeros(1),)).item() == 1
    i, s = torch.while_loop(lambda i, s: i < 3, lambda i, s: (i + 1, s * 2), (torch.tensor(0), torch.ones(1)))
    assert (i.item(), s.item()) == (3, 8)
    with pytest.raises(RuntimeError, match="Expected pred to be bool or single-element tensor"):
        torch.cond(x(), lambda: 1, lambda: 2)


def test_assertions() -> None:
    torch._assert_async(torch.tensor(True))
    torch._check_tensor_all(x() > 0)
    with pytest.raises(RuntimeError, match="Expected Tensor with single nonzero value, but got zero"):
        torch._assert_async(torch.tensor(False))
    with pytest.raises(RuntimeError, match="mm"):
        torch._check_tensor_all(x() > 3, lambda: "mm")
    with pytest.raises(IndexError, match="none"):
        torch._check_tensor_all_with(IndexError, x() > 3, lambda: "none")
    with pytest.raises(ValueError, match="m"):
        torch._check_with(ValueError, False, lambda: "m")
    assert torch._shape_as_tensor(x()).tolist() == [2, 3] and torch._shape_as_tensor(x()[0, 0]).dtype is torch.int64


@pytest.mark.parametrize("name", ["solve", "eig", "symeig", "lstsq", "matrix_rank"])
def test_removed_functions_say_what_to_call(name: str) -> None:
    with pytest.raises(RuntimeError, match="This function was deprecated since version 1.9 and is now removed"):
        getattr(torch, name)(x(), x())


def test_methods_of_other_kinds_of_tensors() -> None:
    assert torch.init_num_threads() is None
    of_channels = ("q_per_channel_scales", "q_per_channel_zero_points", "q_per_channel_axis")
    for name in ("int_repr", "q_scale", "q_zero_point", *of_channels):
        with pytest.raises(NotImplementedError, match=f"Could not run 'aten::{name}' with arguments from the 'CPU'"):
            getattr(x(), name)()
    assert torch.equal(x().double().dequantize(), x()) and not x().is_mtia and x().name is None
    assert x().module_load(x() * 2).sum() == 42 and x().grad_dtype is torch.float32
    assert x().polygamma_(1)[0, 0].item() == pytest.approx(math.pi**2 / 6)
    with pytest.raises(AssertionError, match="Torch not compiled with XPU enabled"):
        x().xpu()


def test_norms_of_old() -> None:
    np.testing.assert_allclose(torch.norm_except_dim(x(), 2, 0).numpy(), [[3.7417], [8.7750]], rtol=1e-4)
    assert torch.nuclear_norm(x()).item() == pytest.approx(10.2809, rel=1e-4)
    assert torch.nuclear_norm(x(), keepdim=True).shape == (1, 1)
    np.testing.assert_allclose(torch.frobenius_norm(x(), [0]).numpy(), [4.1231, 5.3852, 6.7082], rtol=1e-4)


def test_memory() -> None:
    assert torch.empty_permuted((2, 3, 4), (2, 0, 1)).stride() == (3, 1, 6)
    with pytest.raises(RuntimeError, match="Duplicate dim not allowed"):
        torch.empty_permuted((2, 3), (0, 0))


def test_memory_that_is_a_file(tmp_path: Path) -> None:
    path = str(tmp_path / "numbers")
    with pytest.raises(RuntimeError, match="unable to open file <.*> in read-only mode"):
        torch.from_file(path, False, 4)
    shared = torch.from_file(path, True, 4)
    shared[1] = 9
    assert np.fromfile(path, np.float32).tolist() == [0, 9, 0, 0]
    assert torch.from_file(path, False, 2, dtype=torch.float32).tolist() == [0, 9]


def test_losses_with_numbers_for_reductions() -> None:
    v, ones = torch.tensor(V), torch.ones(3)
    cases = [
        (torch.binary_cross_entropy_with_logits(v, ones, None, None, 2), 0.4888),
        (torch.kl_div(v, v, 1, log_target=True), 0.0),
        (torch.poisson_nll_loss(v, v, True, False, 1e-8, 1), 5.3976),
        (torch.hinge_embedding_loss(v, torch.tensor([1.0, -1, 1]), 1.0, 1), 1.3333),
        (torch.cosine_embedding_loss(x(), x() + 1, torch.ones(2), 0.0, 2), 0.0078),
        (torch.triplet_margin_loss(x(), x() + 1, x() - 2, 1.0, 2.0, 1e-6, False, 1), 0.0),
    ]
    for found, expected in cases:
        assert found.item() == pytest.approx(expected, abs=1e-4)
    assert torch.margin_ranking_loss(v, v, ones, 0.5, 0).tolist() == [0.5, 0.5, 0.5]


def test_layers_with_what_their_gradient_needs() -> None:
    v, running = torch.tensor(V), (torch.zeros(3), torch.ones(3))
    value, mean, inverse = torch.native_batch_norm(x(), v, v, *running, True, 0.1, 1e-5)
    assert mean.tolist() == [2.5, 3.5, 4.5] and inverse.numpy() == pytest.approx(0.6667, abs=1e-4)
    assert [t.numel() for t in torch.native_batch_norm(x(), v, v, *running, False, 0.1, 1e-5)] == [6, 0, 0]
    value, mean, inverse = torch.native_layer_norm(x(), [3], v, v, 1e-5)
    assert mean.tolist() == [[2], [5]] and value[0, 1].item() == pytest.approx(2)
    assert torch.native_group_norm(x().reshape(1, 6, 1), None, None, 1, 6, 1, 2, 1e-5)[1].tolist() == [[2, 5]]
    torch.manual_seed(0)
    kept, mask = torch.native_dropout(x(), 0.5, True)
    assert kept.tolist() == [[0, 0, 6], [0, 0, 0]] and mask.sum() == 1
    running_mean, running_var = torch.zeros(3), torch.ones(3)
    assert torch.batch_norm_update_stats(x(), running_mean, running_var, 0.1)[1].tolist() == [2.25] * 3
    assert running_var[0].item() == pytest.approx(1.35)
    for name in ("stats", "elemt", "backward_elemt", "backward_reduce", "gather_stats", "gather_stats_with_counts"):
        with pytest.raises(NotImplementedError, match=f"aten::batch_norm_{name}'"):
            getattr(torch, f"batch_norm_{name}")(x(), 1e-5)
    with pytest.raises(NotImplementedError, match="aten::native_norm'"):
        torch.native_norm(x())


def test_embeddings_in_bags() -> None:
    w = torch.arange(8.0).reshape(4, 2)
    bags, owner, sizes, places = torch.embedding_bag(w, torch.tensor([0, 1, 3]), torch.tensor([0, 2]), False, 2)
    assert bags.tolist() == [[2, 3], [6, 7]] and owner.tolist() == [0, 0, 1]
    assert sizes.tolist() == [2, 1] and places.tolist() == [[1, 1], [3, 3]]
    table = torch.ones(3, 4)
    torch.embedding_renorm_(table, torch.tensor([0, 2, 2]), 1.0, 2.0)
    assert table[:, 0].numpy() == pytest.approx([0.5, 1, 0.5], abs=1e-4)


def test_small_things() -> None:
    class Named:
        @torch.classproperty
        def name(cls) -> str:
            return cls.__name__  # type: ignore[attr-defined]

    assert Named.name == Named().name == "Named"
    assert torch.get_device(x()) == -1 and torch.is_distributed(x()) is False
    assert torch.get_file_path("kenaz").endswith("kenaz")
    torch.init_num_threads()
    assert torch.get_num_threads() > 0
    torch.set_anomaly_enabled(True)
    assert torch.is_anomaly_enabled()
    torch.set_anomaly_enabled(False)
    matrix = torch.tensor([[1.0, 2], [3, 4]])
    assert torch.addmv_(torch.ones(2), matrix, torch.ones(2)).tolist() == [4, 8]


def test_extreme_eigenvalues() -> None:
    A = torch.diag(torch.tensor([5.0, 4, 3, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.01]))
    values, vectors = torch.lobpcg(A, k=2)
    torch.testing.assert_close(values, torch.tensor([5.0, 4.0]))
    torch.testing.assert_close(A @ vectors, vectors * values, atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.lobpcg(A, k=2, largest=False)[0], torch.tensor([0.01, 0.05]))
    torch.testing.assert_close(torch.lobpcg(A, B=2 * torch.eye(10))[0], torch.tensor([2.5]))
    with pytest.raises(ValueError, match="A rows \\(=3\\) is smaller than 3 x the number of requested eigenpairs"):
        torch.lobpcg(A[:3, :3], k=2)


def test_words_of_the_namespace() -> None:
    assert torch.has_lapack and torch.thread_safe_generator() is None and torch.Future is torch.futures.Future
    with torch.autograd.set_multithreading_enabled(False):
        assert torch.DispatchKeySet is torch._C.DispatchKeySet
