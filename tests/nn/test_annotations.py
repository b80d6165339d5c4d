"""Annotations of layers are types, as PyTorch's are: `typing.get_type_hints` is called with user's subclasses."""

import typing

import pytest

import kenaz as torch
from kenaz import nn

LAYERS = [layer for layer in vars(nn).values() if isinstance(layer, type) and issubclass(layer, nn.Module)]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.__name__)
def test_hints_of_every_layer_resolve(layer: type) -> None:
    assert typing.get_type_hints(layer)["training"] is bool


def test_hints_of_a_users_module() -> None:
    class Net(nn.Module):
        width: int

    assert typing.get_type_hints(Net)["width"] is int


def test_own_annotations_are_types() -> None:
    own = nn.Linear.__annotations__
    assert own["in_features"] is int and own["weight"] is torch.Tensor
