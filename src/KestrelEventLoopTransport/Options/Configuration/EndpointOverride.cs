using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Native;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;

namespace KestrelEventLoopTransport.Options.Configuration;

/// <summary>The options of one endpoint, or of the endpoints that Kestrel binds for one URL.</summary>
/// <param name="Name">What messages call it: the endpoint, the URL or the section of the configuration.</param>
/// <param name="KestrelName">
/// The name in Kestrel's configuration that it applies to; <see langword="null"/> if it applies to
/// <paramref name="EndPoints"/>.
/// </param>
/// <param name="EndPoints">The endpoints that Kestrel may bind to.</param>
/// <param name="Configure">Changes a copy of the defaults.</param>
internal sealed record EndpointOverride(
    string Name,
    string? KestrelName,
    EndPoint[] EndPoints,
    Action<EndpointOptions> Configure)
{
    /// <param name="endPoint">The endpoint to bind to.</param>
    /// <param name="name">Its name in Kestrel's configuration, if it has one.</param>
    internal bool AppliesTo(EndPoint endPoint, string? name)
        => KestrelName is null
            ? Array.Exists(EndPoints, own => AreSame(own, endPoint))
            : KestrelName.Equals(name, StringComparison.OrdinalIgnoreCase);

    /// <summary>
    /// Returns whether Kestrel may bind to the endpoint for a URL. Returns false if the URL is not valid.
    /// </summary>
    internal static bool IsUrlOf(string url, EndPoint endPoint)
    {
        try
        {
            return Array.Exists(EndPointsOf(url), own => AreSame(own, endPoint));
        }
        catch (FormatException)
        {
            return false;
        }
    }

    /// <summary>Returns the endpoints that Kestrel tries to bind for a URL (see its AddressBinder).</summary>
    /// <exception cref="FormatException">The URL, its port or its path is not valid.</exception>
    internal static EndPoint[] EndPointsOf(string url)
    {
        try
        {
            return EndPointsOf(BindingAddress.Parse(url));
        }
        catch (ArgumentException exception)
        {
            const string Reason = "The port must be from 0 to 65535; the path of a Unix socket has at most 107 bytes.";
            throw new FormatException($"Invalid url: '{url}'. {Reason}", exception);
        }
    }

    private static EndPoint[] EndPointsOf(BindingAddress address)
    {
        if (address.IsUnixPipe)
        {
            return [new UnixDomainSocketEndPoint(address.UnixPipePath)];
        }

        if (IsLocalhost(address.Host))
        {
            return
            [
                new IPEndPoint(IPAddress.Loopback, address.Port),
                new IPEndPoint(IPAddress.IPv6Loopback, address.Port),
            ];
        }

        return IPAddress.TryParse(address.Host, out var ip)
            ? [new IPEndPoint(ip, address.Port)]
            : [new IPEndPoint(IPAddress.IPv6Any, address.Port), new IPEndPoint(IPAddress.Any, address.Port)];
    }

    // Names that end in .localhost are loopback too (RFC 6761): app.localhost.
    private static bool IsLocalhost(string host)
        => host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
            || (host.EndsWith(".localhost", StringComparison.OrdinalIgnoreCase) && host[0] != '.');

    private static bool AreSame(EndPoint own, EndPoint other) => (own, other) switch
    {
        (FileHandleEndPoint a, FileHandleEndPoint b) => a.FileHandle == b.FileHandle,
        (UnixDomainSocketEndPoint a, UnixDomainSocketEndPoint b) => AddressOf(a).Equals(AddressOf(b)),
        _ => own.Equals(other),
    };

    private static SocketAddress AddressOf(UnixDomainSocketEndPoint endPoint)
        => UnixSocketAddress.WithAbstractName(endPoint).Serialize();
}
