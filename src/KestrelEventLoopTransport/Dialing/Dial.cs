using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Loops.Timers;
using KestrelEventLoopTransport.Native;
using KestrelEventLoopTransport.Polling;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Dialing;

/// <summary>
/// One call of <c>ConnectAsync</c>: its sockets on their way, and the moment at which its next step is due.
/// <see cref="DialState"/> decides, this class does it.
/// </summary>
/// <remarks>
/// <para>
/// Events come on any thread: the loop's (a socket is ready, a moment has come), the pool's (a name is resolved) and
/// the caller's (cancellation). They meet under the lock. It is held during system calls that do not wait, and never
/// while the hook or other code of the application runs.
/// </para>
/// <para>
/// The end comes once, under the lock, and takes the sockets of all attempts but the winner's. The thread that has
/// ended the dial then calls <see cref="Complete"/>. The dial holds a reference to the group of loops. It passes to the
/// connection, or is released there.
/// </para>
/// </remarks>
[SuppressMessage("Design", "CA1001", Justification = "The source has neither a timer nor a wait handle.")]
internal sealed partial class Dial : LoopTimer, IDispatchTarget
{
    private readonly Lock _lock = new();
    private readonly DialContext _context;
    private readonly DialedConnections _connections;
    private readonly EndPoint _target;
    private readonly AddressFamily[] _families;
    private readonly DialState _state;
    private readonly List<ConnectAttempt> _attempts = [];

    // Continuations run where the result is delivered, as those of a read do.
    private readonly TaskCompletionSource<ConnectionContext> _result = new();

    // What the hook runs in, on whatever thread. Not captured without a hook.
    private readonly ExecutionContext? _caller;
    private readonly int _beginner = Environment.CurrentManagedThreadId;

    // Ends the lookups with the dial, whatever has ended it.
    private readonly CancellationTokenSource? _lookups;
    private CancellationTokenRegistration _registration;
    private bool _hasBegun;
    private bool _hasEnded;
    private ConnectAttempt? _winner;
    private ConnectionContext? _connection;
    private Exception? _failure;

    /// <param name="connections">Owns the connection. The dial has a reference to its group.</param>
    /// <param name="loop">The loop that polls the sockets and gets the connection.</param>
    /// <param name="target">What to connect to.</param>
    internal Dial(DialedConnections connections, EventLoop loop, EndPoint target)
        : base(loop)
    {
        _context = connections.Context;
        _connections = connections;
        _target = target;
        _caller = _context.Options.ConfigureClientSocket is null ? null : ExecutionContext.Capture();
        _families = target is DnsEndPoint name ? FamiliesOf(name) : [];
        _state = new DialState(_context.Times, LoopClock.Now, _families);
        if (target is DnsEndPoint)
        {
            _lookups = new CancellationTokenSource();
        }
        else
        {
            _state.OnResolved(target.AddressFamily, [target], LoopClock.Now);
        }
    }

    /// <summary>
    /// Whether the calling thread is inside of <see cref="RunAsync"/>: then it can have the result at once.
    /// </summary>
    internal bool IsBeginning => !_hasBegun && _beginner == Environment.CurrentManagedThreadId;

    /// <summary>Begins. The task fails as <c>ConnectAsync</c> says.</summary>
    internal Task<ConnectionContext> RunAsync(CancellationToken cancellationToken)
    {
        _registration = cancellationToken.UnsafeRegister(
            static (dial, token) => ((Dial)dial!).End(new OperationCanceledException(token)), this);
        foreach (var family in _families)
        {
            _ = ResolveAsync((DnsEndPoint)_target, family, _lookups!.Token);
        }

        Advance();
        _hasBegun = true;
        return _result.Task;
    }

    /// <summary>A socket that was connecting is ready. The loop's thread.</summary>
    internal void OnReady(ConnectAttempt attempt, PollEvents events)
    {
        bool isEnd;
        lock (_lock)
        {
            if (!attempt.IsOpen || _hasEnded || !TryFinish(attempt, attempt.Finish(events)))
            {
                return;
            }

            isEnd = _hasEnded;
        }

        if (isEnd)
        {
            Complete(isReady: true);
        }
        else
        {
            AdvanceFromLoop();
        }
    }

    protected override long OnDue(long now)
    {
        AdvanceFromLoop();
        return Never;
    }

