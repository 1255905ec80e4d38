"""The loads that tools/bench runs: what they are, their sizes, what counts."""
import collections

# what; sizes; sizes with --quick; further ones with --long; {variant: its own sizes}; what counts; the sizes' names
Load = collections.namedtuple("Load", "what full quick long own unit names", defaults=({},))

UNITS = {"ns": "ns an operation", "ms": "ms", "median_us": "us, median trip", "cpu_ms": "ms of CPU"}

# What some loads count besides: a column of its own.
EXTRAS = {"bytes_per_task": "bytes a task", "bytes_per_operation": "bytes allocated an operation",
          "cpu_us": "us of CPU a trip"}

# Variants that stand for the plain code: one worker's, and what the others are compared with.
PLAIN = ("serial", "pointer", "floor", "call", "xchg")

LOADS = {
    "fib": Load("fork and join without a cutoff; one operation is one fork and join", [32], [27], [], {}, "ns"),
    "nqueens": Load("all placements of n queens; one operation is one solution", [12], [10], [], {}, "ns"),
    "uts": Load("Unbalanced Tree Search: a child for each node of a published tree; one operation is one node",
                [1, 3], [2], [4], {}, "ns", {1: "T1", 2: "T1's first 8 levels", 3: "T3", 4: "T3L"}),
    "integrate": Load("adaptive integration down to a tolerance of 1 / size; one operation is one fork and join",
                      [1000000], [1000], [], {}, "ns"),
    "matmul": Load("the product of two matrices, quarter by quarter down to 32 rows", [1024], [512], [], {}, "ms"),
    "flat": Load("a loop of fork and join of one tiny child; with 2 workers the other one is idle",
                 [5000000], [500000], [], {}, "ns"),
    "stranded": Load("8, 64 or 400 children or tasks of 40 ms in all, then as much silent work by their owner",
                     [8, 64, 400], [8, 64, 400], [], {}, "ms",
                     {8: "8 children", 64: "64 children", 400: "400 children"}),
    "producer": Load("children or tasks of 1 us from one producer", [1000000], [100000], [], {}, "ns"),
    "live": Load("heap tasks alive with handles: run all, await all, release all", [1000000], [100000], [], {}, "ns"),
    "external": Load("tiny tasks from 1 and 4 threads outside the pool", [400000], [50000], [], {}, "ns"),
    "latency": Load("idle round trips, 200 us apart", [2000], [300], [], {}, "median_us"),
    "idle": Load("CPU time of a pool that has nothing to do, over 5 s (--quick: 0.5 s)", [5000], [500], [], {}, "cpu_ms"),
    "ready": Load("value-tasks that are ready, beside a plain call and an exchange",
                  [20000000], [2000000], [], {"source": [5000000]}, "ns"),
}


def size_name(load, size):
    return LOADS[load].names.get(size, str(size))
