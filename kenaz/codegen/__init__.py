"""Hot: a graph that comes back becomes a plan, a short list of compiled steps that gives the same values.

In: the nodes of a flush, in order, and which of them somebody outside can still see. Out: a plan.

    halves     float16 and bfloat16 where code is for float32: nodes -> nodes
    regions    which nodes become one unit: nodes -> units
    steps      a unit becomes a routine (`routine`) with its inputs and outputs: units -> steps
    layout     which value lives where (`memory`), and which words of the steps' blocks say so: steps -> a plan
    plan       runs it: jobs for the threads (`pool`), in between nodes for the interpreter
    jit        machine code, and where it is kept on disk: LLVM IR -> addresses
    report     what the plan is, in words; `check` compares it with the interpreter

A routine is made of one of these:

    loops      pointwise regions and sums: bodies over `xp` called with `emit`'s values, of `math` and `functions`
    rows       softmax, norms, losses: bodies over rows (`terms`: in how many sweeps, `sweeps`: their code); `picks`
    products   products of matrices, by `gemm` out of `tiles` and `dots`
    conv       convolutions: where elements lie (`conv_geometry`), tasks and their code (`conv_tasks`, `conv_packs`,
               `conv_code`), ways for few rows (`conv_direct`, `conv_dots`), many images (`conv_batch`), one place
               (`conv_whole`) and 3x3 (`wino`, `wino_weight`)
    attention, recurrent, pools, lookups, moves, draws

`vectors` is what kernels are written with, `share` cuts work into chunks.
"""
