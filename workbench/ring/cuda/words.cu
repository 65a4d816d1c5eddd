// Words that one side writes and another one polls: the host and the GPU, or blocks of one kernel.
//
// All follows one pattern of PTX's memory model. Who gives writes its data, by any of its threads; a barrier of the block
// brings what these wrote before what one thread does next; that thread fences and stores the word that says so. Who takes
// polls that word, fences when it has come, and lets the other threads read behind a barrier. Release and acquire are
// cumulative, so that what a second block wrote before it gave its word to the first is there for whom the first tells.
// - Between the host and the GPU the scope is the system. The words lie in pinned memory that is mapped for the GPU, each
//   is written by one side only, is 8 bytes at an address that 8 divides, and so never comes in halves. The host is of a
//   kind whose stores are seen in their order (x86; others are given launches, see facts.py).
// - Between blocks it is the GPU. Data may lie in the host's memory, so that a helper's fence is of the system.
// Payloads are read by ordinary loads, never by those of read-only data (no __restrict__, no __ldg): their cache would
// keep what an earlier message had at the same address.

typedef unsigned long long u64;

#ifndef EMULATED
__device__ inline u64 load_system(const u64* from) {
    u64 x;
    asm volatile("ld.relaxed.sys.u64 %0, [%1];" : "=l"(x) : "l"(from) : "memory");
    return x;
}
__device__ inline void store_system(u64* to, u64 x) { asm volatile("st.relaxed.sys.u64 [%0], %1;" ::"l"(to), "l"(x) : "memory"); }
__device__ inline void fence_system() { asm volatile("fence.acq_rel.sys;" ::: "memory"); }
__device__ inline u64 load_acquire(const u64* from) {
    u64 x;
    asm volatile("ld.acquire.gpu.u64 %0, [%1];" : "=l"(x) : "l"(from) : "memory");
    return x;
}
__device__ inline void store_release(u64* to, u64 x) { asm volatile("st.release.gpu.u64 [%0], %1;" ::"l"(to), "l"(x) : "memory"); }
__device__ inline u64 add_release(u64* to, u64 more) {
    u64 before;
    asm volatile("atom.release.gpu.add.u64 %0, [%1], %2;" : "=l"(before) : "l"(to), "l"(more) : "memory");
    return before;
}
__device__ inline u64 exchange_if(u64* at, u64 expected, u64 x) {
    u64 before;
    asm volatile("atom.acq_rel.gpu.cas.b64 %0, [%1], %2, %3;" : "=l"(before) : "l"(at), "l"(expected), "l"(x) : "memory");
    return before;
}
__device__ inline u64 nanoseconds() {
    u64 now;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
    return now;
}
__device__ inline void rest(unsigned ns) { __nanosleep(ns); }
#endif

struct Least {
    template <class A> __device__ static A join(A a, A b) { return b < a ? b : a; }
};

// The bits of a value, as a checksum takes them.
template <class T> __device__ inline u64 bits_of(T x) { return x.bits; }
__device__ inline u64 bits_of(float x) { return __float_as_uint(x); }
__device__ inline u64 bits_of(double x) {
    union {
        double value;
        u64 bits;
    } both;
    both.value = x;
    return both.bits;
}
__device__ inline double double_of(u64 bits) {
    union {
        double value;
        u64 bits;
    } both;
    both.bits = bits;
    return both.value;
}

// What element `place` of a result adds to the checksum, modulo 2^64. The weights are odd and no two are alike: no single
// wrong element, and no two that changed places, leave the sum as it is.
template <class T> __device__ inline u64 checked(T x, i64 place) { return bits_of(x) * (u64)(2 * place + 1); }
