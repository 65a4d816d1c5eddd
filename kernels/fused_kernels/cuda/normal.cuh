// Mean and variance of a row, for layer_norm and its like.
#include "rows.cuh"

template <class A> struct Normal {
    typedef Sum Level;
    typedef Two<A> Terms;
    static constexpr bool HAS_LEVEL = true, IS_ANCHORED = true, HAS_OTHER = false, HAS_WEIGHTS = true;

    // `rest` is what rounding has taken from the mean: beside large values it is not small to their deviations.
    struct Scale {
        A factor, rest;
    };
    // Of values less the anchor: how many, their mean, the sum of their squared deviations from it.
    struct Part {
        A count, mean, squares;
    };

    __device__ static A level(A total, A n) { return total / n; }
    __device__ static A centred(A x, A mean) { return x - mean; }
    __device__ static Terms terms(A x) { return Terms(x, x * x); }
    __device__ static Scale finish(Terms total, A n, A eps) {
        const A rest = total.first / n;
        return scale(total.second / n - rest * rest, rest, eps);
    }
    __device__ static Scale scale(A variance, A rest, A eps) {
        // Rounding must not leave less than nothing; a NaN passes the comparison.
        return Scale{A(1) / root((variance < A(0) ? A(0) : variance) + eps), rest};
    }
    __device__ static A result(A x, Scale scale) { return (x - scale.rest) * scale.factor; }

    __device__ static A anchor(A x) { return x; }
    __device__ static Part nothing() { return Part{A(0), A(0), A(0)}; }
    template <int COUNT> __device__ static Part part(const A* values, A anchor) {
        Part found{A(COUNT), A(0), A(0)};
#pragma unroll
        for (int i = 0; i < COUNT; i++) found.mean += values[i] - anchor;
        found.mean /= A(COUNT);
#pragma unroll
        for (int i = 0; i < COUNT; i++) {
            const A off = values[i] - anchor - found.mean;
            found.squares += off * off;
        }
        return found;
    }
    // Chan, Golub and LeVeque, Updating Formulae and a Pairwise Algorithm for Computing Sample Variances, 1979.
    __device__ static Part join(Part a, Part b) {
        const A count = a.count + b.count;
        if (!(count > A(0))) return a;
        const A off = b.mean - a.mean, share = quotient(b.count, count);
        return Part{count, a.mean + off * share, a.squares + b.squares + off * off * (a.count * share)};
    }
    __device__ static A whole(Part part, A anchor, A n, A eps, Scale& found) {
        const A mean = anchor + part.mean;
        found = scale(part.squares / n, (anchor - mean) + part.mean, eps);
        return mean;
    }
};
