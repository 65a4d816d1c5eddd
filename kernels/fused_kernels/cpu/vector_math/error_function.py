"""erf, erfc and the cumulative distribution of a normal variable.

Far from 0 each is made of a tail, exp(-z * z) * g(z), where g = N / D is smooth. N, D and the series near 0 are
interpolations at Chebyshev nodes, of 1 / (1 + k * z) for the former, made with mpmath at 50 digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fused_kernels.cpu.compile import inline
from fused_kernels.cpu.intrinsics import copysign, fma, polynomial

from .exponential import exp_reduction, exp_series, rounding_to_power
from .function import Formula, compiled

# exp is scaled by a power of 2, so that a denormal tail is rounded once.
_OFFSET = {np.float32: 24, np.float64: 64}

_NEAR = {
    np.float32: (
        7.843019557185471e-05,
        -0.0008007761207409203,
        0.005188148934394121,
        -0.0268537700176239,
        0.1128358542919159,
        -0.3761262595653534,
        0.12837916612625122,
    ),
    np.float64: (
        5.930188044732212e-11,
        -1.1357241854894664e-09,
        1.465583383002654e-08,
        -1.6349742033253072e-07,
        1.646094820172705e-06,
        -1.4925592110777726e-05,
        0.00012055330984893973,
        -0.0008548326977493039,
        0.005223977624762383,
        -0.02686617064507135,
        0.11283791670954851,
        -0.3761263890318375,
        0.1283791670955126,
    ),
}
"""erf(z) / z - 1 in z**2 up to 1.01."""

_ERFC = {
    np.float32: (
        (0.040923506021499634, 0.26270365715026855, 0.7973599433898926, 1.2962617874145508, 1.0000051259994507),
        (0.07253466546535492, 0.46564480662345886, 1.4492900371551514, 2.5330748558044434, 2.4246954917907715, 1.0),
    ),
    np.float64: (
        (
            9.036802215334434e-05,
            0.0015969690703732681,
            0.014069338913532625,
            0.07928627341975863,
            0.3115485574858795,
            0.8804654241235866,
            1.7873712383209315,
            2.5205931260664864,
            2.2597270709463246,
            0.9999999999867544,
        ),
        (
            0.00016017314886450032,
            0.0028305539785459456,
            0.025017340512426215,
            0.14194653759265527,
            0.5645939821265028,
            1.6294346578178642,
            3.4318677811284615,
            5.181194220670639,
            5.3436616224920686,
            3.3881062378184015,
            1.0,
        ),
    ),
}
"""N and D of exp(z**2) * erfc(z) for z from 0.45 to where erfc vanishes."""

_NORMAL = {
    np.float32: (
        (0.008396756835281849, 0.08234963566064835, 0.3696407377719879, 0.8807944059371948, 1.0),
        (0.010523666627705097, 0.10321586579084396, 0.4736599624156952, 1.2090277671813965, 1.6786794662475586, 1.0),
    ),
    np.float64: (
        (
            3.7585692470070715e-07,
            1.204223267950696e-05,
            0.0001884046250755797,
            0.0018758618050612951,
            0.013083276868918454,
            0.06657671811540386,
            0.25013002632626824,
            0.6862732698350186,
            1.3224699306193781,
            1.6323584268571183,
            1.0,
        ),
        (
            4.7106679733503925e-07,
            1.5092700462131808e-05,
            0.00023660124693383345,
            0.002366136820784289,
            0.016632643892502984,
            0.0857624012474705,
            0.32942139266989756,
            0.9390065869950863,
            1.9404900932404727,
            2.761523289472707,
            2.430242987659984,
            1.0,
        ),
    ),
}
"""N and D of 2 * exp(x**2 / 2) * normal_cdf(-x) for x from 0 to where it vanishes."""

# From here on the tail is 0.
_VANISHES = {np.float32: 10.1, np.float64: 27.3}
_NORMAL_VANISHES = {np.float32: 14.3, np.float64: 38.6}


def _tail(dtype: Any, fit: Any) -> Formula:
    """Make a function of z >= 0, -1 or -1/2, and a factor: ``factor * exp(rate * z * z) * N(z) / D(z)``."""
    above, below = (tuple(dtype(value) for value in values) for values in fit[dtype])
    offset = _OFFSET[dtype]
    series, reduce, rounder = exp_series(dtype)[:-1], exp_reduction(dtype), rounding_to_power(dtype, offset)
    back = dtype(2.0**-offset)

    def tail(z: Any, rate: Any, factor: Any) -> Any:
        scaled = rate * z
        square = scaled * z
        rest, scale = reduce(square, rounder)
        # What the square lost in rounding: far out it would be many ulp of the result.
        rest += fma(scaled, z, -square)
        numerator = polynomial(z, above)
        return (
            fma(polynomial(rest, series) * rest, numerator, numerator) * scale / polynomial(z, below) * (back * factor)
        )

    return inline(tail)


def _near(dtype: Any) -> Formula:
    series = tuple(dtype(value) for value in _NEAR[dtype])

    def near(x: Any) -> Any:
        return fma(polynomial(x * x, series), x, x)

    return inline(near)


def _erf(dtype: Any) -> Formula:
    near, tail, one, end = _near(dtype), _tail(dtype, _ERFC), dtype(1), dtype(_VANISHES[dtype])

    def erf(x: Any) -> Any:
        z = abs(x)
        far = one - tail(end if end < z else z, -one, one)
        return copysign(far, x) if z > one else near(x)

    return erf


@compiled(_erf)
def erf(x: Any) -> Any:
    """Return the error function, within 1.05 ulp; -0 stays -0."""


def _erfc(dtype: Any) -> Formula:
    near, tail, one, two = _near(dtype), _tail(dtype, _ERFC), dtype(1), dtype(2)
    border, zero, end = dtype(0.47), dtype(0), dtype(_VANISHES[dtype])

    def erfc(x: Any) -> Any:
        z = abs(x)
        far = tail(end if end < z else z, -one, one)
        far = far if x > zero else two - far
        return far if z > border else one - near(x)

    return erfc


@compiled(_erfc)
def erfc(x: Any) -> Any:
    """Return ``1 - erf(x)`` without cancellation, denormal results included.

    Within 3.7 ulp (float32) or 5.5 (float64), which is far out in the tail.
    """


def _normal_cdf(dtype: Any) -> Formula:
    tail, zero, half, one = _tail(dtype, _NORMAL), dtype(0), dtype(0.5), dtype(1)
    end = dtype(_NORMAL_VANISHES[dtype])

    def normal_cdf(x: Any) -> Any:
        z = abs(x)
        far = tail(end if end < z else z, -half, half)
        return far if x < zero else one - far

    return normal_cdf


@compiled(_normal_cdf)
def normal_cdf(x: Any) -> Any:
    """Return the share of a standard normal distribution below x, denormal results included.

    Within 3.4 ulp (float32) or 5.3 (float64), which is far out in the tail.
    """


# The share below x less 1/2 is x * P(x**2) / Q(x**2) for abs(x) up to 5.3, made by reweighted least squares on the
# relative error; beyond it 0 and 1 are nearer than float32 can tell from an absolute error of 2e-7.
_CENTRE = (
    (2.42695210e-08, 6.35492211e-06, 1.57285703e-04, 4.60972416e-03, 3.26411238e-02, 3.98942277e-01),
    (1.24172789e-06, 7.03532056e-05, 1.81947700e-03, 2.79695496e-02, 2.48485678e-01, 1.0),
)
_CENTRE_END = 5.3


def _fast_normal_cdf(dtype: Any) -> Formula:
    if dtype is np.float64:
        return _normal_cdf(dtype)
    above, below = (tuple(dtype(value) for value in values) for values in _CENTRE)
    zero, half, one, end = dtype(0), dtype(0.5), dtype(1), dtype(_CENTRE_END)

    def fast_normal_cdf(x: Any) -> Any:
        square = x * x
        share = fma(x, polynomial(square, above) / polynomial(square, below), half)
        share = zero if x < -end else share
        return one if x > end else share

    return fast_normal_cdf


@compiled(_fast_normal_cdf)
def fast_normal_cdf(x: Any) -> Any:
    """Return what `normal_cdf` does, in float32 with an absolute error of up to 2e-7 and in half of the time.

    As exact as ``(1 + erf(x / sqrt(2))) / 2`` is in float32.
    """
