// What a ring kernel computes: each operation as chunks of work, any of which any block can do.

// One message, as the host writes it: 16 words. layout.py has the same.
struct Command {
    u64 sequence, id;
    i64 operation, dtype;
    u64 x, y, out;
    i64 rows, columns;
    u64 factor;  // the bits of a double
    i64 chunks, size, first;  // chunks of the last phase, what each has, chunks of the phase before it (0: there is none)
    u64 store;
    i64 room, kept;  // rows that the store can have, and has
};

enum Operation { SCALE = 1, ADD, DOT, SOFTMAX, SIMILARITY, CLEAR };
enum Dtype { FLOAT32, FLOAT64, FLOAT16, BFLOAT16 };
enum Status { DONE, UNKNOWN, NO_ROOM, OTHER_STATE };

// What a chunk leaves behind, for the phase or the sum that follows.
struct Part {
    double first, second;
    u64 check, unused;
};

struct Scaled {
    template <class A> __device__ static A of(A x, A, A factor) { return x * factor; }
};
struct Added {
    template <class A> __device__ static A of(A x, A y, A) { return x + y; }
};

// Elements begin to end of out = F(x, y); returns this thread's part of the checksum. Reads y only if it is asked to.
template <class F, bool BOTH, class T> __device__ inline u64 elements(const Command& c, i64 begin, i64 end) {
    typedef typename Computed<T>::type A;
    const int VEC = 16 / sizeof(T);
    const T *x = (const T*)c.x, *y = (const T*)c.y;
    T* out = (T*)c.out;
    const A factor = (A)double_of(c.factor);
    const bool aligned = ((c.x | c.out | (BOTH ? c.y : 0)) & 15) == 0;
    u64 check = 0;
    for (i64 i = begin + (i64)threadIdx.x * VEC; i < end; i += (i64)blockDim.x * VEC) {
        A values[VEC], others[VEC];
        const bool whole = aligned && i + VEC <= end;
        const int count = end - i < VEC ? (int)(end - i) : VEC;
        if (whole) {
            load<VEC>(x + i, values);
            if (BOTH) load<VEC>(y + i, others);
        } else {
#pragma unroll
            for (int k = 0; k < VEC; k++) values[k] = k < count ? widened(x[i + k]) : A(0), others[k] = BOTH && k < count ? widened(y[i + k]) : A(0);
        }
        T results[VEC];
#pragma unroll
        for (int k = 0; k < VEC; k++) {
            values[k] = F::of(values[k], BOTH ? others[k] : A(0), factor);
            narrow(values[k], results[k]);
            if (k < count) check += checked(results[k], i + k);
        }
        if (whole) {
            store<VEC>(out + i, values);
        } else {
#pragma unroll
            for (int k = 0; k < VEC; k++) if (k < count) out[i + k] = results[k];
        }
    }
    return check;
}

template <class T> __device__ inline double products(const Command& c, i64 begin, i64 end) {
    typedef typename Computed<T>::type A;
    const int VEC = 16 / sizeof(T);
    const T *x = (const T*)c.x, *y = (const T*)c.y;
    const bool aligned = ((c.x | c.y) & 15) == 0;
    A total = A(0);
    for (i64 i = begin + (i64)threadIdx.x * VEC; i < end; i += (i64)blockDim.x * VEC) {
        if (aligned && i + VEC <= end) {
            A values[VEC], others[VEC];
            load<VEC>(x + i, values);
            load<VEC>(y + i, others);
#pragma unroll
            for (int k = 0; k < VEC; k++) total += values[k] * others[k];
        } else {
            for (i64 k = i; k < end && k < i + VEC; k++) total += widened(x[k]) * widened(y[k]);
        }
    }
    return (double)total;
}

// The largest of some values, and the sum of their exponentials less it. Both sides of a difference of infinities are
// compared first, so that a part with nothing but -inf does not spoil the others.
template <class A> struct Peak {
    A most, sum;
    Peak() = default;
    __device__ explicit Peak(A none) : most(none), sum(A(0)) {}
    __device__ Peak(A most, A sum) : most(most), sum(sum) {}
    __device__ void add(A x) {
        if (x > most) {
            sum = sum * exponential(most - x) + A(1);
            most = x;
        } else {
            sum += x == most ? A(1) : exponential(x - most);
        }
    }
    __device__ A under(A other) const { return most == other ? sum : sum * exponential(most - other); }
    // NaN for a row that has none but -inf, or +inf, as the difference to the largest has.
    __device__ A whole() const { return most == infinity(A(0)) || most == -infinity(A(0)) ? not_a_number(A(0)) : sum; }
};
struct Higher {
    template <class P> __device__ static P join(P a, P b) {
        const auto most = a.most > b.most ? a.most : b.most;
        return P(most, a.under(most) + b.under(most));
    }
};

template <class A, class T> __device__ inline Peak<A> peak_of(const T* row, i64 begin, i64 end, Peak<A>* board) {
    Peak<A> mine(-infinity(A(0)));
    for (i64 i = begin + threadIdx.x; i < end; i += blockDim.x) mine.add(widened(row[i]));
    return over_block<Higher>(mine, board, Peak<A>(-infinity(A(0))));
}

