// The persistent kernel: one block takes messages out of rings and answers them, all blocks share what is large.
//
// Which block leads is decided by who comes first, and nothing waits for a block that may not be there: the leader takes
// chunks of its own job like any other, and waits only for those that a running block has taken. So a card that is full
// of others' work, and runs one of our blocks, is slow and not stuck; no launch that is cooperative is needed.
//
// It never holds the card. The leader leaves between two messages when the host's stop word is set, when neither a message
// nor the host's beat has come for `linger`, and after `lease` in any case, messages or not: what waits for the device as
// a whole, as cuMemFree does, gets its turn then. State lies in memory and outlives a launch; the host launches again when
// it finds the kernel gone and has something to say. With a linger of 0 it is an ordinary kernel for a batch of messages.

const int RINGS = 32, WORDS = 16, REPLY_WORDS = 8, PARTS = 4096;
// Words of the page that both sides see; each side's own on its own lines.
const int OPEN = 0, STOP = 1, BEAT = 2, ENDED = 16, WHY = 17, SEEN = 18;
const int AGAIN = -1;
enum Why { NOTHING, STOPPED, IDLE, LEASE_OVER };

// What lies on the card and outlives a launch; all zero before the first one.
struct Card {
    u64 leader, ended;  // numbers of launches
    u64 ticket;         // the job's number in the upper half, in the lower one the chunks that nobody has taken
    u64 done, helped;   // chunks, of all jobs; those that others than the leader did
    u64 jobs, phase;
    u64 next[RINGS], rows[RINGS], width[RINGS];
    Command job;
    Part parts[PARTS];
};

struct RingArguments {
    u64* page;      // the host's: words OPEN to SEEN
    u64* commands;  // the host's: RINGS x capacity x WORDS
    u64* replies;   // the host's: RINGS x capacity x REPLY_WORDS
    Card* card;
    i64 capacity, launch, linger, lease;
};

__device__ inline void copy_words(u64* to, const u64* from, int count) {
    for (int i = threadIdx.x; i < count; i += blockDim.x) to[i] = from[i];
}

// Do chunks of a job until none is left that nobody has taken.
__device__ __noinline__ void share(Card& card, u64 job, bool leads) {
    __shared__ Command command;
    __shared__ i64 taken;
    for (bool first = true;; first = false) {
        __syncthreads();  // the last chunk's number is read by all
        if (!threadIdx.x) {
            u64 seen = load_acquire(&card.ticket);
            taken = -1;
            while (seen >> 32 == job && (unsigned)seen) {
                const u64 before = exchange_if(&card.ticket, seen, seen - 1);
                if (before == seen) {
                    taken = (i64)(unsigned)seen - 1;
                    break;
                }
                seen = before;
            }
        }
        __syncthreads();
        if (taken < 0) return;
        // The job stays as it is until this chunk is done: before it is taken, nobody may trust what is read.
        if (first) {
            copy_words((u64*)&command, (const u64*)&card.job, WORDS);
            __syncthreads();
        }
        work(command, card.parts, (int)load_acquire(&card.phase), taken);
        __syncthreads();
        if (!threadIdx.x) {
            fence_system();
            if (!leads) add_release(&card.helped, 1);
            add_release(&card.done, 1);
        }
    }
}

// All chunks of one phase of a command, by all blocks that are there.
__device__ __noinline__ void phase_of(Card& card, const Command& c, int phase, i64 chunks, u64& goal) {
    __shared__ u64 job;
    if (chunks == 1) {
        work(c, card.parts, phase, 0);
        __syncthreads();
        return;
    }
    copy_words((u64*)&card.job, (const u64*)&c, WORDS);
    __syncthreads();
    if (!threadIdx.x) {
        job = (card.jobs + 1) & 0xffffffffu;
        card.jobs = job;
        card.phase = (u64)phase;
        store_release(&card.ticket, job << 32 | (u64)chunks);
    }
    __syncthreads();
    share(card, job, true);
    goal += (u64)chunks;
    if (!threadIdx.x)
        while (load_acquire(&card.done) != goal) rest(20);
    __syncthreads();
}

struct Answer {
    u64 status, check, value;
};

__device__ inline Answer answer_to(Card& card, Command& c, int ring, u64& goal) {
    __shared__ u64 checks[32];
    __shared__ double values[32];
    Answer answer = {DONE, 0, 0};
    if (c.operation < SCALE || c.operation > CLEAR || c.chunks < 1 || c.chunks > PARTS || c.first > PARTS) {
        answer.status = UNKNOWN;
        return answer;
    }
    const u64 rows = card.rows[ring], width = card.width[ring];
    __syncthreads();  // all have read the ring's state, which one will change
    if (c.operation == CLEAR) {
        if (!threadIdx.x) card.rows[ring] = 0;
        answer.value = rows;
        return answer;
    }
    if (c.operation == SIMILARITY) {
        if ((u64)c.kept != rows || (rows && width != (u64)c.columns)) {
            answer.status = OTHER_STATE;
            answer.value = rows;  // by which the host, if it has lost count, finds it again
            return answer;
        }
        if (c.kept + c.rows > c.room) {
            answer.status = NO_ROOM;
            return answer;
        }
    }
    if (c.first) phase_of(card, c, 0, c.first, goal);
    phase_of(card, c, 1, c.chunks, goal);
    u64 check = 0;
    double value = 0;
    for (i64 i = threadIdx.x; i < c.chunks; i += blockDim.x) check += card.parts[i].check, value += card.parts[i].first;
    answer.check = over_block<Sum>(check, checks, (u64)0);
    if (c.operation == DOT) {
        answer.value = bits_of(over_block<Sum>(value, values, 0.0));
        answer.check = checked(double_of(answer.value), 0);
    }
    if (c.operation == SIMILARITY) {
        answer.value = (u64)(c.kept + c.rows);
        if (!threadIdx.x) card.rows[ring] = answer.value, card.width[ring] = (u64)c.columns;
    }
    return answer;
}

