"""nn.utils: clipping, vectors, parametrizations, norms, pruning, packed sequences, fusion. Numbers are PyTorch's."""

import copy
import math
import pickle

import pytest

import kenaz as torch
from kenaz import nn
from kenaz.nn import utils
from kenaz.nn.utils import parametrizations, parametrize, prune, rnn, stateless


def linear(n_in, n_out):
    torch.manual_seed(0)
    return nn.Linear(n_in, n_out)


def flat(tensor):
    return tensor.detach().flatten().tolist()


def parameters(*gradients):
    result = []
    for g in gradients:
        p = nn.Parameter(torch.zeros(2))
        p.grad = None if g is None else torch.tensor(g)
        result.append(p)
    return result


# ------------------------------------------------------------------------------------------------------------- clipping
NORMS = [
    (2, 5.477226, [0.547723, 0.730297]),
    (1, 10.0, [0.3, 0.4]),
    (3, 4.641589, [0.646330, 0.861774]),
    (float("inf"), 4.0, [0.75, 1.0]),
    (0.5, 37.776604, [0.079414, 0.105886]),
    ("inf", 4.0, [0.75, 1.0]),
]


@pytest.mark.parametrize("norm_type, total, first", NORMS)
def test_clip_grad_norm(norm_type, total, first):
    p = parameters([3.0, 4.0], [1.0, 2.0], None)
    assert utils.clip_grad_norm_(p, 1.0, norm_type).item() == pytest.approx(total)
    assert p[0].grad.tolist() == pytest.approx(first, rel=1e-5)


def test_clip_grad_norm_leaves_small_gradients():
    p = parameters([3.0, 4.0])
    assert utils.clip_grad_norm_(p[0], 100.0).item() == 5 and p[0].grad.tolist() == [3, 4]
    assert utils.clip_grad_norm_([], 1.0).item() == 0 and utils.clip_grad_norm_(iter(p), 1.0).item() == 5
    assert p[0].grad.tolist() == pytest.approx([0.6, 0.8])
    assert not utils.clip_grad_norm_(p, 1.0).requires_grad


def test_clip_grad_norm_complaints():
    p = parameters([float("nan"), 1.0])
    with pytest.raises(
        RuntimeError, match="The total norm of order 2.0 for gradients from `parameters` is non-finite, so"
    ):
        utils.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)
    assert math.isnan(utils.clip_grad_norm_(p, 1.0).item())
    with pytest.warns(UserWarning, match="`parameters` is an empty generator, no gradient clipping will occur."):
        utils.clip_grad_norm_((q for q in []), 1.0)
    with pytest.warns(FutureWarning, match="`torch.nn.utils.clip_grad_norm` is now deprecated"):
        utils.clip_grad_norm(p, 1.0)
    with pytest.raises(ValueError, match="could not convert string to float: 'fro'"):
        utils.clip_grad_norm_(p, 1.0, "fro")


def test_clip_grad_value():
    p = parameters([3.0, -4.0], None, [0.1, 0.2])
    utils.clip_grad_value_(p, 1)
    assert p[0].grad.tolist() == [1, -1] and p[2].grad.tolist() == pytest.approx([0.1, 0.2])


def test_total_norm():
    assert utils.get_total_norm([torch.tensor([3.0, 4.0])]).item() == 5 and utils.get_total_norm([]).item() == 0
    p = parameters([3.0, 4.0])
    utils.clip_grads_with_norm_(p, 1.0, torch.tensor(5.0))
    assert p[0].grad.tolist() == pytest.approx([0.6, 0.8])


# -------------------------------------------------------------------------------------------------------------- vectors
def test_vectors():
    p = [nn.Parameter(torch.arange(4.0).reshape(2, 2)), nn.Parameter(torch.tensor(7.0))]
    assert flat(utils.parameters_to_vector(p)) == [0, 1, 2, 3, 7]
    vector = torch.arange(5.0)
    utils.vector_to_parameters(vector, p)
    assert flat(p[0]) == [0, 1, 2, 3] and p[1].item() == 4
    with torch.no_grad():
        p[0][0, 0] = 99.0
    assert vector[0].item() == 99
    with pytest.raises(TypeError, match="expected torch.Tensor, but got: list"):
        utils.vector_to_parameters([1], p)
    with pytest.raises(RuntimeError, match=r"shape '\[2, 2\]' is invalid for input of size 3"):
        utils.vector_to_parameters(torch.ones(3), p)


