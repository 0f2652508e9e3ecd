using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace KestrelEventLoopTransport.Testing;

/// <summary>Waits for something that announces itself only by being looked at.</summary>
internal static class Poll
{
    public static Task UntilAsync(
        Func<bool> condition,
        Func<string>? state = null,
        [CallerArgumentExpression(nameof(condition))] string what = "")
        => UntilAsync(() => ValueTask.FromResult(condition()), state, what);

    public static async Task UntilAsync(
        Func<ValueTask<bool>> condition,
        Func<string>? state = null,
        [CallerArgumentExpression(nameof(condition))] string what = "")
    {
        var start = Stopwatch.GetTimestamp();
        while (!await condition())
        {
            if (Stopwatch.GetElapsedTime(start) > TaskTimeoutExtensions.Default)
            {
                throw new TimeoutException($"Never happened: {what}. {state?.Invoke()}");
            }

            await Task.Delay(5);
        }
    }
}
