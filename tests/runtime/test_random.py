"""The generator and its samplers against numbers that PyTorch 2.13 drew on the CPU."""

import copy
import math
import pickle
import subprocess
import sys
import warnings
import zlib
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

from kenaz.runtime import samplers
from kenaz.runtime.boxmuller import fma32, fma64, log32, sincos32
from kenaz.runtime.random import STATE, Generator
from kenaz.runtime.samplers import integers, multinomial, normal, permutation, uniform

F2, F4, F8 = np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)
BF = np.dtype(ml_dtypes.bfloat16)
B1, U1, I4, I8 = np.dtype(np.bool_), np.dtype(np.uint8), np.dtype(np.int32), np.dtype(np.int64)
WEIGHTS = np.linspace(1, 2, 64, dtype=F4)
WORDS_OF_STATE = STATE.fields["normal_x"][1]  # bytes up to the cached normal, whose last bit is the C library's

# After manual_seed(42): the first values, a checksum of all (where no C library is involved), one of the state after.
# fmt: off
DRAWS = [
    ("uniform(g, 1000, F4)", [0.882269263, 0.915003955, 0.38286376], 3579030519, 2591301993),
    ("uniform(g, 700, F8)", [0.058154486, 0.0629101674, 0.123586073], 2186740415, 922094140),
    ("uniform(g, 700, F2)", [0.882324219, 0.915039062, 0.3828125], 2943161581, 3944725949),
    ("uniform(g, 700, BF)", [0.8828125, 0.9140625, 0.3828125], 1872956246, 3944725949),
    ("uniform(g, 1000, F4, -2, 3)", [2.41134644, 2.57501984, -0.0856812], 3018734875, 2591301993),
    ("uniform(g, 700, F8, -0.3, 5.7)", [0.0489269158, 0.0774610045, 0.441516437], 4011863083, 922094140),
    ("uniform(g, 700, BF, 0.1, 1.3)", [1.15625, 1.1953125, 0.55859375], 2618091981, 3944725949),
    ("uniform(g, 20000, F4, 1000, 1001)", [1000.88226, 1000.91498, 1000.38287], 3808728413, 4133312399),
    ("normal(g, 5, F4)", [0.336690366, 0.128809407, 0.234462366], None, 3811948385),
    ("normal(g, 16, F4)", [1.92691529, 1.48728406, 0.900717199], 2280516957, 1371014637),
    ("normal(g, 17, F4)", [1.92691529, -0.159597471, -0.497397542], 3363100665, 2102767511),
    ("normal(g, 100000, F4)", [1.92691529, 1.48728406, 0.900717199], 285774096, 1589920248),
    ("normal(g, 1000, F4, 1.5, 0.7)", [2.84884071, 2.54109883, 2.13050199], 517630187, 2169593885),
    ("normal(g, 33, F2)", [1.92675781, 1.48730469, 0.900878906], 3531434686, 3405430830),
    ("normal(g, 100, BF, -1, 3)", [4.78125, 3.46875, 1.703125], 1372804555, 655248873),
    ("normal(g, 7, F8)", [0.336690354, 0.128809405, 0.234462363], None, 1371014637),
    ("normal(g, 100, F8, 1.5, 0.7)", [1.7096894, 1.66966445, 1.69824518], None, 319394972),
    ("normal(g, 48, F4, is_contiguous=False)", [0.336690366, 0.128809407, 0.234462366], None, 2266475560),
    ("log_normal(g, 21, F4, 0.1, 0.4)", [1.26449919, 1.16360593, 1.21383524], None, 2021094050),
    ("exponential(g, 50, F4, 2.0)", [0.0299570076, 0.032488063, 0.0659583881], None, 674729125),
    ("exponential(g, 50, F8)", [0.0599140157, 0.0649761288, 0.13191678], None, 674729125),
    ("cauchy(g, 50, F4, 0.5, 2.0)", [-10.324975, -9.48740196, -4.38974857], None, 674729125),
    ("geometric(g, 500, I8, 0.3)", [8, 8, 6], 453582208, 2591301993),
    ("integers(g, 1000, I8, 0, 10)", [2, 7, 6], 2212740668, 2591301993),
    ("integers(g, 1000, I8, -5, 2**40)", [441476371554, 395845085946, 458553876606], 4133045727, 3194078303),
    ("integers(g, 1000, I8, -2**63, 2**63 - 1)",
     [-2314326399425823309, 8314211556539077902, 4279532810384561223], 1620791644, 3194078303),
    ("integers(g, 1000, I4, 0, 2**28)", [199900595, 250975502, 127521863], 969337337, 3194078303),
    ("integers(g, 1000, F4, 3, 9)", [3.0, 8.0, 7.0], 4062848216, 2591301993),
    ("integers(g, 1000, F4)", [14801927.0, 15351016.0, 6423145.0], 4278563834, 2591301993),
    ("integers(g, 1000, F8)", [523809043000000.0, 566644413000000.0, 1113164380000000.0], 2165709358, 3194078303),
    ("integers(g, 1000, I8)", [6909045637428952499, 8314211556539077902, 4279532810384561223], 1425370434, 3194078303),
    ("integers(g, 1000, U1)", [102, 179, 92], 2165061042, 2591301993),
    ("integers(g, 1000, B1)", [0, 1, 0], 393859649, 2591301993),
    ("integers(g, 1000, I8, 7)",
     [6909045637428952506, 8314211556539077916, 4279532810384561237], 3529806261, 3194078303),
    ("permutation(g, 10)", [2, 6, 1], 2114975873, 1277168157),
    ("permutation(g, 60000)", [37542, 43087, 2992], 844144044, 1704430398),
    ("permutation(g, 300, F4)", [42.0, 61.0, 286.0], 3140926006, 4052425925),
    ("bernoulli(g, 1000, 0.7, F4)", [1.0, 1.0, 1.0], 852229027, 3194078303),
    ("bernoulli(g, 1000, 0.5)", [1, 1, 1], 198731499, 3194078303),
    ("bernoulli_each(g, np.linspace(0, 1, 40, dtype=F4))", [0.0, 0.0, 0.0], 3924283930, 3235135910),
    ("bernoulli_each(g, np.linspace(0, 1, 40))", [0.0, 0.0, 0.0], 3730766383, 3159132202),
    ("multinomial(g, WEIGHTS, 1)", [60], 3074464091, 3481844945),
    ("multinomial(g, WEIGHTS, 20)", [60, 37, 24], 790658286, 3481844945),
    ("multinomial(g, WEIGHTS, 300, True)", [5, 5, 10], 1261446601, 991803469),
    ("poisson(g, np.linspace(0, 20, 30, dtype=F4))", [0.0, 0.0, 0.0], 817456834, 122984332),
    ("binomial(g, np.full(20, 100.0), np.linspace(0, 1, 20))", [0.0, 1.0, 6.0], 3582414674, 964546417),
    ("binomial(g, np.full(20, 1e6, F4), np.linspace(0, 1, 20, dtype=F4))",
     [0.0, 52169.0, 104854.0], 1965855496, 247544486),
    ("gamma(g, np.linspace(0.1, 3, 30, dtype=F4))", [0.692726076, 0.025415834, 4.41488883e-05], None, 3751235582),
    ("dirichlet(g, np.linspace(0.1, 3, 30).reshape(10, 3))",
     [0.964549601, 0.0353889262, 6.14727618e-05], None, 3980196589),
]
# fmt: on


