// Operations on rows, along another axis than the last: all contiguous, blocks of n rows and as many columns as a row has.
#include "rows.cuh"

struct ColumnArguments {
    const void* x;
    void *out, *work;
    i64 outer, n, inner, team, pieces;
    double eps;
};

// What a block works on: a team of a.team neighbouring threads takes VEC columns each, and the teams of the block share
// the rows of its piece.
template <class T, int VEC> struct Strip {
    i64 base, first, last, step;
    bool inside;

    __device__ Strip(const ColumnArguments& a, i64 job) {
        const i64 strips = (a.inner / VEC + a.team - 1) / a.team, piece = job % a.pieces;
        const i64 strip = job / a.pieces % strips, block = job / a.pieces / strips;
        const i64 column = (strip * a.team + threadIdx.x % (int)a.team) * VEC;
        const i64 size = (a.n + a.pieces - 1) / a.pieces;
        base = block * a.n * a.inner + column;
        inside = column < a.inner;
        step = blockDim.x / (int)a.team;
        first = piece * size + threadIdx.x / (int)a.team;
        last = inside ? ((piece + 1) * size < a.n ? (piece + 1) * size : a.n) : 0;
    }
};

// What is known of each column of a strip, joined over the block; a thread has its own VEC columns.
template <class Op, class T, int VEC, class Part>
__device__ inline void known_columns(const ColumnArguments& a, const Strip<T, VEC>& strip, Part (*board)[VEC], Part* found) {
    typedef typename Computed<T>::type A;
#pragma unroll
    for (int i = 0; i < VEC; i++) found[i] = Op::nothing();
    for (i64 row = strip.first; row < strip.last; row += strip.step) {
        A values[VEC];
        load<VEC>((const T*)a.x + strip.base + row * a.inner, values);
#pragma unroll
        for (int i = 0; i < VEC; i++) found[i] = Op::join(found[i], Op::template part<1>(values + i, A(0)));
    }
    __syncthreads();  // of the last job
#pragma unroll
    for (int i = 0; i < VEC; i++) board[threadIdx.x][i] = found[i];
    __syncthreads();
    const int lane = threadIdx.x % (int)a.team;
#pragma unroll
    for (int i = 0; i < VEC; i++) {
        found[i] = board[lane][i];
        for (int other = lane + (int)a.team; other < blockDim.x; other += (int)a.team)
            found[i] = Op::join(found[i], board[other][i]);
    }
}

// Few long columns: a.pieces blocks share those of a strip, and leave in `work` what they know.
template <class Op, class T, int VEC> __device__ inline void partial_columns(const ColumnArguments& a) {
    typedef typename Op::Part Part;
    __shared__ Part board[512][VEC];
    const Strip<T, VEC> strip(a, blockIdx.x);
    Part found[VEC];
    known_columns<Op, T, VEC>(a, strip, board, found);
    if (threadIdx.x >= a.team) return;
    Part* parts = (Part*)a.work + (blockIdx.x * a.team + threadIdx.x) * VEC;
#pragma unroll
    for (int i = 0; i < VEC; i++) parts[i] = found[i];
}

template <class Op, class T, int VEC> __device__ inline void columns(const ColumnArguments& a) {
    static_assert(!Op::IS_ANCHORED && !Op::HAS_OTHER && !Op::HAS_WEIGHTS, "what columns have no use for");
    typedef typename Op::Part Part;
    typedef typename Computed<T>::type A;
    __shared__ Part board[512][VEC];
    const i64 strips = (a.inner / VEC + a.team - 1) / a.team;
    for (i64 job = blockIdx.x; job < a.outer * strips * a.pieces; job += gridDim.x) {
        const Strip<T, VEC> strip(a, job);
        Part found[VEC];
        if (a.pieces == 1) {
            known_columns<Op, T, VEC>(a, strip, board, found);
        } else {
            const i64 lane = threadIdx.x % (int)a.team;
            const Part* parts = (const Part*)a.work + (job / a.pieces * a.pieces * a.team + lane) * VEC;
#pragma unroll
            for (int i = 0; i < VEC; i++) {
                found[i] = Op::nothing();
                for (i64 piece = 0; piece < a.pieces; piece++)
                    found[i] = Op::join(found[i], parts[piece * a.team * VEC + i]);
            }
        }
        A level[VEC];
        typename Op::Scale scale[VEC];
#pragma unroll
        for (int i = 0; i < VEC; i++) level[i] = Op::whole(found[i], A(0), (A)a.n, (A)a.eps, scale[i]);
        for (i64 row = strip.first; row < strip.last; row += strip.step) {
            const i64 place = strip.base + row * a.inner;
            A values[VEC];
            load<VEC>((const T*)a.x + place, values);
#pragma unroll
            for (int i = 0; i < VEC; i++) values[i] = Op::result(Op::centred(values[i], level[i]), scale[i]);
            store<VEC>((T*)a.out + place, values);
        }
    }
}
