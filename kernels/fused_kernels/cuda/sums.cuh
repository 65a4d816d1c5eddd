// Sums over rows, over columns, or over any axes of an array, of a function of each element.
#include "common.cuh"

struct SumArguments {
    const void* x;
    void *out, *work;
    i64 kept, n, step, team, pieces;
    i64 kept_length[4], kept_step[4], length[4], length_step[4];
};

struct Square {
    template <class A> __device__ static A of(A x) { return x * x; }
};

// a.team blocks share a row of n neighbours; alone, a block writes the result, else its part into `work`.
template <class Function, class T, int VEC> __device__ inline void row_sums(const SumArguments& a) {
    typedef typename Computed<T>::type A;
    __shared__ A board[32];
    for (i64 job = blockIdx.x; job < a.kept * a.team; job += gridDim.x) {
        const T* x = (const T*)a.x + job / a.team * a.step;
        const Cut cut = cut_at<VEC>(x, a.n);
        const i64 size = (cut.whole / VEC + a.team - 1) / a.team * VEC, part = job % a.team;
        const i64 begin = part * size, end = begin + size < cut.whole ? begin + size : cut.whole;
        A total[2] = {A(0), A(0)};
        for (i64 column = begin + (i64)threadIdx.x * VEC; column < end; column += (i64)blockDim.x * VEC * 2) {
            // Two loads are under way before the first is used.
            A values[2 * VEC];
            const i64 next = column + (i64)blockDim.x * VEC;
            load<VEC>(x + cut.head + column, values);
            if (next < end) load<VEC>(x + cut.head + next, values + VEC);
#pragma unroll
            for (int i = 0; i < VEC; i++) total[0] += Function::of(values[i]);
            if (next < end) {
#pragma unroll
                for (int i = 0; i < VEC; i++) total[1] += Function::of(values[VEC + i]);
            }
        }
        if (!part && threadIdx.x < cut.edges()) total[1] += Function::of(widened(x[cut.edge(threadIdx.x)]));
        const A sum = over_block<Sum>(total[0] + total[1], board, A(0));
        if (!threadIdx.x) {
            if (a.team == 1) {
                narrow(sum, ((T*)a.out)[job]);
            } else {
                ((A*)a.work)[job] = sum;
            }
        }
    }
}

// The parts of each row, which blocks have left in `work`, in one order whoever was first.
template <class T> __device__ inline void joined_sums(const SumArguments& a) {
    typedef typename Computed<T>::type A;
    __shared__ A board[32];
    for (i64 row = blockIdx.x; row < a.kept; row += gridDim.x) {
        A total = A(0);
        for (i64 i = threadIdx.x; i < a.team; i += blockDim.x) total += ((const A*)a.work)[row * a.team + i];
        total = over_block<Sum>(total, board, A(0));
        if (!threadIdx.x) narrow(total, ((T*)a.out)[row]);
    }
}

// Blocks of n rows by a.step contiguous columns: a team of a.team neighbouring threads takes VEC columns each, and the
// teams of a block share the rows of a piece. Of several pieces, each leaves its part in `work`.
template <class Function, class T, int VEC> __device__ inline void column_sums(const SumArguments& a) {
    typedef typename Computed<T>::type A;
    __shared__ A parts[512][VEC];
    const int team = (int)a.team, lane = threadIdx.x % team, mine = threadIdx.x / team, teams = blockDim.x / team;
    const i64 strips = (a.step / VEC + team - 1) / team, size = (a.n + a.pieces - 1) / a.pieces;
    for (i64 job = blockIdx.x; job < a.kept * strips * a.pieces; job += gridDim.x) {
        const i64 piece = job % a.pieces, strip = job / a.pieces % strips, block = job / a.pieces / strips;
        const i64 column = (strip * team + lane) * VEC, end = (piece + 1) * size < a.n ? (piece + 1) * size : a.n;
        const T* x = (const T*)a.x + block * a.n * a.step + column;
        A total[VEC] = {};
        for (i64 i = piece * size + mine; column < a.step && i < end; i += teams) {
            A values[VEC];
            load<VEC>(x + i * a.step, values);
#pragma unroll
            for (int k = 0; k < VEC; k++) total[k] += Function::of(values[k]);
        }
        __syncthreads();  // of the last job
#pragma unroll
        for (int k = 0; k < VEC; k++) parts[threadIdx.x][k] = total[k];
        __syncthreads();
        if (mine || column >= a.step) continue;
        const i64 place = block * a.step + column;
#pragma unroll
        for (int k = 0; k < VEC; k++) {
            for (int other = 1; other < teams; other++) total[k] += parts[other * team + lane][k];
            if (a.pieces == 1) {
                narrow(total[k], ((T*)a.out)[place + k]);
            } else {
                ((A*)a.work)[piece * a.kept * a.step + place + k] = total[k];
            }
        }
    }
}

// The parts of each column, in one order whoever was first.
template <class T> __device__ inline void joined_columns(const SumArguments& a) {
    typedef typename Computed<T>::type A;
    const i64 columns = a.kept * a.step;
    for (i64 column = (i64)blockIdx.x * blockDim.x + threadIdx.x; column < columns; column += (i64)gridDim.x * blockDim.x) {
        A total = A(0);
        for (i64 piece = 0; piece < a.pieces; piece++) total += ((const A*)a.work)[piece * columns + column];
        narrow(total, ((T*)a.out)[column]);
    }
}

__device__ inline i64 place_of(i64 number, const i64* lengths, const i64* steps) {
    i64 place = 0;
    for (int axis = 3; axis >= 0; axis--) {
        place += number % lengths[axis] * steps[axis];
        number /= lengths[axis];
    }
    return place;
}

// Any axes of any strides: a block for each element that stays.
template <class Function, class T> __device__ inline void strided_sums(const SumArguments& a) {
    typedef typename Computed<T>::type A;
    __shared__ A board[32];
    for (i64 kept = blockIdx.x; kept < a.kept; kept += gridDim.x) {
        const T* x = (const T*)a.x + place_of(kept, a.kept_length, a.kept_step);
        A total = A(0);
        for (i64 i = threadIdx.x; i < a.n; i += blockDim.x)
            total += Function::of(widened(x[place_of(i, a.length, a.length_step)]));
        total = over_block<Sum>(total, board, A(0));
        if (!threadIdx.x) narrow(total, ((T*)a.out)[kept]);
    }
}
