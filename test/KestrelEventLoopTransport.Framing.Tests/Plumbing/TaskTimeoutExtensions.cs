using System.Runtime.CompilerServices;

namespace KestrelEventLoopTransport.Framing.Tests;

/// <summary>Hang guards. They only turn a hang into a failure; no test depends on how long something takes.</summary>
internal static class TaskTimeoutExtensions
{
    public static TimeSpan Default { get; } = TimeSpan.FromSeconds(45);

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
}
