"""What the answers in goldens/ do not show: files, copies, modes, addresses, and what is written to."""

import copy
import importlib
import pickle

import pytest

import kenaz as torch
from kenaz import nn
from kenaz.nn import functional as F


def same(a, b):
    return a.shape == b.shape and bool((a == b).all())


# ------------------------------------------------------------------------------------------------------------ addresses
@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("linear", "Linear Bilinear Identity NonDynamicallyQuantizableLinear"),
        ("conv", "Conv1d Conv2d ConvTranspose3d _ConvNd LazyConv2d"),
        ("batchnorm", "BatchNorm1d SyncBatchNorm _BatchNorm _NormBase"),
        ("instancenorm", "InstanceNorm2d _InstanceNorm"),
        ("normalization", "LayerNorm GroupNorm RMSNorm LocalResponseNorm CrossMapLRN2d"),
        ("activation", "ReLU GELU MultiheadAttention"),
        ("transformer", "Transformer TransformerEncoderLayer _get_clones"),
        ("rnn", "LSTM GRU RNNBase LSTMCell"),
        ("loss", "CrossEntropyLoss _Loss _WeightedLoss"),
        ("pixelshuffle", "PixelShuffle PixelUnshuffle"),
        ("channelshuffle", "ChannelShuffle"),
        ("dropout", "Dropout _DropoutNd"),
        ("pooling", "MaxPool2d _MaxPoolNd AdaptiveAvgPool2d"),
        ("sparse", "Embedding EmbeddingBag"),
        ("utils", "_single _pair _triple _quadruple _ntuple"),
    ],
)
def test_pytorchs_addresses_lead_to_our_layers(file, names):
    module = importlib.import_module(f"kenaz.nn.modules.{file}")
    for name in names.split():
        found = getattr(module, name)
        if name in vars(nn):
            assert found is getattr(nn, name)
            assert found.__module__ == f"torch.nn.modules.{file}"
    with pytest.raises(AttributeError, match="has no attribute 'nope'"):
        _ = module.nope


# ----------------------------------------------------------------------------------------------------- copies and files
LAYERS = {
    "Linear": lambda: nn.Linear(3, 2),
    "Conv2d": lambda: nn.Conv2d(1, 2, 3, padding="same", padding_mode="reflect"),
    "BatchNorm1d": lambda: nn.BatchNorm1d(3),
    "LSTM": lambda: nn.LSTM(3, 2, 2, bidirectional=True, proj_size=1),
    "MultiheadAttention": lambda: nn.MultiheadAttention(4, 2, add_bias_kv=True),
    "TransformerEncoderLayer": lambda: nn.TransformerEncoderLayer(4, 2, 8),
    "EmbeddingBag": lambda: nn.EmbeddingBag(4, 2, padding_idx=0),
    "AdaptiveLogSoftmaxWithLoss": lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 6, [2, 4], div_value=2.0),
    "CrossEntropyLoss": lambda: nn.CrossEntropyLoss(weight=torch.ones(3)),
    "Upsample": lambda: nn.Upsample(scale_factor=(2, 3)),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("way", ["deepcopy", "pickle"])
def test_copies_have_the_same_state_and_print_the_same(name, way):
    layer = LAYERS[name]()
    copied = copy.deepcopy(layer) if way == "deepcopy" else pickle.loads(pickle.dumps(layer))
    assert repr(copied) == repr(layer)
    state, other = layer.state_dict(), copied.state_dict()
    assert list(state) == list(other)
    assert all(same(state[key], other[key]) and state[key] is not other[key] for key in state)


def test_weights_of_a_recurrent_layer_are_the_parameters_after_loading_copying_and_converting():
    layer = nn.LSTM(3, 2, 2)
    layer.load_state_dict({name: torch.ones_like(value) for name, value in layer.state_dict().items()})
    for one in (layer, copy.deepcopy(layer), layer.double()):
        assert all(weight is getattr(one, name) for name, weight in zip(one._flat_weights_names, one._flat_weights))
    layer.weight_ih_l0 = nn.Parameter(torch.zeros(8, 3).double())
    assert same(layer._flat_weights[0], torch.zeros(8, 3).double())
    assert [len(weights) for weights in layer.all_weights] == [4, 4]
    assert "_flat_weights" in layer.__getstate__()


