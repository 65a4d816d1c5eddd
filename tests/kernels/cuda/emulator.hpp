// CUDA's threads on a CPU: enough of them that the kernels' own source runs here, with nothing of it changed.
//
// This is what kernels see; how their threads take turns is in emulator.cpp.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#define EMULATED
#define __global__
#define __device__
#define __forceinline__ inline
#define __shared__ static
#define __constant__ static const
#define __launch_bounds__(threads)

namespace emulated {

struct Place {
    unsigned x, y, z;
};

extern Place *thread, block_index, block_size, grid_size;

void check_aligned(const void* address, size_t bytes);
void barrier();
unsigned exchange(unsigned mask, unsigned word, unsigned distance);
const char* run(void (*kernel)(const void*), const void* argument, unsigned grid, unsigned block, unsigned order);

}  // namespace emulated

#define threadIdx (*emulated::thread)
#define blockIdx emulated::block_index
#define blockDim emulated::block_size
#define gridDim emulated::grid_size
#define CHECK_ALIGNED(address, bytes) emulated::check_aligned(address, bytes)

inline void __syncthreads() { emulated::barrier(); }
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
