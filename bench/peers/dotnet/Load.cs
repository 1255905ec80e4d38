// Load.cs: what the loads share: load.h's command line, measurement and line of JSON, for .NET. C# 7.
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.Linq;
using System.Runtime.InteropServices;
using System.Threading;

/// <summary>One way to do a load. Body(run, size) measures itself, and returns the result.</summary>
sealed class Variant
{
    public readonly string Name;
    public readonly Func<Run, ulong, ulong> Body;

    public Variant(string name, Func<Run, ulong, ulong> body)
    {
        Name = name;
        Body = body;
    }
}

/// <summary>A load, and what is to come out.</summary>
sealed class Load
{
    public string Name;
    public ulong Size;   // unless --size says otherwise
    public ulong WarmUp; // the largest size to warm up with
    public Func<ulong, ulong> Operations, Expected; // of a size
    public Variant[] Variants;
}

/// <summary>One run: what is measured.</summary>
sealed class Run
{
    double begun, begunCpu;

    public double Seconds { get; private set; }
    public double Cpu { get; private set; } // of all threads

    public Dictionary<string, double> Extra { get; } = new Dictionary<string, double>();

    public void Begin()
    {
        begunCpu = Native.CpuSeconds();
        begun = Native.Seconds();
    }

    public void End()
    {
        Seconds = Native.Seconds() - begun;
        Cpu = Native.CpuSeconds() - begunCpu;
    }

    /// <summary>Busy for that long.</summary>
    public static void Spin(long ns)
    {
        long end = Stopwatch.GetTimestamp() + ns * Stopwatch.Frequency / 1000000000;
        while (Stopwatch.GetTimestamp() < end)
        {
        }
    }
}

/// <summary>The C library's clocks and sleep: .NET's own count the CPU in ticks of 10 ms, and sleep in milliseconds.</summary>
static class Native
{
    struct Timespec
    {
        public long Seconds, Nanoseconds;
    }

    const int ClockMonotonic = 1, ClockProcessCpu = 2;

    [DllImport("libc")]
    static extern int clock_gettime(int clock, out Timespec now);

    [DllImport("libc")]
    static extern int nanosleep(ref Timespec time, out Timespec left);

    static double Read(int clock)
    {
        clock_gettime(clock, out Timespec now);
        return now.Seconds + 1e-9 * now.Nanoseconds;
    }

    public static double Seconds() => Read(ClockMonotonic);

    public static double CpuSeconds() => Read(ClockProcessCpu);

    public static void Sleep(long ns)
    {
        var left = new Timespec { Seconds = ns / 1000000000, Nanoseconds = ns % 1000000000 };
        while (nanosleep(ref left, out Timespec rest) != 0)
        {
            left = rest;
        }
    }
}

static class Program
{
    const int WarmUpMs = 500; // the JIT compiles anew what it sees often, and takes some 100 ms before it begins

    static void Fail(string why)
    {
        Console.Error.WriteLine(why);
        Environment.Exit(1);
    }

    static ulong Number(string text)
    {
        if (!ulong.TryParse(text, out ulong number) || number == 0)
        {
            Fail($"not a number above 0: {text}");
        }
        return number;
    }

    static void UseWorkers(int workers)
    {
        if (!ThreadPool.SetMinThreads(workers, workers) || !ThreadPool.SetMaxThreads(workers, workers))
        {
            Fail($"the thread pool refuses to have {workers} threads");
        }
    }

    static void Measure(Load load, Variant variant, int workers, ulong size)
    {
        var run = new Run();
        UseWorkers(workers);
        for (var clock = Stopwatch.StartNew(); clock.ElapsedMilliseconds < WarmUpMs;)
        {
            variant.Body(run, Math.Min(size, load.WarmUp));
        }
        ulong result = variant.Body(run, size);
        if (result != load.Expected(size))
        {
            Fail($"bench-{load.Name} (dotnet, {variant.Name}): wrong result: {result} instead of {load.Expected(size)}");
        }
        string extra = string.Join(", ", run.Extra.Select(member => $"\"{member.Key}\": {member.Value:G9}"));
        Console.WriteLine($"{{\"load\": \"{load.Name}\", \"peer\": \"dotnet\", \"variant\": \"{variant.Name}\", " +
                          $"\"workers\": {workers}, \"size\": {size}, \"seconds\": {run.Seconds:F9}, " +
                          $"\"operations\": {load.Operations(size)}, \"result\": {result}, \"cpu\": {run.Cpu:F9}, " +
                          $"\"extra\": {{{extra}}}}}");
    }

    /// <summary>LOAD [--list] [--variant NAME] [--workers N] [--size S]</summary>
    static void Main(string[] args)
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        Load load = Loads.All.Single(one => one.Name == args[0]);
        Variant variant = load.Variants[0];
        int workers = 1;
        ulong size = load.Size;
        for (int i = 1; i < args.Length; i++)
        {
            if (args[i] == "--list")
            {
                Array.ForEach(load.Variants, one => Console.WriteLine(one.Name));
                return;
            }
            string option = args[i], value = ++i < args.Length ? args[i] : "";
            switch (option)
            {
                case "--variant":
                    variant = load.Variants.FirstOrDefault(one => one.Name == value);
                    break;
                case "--workers":
                    workers = (int)Number(value);
                    break;
                case "--size":
                    size = Number(value);
                    break;
                default:
                    Fail($"unknown option {option}");
                    break;
            }
        }
        if (variant == null)
        {
            Fail($"bench-{load.Name}: no such variant; see --list");
        }
        Measure(load, variant, workers, size);
    }
}
