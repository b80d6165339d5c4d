"""Write kenaz/runtime/special_tables.py: Chebyshev fits of special functions, computed with mpmath to 40 digits.

    python tools/fit_special.py            # needs mpmath; takes a minute

A table is (kind, low, high, coefficients): with t in [-1, 1] across [low, high], kind "P" is a polynomial in t, highest
power first, for Horner; kind "T" are Chebyshev coefficients, for Clenshaw, where the polynomial's own would cancel.
"""

from pathlib import Path

import mpmath as mp

mp.mp.dps = 45
TARGET = Path(__file__).parent.parent / "kenaz/runtime/special_tables.py"


def chebyshev(f, low, high, n):
    """The coefficients of the interpolant of degree n - 1 at Chebyshev's nodes."""
    middle, half = (mp.mpf(low) + high) / 2, (mp.mpf(high) - low) / 2
    angles = [mp.pi * (k + mp.mpf(1) / 2) / n for k in range(n)]
    values = [f(middle + half * mp.cos(a)) for a in angles]
    return [(1 if j == 0 else 2) * mp.fsum(v * mp.cos(j * a) for v, a in zip(values, angles)) / n for j in range(n)]


def monomials(c):
    """The same polynomial in powers of t, lowest first."""
    total = [mp.mpf(0)] * len(c)
    current, following = [mp.mpf(1)], [mp.mpf(0), mp.mpf(1)]  # T_k and T_k+1
    for a in c:
        for i, x in enumerate(current):
            total[i] += a * x
        after = [mp.mpf(0)] + [2 * x for x in following]
        for i, x in enumerate(current):
            after[i] -= x
        current, following = following, after
    return total


def fit(f, low, high, relative=True, accuracy=2e-17):
    """A table for f on [low, high]."""
    c = chebyshev(f, low, high, 56)
    scale = min(abs(f(low + (high - low) * mp.mpf(i) / 16)) for i in range(1, 16)) if relative else max(map(abs, c))
    while len(c) > 2 and abs(c[-1]) < accuracy * scale:
        c.pop()
    p = monomials(c)
    if sum(map(abs, p)) < 2 * sum(map(abs, c)):
        return "P", float(low), float(high), [float(x) for x in reversed(p)]
    return "T", float(low), float(high), [float(x) for x in c]


def erfinv_over_x(s):
    """erfinv(x) / x where s = sqrt(-log(1 - x^2))."""
    w = s * s
    q = mp.exp(-w) / (1 + mp.sqrt(1 - mp.exp(-w)))
    y = mp.sqrt(mp.log(1 / q)) * mp.mpf("0.9")
    for _ in range(60):
        step = (mp.log(mp.erfc(y)) - mp.log(q)) * mp.erfc(y) / (-2 / mp.sqrt(mp.pi) * mp.exp(-y * y))
        y -= step
        if abs(step) < mp.mpf(10) ** -38:
            break
    return y / (1 - q)


def hankel(order, part):
    """P and x Q / 8 of Hankel's asymptotic form, against t = (8 / x)^2."""

    def f(t):
        x = 8 / mp.sqrt(t)
        chi = x - (2 * order + 1) * mp.pi / 4
        j, y, scale = mp.besselj(order, x), mp.bessely(order, x), mp.sqrt(mp.pi * x / 2)
        if part == "P":
            return scale * (j * mp.cos(chi) + y * mp.sin(chi))
        return scale * (y * mp.cos(chi) - j * mp.sin(chi)) * x / 8

    return f


def airy(part):
    """The amplitudes of Ai and Bi on the left, against t = 1 / zeta^2."""

    def f(t):
        zeta = 1 / mp.sqrt(t)
        x = (mp.mpf(3) / 2 * zeta) ** (mp.mpf(2) / 3)
        s, c = mp.sin(zeta + mp.pi / 4), mp.cos(zeta + mp.pi / 4)
        scale, a, b = mp.sqrt(mp.pi) * x ** (mp.mpf(1) / 4), mp.airyai(-x), mp.airybi(-x)
        return scale * (a * s + b * c) if part == "P" else scale * (b * s - a * c) * zeta

    return f


def airy_right(t):
    """2 sqrt(pi) x^(1/4) exp(zeta) Ai(x), against t = 1 / zeta."""
    zeta = 1 / t
    x = (mp.mpf(3) / 2 * zeta) ** (mp.mpf(2) / 3)
    return 2 * mp.sqrt(mp.pi) * x ** (mp.mpf(1) / 4) * mp.exp(zeta) * mp.airyai(x)


