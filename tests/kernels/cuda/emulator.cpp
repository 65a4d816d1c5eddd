// How the threads of a block take turns.
//
// They are fibres in one thread of the machine. One runs until it waits, at __syncthreads or at an exchange between the
// lanes of a warp; what waits goes on when all have come. In which order they run is the caller's choice: a result that
// depends on it, or that a missing barrier spoils, shows. What no GPU would forgive is an error: an address that is not
// aligned, a barrier that some never reach, an exchange with lanes that are not there.
#include <atomic>
#include <csetjmp>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <ucontext.h>
#include <vector>

#include "emulator.hpp"  // behind those of the library, which has words that it gives another meaning

#ifdef CONCURRENT
#define PER_BLOCK_OBJECT thread_local
#else
#define PER_BLOCK_OBJECT
#endif

#ifdef CONCURRENT
extern "C" {
u64 emulated_now = 0, emulated_looks = 0, emulated_crash = 0;
}
#endif

namespace emulated {

PER_BLOCK Place *thread, block_index, block_size, grid_size;

enum State { READY, AT_BARRIER, AT_EXCHANGE, DONE };

struct Fibre {
    ucontext_t context;
    jmp_buf here;
    bool started = false;
    std::unique_ptr<char[]> stack;
    State state = DONE;
    Place thread{};
    unsigned word = 0, distance = 0;
};

PER_BLOCK_OBJECT std::vector<std::unique_ptr<Fibre>> fibres;
PER_BLOCK Fibre* current;
PER_BLOCK jmp_buf scheduler;
PER_BLOCK void (*kernel)(const void*);
PER_BLOCK const void* argument;
PER_BLOCK_OBJECT std::string failure;
const size_t STACK = 256 << 10;

void leave() {
    if (!_setjmp(current->here)) _longjmp(scheduler, 1);
}

void fail(const std::string& message) {
    char where[200];
    snprintf(where, sizeof where, " (block %u of %u, thread %u of %u)", block_index.x, grid_size.x, current->thread.x, block_size.x);
    failure = message + where;
    _longjmp(scheduler, 1);
}

#ifdef CONCURRENT
void check_crash() {
    if (__atomic_load_n(&emulated_crash, __ATOMIC_RELAXED)) fail("a crash, of another block or as a test asked for");
}
void crash(bool crashed) { __atomic_store_n(&emulated_crash, crashed, __ATOMIC_RELAXED); }
#else
void crash(bool) {}
#endif

void main_of_fibre() {
    for (;;) {
        kernel(argument);
        current->state = DONE;
        leave();
    }
}

void resume(Fibre& fibre) {
    current = &fibre, thread = &fibre.thread;
    if (_setjmp(scheduler)) return;
    if (fibre.started) _longjmp(fibre.here, 1);
    fibre.started = true;
    fibre.stack.reset(new char[STACK]);
    getcontext(&fibre.context);
    fibre.context.uc_stack.ss_sp = fibre.stack.get();
    fibre.context.uc_stack.ss_size = STACK;
    fibre.context.uc_link = nullptr;
    makecontext(&fibre.context, main_of_fibre, 0);
    setcontext(&fibre.context);
}

void check_aligned(const void* address, size_t bytes) {
    if ((uintptr_t)address % bytes) fail("an access of " + std::to_string(bytes) + " bytes is not aligned");
}

void barrier() {
    current->state = AT_BARRIER;
    leave();
}

unsigned exchange(unsigned mask, unsigned word, unsigned distance) {
    if (mask != 0xffffffffu) fail("an exchange among some lanes only");
    current->word = word, current->distance = distance, current->state = AT_EXCHANGE;
    leave();
    return current->word;
}

// Let go on whoever has waited for enough others; false if nobody can.
bool release(unsigned threads) {
    bool any = false, all = true, one = false;
    for (unsigned first = 0; first < threads; first += 32) {
        const unsigned last = first + 32 < threads ? first + 32 : threads;
        bool whole = last - first == 32;
        for (unsigned i = first; i < last; i++) whole = whole && fibres[i]->state == AT_EXCHANGE && fibres[i]->distance == fibres[first]->distance;
        if (!whole) continue;
        unsigned words[32];
        for (unsigned i = 0; i < 32; i++) words[i] = fibres[first + i]->word;
        for (unsigned i = 0; i < 32; i++) {
            fibres[first + i]->word = words[i ^ fibres[first + i]->distance];
            fibres[first + i]->state = READY;
        }
        any = true;
    }
    if (any) return true;
    for (unsigned i = 0; i < threads; i++) {
        all = all && fibres[i]->state == AT_BARRIER;
        one = one || fibres[i]->state == AT_BARRIER;
    }
    if (!all) return false;
    for (unsigned i = 0; i < threads; i++) fibres[i]->state = READY;
    return one;
}

// Run one block, whose fibres are there; return what went wrong, or nothing.
const char* run_block(const std::vector<unsigned>& turns) {
    const unsigned block = block_size.x;
    for (unsigned i = 0; i < block; i++) fibres[i]->state = READY, fibres[i]->thread.x = i;
    for (;;) {
        unsigned done = 0;
        for (unsigned turn : turns) {
            if (fibres[turn]->state == READY) resume(*fibres[turn]);
            if (!failure.empty()) break;
            done += fibres[turn]->state == DONE;
        }
        if (failure.empty() && done < block && !release(block)) {
            bool ready = false;
            for (unsigned i = 0; i < block; i++) ready = ready || fibres[i]->state == READY;
            if (!ready) {
                for (unsigned i = 0; i < block; i++) if (fibres[i]->state != DONE) current = fibres[i].get();
                failure = "some threads wait for others that never come: thread " + std::to_string(current->thread.x) + (current->state == AT_BARRIER ? " at a barrier" : " at an exchange");
            }
        }
        if (!failure.empty()) {
            fibres.clear();  // they stand somewhere in the middle
            return failure.c_str();
        }
        if (done == block) return nullptr;
    }
}

// Run all blocks, one after the other; return what went wrong, or nothing. `order` 0 runs threads from first to last,
// 1 from last to first, any other number mixes them by it.
const char* run(void (*what)(const void*), const void* with, unsigned grid, unsigned block, unsigned order) {
    kernel = what, argument = with;
    failure.clear();
    grid_size.x = grid, block_size.x = block;
    while (fibres.size() < block) fibres.emplace_back(new Fibre);
    std::vector<unsigned> turns(block);
    for (unsigned i = 0; i < block; i++) turns[i] = order == 1 ? block - 1 - i : i;
    for (unsigned i = block - 1; order > 1 && i > 0; i--) {
        order = order * 1664525u + 1013904223u;
        std::swap(turns[i], turns[(order >> 8) % (i + 1)]);
        if (order < 2) order += 2;
    }
    for (unsigned index = 0; index < grid; index++) {
        // Blocks come in no order either.
        block_index.x = order == 1 ? grid - 1 - index : index;
        if (const char* wrong = run_block(turns)) return wrong;
    }
    return nullptr;
}

// Run blocks at the same time, no more than `resident` of them; return what went wrong in one, or nothing.
const char* run_together(void (*what)(const void*), const void* with, unsigned grid, unsigned block, unsigned resident) {
    static PER_BLOCK_OBJECT std::string wrong;
    wrong.clear();
    std::string* told = &wrong;
    std::atomic<unsigned> taken{0};
    std::mutex telling;
    std::vector<std::thread> machine;
    for (unsigned place = 0; place < grid && place < resident; place++) {
        machine.emplace_back([&] {
            for (unsigned index = taken++; index < grid; index = taken++) {
                kernel = what, argument = with;
                grid_size.x = grid, block_size.x = block, block_index.x = index;
                while (fibres.size() < block) fibres.emplace_back(new Fibre);
                std::vector<unsigned> turns(block);
                for (unsigned i = 0; i < block; i++) turns[i] = index % 2 ? block - 1 - i : i;
                if (const char* failed = run_block(turns)) {
                    std::lock_guard<std::mutex> guard(telling);
                    if (told->empty()) *told = failed;
                    crash(true);  // as a fault of one ends all
                }
            }
        });
    }
    for (std::thread& each : machine) each.join();
    crash(false);
    return wrong.empty() ? nullptr : wrong.c_str();
}

}  // namespace emulated