def checksum(array):
    return zlib.crc32(np.ascontiguousarray(array).tobytes())


def words_of_state(generator):
    return generator.get_state()[:WORDS_OF_STATE]


@pytest.mark.parametrize("call, first, values, state", DRAWS, ids=[draw[0] for draw in DRAWS])
def test_draw_is_pytorchs(call, first, values, state):
    g = Generator().manual_seed(42)
    drawn = eval(call, {**vars(samplers), **globals(), "g": g}).reshape(-1)
    np.testing.assert_allclose(drawn[:3].astype(np.float64), first, rtol=2e-8)
    if values is not None:
        assert checksum(drawn) == values
    assert checksum(words_of_state(g)) == state


def test_interleaved_draws_share_the_cached_normal():
    g = Generator().manual_seed(2024)
    drawn = [
        normal(g, 5, F4), uniform(g, 3, F4), normal(g, 2, F8), permutation(g, 6), normal(g, 17, F4),
        integers(g, 4, I8, 0, 9), normal(g, 1, F4), samplers.bernoulli(g, 10, 0.5), samplers.exponential(g, 3, F4),
    ]  # fmt: skip
    wanted = [
        [-0.040429167449474335, 1.7259920835494995, -0.8140387535095215, 1.372166633605957, 0.5059648156166077],
        [0.173475444316864, 0.7045942544937134, 0.9265328645706177],
        [-0.4823373961513638, 0.0060055430677469135],
        [4, 3, 5, 1, 0, 2],
        [0.7130761742591858, -0.5931644439697266, -0.5153905153274536, 0.5214245319366455, -0.36263617873191833,
         -1.0656821727752686, -0.16161814332008362, -2.6491808891296387, 0.7202829122543335, -0.9224638342857361,
         -0.9809549450874329, 1.6001513004302979, 3.124418258666992, -0.5565486550331116, 1.0855401754379272,
         0.03314859792590141, -0.12266787141561508],
        [1, 3, 0, 5],
        [0.7734602689743042],
        [0, 0, 1, 1, 1, 1, 1, 1, 0, 1],
        [0.37494251132011414, 1.0064820051193237, 1.7696110010147095],
    ]  # fmt: skip
    for values, want in zip(drawn, wanted):
        np.testing.assert_allclose(values, want, rtol=1e-7)


