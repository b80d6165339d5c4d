"""Random numbers in compiled code: the Mersenne Twister a vector at a time, and what distributions make of its words.

    state (624 words)  --twist-->  next state  --temper-->  624 words  --convert-->  numbers

A word of the next state needs three of the old one, 0, 1 and 397 places further on, or of the new one where that is
beyond the end; so vectors of up to 16 can be made in place, in order, if the first new words are known behind the end.
A converter takes groups of words, of a length that divides 624. Where the stream stands inside a group when a block
begins, the words of the group that are there already are put in front of the block, where they stand again after it:

    words:  | 16 - carry unused | carry | 624 words of the block |        groups begin at 16 - carry

M. Matsumoto and T. Nishimura, "Mersenne Twister", ACM TOMACS 8 (1998). `runtime/random.py` says what the streams are,
`runtime/boxmuller.py` what normal numbers are; the results here are the same to the last bit.
"""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from ..runtime import boxmuller
from . import jit
from .routine import address
from .vectors import I8, I32, I64, Writer, module_text, new_function

BLOCK, FAR, FRONT = 624, 397, 16
_LOWER, _TWIST = 0x7FFFFFFF, 0x9908B0DF
_MASK_B, _MASK_C = 0x9D2C5680, 0xEFC60000


# --------------------------------------------------------------------------------------------------------- the twister
class Twister(Writer):
    """A writer of vectors of words. Words of the block: state, room for words, results, blocks, carry, parameters.

    With `once`, what is in the room is converted, and no block made.
    """

    def __init__(self, function: ir.Function, once: bool = False):
        super().__init__(function, "int32", min(jit.vector_bytes() // 4, FRONT))
        self.block, self.once = function.args[0], once
        self.state, self.room = self.words(self.block, 0, 2, I32)
        self.blocks, carry = self.words(self.block, 3, 2)
        self.start = self.at(self.room, self.sub(FRONT, carry))

    def parameter(self, i: int, to: Any = None) -> Any:
        """Parameter `i`: an int64, or eight bytes that are a double."""
        word = self.word(self.block, 5 + i)
        return word if to is None else self.b.fptrunc(self.b.bitcast(word, ir.DoubleType()), to)

    def bits_of(self, x: Any, mask: int) -> Any:
        return self.b.and_(x, ir.Constant(x.type, [mask] * x.type.count))

    def shifted(self, x: Any, by: int) -> Any:
        """x >> by, or to the left where `by` is negative."""
        move = self.b.lshr if by > 0 else self.b.shl
        return move(x, ir.Constant(x.type, [abs(by)] * x.type.count))

    def twist(self, place: Any, far: Any) -> None:
        """One vector of the next state in place, and its words, tempered."""
        b, x = self.b, self.load(self.at(self.state, place, 1))
        joined = b.or_(self.bits_of(self.load(self.at(self.state, place)), 1 << 31), self.bits_of(x, _LOWER))
        odd = self.bits_of(b.neg(self.bits_of(x, 1)), _TWIST)
        new = b.xor(b.xor(self.load(self.at(self.state, far)), self.shifted(joined, 1)), odd)
        self.store(new, self.at(self.state, place))
        self.store(self.temper(new), self.at(self.room, place, FRONT))

    def temper(self, x: Any) -> Any:
        for by, mask in ((11, None), (-7, _MASK_B), (-15, _MASK_C), (18, None)):
            moved = self.shifted(x, by)
            x = self.b.xor(x, moved if mask is None else self.bits_of(moved, mask))
        return x

    def next_block(self) -> None:
        """The next state, and its tempered words at FRONT of the room."""
        v = self.lanes
        turn = (BLOCK - FAR) // FRONT * FRONT  # the last vectors before it look at old words only
        self.twist(0, FAR)
        with self.loop(v, turn, v) as i:
            self.twist(i, self.add(i, FAR))
        for i in range(0, FRONT, v):
            self.store(self.load(self.at(self.state, i)), self.at(self.state, BLOCK + i))
        self.twist(turn, turn + FAR)
        with self.loop(turn + v, BLOCK, v) as i:
            self.twist(i, self.sub(i, BLOCK - FAR))

    def each_block(self, convert: Callable[[Any], None]) -> None:
        """All blocks: `convert(number of the block)` after each was made."""
        if self.once:
            convert(self.int(0))
            self.b.ret_void()
            return
        with self.loop(0, self.blocks, name="block") as k:
            self.next_block()
            convert(k)
            for i in range(0, FRONT, self.lanes):
                self.store(self.load(self.at(self.room, BLOCK + i)), self.at(self.room, i))
        self.b.ret_void()

    def floats(self, words: Any) -> Any:
        """Floats in [0, 1) from the low 24 bits of words."""
        kind = ir.VectorType(ir.FloatType(), words.type.count)
        scale = ir.Constant(kind, [2.0**-24] * kind.count)
        return self.b.fmul(self.b.sitofp(self.bits_of(words, 0xFFFFFF), kind), scale)

    def longs(self, pointer: Any) -> Any:
        """53 bits from each of four (or more) pairs of words, the first word high."""
        kind = ir.VectorType(I64, max(self.lanes // 2, 4))
        pair = self.b.load(self.b.bitcast(pointer, kind.as_pointer()), align=4)
        return self.bits_of(self.b.or_(self.shifted(pair, 32), self.shifted(pair, -32)), (1 << 53) - 1)


def _put(w: Twister, values: Any, pointer: Any) -> None:
    w.b.store(values, w.b.bitcast(pointer, values.type.as_pointer()), align=1)


# ---------------------------------------------------------------------------------------------------------- converters
def _words(w: Twister) -> None:
    """The words themselves."""
    out = w.word(w.block, 2, I32)

    def convert(k: Any, i: Any) -> None:
        w.store(w.load(w.at(w.start, i)), _at(w, out, k, BLOCK, i))

    w.each_block(lambda k: _each(w, w.lanes, BLOCK, lambda i: convert(k, i)))


def _each(w: Twister, step: int, count: int, body: Callable[[Any], None]) -> None:
    with w.loop(0, count, step) as i:
        body(i)


def _at(w: Twister, out: Any, k: Any, size: int, i: Any) -> Any:
    """Where the numbers of block `k` from the i-th on go."""
    return w.at(out, w.mul(k, size), i)


def _spread(w: Twister, x: Any, lanes: int) -> Any:
    """An element in every lane of a vector."""
    kind = ir.VectorType(x.type, lanes)
    one = w.b.insert_element(ir.Constant(kind, ir.Undefined), x, ir.Constant(I32, 0))
    return w.b.shuffle_vector(one, ir.Constant(kind, ir.Undefined), w.lanes_of([0] * lanes))


def _fused(w: Twister, x: Any, y: Any, z: Any) -> Any:
    """x * y + z, rounded once, for vectors of floats."""
    f = w.declare(f"llvm.fma.v{x.type.count}f32", ir.FunctionType(x.type, [x.type] * 3))
    return w.b.call(f, [x, y, z])


def _uniform(w: Twister) -> None:
    """Floats in [low, high): fma(x, high - low, low), and low where that is rounded up to high."""
    out = w.word(w.block, 2, ir.FloatType())
    extent, low, high = (_spread(w, w.parameter(i, ir.FloatType()), w.lanes) for i in range(3))

    def convert(k: Any, i: Any) -> None:
        x = _fused(w, w.floats(w.load(w.at(w.start, i))), extent, low)
        _put(w, w.b.select(w.b.fcmp_ordered(">=", x, high), low, x), _at(w, out, k, BLOCK, i))

    w.each_block(lambda k: _each(w, w.lanes, BLOCK, lambda i: convert(k, i)))


def _doubles(w: Twister) -> None:
    """Doubles in [0, 1) of 53 bits."""
    out, n = w.word(w.block, 2, ir.DoubleType()), max(w.lanes // 2, 4)
    kind = ir.VectorType(ir.DoubleType(), n)

    def convert(k: Any, i: Any) -> None:
        x = w.b.sitofp(w.longs(w.at(w.start, w.mul(i, 2))), kind)
        _put(w, w.b.fmul(x, ir.Constant(kind, [2.0**-53] * n)), _at(w, out, k, BLOCK // 2, i))

    w.each_block(lambda k: _each(w, n, BLOCK // 2, lambda i: convert(k, i)))


def _below(w: Twister) -> None:
    """Whether doubles, times 2**53, are below a bound."""
    out, n = w.word(w.block, 2, I8), max(w.lanes // 2, 4)
    bound = _spread(w, w.parameter(0), n)

    def convert(k: Any, i: Any) -> None:
        is_below = w.b.icmp_signed("<", w.longs(w.at(w.start, w.mul(i, 2))), bound)
        _put(w, w.b.zext(is_below, ir.VectorType(I8, n)), _at(w, out, k, BLOCK // 2, i))

    w.each_block(lambda k: _each(w, n, BLOCK // 2, lambda i: convert(k, i)))


def _integers(w: Twister) -> None:
    """Words modulo a size below 2**31, plus `low`: the quotient as a double is at most one off."""
    b, out, n = w.b, w.word(w.block, 2, I64), max(w.lanes // 2, 4)
    ints, reals = ir.VectorType(I64, n), ir.VectorType(ir.DoubleType(), n)
    size, low = (_spread(w, w.parameter(i), n) for i in range(2))
    inverse = b.fdiv(ir.Constant(reals, [1.0] * n), b.sitofp(size, reals))
    some = ir.VectorType(I32, n)

    def convert(k: Any, i: Any) -> None:
        x = b.zext(b.load(b.bitcast(w.at(w.start, i), some.as_pointer()), align=4), ints)
        rest = b.sub(x, b.mul(b.fptosi(b.fmul(b.sitofp(x, reals), inverse), ints), size))
        rest = b.select(b.icmp_signed("<", rest, ir.Constant(ints, None)), b.add(rest, size), rest)
        rest = b.select(b.icmp_signed(">=", rest, size), b.sub(rest, size), rest)
        _put(w, b.add(rest, low), _at(w, out, k, BLOCK, i))

    w.each_block(lambda k: _each(w, n, BLOCK, lambda i: convert(k, i)))


# ------------------------------------------------------------------------------------------------------ normal numbers
HALF = 8  # of every 16 uniform numbers the first 8 give the radii, the last 8 the angles


class Floats:
    """The arithmetic of `boxmuller.py` on vectors of 8 floats."""

    def __init__(self, w: Twister):
        self.w, self.b = w, w.b
        self.kind, self.ints = ir.VectorType(ir.FloatType(), HALF), ir.VectorType(I32, HALF)

    def real(self, x: float) -> Any:
        return ir.Constant(self.kind, [float(np.float32(x))] * HALF)

    def whole(self, x: int) -> Any:
        return ir.Constant(self.ints, [x] * HALF)

    def times(self, x: Any, y: float) -> Any:
        return self.b.fmul(x, self.real(y))

    def polynomial(self, coefficients: list[float], x: Any) -> Any:
        """Horner's rule with fused operations."""
        total = self.real(coefficients[0])
        for c in coefficients[1:]:
            total = _fused(self.w, total, x, self.real(c))
        return total

    def log(self, x: Any) -> Any:
        b = self.b
        bits = b.bitcast(x, self.ints)
        m = b.bitcast(b.or_(b.and_(bits, self.whole(0x007FFFFF)), self.whole(0x3F000000)), self.kind)
        is_low = b.fcmp_ordered("<", m, self.real(math.sqrt(0.5)))
        exponent = b.sub(b.lshr(bits, self.whole(23)), self.whole(126))
        e = b.sitofp(b.add(exponent, b.sext(is_low, self.ints)), self.kind)
        m = b.fsub(b.fadd(m, b.select(is_low, m, self.real(0))), self.real(1))
        square = b.fmul(m, m)
        y = b.fmul(self.polynomial(boxmuller.LOG, m), m)
        y = _fused(self.w, y, square, self.times(e, boxmuller.LN2[1]))
        m = b.fadd(m, b.fsub(y, self.times(square, 0.5)))
        return b.fadd(m, self.times(e, boxmuller.LN2[0]))

    def sine_and_cosine(self, x: Any) -> tuple[Any, Any]:
        b = self.b
        octant = b.add(b.fptosi(self.times(x, 4 / math.pi), self.ints), self.whole(1))
        octant = b.and_(octant, self.whole(-2))
        multiple = b.sitofp(octant, self.kind)
        for pi4 in boxmuller.PI4[:2]:
            x = b.fsub(x, self.times(multiple, pi4))
        x = _fused(self.w, multiple, self.real(-boxmuller.PI4[2]), x)
        square = b.fmul(x, x)
        cos = b.fmul(self.polynomial(boxmuller.COS, square), square)
        cos = b.fadd(_fused(self.w, cos, square, self.times(square, -0.5)), self.real(1))
        sin = _fused(self.w, b.fmul(self.polynomial(boxmuller.SIN, square), square), x, x)
        swapped = b.icmp_signed("!=", b.and_(octant, self.whole(2)), self.whole(0))
        sin, cos = b.select(swapped, cos, sin), b.select(swapped, sin, cos)
        return self._negated(sin, octant), self._negated(cos, b.add(octant, self.whole(2)))

    def _negated(self, x: Any, octant: Any) -> Any:
        """-x where the octant has the bit 4."""
        sign = self.b.shl(self.b.and_(octant, self.whole(4)), self.whole(29))
        return self.b.bitcast(self.b.xor(self.b.bitcast(x, self.ints), sign), self.kind)


def _normal(w: Twister) -> None:
    """Normal floats times `std` plus `mean`: Box and Muller's transform of 16 words at a time."""
    f, b, out = Floats(w), w.b, w.word(w.block, 2, ir.FloatType())
    std, mean = (_spread(w, w.parameter(i, ir.FloatType()), HALF) for i in range(2))

    def uniform(i: Any) -> Any:
        return w.floats(b.load(b.bitcast(w.at(w.start, i), f.ints.as_pointer()), align=4))

    def convert(k: Any, i: Any) -> None:
        squared = f.times(f.log(b.fsub(f.real(1), uniform(i))), -2)
        radius = b.call(w.declare("llvm.sqrt.v8f32", ir.FunctionType(f.kind, [f.kind])), [squared])
        sin, cos = f.sine_and_cosine(f.times(uniform(w.add(i, HALF)), 2 * math.pi))
        for half, wave in enumerate((cos, sin)):
            values = _fused(w, b.fmul(wave, radius), std, mean)
            _put(w, values, _at(w, out, k, BLOCK, w.add(i, half * HALF)))

    w.each_block(lambda k: _each(w, 2 * HALF, BLOCK, lambda i: convert(k, i)))


def _shuffle(w: Twister) -> None:
    """Durstenfeld's shuffle. Words of the block: the order, -, the words drawn, how many."""
    b, order, drawn, count = w.b, w.word(w.block, 0, I64), w.word(w.block, 2, I32), w.blocks
    with w.loop(0, w.sub(count, 1)) as i:
        rest = b.urem(b.load(w.at(drawn, i)), b.trunc(w.sub(count, i), I32))
        here, there = w.at(order, i), w.at(order, i, b.zext(rest, I64))
        x, y = b.load(here), b.load(there)
        b.store(y, here)
        b.store(x, there)
    b.ret_void()


_PROGRAMS: dict[str, Callable[[Twister], None]] = {
    "words": _words, "uniform": _uniform, "doubles": _doubles, "below": _below, "integers": _integers,
    "normal": _normal, "shuffle": _shuffle,
}  # fmt: skip


@functools.cache
def _compiled(program: str, vector_bytes: int) -> dict[str, Callable[[int], None]]:
    def build() -> str:
        module = ir.Module(program)
        for name in _ENTRIES:
            _PROGRAMS[program](Twister(new_function(module, name, (I64,)), name == "convert"))
        return module_text(module)

    found = jit.load(("draws", program, vector_bytes), _ENTRIES, build)
    # the interpreter stays locked: nobody else may use the generator meanwhile
    function = ctypes.PYFUNCTYPE(None, ctypes.c_int64)
    return {name: function(found[name]) for name in _ENTRIES}


_ENTRIES = ("draw", "convert")


# ----------------------------------------------------------------------------------------------------------- interface
def fill(
    program: str, state: np.ndarray, carried: np.ndarray, blocks: int, out: np.ndarray, *parameters: float
) -> np.ndarray:
    """Fill `out` with the numbers of so many blocks; gives the words of the last block.

    `state` (of `state_of`) stands at the end of a block and is moved on; `carried` are the fewer than 16 words before
    it. Parameters are ints, or floats that are rounded to float32.
    """
    room = np.empty(FRONT + BLOCK, np.uint32)
    if carried.size:
        room[FRONT - carried.size : FRONT] = carried
    _run(program, "draw", [address(state), address(room), address(out), blocks, carried.size], parameters)
    return room[FRONT:]


def convert(program: str, words: np.ndarray, out: np.ndarray, *parameters: float) -> np.ndarray:
    """The numbers of words that are there already, at the beginning of `out`, which has room for those of a block."""
    room = np.zeros(FRONT + BLOCK, np.uint32)
    room[FRONT : FRONT + words.size] = words
    _run(program, "convert", [0, address(room), address(out), 1, 0], parameters)
    return out


def _run(program: str, entry: str, words: list[int], parameters: tuple[float, ...]) -> None:
    numbers = [np.float64(p).view(np.int64) if type(p) is float else p for p in parameters]
    block = np.array([*words, *numbers], np.int64)
    _compiled(program, jit.vector_bytes())[entry](address(block))


def state_of(words: np.ndarray) -> np.ndarray:
    """The twister's words with room behind them, as the code needs it."""
    return np.concatenate((words, np.zeros(FRONT, np.uint32)), dtype=np.uint32)


def shuffle(order: np.ndarray, words: np.ndarray) -> None:
    """Shuffle an array of int64 by one word a place."""
    _run("shuffle", "draw", [address(order), 0, address(words), len(order), 0], ())
