"""Sparse tensors against the dense ones that they stand for."""

import copy
import io
import pickle
import re

import pytest

import kenaz as torch
from kenaz import nn, optim

I = torch.tensor([[0, 1, 1], [2, 0, 2]])
V = torch.tensor([3.0, 4.0, 5.0])


def example(**options):
    return torch.sparse_coo_tensor(I, V, (2, 3), **options)


def dense():
    return torch.tensor([[0.0, 0.0, 3.0], [4.0, 0.0, 5.0]])


def doubled():
    """Elements out of order, one place twice."""
    return torch.sparse_coo_tensor([[1, 0, 1], [0, 1, 0]], [1.0, 2.0, 5.0], (2, 2))


def same(a, b):
    a = a.to_dense()
    return a.shape == b.shape and a.dtype == b.dtype and bool(torch.allclose(a.double(), b.double()))


def test_prints_as_pytorch():
    assert repr(example()) == (
        "tensor(indices=tensor([[0, 1, 1],\n                       [2, 0, 2]]),\n       values=tensor([3., 4., 5.]),\n"
        "       size=(2, 3), nnz=3, layout=torch.sparse_coo)"
    )
    assert repr(example(dtype=torch.float64, requires_grad=True)).endswith(
        "size=(2, 3), nnz=3, dtype=torch.float64, layout=torch.sparse_coo,\n       requires_grad=True)"
    )
    assert repr(torch.sparse_coo_tensor((2, 3))) == (
        "tensor(indices=tensor([], size=(2, 0)),\n       values=tensor([], size=(0,)),\n"
        "       size=(2, 3), nnz=0, layout=torch.sparse_coo)"
    )


def test_what_it_is():
    s = example()
    assert s.is_sparse and s.layout is torch.sparse_coo and isinstance(s, torch.Tensor)
    assert (s.sparse_dim(), s.dense_dim(), s._nnz(), s.numel(), len(s)) == (2, 0, 3, 6, 2)
    assert not s.is_coalesced() and s.coalesce().is_coalesced() and s.type() == "torch.sparse.FloatTensor"
    assert same(s, dense()) and torch.sparse_coo_tensor(I, V).shape == (2, 3)
    assert not dense().is_sparse and dense().to_sparse().is_coalesced()


def test_coalesce_adds_up():
    c = doubled().coalesce()
    assert c.indices().tolist() == [[0, 1], [1, 0]] and c.values().tolist() == [2.0, 6.0]
    with pytest.raises(RuntimeError, match="Cannot get indices on an uncoalesced tensor, please call .coalesce"):
        doubled().indices()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_to_sparse_and_back(count):
    x = torch.arange(24.0).reshape(2, 3, 4) * (torch.arange(24) % 5 == 0).reshape(2, 3, 4)
    s = x.to_sparse(count)
    assert same(s, x) and s.sparse_dim() == count and s.dense_dim() == 3 - count


ARITHMETIC = {
    "times number": lambda s: s * 2,
    "number times": lambda s: 2 * s,
    "over": lambda s: s / 4,
    "negative": lambda s: -s,
    "twice": lambda s: s + s,
    "nothing": lambda s: s - s,
    "square": lambda s: s * s,
    "power": lambda s: s**3,
    "times dense": lambda s: s * torch.arange(6.0).reshape(2, 3),
    "dense times": lambda s: torch.arange(3.0) * s,
    "dense plus": lambda s: torch.ones(2, 3) + s,
    "dense minus": lambda s: torch.ones(2, 3) - s,
    "alpha": lambda s: torch.add(s, s, alpha=3),
    "root": torch.sqrt,
    "absolute": abs,
    "turned": lambda s: s.t(),
    "transposed": lambda s: torch.transpose(s, 0, -1),
    "permuted": lambda s: s.permute(1, 0),
    "row": lambda s: s[1],
    "column": lambda s: s[:, 2],
    "element": lambda s: s[1, 2],
    "new axis": lambda s: s[None],
    "rows": lambda s: s.index_select(0, torch.tensor([1, 1, 0])),
    "behind": lambda s: torch.cat([s, s]),
    "beside": lambda s: torch.cat([s, s], 1),
    "stacked": lambda s: torch.stack([s, s]),
    "zeros": torch.zeros_like,
    "double": lambda s: s.double(),
    "long": lambda s: s.to(torch.int64),
    "sum": lambda s: s.sum(),
    "sum of columns": lambda s: s.sum(0),
    "sum of rows": lambda s: s.sum(-1, keepdim=True),
    "matrix": lambda s: s @ torch.arange(6.0).reshape(3, 2),
    "vector": lambda s: s @ torch.arange(3.0),
    "from the left": lambda s: torch.arange(8.0).reshape(4, 2) @ s,
    "row vector": lambda s: torch.arange(2.0) @ s,
    "linear": lambda s: nn.functional.linear(torch.ones(4, 3), s, torch.ones(2)),
    "addmm": lambda s: torch.addmm(torch.ones(2, 2), s, torch.ones(3, 2), beta=2, alpha=3),
}


