using System.Diagnostics.CodeAnalysis;
using System.Threading.Tasks.Sources;

namespace KestrelEventLoopTransport.Connections.Output;

/// <summary>
/// A flush that waits for room, as the application sees it: the value task, and the registration of its cancellation
/// token. Only the writer uses it, except that another thread completes <see cref="Source"/>.
/// </summary>
internal struct PendingFlush
{
    private ManualResetValueTaskSourceCore<bool> _source;
    private CancellationTokenRegistration _registration;
    private bool _isAwaited;

    /// <summary>
    /// Whether the application has a flush whose result it has not taken. That flush may have completed.
    /// </summary>
    internal bool IsOutstanding { get; private set; }

    internal readonly short Version => _source.Version;

    /// <summary>The cancellation token of the last flush that had one.</summary>
    internal CancellationToken Token { get; private set; }

    /// <summary>Completes the flush.</summary>
    [UnscopedRef]
    internal ref ManualResetValueTaskSourceCore<bool> Source => ref _source;

    /// <summary>Prepares a flush. It is outstanding when it has parked.</summary>
    internal void Begin(ConnectionOutput output, CancellationToken cancellationToken)
    {
        _source.Reset();
        _isAwaited = false;
        Register(output, cancellationToken);
    }

    /// <summary>The flush has parked, and the application gets its value task.</summary>
    internal void SetOutstanding() => IsOutstanding = true;

    /// <summary>
    /// As with Pipe, a flush that starts while another one waits, which the application does not await, is the same
    /// flush with a new token. False: the other one has completed, and leaves nothing behind.
    /// </summary>
    internal bool TryJoin(ConnectionOutput output, CancellationToken cancellationToken)
    {
        if (_source.GetStatus(_source.Version) == ValueTaskSourceStatus.Pending)
        {
            Register(output, cancellationToken);
            return true;
        }

        Unregister();
        IsOutstanding = false;
        return false;
    }

    /// <summary>Ends the registration of the token. Waits for a callback that is running.</summary>
    internal void Unregister()
    {
        _registration.Dispose();
        _registration = default;
    }

    internal void GetResult(short version)
    {
        // Throws while the flush is pending, as it is for the second one that awaits it.
        _source.GetResult(version);
        Unregister();
        IsOutstanding = false;
    }

    internal readonly ValueTaskSourceStatus GetStatus(short version) => _source.GetStatus(version);

    internal void OnCompleted(
        Action<object?> continuation, object? state, short version, ValueTaskSourceOnCompletedFlags flags)
    {
        if (_isAwaited)
        {
            // Throwing here would end the process, in async methods. As with Pipe, the second await of a flush throws
            // an exception: this continuation asks for the result at once.
            ThreadPool.UnsafeQueueUserWorkItem(continuation, state, preferLocal: false);
            return;
        }

        _isAwaited = true;
        _source.OnCompleted(continuation, state, version, flags);
    }

    private void Register(ConnectionOutput output, CancellationToken cancellationToken)
    {
        if (!cancellationToken.CanBeCanceled)
        {
            return;
        }

        Unregister();
        Token = cancellationToken;
        _registration = cancellationToken.UnsafeRegister(
            static output => ((ConnectionOutput)output!).OnFlushTokenCanceled(), output);
    }
}
