// The largest value of a row and the sum of the exponentials of all, less it: for softmax and its like.
#include "rows.cuh"

template <class A> struct Exponentials {
    typedef Max Level;
    typedef A Terms;
    static constexpr bool HAS_LEVEL = true, IS_ANCHORED = false, HAS_OTHER = false, HAS_WEIGHTS = false;

    struct Part {
        A top, total;
    };

    // Less -inf, values that are all -inf would be NaN one by one; less 0 they are a sum of 0, and NaN in the end.
    __device__ static A level(A top, A) { return top == -infinity(A(0)) ? A(0) : top; }
    __device__ static A anchor(A x) { return x; }
    __device__ static Part nothing() { return Part{-infinity(A(0)), A(0)}; }
    template <int COUNT> __device__ static Part part(const A* values, A) {
        Part found = nothing();
#pragma unroll
        for (int i = 0; i < COUNT; i++) found.top = Max::join(found.top, values[i]);
        const A from = level(found.top, A(COUNT));
#pragma unroll
        for (int i = 0; i < COUNT; i++) found.total += exponential(values[i] - from);
        return found;
    }
    __device__ static Part join(Part a, Part b) {
        // Where both are infinite the difference is NaN, and nothing is to be scaled.
        const A top = Max::join(a.top, b.top);
        const A mine = a.top == top ? a.total : a.total * exponential(a.top - top);
        const A its = b.top == top ? b.total : b.total * exponential(b.top - top);
        return Part{top, mine + its};
    }
};
