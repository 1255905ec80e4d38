// Loads.cs: the loads that .NET has an equal for, as a C# programmer would write them.
using System;
using System.IO;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;
using System.Threading.Tasks.Sources;

static class Loads
{
    public static readonly Load[] All =
    {
        new Load
        {
            Name = "fib", Size = 32, WarmUp = 16, Operations = n => Fibonacci(n + 1) - 1, Expected = Fibonacci,
            Variants = new[] { new Variant("task", (run, n) => Inside(run, () => Fib(n))) },
        },
        new Load
        {
            Name = "live", Size = 1000000, WarmUp = 1000, Operations = n => n, Expected = n => n * (n + 1) / 2,
            Variants = new[] { new Variant("tasks", (run, n) => Inside(run, () => Live(run, n))) },
        },
        new Load
        {
            Name = "external", Size = 1000000, WarmUp = 1000, Operations = n => n, Expected = n => n * (n - 1) / 2,
            Variants = new[]
            {
                new Variant("producers1", (run, n) => External(run, n, 1)),
                new Variant("producers4", (run, n) => External(run, n, 4)),
            },
        },
        new Load
        {
            Name = "latency", Size = 5000, WarmUp = 100, Operations = n => n, Expected = n => n,
            Variants = new[] { new Variant("task", Latency) },
        },
        new Load
        {
            Name = "ready", Size = 50000000, WarmUp = 1000, Operations = n => n, Expected = n => n * (n - 1) / 2,
            Variants = new[]
            {
                new Variant("await_now", (run, n) => Ready(run, n, AwaitNow)),
                new Variant("async", (run, n) => Ready(run, n, AwaitAsync)),
                new Variant("source", (run, n) => Ready(run, n, AwaitSource)),
            },
        },
        new Load
        {
            Name = "producer", Size = 1000000, WarmUp = 1000, Operations = n => n, Expected = n => n * (n + 1) / 2,
            Variants = new[] { new Variant("tasks", (run, n) => Inside(run, () => Producer(n))) },
        },
    };

    /// <summary>Measures the loop in a thread of the pool.</summary>
    static ulong Inside(Run run, Func<Task<ulong>> loop)
    {
        return Task.Run(async () =>
        {
            run.Begin();
            ulong sum = await loop();
            run.End();
            return sum;
        }).Result;
    }

    static ulong Fibonacci(ulong n)
    {
        ulong a = 0, b = 1;
        for (; n > 0; n--)
        {
            (a, b) = (b, a + b);
        }
        return a;
    }

    static async Task<ulong> Fib(ulong n)
    {
        if (n < 2)
        {
            return n;
        }
        Task<ulong> left = Task.Run(() => Fib(n - 1));
        ulong right = await Fib(n - 2);
        return await left + right;
    }

    static double Resident() =>
        double.Parse(File.ReadAllText("/proc/self/statm").Split(' ')[1]) * Environment.SystemPageSize;

    static async Task<ulong> Live(Run run, ulong n)
    {
        var tasks = new Task<ulong>[n];
        double before = Resident();
        ulong sum = 0;
        for (ulong i = 0; i < n; i++)
        {
            ulong number = i + 1;
            tasks[i] = Task.Run(() => number);
        }
        foreach (Task<ulong> task in tasks)
        {
            sum += await task;
        }
        run.Extra["bytes_per_task"] = (Resident() - before) / n;
        return sum;
    }

    const ulong Batch = 100;

    static ulong RunBatch(ulong first, ulong count)
    {
        var tasks = new Task<ulong>[count];
        ulong sum = 0;
        for (ulong i = 0; i < count; i++)
        {
            ulong number = first + i;
            tasks[i] = Task.Run(() => number);
        }
        Task.WaitAll(tasks);
        foreach (Task<ulong> task in tasks)
        {
            sum += task.Result;
        }
        return sum;
    }

