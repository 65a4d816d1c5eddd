// cross_entropy: each row is read once; a block finds its loss, and one block their sum.
#include "exponentials.cuh"

struct LossArguments {
    const void *logits, *target;
    void *out, *work;
    i64 rows, n, step, ignored, way;
    double smoothing;
};

// What is known of some logits: as for softmax, and their sum, for label smoothing.
template <class A> struct Loss : Exponentials<A> {
    struct Part {
        typename Exponentials<A>::Part powers;
        A sum;
    };
    __device__ static Part nothing() { return Part{Exponentials<A>::nothing(), A(0)}; }
    template <int COUNT> __device__ static Part of(const A* values) {
        Part found{Exponentials<A>::template part<COUNT>(values, A(0)), A(0)};
#pragma unroll
        for (int i = 0; i < COUNT; i++) found.sum += values[i];
        return found;
    }
    __device__ static Part join(Part a, Part b) {
        return Part{Exponentials<A>::join(a.powers, b.powers), a.sum + b.sum};
    }
};

enum Way { MEAN, SUM, NONE };

template <class T, int VEC> __device__ inline void losses(const LossArguments& a) {
    typedef typename Computed<T>::type A;
    typedef typename Loss<A>::Part Part;
    __shared__ Part board[32];
    for (i64 row = blockIdx.x; row < a.rows; row += gridDim.x) {
        const T* x = (const T*)a.logits + row * a.step;
        const i64 target = ((const i64*)a.target)[row];
        A loss = A(0);
        if (target != a.ignored) {
            Part part = Loss<A>::nothing();
            const Cut cut = cut_at<VEC>(x, a.n);
            for (i64 column = (i64)threadIdx.x * VEC; column < cut.whole; column += (i64)blockDim.x * VEC * 2) {
                // Two loads are under way before the first is used.
                A values[2 * VEC];
                const i64 next = column + (i64)blockDim.x * VEC;
                load<VEC>(x + cut.head + column, values);
                if (next < cut.whole) load<VEC>(x + cut.head + next, values + VEC);
                part = Loss<A>::join(part, Loss<A>::template of<VEC>(values));
                if (next < cut.whole) part = Loss<A>::join(part, Loss<A>::template of<VEC>(values + VEC));
            }
            if (threadIdx.x < cut.edges()) {
                const A beside[1] = {widened(x[cut.edge(threadIdx.x)])};
                part = Loss<A>::join(part, Loss<A>::template of<1>(beside));
            }
            part = over_block<Joining<Loss<A>>>(part, board, Loss<A>::nothing());
            const A top = part.powers.top, rest = logarithm(part.powers.total);
            // No class of this number: a message would have to wait for the GPU, a NaN is seen as well.
            A right = not_a_number(A(0));
            if (0 <= target && target < a.n) right = (top - widened(x[target])) + rest;
            loss = right;
            if (a.smoothing != 0.0) {
                const A spread = (top - part.sum / (A)a.n) + rest;
                loss = (A(1) - (A)a.smoothing) * right + (A)a.smoothing * spread;
            }
        }
        if (!threadIdx.x) {
            if (a.way == NONE) {
                narrow(loss, ((T*)a.out)[row]);
            } else {
                ((A*)a.work)[row] = loss;
            }
        }
    }
}

template <class T> __device__ inline void total_loss(const LossArguments& a) {
    typedef typename Computed<T>::type A;
    __shared__ A board[32];
    // Counted in two: a float32 alone is exact to 16 million rows only.
    __shared__ Two<A> counts[32];
    A total = A(0);
    i64 count = 0;
    for (i64 row = threadIdx.x; row < a.rows; row += blockDim.x) {
        total += ((const A*)a.work)[row];
        count += ((const i64*)a.target)[row] != a.ignored;
    }
    total = over_block<Sum>(total, board, A(0));
    const Two<A> found = over_block<Sum>(Two<A>((A)(count >> 12), (A)(count & 4095)), counts, Two<A>(A(0)));
    if (!threadIdx.x) narrow(a.way == MEAN ? total / (found.first * A(4096) + found.second) : total, *(T*)a.out);
}
