// Operations that turn a row into a row: from a description of one row, the kernels over all.
//
// A description `Op` of values computed in A has
//   Level, level(found, n)       what is found of all values first: Max, Sum or Nothing, and what it means
//   centred(x, level)            each value by it
//   Terms, terms(c), finish(..)  what is summed of the centred values, and the Scale that follows
//   result(c, scale)             the result, before weight and bias
// for rows that stay in registers, which are read once and written once; and for longer ones, which are read twice,
//   Part, part(values, count)    what is known of some values, and join(a, b) of two such
//   anchor(x), whole(part, ..)   a number near all values, subtracted first; level and Scale from the whole
#include "common.cuh"

struct RowArguments {
    const void *x, *other, *weight, *bias;
    void *out, *second, *work;
    i64 rows, n, x_step, other_step, out_step, second_step, team;
    double eps;
};

struct Nothing {
    template <class A> __device__ static A none() { return A(0); }
};

// One row of x, or of x + other, and where its result goes; from a column on.
template <class Op, class T> struct Row {
    typedef typename Computed<T>::type A;
    const T *x, *other, *weight, *bias;
    T *out, *second;

    __device__ Row(const RowArguments& a, i64 row, i64 column) {
        x = (const T*)a.x + row * a.x_step + column;
        out = (T*)a.out + row * a.out_step + column;
        if constexpr (Op::HAS_OTHER) {
            other = (const T*)a.other + row * a.other_step + column;
            second = (T*)a.second + row * a.second_step + column;
        }
        if constexpr (Op::HAS_WEIGHTS) {
            weight = a.weight ? (const T*)a.weight + column : nullptr;
            bias = a.bias ? (const T*)a.bias + column : nullptr;
        }
    }

    template <int VEC> __device__ void read(i64 place, A* values) const {
        load<VEC>(x + place, values);
        if constexpr (Op::HAS_OTHER) {
            A more[VEC];
            load<VEC>(other + place, more);
#pragma unroll
            for (int i = 0; i < VEC; i++) values[i] += more[i];
        }
    }
    // What was read goes where the sum is wanted; before `write`, which may write over it.
    template <int VEC> __device__ void keep(i64 place, const A* values) const {
        if constexpr (Op::HAS_OTHER) store<VEC>(second + place, values);
    }
    template <int VEC> __device__ void write(i64 place, A* values) const {
        if constexpr (Op::HAS_WEIGHTS) {
            A more[VEC];
            if (weight) {
                load<VEC>(weight + place, more);
#pragma unroll
                for (int i = 0; i < VEC; i++) values[i] *= more[i];
            }
            if (bias) {
                load<VEC>(bias + place, more);
#pragma unroll
                for (int i = 0; i < VEC; i++) values[i] += more[i];
            }
        }
        store<VEC>(out + place, values);
    }
};

