using System.Net;
using KestrelEventLoopTransport.Listening.Takeover;
using KestrelEventLoopTransport.Native;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Listening;

/// <summary>The listening sockets of an endpoint: one, or one for each loop.</summary>
internal static class ListenSocketSet
{
    /// <summary>Binds and listens. When that fails, no socket is left.</summary>
    /// <exception cref="AddressInUseException">Somebody else listens on the endpoint.</exception>
    internal static ListenSocket[] Create(EndPoint endPoint, ListenerSettings settings, int loopCount)
    {
        if (endPoint is not IPEndPoint || settings.Options.AcceptMode != AcceptMode.ListenerPerLoop || loopCount == 1
            || !Platform.BalancesPort)
        {
            return [ListenSocket.Create(endPoint, settings)];
        }

        var first = ListenSocket.Create(endPoint, OperatingSystem.IsLinux() ? settings : settings.WithReusePort());
        var sockets = new List<ListenSocket>(loopCount) { first };
        try
        {
            AddOthers(sockets, settings, loopCount);
        }
        catch
        {
            sockets.ForEach(static socket => socket.Close());
            throw;
        }

        return [.. sockets];
    }

    private static void AddOthers(List<ListenSocket> sockets, ListenerSettings settings, int count)
    {
        // Unless the user wants to share the port, the first socket has bound and listens without SO_REUSEPORT: that
        // fails if anybody else listens, and whoever comes later without the option fails too. Only now may the others
        // join; the option counts for them although the first listens already (inet_csk_bind_conflict).
        var first = sockets[0];
        // FreeBSD has no such way: there a socket joins when it is bound (in_pcbinslbgrouphash), the first one too.
        var shares = first.SharesPort || !OperatingSystem.IsLinux();
        if (!shares)
        {
            SocketOption.FromInt32(nameof(AcceptMode.ListenerPerLoop), Platform.SOL_SOCKET, Platform.SO_REUSEPORT, 1).Set(first.Fd);
        }

        var sharing = settings.WithReusePort();
        while (sockets.Count < count)
        {
            sockets.Add(ListenSocket.Create(first.EndPoint, sharing));
        }

        if (!shares)
        {
            // The kernel lets in a process of the same user that sets SO_REUSEPORT by itself: it gets no connections.
            // Fails on kernels before 4.5 only.
            _ = SocketFilter.SelectListeners(first.Fd, 0, count);
        }
    }
}
