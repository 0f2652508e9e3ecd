using System.Net;
using KestrelEventLoopTransport.Listening.Takeover;
using KestrelEventLoopTransport.Native;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Listening;

/// <summary>Makes the listening sockets of an endpoint: one, or one for each loop.</summary>
internal static class ListenSocketSet
{
    /// <summary>Binds and listens. If that fails, all sockets are closed.</summary>
    /// <exception cref="AddressInUseException">The address is in use.</exception>
    internal static ListenSocket[] Create(EndPoint endPoint, ListenerContext context, int loopCount)
    {
        if (endPoint is not IPEndPoint || context.Options.AcceptMode != AcceptMode.ListenerPerLoop || loopCount == 1
            || !Platform.BalancesPort)
        {
            return [ListenSocket.Create(endPoint, context)];
        }

        // On FreeBSD a socket joins when it is bound (in_pcbinslbgrouphash), so the first one needs the option too.
        var first = ListenSocket.Create(endPoint, OperatingSystem.IsLinux() ? context : context.WithReusePort());
        var sockets = new List<ListenSocket>(loopCount) { first };
        try
        {
            AddOthers(sockets, context, loopCount);
        }
        catch
        {
            sockets.ForEach(static socket => socket.Close());
            throw;
        }

        return [.. sockets];
    }

    private static void AddOthers(List<ListenSocket> sockets, ListenerContext context, int count)
    {
        var first = sockets[0];
        var isOpenToOthers = first.SharesPort || !OperatingSystem.IsLinux();
        if (!isOpenToOthers)
        {
            // The first socket was bound, and listens, without SO_REUSEPORT. So its bind has failed if the address was
            // in use, and later binds of others fail. Once it listens, the option can be set and our other sockets can
            // join (inet_csk_bind_conflict).
            SocketOption.FromInt32(
                nameof(AcceptMode.ListenerPerLoop), Platform.SOL_SOCKET, Platform.SO_REUSEPORT, 1).Set(first.Fd);
        }

        var sharing = context.WithReusePort();
        while (sockets.Count < count)
        {
            sockets.Add(ListenSocket.Create(first.EndPoint, sharing));
        }

        if (!isOpenToOthers)
        {
            // The kernel still lets in a process of the same user that sets SO_REUSEPORT. It must get no connections.
            var descriptors = sockets.ConvertAll(static socket => socket.Fd).ToArray();
            ReusePortSteering.Create(descriptors, first.EndPoint).SteerToOwn();
        }
    }
}
