using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport;

/// <summary>A socket that systemd has opened for this process.</summary>
/// <param name="Name">
/// Its name: <c>FileDescriptorName=</c> of the socket unit, or the unit's name (<c>systemd.socket(5)</c>). Empty when
/// there are no names.
/// </param>
/// <param name="EndPoint">What Kestrel binds to.</param>
public sealed record SystemdSocket(string Name, FileHandleEndPoint EndPoint);
