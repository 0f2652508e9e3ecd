using System.Diagnostics;

namespace KestrelEventLoopTransport.Connections;

/// <summary>
/// A cancellation token that tells of the end of a connection, or of its receiving half. Its source is made when the
/// application first asks for the token.
/// </summary>
internal struct EndSignal
{
    private static readonly CancellationTokenSource _fired = CreateFired();

    private CancellationTokenSource? _source;

    internal CancellationToken Token
    {
        get
        {
            var source = Volatile.Read(ref _source);
            if (source is null)
            {
                var created = new CancellationTokenSource();
                source = Interlocked.CompareExchange(ref _source, created, null) ?? created;
            }

            return source.Token;
        }
    }

    /// <summary>
    /// Fires at once when no callback can be registered, as nobody has asked for the token. False: the caller has to
    /// call <see cref="Fire"/>.
    /// </summary>
    internal bool TryFireUnused() => Interlocked.CompareExchange(ref _source, _fired, null) is null;

    /// <summary>Runs the callbacks, which are the application's: they may block and throw.</summary>
    internal readonly void Fire()
    {
        Debug.Assert(_source is not null, "Somebody has asked for the token, or TryFireUnused was called before.");
        _source.Cancel();
    }

    private static CancellationTokenSource CreateFired()
    {
        var source = new CancellationTokenSource();
        source.Cancel();
        return source;
    }
}
