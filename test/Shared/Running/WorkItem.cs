using System.Diagnostics;

namespace KestrelEventLoopTransport.Testing;

/// <summary>Work that says when it has run.</summary>
internal sealed class WorkItem(Action work) : IThreadPoolWorkItem
{
    private readonly TaskCompletionSource _ran = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Fails with what the work threw.</summary>
    public Task Ran => _ran.Task;

    public void Execute()
    {
        try
        {
            work();
            _ran.TrySetResult();
        }
        catch (Exception exception)
        {
            _ran.TrySetException(exception);
            throw;
        }
    }

    /// <summary>Keeps the calling thread until it has run.</summary>
    public void Wait()
    {
        if (!Ran.Wait(TaskTimeoutExtensions.Default))
        {
            throw new TimeoutException("The work has not run.");
        }
    }

    /// <summary>Keeps the calling thread busy.</summary>
    public static void Compute(TimeSpan time)
    {
        for (var start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start) < time;)
        {
        }
    }
}
