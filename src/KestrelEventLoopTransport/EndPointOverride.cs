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
    internal bool AppliesTo(EndPoint endPoint) => Array.Exists(EndPoints, own => AreSame(own, endPoint));

    /// <summary>The endpoints that Kestrel tries for a URL (its AddressBinder).</summary>
    internal static EndPoint[] EndPointsOf(string url)
    {
        var address = BindingAddress.Parse(url);
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
