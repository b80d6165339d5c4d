"""Small namespaces that programs ask for: futures, hub, jit, streams, and names of PyTorch's insides."""

import os
import threading
from pathlib import Path

import pytest

import kenaz as torch
from kenaz import Tensor, nn


# --------------------------------------------------------------------------------------------------------------- futures
def test_futures() -> None:
    future = torch.futures.Future()
    following = future.then(lambda f: f.wait() + 1)
    failing = future.then(lambda f: 1 / 0)
    assert not future.done()
    with pytest.raises(RuntimeError):
        future.value()
    threading.Timer(0.01, future.set_result, (3,)).start()
    assert future.wait() == 3 and following.wait() == 4
    with pytest.raises(RuntimeError, match="running the callback: ZeroDivisionError: division by zero"):
        failing.wait()
    with pytest.raises(RuntimeError, match="Attempting to mark a completed Future as complete again"):
        future.set_result(4)
    assert torch.futures.wait_all([future, following]) == [3, 4]


def test_future_errors() -> None:
    future = torch.futures.Future()
    with pytest.raises(AssertionError, match="3 is of type <class 'int'>, not an Exception."):
        future.set_exception(3)
    future.set_exception(ValueError("x"))
    everything = torch.futures.collect_all([future])
    with pytest.raises(ValueError, match="x"):
        everything.wait()


# ------------------------------------------------------------------------------------------------------------------- hub
def test_hub_with_a_local_folder(tmp_path: Path) -> None:
    (tmp_path / "hubconf.py").write_text("dependencies = ['math']\ndef add(a, b=2):\n    return a + b\n")
    assert torch.hub.load(str(tmp_path), "add", 1, b=5, source="local") == 6
    with pytest.raises(RuntimeError, match="Cannot find callable q in hubconf"):
        torch.hub.load(str(tmp_path), "q", source="local")
    with pytest.raises(ValueError, match='Unknown source: "x". Allowed values: "github" | "local".'):
        torch.hub.load(str(tmp_path), "add", source="x")
    (tmp_path / "hubconf.py").write_text("dependencies = ['no_such_module_anywhere']\n")
    with pytest.raises(RuntimeError, match="Missing dependencies: no_such_module_anywhere"):
        torch.hub.load(str(tmp_path), "add", source="local")


def test_hub_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert torch.hub.get_dir() == os.path.join(str(tmp_path), "hub")
    file = tmp_path / "weights-0123456789.pth"
    torch.save({"a": torch.ones(2)}, file)
    url = f"file://{file}"
    assert torch.hub.load_state_dict_from_url(url, progress=False)["a"].tolist() == [1, 1]
    assert (tmp_path / "hub" / "checkpoints" / file.name).exists()
    with pytest.raises(RuntimeError, match='invalid hash value \\(expected "0123456789", got "'):
        torch.hub.load_state_dict_from_url(url, str(tmp_path / "other"), progress=False, check_hash=True)
    assert not list((tmp_path / "other").iterdir())


# ------------------------------------------------------------------------------------------------------------------- jit
def test_scripted_modules_share_and_compute() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    scripted = torch.jit.script(module)
    assert isinstance(scripted, torch.jit.ScriptModule) and scripted.original_name == "Sequential"
    assert list(scripted.state_dict()) == list(module.state_dict())
    x = torch.ones(1, 2)
    assert torch.equal(scripted.eval()(x), module(x)) and not module.training
    optimizer = torch.optim.SGD(scripted.parameters(), lr=1.0)
    scripted(x).sum().backward()
    optimizer.step()
    assert torch.equal(scripted(x), module(x))
    assert torch.jit.freeze(scripted) is scripted
    with pytest.raises(RuntimeError, match="torch.jit.save is not available"):
        scripted.save("x")
    with pytest.raises(RuntimeError, match="optimize_for_inference expects a ScriptModule as input"):
        torch.jit.optimize_for_inference(module)


def test_scripted_and_traced_functions() -> None:
    @torch.jit.script
    def f(x: Tensor) -> Tensor:
        return x + 1 if x.sum() > 0 else x

    assert f(torch.ones(1)).item() == 2 and f.name == "f"
    traced = torch.jit.trace(f, torch.ones(1))
    assert traced(torch.zeros(1)).item() == 0
    assert torch.jit.wait(torch.jit.fork(f, torch.ones(1))).item() == 2
    assert torch.jit.annotations.BroadcastingList2[int] is None
    before = torch.jit.set_fusion_strategy([("STATIC", 1)])
    assert torch.jit.set_fusion_strategy(before) == [("STATIC", 1)]


