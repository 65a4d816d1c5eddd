// Sums over rows, over columns, or over any axes of an array, of a function of each element.
#include "common.cuh"

struct SumArguments {
    const void* x;
    void *out, *work;
    i64 kept, n, step, team;
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
        const i64 size = (a.n / VEC + a.team - 1) / a.team * VEC, begin = job % a.team * size;
        const i64 end = begin + size < a.n ? begin + size : a.n;
        const T* x = (const T*)a.x + job / a.team * a.step;
        A total[2] = {A(0), A(0)};
        for (i64 column = begin + (i64)threadIdx.x * VEC; column < end; column += (i64)blockDim.x * VEC * 2) {
            // Two loads are under way before the first is used.
            A values[2 * VEC];
            const i64 next = column + (i64)blockDim.x * VEC;
            load<VEC>(x + column, values);
            if (next < end) load<VEC>(x + next, values + VEC);
#pragma unroll
            for (int i = 0; i < VEC; i++) total[0] += Function::of(values[i]);
            if (next < end) {
#pragma unroll
                for (int i = 0; i < VEC; i++) total[1] += Function::of(values[VEC + i]);
            }
        }
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

// Blocks of n rows by a.step contiguous columns: a team of neighbouring threads takes as many columns, and the teams of
// a block share their rows.
template <class Function, class T> __device__ inline void column_sums(const SumArguments& a) {
    typedef typename Computed<T>::type A;
    __shared__ A parts[512];
    const i64 strips = (a.step + a.team - 1) / a.team;
    const int lane = threadIdx.x % (int)a.team, mine = threadIdx.x / (int)a.team, teams = blockDim.x / (int)a.team;
    for (i64 job = blockIdx.x; job < a.kept * strips; job += gridDim.x) {
        const i64 column = job % strips * a.team + lane;
        const T* x = (const T*)a.x + job / strips * a.n * a.step + column;
        A total = A(0);
        for (i64 i = mine; column < a.step && i < a.n; i += teams) total += Function::of(widened(x[i * a.step]));
        __syncthreads();  // of the last job
        parts[threadIdx.x] = total;
        __syncthreads();
        if (mine == 0 && column < a.step) {
            for (int other = 1; other < teams; other++) total += parts[other * (int)a.team + lane];
            narrow(total, ((T*)a.out)[job / strips * a.step + column]);
        }
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
