"""The words everything shares: dtypes, devices, shapes, specs and switches. Start with `dtype.py`, then `spec.py`."""
