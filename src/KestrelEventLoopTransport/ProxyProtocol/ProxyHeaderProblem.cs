namespace KestrelEventLoopTransport.ProxyProtocol;

/// <summary>Why there is no header, for the counter and for the log.</summary>
/// <param name="Reason">What is counted.</param>
/// <param name="Text">What is wrong, as a sentence. Bytes of the peer are in it as hexadecimal digits only.</param>
internal readonly record struct ProxyHeaderProblem(ProxyProtocolFailure Reason, string Text)
{
    /// <summary>What the transport itself has failed with; null when the peer is the reason.</summary>
    internal Exception? Exception { get; init; }

    internal static ProxyHeaderProblem Untrusted
        => new(ProxyProtocolFailure.Untrusted, "The peer is in none of the trusted networks.");

    internal static ProxyHeaderProblem Empty
        => new(ProxyProtocolFailure.Empty, "The peer closed it without a byte, as health checks do.");

    internal static ProxyHeaderProblem Truncated
        => new(ProxyProtocolFailure.Truncated, "The peer closed it within the header.");

    internal static ProxyHeaderProblem Stopped
        => new(ProxyProtocolFailure.Stopped, "The endpoint stopped before the header was complete.");

    internal static ProxyHeaderProblem TimedOut(long milliseconds)
        => new(ProxyProtocolFailure.TimedOut, $"The header was not complete within {milliseconds} milliseconds.");

    internal static ProxyHeaderProblem Failed(Exception exception)
        => new(ProxyProtocolFailure.Failed, $"The transport could not go on: {exception.Message}")
        {
            Exception = exception,
        };

    internal static ProxyHeaderProblem Malformed(string text) => new(ProxyProtocolFailure.Malformed, text);
}
