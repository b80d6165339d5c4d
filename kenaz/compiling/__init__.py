"""`torch.compile`: a call that comes back is captured, and from then on replayed without running its Python.

    signature   arguments -> a key (structure, specs, constants) and the tensors among them
    watching    runs a call as usual, and notes what it records, draws, and which code it runs
    walking     what that code can reach: guards on it, and the tensors there
    trace       a watched call as plain data, so that two can be compared
    results     what a call gave back, and how to make the same again
    gradients   the one backward node of a captured forward pass
    updates     the steps of optimizers inside a captured call
    capture     two equal traces -> a tape with its guards, and how it is played
    module      compiled modules
    entry       which of all this happens when a compiled function is called

What cannot be proved to be the same the next time is not captured: such a function runs as if it were not compiled.
"""
