namespace KestrelEventLoopTransport;

/// <summary>
/// What the kernel knows about a TCP connection: its round-trip time, what was lost, how fast the peer takes data.
/// Accepted and opened connections over TCP have the feature on Linux. Unix sockets do not have it, and other systems
/// neither.
/// </summary>
public interface ITcpInfoFeature
{
    /// <summary>
    /// Asks the kernel, with one system call that takes the socket's lock for a moment (<c>TCP_INFO</c>,
    /// <c>tcp(7)</c>). Any thread may ask, at any time.
    /// </summary>
    /// <returns>
    /// What is true at this moment; <see langword="null"/> when the socket is closed.
    /// </returns>
    TcpInfo? GetTcpInfo();
}