def test_skip_init():
    layer = utils.skip_init(nn.Linear, 2, 3, dtype=torch.float64)
    assert layer.weight.shape == (3, 2) and layer.weight.dtype == torch.float64 and not layer.weight.is_meta
    with pytest.raises(RuntimeError, match="Module must support a 'device' arg to skip initialization"):
        utils.skip_init(nn.ReLU)
    with pytest.raises(RuntimeError, match="Expected a Module; got <class 'int'>"):
        utils.skip_init(int)


# ------------------------------------------------------------------------------------------------------------ sequences
def test_pad_sequence():
    a, b = torch.tensor([1, 2, 3]), torch.tensor([4])
    assert rnn.pad_sequence([a, b]).tolist() == [[1, 4], [2, 0], [3, 0]]
    assert rnn.pad_sequence([a, b], True, -1).tolist() == [[1, 2, 3], [4, -1, -1]]
    assert rnn.pad_sequence((a, b), batch_first=True, padding_side="left").tolist() == [[1, 2, 3], [0, 0, 4]]
    x = torch.ones(2, 1, requires_grad=True)
    rnn.pad_sequence([x, torch.ones(3, 1)]).sum().backward()
    assert flat(x.grad) == [1, 1]
    assert [s.tolist() for s in rnn.unpad_sequence(rnn.pad_sequence([a, b]), torch.tensor([3, 1]))] == [[1, 2, 3], [4]]
    with pytest.raises(RuntimeError, match="received an empty list of sequences"):
        rnn.pad_sequence([])
    with pytest.raises(RuntimeError, match="Expected padding_side to be one of left or right, but got x."):
        rnn.pad_sequence([a], padding_side="x")
    with pytest.raises(
        RuntimeError, match="pad_sequence: Expected iterable for input sequences, but got arg of type: <class 'int'>"
    ):
        rnn.pad_sequence(5)
    with pytest.raises(TypeError, match="expected Tensor as element 0 in argument 0, but got int"):
        rnn.pad_sequence([1])


def test_pack_padded_sequence():
    x = torch.arange(12.0).reshape(3, 2, 2)
    p = rnn.pack_padded_sequence(x, [3, 2])
    assert p.data.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]] and p.batch_sizes.tolist() == [2, 2, 1]
    assert p.sorted_indices is None and p.unsorted_indices is None
    padded, lengths = rnn.pad_packed_sequence(p, batch_first=True, padding_value=9.0, total_length=4)
    assert padded.tolist() == [[[0, 1], [4, 5], [8, 9], [9, 9]], [[2, 3], [6, 7], [9, 9], [9, 9]]]
    assert lengths.tolist() == [3, 2]
    q = rnn.pack_padded_sequence(x, torch.tensor([2, 3]), enforce_sorted=False)
    assert q.data.tolist() == [[2, 3], [0, 1], [6, 7], [4, 5], [10, 11]]
    assert q.sorted_indices.tolist() == q.unsorted_indices.tolist() == [1, 0]
    padded, lengths = rnn.pad_packed_sequence(q)
    assert padded.tolist() == [[[0, 1], [2, 3]], [[4, 5], [6, 7]], [[0, 0], [10, 11]]] and lengths.tolist() == [2, 3]


PACK_ERRORS = [
    ([2, 3], "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True."),
    ([3], r"Expected `len\(lengths\)` to be equal to batch_size, but got 1 \(batch_size=2\)"),
    ([3, 0], "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"),
    ([[3, 2]], "'lengths' argument should be a 1D CPU int64 tensor, but got 2D cpu Long tensor"),
]


@pytest.mark.parametrize("lengths, text", PACK_ERRORS)
def test_errors_of_packing(lengths, text):
    with pytest.raises(RuntimeError, match=text):
        rnn.pack_padded_sequence(torch.zeros(3, 2, 2), torch.tensor(lengths))


