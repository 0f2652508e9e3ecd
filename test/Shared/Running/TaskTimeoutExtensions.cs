using System.Runtime.CompilerServices;

namespace KestrelEventLoopTransport.Testing;

/// <summary>Hang guards. They only turn a hang into a failure; no test depends on how long something takes.</summary>
internal static class TaskTimeoutExtensions
{
    /// <summary>
    /// Long enough for the slowest machine; KESTREL_TEST_HANG_SECONDS shortens it while hunting a hang.
    /// </summary>
    public static readonly TimeSpan Default = TimeSpan.FromSeconds(
        int.TryParse(Environment.GetEnvironmentVariable("KESTREL_TEST_HANG_SECONDS"), out var seconds) ? seconds : 45);

    public static async Task DefaultTimeout(
        this Task task,
        [CallerArgumentExpression(nameof(task))] string what = "",
        [CallerLineNumber] int line = 0)
    {
        try
        {
            await task.WaitAsync(Default);
        }
        catch (TimeoutException) when (!task.IsCompleted)
        {
            throw new TimeoutException($"Hung: {what} (line {line}).");
        }
    }

    public static async Task<T> DefaultTimeout<T>(
        this Task<T> task,
        [CallerArgumentExpression(nameof(task))] string what = "",
        [CallerLineNumber] int line = 0)
    {
        await DefaultTimeout((Task)task, what, line);
        return await task;
    }

    public static Task DefaultTimeout(
        this ValueTask task,
        [CallerArgumentExpression(nameof(task))] string what = "",
        [CallerLineNumber] int line = 0)
        => task.AsTask().DefaultTimeout(what, line);

    public static Task<T> DefaultTimeout<T>(
        this ValueTask<T> task,
        [CallerArgumentExpression(nameof(task))] string what = "",
        [CallerLineNumber] int line = 0)
        => task.AsTask().DefaultTimeout(what, line);
}
