// NVIDIA's driver on a CPU: what of its interface the workbench calls, over blocks that emulator.cpp runs.
//
// It is as strict as a driver may be, and stricter than most. A call without a current context fails. Memory is full of ones
// when it is given out, and again when it is taken back. What the documentation allows to wait for the whole device does:
// to give out or take back memory, and to load a module, wait until no kernel runs, so that who holds the card with a
// kernel that does not leave holds itself up.
#include <condition_variable>
#include <cstring>
#include <deque>
#include <dlfcn.h>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

typedef int Status;
typedef unsigned long long Address;
enum { SUCCESS = 0, INVALID = 1, NO_MEMORY = 2, BAD_CONTEXT = 201, NOT_FOUND = 500, NOT_READY = 600, LAUNCH_FAILED = 719 };

struct Function {
    const char* (*run)(const void*, unsigned, unsigned, unsigned);
    size_t size;
};

struct Work {
    Function* function;
    std::vector<char> argument;
    unsigned grid, block;
};

namespace {

// Never destroyed: threads of streams wait in them when the process ends.
std::mutex& device = *new std::mutex;
std::condition_variable& changed = *new std::condition_variable;
std::map<int, int> attributes;
std::map<Address, size_t> given;  // memory, and how much
unsigned resident = 64;
Status lost = SUCCESS;
std::string failure;
int busy = 0, waiting = 0;
char the_context;
thread_local std::vector<void*> contexts;

struct Stream {
    std::deque<Work> line;
    bool running = false, ends = false;
    std::thread machine;

    Stream() : machine([this] { work(); }) {}
    ~Stream() {
        {
            std::lock_guard<std::mutex> guard(device);
            ends = true;
        }
        changed.notify_all();
        machine.join();
    }
    void work() {
        std::unique_lock<std::mutex> guard(device);
        for (;;) {
            changed.wait(guard, [this] { return ends || !line.empty(); });
            if (line.empty()) return;
            const Work next = line.front();
            line.pop_front();
            running = true;
            guard.unlock();
            const char* wrong = next.function->run(next.argument.data(), next.grid, next.block, resident);
            guard.lock();
            if (wrong) failure = wrong, lost = LAUNCH_FAILED, given.clear();
            running = false, busy--;
            changed.notify_all();
        }
    }
    bool idle() const { return line.empty() && !running; }
};

Stream* usual = nullptr;

Stream* of(void* stream) {
    if (stream) return (Stream*)stream;
    if (!usual) usual = new Stream;
    return usual;
}

// Wait until no kernel runs; those that are to be started meanwhile come later.
void whole_device(std::unique_lock<std::mutex>& guard) {
    waiting++;
    changed.wait(guard, [] { return !busy; });
    waiting--;
    changed.notify_all();
}

Status give(void** where, size_t size) {
    if (contexts.empty()) return BAD_CONTEXT;
    std::unique_lock<std::mutex> guard(device);
    if (lost) return lost;
    whole_device(guard);
    *where = aligned_alloc(256, (size + 255) / 256 * 256);
    if (!*where) return NO_MEMORY;
    memset(*where, 0xff, size);
    given[(Address)*where] = size;
    return SUCCESS;
}

Status take(void* what) {
    if (contexts.empty()) return BAD_CONTEXT;
    std::unique_lock<std::mutex> guard(device);
    whole_device(guard);
    auto found = given.find((Address)what);
    if (found == given.end()) return INVALID;
    memset(what, 0xff, found->second);
    given.erase(found);
    free(what);
    return SUCCESS;
}

Status moved(void* to, const void* from, size_t size) {
    if (contexts.empty()) return BAD_CONTEXT;
    std::unique_lock<std::mutex> guard(device);
    if (lost) return lost;
    memcpy(to, from, size);
    return SUCCESS;
}

Status start(Stream* stream, const Work& work) {
    if (contexts.empty()) return BAD_CONTEXT;
    {
        std::unique_lock<std::mutex> guard(device);
        changed.wait(guard, [] { return !waiting; });
        if (lost) return lost;
        busy++;
        stream->line.push_back(work);
    }
    changed.notify_all();
    return SUCCESS;
}

}  // namespace

