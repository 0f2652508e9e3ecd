namespace KestrelEventLoopTransport.Connections;

/// <summary>The value of <see cref="ConnectionEnd"/> at one moment.</summary>
internal readonly record struct ConnectionEndState(ConnectionPhase Phase, ConnectionEndFlags Flags)
{
    private const int PhaseBits = 2;

    /// <summary>
    /// Whether the descriptor is gone, the pipes are completed, and all callbacks have run.
    /// </summary>
    internal bool IsFinished
        => Phase == ConnectionPhase.Closed
            && Has(ConnectionEndFlags.Disposed)
            && Has(ConnectionEndFlags.Announced)
            && (!HasAll(ConnectionEndFlags.PeerFinished | ConnectionEndFlags.TokenTaken)
                || Has(ConnectionEndFlags.TokenFired));

    /// <summary>Whether nothing has ended the connection yet. One that drains is open.</summary>
    internal bool IsOpen => Phase == ConnectionPhase.Open && !Has(ConnectionEndFlags.Aborted);

    /// <summary>Whether this is one of the legal states that <see cref="ConnectionEnd"/> lists.</summary>
    internal bool IsLegal
        => (!Has(ConnectionEndFlags.Resets) || Has(ConnectionEndFlags.Aborted))
            && (!Has(ConnectionEndFlags.Lingers) || (Phase != ConnectionPhase.Open && !Has(ConnectionEndFlags.Aborted)))
            && (!Has(ConnectionEndFlags.Disposed) || Has(ConnectionEndFlags.Disposing))
            && (!Has(ConnectionEndFlags.Announced) || Has(ConnectionEndFlags.Announcing))
            && (!Has(ConnectionEndFlags.TokenFired)
                || HasAll(ConnectionEndFlags.PeerFinished | ConnectionEndFlags.TokenTaken))
            && (!Has(ConnectionEndFlags.Expired)
                || HasAll(ConnectionEndFlags.Aborted | ConnectionEndFlags.Announcing))
            && (!HasAll(ConnectionEndFlags.Expired | ConnectionEndFlags.Announced) || Phase != ConnectionPhase.Open)
            && (!Has(ConnectionEndFlags.ReceivingEnded) || Has(ConnectionEndFlags.PeerFinished))
            && (!HasAll(ConnectionEndFlags.PeerFinished | ConnectionEndFlags.SendingEnded)
                || Has(ConnectionEndFlags.Announcing))
            && (!HasAll(ConnectionEndFlags.ReceivingEnded | ConnectionEndFlags.SendingEnded)
                || Phase != ConnectionPhase.Open);

    internal static ConnectionEndState FromWord(int word)
        => new((ConnectionPhase)(word & ((1 << PhaseBits) - 1)), (ConnectionEndFlags)(word >> PhaseBits));

    internal int ToWord() => (int)Phase | ((int)Flags << PhaseBits);

    internal bool Has(ConnectionEndFlags flag) => (Flags & flag) != 0;

    internal bool HasAll(ConnectionEndFlags flags) => (Flags & flags) == flags;

    internal ConnectionEndState With(ConnectionEndFlags flags) => this with { Flags = Flags | flags };
}
