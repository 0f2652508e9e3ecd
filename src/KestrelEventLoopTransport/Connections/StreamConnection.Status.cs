using System.Net;
using KestrelEventLoopTransport.Connections.Input;
using KestrelEventLoopTransport.Connections.Output;
using KestrelEventLoopTransport.Loops.Timers;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Connections;

// What the status page shows. Any thread may ask. The answers are of one moment and do not quite belong together.
internal sealed partial class StreamConnection
{
    private readonly long _openedAt = LoopClock.Now;

    /// <summary>When the connection was made, by <see cref="LoopClock"/>.</summary>
    internal long OpenedAt => _openedAt;

    /// <summary>Number of bytes that are received and that the application has not looked at.</summary>
    internal long UnreadBytes => Input.Unexamined;

    /// <summary>Number of bytes that are flushed and that the kernel has not taken.</summary>
    internal long UnsentBytes => Output.Unsent;

    internal ConnectionStatus Status => StatusOf(
        IsOpen, Volatile.Read(ref _isTaken) || !_owner.HasAcceptQueue, Input.Flags, Output.Flags);

    /// <summary>
    /// Our address. Unlike the property it keeps nothing, so that it cannot undo what the application sets meanwhile.
    /// </summary>
    internal EndPoint? PeekLocal()
    {
        // In this order: the setter sets the endpoint first and then clears the address.
        var address = Volatile.Read(ref _localEndPoint) is null ? _localAddress.ToEndPoint() : null;
        return Volatile.Read(ref _localEndPoint) ?? address;
    }

    /// <summary>The peer's address, in the same way.</summary>
    internal EndPoint? PeekRemote()
    {
        var address = Volatile.Read(ref _remoteEndPoint) is null ? _remoteAddress.ToEndPoint() : null;
        return Volatile.Read(ref _remoteEndPoint) ?? address;
    }

    /// <summary>What the kernel knows of the connection; null for a Unix socket, and when it is closed.</summary>
    internal TcpInfo? ReadTcpInfo()
    {
        if (_isUnix || !_descriptor.TryAddReference())
        {
            return null;
        }

        var info = TcpInfo.Read(Fd);
        ReleaseReference();
        return info;
    }

    internal static ConnectionStatus StatusOf(bool isOpen, bool isTaken, InputFlags input, OutputFlags output)
        => !isOpen ? ConnectionStatus.Ending
            : !isTaken ? ConnectionStatus.AcceptQueue
            : (output & OutputFlags.Draining) != 0 ? ConnectionStatus.Draining
            : (output & OutputFlags.Blocked) != 0 ? ConnectionStatus.PeerReads
            : (input & InputFlags.Full) != 0 ? ConnectionStatus.ReadingPaused
            : (input & InputFlags.Parked) != 0 ? ConnectionStatus.PeerSends
            : ConnectionStatus.Application;
}
