using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Connections;

/// <summary>A connected socket that a loop polls, when nothing but its end is left.</summary>
/// <param name="Owner">Hears of the closed descriptor.</param>
/// <param name="Loop">The loop that polls the socket.</param>
/// <param name="Token">What the loop knows the socket by.</param>
/// <param name="Fd">The descriptor.</param>
/// <param name="MayBeDuplicated">
/// Whether the application has had the socket object. A duplicate of its descriptor would keep the socket polled.
/// </param>
/// <param name="CloseWaits">Whether closing the descriptor blocks.</param>
internal readonly record struct PolledSocket(
    IConnectionOwner Owner, EventLoop Loop, ulong Token, int Fd, bool MayBeDuplicated, bool CloseWaits)
{
    /// <summary>The loop forgets the socket. The caller has released the last reference to the descriptor.</summary>
    internal void EndPolling() => Loop.Unregister(Token, MayBeDuplicated && !Loop.HasEnded ? Fd : -1);

    /// <summary>Closes the descriptor, after <see cref="EndPolling"/>.</summary>
    internal void Close()
    {
        _ = Libc.close(Fd);
        Owner.OnDescriptorClosed();
    }
}