def of_square(f):
    return lambda t: f(mp.sqrt(t))


def of_inverse(f):
    return lambda t: f(1 / t)


def tables():
    two_pi = 2 / mp.pi
    half = mp.mpf(1) / 2
    zeta_left = mp.mpf(2) / 3 * mp.mpf(5) ** mp.mpf("1.5")
    zeta_right = mp.mpf(2) / 3 * mp.mpf(2) ** mp.mpf("1.5")
    shape = lambda t: mp.mpf("3.75") * (1 + t) / (1 - t)
    return {
        "ERF": fit(of_square(lambda x: mp.erf(x) / x), 0, 1),
        "ERFCX": fit(lambda t: (1 + 2 * shape(t)) * mp.exp(shape(t) ** 2) * mp.erfc(shape(t)), -1, 1),
        "ERFINV_0": fit(of_square(erfinv_over_x), 0, mp.mpf("6.25")),
        "ERFINV_1": fit(erfinv_over_x, mp.mpf("2.5"), 4),
        "ERFINV_2": fit(erfinv_over_x, 4, 8),
        "ERFINV_3": fit(erfinv_over_x, 8, 28),
        "LGAMMA": fit(lambda z: mp.loggamma(z) / ((z - 1) * (z - 2)), 1, 2),
        "I0_LOW": fit(lambda x: mp.exp(-x) * mp.besseli(0, x), 0, 8),
        "I0_HIGH": fit(of_inverse(lambda x: mp.sqrt(x) * mp.exp(-x) * mp.besseli(0, x)), 0, half / 4),
        "I1_LOW": fit(lambda x: mp.exp(-x) * mp.besseli(1, x) / x, 0, 8),
        "I1_HIGH": fit(of_inverse(lambda x: mp.sqrt(x) * mp.exp(-x) * mp.besseli(1, x)), 0, half / 4),
        "K0_LOW": fit(of_square(lambda x: mp.besselk(0, x) + mp.log(x / 2) * mp.besseli(0, x)), 0, 4),
        "K0_HIGH": fit(of_inverse(lambda x: mp.sqrt(x) * mp.exp(x) * mp.besselk(0, x)), 0, half),
        "K1_LOW": fit(of_square(lambda x: (mp.besselk(1, x) - mp.log(x / 2) * mp.besseli(1, x)) * x), 0, 4),
        "K1_HIGH": fit(of_inverse(lambda x: mp.sqrt(x) * mp.exp(x) * mp.besselk(1, x)), 0, half),
        "J0_LOW": fit(of_square(lambda x: mp.besselj(0, x)), 0, 64, relative=False),
        "J1_LOW": fit(of_square(lambda x: mp.besselj(1, x) / x), 0, 64, relative=False),
        "Y0_LOW": fit(of_square(lambda x: mp.bessely(0, x) - two_pi * mp.log(x / 2) * mp.besselj(0, x)),
                      0, 64, relative=False),
        "Y1_LOW": fit(of_square(lambda x: (mp.bessely(1, x) - two_pi * (mp.log(x / 2) * mp.besselj(1, x) - 1 / x)) / x),
                      0, 64, relative=False),
        "J0_P": fit(hankel(0, "P"), 0, 1), "J0_Q": fit(hankel(0, "Q"), 0, 1),
        "J1_P": fit(hankel(1, "P"), 0, 1), "J1_Q": fit(hankel(1, "Q"), 0, 1),
        "AI_MIDDLE": fit(mp.airyai, -5, 2, relative=False),
        "AI_RIGHT": fit(airy_right, 0, 1 / zeta_right),
        "AI_P": fit(airy("P"), 0, zeta_left**-2), "AI_Q": fit(airy("Q"), 0, zeta_left**-2),
    }  # fmt: skip


def written(name, table):
    kind, low, high, c = table
    lines = [f'{name} = ("{kind}", {low!r}, {high!r}, (']
    for i in range(0, len(c), 4):
        lines.append("    " + " ".join(f"{x!r}," for x in c[i : i + 4]))
    return "\n".join([*lines, "))"])


if __name__ == "__main__":
    head = '"""Chebyshev fits of special functions: tools/fit_special.py writes them, and says what each one is."""\n\n'
    head += "# fmt: off\n"
    TARGET.write_text(head + "\n".join(written(n, t) for n, t in tables().items()) + "\n")
