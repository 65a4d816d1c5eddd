// CUDA's threads on a CPU: enough of them that the kernels' own source runs here, with nothing of it changed.
//
// This is what kernels see; how their threads take turns is in emulator.cpp. With CONCURRENT the blocks of a grid run at
// the same time, each in a thread of the machine with a shared memory of its own, and may talk to each other and the host.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#ifdef CONCURRENT
#include <sched.h>
#include <time.h>
#define PER_BLOCK __thread
#else
#define PER_BLOCK
#endif

#define EMULATED
#define __global__
#define __device__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __shared__ static PER_BLOCK
#define __constant__ static const
#define __launch_bounds__(threads)

namespace emulated {

struct Place {
    unsigned x, y, z;
};

extern PER_BLOCK Place *thread, block_index, block_size, grid_size;

void check_aligned(const void* address, size_t bytes);
void barrier();
unsigned exchange(unsigned mask, unsigned word, unsigned distance);
const char* run(void (*kernel)(const void*), const void* argument, unsigned grid, unsigned block, unsigned order);
const char* run_together(void (*kernel)(const void*), const void* argument, unsigned grid, unsigned block, unsigned resident);

}  // namespace emulated

#define threadIdx (*emulated::thread)
#define blockIdx emulated::block_index
#define blockDim emulated::block_size
#define gridDim emulated::grid_size
#define CHECK_ALIGNED(address, bytes) emulated::check_aligned(address, bytes)

inline void __syncthreads() { emulated::barrier(); }
inline int __syncthreads_or(int test) {
    static PER_BLOCK int any;
    emulated::barrier();  // the last one's answer has been read
    any = 0;
    emulated::barrier();
    any |= test != 0;
    emulated::barrier();
    return any;
}
inline unsigned __shfl_xor_sync(unsigned mask, unsigned word, int distance) { return emulated::exchange(mask, word, distance); }
inline void __threadfence() {}
template <class T> T atomicAdd(T* place, T more) {
    const T before = *place;
    *place += more;
    return before;
}
inline unsigned __float_as_uint(float x) {
    unsigned bits;
    memcpy(&bits, &x, 4);
    return bits;
}
inline float __uint_as_float(unsigned bits) {
    float x;
    memcpy(&x, &bits, 4);
    return x;
}
inline float __expf(float x) { return expf(x); }
inline float quick_quotient(float x, float y) { return x / y; }
inline float normcdff(float x) { return 0.5f * erfcf(-x * 0.70710678118654752f); }
inline double normcdf(double x) { return 0.5 * erfc(-x * 0.70710678118654752); }

struct f16;
inline float infinity(float) { return HUGE_VALF; }
inline double infinity(double) { return HUGE_VAL; }
inline float not_a_number(float) { return std::nanf(""); }
inline double not_a_number(double) { return std::nan(""); }
template <class Half> float widened_bits(Half x) {
    _Float16 value;
    memcpy(&value, &x.bits, 2);
    return (float)value;
}
inline unsigned short bits_of_half(float x) {
    const _Float16 value = (_Float16)x;
    unsigned short bits;
    memcpy(&bits, &value, 2);
    return bits;
}

#ifdef CONCURRENT
// Words that blocks and the host hand to each other: the compiler's own atomics, with the order that PTX's ask for.
typedef unsigned long long u64;
inline u64 load_system(const u64* from) { return __atomic_load_n(from, __ATOMIC_RELAXED); }
inline void store_system(u64* to, u64 x) { __atomic_store_n(to, x, __ATOMIC_RELAXED); }
inline void fence_system() { __atomic_thread_fence(__ATOMIC_ACQ_REL); }
inline u64 load_acquire(const u64* from) { return __atomic_load_n(from, __ATOMIC_ACQUIRE); }
inline void store_release(u64* to, u64 x) { __atomic_store_n(to, x, __ATOMIC_RELEASE); }
inline u64 add_release(u64* to, u64 more) { return __atomic_fetch_add(to, more, __ATOMIC_RELEASE); }
inline u64 exchange_if(u64* at, u64 expected, u64 x) {
    __atomic_compare_exchange_n(at, &expected, x, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    return expected;
}
// The clock can be stopped and set, so that what depends on time can be tested without waiting; and it counts who looks.
// A crash ends all blocks where they look at it next.
extern "C" u64 emulated_now, emulated_looks, emulated_crash;
namespace emulated { void check_crash(); }
inline u64 nanoseconds() {
    __atomic_fetch_add(&emulated_looks, 1, __ATOMIC_RELAXED);
    emulated::check_crash();
    if (const u64 set = __atomic_load_n(&emulated_now, __ATOMIC_RELAXED)) return set;
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ull + now.tv_nsec;
}
inline void rest(unsigned ns) {
    const timespec while_others_run = {0, 20000};
    emulated::check_crash();
    if (ns < 100) {
        sched_yield();
    } else {
        nanosleep(&while_others_run, nullptr);
    }
}
#endif
