using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Dialing;

/// <summary>Finds the addresses of one family for a name, without keeping the calling thread.</summary>
internal delegate Task<IPAddress[]> NameResolver(
    string name, AddressFamily family, CancellationToken cancellationToken);
