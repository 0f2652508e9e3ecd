using System.Net;

namespace KestrelEventLoopTransport;

/// <summary>
/// The PROXY header of a connection. The connection has this feature if its peer is a trusted proxy, see
/// <see cref="EndpointOptions.ProxyProtocol"/>. The endpoints of the connection itself are then the client's, if the
/// header names a client.
/// </summary>
public interface IProxyProtocolFeature
{
    /// <summary>The header.</summary>
    ProxyProtocolHeader Header { get; }

    /// <summary>The proxy's own address.</summary>
    EndPoint? RemoteEndPoint { get; }

    /// <summary>The address that the proxy has connected to.</summary>
    EndPoint? LocalEndPoint { get; }
}
