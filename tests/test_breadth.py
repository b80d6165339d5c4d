"""Small namespaces that programs ask for: futures, hub, jit, streams, and names of PyTorch's insides."""

import os
import threading
from pathlib import Path

import pytest

import kenaz as torch
from kenaz import Tensor, nn


# --------------------------------------------------------------------------------------------------------------- futures
def test_futures_in_annotations() -> None:
    assert torch.futures.Future[int].__args__ == (int,)


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
    assert torch.utils.model_zoo.load_url(url)["a"].shape == (2,)
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


# ------------------------------------------------------------------------------------------------- attention by functions
def test_flexible_attention() -> None:
    from kenaz.nn.attention.flex_attention import AuxRequest, and_masks, create_block_mask, flex_attention, or_masks

    def causal(b: Tensor, h: Tensor, i: Tensor, j: Tensor) -> Tensor:
        return i >= j

    torch.manual_seed(0)
    q = torch.randn(1, 2, 8, 4)
    mask = create_block_mask(causal, 1, 1, 8, 8, BLOCK_SIZE=4)
    assert mask.shape == (1, 1, 8, 8) and mask.sparsity() == 25 and mask.to_dense().tolist() == [[[[1, 0], [1, 1]]]]
    assert mask.kv_indices.tolist() == [[[[0, 1], [1, 0]]]] and mask.full_kv_num_blocks.tolist() == [[[0, 1]]]
    out = flex_attention(q, q, q, lambda s, b, h, i, j: s + (i - j), mask)
    assert out.sum().item() == pytest.approx(-12.3756, abs=1e-3)
    plain = nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True)
    torch.testing.assert_close(flex_attention(q, q, q, block_mask=mask), plain)
    listed = type(mask).from_kv_blocks(mask.kv_num_blocks, mask.kv_indices, BLOCK_SIZE=4)
    assert flex_attention(q, q, q, block_mask=listed)[0, 0, 4:].equal(flex_attention(q[:, :, 4:], q[:, :, 4:], q[:, :, 4:])[0, 0])
    out, lse = flex_attention(q, q[:, :1], q[:, :1], lambda s, b, h, i, j: s * (h + 1), enable_gqa=True, return_lse=True)
    assert lse[0, 1, :3].numpy() == pytest.approx([2.0525, 2.4424, 2.0376], abs=1e-4)
    none = create_block_mask(and_masks(causal, lambda b, h, i, j: i < 0), None, None, 8, 8)
    assert flex_attention(q, q, q, block_mask=none).abs().sum() == 0
    every = create_block_mask(or_masks(causal, lambda b, h, i, j: i < j), None, None, 8, 8)
    aux = flex_attention(q, q, q, block_mask=every, return_aux=AuxRequest(max_scores=True))[1]
    assert aux.lse is None and aux.max_scores.shape == (1, 2, 8)
    with pytest.raises(ValueError, match="Hq=2 and Hkv=1. Try setting enable_gqa=True"):
        flex_attention(q, q[:, :1], q[:, :1])


# -------------------------------------------------------------------------------------------------------------- functions
def test_rearranging() -> None:
    from kenaz.func import rearrange

    x = torch.arange(24.0).reshape(2, 3, 4)
    assert torch.equal(rearrange(x, "a b c -> c b a"), x.permute(2, 1, 0))
    assert torch.equal(rearrange(x, "a b c -> a (b c)"), x.reshape(2, 12))
    assert rearrange(x, "a (b k) c -> b a k c", k=3).shape == (1, 2, 3, 4)
    assert torch.equal(rearrange(x, "... c -> c ..."), x.permute(2, 0, 1))
    assert rearrange([x, x], "l a b c -> a l b c").shape == (2, 2, 3, 4) and rearrange(x, "a b c -> a b c 1").dim() == 4
    for pattern, words in (
        ("a b -> a b", "Number of dimensions in pattern \\(2\\) must be equal to the number of dimensions in the tensor"),
        ("a b c -> a b", "Identifiers only on one side"),
        ("a b b -> a b", "duplicate dimension 'b'"),
        ("a (b k) c -> b a k c", "cannot infer the sizes"),
    ):
        with pytest.raises(ValueError, match=words):
            rearrange(x, pattern)


def test_functions_over_functions() -> None:
    assert torch.func.functionalize(lambda x: x.clone().add_(1))(torch.ones(1)).item() == 2
    with pytest.raises(RuntimeError, match="received invalid argument for remove=foo"):
        torch.func.functionalize(lambda x: x, remove="foo")
    model = torch.func.replace_all_batch_norm_modules_(nn.Sequential(nn.BatchNorm2d(3), nn.ReLU()))
    assert model[0].running_mean is None and "track_running_stats=False" in repr(model)
    assert torch.func.vmap(model)(torch.randn(2, 1, 3, 4, 4)).shape == (2, 1, 3, 4, 4)


# ------------------------------------------------------------------------------------------------------------- benchmark
def test_timer() -> None:
    from kenaz.utils.benchmark import Timer

    found = Timer("x + 1", globals={"x": torch.ones(2)}, label="sum").blocked_autorange(min_run_time=0.01)
    assert found.median > 0 and found.iqr >= 0 and "sum" in repr(found) and "runs per measurement, 1 thread" in repr(found)
    assert Timer("pass").adaptive_autorange(min_run_time=0.001, max_run_time=0.05).mean > 0
    with pytest.raises(RuntimeError, match="torch.utils.cpp_extension.load is not available"):
        torch.utils.cpp_extension.load("x", [])


def test_options_of_tensors() -> None:
    assert nn.factory_kwargs({"device": "cpu", "factory_kwargs": {"dtype": None}}) == {"device": "cpu", "dtype": None}
    with pytest.raises(TypeError, match="unexpected kwargs {'a'}"):
        nn.factory_kwargs({"a": 1})