@pytest.mark.parametrize("name", ARITHMETIC)
def test_operators_agree_with_dense(name):
    f = ARITHMETIC[name]
    assert same(f(example()), f(dense()))


def test_in_place():
    s = example().mul_(2).add_(example())
    s /= 3
    assert same(s, dense()) and same(s.zero_(), torch.zeros(2, 3))
    x = torch.ones(2, 3)
    assert same(x.add_(example(), alpha=-1), 1 - dense()) and same(x, 1 - dense())


def test_namespace():
    a = dense().to_sparse()
    assert same(torch.sparse.mm(a, torch.ones(3, 2)), dense() @ torch.ones(3, 2))
    assert same(torch.sparse.mm(a, a.t()), dense() @ dense().t())
    assert torch.sparse.sum(a).item() == 12 and same(torch.sparse.sum(a, 1), dense().sum(1))
    soft = torch.sparse.softmax(a, 1).to_dense()
    assert torch.allclose(soft, torch.tensor([[0.0, 0.0, 1.0], [0.26894143, 0.0, 0.73105860]]))
    assert torch.allclose(torch.sparse.log_softmax(a, 1)._values().exp(), soft[soft > 0])
    band = torch.sparse.spdiags(torch.arange(9).reshape(3, 3), torch.tensor([0, -1, 1]), (3, 3))
    assert band.to_dense().tolist() == [[0, 7, 0], [3, 1, 8], [0, 4, 2]]
    assert same(torch.sparse.FloatTensor(I, V, torch.Size([2, 3])), dense())
    assert torch.ones(2, 3).sparse_mask(a).values().tolist() == [1.0, 1.0, 1.0]


MISTAKES = {
    "add(sparse, dense) is not supported": lambda: example() + torch.ones(2, 3),
    "indices and values must have same nnz, but got nnz from indices: 3, nnz from values: 2": lambda: (
        torch.sparse_coo_tensor(I, [1.0, 2.0], (2, 3))
    ),
    "indices must be sparse_dim x nnz": lambda: torch.sparse_coo_tensor([0, 1], [1.0, 2.0], (2,)),
    "size is inconsistent with indices: for dim 0, size is 1 but found index 1": lambda: torch.sparse_coo_tensor(
        I, V, (1, 3), check_invariants=True
    ),
    "found negative index -1 for dim 0": lambda: torch.sparse_coo_tensor(-I, V),
    "Could not run 'aten::exp' with arguments from the 'SparseCPU' backend": lambda: example().exp(),
    "reshape is not implemented for sparse tensors": lambda: example().reshape(6),
    "Sparse division requires a scalar": lambda: example() / example(),
    "indices expected sparse coordinate tensor layout but got Strided": lambda: torch.ones(2).indices(),
    "can't convert Sparse layout tensor to numpy": lambda: example().numpy(),
    "Cannot access storage of SparseTensorImpl": lambda: example().untyped_storage(),
}


@pytest.mark.parametrize("words", MISTAKES)
def test_mistakes(words):

    with pytest.raises((RuntimeError, NotImplementedError, TypeError), match=re.escape(words)):
        MISTAKES[words]()


