// softmax: the exponentials of a row, less its largest value, over their sum.
#include "exponentials.cuh"

template <class A> struct Softmax : Exponentials<A> {
    typedef A Scale;
    __device__ static A centred(A x, A top) { return exponential(x - top); }
    __device__ static A terms(A power) { return power; }
    __device__ static Scale finish(A total, A, A) { return A(1) / total; }
    __device__ static A whole(typename Exponentials<A>::Part part, A, A n, A eps, Scale& scale) {
        scale = finish(part.total, n, eps);
        return Exponentials<A>::level(part.top, n);
    }
    __device__ static A result(A power, Scale scale) { return power * scale; }
};
