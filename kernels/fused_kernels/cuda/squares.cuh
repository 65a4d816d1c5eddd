// The sum of a row's squares, for rms_norm and l2_normalize.
#include "rows.cuh"

template <class A> struct Squares {
    typedef Nothing Level;
    typedef A Terms;
    typedef A Scale;
    typedef A Part;
    static constexpr bool HAS_LEVEL = false, IS_ANCHORED = false, HAS_OTHER = false, HAS_WEIGHTS = false;

    __device__ static A level(A, A) { return A(0); }
    __device__ static A centred(A x, A) { return x; }
    __device__ static A terms(A x) { return x * x; }
    __device__ static A result(A x, Scale factor) { return x * factor; }
    __device__ static A anchor(A x) { return x; }
    __device__ static A nothing() { return A(0); }
    template <int COUNT> __device__ static A part(const A* values, A) {
        A total = A(0);
#pragma unroll
        for (int i = 0; i < COUNT; i++) total += values[i] * values[i];
        return total;
    }
    __device__ static A join(A a, A b) { return a + b; }
};
