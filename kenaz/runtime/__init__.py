"""Memory and machines: array namespaces, random streams, threads, the kernel cache. Start with `xp.py`."""
