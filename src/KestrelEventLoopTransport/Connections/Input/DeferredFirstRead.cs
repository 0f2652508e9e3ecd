namespace KestrelEventLoopTransport.Connections.Input;

/// <summary>
/// Keeps the first read of a connection from starting before the application awaits it. The fields belong to the
/// reader.
/// </summary>
/// <remarks>
/// <para>
/// Kestrel starts a connection on the thread pool. If the loop completed the first read before Kestrel awaits it,
/// Kestrel would go on at once, on the pool, and run the request's handler there. That happened to a tenth of new
/// connections. A handler that blocks then keeps one of the few threads that other new connections start on. A read
/// that starts when it is awaited always completes on the loop.
/// </para>
/// <para>
/// A caller may also poll <c>IsCompleted</c> and never await, and its read has to complete too. Both ways begin with a
/// call of <c>GetStatus</c>, so the calls are counted. <c>await</c> makes one, and Kestrel looks at <c>IsCompleted</c>
/// before it awaits, which is another. A caller that makes <see cref="MaxPolls"/> calls does not await, and the read
/// starts.
/// </para>
/// </remarks>
internal struct DeferredFirstRead
{
    private const byte MaxPolls = 5;

    private byte _pollsLeft;
    private bool _hasBegun;

    /// <summary>A read begins. True for the connection's first.</summary>
    internal bool IsFirst()
    {
        var isFirst = !_hasBegun;
        _hasBegun = true;
        return isFirst;
    }

    /// <summary>Defers the read that has just begun.</summary>
    internal void Defer() => _pollsLeft = MaxPolls;

    /// <summary>
    /// The application asks whether the read is completed. True when a deferred read has to start now.
    /// </summary>
    internal bool OnPolled() => _pollsLeft > 0 && --_pollsLeft == 0;

    /// <summary>The application awaits the read. True when a deferred read has to start now.</summary>
    internal bool OnAwaited()
    {
        var isDeferred = _pollsLeft > 0;
        _pollsLeft = 0;
        return isDeferred;
    }
}
