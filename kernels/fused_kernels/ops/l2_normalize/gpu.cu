// l2_normalize: each value over the length of its row.
#include "squares.cuh"

template <class A> struct L2Normalize : Squares<A> {
    __device__ static A finish(A total, A, A eps) {
        const A length = root(total);
        // A NaN fails the comparison and stays.
        return A(1) / (length < eps ? eps : length);
    }
    __device__ static A whole(A total, A, A n, A eps, A& scale) {
        scale = finish(total, n, eps);
        return A(0);
    }
};
