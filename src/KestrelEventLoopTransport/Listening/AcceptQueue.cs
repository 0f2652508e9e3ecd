using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Threading.Tasks.Sources;
using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Loops;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Listening;

/// <summary>
/// The connections of a listener between its acceptors, which add them, and the application, which takes one at a time.
/// </summary>
/// <remarks>
/// <para>
/// The state of the one <c>AcceptAsync</c> that may be pending: <c>Idle</c>, or <c>Waiting</c>. AcceptAsync moves it to
/// Waiting and then looks again; whoever then moves it back to Idle, exactly one, completes the wait: an acceptor that
/// has added a connection, the cancellation token, <see cref="Complete"/>, or AcceptAsync itself.
/// </para>
/// <para>
/// Nothing is lost: connections are added, and the end is set, before the state is looked at; and the end is set only
/// when no acceptor can add any more. Nothing is made up: a connection may have been taken by an earlier AcceptAsync
/// before its acceptor looks at the state, so whoever has claimed the wait looks for an outcome once more. While it is
/// claimed nobody takes connections.
/// </para>
/// </remarks>
internal sealed class AcceptQueue(EndPoint endPoint, EventLoopGroup group) : IValueTaskSource<ConnectionContext?>, IThreadPoolWorkItem, IDispatchTarget
{
    private const int Idle = 0;
    private const int Waiting = 1;

    // Connections taken in one go on a loop's thread before the loop's other work gets its turn.
    private const int MaxBurst = 64;

    private readonly ConcurrentQueue<(StreamConnection Connection, Acceptor Acceptor)> _connections = new();
    private ManualResetValueTaskSourceCore<bool> _source;
    private CancellationToken _cancellationToken;
    private CancellationTokenRegistration _registration;
    private int _state;
    private int _burst;
    private bool _pending;
    private volatile bool _completed;
    private volatile bool _tokenFired;

    private bool HasOutcome => !_connections.IsEmpty || _completed || _tokenFired;

    /// <summary>The next connection; null after <see cref="Complete"/> when there is none left.</summary>
    internal ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken)
    {
        if (_pending)
        {
            throw new InvalidOperationException("An accept is in progress.");
        }

        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<ConnectionContext?>(cancellationToken);
        }

        if (_connections.IsEmpty)
        {
            return _completed && _connections.IsEmpty ? default : WaitAsync(cancellationToken);
        }

        if (++_burst > MaxBurst && ThreadActivity.Current is not null)
        {
            return YieldAsync();
        }

        return new(Take());
    }

    /// <summary>Adds a connection; <see cref="Announce"/> is to follow.</summary>
    internal void Add(StreamConnection connection, Acceptor acceptor) => _connections.Enqueue((connection, acceptor));

    /// <summary>Wakes the application if it waits, where the loop's application code runs.</summary>
    internal void Announce(EventLoop loop)
    {
        if (TryClaim())
        {
            loop.Callbacks.Run(this);
        }
    }

    /// <summary>No acceptor will add a connection any more.</summary>
    internal void Complete()
    {
        _completed = true;
        ResumeOnPool();
    }

    /// <summary>Takes what the application has left behind. After <see cref="Complete"/>.</summary>
    internal bool TryTakeLeft([NotNullWhen(true)] out StreamConnection? connection)
    {
        connection = _connections.TryDequeue(out var item) ? item.Connection : null;
        return connection is not null;
    }

    void IThreadPoolWorkItem.Execute() => Resume();

    void IDispatchTarget.OnOverdue()
    {
        // Nothing waits for the end of an accept callback.
    }

    string IDispatchTarget.Describe() => $"the listener on {endPoint}";

    ConnectionContext? IValueTaskSource<ConnectionContext?>.GetResult(short token)
    {
        _registration.Dispose();
        _registration = default;
        _pending = false;
        _source.GetResult(token);
        return Take();
    }

    ValueTaskSourceStatus IValueTaskSource<ConnectionContext?>.GetStatus(short token) => _source.GetStatus(token);

    void IValueTaskSource<ConnectionContext?>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
        => _source.OnCompleted(continuation, state, token, flags);

    private ValueTask<ConnectionContext?> WaitAsync(CancellationToken cancellationToken)
    {
        var result = Begin();
        _cancellationToken = cancellationToken;
        if (cancellationToken.CanBeCanceled)
        {
            _registration = cancellationToken.UnsafeRegister(static queue => ((AcceptQueue)queue!).OnTokenFired(), this);
        }

        // A full fence: connections are looked for after it, and announced after they were added.
        Interlocked.Exchange(ref _state, Waiting);
        if (TryClaim())
        {
            _source.SetResult(true);
        }

        return result;
    }

    /// <summary>There is a connection, but the loop's other work goes first.</summary>
    private ValueTask<ConnectionContext?> YieldAsync()
    {
        var result = Begin();
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        return result;
    }

    private ValueTask<ConnectionContext?> Begin()
    {
        _pending = true;
        _tokenFired = false;
        _source.Reset();
        return new(this, _source.Version);
    }

    private StreamConnection? Take()
    {
        if (_connections.TryDequeue(out var item))
        {
            item.Acceptor.OnTaken();
            return item.Connection;
        }

        return _tokenFired ? throw new OperationCanceledException(_cancellationToken) : null;
    }

    /// <summary>Claims the wait if there is one and something to end it with.</summary>
    private bool TryClaim()
    {
        // The exchanges are full fences: who waits and who adds do not miss each other.
        while (HasOutcome && Interlocked.CompareExchange(ref _state, Idle, Waiting) == Waiting)
        {
            if (HasOutcome)
            {
                return true;
            }

            Interlocked.Exchange(ref _state, Waiting);
        }

        return false;
    }

    private void OnTokenFired()
    {
        _tokenFired = true;
        ResumeOnPool();
    }

    private void ResumeOnPool()
    {
        if (TryClaim())
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    private void Resume()
    {
        _burst = 0;
        using var scope = CallbackScope.Enter(this);
        try
        {
            _source.SetResult(true);
        }
        catch (Exception exception)
        {
            group.OnCallbackFailed(exception);
        }
    }
}
