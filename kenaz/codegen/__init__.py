"""Hot: a graph that comes back is cut into regions, and each region becomes one compiled loop.

In: the nodes of a flush, in order, and which of them somebody outside can still see. Out: a plan, a short list of
steps that
gives the same values. Reading order: `regions.py` (what is fused), `plan.py` (what runs), `emit.py` (bodies over `xp`
become LLVM IR), `math.py` (exp, log, erf ... out of arithmetic), `jit.py` (LLVM, and compiled code on disk).
"""