// A row in the registers of a team: some lanes of a warp (a.team, a power of two; all, if there are several chunks) or
// a block of whole warps.
template <class Op, class T, int VEC, int CHUNKS, bool BLOCK> __device__ inline void resident(const RowArguments& a) {
    typedef typename Computed<T>::type A;
    typedef typename Op::Terms Terms;
    typedef typename Op::Level Level;
    __shared__ A levels[32];
    __shared__ Terms sums[32];
    const int team = BLOCK ? blockDim.x : CHUNKS > 1 ? 32 : (int)a.team;
    const int teams = BLOCK ? 1 : blockDim.x / team;
    const int mine = BLOCK ? 0 : threadIdx.x / team, lane = BLOCK ? threadIdx.x : threadIdx.x & (team - 1);
    const int step = team * VEC;
    const A n = (A)a.n, eps = (A)a.eps;
    for (i64 first = (i64)blockIdx.x * teams; first < a.rows; first += (i64)gridDim.x * teams) {
        const bool there = BLOCK || first + mine < a.rows;
        const Row<Op, T> row(a, there ? first + mine : 0, lane * VEC);
        // How many columns follow this lane's first. Lanes without a row take part in the exchanges, with none.
        const int left = there ? (int)a.n - lane * VEC : 0;
        A values[CHUNKS][VEC];
#pragma unroll
        for (int c = 0; c < CHUNKS; c++) {
            if (c * step < left) row.template read<VEC>(c * step, values[c]);
        }
        A found = Level::template none<A>();
        if constexpr (Op::HAS_LEVEL) {
#pragma unroll
            for (int c = 0; c < CHUNKS; c++) {
                if (c * step < left) {
#pragma unroll
                    for (int i = 0; i < VEC; i++) found = Level::join(found, values[c][i]);
                }
            }
            if constexpr (BLOCK) {
                found = over_block<Level>(found, levels, Level::template none<A>());
            } else {
                found = over_lanes<Level>(found, team);
            }
        }
        const A level = Op::level(found, n);
        Terms total(A(0));
#pragma unroll
        for (int c = 0; c < CHUNKS; c++) {
            if (c * step < left) {
                row.template keep<VEC>(c * step, values[c]);
#pragma unroll
                for (int i = 0; i < VEC; i++) {
                    values[c][i] = Op::centred(values[c][i], level);
                    total = total + Op::terms(values[c][i]);
                }
            }
        }
        if constexpr (BLOCK) {
            total = over_block<Sum>(total, sums, Terms(A(0)));
        } else {
            total = over_lanes<Sum>(total, team);
        }
        const typename Op::Scale scale = Op::finish(total, n, eps);
#pragma unroll
        for (int c = 0; c < CHUNKS; c++) {
            if (c * step < left) {
#pragma unroll
                for (int i = 0; i < VEC; i++) values[c][i] = Op::result(values[c][i], scale);
                row.template write<VEC>(c * step, values[c]);
            }
        }
    }
}

template <class Op> struct Joining {
    template <class P> __device__ static P join(P a, P b) { return Op::join(a, b); }
};

// A number near all values of a row, which its sums are taken from: the first one. Long rows alone need it.
template <class Op, class T> __device__ inline typename Computed<T>::type anchor_of(const Row<Op, T>& row) {
    typename Computed<T>::type start[1] = {0};
    if constexpr (Op::IS_ANCHORED) {
        row.template read<1>(0, start);
        return Op::anchor(start[0]);
    }
    return start[0];
}

// What is known of the columns from `begin` to `end` of a row, joined over the block.
template <class Op, class T, int VEC, class A>
__device__ inline typename Op::Part known(const Row<Op, T>& row, A anchor, i64 begin, i64 end, typename Op::Part* board) {
    typename Op::Part part = Op::nothing();
    for (i64 column = begin + (i64)threadIdx.x * VEC; column < end; column += (i64)blockDim.x * VEC * 2) {
        // Two loads are under way before the first is used.
        A values[2 * VEC];
        const i64 next = column + (i64)blockDim.x * VEC;
        const bool both = next < end;
        row.template read<VEC>(column, values);
        if (both) row.template read<VEC>(next, values + VEC);
        part = Op::join(part, Op::template part<VEC>(values, anchor));
        if (both) part = Op::join(part, Op::template part<VEC>(values + VEC, anchor));
    }
    return over_block<Joining<Op>>(part, board, Op::nothing());
}

// The second reading: each value's result.
template <class Op, class T, int VEC, class A>
__device__ inline void apply(
    const Row<Op, T>& row, const RowArguments& a, A anchor, i64 begin, i64 end, typename Op::Part part
) {
    typename Op::Scale scale;
    const A level = Op::whole(part, anchor, (A)a.n, (A)a.eps, scale);
    for (i64 column = begin + (i64)threadIdx.x * VEC; column < end; column += (i64)blockDim.x * VEC) {
        A values[VEC];
        row.template read<VEC>(column, values);
        row.template keep<VEC>(column, values);
#pragma unroll
        for (int i = 0; i < VEC; i++) values[i] = Op::result(Op::centred(values[i], level), scale);
        row.template write<VEC>(column, values);
    }
}

