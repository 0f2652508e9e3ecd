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
/// At most one <c>AcceptAsync</c> waits (<see cref="AcceptWait"/>). It begins to wait and then looks into the queue
/// again. The one thread that claims the wait completes it: an acceptor that has added a connection, the cancellation
/// token, <see cref="Complete"/>, or AcceptAsync itself.
/// </para>
/// <para>
/// No connection is lost: an acceptor adds it before it looks for a wait, and the end is set only when no acceptor can
/// add any more. No wait ends without an outcome: an earlier AcceptAsync may have taken the connection before its
/// acceptor claims the wait, so the acceptor looks into the queue once more. While the wait is claimed, no other thread
/// takes connections.
/// </para>
/// </remarks>
internal sealed class AcceptQueue(EndPoint endPoint, EventLoopGroup group)
    : IValueTaskSource<ConnectionContext?>, IThreadPoolWorkItem, IDispatchTarget
{
    // Connections taken without a pause on a loop's thread before the loop's other work has its turn.
    private const int MaxBurst = 64;

    private readonly ConcurrentQueue<(StreamConnection Connection, ConnectionIntake Intake)> _connections = new();
    private ManualResetValueTaskSourceCore<bool> _source;
    private CancellationToken _cancellationToken;
    private CancellationTokenRegistration _registration;
    private AcceptWait _wait;
    private int _burst;
    private bool _isPending;

    /// <summary>The next connection; null after <see cref="Complete"/> when there is none left.</summary>
    internal ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken)
    {
        if (_isPending)
        {
            throw new InvalidOperationException("AcceptAsync was called before the previous accept had completed.");
        }

        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<ConnectionContext?>(cancellationToken);
        }

        if (_connections.IsEmpty)
        {
            return WaitAsync(cancellationToken);
        }

        if (++_burst > MaxBurst && ThreadActivity.Current is not null)
        {
            return YieldAsync();
        }

        return new(Take(isCanceled: false));
    }

    /// <summary>Adds a connection. <see cref="Announce"/> has to follow.</summary>
    internal void Add(StreamConnection connection, ConnectionIntake intake)
        => _connections.Enqueue((connection, intake));

    /// <summary>Resumes the application if it waits, where the loop's application code runs.</summary>
    internal void Announce(EventLoop loop)
    {
        if (TryClaimForConnection())
        {
            loop.Callbacks.Run(this);
        }
    }

    /// <summary>No acceptor will add a connection any more.</summary>
    internal void Complete()
    {
        if (_wait.Complete())
        {
            ResumeOnPool();
        }
    }

    /// <summary>Takes a connection that the application has not taken. After <see cref="Complete"/>.</summary>
    internal bool TryTakeRemaining([NotNullWhen(true)] out StreamConnection? connection)
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
        // Afterwards the token of this accept does not fire any more.
        _registration.Dispose();
        _registration = default;
        _isPending = false;
        _source.GetResult(token);
        return Take(_wait.TakeCanceled());
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
            _registration = cancellationToken.UnsafeRegister(
                static queue => ((AcceptQueue)queue!).OnTokenFired(), this);
        }

        if (!_wait.TryWait() || TryClaimForConnection())
        {
            _source.SetResult(true);
        }

        return result;
    }

    /// <summary>Postpones an accept, although there is a connection: the loop's other work goes first.</summary>
    private ValueTask<ConnectionContext?> YieldAsync()
    {
        var result = Begin();
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        return result;
    }

    private ValueTask<ConnectionContext?> Begin()
    {
        _isPending = true;
        _source.Reset();
        return new(this, _source.Version);
    }

    private StreamConnection? Take(bool isCanceled)
    {
        if (_connections.TryDequeue(out var item))
        {
            item.Intake.OnTaken();
            item.Connection.OnTaken();
            return item.Connection;
        }

        return isCanceled ? throw new OperationCanceledException(_cancellationToken) : null;
    }

    /// <summary>Claims the wait if there is a connection to end it with.</summary>
    private bool TryClaimForConnection()
    {
        while (!_connections.IsEmpty && _wait.TryClaim())
        {
            // If the wait cannot begin again, the token or the end has come meanwhile: that is an outcome too.
            if (!_connections.IsEmpty || !_wait.TryWait())
            {
                return true;
            }
        }

        return false;
    }

    private void OnTokenFired()
    {
        if (_wait.Cancel())
        {
            ResumeOnPool();
        }
    }

    private void ResumeOnPool() => ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);

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
