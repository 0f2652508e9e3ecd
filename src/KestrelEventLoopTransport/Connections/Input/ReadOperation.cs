using System.Threading.Tasks.Sources;

namespace KestrelEventLoopTransport.Connections.Input;

/// <summary>The reader's current operation: how it waits, and how far it has come. The reader's own.</summary>
internal struct ReadOperation
{
    // Receives that one dispatch may make on the loop's thread before other connections get their turn.
    private const byte MaxReceivesPerDispatch = 32;

    // Before the larger structs, so that it fits beside the flags.
    internal DeferredFirstRead First;

    /// <summary>Completes a read that waits.</summary>
    internal ManualResetValueTaskSourceCore<bool> Source;

    private CancellationTokenRegistration _registration;
    private bool _isWaiting;
    private bool _isAwaited;
    private byte _receives;

    /// <summary>The token of the read that waits, or of the last one if that token has fired.</summary>
    internal CancellationToken Token { get; private set; }

    internal ReadPhase Phase { get; set; }

    /// <summary>What has ended the read whose result is not taken yet, if it was not the peer or we.</summary>
    internal ReadInterruption Interruption { get; set; }

    /// <summary>The last <c>TryRead</c> found nothing new.</summary>
    internal bool WasVain { get; set; }

    /// <summary>Whether this dispatch has made as many receives as it may.</summary>
    internal readonly bool IsOutOfReceives => _receives == MaxReceivesPerDispatch;

    internal readonly void ThrowIfNotReadable()
    {
        if (_isWaiting)
        {
            throw new InvalidOperationException("A read is already in progress.");
        }

        if (Phase == ReadPhase.Reading)
        {
            throw new InvalidOperationException("A read has returned: call AdvanceTo before the next read.");
        }
    }

    /// <summary>A read begins to wait. It can be awaited once.</summary>
    internal void BeginWait(ConnectionInput input, CancellationToken cancellationToken)
    {
        _isWaiting = true;
        _isAwaited = false;
        Source.Reset();
        if (cancellationToken.CanBeCanceled)
        {
            Token = cancellationToken;
            _registration = cancellationToken.UnsafeRegister(
                static input => ((ConnectionInput)input!).CancelByToken(), input);
        }
    }

    /// <summary>
    /// The read no longer waits. If a callback of its token is running, this waits for it, so that it cannot reach the
    /// next read.
    /// </summary>
    internal void EndWait()
    {
        _isWaiting = false;
        if (Token.CanBeCanceled)
        {
            _registration.Dispose();
            _registration = default;
            if (!Token.IsCancellationRequested)
            {
                Token = default;
            }
        }
    }

    /// <summary>False when the read is awaited already.</summary>
    internal bool TryAwait()
    {
        var isFirst = !_isAwaited;
        _isAwaited = true;
        return isFirst;
    }

    /// <summary>A dispatch begins, or goes on after others have had their turn.</summary>
    internal void RenewReceives() => _receives = 0;

    internal void CountReceive()
    {
        if (_receives < MaxReceivesPerDispatch)
        {
            _receives++;
        }
    }
}
