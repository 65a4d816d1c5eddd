// tensor_stats: each value is read once. A block knows the range of what it has seen and a histogram on a dyadic grid that
// covers it (see grid.py); where a value falls outside, bins are merged, and the counting goes on.
#include "common.cuh"

struct StatArguments {
    const void* x;
    void *out, *work;
    i64 rows, n, step, tiles, parts, bins, digits, smallest, first;
    double unit, scale;
};

// What is known of some values, as state.py has it; the counts of the bins follow it in memory, an i64 each.
struct Known {
    double low, high, origin, mean, squares;
    i64 finite, zeros, nan, inf, power, first;
};
enum { MOST_BINS = 1024, NO_GRID = -(1 << 20) };

// How many values there are, their mean less the origin, the sum of their squared deviations.
struct Moments {
    double count, mean, squares;
    // Chan, Golub and LeVeque, Updating Formulae, 1979.
    __device__ static Moments join(Moments a, Moments b) {
        const double count = a.count + b.count;
        if (count == 0.0) return a;
        const double off = b.mean - a.mean, share = b.count / count;
        return Moments{count, a.mean + off * share, a.squares + b.squares + off * off * (a.count * share)};
    }
};
struct Range {
    double low, high;
    __device__ static Range join(Range a, Range b) {
        return Range{b.low < a.low ? b.low : a.low, b.high > a.high ? b.high : a.high};
    }
};
struct Tallies {
    i64 zeros, nan, inf;
    __device__ static Tallies join(Tallies a, Tallies b) { return Tallies{a.zeros + b.zeros, a.nan + b.nan, a.inf + b.inf}; }
};

// grid.cell and grid.power_of.
template <class A> __device__ inline A cell(A value, A scale) {
    const A number = floor(value * scale);
    return value < A(0) && number == A(0) ? A(-1) : number;
}
__device__ inline i64 power_of(Range range, const StatArguments& a) {
    const double greatest = fmax(fabs(range.low), fabs(range.high)), spread = range.high - range.low;
    int exponent = 1025, halvings = 0;
    i64 least = a.smallest;
    if (greatest > 0.0) {
        frexp(greatest, &exponent);
        least = exponent - a.digits > a.smallest ? exponent - a.digits : a.smallest;
    }
    if (range.low == range.high) return least;
    if (spread < infinity(spread)) {
        frexp(spread, &exponent);
    } else {
        exponent = 1025;
    }
    while (1ll << halvings < a.bins) halvings++;
    i64 power = exponent - 2 - halvings > least ? exponent - 2 - halvings : least;
    double scale = ldexp(1.0, (int)-power);
    while (cell(range.high, scale) - cell(range.low, scale) >= (double)a.bins) power++, scale *= 0.5;
    return power;
}

// COUNT values of a thread, and which of them are there and finite.
template <class A, int COUNT> struct Group {
    A value[COUNT];
    unsigned there, finite;

    __device__ void look(Tallies& tallies, A& low, A& high) {
        finite = 0;
        low = infinity(A(0)), high = -infinity(A(0));
#pragma unroll
        for (int i = 0; i < COUNT; i++) {
            const A x = value[i];
            const bool is_there = there >> i & 1, is_finite = is_there && x - x == A(0);
            tallies.zeros += is_there && x == A(0);
            tallies.nan += is_there && x != x;
            tallies.inf += is_there && !is_finite && x == x;
            finite |= (unsigned)is_finite << i;
            low = is_finite && x < low ? x : low;
            high = is_finite && x > high ? x : high;
        }
    }
    // In C, less a number that is near all.
    template <class C> __device__ Moments moments(C from, C unit, double origin) const {
        C count = C(0), total = C(0), squares = C(0);
#pragma unroll
        for (int i = 0; i < COUNT; i++) {
            const bool is_finite = finite >> i & 1;
            count += is_finite ? C(1) : C(0);
            total += is_finite ? (C)value[i] * unit - from : C(0);
        }
        const C mean = total / count;
#pragma unroll
        for (int i = 0; i < COUNT; i++) {
            const C off = finite >> i & 1 ? ((C)value[i] * unit - from) - mean : C(0);
            squares += off * off;
        }
        return Moments{(double)count, ((double)from - origin) + (double)mean, (double)squares};
    }
    __device__ Moments moments(A low, A high, const StatArguments& a, double origin) const {
        if constexpr (sizeof(A) == 4) {
            const Moments found = moments<float>((float)low, 1.0f, origin);
            // Squares that leave float32's range, above or below, are taken in float64.
            if (found.squares < 1e37 && (found.squares > 1e-30 || low == high)) return found;
        }
        return moments<double>((double)low * a.unit, a.unit, origin);
    }
};

