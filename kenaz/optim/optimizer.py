"""The base of every optimizer: parameter groups, state keyed by parameter, hooks, and what is saved of them.

A subclass supplies `__init__` (checks and defaults) and `step`. The optimizers of this folder supply less: their math
is pointwise, so they derive from `PointwiseOptimizer` (pointwise.py) and only write their rule down.
"""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from typing import Any

from .. import _api as torch
from .. import execute
from ..utils.hooks import RemovableHandle

__all__ = ["Optimizer", "register_optimizer_step_pre_hook", "register_optimizer_step_post_hook"]

ParamsT = Iterable  # of tensors, of groups (dicts), or of (name, tensor)
StateDict = dict[str, Any]

_global_optimizer_pre_hooks: OrderedDict[int, Callable] = OrderedDict()
_global_optimizer_post_hooks: OrderedDict[int, Callable] = OrderedDict()


class _RequiredParameter:
    """The default of an option that every group has to name."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _RequiredParameter()


def register_optimizer_step_pre_hook(hook: Callable) -> RemovableHandle:
    """The handle of a hook(optimizer, args, kwargs) called before every step of every optimizer."""
    return _register(_global_optimizer_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Callable) -> RemovableHandle:
    """The handle of a hook(optimizer, args, kwargs) called after every step of every optimizer."""
    return _register(_global_optimizer_post_hooks, hook)


def _register(hooks: OrderedDict[int, Callable], hook: Callable, prepend: bool = False) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


class Optimizer:
    """Parameters in groups, the state of each, and the rule (`step`) that moves them along their gradients.

    >>> import kenaz as torch
    >>> class Descent(torch.optim.Optimizer):
    ...     def step(self, closure=None):
    ...         with torch.no_grad():
    ...             for group in self.param_groups:
    ...                 for p in group["params"]:
    ...                     p -= group["lr"] * p.grad
    >>> x = torch.ones(2, requires_grad=True)
    >>> x.square().sum().backward()
    >>> Descent([x], {"lr": 0.25}).step()
    >>> x.tolist()
    [0.5, 0.5]
    """

    # hooks by handle; __init__ and __setstate__ make all that are declared here
    _optimizer_step_pre_hooks: OrderedDict[int, Callable]
    _optimizer_step_post_hooks: OrderedDict[int, Callable]
    _optimizer_state_dict_pre_hooks: OrderedDict[int, Callable]
    _optimizer_state_dict_post_hooks: OrderedDict[int, Callable]
    _optimizer_load_state_dict_pre_hooks: OrderedDict[int, Callable]
    _optimizer_load_state_dict_post_hooks: OrderedDict[int, Callable]

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        for table in Optimizer.__annotations__:
            setattr(self, table, OrderedDict())
        self._patch_step_function()
        if isinstance(params, torch.Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, "
                f"but got {torch.typename(params)}"
            )
        self.state: defaultdict[Any, Any] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)
        # Libraries switch this off around graph capture; nothing here warns about it.
        self._warned_capturable_if_run_uncaptured = True

    # Copying and pickling ---------------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for table in Optimizer.__annotations__:
            self.__dict__.setdefault(table, OrderedDict())
        self._patch_step_function()
        self.defaults.setdefault("differentiable", False)

    def __repr__(self) -> str:
        lines = [self.__class__.__name__ + " ("]
        for i, group in enumerate(self.param_groups):
            lines += ["\n" * (i > 0) + f"Parameter Group {i}"]
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])

    # Stepping ---------------------------------------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """The loss of closure (None without one), after one update of all parameters."""
        raise NotImplementedError

    def _patch_step_function(self) -> None:
        cls = self.__class__
        self._zero_grad_profile_name = f"Optimizer.zero_grad#{cls.__name__}.zero_grad"
        if not getattr(cls.step, "hooked", False):
            cls.step = self.profile_hook_step(cls.step)  # type: ignore[method-assign]  # wrapped once per class
            cls.step.hooked = True  # type: ignore[attr-defined]  # a mark
            cls.step.__qualname__ = f"{cls.__qualname__}.step"

    @staticmethod
    def profile_hook_step(step: Callable) -> Callable:
        """step, with the hooks run around it; what was recorded runs when it leaves."""

        @functools.wraps(step)
        def hooked(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
            inputs = (self, *args)
            if _global_optimizer_pre_hooks or self._optimizer_step_pre_hooks:
                inputs, kwargs = _run_pre_hooks(step, inputs, kwargs)
            result = step(*inputs, **kwargs)
            if _global_optimizer_post_hooks or self._optimizer_step_post_hooks:
                for hook in chain(self._optimizer_step_post_hooks.values(), _global_optimizer_post_hooks.values()):
                    hook(self, inputs, kwargs)
            execute.flush()
            return result

        return hooked

    def zero_grad(self, set_to_none: bool = True) -> None:
        """None; every `.grad` is dropped, or filled with zeros when set_to_none is False."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    if set_to_none:
                        p.grad = None
                    else:
                        _clear(p.grad)

    # Groups -----------------------------------------------------------------------------------------------------------

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """None; param_group (a dict with "params" and any options) is optimized from now on.

        >>> import kenaz as torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        >>> optimizer.add_param_group({"params": torch.zeros(2, requires_grad=True), "lr": 0.01})
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.1, 0.01]
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params, names = _params_and_names(param_group["params"])
        param_group["params"] = params
        if names:
            param_group["param_names"] = names
        for p in params:
            self._check_param(p)
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
            param_group.setdefault(name, default)
        self._check_membership(param_group)
        self.param_groups.append(param_group)

    def _check_param(self, p: Any) -> None:
        if not isinstance(p, torch.Tensor):
            raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {torch.typename(p)}")
        if not self.defaults.get("differentiable") and not (p.is_leaf or p.retains_grad):
            raise ValueError("can't optimize a non-leaf Tensor")

    def _check_membership(self, group: dict[str, Any]) -> None:
        params = set(group["params"])
        if len(params) != len(group["params"]):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause an error; "
                "see github.com/pytorch/pytorch/issues/40967 for more information",
                stacklevel=3,
            )
        if any(not params.isdisjoint(other["params"]) for other in self.param_groups):
            raise ValueError("some parameters appear in more than one parameter group")
        if self.param_groups and ("param_names" in group) != ("param_names" in self.param_groups[0]):
            kind = "with names" if "param_names" in group else "without names"
            raise ValueError(
                "all optimizer param groups should be with/without names. "
                f"cannot add param group {kind} to the optimizer"
            )

    # Saving and loading -----------------------------------------------------------------------------------------------

    def state_dict(self) -> StateDict:
        """{"state", "param_groups"} with every parameter replaced by its number, as it is saved to a file."""
        for pre_hook in self._optimizer_state_dict_pre_hooks.values():
            pre_hook(self)
        number: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for p in group["params"]:
                number.setdefault(id(p), len(number))
            packed = {key: value for key, value in group.items() if key != "params"}
            groups.append({**packed, "params": [number[id(p)] for p in group["params"]]})
        state = {number[id(k)] if isinstance(k, torch.Tensor) else k: v for k, v in self.state.items()}
        result: StateDict = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            changed = hook(self, result)
            result = result if changed is None else changed
        return result

    def load_state_dict(self, state_dict: StateDict) -> None:
        """None; options and state become those of state_dict, converted to each parameter's dtype and device."""
        state_dict = state_dict.copy()
        for pre_hook in self._optimizer_load_state_dict_pre_hooks.values():
            changed = pre_hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        saved = deepcopy(state_dict["param_groups"])
        _check_same_sizes(self.param_groups, saved)
        ids = chain.from_iterable(group["params"] for group in saved)
        params = dict(zip(ids, chain.from_iterable(group["params"] for group in self.param_groups)))
        state: defaultdict[Any, Any] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in params:
                state[params[key]] = _moved(params[key], value, key, state_dict["param_groups"])
            else:
                state[key] = value
        for group, new in zip(self.param_groups, saved):
            if "param_names" in group and "param_names" not in new:
                new["param_names"] = group["param_names"]
            new["params"] = group["params"]
        self.__setstate__({"state": state, "param_groups": saved})
        for post_hook in self._optimizer_load_state_dict_post_hooks.values():
            post_hook(self)

    @staticmethod
    def _process_value_according_to_param_policy(
        param: Any, value: Any, param_id: int, param_groups: list[dict[str, Any]], key: Any = None
    ) -> Any:
        """value as state of param: on its device and, unless it counts steps, of its dtype (if that is floating)."""
        if key == "step":
            group = next((g for g in param_groups if param_id in g["params"]), {})
            on_device = group.get("capturable") or group.get("fused")
            return value.to(dtype=torch.float32, device=param.device) if on_device else value
        if param.is_floating_point():
            return value.to(dtype=param.dtype, device=param.device)
        return value.to(device=param.device)

    @staticmethod
    def _group_tensors_by_device_and_dtype(tensorlistlist: list[list], with_indices: bool = False) -> dict:
        """{(device, dtype): (the lists cut down to it, their positions)}, by the tensors of the first list."""
        groups: dict[tuple, tuple[list[list], list[int]]] = {}
        for i, tensors in enumerate(zip(*tensorlistlist)):
            lists, positions = groups.setdefault((tensors[0].device, tensors[0].dtype), ([[] for _ in tensors], []))
            for found, tensor in zip(lists, tensors):
                found.append(tensor)
            positions.append(i)
        return groups if with_indices else {key: (lists, []) for key, (lists, _) in groups.items()}

    # Hooks ------------------------------------------------------------------------------------------------------------

    def register_step_pre_hook(self, hook: Callable) -> RemovableHandle:
        """The handle of hook(optimizer, args, kwargs), called before step; it may return new (args, kwargs)."""
        return _register(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable) -> RemovableHandle:
        """The handle of hook(optimizer, args, kwargs), called after step."""
        return _register(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """The handle of hook(optimizer), called before state_dict."""
        return _register(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """The handle of hook(optimizer, state_dict), which may return another dictionary."""
        return _register(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """The handle of hook(optimizer, state_dict), which may return another dictionary to load."""
        return _register(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """The handle of hook(optimizer), called after load_state_dict."""
        return _register(self._optimizer_load_state_dict_post_hooks, hook, prepend)


def _run_pre_hooks(step: Callable, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """(args, kwargs) for step; each hook may replace both. args begins with the optimizer."""
    optimizer = args[0]
    for hook in chain(_global_optimizer_pre_hooks.values(), optimizer._optimizer_step_pre_hooks.values()):
        changed = hook(optimizer, args, kwargs)
        if changed is not None:
            if not (isinstance(changed, tuple) and len(changed) == 2):
                raise RuntimeError(f"{step} must return None or a tuple of (new_args, new_kwargs), but got {changed}.")
            args, kwargs = changed
    return args, kwargs


def _clear(grad: Any) -> None:
    """grad becomes zeros that no graph hangs on."""
    if grad.grad_fn is not None:
        grad.detach_()
    else:
        grad.requires_grad_(False)
    grad.zero_()


def _params_and_names(params: Any) -> tuple[list, list[str]]:
    """The tensors of a group and, if it was given as (name, tensor) pairs, their names."""
    if isinstance(params, torch.Tensor):
        params = [params]
    elif isinstance(params, set):
        raise TypeError(
            "optimizer parameters need to be organized in ordered collections, "
            "but the ordering of tensors in sets will change between runs. Please use a list instead."
        )
    params = list(params)
    named = [isinstance(p, tuple) for p in params]
    if not any(named):
        return params, []
    if not all(named):
        raise ValueError("all optimizer params should be with/without names. Some param names are missing")
    return [p for _, p in params], [name for name, _ in params]


def _check_same_sizes(groups: list[dict], saved: list[dict]) -> None:
    if len(groups) != len(saved):
        raise ValueError("loaded state dict has a different number of parameter groups")
    if any(len(a["params"]) != len(b["params"]) for a, b in zip(groups, saved)):
        raise ValueError(
            "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
        )


def _moved(param: Any, value: Any, param_id: int, groups: list[dict], key: Any = None) -> Any:
    """value with every tensor in it (in dicts and lists too) moved to where param is."""
    if isinstance(value, torch.Tensor):
        return Optimizer._process_value_according_to_param_policy(param, value, param_id, groups, key)
    if isinstance(value, dict):
        return {k: _moved(param, v, param_id, groups, k) for k, v in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        kind: Any = type(value)
        return kind(_moved(param, v, param_id, groups) for v in value)
    return value


# What the optimizers share --------------------------------------------------------------------------------------------
# The names with an underscore are those that other libraries import from torch.optim.optimizer.


def _use_grad_for_differentiable(step: Callable) -> Callable:
    """step, with gradients recorded only when the optimizer was made with differentiable=True."""

    @functools.wraps(step)
    def guarded(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        with torch.set_grad_enabled(self.defaults["differentiable"]):
            return step(self, *args, **kwargs)

    return guarded


def _get_value(x: Any) -> Any:
    """The number in a one-element tensor; anything else as it is."""
    return x.item() if isinstance(x, torch.Tensor) else x


_to_scalar = _get_value


def _get_scalar_dtype(is_fused: bool | None = None) -> Any:
    """The dtype of step counters: float64 where that is the default dtype, else float32."""
    return torch.float64 if not is_fused and torch.get_default_dtype() == torch.float64 else torch.float32


def _default_to_fused_or_foreach(params: list, differentiable: bool, use_fused: bool = False) -> tuple[bool, bool]:
    """(False, False): every update is multi-tensor here, so there is nothing to prefer."""
    return False, False


def _get_capturable_supported_devices(supports_xla: bool = True) -> list[str]:
    """The device types on which capturable=True is accepted."""
    return ["cuda", "xpu", "hpu", "privateuseone", *["xla"] * supports_xla]


def check(holds: bool, message: str) -> None:
    """None; a ValueError with message unless holds."""
    if not holds:
        raise ValueError(message)


def check_lr(lr: Any, message: str = "Invalid learning rate: {}") -> None:
    """None; a ValueError unless lr is a number >= 0 or a tensor of one element."""
    if isinstance(lr, torch.Tensor):
        check(lr.numel() == 1, "Tensor lr must be 1-element")
    check(0.0 <= lr, message.format(lr))


def evaluate(closure: Callable[[], Any] | None) -> Any:
    """The loss that closure computes, with gradients recorded; None without a closure."""
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()