# ---- the engine


def test_words_are_the_published_mersenne_twister():
    words = Generator().manual_seed(5489).words(10000)
    assert words[0] == 3499211612 and words[-1] == 4123659995  # the C++ standard's check, seed 5489


def test_words_do_not_depend_on_how_many_are_taken_at_once():
    all_at_once = Generator().manual_seed(7).words(5000)
    g, counts = Generator().manual_seed(7), [0, 1, 622, 1, 1, 623, 624, 625, 1300, 3, 1200]
    np.testing.assert_array_equal(np.concatenate([g.words(n) for n in counts]), all_at_once[: sum(counts)])


def test_numbers_do_not_depend_on_slices():
    n = 40001
    for draw in ("floats", "doubles"):
        whole, parts = (getattr(Generator().manual_seed(7), draw) for _ in range(2))
        np.testing.assert_array_equal(whole(n), np.concatenate([parts(n // 3), parts(1), parts(n - n // 3 - 1)]))


def test_doubles_one_by_one():
    g, h = Generator().manual_seed(3), Generator().manual_seed(3)
    assert [g.double() for _ in range(400)] == h.doubles(400).tolist()


def test_a_draw_is_not_a_view_of_the_engine():
    g = Generator().manual_seed(1)
    integers(g, 5, np.dtype(np.uint32)).fill(0)
    uniform(g, 5, F4).fill(0)
    np.testing.assert_array_equal(g.words(3), Generator().manual_seed(1).words(13)[10:])


@pytest.mark.parametrize(
    "seed, before, first, after",
    [
        (0, 1831558866, [0.49625658988952637, 0.7682217955589294], 1468360120),
        (-1, 1372939787, [0.9937993884086609, 0.5713063478469849], 4166569462),
        (1 << 63, 181766092, [0.49625658988952637, 0.7682217955589294], 813415590),
    ],
)
def test_seeds(seed, before, first, after):
    g = Generator().manual_seed(seed)
    assert checksum(g.get_state()) == before
    assert uniform(g, 2, F4).tolist() == first
    assert checksum(g.get_state()) == after
    assert g.initial_seed() == seed % (1 << 64)


def test_seed_is_new_each_time():
    g = Generator()
    assert g.initial_seed() == 67280421310721
    assert g.seed() == g.initial_seed() != g.seed()


def test_bad_seeds():
    for seed, name in ((True, "bool"), (3.0, "float"), ("a", "str"), (None, "NoneType")):
        with pytest.raises(RuntimeError, match=f"manual_seed expected a long, but got {name}"):
            Generator().manual_seed(seed)
    for seed in (1 << 64, -(1 << 63) - 1):
        with pytest.raises(ValueError, match="Overflow when unpacking long long"):
            Generator().manual_seed(seed)


def test_seeding_does_not_import_numpy_random():
    code = """if True:
        import sys
        from kenaz.runtime import samplers
        from kenaz.runtime.random import Generator
        Generator().manual_seed(3)
        assert "numpy.random" not in sys.modules"""
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- state


def drawing(g):
    """A generator somewhere in its stream, with a normal number waiting."""
    uniform(g, 700, F4)
    normal(g, 3, F4)
    return g


@pytest.mark.parametrize("prepare", [lambda g: g, drawing, lambda g: (g.words(624), g)[1]], ids=["new", "used", "end"])
@pytest.mark.parametrize(
    "clone",
    [
        lambda g: Generator().set_state(g.get_state()),
        Generator.clone_state,
        copy.deepcopy,
        lambda g: pickle.loads(pickle.dumps(g)),
    ],
    ids=["set_state", "clone_state", "deepcopy", "pickle"],
)
def test_state_round_trip(prepare, clone):
    g = prepare(Generator().manual_seed(99))
    twin = clone(g)
    np.testing.assert_array_equal(twin.get_state(), g.get_state())
    assert twin.initial_seed() == 99
    for n in (3, 17, 700):
        np.testing.assert_array_equal(normal(twin, n, F4), normal(g, n, F4))
    np.testing.assert_array_equal(twin.get_state(), g.get_state())


def test_state_has_pytorchs_layout():
    g = Generator().manual_seed(0)
    normal(g, 1, F4)
    state = g.get_state()
    assert state.dtype == np.uint8 and state.shape == (5056,)
    assert state[:24].tolist() == [0] * 8 + [109, 2, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]
    assert state[24 : 24 + 8].tolist() != [0] * 8
    assert math.isclose(state[5024:5032].view(np.float64)[0], -0.29342890, rel_tol=1e-7)
    assert state[5040:5048].tolist() == [1, 0, 0, 0, 0, 0, 0, 0]


def test_seeding_forgets_the_waiting_normal():
    g = drawing(Generator().manual_seed(4))
    assert normal(g.manual_seed(0), 1, F4)[0] == np.float32(1.5409961)


def test_bad_states():
    g = drawing(Generator().manual_seed(4))
    before = g.get_state()
    with pytest.raises(RuntimeError, match="Expected a CPUGeneratorImplState of size 5056 but found .* to be 100"):
        g.set_state(before[:100])
    with pytest.raises(TypeError, match="RNG state must be a torch.ByteTensor"):
        g.set_state(before.astype(np.float32))
    with pytest.raises(RuntimeError, match="Invalid mt19937 state"):
        g.set_state(np.zeros_like(before))
    np.testing.assert_array_equal(g.get_state(), before)


# ---- arithmetic


def test_fused_multiply_add_rounds_once():
    g = Generator().manual_seed(0)
    for dtype, fused in ((F4, fma32), (F8, fma64)):
        a, b, c = (uniform(g, 200, dtype, -1, 1).astype(np.float64) for _ in range(3))
        c *= uniform(g, 200, F8)
        c = c.astype(dtype).astype(np.float64)
        for x, y, z, got in zip(a, b, c, [fused(x, float(y), float(z)) for x, y, z in zip(a[:, None], b, c)]):
            exact = Fraction(x) * Fraction(y) + Fraction(z)
            error = abs(Fraction(float(got[0])) - exact)
            neighbours = (np.nextafter(got[0], got.dtype.type(side)) for side in (-2, 2))
            assert all(error <= abs(Fraction(float(other)) - exact) for other in neighbours)


def test_polynomials_are_close():
    x = np.linspace(2**-24, 1, 10001, dtype=F4)
    np.testing.assert_allclose(log32(x), np.log(x.astype(F8)), rtol=2e-7, atol=1e-7)
    angle = np.linspace(0, 2 * math.pi, 10001, dtype=F4)
    for got, want in zip(sincos32(angle), (np.sin, np.cos)):
        np.testing.assert_allclose(got, want(angle.astype(F8)), atol=1e-7)


def test_open_end_is_never_drawn():
    values = uniform(Generator().manual_seed(0), 100000, F4, 1000, 1001)
    assert values.max() < 1001 and (values == 1000).sum() > 0


def test_permutation_of_very_many(monkeypatch):
    monkeypatch.setattr(samplers, "MANY", 0)
    assert sorted(permutation(Generator().manual_seed(3), 1000)) == list(range(1000))


# ---- messages


@pytest.mark.parametrize(
    "draw, message",
    [
        (lambda g: uniform(g, 2, F4, 2, 1), "uniform_ expects to return a [from, to) range, but found from=2 > to=1"),
        (lambda g: uniform(g, 2, F4, 0, math.inf), "to is out of bounds for float"),
        (lambda g: uniform(g, 2, F2, 0, 70000), "to is out of bounds for c10::Half"),
        (lambda g: normal(g, 2, F4, 0, -1), "normal expects std >= 0.0, but found std -1"),
        (lambda g: samplers.log_normal(g, 2, F4, 0, 0), "log_normal_ expects std > 0.0, but found std=0"),
        (lambda g: samplers.exponential(g, 2, F4, -1), "exponential_ expects lambda > 0.0, but found lambda=-1"),
        (lambda g: samplers.cauchy(g, 2, F4, 0, 0), "cauchy_ expects sigma > 0.0, but found sigma=0"),
        (lambda g: samplers.geometric(g, 2, F4, 1.5), "geometric_ expects p to be in (0, 1), but got p=1.5"),
        (lambda g: samplers.bernoulli(g, 2, 1.5), "bernoulli_ expects p to be in [0, 1], but got p=1.5"),
        (lambda g: integers(g, 2, I8, 5, 5), "random_ expects 'from' to be less than 'to', but got from=5 >= to=5"),
        (lambda g: integers(g, 2, U1, 0, 257), "to - 1 is out of bounds for unsigned char"),
        (lambda g: integers(g, 2, U1, -1, 4), "from is out of bounds for unsigned char"),
        (lambda g: integers(g, 2, B1, 0, 3), "to - 1 is out of bounds for bool"),
        (lambda g: integers(g, 2, F2, 0, 70000), "to - 1 is out of bounds for c10::Half"),
        (lambda g: permutation(g, 257, U1), "value cannot be converted to type uint8_t without overflow"),
        (lambda g: permutation(g, 2050, F2), "n cannot be greater than 2049 for Half type."),
        (lambda g: permutation(g, (1 << 24) + 2, F4), "n cannot be greater than 2^24+1 for Float type."),
        (
            lambda g: multinomial(g, np.array([-1.0, 1.0]), 1),
            "probability tensor contains either `inf`, `nan` or element < 0",
        ),
        (
            lambda g: multinomial(g, np.array([[0.0, 0.0], [1.0, 1.0]]), 1),
            "invalid multinomial distribution (sum of probabilities <= 0)",
        ),
        (
            lambda g: multinomial(g, np.zeros(2), 2, True),
            "invalid multinomial distribution (sum of probabilities <= 0)",
        ),
        (
            lambda g: samplers.poisson(g, np.array([-1.0])),
            "invalid Poisson rate, expected rate to be non-negative",
        ),
    ],
)
def test_bad_parameters(draw, message):
    g = Generator().manual_seed(0)
    with pytest.raises(RuntimeError) as error:
        draw(g)
    assert str(error.value) == message
    assert g.get_state()[8:24].tolist() == Generator().manual_seed(0).get_state()[8:24].tolist()  # nothing was drawn


def test_integers_a_float_cannot_tell_apart():
    with pytest.warns(UserWarning, match=r"to - 1 is out of bounds \[-\(2\^24\), 2\^24\]. Due to precision"):
        drawn = integers(Generator().manual_seed(0), 2, F4, 0, 1 << 25)
    assert drawn.max() < 1 << 25
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        integers(Generator(), 2, F4, 0, (1 << 24) + 1)


def test_empty_draws_leave_the_state():
    g = Generator().manual_seed(0)
    before = g.get_state()
    for drawn in (uniform(g, 0, F4), normal(g, 0, F4), normal(g, 0, F8), permutation(g, 0), integers(g, 0, I8, 0, 5)):
        assert drawn.size == 0
    assert multinomial(g, np.ones((0, 3)), 2).shape == (0, 2)
    np.testing.assert_array_equal(g.get_state(), before)