    void IDispatchTarget.OnOverdue()
    {
        // Nothing of the dial's waits for the end of a continuation.
    }

    string IDispatchTarget.Describe() => $"what awaited a connection to {DialFailure.Name(_target)}";

    /// <summary>The loop's thread. It does not run the application's hook.</summary>
    private void AdvanceFromLoop()
    {
        if (_context.Options.ConfigureClientSocket is null)
        {
            Advance();
        }
        else
        {
            ThreadPool.UnsafeQueueUserWorkItem(static dial => dial.Advance(), this, preferLocal: false);
        }
    }

    /// <summary>Does what there is to do now. Any thread, also several at a time.</summary>
    private void Advance()
    {
        while (TryStep(out var attempt))
        {
            if (attempt is not null)
            {
                Open(attempt);
            }
        }
    }

    /// <summary>
    /// Takes the next step. False when the dial has to wait or has ended.
    /// </summary>
    /// <param name="attempt">An attempt that begins.</param>
    private bool TryStep(out ConnectAttempt? attempt)
    {
        attempt = null;
        lock (_lock)
        {
            if (_hasEnded)
            {
                return false;
            }

            var now = LoopClock.Now;
            Retry(now);
            var move = _hasEnded ? default : _state.Next(now);
            switch (move.Kind)
            {
                case DialMoveKind.Start:
                    attempt = new ConnectAttempt(this, move.Attempt, _state.Attempts[move.Attempt].EndPoint);
                    _attempts.Add(attempt);
                    return true;
                case DialMoveKind.Abandon:
                    _attempts[move.Attempt].Close(Loop, _context);
                    return true;
                case DialMoveKind.Fail:
                    EndLocked(winner: null, DialFailure.Create(_target, _state));
                    break;
                case DialMoveKind.Wait when !_hasEnded:
                    Set(_attempts.Aggregate(move.Until, static (until, other) => Math.Min(until, other.RetryAt)));
                    return false;
            }
        }

        Complete();
        return false;
    }

    /// <summary>Makes the socket of an attempt, and begins to connect it.</summary>
    private void Open(ConnectAttempt attempt)
    {
        int fd;
        try
        {
            fd = attempt.Open(_context, _caller);
        }
        catch (Exception exception)
        {
            lock (_lock)
            {
                if (_state.Attempts[attempt.Number].IsActive)
                {
                    _state.OnFailed(attempt.Number, exception);
                }
            }

            return;
        }

        bool isEnd;
        lock (_lock)
        {
            if (_hasEnded || !_state.Attempts[attempt.Number].IsActive)
            {
                // The hook took longer than there was time.
                _context.Close(fd);
                return;
            }

            Connect(attempt, fd);
            isEnd = _hasEnded;
        }

        if (isEnd)
        {
            Complete();
        }
    }

    /// <summary>Under the lock. Begins to connect, or tries once more.</summary>
    /// <param name="attempt">The attempt.</param>
    /// <param name="fd">Its new socket; <see langword="null"/> to try once more.</param>
    private void Connect(ConnectAttempt attempt, int? fd)
    {
        try
        {
            TryFinish(attempt, fd is { } opened ? attempt.Connect(Loop, opened) : attempt.Retry(Loop));
        }
        catch (Exception exception)
        {
            // No room for one more descriptor in the poller.
            Fail(attempt, exception);
        }
    }

    /// <summary>Under the lock. Unix sockets whose listener had no room try again.</summary>
    private void Retry(long now)
    {
        foreach (var attempt in _attempts)
        {
            if (attempt.RetryAt <= now && !_hasEnded)
            {
                Connect(attempt, fd: null);
            }
        }
    }

    /// <summary>Under the lock. False when the attempt goes on.</summary>
    private bool TryFinish(ConnectAttempt attempt, int error)
    {
        switch (error)
        {
            case Errno.EINPROGRESS:
                return false;
            case 0:
                EndLocked(attempt, failure: null);
                return true;
            default:
                Fail(attempt, Errno.ToException(error));
                return true;
        }
    }

    /// <summary>Under the lock.</summary>
    private void Fail(ConnectAttempt attempt, Exception error)
    {
        attempt.Close(Loop, _context);
        _state.OnFailed(attempt.Number, error);
    }
}
