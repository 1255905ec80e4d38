// inside.hpp: one arena of `workers` threads, the calling one included, for the TBB peers.
#ifndef BENCH_PEERS_TBB_INSIDE_HPP
#define BENCH_PEERS_TBB_INSIDE_HPP

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include "load.h"

// Runs body() inside the arena: as one of its threads.
template <typename Body> void inside(unsigned workers, const Body &body) {
    tbb::global_control limit(tbb::global_control::max_allowed_parallelism, workers);
    tbb::task_arena arena(static_cast<int>(workers));
    arena.execute(body);
}

// Runs body(arena) outside of an arena of `workers` threads, in which the calling one has no place.
template <typename Body> void outside(unsigned workers, const Body &body) {
    tbb::global_control limit(tbb::global_control::max_allowed_parallelism, workers + 1);
    tbb::task_arena arena(static_cast<int>(workers), 0);
    body(arena);
}

#endif
