using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport;

/// <summary>A stream socket that systemd has opened for this process.</summary>
/// <seealso cref="SystemdSockets.Find"/>
public sealed class SystemdSocket
{
    internal SystemdSocket(string name, FileHandleEndPoint endPoint)
    {
        Name = name;
        EndPoint = endPoint;
    }

    /// <summary>
    /// The socket's name: <c>FileDescriptorName=</c> of the socket unit, or else the unit's name
    /// (<c>systemd.socket(5)</c>). Empty if systemd has passed no names.
    /// </summary>
    public string Name { get; }

    /// <summary>The endpoint to pass to Kestrel or to an <see cref="IConnectionListenerFactory"/>.</summary>
    public FileHandleEndPoint EndPoint { get; }
}
