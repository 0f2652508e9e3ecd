using KestrelEventLoopTransport;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Microsoft.AspNetCore.Hosting;

/// <summary>
/// Extension methods that let Kestrel listen on the sockets of systemd.
/// </summary>
public static class SystemdSocketsKestrelExtensions
{
    /// <summary>
    /// Listens on the stream sockets that systemd has opened for this process (<see cref="SystemdSockets.Find"/>).
    /// </summary>
    /// <param name="options">Kestrel's options.</param>
    /// <param name="name">Only those with this name. Default: <see langword="null"/>, all.</param>
    /// <param name="configure">Configures each endpoint, <c>UseHttps()</c> for example.</param>
    /// <returns>
    /// How many there are: 0 when the process was not started by socket activation, and has to listen by itself.
    /// </returns>
    public static int ListenSystemdSockets(
        this KestrelServerOptions options,
        string? name = null,
        Action<ListenOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(options);

        var count = 0;
        foreach (var socket in SystemdSockets.Find())
        {
            if (name is null || name == socket.Name)
            {
                options.ListenHandle(socket.EndPoint.FileHandle, configure ?? (static _ => { }));
                count++;
            }
        }

        return count;
    }
}
