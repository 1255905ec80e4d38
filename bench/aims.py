"""What vtask aims at, and how far it is: computed from the medians in bench/results/*.json."""
from loads import PLAIN, size_name

OURS = "vtask"
MANAGED = ("dotnet",)  # peers that are not native


class Results:
    """The rows of one run, by load."""

    def __init__(self, results):
        self.loads = {result["load"]: result["rows"] for result in results}

    def rows(self, load, **fields):
        return [row for row in self.loads.get(load, [])
                if all(row[name] in value if isinstance(value, (list, tuple)) else row[name] == value
                       for name, value in fields.items())]

    def ours(self, load, **fields):
        return [row for row in self.rows(load, peer=OURS, **fields) if row["variant"] not in PLAIN]

    def theirs(self, load, **fields):
        return [row for row in self.rows(load, **fields) if row["peer"] != OURS]

    def groups(self, load):
        """What is compared: ours and theirs, of one size and number of workers."""
        for size, workers in sorted({(row["size"], row["workers"]) for row in self.ours(load)}):
            yield size, workers


def median(row):
    return row["median"]


def count(number, what):
    return f"{number} {what}{'' if number == 1 else 's'}"


def to_plain(r, load, variant, plain="serial"):
    """(label, ratio) of a variant on one worker to the plain code."""
    return [(None, row["median"] / base["median"]) for row in r.rows(load, peer=OURS, variant=variant, workers=1)
            for base in r.rows(load, peer=OURS, variant=plain, size=row["size"])]


def best_to_plain(r, load):
    found = [(row["variant"], row["median"] / base["median"]) for base in r.rows(load, peer=OURS, variant="serial")
             for row in r.ours(load, workers=1, size=base["size"])]
    return [min(found, key=lambda pair: pair[1])] if found else []


def speed_up(r, load, variant, of):
    return [(None, one["median"] / two["median"]) for one in r.rows(load, peer=OURS, variant=of, workers=1)
            for two in r.rows(load, peer=OURS, variant=variant, workers=2, size=one["size"])]


def slow_down(r, load):
    """A second worker that has nothing to give: time with it, of the time without."""
    return [(two["variant"], two["median"] / one["median"]) for two in r.ours(load, workers=2)
            for one in r.ours(load, workers=1, variant=two["variant"], size=two["size"])]


def to_fastest(r, load):
    """Our best of the best peer's, of every size and number of workers."""
    found = []
    for size, workers in r.groups(load):
        theirs = r.theirs(load, size=size, workers=workers)
        if theirs:
            peer = min(theirs, key=median)
            ours = min(r.ours(load, size=size, workers=workers), key=median)
            label = f"{size_name(load, size)}, {count(workers, 'worker')}, {peer['peer']} {peer['variant']}"
            found.append((label, ours["median"] / peer["median"]))
    return found


def to_ideal(r, late):
    return [(f"{row['size']} {row['variant']}", 1e-3 * row["median"] / row["extra"]["ideal"])
            for row in r.ours("stranded", workers=2) if row["variant"].startswith("late-") == late]


def throughput(r, threads):
    """Our tasks a second of the best native peer's, from so many threads."""
    found = []
    for size, workers in r.groups("external"):
        ours = [row for row in r.ours("external", size=size, workers=workers) if row["variant"].endswith(threads)]
        theirs = [row for row in r.theirs("external", size=size, workers=workers)
                  if row["variant"].endswith(threads) and row["peer"] not in MANAGED]
        if ours and theirs:
            peer = min(theirs, key=median)
            label = f"{count(workers, 'worker')}, {peer['peer']} {peer['variant']}"
            found.append((label, peer["median"] / min(ours, key=median)["median"]))
    return found


def live_to(r, peer):
    return [(count(row["workers"], "worker"), row["median"] / other["median"]) for row in r.ours("live")
            for other in r.rows("live", peer=peer, workers=row["workers"], size=row["size"])]


def extra(r, load, name, **fields):
    return [(count(row["workers"], "worker"), row["extra"][name]) for row in r.ours(load, **fields) if name in row["extra"]]


def to_floor(r, value):
    return [(count(row["workers"], "worker"), value(row) / value(floor)) for row in r.ours("latency")
            for floor in r.rows("latency", peer=OURS, variant="floor", size=row["size"])]