template <class A, class T> __device__ inline u64 exponentials(const T* row, T* out, i64 place, i64 begin, i64 end, Peak<A> peak) {
    const A whole = peak.whole();
    u64 check = 0;
    for (i64 i = begin + threadIdx.x; i < end; i += blockDim.x) {
        T result;
        narrow(quotient(exponential(widened(row[i]) - peak.most), whole), result);
        out[i] = result;
        check += checked(result, place + i);
    }
    return check;
}

// Rows in turn, or, if there is a first phase, one piece of a row: first its peak, then its results by the row's peak.
template <class T> __device__ inline u64 softmax(const Command& c, Part* parts, int phase, i64 chunk) {
    typedef typename Computed<T>::type A;
    __shared__ Peak<A> board[32];
    const T* x = (const T*)c.x;
    T* out = (T*)c.out;
    u64 check = 0;
    if (!c.first) {
        const i64 last = (chunk + 1) * c.size < c.rows ? (chunk + 1) * c.size : c.rows;
        for (i64 row = chunk * c.size; row < last; row++) {
            const Peak<A> peak = peak_of<A>(x + row * c.columns, 0, c.columns, board);
            check += exponentials(x + row * c.columns, out + row * c.columns, row * c.columns, 0, c.columns, peak);
        }
        return check;
    }
    const i64 pieces = c.chunks / c.rows, row = chunk / pieces, begin = chunk % pieces * c.size, place = row * c.columns;
    const i64 end = begin + c.size < c.columns ? begin + c.size : c.columns;
    if (!phase) {
        const Peak<A> peak = peak_of<A>(x + place, begin, end, board);
        if (!threadIdx.x) parts[chunk].first = (double)peak.most, parts[chunk].second = (double)peak.sum;
        return 0;
    }
    Peak<A> peak(-infinity(A(0)));
    for (i64 piece = 0; piece < pieces; piece++) {
        const Part& other = parts[row * pieces + piece];
        peak = Higher::join(peak, Peak<A>((A)other.first, (A)other.second));
    }
    return exponentials(x + place, out + place, place, begin, end, peak);
}

// First the new rows go into the store, each with the inverse of its length; then they are compared with all of it.
template <class T> __device__ inline u64 similarity(const Command& c, int phase, i64 chunk) {
    __shared__ T board[32];
    T *store = (T*)c.store, *lengths = store + c.room * c.columns, *out = (T*)c.out;
    const T* x = (const T*)c.x;
    if (!phase) {
        const i64 each = (c.rows + c.first - 1) / c.first;
        for (i64 row = chunk * each; row < (chunk + 1) * each && row < c.rows; row++) {
            T total = T(0);
            for (i64 i = threadIdx.x; i < c.columns; i += blockDim.x) {
                const T value = x[row * c.columns + i];
                store[(c.kept + row) * c.columns + i] = value;
                total += value * value;
            }
            const T length = root(over_block<Sum>(total, board, T(0)));
            if (!threadIdx.x) lengths[c.kept + row] = T(1) / (length > T(1e-8) || length != length ? length : T(1e-8));
        }
        return 0;
    }
    u64 check = 0;
    const i64 all = c.kept + c.rows, last = (chunk + 1) * c.size < all ? (chunk + 1) * c.size : all;
    const int lane = threadIdx.x & 31;
    for (i64 other = chunk * c.size + (threadIdx.x >> 5); other < last; other += blockDim.x >> 5) {
        for (i64 row = 0; row < c.rows; row++) {
            T total = T(0);
            for (i64 i = lane; i < c.columns; i += 32) total += x[row * c.columns + i] * store[other * c.columns + i];
            total = over_lanes<Sum>(total, 32) * (lengths[c.kept + row] * lengths[other]);
            if (!lane) {
                out[row * all + other] = total;
                check += checked(total, row * all + other);
            }
        }
    }
    return check;
}

template <class T> __device__ inline u64 simple(const Command& c, Part* parts, int phase, i64 chunk) {
    const i64 all = c.rows * c.columns, begin = chunk * c.size, end = begin + c.size < all ? begin + c.size : all;
    if (c.operation == SCALE) return elements<Scaled, false, T>(c, begin, end);
    if (c.operation == ADD) return elements<Added, true, T>(c, begin, end);
    if (c.operation == SOFTMAX) return softmax<T>(c, parts, phase, chunk);
    __shared__ double board[32];
    const double total = over_block<Sum>(products<T>(c, begin, end), board, 0.0);
    if (!threadIdx.x) parts[chunk].first = total;
    return 0;
}

// One chunk by one block; what it leaves is the part of its number. Called from three places: no copies of it.
__device__ __noinline__ void work(const Command& c, Part* parts, int phase, i64 chunk) {
    __shared__ u64 board[32];
    u64 check;
    if (c.operation == SIMILARITY) {
        check = c.dtype == FLOAT64 ? similarity<double>(c, phase, chunk) : similarity<float>(c, phase, chunk);
    } else if (c.dtype == FLOAT64) {
        check = simple<double>(c, parts, phase, chunk);
    } else if (c.dtype == FLOAT16) {
        check = simple<f16>(c, parts, phase, chunk);
    } else if (c.dtype == BFLOAT16) {
        check = simple<bf16>(c, parts, phase, chunk);
    } else {
        check = simple<float>(c, parts, phase, chunk);
    }
    check = over_block<Sum>(check, board, (u64)0);
    if (!threadIdx.x) parts[chunk].check = check;
}
