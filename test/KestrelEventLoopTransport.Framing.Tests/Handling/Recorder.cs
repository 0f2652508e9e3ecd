using System.Buffers;
using System.Collections.Concurrent;
using System.Text;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Framing.Tests.Handling;

/// <summary>
/// A handler that does what a test says, and checks in every callback what all handlers are promised.
/// </summary>
internal sealed class Recorder : FrameHandler
{
    private readonly ConcurrentDictionary<FrameConnection, State> _states = new();
    private readonly TaskCompletionSource<FrameConnection> _connected = NewSource<FrameConnection>();
    private readonly TaskCompletionSource<Exception?> _disconnected = NewSource<Exception?>();

    public Func<FrameConnection, ValueTask>? Connected { get; init; }

    public Func<FrameConnection, string, ValueTask>? Frame { get; init; }

    public Func<FrameConnection, FrameException, ValueTask>? Invalid { get; init; }

    public Func<FrameConnection, ValueTask>? Tick { get; init; }

    /// <summary>What each tick returns.</summary>
    public Func<TimeSpan?>? NextTick { get; init; }

    public Func<FrameConnection, ValueTask>? Woken { get; init; }

    public Func<FrameConnection, ValueTask>? PeerFinished { get; init; }

    public Func<FrameConnection, Exception?, ValueTask>? Disconnected { get; init; }

    /// <summary>What was broken of the promises.</summary>
    public ConcurrentQueue<string> Violations { get; } = new();

    /// <summary>The first connection.</summary>
    public Task<FrameConnection> Connection => _connected.Task.DefaultTimeout();

    /// <summary>Why the first connection to end has ended; its callback has completed.</summary>
    public Task<Exception?> End => _disconnected.Task.DefaultTimeout();

    public int Ticks;

    public int Wakes;

    public int Frames;

    protected internal override ValueTask OnConnectedAsync(FrameConnection connection)
        => RunAsync(connection, "connected", async () =>
        {
            _connected.TrySetResult(connection);
            await (Connected?.Invoke(connection) ?? default);
        });

    protected internal override ValueTask OnFrameAsync(FrameConnection connection, ReadOnlySequence<byte> frame)
        => RunAsync(connection, "frame", () =>
        {
            Interlocked.Increment(ref Frames);
            return Frame?.Invoke(connection, Encoding.Latin1.GetString(frame)) ?? default;
        });

    protected internal override ValueTask OnInvalidFrameAsync(FrameConnection connection, FrameException exception)
        => RunAsync(connection, "invalid", () => Invalid?.Invoke(connection, exception) ?? default);

    protected internal override async ValueTask<TimeSpan?> OnTickAsync(FrameConnection connection)
    {
        // Asked before the tick is counted: a test that has seen the tick may change what the next one returns.
        var next = NextTick?.Invoke();
        await RunAsync(connection, "tick", () =>
        {
            Interlocked.Increment(ref Ticks);
            return Tick?.Invoke(connection) ?? default;
        });
        return next;
    }

    protected internal override ValueTask OnWakeAsync(FrameConnection connection)
        => RunAsync(connection, "wake", () =>
        {
            Interlocked.Increment(ref Wakes);
            return Woken?.Invoke(connection) ?? default;
        });

    protected internal override ValueTask OnPeerFinishedAsync(FrameConnection connection)
        => RunAsync(connection, "finished", () => PeerFinished?.Invoke(connection) ?? default);

    protected internal override async ValueTask OnDisconnectedAsync(FrameConnection connection, Exception? exception)
    {
        try
        {
            await RunAsync(connection, "disconnected", () => Disconnected?.Invoke(connection, exception) ?? default);
        }
        finally
        {
            _disconnected.TrySetResult(exception);
        }
    }

    /// <summary>The first connection ends because of a time-out.</summary>
    /// <param name="limit">The name of its option.</param>
    public async Task AssertTimedOutAsync(string limit)
    {
        var aborted = Assert.IsType<ConnectionAbortedException>(await End);
        Assert.Contains($"({limit})", aborted.Message, StringComparison.Ordinal);
        Assert.IsType<TimeoutException>(aborted.InnerException);
    }

    public static TaskCompletionSource<T> NewSource<T>() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private async ValueTask RunAsync(FrameConnection connection, string callback, Func<ValueTask> action)
    {
        var state = _states.GetOrAdd(connection, static _ => new State());
        if (Interlocked.Increment(ref state.Running) != 1)
        {
            Violations.Enqueue($"{callback} runs beside {state.Last}");
        }

        if (state.Last == "disconnected" || (state.Last is null) != (callback == "connected"))
        {
            Violations.Enqueue($"{callback} after {state.Last ?? "nothing"}");
        }

        state.Last = callback;
        try
        {
            await action();
        }
        finally
        {
            if (state.Last != callback)
            {
                Violations.Enqueue($"{state.Last} while {callback} was running");
            }

            Interlocked.Decrement(ref state.Running);
        }
    }

    // Only one callback may touch Last at a time: it is not synchronised, on purpose.
    private sealed class State
    {
        public int Running;
        public string? Last;
    }
}
