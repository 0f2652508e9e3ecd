using System.Net.Sockets;

namespace KestrelEventLoopTransport.Native;

/// <summary>Names of Unix sockets, <c>unix(7)</c>.</summary>
internal static class UnixSocketAddress
{
    /// <summary>
    /// <c>/@name</c> stands for an abstract name: the only way to write one as a URL, <c>http://unix:/@name</c>.
    /// </summary>
    internal static UnixDomainSocketEndPoint WithAbstractName(UnixDomainSocketEndPoint endPoint)
        => endPoint.ToString() is ['/', '@', .. { Length: > 0 } name] && !name.Contains('/')
            ? new UnixDomainSocketEndPoint('\0' + name)
            : endPoint;
}
