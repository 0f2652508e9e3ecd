using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Native;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;

namespace KestrelEventLoopTransport.Options.Configuration;

/// <summary>What was configured for one endpoint, or for those that Kestrel makes of one URL.</summary>
/// <param name="Name">The endpoint or URL, as the user named it.</param>
/// <param name="KestrelName">
/// The name of the endpoint in Kestrel's configuration; <see langword="null"/> if it goes by
/// <paramref name="EndPoints"/>.
/// </param>
/// <param name="EndPoints">What Kestrel may bind to.</param>
/// <param name="Configure">Changes a copy of the defaults.</param>
internal sealed record EndpointOverride(
    string Name,
    string? KestrelName,
    EndPoint[] EndPoints,
    Action<EndpointOptions> Configure)
{
    /// <param name="endPoint">What is bound to.</param>
    /// <param name="name">Its name in Kestrel's configuration, if it has one.</param>
    internal bool AppliesTo(EndPoint endPoint, string? name)
        => KestrelName is null
            ? Array.Exists(EndPoints, own => AreSame(own, endPoint))
            : KestrelName.Equals(name, StringComparison.OrdinalIgnoreCase);

    /// <summary>Whether Kestrel may bind to the endpoint for a URL. Not for one that is none.</summary>
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

        if (IsLocalhost(address.Host))
        {
            return [new IPEndPoint(IPAddress.Loopback, address.Port), new IPEndPoint(IPAddress.IPv6Loopback, address.Port)];
        }

        return IPAddress.TryParse(address.Host, out var ip)
            ? [new IPEndPoint(ip, address.Port)]
            : [new IPEndPoint(IPAddress.IPv6Any, address.Port), new IPEndPoint(IPAddress.Any, address.Port)];
    }

    // Also of the top-level domain (RFC 6761): app.localhost.
    private static bool IsLocalhost(string host)
        => host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
            || (host.EndsWith(".localhost", StringComparison.OrdinalIgnoreCase) && host[0] != '.');

    private static bool AreSame(EndPoint own, EndPoint other) => (own, other) switch
    {
        (FileHandleEndPoint a, FileHandleEndPoint b) => a.FileHandle == b.FileHandle,
        (UnixDomainSocketEndPoint a, UnixDomainSocketEndPoint b)
            => UnixSocketAddress.WithAbstractName(a).Serialize().Equals(UnixSocketAddress.WithAbstractName(b).Serialize()),
        _ => own.Equals(other),
    };
}
