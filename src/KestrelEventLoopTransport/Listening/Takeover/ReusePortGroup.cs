using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Listening.Takeover;

/// <summary>
/// Finds the places of other processes' sockets among those that share a port. The result may be outdated at once,
/// because sockets join and leave at any time.
/// </summary>
/// <remarks>
/// A program for the port names sockets by their places, and the kernel does not report the place of a socket. So each
/// place is tried: the program selects it, and a probe begins a handshake. If the socket there is ours, it drops the
/// probe's first segment; otherwise the probe drops the answer. The kernel counts both. No application sees the probe:
/// what is left of it is an unfinished handshake, which ends at its first retransmission. With eight sockets the search
/// takes half a millisecond.
/// </remarks>
internal static class ReusePortGroup
{
    // Milliseconds. Over the loopback device the outcome is known when connect(2) returns, unless the machine is so
    // busy that the kernel leaves the work to ksoftirqd.
    private const int LongestProbe = 500;

    // Each probe attaches a filter to each of our sockets, and meanwhile all connections go to one socket.
    private const int MaxFilters = 1024;

    /// <summary>
    /// The places of the others, or null when they cannot be found out. Leaves a program for the port that selects one
    /// place: the caller has to replace or remove it.
    /// </summary>
    /// <param name="own">Descriptors of our sockets.</param>
    /// <param name="endPoint">What they are bound to.</param>
    /// <param name="all">How many sockets share the port, ours included.</param>
    internal static int[]? FindOthers(int[] own, IPEndPoint endPoint, int all)
    {
        // A filter that is attached already is the user's and must stay.
        if (all * own.Length > MaxFilters || Array.Exists(own, SocketFilter.MayHaveFilter))
        {
            return null;
        }

        // All probes stay open until the end. If a later probe got the port of an earlier one, its first segment would
        // belong to the handshake that the earlier one has begun at another place.
        var probes = new List<Socket>();
        try
        {
            var others = new List<int>();
            var found = new HashSet<int>();
            for (var place = 0; place < all; place++)
            {
                if (!TryProbe(own, endPoint, place, probes, out var owner))
                {
                    return null;
                }

                if (owner is { } fd)
                {
                    found.Add(fd);
                }
                else
                {
                    others.Add(place);
                }
            }

            return found.Count == own.Length && found.Count + others.Count == all ? [.. others] : null;
        }
        catch (SocketException)
        {
            // A firewall, a device that the listener is bound to, or no descriptors.
            return null;
        }
        finally
        {
            Array.ForEach(own, SocketFilter.DropNothing);
            probes.ForEach(static probe => probe.Dispose());
        }
    }

    /// <param name="own">Descriptors of our sockets.</param>
    /// <param name="endPoint">What they are bound to.</param>
    /// <param name="place">The place to try.</param>
    /// <param name="probes">Gets the socket that has begun a handshake.</param>
    /// <param name="owner">Which of our sockets has the place; null when another process has it.</param>
    private static bool TryProbe(int[] own, IPEndPoint endPoint, int place, List<Socket> probes, out int? owner)
    {
        var target = TargetOf(endPoint);
        var probe = new Socket(target.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { Blocking = false };
        probes.Add(probe);
        probe.Bind(new IPEndPoint(target.Address, 0));
        var port = ((IPEndPoint)probe.LocalEndPoint!).Port;
        var fd = (int)probe.Handle;
        owner = null;
        if (SocketFilter.DropAll(fd) != 0
            || Array.Exists(own, socket => SocketFilter.DropHandshakes(socket, port) != 0)
            || SocketFilter.SelectListeners(own[0], place, 1) != 0)
        {
            return false;
        }

        var before = Array.ConvertAll(own, SocketFilter.CountDrops);
        Connect(probe, target);

        var isAnswered = false;
        var index = -1;
        SpinWait.SpinUntil(
            () =>
            {
                isAnswered = SocketFilter.CountDrops(fd) > 0;
                index = Enumerable.Range(0, own.Length)
                    .FirstOrDefault(i => SocketFilter.CountDrops(own[i]) != before[i], -1);
                return isAnswered || index >= 0;
            },
            LongestProbe);
        if (!isAnswered && index >= 0)
        {
            owner = own[index];
        }

        return isAnswered || index >= 0;
    }

    private static void Connect(Socket probe, IPEndPoint target)
    {
        try
        {
            probe.Connect(target);
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.WouldBlock)
        {
            // The handshake is under way.
        }
    }

    private static IPEndPoint TargetOf(IPEndPoint endPoint)
        => endPoint.Address.Equals(IPAddress.Any) ? new IPEndPoint(IPAddress.Loopback, endPoint.Port)
            : endPoint.Address.Equals(IPAddress.IPv6Any) ? new IPEndPoint(IPAddress.IPv6Loopback, endPoint.Port)
            : endPoint;
}
