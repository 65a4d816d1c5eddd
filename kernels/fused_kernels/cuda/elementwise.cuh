// What a formula of scalars may call, by the names that its translation gives them; see formula.py.
#include "common.cuh"

#define OF_ONE(name, single, twice)                              \
    __device__ inline float f_##name(float x) { return single; } \
    __device__ inline double f_##name(double x) { return twice; }
#define OF_TWO(name, single, twice)                                       \
    __device__ inline float f_##name(float x, float y) { return single; } \
    __device__ inline double f_##name(double x, double y) { return twice; }
#define TEST(name, test)                                       \
    __device__ inline bool f_##name(float x) { return test; } \
    __device__ inline bool f_##name(double x) { return test; }

OF_ONE(exp, exponential(x), exp(x))
OF_ONE(exp2, exp2f(x), exp2(x))
OF_ONE(expm1, expm1f(x), expm1(x))
OF_ONE(log, logf(x), log(x))
OF_ONE(log2, log2f(x), log2(x))
OF_ONE(log10, log10f(x), log10(x))
OF_ONE(log1p, log1pf(x), log1p(x))
OF_ONE(sqrt, sqrtf(x), sqrt(x))
OF_ONE(cbrt, cbrtf(x), cbrt(x))
OF_ONE(sin, sinf(x), sin(x))
OF_ONE(cos, cosf(x), cos(x))
OF_ONE(tan, tanf(x), tan(x))
OF_ONE(arcsin, asinf(x), asin(x))
OF_ONE(arccos, acosf(x), acos(x))
OF_ONE(arctan, atanf(x), atan(x))
OF_ONE(sinh, sinhf(x), sinh(x))
OF_ONE(cosh, coshf(x), cosh(x))
OF_ONE(tanh, tanhf(x), tanh(x))
OF_ONE(arcsinh, asinhf(x), asinh(x))
OF_ONE(arccosh, acoshf(x), acosh(x))
OF_ONE(arctanh, atanhf(x), atanh(x))
OF_ONE(floor, floorf(x), floor(x))
OF_ONE(ceil, ceilf(x), ceil(x))
OF_ONE(trunc, truncf(x), trunc(x))
OF_ONE(rint, rintf(x), rint(x))
OF_ONE(absolute, fabsf(x), fabs(x))
OF_ONE(erf, erff(x), erf(x))
OF_ONE(erfc, erfcf(x), erfc(x))
OF_ONE(gamma, tgammaf(x), tgamma(x))
OF_ONE(lgamma, lgammaf(x), lgamma(x))
OF_ONE(normal_cdf, normcdff(x), normcdf(x))
OF_ONE(sigmoid, quotient(1.0f, 1.0f + exponential(-x)), 1.0 / (1.0 + exp(-x)))
OF_ONE(square, x* x, x* x)
OF_ONE(reciprocal, 1.0f / x, 1.0 / x)
OF_ONE(sign, x != x ? x : (float)((x > 0.0f) - (x < 0.0f)), x != x ? x : (double)((x > 0.0) - (x < 0.0)))
OF_ONE(radians, x * 0.017453292519943295f, x * 0.017453292519943295)
OF_ONE(degrees, x * 57.29577951308232f, x * 57.29577951308232)
// NumPy's pass a NaN on, those of C do not.
OF_TWO(maximum, x > y || x != x ? x : y, x > y || x != x ? x : y)
OF_TWO(minimum, x < y || x != x ? x : y, x < y || x != x ? x : y)
OF_TWO(fmax, fmaxf(x, y), fmax(x, y))
OF_TWO(fmin, fminf(x, y), fmin(x, y))
OF_TWO(larger, y > x ? y : x, y > x ? y : x)
OF_TWO(smaller, y < x ? y : x, y < x ? y : x)
OF_TWO(hypot, hypotf(x, y), hypot(x, y))
OF_TWO(arctan2, atan2f(x, y), atan2(x, y))
OF_TWO(copysign, copysignf(x, y), copysign(x, y))
OF_TWO(power, powf(x, y), pow(x, y))
OF_TWO(fmod, fmodf(x, y), fmod(x, y))
OF_TWO(floor_divide, floorf(x / y), floor(x / y))
OF_TWO(remainder, x - floorf(x / y) * y, x - floor(x / y) * y)
TEST(isnan, x != x)
TEST(isinf, x == infinity(x) || x == -infinity(x))
TEST(isfinite, x - x == x - x)

template <class A> __device__ inline A f_clip(A x, A low, A high) { return f_smaller(f_larger(x, low), high); }
template <class A> __device__ inline A f_where(bool condition, A x, A y) { return condition ? x : y; }

// Python's, which round down.
__device__ inline i64 i_floor_divide(i64 x, i64 y) { return y ? x / y - ((x % y != 0) && ((x < 0) != (y < 0))) : 0; }
__device__ inline i64 i_remainder(i64 x, i64 y) { return y ? x - i_floor_divide(x, y) * y : 0; }
template <class A> __device__ inline A whole_power(A x, i64 exponent) {
    A found = A(1);
    for (unsigned long long left = exponent < 0 ? -exponent : exponent; left; left >>= 1, x *= x)
        if (left & 1) found *= x;
    return exponent < 0 ? A(1) / found : found;
}

// A loop over a range: its next number, and whether there is one.
struct Next {
    i64 first;
    bool second;
};
struct Range {
    i64 at, stop, step;
    __device__ Next next() {
        const Next found{at, step > 0 ? at < stop : at > stop};
        at += step;
        return found;
    }
};