def test_packed_sequences():
    s = [torch.tensor([1, 2, 3]), torch.tensor([4, 5]), torch.tensor([6])]
    assert rnn.pack_sequence(s).data.tolist() == [1, 4, 6, 2, 5, 3]
    p = rnn.pack_sequence(s[::-1], enforce_sorted=False)
    assert [u.tolist() for u in rnn.unpack_sequence(p)] == [[6], [4, 5], [1, 2, 3]]
    assert p.double().data.dtype == torch.float64 and p.to("cpu") is p and p.long() is p and not p.is_cuda
    assert repr(p._replace(data=p.data * 2)).startswith(
        "PackedSequence(data=tensor([ 2,  8, 12,  4, 10,  6]), batch_sizes="
    )
    for again in (copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        assert isinstance(again, rnn.PackedSequence) and again.data.tolist() == p.data.tolist()
    assert (
        rnn.invert_permutation(torch.tensor([2, 0, 1])).tolist() == [1, 2, 0] and rnn.invert_permutation(None) is None
    )
    assert rnn.PackedSequence(torch.ones(3), torch.tensor([2, 1]), torch.tensor([1, 0])).unsorted_indices.tolist() == [
        1,
        0,
    ]
    with pytest.raises(AssertionError, match="Expected data to be a list or tuple of length 2"):
        rnn.PackedSequence(torch.ones(3))


def test_gradients_pass_through_packing():
    x = torch.ones(3, 2, 2, requires_grad=True)
    p = rnn.pack_padded_sequence(x, [2, 3], enforce_sorted=False)
    rnn.pad_packed_sequence(p)[0].sum().backward()
    assert x.grad[:, :, 0].tolist() == [[1, 1], [1, 1], [0, 1]]


# ----------------------------------------------------------------------------------------------------- parametrizations
class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).transpose(-1, -2)


class Double(nn.Module):
    def forward(self, x):
        return x * 2

    def right_inverse(self, x):
        return x / 2


class Split(nn.Module):
    def forward(self, *parts):
        return sum(parts)

    def right_inverse(self, x):
        return x / 2, x / 2


def test_register_and_remove_parametrizations():
    layer = linear(2, 2)
    weight = layer.weight
    assert parametrize.register_parametrization(layer, "weight", Symmetric()) is layer
    assert repr(layer) == (
        "ParametrizedLinear(\n  in_features=2, out_features=2, bias=True\n  (parametrizations): ModuleDict(\n"
        "    (weight): ParametrizationList(\n      (0): Symmetric()\n    )\n  )\n)"
    )
    assert isinstance(layer, nn.Linear) and parametrize.type_before_parametrizations(layer) is nn.Linear
    assert [n for n, _ in layer.named_parameters()] == ["bias", "parametrizations.weight.original"]
    assert parametrize.is_parametrized(layer, "weight") and not parametrize.is_parametrized(layer, "bias")
    assert layer.weight[0, 1].item() == layer.weight[1, 0].item() == weight[0, 1].item()
    symmetric = flat(layer.weight)
    parametrize.register_parametrization(layer, "weight", Double())
    assert flat(layer.weight) == [2 * w for w in symmetric]
    with pytest.raises(RuntimeError, match="parametrization Symmetric does not implement right_inverse."):
        layer.weight = torch.ones(2, 2)
    layer(torch.ones(2)).sum().backward()
    assert weight.grad is not None
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear and layer.weight is weight and flat(weight) == [2 * w for w in symmetric]


def test_assigning_to_a_parametrized_tensor():
    layer = linear(2, 2)
    parametrize.register_parametrization(layer, "weight", Double())
    layer.weight = torch.eye(2) * 4
    assert flat(layer.weight) == [4, 0, 0, 4] and flat(layer.parametrizations.weight.original) == [2, 0, 0, 2]
    twin = copy.deepcopy(layer)
    twin.weight = torch.zeros(2, 2)
    assert flat(layer.weight) == [4, 0, 0, 4] and flat(twin.weight) == [0, 0, 0, 0]
    twin.load_state_dict(layer.state_dict())
    assert flat(twin.weight) == [4, 0, 0, 4]
    with pytest.raises(
        RuntimeError, match="Serialization of parametrized modules is only supported through state_dict"
    ):
        pickle.dumps(layer)
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    assert flat(layer.weight) == [2, 0, 0, 2]