GRADIENTS = {
    "mm": lambda s, d: torch.sparse.mm(s, torch.arange(12.0).reshape(4, 3).double()),
    "square": lambda s, d: s * s,
    "softmax": lambda s, d: torch.sparse.softmax(s, 1),
    "sum": lambda s, d: torch.sparse.sum(s, 0),
    "product": lambda s, d: torch.sparse.mm(s, s),
    "masked": lambda s, d: d.sparse_mask(s) * d,
    "mixed": lambda s, d: s @ d + d @ s,
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients(name):
    """What goes through sparse tensors has the gradient that differences say."""
    torch.manual_seed(0)
    x = torch.rand(4, 4, dtype=torch.float64) + 0.5

    def f(x):
        return GRADIENTS[name](x.to_sparse(), x).to_dense().pow(2).sum()

    assert torch.autograd.gradcheck(f, (x.requires_grad_(),))


def test_sparse_leaf_has_sparse_gradient():
    w = torch.eye(2).to_sparse().requires_grad_()
    torch.sparse.mm(w, torch.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    assert w.grad.is_sparse and w.grad.values().tolist() == [3.0, 7.0]
    w.to_dense().sum().backward()
    assert w.grad.to_dense().tolist() == [[4.0, 0.0], [0.0, 8.0]]
    values = torch.tensor([1.0, 2.0], requires_grad=True)
    torch.sparse_coo_tensor([[0, 0], [1, 1]], values, (2, 2)).coalesce().values().sum().backward()
    assert values.grad.tolist() == [1.0, 1.0]


def embedding(**options):
    layer = nn.Embedding(6, 2, **options)
    with torch.no_grad():
        layer.weight.copy_(torch.arange(12.0).reshape(6, 2) / 10)
    return layer


def test_embedding_gradient():
    layer = embedding(sparse=True, padding_idx=1)
    layer(torch.tensor([[1, 3], [1, 4]])).sum().backward()
    assert layer.weight.grad.is_sparse and layer.weight.grad._indices().tolist() == [[3, 4]]
    layer(torch.tensor([3])).sum().backward()
    assert layer.weight.grad._nnz() == 3 and layer.weight.grad.to_dense()[3].tolist() == [2.0, 2.0]
    layer.weight.sum().backward()
    assert not layer.weight.grad.is_sparse and layer.weight.grad[:, 0].tolist() == [1.0, 1.0, 1.0, 3.0, 2.0, 1.0]


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_embedding_bag_gradient(mode):
    grads = []
    for sparse in (False, True):
        bag = nn.EmbeddingBag(5, 2, mode=mode, sparse=sparse)
        bag(torch.tensor([[1, 2], [2, 2]])).sum().backward()
        grads.append(bag.weight.grad)
    assert grads[1].is_sparse and same(grads[1], grads[0])


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD(p, lr=0.1),
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
        lambda p: optim.Adagrad(p, lr=0.1),
    ],
)
def test_optimizers_take_sparse_gradients(make):
    ends = []
    for sparse in (False, True):
        layer = embedding(sparse=sparse)
        optimizer = make(layer.parameters())
        for k in range(3):
            optimizer.zero_grad()
            layer(torch.tensor([1, 2, 2, k])).pow(2).sum().backward()
            optimizer.step()
        ends.append(layer.weight)
    assert torch.allclose(*ends)


def test_sparse_adam_moves_only_rows_with_a_gradient():
    layer = embedding(sparse=True)
    optimizer = optim.SparseAdam(layer.parameters(), lr=0.1)
    before = layer.weight.detach().clone()
    layer(torch.tensor([1, 2, 2])).sum().backward()
    optimizer.step()
    moved = (layer.weight.detach() - before).abs()
    assert torch.allclose(moved[1:3], torch.full((2, 2), 0.1)) and not moved[[0, 3, 4, 5]].any()
    with pytest.raises(RuntimeError, match="Adam does not support sparse gradients, please consider SparseAdam"):
        optim.Adam(layer.parameters()).step()


def test_copies_and_files():
    s = doubled()
    file = io.BytesIO()
    torch.save({"s": s}, file)
    file.seek(0)
    for again in (torch.load(file)["s"], copy.deepcopy(s), pickle.loads(pickle.dumps(s)), s.clone(), s.detach()):
        assert again.is_sparse and same(again, s.to_dense())
