using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Listening.Takeover;

/// <summary>
/// Sends the new connections of a shared port to the sockets of others. Ours go on answering whatever comes to them all
/// the same: what is found out here may be outdated at once, since others join and leave, and may do the same as we.
/// </summary>
/// <remarks>
/// A program for the port names sockets by their places, and the kernel tells nobody the place of a socket. So each is
/// tried: the program selects one place, and a probe begins a handshake. Either one of our sockets drops its first
/// segment, or the probe drops the answer: the kernel counts both. No application sees anything of it; what is left is
/// the beginning of a handshake, which ends at the first repetition. With eight sockets it takes half a millisecond.
/// </remarks>
internal static class PortGroup
{
    // Over the loopback device the outcome is there when connect(2) returns, unless the machine is so busy that the
    // kernel leaves it to a thread of its own (ksoftirqd).
    private const int LongestProbe = 500;

    // Each probe needs one at each of our sockets, and meanwhile all connections go to one socket.
    private const int MostFilters = 1024;

    /// <summary>
    /// False when nobody else is known to share the port of these sockets; true when that cannot be found out.
    /// </summary>
    internal static bool MayHaveOthers(ListenSocket[] own) => PortSharers.Count(own[0].Fd) != own.Length;

    /// <summary>Sends new connections to the others. False when that cannot be done.</summary>
    internal static bool SteerToOthers(ListenSocket[] own)
    {
        var fd = own[0].Fd;
        var all = PortSharers.Count(fd);
        if (all <= own.Length)
        {
            return false;
        }

        if ((FindOthers(own, all) ?? FindOthers(own, all)) is { } places)
        {
            return SocketFilter.SelectListeners(fd, places) == 0;
        }
        // As it is when each came later than the one before and none has left.
        if (SocketFilter.SelectListeners(fd, own.Length, all - own.Length) == 0)
        {
            return true;
        }
        // A probe's program would send everybody to one socket.
        SocketFilter.SelectAllListeners(fd);
        return false;
    }

    /// <summary>The places of the others, or null when they cannot be found out.</summary>
    private static int[]? FindOthers(ListenSocket[] own, int all)
    {
        if (all * own.Length > MostFilters || Array.Exists(own, static socket => SocketFilter.MayHaveFilter(socket.Fd)))
        {
            // It would take too long, or there are filters of the user's.
            return null;
        }
        // All of them stay open: a port that is used again would meet the handshake that another place has begun with
        // it.
        var probes = new List<Socket>();
        try
        {
            var others = new List<int>();
            var found = new HashSet<ListenSocket>();
            for (var place = 0; place < all; place++)
            {
                if (!TryProbe(own, place, probes, out var owner))
                {
                    return null;
                }

                if (owner is null)
                {
                    others.Add(place);
                }
                else
                {
                    found.Add(owner);
                }
            }

            return found.Count == own.Length && found.Count + others.Count == all ? [.. others] : null;
        }
        catch (SocketException)
        {
            // A firewall, a device that the listener is bound to, no descriptors.
            return null;
        }
        finally
        {
            Array.ForEach(own, static socket => SocketFilter.DropNothing(socket.Fd));
            probes.ForEach(static probe => probe.Dispose());
        }
    }

    /// <param name="own">Our sockets.</param>
    /// <param name="place">The place to look at.</param>
    /// <param name="probes">Gets the socket that has begun a handshake.</param>
    /// <param name="owner">Which of our sockets it is; null when it is somebody else's.</param>
    private static bool TryProbe(ListenSocket[] own, int place, List<Socket> probes, out ListenSocket? owner)
    {
        var target = TargetOf((IPEndPoint)own[0].EndPoint);
        var probe = new Socket(target.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { Blocking = false };
        probes.Add(probe);
        probe.Bind(new IPEndPoint(target.Address, 0));
        var port = ((IPEndPoint)probe.LocalEndPoint!).Port;
        var fd = (int)probe.Handle;
        owner = null;
        if (SocketFilter.DropAll(fd) != 0
            || Array.Exists(own, socket => SocketFilter.DropHandshakes(socket.Fd, port) != 0)
            || SocketFilter.SelectListeners(own[0].Fd, place, 1) != 0)
        {
            return false;
        }

        var before = Array.ConvertAll(own, static socket => SocketFilter.CountDrops(socket.Fd));
        try
        {
            probe.Connect(target);
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.WouldBlock)
        {
            // On its way.
        }

        var answered = false;
        var index = -1;
        SpinWait.SpinUntil(
            () =>
            {
                answered = SocketFilter.CountDrops(fd) > 0;
                index = Enumerable.Range(0, own.Length).FirstOrDefault(i => SocketFilter.CountDrops(own[i].Fd) != before[i], -1);
                return answered || index >= 0;
            },
            LongestProbe);
        if (!answered && index >= 0)
        {
            owner = own[index];
        }

        return answered || index >= 0;
    }

    private static IPEndPoint TargetOf(IPEndPoint endPoint)
        => endPoint.Address.Equals(IPAddress.Any) ? new IPEndPoint(IPAddress.Loopback, endPoint.Port)
            : endPoint.Address.Equals(IPAddress.IPv6Any) ? new IPEndPoint(IPAddress.IPv6Loopback, endPoint.Port)
            : endPoint;
}
