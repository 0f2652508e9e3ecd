using KestrelEventLoopTransport;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Microsoft.AspNetCore.Hosting;

/// <summary>
/// Extension methods that let Kestrel listen on sockets that systemd has opened (socket activation).
/// </summary>
public static class KestrelServerOptionsSystemdSocketsExtensions
{
    /// <summary>
    /// Listens on the stream sockets that systemd has opened for this process. Does nothing if the process was not
    /// started by socket activation.
    /// </summary>
    /// <remarks>
    /// Kestrel's own <c>UseSystemd()</c> listens on every descriptor that systemd passes. This method differs in four
    /// ways: it can select sockets by name, so that they can be configured differently; it skips descriptors that are
    /// not stream sockets; child processes do not inherit the sockets; and it returns how many there are. Do not call
    /// both methods. See <see cref="SystemdSockets.Find"/> for the environment variables.
    /// </remarks>
    /// <param name="options">Kestrel's options.</param>
    /// <param name="name">
    /// Listens only on sockets with this name (<c>FileDescriptorName=</c>, <c>systemd.socket(5)</c>). Default:
    /// <see langword="null"/>: all sockets.
    /// </param>
    /// <param name="configure">
    /// Configures each endpoint, for example with <c>UseHttps()</c>. Default: <see langword="null"/>.
    /// </param>
    /// <returns>
    /// The number of endpoints added. If it is 0, the application has to choose its endpoints itself.
    /// </returns>
    /// <exception cref="ArgumentNullException"><paramref name="options"/> is <see langword="null"/>.</exception>
    public static int UseSystemdSockets(
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
