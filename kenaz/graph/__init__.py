"""What was recorded. In: an operator's call and its sources. Out: nodes in the order of recording, and the storages
that point at them. Start with `node.py`."""