extern "C" {

// For tests: what the card says of itself, how many blocks run at once, that it is lost, and what is left over.
void emulated_set(int attribute, int value) { attributes[attribute] = value; }
void emulated_resident(unsigned blocks) { resident = blocks; }
void emulated_lose(Status status) {
    std::lock_guard<std::mutex> guard(device);
    lost = status;
    failure.clear();
    if (lost) given.clear();  // what was on it is gone
}
const char* emulated_failure() { return failure.c_str(); }
int emulated_busy() {
    std::lock_guard<std::mutex> guard(device);
    return busy;
}
size_t emulated_given() {
    std::lock_guard<std::mutex> guard(device);
    return given.size();
}

Status cuInit(unsigned) { return SUCCESS; }
Status cuDeviceGet(int* found, int number) { return number ? 101 : (*found = 0, SUCCESS); }
Status cuDeviceGetCount(int* count) { return *count = 1, SUCCESS; }
Status cuDeviceGetName(char* name, int size, int) { return strncpy(name, "a card of the tests", size), SUCCESS; }
Status cuDeviceGetAttribute(int* found, int attribute, int) { return *found = attributes[attribute], SUCCESS; }
Status cuDevicePrimaryCtxRetain(void** context, int) { return *context = &the_context, SUCCESS; }
Status cuCtxGetCurrent(void** context) { return *context = contexts.empty() ? nullptr : contexts.back(), SUCCESS; }
Status cuCtxPushCurrent_v2(void* context) { return contexts.push_back(context), SUCCESS; }
Status cuCtxPopCurrent_v2(void** context) {
    if (contexts.empty()) return BAD_CONTEXT;
    *context = contexts.back();
    return contexts.pop_back(), SUCCESS;
}
Status cuGetErrorName(Status status, const char** text) { return *text = status == LAUNCH_FAILED ? "CUDA_ERROR_LAUNCH_FAILED" : "CUDA_ERROR", SUCCESS; }
Status cuGetErrorString(Status, const char** text) { return *text = failure.empty() ? "an error of the tests" : failure.c_str(), SUCCESS; }

// A module is a library of the host; its image is the path.
Status cuModuleLoadData(void** module, const char* image) {
    if (contexts.empty()) return BAD_CONTEXT;
    std::unique_lock<std::mutex> guard(device);
    whole_device(guard);
    *module = dlopen(image, RTLD_NOW | RTLD_LOCAL);
    return *module ? SUCCESS : INVALID;
}
Status cuModuleGetFunction(void** function, void* module, const char* name) {
    void *run = dlsym(module, ("run_" + std::string(name)).c_str()), *size = dlsym(module, ("size_" + std::string(name)).c_str());
    if (!run || !size) return NOT_FOUND;
    *function = new Function{(const char* (*)(const void*, unsigned, unsigned, unsigned))run, *(size_t*)size};
    return SUCCESS;
}
Status cuLaunchKernel(Function* function, unsigned grid, unsigned, unsigned, unsigned block, unsigned, unsigned, unsigned, void* stream, void** arguments, void**) {
    const char* first = (const char*)arguments[0];
    return start(of(stream), Work{function, std::vector<char>(first, first + function->size), grid, block});
}

Status cuMemAlloc_v2(Address* where, size_t size) { return give((void**)where, size); }
Status cuMemFree_v2(Address what) { return take((void*)what); }
Status cuMemHostAlloc(void** where, size_t size, unsigned) { return give(where, size); }
Status cuMemFreeHost(void* what) { return take(what); }
Status cuMemHostGetDevicePointer_v2(Address* found, void* host, unsigned) { return *found = (Address)host, SUCCESS; }
Status cuMemcpyHtoD_v2(Address to, const void* from, size_t size) { return moved((void*)to, from, size); }
Status cuMemcpyDtoH_v2(void* to, Address from, size_t size) { return moved(to, (const void*)from, size); }
Status cuMemcpyDtoD_v2(Address to, Address from, size_t size) { return moved((void*)to, (const void*)from, size); }
Status cuMemsetD8_v2(Address to, unsigned char value, size_t size) {
    if (contexts.empty()) return BAD_CONTEXT;
    return lost ? lost : (memset((void*)to, value, size), SUCCESS);
}

Status cuStreamCreate(void** stream, unsigned) { return contexts.empty() ? BAD_CONTEXT : (*stream = new Stream, SUCCESS); }
Status cuStreamDestroy_v2(void* stream) { return delete (Stream*)stream, SUCCESS; }
Status cuStreamQuery(void* stream) {
    std::lock_guard<std::mutex> guard(device);
    return lost ? lost : of(stream)->idle() ? SUCCESS : NOT_READY;
}
Status cuStreamSynchronize(void* stream) {
    Stream* waits = of(stream);
    std::unique_lock<std::mutex> guard(device);
    changed.wait(guard, [waits] { return waits->idle(); });
    return lost;
}

// A graph of kernels, one behind the other.
Status cuGraphCreate(void** graph, unsigned) { return *graph = new std::vector<Work>, SUCCESS; }
Status cuGraphAddKernelNode_v2(void** node, void* graph, const void*, size_t, const void* given) {
    struct Params {
        Function* function;
        unsigned grid[3], block[3], shared;
        void **arguments, **extra;
    };
    const Params* params = (const Params*)given;
    const char* first = (const char*)params->arguments[0];
    auto* works = (std::vector<Work>*)graph;
    works->push_back(Work{params->function, std::vector<char>(first, first + params->function->size), params->grid[0], params->block[0]});
    return *node = graph, SUCCESS;
}
Status cuGraphInstantiateWithFlags(void** made, void* graph, unsigned long long) { return *made = new std::vector<Work>(*(std::vector<Work>*)graph), SUCCESS; }
Status cuGraphLaunch(void* made, void* stream) {
    for (const Work& work : *(std::vector<Work>*)made)
        if (Status status = start(of(stream), work)) return status;
    return SUCCESS;
}
Status cuGraphExecDestroy(void* made) { return delete (std::vector<Work>*)made, SUCCESS; }
Status cuGraphDestroy(void* graph) { return delete (std::vector<Work>*)graph, SUCCESS; }
}
