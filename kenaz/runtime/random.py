"""PyTorch's CPU generator, bit for bit: one Mersenne Twister, its 5056-byte state, and the four streams read from it.

    seed --init--> 624 words --twist--> 624 tempered words, a *block* --> words, doublewords, floats, doubles

* **MT19937**: M. Matsumoto and T. Nishimura, "Mersenne Twister: a 623-dimensionally equidistributed uniform
  pseudo-random number generator", ACM TOMACS 8 (1998). NumPy's legacy `RandomState` is the same engine with the same
  32-bit seeding (of a 64-bit seed only the low half counts), and it fills arrays at C speed, so it supplies the words.
* The engine always stands at the end of a block; the block's words and the position inside it are kept here. So a
  small draw is a slice, a large one a single call, and the state of the engine is the state PyTorch would save.
* **Floats** in [0, 1) are the low 24 bits of a word, **doubles** the low 53 bits of two words, the first one high.
* `next_normal` is the second value of the last Box-Muller pair that the serial normal sampler has not handed out yet;
  PyTorch keeps it with the state, and seeding forgets it.

* Many numbers at once come from compiled code (`codegen/draws.py`, bit for bit the same), if there is a compiler.

`samplers.py` turns the streams into distributions.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np

DEFAULT_SEED = 67280421310721  # of a new `torch.Generator`
BLOCK = 624  # words in the twister's state
SLICE = 16384  # numbers made at a time, so that the steps between word and number stay in the cache

#: The state as PyTorch lays it out in memory; `has_normal` says whether `normal_y` is waiting to be handed out.
STATE = np.dtype(
    [
        ("seed", "<u8"),
        ("left", "<i4"),  # words until the next twist, plus one
        ("seeded", "<i4"),
        ("next", "<u8"),  # position in the block
        ("words", "<u8", BLOCK),
        ("normal_x", "<f8"),
        ("normal_y", "<f8"),
        ("normal_rho", "<f8"),
        ("has_normal", "<i8"),
        ("float_normal", "<f4"),
        ("has_float_normal", "<i4"),
    ]
)


MANY = 2_000  # numbers from which on compiled code is faster, call and all; not fewer than a block's
WORTH = 10_000_000  # numbers, weighed by what they cost in NumPy, that take as long as to load the compiler


class Compiled:
    """Where `codegen.draws` comes from: the layers above set `load(now)`, which gives it, or None while there is none.
    `now` says that it shall be imported if it is not there."""

    __slots__ = ("load", "spent")
    load: Callable[[bool], Any]

    def __init__(self) -> None:
        self.load, self.spent = lambda now: None, 0

    def draws(self, n: int, weight: int = 1) -> Any:
        """The module, where it pays for so many numbers; counts those that were drawn without it."""
        if n < MANY:
            return None
        self.spent += n * weight
        return self.load(self.spent > WORTH)


compiled = Compiled()


class Generator:
    """A stream of random numbers that starts at a seed.

    >>> from kenaz.runtime.random import Generator
    >>> Generator().manual_seed(0).words(3)
    array([2357136044, 2546248239, 3071714933], dtype=uint32)
    """

    __slots__ = ("device", "next_normal", "_seed", "_is_seeded", "_engine", "_block", "_next", "_state")

    def __init__(self, device: Any = "cpu") -> None:
        self.device = device
        self._engine: np.random.RandomState | None = None
        self._restart(DEFAULT_SEED)

    # ---- seeds

    def manual_seed(self, seed: int) -> Generator:
        """Restart the stream at `seed`, which may be any 64-bit integer, signed or not; returns the generator."""
        if type(seed) is bool or not hasattr(seed, "__index__"):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        seed = int(seed)
        if not -(1 << 63) <= seed < 1 << 64:
            raise ValueError("Overflow when unpacking long long")
        self._restart(seed % (1 << 64))
        return self

    def seed(self) -> int:
        """Restart at a seed taken from the operating system, and return that seed."""
        self._restart(int.from_bytes(os.urandom(8), "little"))
        return self._seed

    def initial_seed(self) -> int:
        """The seed at which the stream started."""
        return self._seed

    def _restart(self, seed: int) -> None:
        # The engine itself is seeded at the first draw: seeding a generator must not import numpy.random (12 ms).
        self._seed = seed
        self._is_seeded = False
        self._block = np.zeros(BLOCK, np.uint32)
        self._next = BLOCK
        self._state: np.ndarray | None = None  # the twister's, once compiled code draws from it; the engine is old then
        self.next_normal: float | None = None

    # ---- streams

    def words(self, n: int) -> np.ndarray:
        """The next `n` 32-bit words; treat them as read-only."""
        stop = self._next + n
        if stop <= BLOCK:
            words = self._block[self._next : stop]
            self._next = stop
            return words
        return self.filled("words", n, np.uint32, self._words)

    def _words(self, n: int) -> np.ndarray:
        rest = self._block[self._next :]
        if n <= rest.size:
            return self.words(n)
        missing = n - rest.size
        drawn = self._twist(-(-missing // BLOCK))
        self._block = drawn[-BLOCK:].copy()
        self._next = missing - (drawn.size - BLOCK)
        return np.concatenate((rest, drawn[:missing])) if rest.size else drawn[:missing]

    def doublewords(self, n: int) -> np.ndarray:
        """The next `n` 64-bit words, the first 32-bit word of each being the high one."""
        words = self.words(2 * n)
        return (words[0::2].astype(np.uint64) << np.uint64(32)) | words[1::2]

    def floats(self, n: int) -> np.ndarray:
        """The next `n` numbers of 24 bits in [0, 1), in float32."""
        return self.filled("uniform", n, np.float32, self._floats, 1, 1, 1.0, 0.0, 1.0)

    def _floats(self, n: int) -> np.ndarray:
        numbers = np.empty(n, np.float32)
        for start in range(0, n, SLICE):
            part = numbers[start : start + SLICE]
            part[:] = self._words(part.size) & np.uint32(0xFFFFFF)
            part *= np.float32(2.0**-24)
        return numbers

    def doubles(self, n: int) -> np.ndarray:
        """The next `n` numbers of 53 bits in [0, 1), in float64."""
        return self.filled("doubles", n, np.float64, self._doubles, 2)

    def _doubles(self, n: int) -> np.ndarray:
        numbers = np.empty(n)
        for start in range(0, n, SLICE):
            part = numbers[start : start + SLICE]
            words = self._words(2 * part.size)
            np.multiply(words[0::2] & np.uint32(0x1FFFFF), 2.0**32, out=part)
            part += words[1::2]
            part *= 2.0**-53
        return numbers

    def below(self, n: int, p: float) -> np.ndarray:
        """Whether each of the next `n` doubles is below `p`."""
        bound = math.ceil(p * 2.0**53)
        return self.filled("below", n, np.bool_, lambda n: self._below(n, bound), 2, 1, bound)

    def _below(self, n: int, bound: int) -> np.ndarray:
        """The upper word decides, but where it ties."""
        high, low = divmod(bound, 1 << 32)
        found = np.empty(n, bool)
        for start in range(0, n, SLICE):
            part = found[start : start + SLICE]
            words = self._words(2 * part.size)
            upper = words[0::2] & np.uint32(0x1FFFFF)
            np.less(upper, np.uint32(high), out=part)
            for tie in np.flatnonzero(upper == high):
                part[tie] = words[2 * tie + 1] < low
        return found

    def filled(
        self, program: str, n: int, dtype: Any, slow: Callable[[int], np.ndarray], unit: int = 1, each: int = 1,
        *parameters: float, weight: int = 1,
    ) -> np.ndarray:  # fmt: skip
        """The next `n` numbers that a program of `codegen.draws` makes, `each` of them out of `unit` words.

        `slow(n)` makes them through NumPy where there is no compiler, at `weight` times the cost of a word.
        """
        draws = compiled.draws(n, weight)
        if draws is None:
            return slow(n)
        if self._state is None:
            self._state, self._is_seeded = draws.state_of(self._engine_words()), True
        size, numbers = BLOCK // unit * each, np.empty(n, dtype)  # numbers that a block gives
        here = self._block[self._next :]
        first = here.size // unit * each
        numbers[:first] = draws.convert(program, here, np.empty(size, dtype), *parameters)[:first]
        carried = here[first // each * unit :]
        blocks, rest = divmod(n - first, size)
        if blocks:
            self._block = draws.fill(program, self._state, carried, blocks, numbers[first : n - rest], *parameters)
            self._next = BLOCK - carried.size
            carried = self._block[self._next :]
        if rest:
            last = np.empty(size, dtype)
            self._block = draws.fill(program, self._state, carried, 1, last, *parameters)
            self._next = rest // each * unit - carried.size
            numbers[n - rest :] = last[:rest]
        return numbers

    def double(self) -> float:
        """The next number of 53 bits in [0, 1)."""
        high, low = self.words(2).tolist()
        return ((high & 0x1FFFFF) << 32 | low) * 2.0**-53

    def _twist(self, blocks: int) -> np.ndarray:
        """The tempered words of the next blocks."""
        if self._state is not None:
            draws = compiled.load(True)
            if draws is not None:
                words = np.empty(blocks * BLOCK, np.uint32)
                draws.fill("words", self._state, words[:0], blocks, words)
                return words
            self._back_to_engine()
        # RandomState, not Generator: its seeding and this stream are frozen by NumPy's compatibility policy.
        return self._seeded_engine().randint(0, 1 << 32, size=blocks * BLOCK, dtype=np.uint32)

    def _back_to_engine(self) -> None:
        """Go on with NumPy's twister: compiled code may not be used any more."""
        assert self._state is not None
        self._seeded_engine().set_state(("MT19937", self._state[:BLOCK], BLOCK, 0, 0.0))
        self._state = None

    def _seeded_engine(self) -> np.random.RandomState:
        if self._engine is None:
            self._engine = np.random.RandomState(np.random.MT19937(0))
        if not self._is_seeded:
            self._engine.seed(self._seed & 0xFFFFFFFF)
            self._is_seeded = True
        return self._engine

    # ---- state

    def get_state(self) -> np.ndarray:
        """The state in PyTorch's format: 5056 bytes in a uint8 array."""
        is_new = not self._is_seeded  # nothing drawn yet: PyTorch's position is then 0, not 624
        state = np.zeros((), STATE)
        state["seed"] = self._seed
        state["seeded"] = 1
        state["next"], state["left"] = (0, 1) if is_new else (self._next, BLOCK + 1 - self._next)
        state["words"] = self._engine_words()
        if self.next_normal is not None:
            state["normal_y"], state["has_normal"] = self.next_normal, 1
        return np.frombuffer(state.tobytes(), np.uint8).copy()

    def _engine_words(self) -> np.ndarray:
        """The twister's words at the end of the present block."""
        if self._state is not None:
            return self._state[:BLOCK]
        is_new = not self._is_seeded
        words = self._seeded_engine().get_state(legacy=False)["state"]["key"]
        self._is_seeded = not is_new
        return words

    def set_state(self, new_state: np.ndarray) -> Generator:
        """Continue where `new_state`, from `get_state` here or in PyTorch, was taken; returns the generator."""
        if not isinstance(new_state, np.ndarray) or new_state.dtype != np.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        if new_state.size != STATE.itemsize:
            raise RuntimeError(
                f"Expected a CPUGeneratorImplState of size {STATE.itemsize} "
                f"but found the input RNG state size to be {new_state.size}"
            )
        state = np.frombuffer(new_state.tobytes(), STATE)[0]
        left, position = int(state["left"]), int(state["next"])
        if state["seeded"] != 1 or not 0 < left <= BLOCK or position > BLOCK:
            raise RuntimeError("Invalid mt19937 state")
        self._restart(int(state["seed"]))
        if state["has_normal"] & 0xFFFFFFFF:
            self.next_normal = float(state["normal_y"])
        if left == 1 and position == 0:
            # New, so its words follow from the seed, unless somebody put a state together by hand.
            if np.array_equal(self._engine_words(), state["words"]):
                return self
            position = BLOCK
        self._is_seeded = True
        engine = self._engine = self._engine or np.random.RandomState(np.random.MT19937(0))
        engine.set_state(("MT19937", state["words"].astype(np.uint32), position, 0, 0.0))
        self._next = position
        self._block[position:] = engine.randint(0, 1 << 32, size=BLOCK - position, dtype=np.uint32)
        return self

    def clone_state(self) -> Generator:
        """A generator of its own that continues where this one stands."""
        twin = type(self)(self.device)
        Generator.set_state(twin, Generator.get_state(self))
        return twin

    def __reduce__(self) -> tuple:
        return type(self), (self.device,), (self.initial_seed(), None, self.get_state())

    def __setstate__(self, state: tuple) -> None:
        self.set_state(state[2])