def test_parametrizations_of_several_tensors_and_buffers():
    layer = linear(2, 2)
    parametrize.register_parametrization(layer, "weight", Split())
    assert list(layer.state_dict()) == [
        "bias",
        "parametrizations.weight.original0",
        "parametrizations.weight.original1",
    ]
    layer.weight = torch.ones(2, 2)
    assert flat(layer.parametrizations.weight.original0) == [0.5] * 4
    with pytest.raises(ValueError, match="a tensor that is parametrized in terms of a sequence of tensors"):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    other = nn.Linear(2, 2)
    parametrize.transfer_parametrizations_and_params(layer, other)
    assert flat(other.weight) == [1] * 4
    layer.register_buffer("steps", torch.ones(2))
    parametrize.register_parametrization(layer, "steps", Double())
    assert [n for n, _ in layer.named_buffers()] == ["parametrizations.steps.original"] and flat(layer.steps) == [1, 1]
    parametrize.remove_parametrizations(layer, "steps")
    assert "steps" in layer._buffers


def test_cached_parametrizations():
    layer = linear(2, 2)
    parametrize.register_parametrization(layer, "weight", Double())
    with parametrize.cached():
        assert layer.weight is layer.weight
    assert layer.weight is not layer.weight and not parametrize._cache


def no_module(forward, right_inverse=None):
    members = {"forward": lambda self, x: forward(x)}
    if right_inverse is not None:
        members["right_inverse"] = lambda self, x: right_inverse(x)
    return type("Bad", (nn.Module,), members)()


PARAMETRIZATION_ERRORS = [
    (
        no_module(lambda x: x[0]),
        (
            "Registering a parametrization may not change the shape of the tensor, unless `unsafe` flag is enabled.\n"
            "unparametrized shape: torch.Size([2, 2])\nparametrized shape: torch.Size([2])"
        ),
    ),
    (
        no_module(lambda x: x.double()),
        (
            "Registering a parametrization may not change the dtype of the tensor, unless `unsafe` flag is enabled.\n"
            "unparametrized dtype: torch.float32\nparametrized dtype: torch.float64"
        ),
    ),
    (no_module(lambda x: 3), "A parametrization must return a tensor. Got int."),
    (
        no_module(lambda x: x, lambda x: 3),
        "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got int",
    ),
    (
        no_module(lambda x: x, lambda x: x.double()),
        (
            "When `right_inverse` outputs one tensor, it may not change the dtype.\noriginal.dtype: torch.float32\n"
            "right_inverse(original).dtype: torch.float64"
        ),
    ),
]


@pytest.mark.parametrize("bad, text", PARAMETRIZATION_ERRORS)
def test_errors_of_parametrizations(bad, text):
    with pytest.raises(ValueError) as caught:
        parametrize.register_parametrization(linear(2, 2), "weight", bad)
    assert str(caught.value) == text


def test_parametrizing_what_is_not_there():
    with pytest.raises(
        ValueError, match="does not have a parameter, a buffer, or a parametrized element with name 'foo'"
    ):
        parametrize.register_parametrization(linear(2, 2), "foo", Double())
    with pytest.raises(ValueError, match="does not have a parametrization on weight"):
        parametrize.remove_parametrizations(linear(2, 2), "weight")