// The histogram of a block. All of its threads call its functions together.
struct Bins {
    i64 power, first;
    double scale;
    unsigned count[2][MOST_BINS];
    int side;

    template <class A> __device__ bool covers(A low, A high, i64 bins) const {
        if (low > high) return true;
        if (power == NO_GRID) return false;
        return cell((double)low, scale) >= (double)first && cell((double)high, scale) < (double)(first + bins);
    }
    __device__ void clear(i64 bins) {
        for (i64 b = threadIdx.x; b < bins; b += blockDim.x) count[0][b] = 0;
        if (!threadIdx.x) power = NO_GRID, side = 0;
        __syncthreads();
    }
    // Take the grid for a range, and merge the bins of the last one.
    __device__ void regrid(Range range, const StatArguments& a) {
        const i64 old_power = power, old_first = first;
        const int old_side = side;
        for (i64 b = threadIdx.x; b < a.bins; b += blockDim.x) count[1 - old_side][b] = 0;
        __syncthreads();
        if (!threadIdx.x) {
            power = power_of(range, a);
            scale = ldexp(1.0, (int)-power);
            const i64 lowest = (i64)cell(range.low, scale), used = (i64)cell(range.high, scale) - lowest + 1;
            // In the middle, so that there is room on both sides.
            first = lowest - (a.bins - used) / 2;
            side = 1 - old_side;
        }
        __syncthreads();
        const i64 coarser = power - old_power < 62 ? power - old_power : 62;
        for (i64 b = threadIdx.x; b < a.bins && old_power != NO_GRID; b += blockDim.x) {
            const unsigned old = count[old_side][b];
            if (old) atomicAdd(&count[side][((old_first + b) >> coarser) - first], old);
        }
        __syncthreads();
    }
    template <class A, int COUNT> __device__ void add(const Group<A, COUNT>& group) {
        const A by = (A)scale, from = (A)first;
        unsigned* counts = count[side];
#pragma unroll
        for (int i = 0; i < COUNT; i++) {
            if (group.finite >> i & 1) atomicAdd(&counts[(int)(cell(group.value[i], by) - from)], 1u);
        }
    }
};

// Read the values of a tile: COUNT of each thread, and at the edges of a row, which the first of its tiles has, one more.
template <class T, class A, int COUNT>
__device__ inline void read_tile(const StatArguments& a, i64 job, Group<A, COUNT>& group, Group<A, 1>& beside) {
    constexpr int VEC = 16 / sizeof(T);
    const T* x = (const T*)a.x + job / a.tiles * a.step;
    const Cut cut = cut_at<VEC>(x, a.n);
    const i64 tile = job % a.tiles, begin = (tile * COUNT * blockDim.x) + (i64)threadIdx.x * VEC;
    group.there = 0;
#pragma unroll
    for (int c = 0; c < COUNT / VEC; c++) {
        const i64 at = begin + (i64)c * blockDim.x * VEC;
        if (at < cut.whole) {
            load<VEC>(x + cut.head + at, group.value + c * VEC);
            group.there |= ((1u << VEC) - 1) << c * VEC;
        }
    }
    beside.there = !tile && threadIdx.x < cut.edges();
    if (beside.there) load<1>(x + cut.edge(threadIdx.x), beside.value);
}

// What is known of all that a block has seen, into its part of `work`.
template <class T, int COUNT> __device__ inline void measured(const StatArguments& a) {
    typedef typename Computed<T>::type A;
    __shared__ Bins bins;
    __shared__ Range ranges[32];
    __shared__ Moments moments[32];
    __shared__ Tallies tallies[32];
    const double start = (double)widened(*(const T*)a.x) * a.unit, origin = start - start == 0.0 ? start : 0.0;
    const double most = infinity(0.0);
    Moments mine{0.0, 0.0, 0.0};
    Tallies seen{0, 0, 0};
    A low = infinity(A(0)), high = -infinity(A(0));
    bins.clear(a.bins);
    for (i64 job = blockIdx.x; job < a.rows * a.tiles; job += gridDim.x) {
        Group<A, COUNT> group;
        Group<A, 1> beside;
        read_tile<T>(a, job, group, beside);
        A least, greatest;
        group.look(seen, least, greatest);
        if (group.finite) mine = Moments::join(mine, group.moments(least, greatest, a, origin));
        low = least < low ? least : low, high = greatest > high ? greatest : high;
        if (beside.there) {
            beside.look(seen, least, greatest);
            if (beside.finite) mine = Moments::join(mine, beside.moments(least, greatest, a, origin));
            low = least < low ? least : low, high = greatest > high ? greatest : high;
        } else {
            beside.finite = 0;
        }
        if (!a.bins) continue;
        if (__syncthreads_or(!bins.covers(low, high, a.bins)))
            bins.regrid(over_block<Range>(Range{(double)low, (double)high}, ranges, Range{most, -most}), a);
        bins.add(group);
        bins.add(beside);
    }
    const Range range = over_block<Range>(Range{(double)low, (double)high}, ranges, Range{most, -most});
    const Moments all = over_block<Moments>(mine, moments, Moments{0.0, 0.0, 0.0});
    const Tallies every = over_block<Tallies>(seen, tallies, Tallies{0, 0, 0});
    i64* part = (i64*)a.work + blockIdx.x * (sizeof(Known) / 8 + a.bins);
    if (!threadIdx.x)
        *(Known*)part = Known{range.low, range.high, origin, all.mean, all.squares, (i64)all.count, every.zeros, every.nan, every.inf, bins.power, bins.first};
    __syncthreads();  // all have counted
    for (i64 b = threadIdx.x; b < a.bins; b += blockDim.x) part[sizeof(Known) / 8 + b] = bins.count[bins.side][b];
}

