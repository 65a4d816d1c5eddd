// mean_pool: a block for 32 vectors of columns of one text; its warps share the tokens, and skip those that do not count.
#include "common.cuh"

struct PoolArguments {
    const void *x, *mask;
    void* out;
    i64 texts, tokens, width;
};

template <class T, class M, int VEC> __device__ inline void mean_pool(const PoolArguments& a) {
    typedef typename Computed<T>::type A;
    __shared__ A parts[8][32][VEC];
    __shared__ int counts[8];
    const i64 strips = (a.width + 32 * VEC - 1) / (32 * VEC);
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
    for (i64 job = blockIdx.x; job < a.texts * strips; job += gridDim.x) {
        const i64 text = job / strips, column = (job % strips * 32 + lane) * VEC;
        const bool inside = column < a.width;
        const T* x = (const T*)a.x + text * a.tokens * a.width + column;
        const M* mask = a.mask ? (const M*)a.mask + text * a.tokens : nullptr;
        A total[VEC] = {};
        int count = 0;
        for (i64 token = warp; token < a.tokens; token += warps) {
            if (mask && !mask[token]) continue;
            count++;
            A values[VEC];
            if (inside) load<VEC>(x + token * a.width, values);
#pragma unroll
            for (int i = 0; i < VEC; i++) total[i] += inside ? values[i] : A(0);
        }
        __syncthreads();  // of the last job
#pragma unroll
        for (int i = 0; i < VEC; i++) parts[warp][lane][i] = total[i];
        if (!lane) counts[warp] = count;
        __syncthreads();
        if (warp || !inside) continue;
        for (int other = 1; other < warps; other++) {
            count += counts[other];
#pragma unroll
            for (int i = 0; i < VEC; i++) total[i] += parts[other][lane][i];
        }
#pragma unroll
        for (int i = 0; i < VEC; i++) total[i] = count ? total[i] / A(count) : A(0);
        store<VEC>((T*)a.out + text * a.width + column, total);
    }
}
