"""`torch.distributed.rpc`: calls to functions in other processes. There are none here; libraries import it by name."""

from __future__ import annotations

from typing import Any

from . import init_process_group


def is_available() -> bool:
    """Whether calls to other processes can be made: never in this build."""
    return False


def init_rpc(name: str, *args: Any, **kwargs: Any) -> None:
    """Would join the other processes under a name; raises RuntimeError."""
    init_process_group()


def _needs_rpc(*args: Any, **kwargs: Any) -> Any:
    """A call to another process: raises RuntimeError, for none was joined."""
    raise RuntimeError("RPC has not been initialized. Call torch.distributed.rpc.init_rpc first.")


rpc_async = rpc_sync = remote = shutdown = get_worker_info = _needs_rpc