def await_now(r):
    return [(None, ratio - 1) for _, ratio in to_plain(r, "ready", "await_now", "call")]


def sizes(r, load):
    return ", ".join(size_name(load, size) for size in sorted({row["size"] for row in r.rows(load)}))


def aims(r):
    """(what, sign, limit, [(label, figure)]): the worst figure counts."""
    yield "fib, typed children, 1 worker: of the plain code's time", "<=", 1.6, to_plain(r, "fib", "typed")
    yield "fib, children by function, 1 worker: of the plain code's time", "<=", 2.0, to_plain(r, "fib", "function")
    yield "fib, children by function, 1 worker: of the same calls by pointer without the library", "<=", 2.0, \
        to_plain(r, "fib", "function", "pointer")
    yield "fib, through the library's functions, 1 worker: of the plain code's time", "<=", 4.5, \
        to_plain(r, "fib", "library")
    yield "fib, through the library's functions, 1 worker: of the same calls by pointer", "<=", 4.5, \
        to_plain(r, "fib", "library", "pointer")
    yield "fib, typed children: speed-up of 2 workers over 1", ">=", 1.85, speed_up(r, "fib", "typed", "typed")
    for load in ("nqueens", "uts", "integrate", "matmul"):
        yield f"{load} ({sizes(r, load)}): of the fastest peer's time, 1 and 2 workers", "<", 1, to_fastest(r, load)
    yield f"nqueens ({sizes(r, 'nqueens')}), 1 worker: of the plain code's time", "<=", 1.08, best_to_plain(r, "nqueens")
    yield "stranded: of the ideal time, 2 workers", "<=", 1.03, to_ideal(r, False)
    yield "stranded, late: of the ideal time, 2 workers", "<=", 1.03, to_ideal(r, True)
    yield "producer, children: speed-up of 2 workers over the plain code", ">=", 1.87, \
        speed_up(r, "producer", "children", "serial")
    yield "producer, heap tasks: speed-up of 2 workers over the plain code", ">=", 1.87, \
        speed_up(r, "producer", "tasks", "serial")
    yield "flat beside an idle worker: of the time without", "<=", 2, slow_down(r, "flat")
    yield "fib, heap tasks, 1 worker: of the plain code's time", "<=", 7, to_plain(r, "fib", "heap")
    yield "live: of TBB's time", "<=", 0.6, live_to(r, "tbb")
    yield "live: time with 2 workers of that with 1", "<=", 1, slow_down(r, "live")
    yield "live: bytes a task", "<=", 144, extra(r, "live", "bytes_per_task")
    yield "external, 1 thread: tasks a second of the best native peer's", ">=", 1.5, throughput(r, "1")
    yield "external, 4 threads: tasks a second of the best native peer's", ">=", 1.5, throughput(r, "4")
    yield "latency: median trip of the floor's", "<=", 1.15, to_floor(r, median)
    yield "latency: CPU time a trip of the floor's", "<=", 2.5, to_floor(r, lambda row: row["extra"]["cpu_us"])
    yield f"idle: ms of CPU in {sizes(r, 'idle')} ms", "<=", 1, extra(r, "idle", "cpu_ms")
    yield "ready, vt_await_now: what it costs above a plain call, of that call", "<=", 1, await_now(r)
    yield "ready, vt_await_now: bytes allocated an operation", "<=", 0, \
        extra(r, "ready", "bytes_per_operation", variant="await_now")
    yield "ready, vt_await: of one exchange", "<=", 1.3, to_plain(r, "ready", "await", "xchg")


def is_met(figure, sign, limit):
    return {"<=": figure <= limit, "<": figure < limit, ">=": figure >= limit}[sign]


def aims_table(results):
    """The lines of the table; an aim of which nothing was measured is left out."""
    yield "| aim | | here | where it is worst | |\n|---|---|---|---|---|"
    for what, sign, limit, figures in aims(Results(results)):
        if not figures:
            continue
        label, figure = (min if sign == ">=" else max)(figures, key=lambda pair: pair[1])
        shown = f"{figure:.0f}" if figure >= 100 else f"{figure:.2f}"
        verdict = "met" if is_met(figure, sign, limit) else "**not met**"
        yield f"| {what} | {sign.replace('<', '&lt;').replace('>', '&gt;')} {limit:g} | {shown} | {label or ''} | {verdict} |"