// What all parts know together, by one block.
__device__ inline void joined_stats(const StatArguments& a) {
    __shared__ unsigned long long counts[MOST_BINS];
    __shared__ Range ranges[32];
    __shared__ Moments moments[32];
    __shared__ Tallies tallies[32];
    const i64 words = sizeof(Known) / 8 + a.bins;
    const i64* parts = (const i64*)a.work;
    const double most = infinity(0.0);
    Range range{most, -most};
    Moments mine{0.0, 0.0, 0.0};
    Tallies seen{0, 0, 0};
    for (i64 i = threadIdx.x; i < a.parts; i += blockDim.x) {
        const Known* part = (const Known*)(parts + i * words);
        range = Range::join(range, Range{part->low, part->high});
        mine = Moments::join(mine, Moments{(double)part->finite, part->mean, part->squares});
        seen = Tallies::join(seen, Tallies{part->zeros, part->nan, part->inf});
    }
    for (i64 b = threadIdx.x; b < a.bins; b += blockDim.x) counts[b] = 0;
    range = over_block<Range>(range, ranges, Range{most, -most});
    mine = over_block<Moments>(mine, moments, Moments{0.0, 0.0, 0.0});
    seen = over_block<Tallies>(seen, tallies, Tallies{0, 0, 0});
    i64 power = NO_GRID, first = 0;
    if (a.bins && mine.count > 0.0) {
        power = power_of(range, a);
        first = (i64)cell(range.low, ldexp(1.0, (int)-power));
    }
    __syncthreads();
    for (i64 i = threadIdx.x; power != NO_GRID && i < a.parts * a.bins; i += blockDim.x) {
        const i64* part = parts + i / a.bins * words;
        const Known* known = (const Known*)part;
        const i64 b = i % a.bins, count = part[sizeof(Known) / 8 + b], coarser = power - known->power;
        // A bin that counts is within the range of all.
        if (count) atomicAdd(&counts[((known->first + b) >> (coarser < 62 ? coarser : 62)) - first], (unsigned long long)count);
    }
    __syncthreads();
    i64* out = (i64*)a.out;
    if (!threadIdx.x) {
        const double origin = ((const Known*)parts)->origin;
        *(Known*)out = Known{range.low, range.high, origin, mine.mean, mine.squares, (i64)mine.count, seen.zeros, seen.nan, seen.inf, power, first};
    }
    for (i64 b = threadIdx.x; b < a.bins; b += blockDim.x) out[sizeof(Known) / 8 + b] = (i64)counts[b];
}

// A histogram of more bins than a block has room for, on the grid of a range that is known.
template <class T, int COUNT> __device__ inline void counted(const StatArguments& a) {
    typedef typename Computed<T>::type A;
    for (i64 job = blockIdx.x; job < a.rows * a.tiles; job += gridDim.x) {
        Group<A, COUNT> group;
        Group<A, 1> beside;
        read_tile<T>(a, job, group, beside);
        unsigned long long* counts = (unsigned long long*)a.out;
#pragma unroll
        for (int i = 0; i < COUNT; i++) {
            const A x = group.value[i];
            if (group.there >> i & 1 && x - x == A(0)) atomicAdd(&counts[(i64)cell(x, (A)a.scale) - a.first], 1ull);
        }
        const A x = beside.value[0];
        if (beside.there && x - x == A(0)) atomicAdd(&counts[(i64)cell(x, (A)a.scale) - a.first], 1ull);
    }
}
