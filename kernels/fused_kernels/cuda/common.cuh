// What all kernels share: the dtypes, vectors of 16 bytes, reductions over lanes and blocks.
// No header of CUDA is included: those of half and bfloat16 alone take longer to compile than most kernels here.

typedef long long i64;

struct f16 {
    unsigned short bits;
};
struct bf16 {
    unsigned short bits;
};

#ifndef EMULATED
#define CHECK_ALIGNED(address, bytes)
__device__ inline float widened_bits(f16 x) {
    float y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
    return y;
}
__device__ inline unsigned short bits_of_half(float x) {
    unsigned short y;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x));
    return y;
}
// Full range, two units in the last place at most; the division of C++ costs three times as much.
__device__ inline float quick_quotient(float x, float y) {
    float z;
    asm("div.full.f32 %0, %1, %2;" : "=f"(z) : "f"(x), "f"(y));
    return z;
}
__device__ inline float infinity(float) { return __int_as_float(0x7f800000); }
__device__ inline double infinity(double) { return __longlong_as_double(0x7ff0000000000000ll); }
__device__ inline float not_a_number(float) { return __int_as_float(0x7fffffff); }
__device__ inline double not_a_number(double) { return __longlong_as_double(0x7fffffffffffffffll); }
#endif

// The dtype that values of T are computed in.
template <class T> struct Computed {
    typedef float type;
};
template <> struct Computed<double> {
    typedef double type;
};

template <class T> __device__ inline T widened(T x) { return x; }
__device__ inline float widened(f16 x) { return widened_bits(x); }
__device__ inline float widened(bf16 x) { return __uint_as_float((unsigned)x.bits << 16); }

__device__ inline void narrow(float x, float& y) { y = x; }
__device__ inline void narrow(double x, double& y) { y = x; }
__device__ inline void narrow(float x, f16& y) { y.bits = bits_of_half(x); }
__device__ inline void narrow(float x, bf16& y) {
#if !defined(EMULATED) && __CUDA_ARCH__ >= 800
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
#else
    // To the nearest, ties to even; a NaN must not be rounded into an infinity.
    const unsigned bits = __float_as_uint(x);
    y.bits = x != x ? 0x7fff : (unsigned short)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
#endif
}

// COUNT neighbours, loaded and stored at once. The address is a multiple of their size, at most 16 bytes.
template <class T, int COUNT> struct alignas(sizeof(T) * COUNT) Pack {
    T item[COUNT];
};

template <int COUNT, class T, class A> __device__ inline void load(const T* from, A* values) {
    CHECK_ALIGNED(from, sizeof(T) * COUNT);
    const Pack<T, COUNT> pack = *reinterpret_cast<const Pack<T, COUNT>*>(from);
#pragma unroll
    for (int i = 0; i < COUNT; i++) values[i] = widened(pack.item[i]);
}

// Written out, since the compiler takes some stores of a whole pack for several of its items. To global memory alone.
template <class P> __device__ inline void put(const P& pack, P* to) {
#ifndef EMULATED
    union Words {
        P pack;
        unsigned word[sizeof(P) >= 4 ? sizeof(P) / 4 : 1];
        __device__ Words() {}
    } words;
    words.pack = pack;
    const unsigned* w = words.word;
    if constexpr (sizeof(P) == 16) {
        asm volatile("st.global.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"(to), "r"(w[0]), "r"(w[1]), "r"(w[2]), "r"(w[3]) : "memory");
        return;
    } else if constexpr (sizeof(P) == 8) {
        asm volatile("st.global.v2.b32 [%0], {%1, %2};" ::"l"(to), "r"(w[0]), "r"(w[1]) : "memory");
        return;
    }
#endif
    *to = pack;
}

template <int COUNT, class T, class A> __device__ inline void store(T* to, const A* values) {
    CHECK_ALIGNED(to, sizeof(T) * COUNT);
    Pack<T, COUNT> pack;
#pragma unroll
    for (int i = 0; i < COUNT; i++) narrow(values[i], pack.item[i]);
    put(pack, reinterpret_cast<Pack<T, COUNT>*>(to));
}

// Neighbours that begin anywhere, as whole vectors and what is left at both edges: `head` before the first address that a
// vector may have, `rest` behind the last whole one. A thread each takes the edges; there are at most 14.
struct Cut {
    int head, rest;
    i64 whole;
    __device__ int edges() const { return head + rest; }
    // Where the edges' element of a thread lies.
    __device__ i64 edge(int thread) const { return thread < head ? thread : whole + thread; }
};
template <int VEC, class T> __device__ inline Cut cut_at(const T* first, i64 n) {
    const int past = (int)((unsigned long long)first / sizeof(T) % VEC), head = past ? VEC - past : 0;
    if (head >= n) return Cut{(int)n, 0, 0};
    const int rest = (int)((n - head) % VEC);
    return Cut{head, rest, n - head - rest};
}

// Results of 16-bit dtypes hide an error of some units of float32's last place, so the quick functions will do.
#ifdef QUICK
__device__ inline float exponential(float x) { return __expf(x); }
__device__ inline float quotient(float x, float y) { return quick_quotient(x, y); }
#else
__device__ inline float exponential(float x) { return expf(x); }
__device__ inline float quotient(float x, float y) { return x / y; }
#endif
__device__ inline double exponential(double x) { return exp(x); }
__device__ inline double quotient(double x, double y) { return x / y; }
__device__ inline float logarithm(float x) { return logf(x); }
__device__ inline double logarithm(double x) { return log(x); }
__device__ inline float root(float x) { return sqrtf(x); }
__device__ inline double root(double x) { return sqrt(x); }

// Ways to make one value of two. Max passes over NaN, which shows in the sums that follow it.
struct Sum {
    template <class A> __device__ static A none() { return A(0); }
    template <class A> __device__ static A join(A a, A b) { return a + b; }
};
struct Max {
    template <class A> __device__ static A none() { return -infinity(A(0)); }
    template <class A> __device__ static A join(A a, A b) { return a > b || b != b ? a : b; }
};

// The value of the lane whose number differs in the bits of `distance`; of anything made of words.
template <class S> __device__ inline S exchanged(S x, int distance) {
    union Words {
        S value;
        unsigned word[sizeof(S) / 4];
        __device__ Words() {}
    } words;
    words.value = x;
#pragma unroll
    for (int i = 0; i < (int)(sizeof(S) / 4); i++) words.word[i] = __shfl_xor_sync(0xffffffffu, words.word[i], distance);
    return words.value;
}

// Two sums that travel together.
template <class A> struct Two {
    A first, second;
    Two() = default;
    __device__ explicit Two(A both) : first(both), second(both) {}
    __device__ Two(A one, A other) : first(one), second(other) {}
    __device__ Two operator+(Two more) const { return Two(first + more.first, second + more.second); }
};

// Reduce over neighbouring lanes, a power of two of them; every lane of the warp takes part and gets the result.
template <class Way, class S> __device__ inline S over_lanes(S x, int lanes) {
    for (int distance = lanes >> 1; distance; distance >>= 1) x = Way::join(x, exchanged(x, distance));
    return x;
}

// Reduce over a block of whole warps; every thread gets the result. `board` has a place for each warp.
template <class Way, class S> __device__ inline S over_block(S x, S* board, S none) {
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
    x = over_lanes<Way>(x, 32);
    if (warps == 1) return x;
    __syncthreads();  // the board may still be read from the last time
    if (!lane) board[warp] = x;
    __syncthreads();
    x = lane < warps ? board[lane] : none;
    return over_lanes<Way>(x, 32);
}
