using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace KestrelEventLoopTransport.Framing.Tests;

/// <summary>Waits for something that announces itself only by being looked at.</summary>
internal static class Poll
{
    public static async Task UntilAsync(Func<bool> condition, [CallerArgumentExpression(nameof(condition))] string what = "")
    {
        var start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            if (Stopwatch.GetElapsedTime(start) > TaskTimeoutExtensions.Default)
            {
                throw new TimeoutException($"Never happened: {what}.");
            }

            await Task.Delay(1);
        }
    }
}
