// log_softmax: each value less the largest, less the logarithm of the sum of the exponentials.
#include "exponentials.cuh"

template <class A> struct LogSoftmax : Exponentials<A> {
    typedef A Scale;
    __device__ static A centred(A x, A top) { return x - top; }
    __device__ static A terms(A x) { return exponential(x); }
    __device__ static Scale finish(A total, A, A) { return logarithm(total); }
    __device__ static A whole(typename Exponentials<A>::Part part, A, A n, A eps, Scale& scale) {
        scale = finish(part.total, n, eps);
        return Exponentials<A>::level(part.top, n);
    }
    // In this order, not x - (top + rest): of large values only the differences have digits to spare.
    __device__ static A result(A x, Scale rest) { return x - rest; }
};
