"""Gradients of what was recorded. In: tensors with `_grad_fn`. Out: gradients, recorded like everything else.
Start with `engine.py`."""
