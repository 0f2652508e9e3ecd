using System.Net;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.ProxyProtocol;

/// <summary>The feature of a connection that has begun with a header.</summary>
internal sealed class ProxyProtocolFeature : IProxyProtocolFeature
{
    private ProxyProtocolFeature(ProxyProtocolHeader header, BaseConnectionContext connection)
    {
        Header = header;
        RemoteEndPoint = connection.RemoteEndPoint;
        LocalEndPoint = connection.LocalEndPoint;
    }

    public ProxyProtocolHeader Header { get; }

    public EndPoint? RemoteEndPoint { get; }

    public EndPoint? LocalEndPoint { get; }

    /// <summary>Gives a new connection its client's endpoints, if the header has them, and the feature.</summary>
    internal static void Add(ConnectionContext connection, ProxyProtocolHeader header)
    {
        connection.Features.Set<IProxyProtocolFeature>(new ProxyProtocolFeature(header, connection));
        if (header.Source is not null)
        {
            connection.RemoteEndPoint = header.Source;
            connection.LocalEndPoint = header.Destination;
        }
    }
}