# fmt: off
ORTHOGONAL = [
    ("matrix_exp", (3, 3), True, [-0.01017, 0.5581, -0.82971, -0.99959, -0.028, -0.00659, -0.02691, 0.8293, 0.55816]),
    ("matrix_exp", (3, 3), False, [0.9126, 0.40033, -0.08342, -0.39526, 0.81121, -0.43093, -0.10484, 0.42623, 0.89852]),
    ("matrix_exp", (3, 2), False, [0.84372, 0.32791, -0.42498, -0.25644, 0.94176, 0.21754]),
    ("cayley", (3, 3), False, [0.9177, 0.38951, -0.07819, -0.38474, 0.82229, -0.4193, -0.09903, 0.41487, 0.90447]),
    ("cayley", (2, 3), True, [-0.00824, 0.69811, -0.9057, -0.30867, -0.42383, 0.64604]),
    ("householder", (3, 3), True, [-0.01017, 0.5581, -0.82971, -0.99959, -0.028, -0.00659, -0.02691, 0.8293, 0.55816]),
    ("householder", (3, 2), False, [-0.00762, 0.54602, -0.83774, -0.97271, -0.19834, -0.12042]),
    ("householder", (2, 3), False, [-0.00824, 0.69811, -0.9057, -0.30867, -0.42383, 0.64604]),
]
# fmt: on


@pytest.mark.parametrize("kind, size, trivial, values", ORTHOGONAL)
def test_orthogonal(kind, size, trivial, values):
    layer = parametrizations.orthogonal(linear(*size), orthogonal_map=kind, use_trivialization=trivial)
    assert flat(layer.weight) == pytest.approx(values, abs=5e-5)
    if not trivial and kind != "householder":
        with pytest.raises(NotImplementedError, match="It is not possible to assign to the matrix exponential"):
            layer.weight = torch.eye(3)[: size[1], : size[0]]
    else:
        target = nn.init.orthogonal_(torch.empty(layer.weight.shape))
        layer.weight = target
        assert torch.allclose(layer.weight, target, atol=1e-5)


def test_errors_of_orthogonal():
    with pytest.raises(
        ValueError, match='orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: foo'
    ):
        parametrizations.orthogonal(linear(2, 2), orthogonal_map="foo")
    with pytest.raises(ValueError, match="Expected a matrix or batch of matrices. Got a tensor of 1 dimensions."):
        parametrizations.orthogonal(linear(2, 2), "bias")


@pytest.mark.parametrize("dim, length", [(0, [0.56723, 0.50393]), (1, [0.42488, 0.38132, 0.49979]), (None, [0.75874])])
def test_weight_norm(dim, length):
    layer = linear(3, 2)
    before = flat(layer.weight)
    parametrizations.weight_norm(layer, dim=dim)
    assert flat(layer.parametrizations.weight.original0) == pytest.approx(length, abs=1e-4)
    assert flat(layer.weight) == pytest.approx(before, abs=1e-6)
    layer.parametrizations.weight.original0.data.mul_(2.0)
    assert flat(layer.weight) == pytest.approx([2 * w for w in before], abs=1e-6)


def test_old_weight_norm():
    layer = linear(3, 2)
    before = flat(layer.weight)
    with pytest.warns(FutureWarning, match="`torch.nn.utils.weight_norm` is deprecated in favor of"):
        utils.weight_norm(layer)
    assert list(layer.state_dict()) == ["bias", "weight_g", "weight_v"] and layer.weight_g.shape == (2, 1)
    new = parametrizations.weight_norm(nn.Linear(3, 2))
    new.load_state_dict(layer.state_dict())
    assert flat(new.weight) == pytest.approx(before, abs=1e-6)
    layer.weight_g.data.mul_(2.0)
    layer(torch.ones(3)).sum().backward()
    assert flat(layer.weight) == pytest.approx([2 * w for w in before], abs=1e-6) and layer.weight_g.grad is not None
    with pytest.warns(FutureWarning), pytest.raises(RuntimeError, match="Cannot register two weight_norm hooks"):
        utils.weight_norm(layer)
    utils.remove_weight_norm(layer)
    assert list(layer._parameters) == ["bias", "weight"] and not layer._forward_pre_hooks
    with pytest.raises(ValueError, match="weight_norm of 'weight' not found in Linear"):
        utils.remove_weight_norm(layer)


