using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using KestrelEventLoopTransport.Framing.Benchmarks;

// dotnet run -c Release --project test/KestrelEventLoopTransport.Framing.Benchmarks -- --filter '*'
//
// All figures are per frame of 32 bytes. In this process: a project generated for each benchmark would take minutes.
var job = Job.Default
    .WithToolchain(InProcessEmitToolchain.Instance)
    .WithWarmupCount(6)
    .WithIterationCount(8)
    .WithIterationTime(Perfolizer.Horology.TimeInterval.FromMilliseconds(80));
var config = ManualConfig.CreateMinimumViable()
    .AddJob(job)
    .AddDiagnoser(MemoryDiagnoser.Default)
    .AddColumn(StatisticColumn.Median)
    .HideColumns(Column.Error, Column.StdDev, Column.Job, Column.Toolchain);
BenchmarkSwitcher.FromAssembly(typeof(Frames).Assembly).Run(args, config);
