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

// How a row is cut where vectors of its own elements begin; with weights, which are vectors of their own, nothing is left.
template <class Op, class T, int VEC> __device__ inline Cut cut_of(const RowArguments& a, i64 row) {
    if constexpr (VEC == 1 || Op::HAS_WEIGHTS) return Cut{0, 0, a.n};
    return cut_at<VEC>((const T*)a.x + row * a.x_step, a.n);
}

// A row in the registers of a team: some lanes of a warp (a.team, a power of two; all, if there are several chunks) or
// a block of whole warps. Without weights, which rows share, rows may begin and end anywhere: see `Cut`.
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
        const i64 number = there ? first + mine : 0;
        const Cut cut = cut_of<Op, T, VEC>(a, number);
        const Row<Op, T> row(a, number, cut.head + lane * VEC);
        // How many columns follow this lane's first. Lanes without a row take part in the exchanges, with none.
        const int left = there ? (int)cut.whole - lane * VEC : 0;
        const bool has_edge = there && lane < cut.edges();
        const i64 edge = cut.edge(lane) - cut.head - lane * VEC;
        A values[CHUNKS][VEC], beside[1] = {A(0)};
#pragma unroll
        for (int c = 0; c < CHUNKS; c++) {
            if (c * step < left) row.template read<VEC>(c * step, values[c]);
        }
        if (has_edge) row.template read<1>(edge, beside);
        A found = Level::template none<A>();
        if constexpr (Op::HAS_LEVEL) {
#pragma unroll
            for (int c = 0; c < CHUNKS; c++) {
                if (c * step < left) {
#pragma unroll
                    for (int i = 0; i < VEC; i++) found = Level::join(found, values[c][i]);
                }
            }
            if (has_edge) found = Level::join(found, beside[0]);
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
        if (has_edge) {
            beside[0] = Op::centred(beside[0], level);
            total = total + Op::terms(beside[0]);
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
        if (has_edge) {
            beside[0] = Op::result(beside[0], scale);
            row.template write<1>(edge, beside);
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

// A part of a row that a block takes: whole vectors from one column up to another; the first part has the edges as well.
struct Piece {
    i64 begin, end;
    bool is_first;
};
template <int VEC> __device__ inline Piece piece_of(const Cut& cut, i64 part, i64 parts) {
    const i64 size = (cut.whole / VEC + parts - 1) / parts * VEC, end = (part + 1) * size;
    return Piece{cut.head + part * size, cut.head + (end < cut.whole ? end : cut.whole), !part};
}

// What is known of a piece, joined over the block.
template <class Op, class T, int VEC, class A>
__device__ inline typename Op::Part known(const Row<Op, T>& row, const Cut& cut, const Piece& piece, A anchor, typename Op::Part* board) {
    typename Op::Part part = Op::nothing();
    for (i64 column = piece.begin + (i64)threadIdx.x * VEC; column < piece.end; column += (i64)blockDim.x * VEC * 2) {
        // Two loads are under way before the first is used.
        A values[2 * VEC];
        const i64 next = column + (i64)blockDim.x * VEC;
        const bool both = next < piece.end;
        row.template read<VEC>(column, values);
        if (both) row.template read<VEC>(next, values + VEC);
        part = Op::join(part, Op::template part<VEC>(values, anchor));
        if (both) part = Op::join(part, Op::template part<VEC>(values + VEC, anchor));
    }
    if (piece.is_first && threadIdx.x < cut.edges()) {
        A beside[1];
        row.template read<1>(cut.edge(threadIdx.x), beside);
        part = Op::join(part, Op::template part<1>(beside, anchor));
    }
    return over_block<Joining<Op>>(part, board, Op::nothing());
}

template <class Op, class T, int VEC, class A>
__device__ inline void apply_to(const Row<Op, T>& row, i64 column, A level, typename Op::Scale scale) {
    A values[VEC];
    row.template read<VEC>(column, values);
    row.template keep<VEC>(column, values);
#pragma unroll
    for (int i = 0; i < VEC; i++) values[i] = Op::result(Op::centred(values[i], level), scale);
    row.template write<VEC>(column, values);
}

// Few long rows: a.team blocks share one, each a piece. `work` has a Part for each block, and behind them the anchor of
// each row, since the block that writes first may write over it.
template <class Op, class T, int VEC> __device__ inline void partial(const RowArguments& a) {
    typedef typename Op::Part Part;
    typedef typename Computed<T>::type A;
    __shared__ Part board[32];
    const i64 number = blockIdx.x / a.team;
    const Cut cut = cut_of<Op, T, VEC>(a, number);
    const Piece piece = piece_of<VEC>(cut, blockIdx.x % a.team, a.team);
    const Row<Op, T> row(a, number, 0);
    const A anchor = anchor_of<Op>(row);
    const Part part = known<Op, T, VEC>(row, cut, piece, anchor, board);
    Part* parts = (Part*)a.work;
    if (!threadIdx.x) {
        parts[blockIdx.x] = part;
        if (piece.is_first) ((A*)(parts + gridDim.x))[number] = anchor;
    }
}

// The second reading, which comes from the cache: each value's result. A block alone with a row reads it for the first
// time as well; others find in `work` what is known of it.
template <class Op, class T, int VEC> __device__ inline void streaming(const RowArguments& a) {
    typedef typename Op::Part Part;
    typedef typename Computed<T>::type A;
    __shared__ Part board[32];
    for (i64 job = blockIdx.x; job < a.rows * a.team; job += gridDim.x) {
        const i64 number = job / a.team;
        const Cut cut = cut_of<Op, T, VEC>(a, number);
        const Piece piece = piece_of<VEC>(cut, job % a.team, a.team);
        const Row<Op, T> row(a, number, 0);
        A anchor;
        Part part = Op::nothing();
        if (a.team == 1) {
            anchor = anchor_of<Op>(row);
            part = known<Op, T, VEC>(row, cut, piece, anchor, board);
        } else {
            const Part* parts = (const Part*)a.work;
            anchor = ((const A*)(parts + a.rows * a.team))[number];
            for (i64 i = threadIdx.x; i < a.team; i += blockDim.x) part = Op::join(part, parts[number * a.team + i]);
            part = over_block<Joining<Op>>(part, board, Op::nothing());
        }
        typename Op::Scale scale;
        const A level = Op::whole(part, anchor, (A)a.n, (A)a.eps, scale);
        for (i64 column = piece.begin + (i64)threadIdx.x * VEC; column < piece.end; column += (i64)blockDim.x * VEC)
            apply_to<Op, T, VEC>(row, column, level, scale);
        if (piece.is_first && threadIdx.x < cut.edges()) apply_to<Op, T, 1>(row, cut.edge(threadIdx.x), level, scale);
    }
}
