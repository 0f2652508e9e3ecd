using System.IO.Pipelines;
using KestrelEventLoopTransport;

namespace Microsoft.AspNetCore.Connections;

/// <summary>The PROXY protocol for a connection that an application makes to a server.</summary>
public static class ConnectionContextProxyProtocolExtensions
{
    /// <summary>
    /// Sends a PROXY header. Call it on a new connection before anything else is sent, and before TLS. A connection
    /// with a header belongs to one client: do not reuse it for another.
    /// </summary>
    /// <param name="connection">The connection to the server.</param>
    /// <param name="header">The header.</param>
    /// <param name="cancellationToken">Cancels the flush. Part of the header may have been sent then.</param>
    /// <returns>The result of the flush.</returns>
    /// <exception cref="ArgumentNullException">An argument is <see langword="null"/>.</exception>
    /// <exception cref="InvalidOperationException">
    /// The header cannot be written: see <see cref="ProxyProtocolHeader.WriteTo"/>.
    /// </exception>
    public static ValueTask<FlushResult> SendProxyProtocolHeaderAsync(
        this ConnectionContext connection, ProxyProtocolHeader header, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(connection);
        ArgumentNullException.ThrowIfNull(header);

        var output = connection.Transport.Output;
        header.WriteTo(output);
        return output.FlushAsync(cancellationToken);
    }
}