# --------------------------------------------------------------------------------------------------------- quantization
def test_fusing_modules_computes_the_same() -> None:
    from kenaz.ao.quantization import DeQuantStub, QuantStub, fuse_modules, fuse_modules_qat

    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3), nn.ReLU())
    x = torch.randn(4, 1, 4, 4)
    model(x)
    fused = fuse_modules(model.eval(), [["0", "1", "2"], ["4", "5"]])
    assert [type(m).__name__ for m in fused] == ["ConvReLU2d", "Identity", "Identity", "Flatten", "LinearReLU", "Identity"]
    assert torch.allclose(fused(x), model(x), atol=1e-6)
    side_by_side = fuse_modules_qat(model.train(), ["0", "1", "2"])
    assert type(side_by_side[0]).__name__ == "ConvBnReLU2d"
    with pytest.raises(AssertionError, match="Fusion only for eval!"):
        fuse_modules(model, ["0", "1"])
    with pytest.raises(AssertionError, match="did not find fuser method for"):
        fuse_modules(model.eval(), ["0", "4"])
    assert DeQuantStub()(QuantStub()(x)) is x


def test_float_functional() -> None:
    f, x = nn.quantized.FloatFunctional(), torch.tensor([1.0, -2.0])
    assert f.add_relu(x, x).tolist() == [2, 0] and f.cat([x, x]).shape == (4,) and f.mul_scalar(x, 2).tolist() == [2, -4]
    with pytest.raises(RuntimeError, match="not intended to use the 'forward'"):
        f(x)


# ------------------------------------------------------------------------------------------------------------ the insides
def test_dispatch_keys_and_switches() -> None:
    C = torch._C
    keys = C.DispatchKeySet(C.DispatchKey.AutocastCPU)
    with torch.autocast("cpu"), C._ExcludeDispatchKeyGuard(keys):
        assert not torch.is_autocast_enabled("cpu")
    assert keys.has(C.DispatchKey.AutocastCPU) and (keys - keys) == C.DispatchKeySet()
    assert C._jit_set_profiling_mode(False) is True and C._jit_set_profiling_mode(True) is False
    assert C._get_tracing_state() is None and torch._dynamo.config.cache_size_limit == 8
    assert torch._inductor.list_mode_options("max-autotune")["max_autotune"]
    assert torch.torch is torch


def test_not_deterministic() -> None:
    from kenaz._prims_common import alert_not_deterministic

    alert_not_deterministic("f")
    torch.use_deterministic_algorithms(True)
    try:
        with pytest.raises(RuntimeError, match="f does not have a deterministic implementation"):
            alert_not_deterministic("f")
        torch.use_deterministic_algorithms(True, warn_only=True)
        with pytest.warns(UserWarning, match="warn_only=True"):
            alert_not_deterministic("f")
    finally:
        torch.use_deterministic_algorithms(False)


def test_streams_of_the_cpu() -> None:
    stream = torch.Stream("cpu")
    assert stream.query() and stream == torch.Stream() and torch.Event("cpu").query()
    assert repr(stream) == "torch.Stream device_type=cpu, device_index=-1, stream_id=0"
    with pytest.raises(RuntimeError, match="cpu backend doesn't support events"):
        stream.record_event()
    assert torch.get_device_module("cpu") is torch.cpu


def test_storages_and_flat_tensors() -> None:
    assert torch.ByteStorage._from_buffer(b"abc").tolist() == [97, 98, 99]
    x = torch.arange(6.0).reshape(2, 3)
    flat = torch._utils._flatten_dense_tensors([x, x[0]])
    assert [t.shape for t in torch._utils._unflatten_dense_tensors(flat, [x, x[0]])] == [(2, 3), (3,)]
    assert torch._utils._element_size(torch.float16) == 2 and torch._utils._get_device_index("cuda:1") == 1
    assert torch._tensor_str._add_suffixes("tensor([1.]", ["a=1", "b=2"], 7, True) == "tensor([1.],\n       a=1, b=2)"
    assert torch._tensor_str.PRINT_OPTS.precision == 4


def test_scattering_needs_gpus_and_gathering_does_not() -> None:
    with pytest.raises(ValueError, match="Expected a non cpu device, but got: cpu"):
        nn.parallel.scatter(torch.ones(2), ["cpu"])
    found = nn.parallel.gather([{"a": torch.ones(1), "b": (torch.tensor(1.0),)}] * 2, "cpu")
    assert found["a"].tolist() == [1, 1] and found["b"][0].shape == (2,)


def test_export_to_onnx_says_what_is_missing() -> None:
    with pytest.raises((ModuleNotFoundError, torch.onnx.OnnxExporterError), match="onnx"):
        torch.onnx.export(nn.Linear(1, 1), (torch.ones(1, 1),), "x.onnx")
    assert torch.onnx.operators.shape_as_tensor(torch.ones(2, 3)).tolist() == [2, 3]
    with pytest.raises(ValueError, match="domain::name"):
        torch.onnx.register_custom_op_symbolic("f", lambda g: g, 9)
