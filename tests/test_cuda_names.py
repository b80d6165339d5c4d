"""torch.cuda without a device: what libraries annotate with and ask for is there, and refuses as a CPU build does."""

import importlib

import pytest

import kenaz as torch


@pytest.mark.parametrize("name", ["Stream", "Event", "ExternalStream", "CUDAGraph", "graph", "device", "StreamContext"])
def test_classes_to_annotate_with(name: str) -> None:
    assert isinstance(getattr(torch.cuda, name), type)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: torch.cuda.Stream(), "torch.cuda.Stream requires CUDA support"),
        (lambda: torch.cuda.Event(enable_timing=True), "Tried to instantiate dummy base class Event"),
        (lambda: torch.cuda.CUDAGraph(), "Tried to instantiate dummy base class CUDAGraph"),
        (lambda: torch.cuda.is_current_stream_capturing(), "dummy base class _cuda_isCurrentStreamCapturing"),
    ],
)
def test_refusals(call, message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        call()


@pytest.mark.parametrize("name", ["default_stream", "initial_seed", "get_rng_state", "cudart"])
def test_questions_that_need_a_device(name: str) -> None:
    with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
        getattr(torch.cuda, name)()


@pytest.mark.parametrize("name", ["memory", "random", "streams", "graphs"])
def test_submodules_have_the_same_functions(name: str) -> None:
    module = importlib.import_module(f"kenaz.cuda.{name}")
    assert all(getattr(module, public) is getattr(torch.cuda, public) for public in module.__all__)


def test_tensor_types() -> None:
    kind = torch.cuda.FloatTensor
    assert not isinstance(torch.ones(1), kind) and kind.dtype is torch.float32
    assert kind.is_cuda and not torch.FloatTensor.is_cuda
    with pytest.raises(TypeError, match="^type torch.cuda.FloatTensor not available. Torch not compiled with CUDA enabled.$"):
        kind([1.0])
    for name in (kind, "torch.cuda.FloatTensor"):
        with pytest.raises(RuntimeError, match="Cannot initialize CUDA"):
            torch.ones(1).type(name)
