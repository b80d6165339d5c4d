import numpy as np

from kenaz.runtime import blas
from kenaz.runtime.threads import get_num_threads, set_num_threads


def test_one_thread_computes_for_a_while_after_a_stall(monkeypatch):
    now = [0.0]

    def clock():
        now[0] += 1e-4
        return now[0]

    monkeypatch.setattr(blas.time, "perf_counter", clock)
    monkeypatch.setattr(blas, "_until", 0.0)
    monkeypatch.setattr(blas, "_hold", blas.SHORTEST)
    set_num_threads(get_num_threads())
    usual = blas._threads().get()
    try:
        blas._judge(now[0] - 1, 1 << 20, (128, 128, 128))  # a second for what should take a tenth of a millisecond
        assert blas._threads().get() == 1
        now[0] = blas.SHORTEST / 2
        a = np.ones((128, 128), np.float32)
        assert (blas.matmul(a, a) == 128).all()
        assert blas._threads().get() == 1
        now[0] = blas.SHORTEST * 2
        blas.matmul(a, a)
        assert blas._threads().get() == usual
    finally:
        blas.use_threads(usual)