def test_spectral_norm():
    layer = parametrizations.spectral_norm(linear(3, 2))
    assert flat(layer.weight) == pytest.approx([-0.00657, 0.47096, -0.72257, -0.6461, -0.33814, 0.23542], abs=1e-4)
    assert flat(layer.parametrizations.weight[0]._u) == pytest.approx([0.78561, -0.61873], abs=1e-4)
    assert "parametrizations.weight.0._v" in layer.state_dict()
    with pytest.raises(ValueError, match="Expected n_power_iterations to be positive, but got n_power_iterations=0"):
        parametrizations.spectral_norm(linear(3, 2), n_power_iterations=0)
    with pytest.raises(IndexError, match=r"expected to be in range of \[-2, 1\] but got 5"):
        parametrizations.spectral_norm(linear(3, 2), dim=5)


def test_old_spectral_norm():
    layer = utils.spectral_norm(linear(3, 2))
    assert list(layer.state_dict()) == ["bias", "weight_orig", "weight_u", "weight_v"]
    assert layer.state_dict()._metadata[""] == {"version": 1, "spectral_norm": {"weight.version": 1}}
    layer(torch.ones(3)).sum().backward()
    assert flat(layer.weight) == pytest.approx([-0.01142, 0.81826, -1.25542, -1.12256, -0.58749, 0.40903], abs=1e-4)
    assert flat(layer.weight_u) == pytest.approx([-0.60069, -0.79948], abs=1e-4) and layer.weight_orig.grad is not None
    u = flat(layer.weight_u)
    layer.eval()(torch.ones(3))
    assert flat(layer.weight_u) == u
    layer.load_state_dict(layer.state_dict())
    with pytest.raises(RuntimeError, match="Cannot register two spectral_norm hooks on the same parameter weight"):
        utils.spectral_norm(layer)
    utils.remove_spectral_norm(layer)
    assert list(layer.state_dict()) == ["bias", "weight"] and not layer._state_dict_hooks


# -------------------------------------------------------------------------------------------------------------- pruning
def test_l1_pruning():
    layer = linear(3, 4)
    prune.l1_unstructured(layer, "weight", 2)
    assert list(layer.state_dict()) == ["bias", "weight_orig", "weight_mask"] and prune.is_pruned(layer)
    assert layer.weight_mask.tolist() == [[0, 1, 1], [1, 1, 1], [0, 1, 1], [1, 1, 1]]
    prune.l1_unstructured(layer, "weight", 0.25)
    assert layer.weight_mask.tolist() == [[0, 1, 1], [1, 1, 1], [0, 1, 0], [1, 1, 0]]
    (container,) = layer._forward_pre_hooks.values()
    assert [type(m).__name__ for m in container] == ["L1Unstructured", "L1Unstructured"]
    prune.ln_structured(layer, "weight", 1, 2, 0)
    assert layer.weight_mask.tolist() == [[0, 1, 1], [1, 1, 1], [0, 1, 0], [0, 0, 0]]
    layer(torch.ones(3)).sum().backward()
    assert layer.weight_orig.grad.tolist() == layer.weight_mask.tolist()
    prune.remove(layer, "weight")
    assert list(layer._parameters) == ["bias", "weight"] and not prune.is_pruned(layer) and not layer._forward_pre_hooks
    assert layer.weight.tolist()[3] == [0, 0, 0]


def test_random_pruning():
    layer = linear(3, 4)
    prune.random_unstructured(layer, "weight", 3)
    assert layer.weight_mask.tolist() == [[1, 1, 1], [1, 1, 0], [1, 0, 1], [1, 0, 1]]
    layer = linear(3, 4)
    prune.random_structured(layer, "weight", 0.5, -1)
    assert layer.weight_mask.tolist() == [[0, 1, 0]] * 4
    layer = prune.identity(linear(3, 4), "weight")
    assert layer.weight_mask.tolist() == [[1, 1, 1]] * 4
    layer = prune.custom_from_mask(linear(3, 4), "bias", torch.tensor([0, 1, 0, 1]))
    assert layer.bias_mask.tolist() == [0, 1, 0, 1] and layer.bias[0].item() == 0


def test_global_pruning():
    a = linear(3, 4)
    b = nn.Linear(4, 2)
    prune.global_unstructured([(a, "weight"), (b, "weight")], pruning_method=prune.L1Unstructured, amount=0.5)
    assert a.weight_mask.sum().item() + b.weight_mask.sum().item() == 10
    pruned = prune.L1Unstructured(2).prune(torch.arange(6.0).reshape(2, 3))
    assert pruned.tolist() == [[0, 0, 2], [3, 4, 5]]


