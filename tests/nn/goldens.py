"""What PyTorch answers to an expression: value, error and warnings, as text.

The files in `goldens/` hold expressions, each with the answer of real PyTorch 2.13 on the line after it. They are made
anew by `python tests/nn/goldens.py`, run where the real `torch` is installed.
"""

import re
import warnings
from pathlib import Path

FOLDER = Path(__file__).parent / "goldens"
_NUMBER = re.compile(r"(?<![\w.])-?(?:\d+\.\d*(?:e[-+]?\d+)?|\d+e[-+]?\d+|inf|nan)(?![\w.])")


def namespace(torch):
    """What expressions may say."""

    def x(*size, dtype=None):
        """Values between -1 and 1 that look random."""
        count = 1
        for length in size:
            count *= length
        values = (torch.arange(count, dtype=torch.float64) * 37 % 101) / 50 - 1
        return values.reshape(size).to(dtype or torch.float32)

    def grads(function, *inputs):
        """The result, and the gradients of a weighted sum of it."""
        leaves = [t.detach().clone().requires_grad_() if t.is_floating_point() else t for t in inputs]
        result = function(*leaves)
        first = result[0] if isinstance(result, tuple) else result
        (first * x(*first.shape, dtype=first.dtype)).sum().backward()
        return (result, *[t.grad for t in leaves if t.is_floating_point()])

    def trained(module, *inputs):
        """A module's result, and the gradients of its parameters."""
        result = module(*inputs)
        first = result[0] if isinstance(result, tuple) else result
        first = getattr(first, "data", first) if type(first).__name__ == "PackedSequence" else first
        (first * x(*first.shape)).sum().backward()
        return result, {name: p.grad for name, p in module.named_parameters()}

    return {
        "torch": torch, "nn": torch.nn, "F": torch.nn.functional, "rnn": torch.nn.utils.rnn, "x": x, "grads": grads,
        "trained": trained, "yes": torch.tensor(True), "ids": lambda *v: torch.tensor(v),
        "x1": torch.ones(3), "x2": torch.ones(2, 3), "x3": torch.ones(2, 3, 4), "x4": torch.ones(2, 3, 4, 4),
        "x5": torch.ones(2, 3, 4, 4, 4),
    }  # fmt: skip


def text(value, torch):
    """A value in one line, floats to five digits."""
    if isinstance(value, torch.Tensor):
        values = [f"{v:.5g}" if isinstance(v, float) else str(v) for v in value.detach().flatten().tolist()[:80]]
        values = [v if any(c in v for c in ".nie") or v in ("True", "False") else v + "." for v in values] if (
            value.is_floating_point()
        ) else values  # fmt: skip
        return f"{str(value.dtype)[6:]}{list(value.shape)}[{', '.join(values)}]"
    if isinstance(value, (tuple, list)) and not isinstance(value, torch.Size):
        return f"({', '.join(text(v, torch) for v in value)})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {text(v, torch)}" for k, v in value.items()) + "}"
    return str(value)


def answer(expression, names):
    """What evaluating an expression gives: its value or error, then its warnings."""
    torch = names["torch"]
    torch.manual_seed(0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            said = text(eval(expression, names), torch)
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
    said = " | ".join(
        [said, *(f"{w.category.__name__}: {w.message}" for w in caught if "Triggered internally" not in str(w.message))]
    )
    return re.sub(r"0x[0-9a-f]+", "0x", said.replace("\n", "\\n").replace("kenaz.", "torch."))


def entries(path):
    """The pairs of expression and answer in a file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs, i = [], 0
    while i < len(lines):
        if not lines[i].strip() or lines[i].startswith("#"):
            i += 1
            continue
        known = i + 1 < len(lines) and lines[i + 1].startswith("    ")
        pairs.append((lines[i], lines[i + 1][4:] if known else None))
        i += 2 if known else 1
    return pairs


def close(a, b, tolerance=2e-4):
    """Whether two answers agree, numbers within a tolerance and everything else to the character."""
    if a == b:
        return True
    if _NUMBER.sub("#", a) != _NUMBER.sub("#", b):
        return False
    for p, q in zip(_NUMBER.findall(a), _NUMBER.findall(b), strict=True):
        if p != q and not abs(float(p) - float(q)) <= tolerance * max(1.0, abs(float(q))):
            return False
    return True


def main():
    import torch

    for path in sorted(FOLDER.glob("*.txt")):
        head = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
        names = namespace(torch)
        body = [line for expression, _ in entries(path) for line in (expression, "    " + answer(expression, names))]
        path.write_text("\n".join([*head, *body]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
