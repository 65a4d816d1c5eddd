// rms_norm: each value over the root of the mean of the squares.
#include "squares.cuh"

template <class A> struct RmsNorm : Squares<A> {
    static constexpr bool HAS_WEIGHTS = true;
    __device__ static A finish(A total, A n, A eps) { return A(1) / root(total / n + eps); }
    __device__ static A whole(A total, A, A n, A eps, A& scale) {
        scale = finish(total, n, eps);
        return A(0);
    }
};
