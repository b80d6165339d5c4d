"""Functions that PyTorch has removed and that say what to call instead, and methods of kinds of tensors that are not
here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._tensor import Tensor
from .record import method, public

_HEAD = "This function was deprecated since version 1.9 and is now removed."
INSTEAD = {
    "solve": " `torch.solve` is deprecated in favor of `torch.linalg.solve`. `torch.linalg.solve` has its arguments "
    "reversed and does not return the LU factorization.\n\nTo get the LU factorization see `torch.lu`, which can be "
    "used with `torch.lu_solve` or `torch.lu_unpack`.\nX = torch.solve(B, A).solution should be replaced with:\n"
    "X = torch.linalg.solve(A, B)",
    "eig": " `torch.linalg.eig` returns complex tensors of dtype `cfloat` or `cdouble` rather than real tensors "
    "mimicking complex tensors.\n\nL, _ = torch.eig(A) should be replaced with:\nL_complex = torch.linalg.eigvals(A)\n"
    "\nand\n\nL, V = torch.eig(A, eigenvectors=True) should be replaced with:\n"
    "L_complex, V_complex = torch.linalg.eig(A)",
    "symeig": " The default behavior has changed from using the upper triangular portion of the matrix by default to "
    "using the lower triangular portion.\n\nL, _ = torch.symeig(A, upper=upper) should be replaced with:\n"
    "L = torch.linalg.eigvalsh(A, UPLO='U' if upper else 'L')\n\nand\n\n"
    "L, V = torch.symeig(A, eigenvectors=True) should be replaced with:\n"
    "L, V = torch.linalg.eigh(A, UPLO='U' if upper else 'L')",
    "lstsq": " `torch.lstsq` is deprecated in favor of `torch.linalg.lstsq`.\n`torch.linalg.lstsq` has reversed "
    "arguments and does not return the QR decomposition in the returned tuple (although it returns other information "
    "about the problem).\n\nTo get the QR decomposition consider using `torch.linalg.qr`.\n\nThe returned solution in "
    "`torch.lstsq` stored the residuals of the solution in the last m - n columns of the returned value whenever "
    "m > n. In torch.linalg.lstsq, the residuals are in the field 'residuals' of the returned named tuple.\n\nThe "
    "unpacking of the solution, as in\nX, _ = torch.lstsq(B, A).solution[:A.size(1)]\nshould be replaced with:\n"
    "X = torch.linalg.lstsq(A, B).solution",
    "matrix_rank": "\nPlease use the `torch.linalg.matrix_rank` function instead. The parameter 'symmetric' was "
    "renamed in `torch.linalg.matrix_rank()` to 'hermitian'.",
}


def _removed(name: str) -> Callable:
    def function(input: Any, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(_HEAD + INSTEAD[name])

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Raises RuntimeError: `torch.linalg.{name.removeprefix('sym')}` came in its place."
    return function


for _name in INSTEAD:
    public(_removed(_name))
    if _name != "matrix_rank":
        method(_name, _removed(_name))


# ------------------------------------------------------------------------------------- quantized, nested, other devices
def _elsewhere(name: str) -> Callable:
    """A method that dense tensors of the CPU lack."""

    def function(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            f"Could not run 'aten::{name}' with arguments from the 'CPU' backend. This could be because the operator "
            "doesn't exist for this backend, or was omitted during the selective/custom build process (if using "
            "custom build)."
        )

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "Raises NotImplementedError: tensors of the CPU that are neither quantized nor nested lack it."
    return function


_QUANTIZED = (
    "int_repr", "q_scale", "q_zero_point", "q_per_channel_scales", "q_per_channel_zero_points", "q_per_channel_axis",
)  # fmt: skip
_OF_GPUS = (
    "batch_norm_stats", "batch_norm_elemt", "batch_norm_backward_elemt", "batch_norm_backward_reduce",
    "batch_norm_gather_stats", "batch_norm_gather_stats_with_counts", "native_norm",
)  # fmt: skip
for _name in (*_QUANTIZED, *_OF_GPUS):
    public(_elsewhere(_name))
for _name in (*_QUANTIZED, "qscheme", "to_padded_tensor", "sparse_resize_", "sparse_resize_and_clear_"):
    if not hasattr(Tensor, _name):
        method(_name, _elsewhere(_name))


def dequantize(input: Tensor) -> Tensor:
    """The tensor in float32."""
    return input.float()


def _elsewhere_is(words: str) -> Callable:
    def function(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        raise (AssertionError if words.startswith("Torch") else RuntimeError)(words)

    return function


public(dequantize)
method("dequantize", dequantize)
for _name, _words in {
    "ipu": "PyTorch is not linked with support for ipu devices",
    "xpu": "Torch not compiled with XPU enabled",
    "mtia": "Torch not compiled with MTIA enabled.",
    "record_stream": "record_stream needs a tensor on an accelerator",
}.items():
    method(_name, _elsewhere_is(_words))
for _name, _answer in {"is_maia": False, "is_mtia": False, "volatile": False, "name": None}.items():
    setattr(Tensor, _name, property(lambda self, answer=_answer: answer))


@property
def grad_dtype(self: Tensor) -> Any:
    """The dtype that a leaf's gradient will have: its own."""
    return self.dtype


@grad_dtype.setter
def grad_dtype(self: Tensor, value: Any) -> None:
    if value not in (None, self.dtype):
        raise RuntimeError(f"gradients of {self.dtype} tensors are {self.dtype} here, not {value}")


Tensor.grad_dtype = grad_dtype


def module_load(self: Tensor, other: Tensor, assign: bool = False) -> Tensor:
    """What `load_state_dict` puts in this tensor's place for another: `self` with its values, or with `assign` the
    other."""
    return other.detach() if assign else self.copy_(other).detach()


method("module_load", module_load)


def reinforce(self: Tensor, reward: Any) -> None:
    """Raises RuntimeError: stochastic nodes have gone; distributions' `log_prob` gives the loss."""
    raise RuntimeError(
        "reinforce() was removed.\nUse torch.distributions instead.\nSee "
        "https://pytorch.org/docs/main/distributions.html\n\nInstead of:\n\nprobs = policy_network(state)\naction = "
        "probs.multinomial()\nnext_state, reward = env.step(action)\naction.reinforce(reward)\naction.backward()\n\n"
        "Use:\n\nprobs = policy_network(state)\n# NOTE: categorical is equivalent to what used to be called "
        "multinomial\nm = torch.distributions.Categorical(probs)\naction = m.sample()\nnext_state, reward = "
        "env.step(action)\nloss = -m.log_prob(action) * reward\nloss.backward()\n"
    )


method("reinforce", reinforce)
