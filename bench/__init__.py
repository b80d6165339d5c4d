"""Speed, measured: `python -m bench` compares Kenaz with other frameworks; start reading in `workloads.py`."""
