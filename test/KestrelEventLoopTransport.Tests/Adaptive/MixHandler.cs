using System.Buffers;
using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Adaptive;

/// <summary>Echoes, and on the way does everything that makes a loop change hands, and some that does not.</summary>
internal sealed class MixHandler(int seed)
{
    private readonly ConcurrentDictionary<string, bool> _loopThreads = new();
    private int _connections;

    /// <summary>How many threads of loops have run the handler.</summary>
    public int LoopThreads => _loopThreads.Count;

    public async Task RunAsync(ConnectionContext connection)
    {
        var random = new Random(unchecked((seed * 397) - Interlocked.Increment(ref _connections)));
        var input = connection.Transport.Input;
        while (true)
        {
            var result = await input.ReadAsync();
            if (Thread.CurrentThread.Name is { } name && TestApp.IsLoopThread(name))
            {
                _loopThreads.TryAdd(name, true);
            }

            await PauseAsync(random);

            // Some of the input may stay for the next read.
            var buffer = result.Buffer;
            var length = buffer.Length;
            var taken = length > 1 && random.Next(8) == 0 ? length / 2 : length;
            await SendAsync(connection, buffer.Slice(0, taken), random);
            input.AdvanceTo(buffer.GetPosition(taken));
            if (result.IsCompleted && taken == length)
            {
                return;
            }

            if (random.Next(10) == 0)
            {
                await PauseAsync(random);
            }
        }
    }

    private static async Task SendAsync(ConnectionContext connection, ReadOnlySequence<byte> bytes, Random random)
    {
        var output = connection.Transport.Output;
        var piecemeal = random.Next(4) == 0;
        while (!bytes.IsEmpty)
        {
            var piece = piecemeal ? Math.Min(bytes.Length, random.Next(1, 4000)) : bytes.Length;
            foreach (var segment in bytes.Slice(0, piece))
            {
                output.Write(segment.Span);
            }

            bytes = bytes.Slice(piece);
            await output.FlushAsync();
            if (piecemeal && random.Next(3) == 0)
            {
                await PauseAsync(random);
            }
        }
    }

    private static async ValueTask PauseAsync(Random random)
    {
        switch (random.Next(10))
        {
            case 0:
                Thread.Sleep(random.Next(4));
                break;
            case 1:
                Spin(TimeSpan.FromMicroseconds(random.Next(600)));
                break;
            case 2:
                await Task.Yield();
                break;
            case 3:
                await Task.Delay(random.Next(3));
                break;
            default:
                break;
        }
    }

    internal static void Spin(TimeSpan time)
    {
        var start = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(start) < time)
        {
        }
    }
}
