"""Operators of a program's own: `custom_op` makes one of a function; what backward, `vmap` and meta tensors need is
registered on it. They are found again as `torch.ops.namespace.name` (`kenaz/ops/namespaces.py`)."""

from .custom import CustomOpDef, Definition, custom_op, definition
from .registering import (
    Library,
    define,
    fallthrough_kernel,
    get_ctx,
    impl,
    impl_abstract,
    opcheck,
    register_autocast,
    register_autograd,
    register_fake,
    register_kernel,
    register_torch_dispatch,
    register_vmap,
    triton_op,
    wrap_triton,
)
from .schema import infer_schema

__all__ = [
    "CustomOpDef", "Library", "custom_op", "define", "fallthrough_kernel", "get_ctx", "impl", "impl_abstract",
    "infer_schema", "opcheck", "register_autocast", "register_autograd", "register_fake", "register_kernel",
    "register_torch_dispatch", "register_vmap", "triton_op", "wrap_triton",
]  # fmt: skip
