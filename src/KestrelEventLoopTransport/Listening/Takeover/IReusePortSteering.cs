namespace KestrelEventLoopTransport.Listening.Takeover;

/// <summary>Chooses which of the sockets that share a port (<c>SO_REUSEPORT</c>) get its new connections.</summary>
internal interface IReusePortSteering
{
    /// <summary>
    /// Whether sockets of others may share the port. True also when that cannot be found out.
    /// </summary>
    bool MayHaveOthers();

    /// <summary>Sends all new connections to our own sockets.</summary>
    void SteerToOwn();

    /// <summary>
    /// Sends new connections to the sockets of others, if there are any. Ours still accept what comes to them.
    /// </summary>
    void SteerToOthers();

    /// <summary>
    /// Begins no more handshakes on our sockets. A client that is dropped here sends its first segment again after a
    /// second, and meets another socket then.
    /// </summary>
    void DropNewHandshakes();

    /// <summary>
    /// Ends <see cref="SteerToOthers"/>. Otherwise the kernel would keep the choice after our sockets are closed.
    /// </summary>
    void Stop();
}
