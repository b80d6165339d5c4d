"""torch.distributed in a build without it: programs that ask first run, the others hear what PyTorch says."""

import importlib

import pytest

import kenaz as torch


def test_nothing_is_there() -> None:
    assert not torch.distributed.is_available() and not torch.distributed.is_initialized()
    with pytest.raises(RuntimeError, match="not built in"):
        torch.distributed.init_process_group("gloo", rank=0, world_size=1)


@pytest.mark.parametrize("module", ["", ".nn", ".nn.functional"])
def test_functions_need_a_group(module: str) -> None:
    talking = importlib.import_module("kenaz.distributed" + module)
    for name in ("all_reduce", "all_gather", "broadcast"):
        with pytest.raises(ValueError, match="^Default process group has not been initialized, please make sure to call"):
            getattr(talking, name)(torch.ones(1), 0)
    assert talking.ReduceOp.SUM is not talking.ReduceOp.MAX and talking.group.WORLD is None


def test_no_calls_to_other_processes() -> None:
    from kenaz.distributed import rpc

    assert not rpc.is_available()
    with pytest.raises(RuntimeError, match="RPC has not been initialized. Call torch.distributed.rpc.init_rpc first."):
        rpc.rpc_async("other", len, ([],))
    with pytest.raises(RuntimeError, match="not built in"):
        rpc.init_rpc("me", rank=0, world_size=1)


def test_no_grid_of_processes() -> None:
    mesh = torch.distributed.device_mesh
    assert isinstance(mesh.DeviceMesh, type)
    with pytest.raises(RuntimeError, match="not built in"):
        mesh.init_device_mesh("cpu", (1,))
    with pytest.raises(AttributeError, match="no attribute 'no_such_module'"):
        torch.distributed.no_such_module
