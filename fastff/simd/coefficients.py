"""Polynomials and bounds of the vector functions in float32 and float64.

The polynomials are minimax of relative error, found by Remez' exchange in 50 digits (mpmath) and rounded to the
dtype; the remark at each says the error of the polynomial before rounding.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Coefficients:
    """What the formulas of `fastff.simd.functions` need in one dtype.

    Attributes
    ----------
    ln2_high, ln2_low : float
        ln 2 in two parts, the first short enough for its product with any exponent to be exact.
    lowest : float
        Below it, exp(x) and x exp(x) round to zero. They are set to it: an underflow takes x86 100 cycles.
    vanish : float
        Below it, expm1(x) rounds to -1.
    tiny : float
        The smallest normal number.
    exp : tuple
        ``(expm1(r) - r) / r²`` for ``|r| <= ln 2 / 2``.
    artanh : tuple
        ``(artanh(√w) / √w - 1) / w`` for ``0 <= w <= 1/9``.
    far : float
        From it on, x Phi(-x) rounds to zero.
    middle : float
        K of the tail's equation.
    tail : tuple
        P of the tail's equation for ``0 <= a <= far``.
    """

    ln2_high: float
    ln2_low: float
    lowest: float
    vanish: float
    tiny: float
    exp: tuple[float, ...]
    artanh: tuple[float, ...]
    far: float
    middle: float
    tail: tuple[float, ...]


SINGLE = Coefficients(
    ln2_high=0.693359375,
    ln2_low=-2.12194440e-4,
    lowest=-120.0,
    vanish=-20.0,
    tiny=2.0**-126,
    # 3.1e-9
    exp=(0.49999994, 0.1666652, 0.041668393, 0.00836878, 0.0013814496),
    # 4.5e-9
    artanh=(0.3333321, 0.20010765, 0.14000835, 0.14006442),
    far=16.0,
    middle=4.0,
    # 1.0e-8
    tail=(
        0.75528514,
        -0.60789657,
        0.38713697,
        -0.18652403,
        0.06040276,
        -0.007521952,
        -0.0035058327,
        0.0015663418,
        0.00016671784,
        -0.00013808259,
    ),
)
DOUBLE = Coefficients(
    ln2_high=6.93147180369123816490e-01,
    ln2_low=1.90821492927058770002e-10,
    lowest=-760.0,
    vanish=-50.0,
    tiny=2.0**-1022,
    # 3.7e-18
    exp=(
        0.5000000000000011,
        0.16666666666666408,
        0.04166666666652943,
        0.008333333333497358,
        0.0013888888943875358,
        0.0001984126950115741,
        2.480149279994166e-05,
        2.75575903642453e-06,
        2.763036861363722e-07,
        2.499907636139586e-08,
    ),
    # 1.3e-18
    artanh=(
        0.33333333333333154,
        0.2000000000007762,
        0.14285714274050945,
        0.11111111977334158,
        0.09090872221337468,
        0.07693274585697182,
        0.06650555580597559,
        0.060525127027922974,
        0.04172311022649467,
        0.0850519948731497,
    ),
    far=39.0,
    middle=4.0,
    # 2.0e-17
    tail=(
        0.7552851304157515,
        -0.6078966419718921,
        0.3871374007422195,
        -0.1865218579596655,
        0.06039657489066677,
        -0.007540188966433542,
        -0.003479692361613677,
        0.00163081845326259,
        0.00013334424856857905,
        -0.00023109490361237188,
        -1.907844127685762e-06,
        3.5144569294421176e-05,
        7.149757866838753e-07,
        -5.9200104249788226e-06,
        -6.252285449868565e-07,
        1.0218560862716154e-06,
        2.641542122448536e-07,
        -1.5659130042160732e-07,
        -7.720985843990811e-08,
        1.606902968038225e-08,
        1.4618726141216548e-08,
        -3.3906243101171973e-10,
        -1.1965049360403493e-09,
    ),
)