def test_batch_norm_loads_files_without_a_count_of_batches():
    norm = nn.BatchNorm1d(2)
    norm(torch.randn(4, 2))
    state = norm.state_dict()
    del state["num_batches_tracked"], state._metadata
    fresh = nn.BatchNorm1d(2)
    fresh.load_state_dict(state)
    assert fresh.num_batches_tracked.item() == 0
    assert same(fresh.running_mean, norm.running_mean)


def test_batch_norm_becomes_sync_batch_norm_and_shares_its_tensors():
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3).eval())
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(net)
    assert type(converted[1]) is nn.SyncBatchNorm
    assert converted[1].weight is net[1].weight
    assert not converted[1].training


# ------------------------------------------------------------------------------------------------------- writing, modes
@pytest.mark.parametrize("name", ["relu", "elu", "leaky_relu", "silu", "hardtanh", "celu", "relu6"])
def test_inplace_writes_to_the_input_and_the_plain_form_does_not(name):
    x = torch.tensor([-1.0, 0.5, 2.0])
    kept = x.clone()
    plain = getattr(F, name)(x)
    assert same(x, kept)
    result = getattr(F, name)(x, inplace=True)
    assert result is x
    assert same(x, plain)


def test_inplace_after_a_layer_keeps_the_gradient():
    x = torch.tensor([[1.0, -2.0]])
    layer = nn.Linear(2, 2, bias=False)
    plain = nn.Sequential(layer, nn.ReLU())
    written = nn.Sequential(layer, nn.ReLU(inplace=True))
    plain(x).sum().backward()
    expected, layer.weight.grad = layer.weight.grad, None
    written(x).sum().backward()
    assert same(layer.weight.grad, expected)


def test_running_statistics_move_in_training_only_and_once_a_batch():
    norm = nn.BatchNorm1d(2, momentum=0.5)
    x = torch.tensor([[0.0, 2.0], [2.0, 6.0]])
    norm(x)
    assert norm.running_mean.tolist() == [0.5, 2.0]
    assert norm.running_var.tolist() == pytest.approx([1.5, 4.5], rel=1e-6)
    assert norm.num_batches_tracked.item() == 1
    norm.eval()(x)
    assert norm.running_mean.tolist() == [0.5, 2.0]
    assert norm.num_batches_tracked.item() == 1


def test_padding_row_of_an_embedding_starts_at_zero_and_stays():
    table = nn.Embedding(3, 2, padding_idx=-3)
    assert table.weight[0].tolist() == [0.0, 0.0]
    table(torch.tensor([0, 1, 0])).sum().backward()
    assert table.weight.grad.tolist() == [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]


def test_dropout_does_nothing_in_evaluation_and_returns_the_input():
    x = torch.ones(3)
    assert nn.Dropout(0.9).eval()(x) is x
    assert F.dropout(x, 0.9, training=False) is x


def test_packed_and_padded_sequences_give_the_same_numbers():
    torch.manual_seed(1)
    x, lengths = torch.randn(4, 3, 2), [4, 2, 1]
    for layer in (nn.GRU(2, 3, 2, bidirectional=True), nn.LSTM(2, 3)):
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths)
        output, _ = nn.utils.rnn.pad_packed_sequence(layer(packed)[0])
        for i, length in enumerate(lengths):
            alone, _ = layer(x[:length, i])
            assert torch.allclose(output[:length, i], alone, atol=1e-6)


def test_a_custom_layer_over_a_builtin_base_works():
    class Scaled(nn.Linear):
        def forward(self, input):
            return 2 * super().forward(input)

    layer = Scaled(2, 1)
    x = torch.ones(1, 2)
    assert same(layer(x), 2 * F.linear(x, layer.weight, layer.bias))
    assert repr(layer) == "Scaled(in_features=2, out_features=1, bias=True)"