// A row too long for registers by one block: the second reading comes from the cache.
template <class Op, class T, int VEC> __device__ inline void streaming(const RowArguments& a) {
    __shared__ typename Op::Part board[32];
    for (i64 number = blockIdx.x; number < a.rows; number += gridDim.x) {
        const Row<Op, T> row(a, number, 0);
        const auto anchor = anchor_of<Op>(row);
        const typename Op::Part part = known<Op, T, VEC>(row, anchor, 0, a.n, board);
        apply<Op, T, VEC>(row, a, anchor, 0, a.n, part);
    }
}

// Few long rows: a.team blocks share one, each a piece of whole vectors. `work` has a Part for each block, and behind
// them the anchor of each row, since the block that writes first may write over it.
template <int VEC> __device__ inline void piece(const RowArguments& a, i64& begin, i64& end) {
    const i64 size = (a.n / VEC + a.team - 1) / a.team * VEC;
    begin = blockIdx.x % a.team * size;
    end = begin + size < a.n ? begin + size : a.n;
}

template <class Op, class T, int VEC> __device__ inline void partial(const RowArguments& a) {
    typedef typename Op::Part Part;
    typedef typename Computed<T>::type A;
    __shared__ Part board[32];
    i64 begin, end;
    piece<VEC>(a, begin, end);
    const i64 number = blockIdx.x / a.team;
    const Row<Op, T> row(a, number, 0);
    const A anchor = anchor_of<Op>(row);
    const Part part = known<Op, T, VEC>(row, anchor, begin, end, board);
    Part* parts = (Part*)a.work;
    if (!threadIdx.x) {
        parts[blockIdx.x] = part;
        if (!begin) ((A*)(parts + gridDim.x))[number] = anchor;
    }
}

template <class Op, class T, int VEC> __device__ inline void complete(const RowArguments& a) {
    typedef typename Op::Part Part;
    typedef typename Computed<T>::type A;
    __shared__ Part board[32];
    i64 begin, end;
    piece<VEC>(a, begin, end);
    const i64 number = blockIdx.x / a.team;
    const Part* parts = (const Part*)a.work;
    Part part = Op::nothing();
    for (i64 i = threadIdx.x; i < a.team; i += blockDim.x) part = Op::join(part, parts[number * a.team + i]);
    part = over_block<Joining<Op>>(part, board, Op::nothing());
    apply<Op, T, VEC>(Row<Op, T>(a, number, 0), a, ((const A*)(parts + gridDim.x))[number], begin, end, part);
}

// Along another axis than the last: a.rows blocks of n rows and x_step columns, all contiguous. A team of a.team
// neighbouring threads takes as many columns, and the teams of a block share their rows.
template <class Op, class T> __device__ inline void columns(const RowArguments& a) {
    typedef typename Op::Part Part;
    typedef typename Computed<T>::type A;
    __shared__ Part parts[512];
    const i64 inner = a.x_step, strips = (inner + a.team - 1) / a.team;
    const int lane = threadIdx.x % (int)a.team, mine = threadIdx.x / (int)a.team, teams = blockDim.x / (int)a.team;
    for (i64 job = blockIdx.x; job < a.rows * strips; job += gridDim.x) {
        const i64 column = job % strips * a.team + lane, base = job / strips * a.n * inner + column;
        const bool inside = column < inner;
        const T* x = (const T*)a.x + base;
        T* out = (T*)a.out + base;
        A value[1] = {0};
        if (Op::IS_ANCHORED && inside) load<1>(x, value);
        const A anchor = Op::anchor(value[0]);
        Part part = Op::nothing();
        for (i64 i = mine; inside && i < a.n; i += teams) {
            load<1>(x + i * inner, value);
            part = Op::join(part, Op::template part<1>(value, anchor));
        }
        __syncthreads();  // of the last job
        parts[threadIdx.x] = part;
        __syncthreads();
        part = parts[lane];
        for (int other = 1; other < teams; other++) part = Op::join(part, parts[other * (int)a.team + lane]);
        typename Op::Scale scale;
        const A level = Op::whole(part, anchor, (A)a.n, (A)a.eps, scale);
        for (i64 i = mine; inside && i < a.n; i += teams) {
            load<1>(x + i * inner, value);
            value[0] = Op::result(Op::centred(value[0], level), scale);
            store<1>(out + i * inner, value);
        }
    }
}
