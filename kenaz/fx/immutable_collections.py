"""Lists and dicts inside the arguments of a node: reading is free, changing goes through the node."""

from __future__ import annotations

from typing import Any

__all__ = ["immutable_dict", "immutable_list"]


def _refuse(self: Any, *args: Any, **kwargs: Any) -> None:
    raise NotImplementedError(
        f"'{type(self).__name__}' object does not support mutation. If you are attempting to modify the kwargs or args "
        "of a torch.fx.Node object,\ninstead create a new copy of it and assign the copy to the node:\n"
        "    new_args = ... # copy and mutate args\n    node.args = new_args\n"
    )


def _frozen(base: type, changing: str) -> dict[str, Any]:
    return dict.fromkeys(changing.split(), _refuse) | {
        "__reduce__": lambda self: (type(self), (base(self),)),
        "__hash__": lambda self: hash(tuple(self.items() if base is dict else self)),
    }


_SHARED = "__delitem__ __setitem__ clear pop "
immutable_list = type(
    "immutable_list",
    (list,),
    _frozen(list, _SHARED + "__iadd__ __imul__ append extend insert remove reverse sort"),
)
immutable_dict = type("immutable_dict", (dict,), _frozen(dict, _SHARED + "__ior__ popitem setdefault update"))