// The first warp looks at the rings, a lane at each, until there is a message or a reason to leave; returns the ring, or
// RINGS and the reason. All lanes get the same, whatever each of them saw change first.
__device__ inline int poll(const RingArguments& a, u64 next, int last, u64& seen, u64& beat, u64& since, u64 until) {
    const int lane = threadIdx.x & 31, turn = (lane - last - 1) & 31;
    const u64* slot = a.commands + ((i64)lane * a.capacity + (i64)(next % (u64)a.capacity)) * WORDS;
    for (;;) {
        // Three loads that go to the host at once: which rings are open is what the look before has found.
        const u64 found = seen >> lane & 1 ? load_system(slot) : 0, stop = load_system(a.page + STOP);
        const u64 open = load_system(a.page + OPEN), alive = load_system(a.page + BEAT), now = nanoseconds();
        if (alive != beat) beat = alive, since = now;
        int mine = 99;
        if (stop) {
            mine = STOPPED - 10;
        } else if (now > until) {
            mine = LEASE_OVER - 10;
        } else if (found == next + 1 && open >> lane & 1) {
            mine = turn;
        } else if (now - since >= (u64)a.linger) {
            mine = 40 + IDLE;
        }
        if (open != seen) {
            seen = open;
            if (!lane) store_system(a.page + SEEN, open);
        }
        const int least = over_lanes<Least>(mine, 32);
        if (least < 0) return RINGS + 10 + least;
        if (least < RINGS) {
            fence_system();  // what the host wrote before the word that says so
            return (last + 1 + least) & 31;
        }
        if (least < 99) return RINGS + least - 40;
        if (now - since > 20000 && !lane) rest(200);
    }
}

__device__ inline void lead(const RingArguments& a) {
    __shared__ Command command;
    __shared__ int chosen;
    Card& card = *a.card;
    const int lane = threadIdx.x & 31;
    u64 next = card.next[lane], seen = load_system(a.page + OPEN), beat = load_system(a.page + BEAT);
    u64 since = nanoseconds(), until = ~0ull, goal = card.done;
    int last = RINGS - 1;
    if (!threadIdx.x) store_system(a.page + SEEN, seen);
    for (;;) {
        if (threadIdx.x < 32) {
            const int found = poll(a, next, last, seen, beat, since, until);
            // Who says what it has seen of the open rings also decides: what was closed, and said to be, is not begun.
            if (!threadIdx.x) chosen = found < RINGS && !(seen >> found & 1) ? AGAIN : found;
        }
        __syncthreads();
        const int ring = chosen;
        if (ring >= RINGS) break;
        if (ring == AGAIN) {
            __syncthreads();
            continue;
        }
        const u64 start = nanoseconds();
        // The lease begins with the first message: each launch answers one at least.
        if (until == ~0ull) until = start + (u64)a.lease;
        const u64 helped = load_acquire(&card.helped);
        const i64 place = (i64)ring * a.capacity;
        const i64 slot = place + (i64)(card.next[ring] % (u64)a.capacity);
        for (int i = threadIdx.x; i < WORDS; i += blockDim.x) ((u64*)&command)[i] = load_system(a.commands + slot * WORDS + i);
        __syncthreads();
        const Answer answer = answer_to(card, command, ring, goal);
        __syncthreads();  // what the block has written comes before what its first thread says next
        if (!threadIdx.x) {
            u64* reply = a.replies + slot * REPLY_WORDS;
            const u64 words[REPLY_WORDS] = {command.sequence, command.id, answer.status, answer.check, answer.value, nanoseconds() - start, load_acquire(&card.helped) - helped, (u64)a.launch};
            for (int i = 1; i < REPLY_WORDS; i++) store_system(reply + i, words[i]);
            card.next[ring] = command.sequence;
            fence_system();
            store_system(reply, words[0]);
        }
        if (lane == ring) next++;
        last = ring;
        since = nanoseconds();
        __syncthreads();
    }
    if (!threadIdx.x) {
        store_release(&card.ended, (u64)a.launch);
        store_system(a.page + WHY, (u64)(chosen - RINGS));
        fence_system();
        store_system(a.page + ENDED, (u64)a.launch);
    }
}

__device__ inline void help(const RingArguments& a) {
    __shared__ u64 offered;
    Card& card = *a.card;
    for (;;) {
        if (!threadIdx.x) {
            for (;;) {
                offered = load_acquire(&card.ticket);
                if ((unsigned)offered) break;
                if (load_acquire(&card.ended) >= (u64)a.launch) {
                    offered = 0;
                    break;
                }
                rest(200);
            }
        }
        __syncthreads();
        const u64 job = offered >> 32;
        if (!offered) return;
        share(card, job, false);
    }
}

__device__ inline void ring(const RingArguments& a) {
    __shared__ int leads;
    if (!threadIdx.x) {
        const u64 before = load_acquire(&a.card->leader);
        leads = before < (u64)a.launch && exchange_if(&a.card->leader, before, (u64)a.launch) == before;
    }
    __syncthreads();
    if (leads) {
        lead(a);
    } else {
        help(a);
    }
}

// The same work as an ordinary launch, which the audit times beside it: a command of one phase, a chunk for each block.
struct OnceArguments {
    Command command;
    Part* parts;
};

__device__ inline void once(const OnceArguments& a) { work(a.command, a.parts, 1, blockIdx.x); }
