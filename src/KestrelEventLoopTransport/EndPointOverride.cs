using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Listening;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;

namespace KestrelEventLoopTransport;

/// <summary>What was configured for one endpoint, or for those that Kestrel makes of one URL.</summary>
/// <param name="Name">The endpoint or URL, as the user named it.</param>
/// <param name="EndPoints">What Kestrel may bind to.</param>
/// <param name="Configure">Changes a copy of the defaults.</param>
internal sealed record EndPointOverride(string Name, EndPoint[] EndPoints, Action<EndPointOptions> Configure)
{
    /// <summary>Whether the server has bound to one of the endpoints, or tried to.</summary>
    internal bool IsUsed { get; set; }

    internal bool AppliesTo(EndPoint endPoint) => Array.Exists(EndPoints, own => AreSame(own, endPoint));

    /// <summary>The endpoints that Kestrel tries for a URL (its AddressBinder).</summary>
    /// <exception cref="FormatException">It is no URL, or its port or path is not possible.</exception>
    internal static EndPoint[] EndPointsOf(string url)
    {
        try
        {
            return EndPointsOf(BindingAddress.Parse(url));
        }
        catch (ArgumentException exception)
        {
            throw new FormatException($"Invalid url: '{url}': the port must be from 0 to 65535, and the path of a Unix socket have at most 107 bytes.", exception);
        }
    }

    private static EndPoint[] EndPointsOf(BindingAddress address)
    {
        if (address.IsUnixPipe)
        {
            return [new UnixDomainSocketEndPoint(address.UnixPipePath)];
        }
        if (string.Equals(address.Host, "localhost", StringComparison.OrdinalIgnoreCase))
        {
            return [new IPEndPoint(IPAddress.Loopback, address.Port), new IPEndPoint(IPAddress.IPv6Loopback, address.Port)];
        }
        return IPAddress.TryParse(address.Host, out var ip)
            ? [new IPEndPoint(ip, address.Port)]
            : [new IPEndPoint(IPAddress.IPv6Any, address.Port), new IPEndPoint(IPAddress.Any, address.Port)];
    }

    private static bool AreSame(EndPoint own, EndPoint other) => (own, other) switch
    {
        (FileHandleEndPoint a, FileHandleEndPoint b) => a.FileHandle == b.FileHandle,
        (UnixDomainSocketEndPoint a, UnixDomainSocketEndPoint b)
            => ListenSocket.WithAbstractName(a).Serialize().Equals(ListenSocket.WithAbstractName(b).Serialize()),
        _ => own.Equals(other),
    };
}