def test_losses_have_second_derivatives():
    x = torch.tensor([0.3, -0.4, 2.5], requires_grad=True)
    for loss in (F.mse_loss, F.huber_loss, F.smooth_l1_loss, F.binary_cross_entropy_with_logits, F.soft_margin_loss):
        (slope,) = torch.autograd.grad(loss(x, torch.ones(3), reduction="sum"), x, create_graph=True)
        (curve,) = torch.autograd.grad(slope.sum(), x)
        step = 1e-3
        with torch.enable_grad():
            near = (x + step).detach().requires_grad_()
            (ahead,) = torch.autograd.grad(loss(near, torch.ones(3), reduction="sum"), near)
        assert torch.allclose(curve, (ahead - slope).detach() / step, atol=1e-2), loss.__name__


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        (lambda x: F.mse_loss(x, torch.ones(2)), "MseLossBackward0"),
        (lambda x: F.huber_loss(x, torch.ones(2)), "HuberLossBackward0"),
        (lambda x: F.smooth_l1_loss(x, torch.ones(2)), "SmoothL1LossBackward0"),
        (lambda x: F.binary_cross_entropy(x.sigmoid(), torch.ones(2)), "BinaryCrossEntropyBackward0"),
        (lambda x: F.binary_cross_entropy_with_logits(x, torch.ones(2)), "BinaryCrossEntropyWithLogitsBackward0"),
        (lambda x: F.soft_margin_loss(x, torch.ones(2)), "SoftMarginLossBackward0"),
        (lambda x: F.l1_loss(x, torch.ones(2)), "MeanBackward0"),
        (lambda x: F.cross_entropy(x, torch.tensor(0)), "NllLossBackward0"),
    ],
)
def test_backward_nodes_have_pytorchs_names(loss, name):
    assert loss(torch.zeros(2, requires_grad=True)).grad_fn.name() == name


def test_gradients_of_convolutions_as_functions():
    x, weight = torch.randn(1, 2, 5, 5, requires_grad=True), torch.randn(3, 2, 3, 3, requires_grad=True)
    output = F.conv2d(x, weight, stride=2, padding=1)
    g = torch.ones_like(output)
    output.backward(g)
    assert torch.allclose(nn.grad.conv2d_input(x.shape, weight.detach(), g, 2, 1), x.grad)
    assert torch.allclose(nn.grad.conv2d_weight(x.detach(), weight.shape, g, 2, 1), weight.grad)


def test_data_parallel_passes_on_and_names_what_files_name():
    net = nn.DataParallel(nn.Linear(2, 1))
    assert list(net.state_dict()) == ["module.weight", "module.bias"]
    assert same(net(torch.ones(3, 2)), net.module(torch.ones(3, 2)))


@pytest.mark.parametrize("layer", ["RNN", "GRU", "LSTM"])
def test_recurrent_layers_have_second_derivatives(layer):
    torch.manual_seed(0)
    net = getattr(nn, layer)(2, 3, bidirectional=True).double()

    def slope(x):
        (g,) = torch.autograd.grad(net(x)[0].pow(2).sum(), x, create_graph=True)
        return g

    x = torch.randn(4, 2, 2, dtype=torch.float64, requires_grad=True)
    (curve,) = torch.autograd.grad(slope(x).sum(), x)
    step = 1e-6
    for index in ((0, 0, 0), (3, 1, 1), (2, 0, 1)):
        ahead, behind = x.detach().clone(), x.detach().clone()
        ahead[index] += step
        behind[index] -= step
        difference = slope(ahead.requires_grad_()).sum() - slope(behind.requires_grad_()).sum()
        assert curve[index].item() == pytest.approx(difference.item() / (2 * step), abs=1e-6)


def test_names_of_linear_layers() -> None:
    layer, x = nn.Linear(3, 4), torch.randn(2, 5, 3)
    names = [layer(x[0]), layer(x), layer(x[0, 0]), layer(x.transpose(0, 1)), nn.Linear(3, 4, bias=False)(x[0, 0])]
    assert [y.grad_fn.name() for y in names] == [
        "AddmmBackward0", "ViewBackward0", "ViewBackward0", "AddBackward0", "SqueezeBackward4",
    ]  # fmt: skip
    with pytest.raises(RuntimeError, match="mat2 must be a matrix, got 1-D tensor"):
        nn.functional.linear(x[0], torch.ones(3), torch.ones(1))
