using System.Net;

namespace KestrelEventLoopTransport.Listening.Takeover;

/// <summary>Steering on Linux: a program of classic BPF that the kernel runs for the port.</summary>
internal sealed class ReusePortSteering : IReusePortSteering
{
    private readonly int[] _sockets;
    private readonly IPEndPoint _endPoint;
    private bool _steersToOthers;

    private ReusePortSteering(int[] sockets, IPEndPoint endPoint)
    {
        _sockets = sockets;
        _endPoint = endPoint;
    }

    /// <param name="sockets">Descriptors of our listening sockets. All are bound to the same endpoint.</param>
    /// <param name="endPoint">The endpoint, with the real port.</param>
    internal static IReusePortSteering Create(int[] sockets, EndPoint endPoint)
        => OperatingSystem.IsLinux() && endPoint is IPEndPoint ip
            ? new ReusePortSteering(sockets, ip)
            : NoReusePortSteering.Instance;

    public bool MayHaveOthers() => ReusePortMembers.Count(_sockets[0]) != _sockets.Length;

    // Our sockets were the first to listen, so they have the first places. Fails on kernels before 4.5 only.
    public void SteerToOwn() => _ = SocketFilter.SelectListeners(_sockets[0], 0, _sockets.Length);

    public void SteerToOthers() => _steersToOthers |= TrySteerToOthers();

    public void DropNewHandshakes() => Array.ForEach(_sockets, SocketFilter.DropNewHandshakes);

    public void Stop()
    {
        if (_steersToOthers)
        {
            SocketFilter.SelectAllListeners(_sockets[0]);
        }
    }

    private bool TrySteerToOthers()
    {
        var fd = _sockets[0];
        var all = ReusePortMembers.Count(fd);
        if (all <= _sockets.Length)
        {
            return false;
        }

        // A second try: another process may have joined or left during the first.
        if ((ReusePortGroup.FindOthers(_sockets, _endPoint, all) ?? ReusePortGroup.FindOthers(_sockets, _endPoint, all))
            is { } places)
        {
            return SocketFilter.SelectListeners(fd, places) == 0;
        }

        // The usual order: our sockets came first and none has left.
        if (SocketFilter.SelectListeners(fd, _sockets.Length, all - _sockets.Length) == 0)
        {
            return true;
        }

        // The search has left a program that sends all connections to one socket.
        SocketFilter.SelectAllListeners(fd);
        return false;
    }
}
