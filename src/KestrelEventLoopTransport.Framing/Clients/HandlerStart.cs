namespace KestrelEventLoopTransport.Framing.Clients;

/// <summary>
/// Which of a handler's callbacks <see cref="FrameHandler.OnStarted"/> and <see cref="FrameHandler.OnStopping"/> are
/// called, and who calls the second one. One atomic word, because a stop that is given up does not wait for the
/// client's task, which calls the first one.
/// </summary>
/// <remarks>
/// <para>The legal states:</para>
/// <list type="bullet">
/// <item><see cref="None"/>: neither has been called;</item>
/// <item><see cref="Skipped"/>: a stop has come first, and neither is called any more;</item>
/// <item><see cref="Starting"/>: the first one runs;</item>
/// <item><see cref="StopsAfter"/>: the first one runs, and the client's task calls the second one after it;</item>
/// <item><see cref="Started"/>: the first one has returned, and who stops the client calls the second one.</item>
/// </list>
/// </remarks>
internal struct HandlerStart
{
    private const int None = 0;
    private const int Skipped = 1;
    private const int Starting = 2;
    private const int StopsAfter = 3;
    private const int Started = 4;

    private int _state;

    /// <summary>For the client's task, before it calls the first one.</summary>
    /// <returns>Whether it calls it. If not, nothing is to be called on the handler.</returns>
    internal bool Begin() => TryMove(None, Starting);

    /// <summary>For the client's task, when the first one has returned.</summary>
    /// <returns>Whether the client goes on. If not, the task calls the second one now.</returns>
    internal bool End() => TryMove(Starting, Started);

    /// <summary>For a stop that has waited for the first one, or has given that up.</summary>
    /// <returns>Whether the first one has returned.</returns>
    internal bool Stop()
    {
        // In the order in which the task moves on, so that it cannot slip through.
        return !TryMove(None, Skipped) && !TryMove(Starting, StopsAfter) && Volatile.Read(ref _state) == Started;
    }

    private bool TryMove(int before, int after) => Interlocked.CompareExchange(ref _state, after, before) == before;
}