    static ulong Produce(ulong first, ulong last)
    {
        ulong sum = 0;
        for (ulong at = first; at < last; at += Batch)
        {
            sum += RunBatch(at, Math.Min(last - at, Batch));
        }
        return sum;
    }

    static ulong External(Run run, ulong n, ulong producers)
    {
        var sums = new ulong[producers];
        using (var start = new Barrier((int)producers + 1))
        {
            var threads = Enumerable.Range(0, (int)producers).Select(index => new Thread(() =>
            {
                ulong i = (ulong)index;
                RunBatch(0, Batch);
                start.SignalAndWait();
                sums[i] = Produce(n * i / producers, n * (i + 1) / producers);
            })).ToArray();
            Array.ForEach(threads, thread => thread.Start());
            Native.Sleep(10000000); // they stand before the barrier; if not, the barrier waits
            run.Begin();
            start.SignalAndWait();
            Array.ForEach(threads, thread => thread.Join());
            run.End();
        }
        return sums.Aggregate((a, b) => a + b);
    }

    const long PauseNs = 200000;

    static ulong Latency(Run run, ulong n)
    {
        var us = new double[n];
        ulong sum = 0;
        run.Begin();
        for (ulong i = 0; i < n; i++)
        {
            Native.Sleep(PauseNs);
            double begun = Native.Seconds();
            sum += Task.Run(() => 1UL).Result;
            us[i] = 1e6 * (Native.Seconds() - begun);
        }
        run.End();
        Array.Sort(us);
        run.Extra["median_us"] = us[n / 2];
        run.Extra["cpu_us"] = 1e6 * run.Cpu / n;
        return sum;
    }

    /// <summary>A loop that never suspends.</summary>
    static ulong Ready(Run run, ulong n, Func<ulong, Task<ulong>> loop)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        run.Begin();
        ulong sum = loop(n).Result;
        run.End();
        run.Extra["bytes_per_operation"] = (double)(GC.GetAllocatedBytesForCurrentThread() - before) / n;
        return sum;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    static ValueTask<ulong> Next(ulong i) => new ValueTask<ulong>(i);

    static async Task<ulong> AwaitNow(ulong n)
    {
        ulong sum = 0;
        for (ulong i = 0; i < n; i++)
        {
            sum += await Next(i);
        }
        return sum;
    }

    static async ValueTask<ulong> Through(ulong i) => await Next(i);

    static async Task<ulong> AwaitAsync(ulong n)
    {
        ulong sum = 0;
        for (ulong i = 0; i < n; i++)
        {
            sum += await Through(i);
        }
        return sum;
    }

    static async Task<ulong> AwaitSource(ulong n)
    {
        var source = new Source();
        ulong sum = 0;
        for (ulong i = 0; i < n; i++)
        {
            ValueTask<ulong> task = source.Next();
            source.Set(i);
            sum += await task;
        }
        return sum;
    }

    sealed class Source : IValueTaskSource<ulong>
    {
        ManualResetValueTaskSourceCore<ulong> core;

        public ValueTask<ulong> Next()
        {
            core.Reset();
            return new ValueTask<ulong>(this, core.Version);
        }

        public void Set(ulong value) => core.SetResult(value);

        public ulong GetResult(short token) => core.GetResult(token);

        public ValueTaskSourceStatus GetStatus(short token) => core.GetStatus(token);

        public void OnCompleted(Action<object> continuation, object state, short token,
                                ValueTaskSourceOnCompletedFlags flags) =>
            core.OnCompleted(continuation, state, token, flags);
    }

    const long WorkNs = 1000;

    static async Task<ulong> Producer(ulong n)
    {
        var tasks = new Task<ulong>[n];
        for (ulong i = 0; i < n; i++)
        {
            ulong number = i + 1;
            tasks[i] = Task.Run(() =>
            {
                Run.Spin(WorkNs);
                return number;
            });
        }
        ulong sum = 0;
        foreach (ulong number in await Task.WhenAll(tasks))
        {
            sum += number;
        }
        return sum;
    }
}
