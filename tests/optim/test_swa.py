"""Averaged models, their batch normalization, and the functions that average."""

import pytest

import kenaz as torch
from kenaz.optim import swa_utils


def make_model(value=0.0):
    model = torch.nn.Linear(2, 2)
    set_values(model, value)
    return model


def set_values(model, value):
    with torch.no_grad():
        for p in model.parameters():
            p.fill_(value)


def averaged(values, **options):
    model = make_model()
    average = swa_utils.AveragedModel(model, **options)
    for value in values:
        set_values(model, value)
        average.update_parameters(model)
    return average


AVERAGES = [
    ({}, 3.0),
    (dict(avg_fn=swa_utils.get_swa_avg_fn()), 3.0),
    (dict(multi_avg_fn=swa_utils.get_swa_multi_avg_fn()), 3.0),
    (dict(avg_fn=swa_utils.get_ema_avg_fn(0.9)), 1.58),
    (dict(multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.9)), 1.58),
    (dict(multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.25)), 4.375),
    (dict(avg_fn=lambda average, value, count: average + value * count), 14.0),
]


@pytest.mark.parametrize(("options", "expected"), AVERAGES)
def test_averages(options, expected):
    average = averaged([1.0, 3.0, 5.0], **options)
    assert average.module.weight.flatten().tolist() == pytest.approx([expected] * 4)
    assert average.module.bias.tolist() == pytest.approx([expected] * 2)
    assert average.n_averaged.item() == 3


def test_state_dict_and_forward():
    average = averaged([1.0])
    assert list(average.state_dict()) == ["n_averaged", "module.weight", "module.bias"]
    assert average(torch.ones(1, 2)).tolist() == [[3.0, 3.0]]
    other = swa_utils.AveragedModel(make_model())
    other.load_state_dict(average.state_dict())
    assert other.module.bias.tolist() == [1.0, 1.0]


def test_buffers_are_copied_or_averaged():
    model = torch.nn.BatchNorm1d(2)
    for use_buffers, mean, tracked in ((False, [4.0, 4.0], 4), (True, [3.0, 3.0], 3)):
        average = swa_utils.AveragedModel(model, use_buffers=use_buffers)
        for value in (2, 4):
            model.running_mean.fill_(value)
            model.num_batches_tracked.fill_(value)
            average.update_parameters(model)
        assert average.module.running_mean.tolist() == mean
        assert average.module.num_batches_tracked.item() == tracked


def test_only_one_function():
    with pytest.raises(AssertionError, match="Only one of avg_fn and multi_avg_fn should be provided"):
        swa_utils.AveragedModel(make_model(), avg_fn=max, multi_avg_fn=max)
    for make in (swa_utils.get_ema_avg_fn, swa_utils.get_ema_multi_avg_fn):
        with pytest.raises(ValueError, match="Invalid decay value 1.5 provided. Please provide a value in"):
            make(1.5)


def test_update_bn():
    model = torch.nn.Sequential(torch.nn.BatchNorm1d(1), torch.nn.ReLU())
    model.eval()
    batches = [torch.tensor([[0.0], [2.0]]), torch.tensor([[4.0], [8.0]])]
    swa_utils.update_bn([(batch, None) for batch in batches], model)
    assert model[0].running_mean.tolist() == [3.5]
    assert model[0].running_var.tolist() == pytest.approx([5.0])
    assert model[0].momentum == 0.1 and not model.training
