"""Matrices by rows and by columns. Printed forms are PyTorch 2.13's."""

import io
import pickle

import pytest

import kenaz as torch

X = [[0.0, 2.0, 0.0], [3.0, 0.0, 4.0]]


def test_made_of_dense_and_printed() -> None:
    x = torch.tensor(X)
    rows, columns = x.to_sparse_csr(), x.to_sparse_csc()
    assert repr(rows) == (
        "tensor(crow_indices=tensor([0, 1, 3]),\n       col_indices=tensor([1, 0, 2]),\n"
        "       values=tensor([2., 3., 4.]), size=(2, 3), nnz=3,\n       layout=torch.sparse_csr)"
    )
    assert columns.ccol_indices().tolist() == [0, 1, 2, 3] and columns.row_indices().tolist() == [1, 0, 1]
    assert columns.values().tolist() == [3, 2, 4] and rows.is_sparse_csr and not rows.is_sparse
    assert torch.equal(rows.to_dense(), x) and torch.equal(columns.to_sparse_csr().to_dense(), x)
    assert "size=(0,)" in repr(torch.zeros(2, 2).to_sparse_csr())


def test_made_of_parts() -> None:
    for make, parts in (
        (torch.sparse_csr_tensor, ([0, 1, 3], [1, 0, 2], [2.0, 3.0, 4.0])),
        (torch.sparse_csc_tensor, ([0, 1, 2, 3], [1, 0, 1], [3.0, 2.0, 4.0])),
    ):
        made = make(*parts, (2, 3), dtype=torch.float64)
        assert made.to_dense().tolist() == X and made.dtype is torch.float64
    unsorted = torch.sparse_csr_tensor([0, 1, 3], [1, 2, 0], [2.0, 4.0, 3.0], (2, 3))
    assert unsorted.to_dense().tolist() == X and unsorted.col_indices().tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (([0, 1, 4], [1, 0, 2]), "`crow_indices` must go from 0"),
        (([0, 1], [1, 0, 2]), "must be equal to the number of lines"),
        (([0, 1, 3], [1, 0, 5]), "`0 <= col_indices < 3` is not satisfied"),
    ],
)
def test_parts_that_do_not_fit(parts: tuple, words: str) -> None:
    with pytest.raises(RuntimeError, match=words):
        torch.sparse_csr_tensor(*parts, [2.0, 3.0, 4.0], (2, 3))


def test_operators() -> None:
    x = torch.tensor(X)
    c = x.to_sparse_csr()
    assert torch.equal(c @ torch.ones(3, 2), x @ torch.ones(3, 2)) and (c @ torch.ones(3)).tolist() == [2, 7]
    assert torch.equal(torch.sparse.mm(c, torch.eye(3)), x) and torch.equal(torch.spmm(c, torch.eye(3)), x)
    assert torch.equal(torch.eye(2) @ c, x) and torch.equal(c + x, 2 * x) and c.sum() == 9
    for found in (c * 2, c + c, -c, c.abs(), c.double(), c.clone(), c.detach()):
        assert found.layout is torch.sparse_csr
    assert (c * 2).values().tolist() == [4, 6, 8] and c.double().dtype is torch.float64
    assert c.t().layout is torch.sparse_csc and torch.equal(c.t().to_dense(), x.T)
    assert torch.equal(c.to_sparse().to_dense(), x) and c.to_sparse().layout is torch.sparse_coo


def test_gradients_go_to_values() -> None:
    v = torch.tensor([2.0, 3.0, 4.0], requires_grad=True)
    made = torch.sparse_csr_tensor(torch.tensor([0, 1, 3]), torch.tensor([1, 0, 2]), v, (2, 3))
    (made @ torch.tensor([[1.0], [2.0], [3.0]])).sum().backward()
    assert v.grad.tolist() == [2, 1, 3] and made.requires_grad


def test_questions_of_other_layouts() -> None:
    x = torch.tensor(X)
    with pytest.raises(RuntimeError, match="crow_indices expected sparse row compressed tensor layout but got Strided"):
        x.crow_indices()
    with pytest.raises(RuntimeError, match="ccol_indices expected sparse column compressed tensor layout but got Sparse"):
        x.to_sparse().ccol_indices()
    with pytest.raises(RuntimeError, match="ccol_indices expected .* but got SparseCsr"):
        x.to_sparse_csr().ccol_indices()
    with pytest.raises(RuntimeError, match="indices expected sparse coordinate tensor layout but got SparseCsr"):
        x.to_sparse_csr().indices()
    with pytest.raises(TypeError, match="can't convert SparseCsr layout tensor to numpy"):
        x.to_sparse_csr().numpy()


@pytest.mark.parametrize("way", ["to_sparse", "to_sparse_csr", "to_sparse_csc"])
def test_saved_and_pickled(way: str) -> None:
    x = getattr(torch.tensor(X), way)()
    stream = io.BytesIO()
    torch.save(x, stream)
    loaded = torch.load(io.BytesIO(stream.getvalue()))
    for y in (loaded, pickle.loads(pickle.dumps(x))):
        assert repr(y) == repr(x) and torch.equal(y.to_dense(), x.to_dense())


@pytest.mark.parametrize("layout", ["strided", "sparse_coo", "sparse_csr", "sparse_csc"])
def test_layout_by_name(layout: str) -> None:
    dense = torch.tensor(X)
    for x in (dense, dense.to_sparse()) if layout != "strided" else (dense,):
        y = x.to_sparse(layout=getattr(torch, layout))
        assert y.layout is getattr(torch, layout) and y.to_dense().tolist() == X
