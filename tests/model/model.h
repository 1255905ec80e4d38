// model.h: the product's protocol headers under Relacy. Each is included inside a struct, as it is, and inside others with
// one memory order or one step taken away (mutants), which the search must catch: a model that cannot fail proves
// nothing.
#ifndef VTI_TESTS_MODEL_H
#define VTI_TESTS_MODEL_H

#include <relacy/relacy.hpp>

#include <cstdint>
#include <cstdio>
#include <iostream>
#include <streambuf>

#ifndef $
#define $ RL_INFO
#endif

#ifndef VTI_MODEL
#define VTI_MODEL 1
#endif
#include "base/atomic.h"

// Where a mutant's history goes.
struct nowhere : std::streambuf {
    int overflow(int c) override { return c; }
};

// Runs a model: a sound one must survive the search, a mutant must not. Returns how many were wrong.
template <typename Test>
int search(const char *name, bool sound, unsigned iterations, rl::scheduler_type_e scheduler = rl::sched_random) {
    rl::test_params params;
    nowhere buffer;
    std::ostream silent(&buffer);
    std::ostream &output = sound ? std::cout : silent;
    params.iteration_count = iterations;
    params.search_type = scheduler;
    params.execution_depth_limit = 20000;
    params.output_stream = &output;
    params.progress_stream = &silent;
    bool survived = rl::simulate<Test>(params);
    bool right = survived == sound;
    std::printf("%-48s %s after %llu interleavings: %s\n", name, survived ? "sound" : "caught",
                static_cast<unsigned long long>(params.stop_iteration), right ? "as it must be" : "WRONG");
    return right ? 0 : 1;
}

#endif