PRUNING_ERRORS = [
    (-1, ValueError, "amount=-1 should either be a float in the range [0, 1] or a non-negative integer"),
    (2.5, ValueError, "amount=2.5 should either be a float in the range [0, 1] or a non-negative integer"),
    ("a", TypeError, "Invalid type for amount: a. Must be int or float."),
    (100, ValueError, "amount=100 should be smaller than the number of parameters to prune=12"),
]


@pytest.mark.parametrize("amount, kind, text", PRUNING_ERRORS)
def test_errors_of_pruning(amount, kind, text):
    layer = linear(3, 4)
    with pytest.raises(kind) as caught:
        prune.l1_unstructured(layer, "weight", amount)
    assert str(caught.value) == text and "weight" in layer._parameters
    with pytest.raises(ValueError, match="has to be pruned before pruning can be removed"):
        prune.remove(layer, "weight")
    with pytest.raises(ValueError, match="Structured pruning can only be applied to multidimensional tensors."):
        prune.ln_structured(layer, "bias", 1, 2, 0)


# ------------------------------------------------------------------------------------------------------------ stateless
def test_functional_call():
    layer, x = linear(2, 2), torch.ones(3, 2)
    own = layer.weight
    weight = torch.ones(2, 2, requires_grad=True)
    out = stateless._functional_call(layer, {"weight": weight, "bias": torch.zeros(2)}, x)
    assert out.tolist() == [[2, 2]] * 3 and layer.weight is own
    out.sum().backward()
    assert weight.grad.tolist() == [[3, 3], [3, 3]] and own.grad is None
    with pytest.warns(FutureWarning, match="`torch.nn.utils.stateless.functional_call` is deprecated"):
        stateless.functional_call(layer, {}, (x,))
    with pytest.raises(TypeError, match="3 is not an instance of torch.Tensor"):
        stateless._functional_call(layer, {"weight": 3}, x)
    with pytest.raises(RuntimeError) as caught:
        stateless._functional_call(layer, {"zz": weight}, x, strict=True)
    assert str(caught.value) == (
        "Error(s) in reparametrizing for Linear:\n\tUnexpected key(s): 'zz'.\n\tMissing key(s): 'bias', 'weight'."
    )


def test_functional_call_with_tied_weights():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
            self.b.weight = self.a.weight

        def forward(self, x):
            return self.a(x) + self.b(x)

    net, x, ones = Tied(), torch.ones(1, 2), torch.ones(2, 2)
    assert stateless._functional_call(net, {"b.weight": ones}, x).tolist() == [[4, 4]]
    with pytest.raises(ValueError, match=r"functional_call got multiple values for keys \['a.weight', 'b.weight'\]"):
        stateless._functional_call(net, {"a.weight": ones, "b.weight": ones * 2}, x)
    assert net.a.weight is net.b.weight


# --------------------------------------------------------------------------------------------------------------- fusion
def test_fusion():
    torch.manual_seed(0)
    bn = nn.BatchNorm2d(3)
    bn.running_mean.fill_(0.3)
    bn.running_var.fill_(2.0)
    x = torch.randn(1, 2, 4, 4)
    for conv, transpose in [(nn.Conv2d(2, 3, 2), False), (nn.ConvTranspose2d(2, 3, 2, bias=False), True)]:
        with pytest.raises(AssertionError, match="Fusion only for eval!"):
            utils.fuse_conv_bn_eval(conv.train(), bn)
        conv.eval()
        bn.eval()
        fused = utils.fuse_conv_bn_eval(conv, bn, transpose=transpose)
        assert torch.allclose(fused(x), bn(conv(x)), atol=1e-5)
    layer, bn = nn.Linear(2, 3).eval(), nn.BatchNorm1d(3).eval()
    bn.running_mean.fill_(0.3)
    x = torch.randn(4, 2)
    assert torch.allclose(utils.fuse_linear_bn_eval(layer, bn)(x), bn(layer(x)), atol=1e-5)
