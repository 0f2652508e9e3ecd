using System.Collections.Concurrent;

namespace KestrelEventLoopTransport.Listening;

/// <summary>
/// The acceptors that wait for a descriptor, in the order in which they go on. There is one queue because the process
/// has one table of descriptors: any connection that is closed helps any listener.
/// </summary>
/// <remarks>
/// <para>
/// No wake is lost: an acceptor joins and then tries once more; a thread that closes a descriptor does that first and
/// then looks into the queue.
/// </para>
/// <para>
/// No descriptor is forgotten: one that becomes free wakes one acceptor, and an acceptor that stops accepting for
/// another reason than a shortage wakes the next.
/// </para>
/// </remarks>
internal static class DescriptorWaiters
{
    private static readonly ConcurrentQueue<Acceptor> _waiting = new();

    internal static int Count => _waiting.Count;

    /// <summary>
    /// Calls <see cref="Acceptor.OnDescriptorFree"/> when a descriptor becomes free. Afterwards the caller has to try
    /// once more to accept.
    /// </summary>
    internal static void Join(Acceptor acceptor)
    {
        _waiting.Enqueue(acceptor);
        Interlocked.MemoryBarrier();
    }

    /// <summary>There is a free descriptor: one was closed, or an acceptor that was woken did not need it.</summary>
    internal static void WakeNext()
    {
        Interlocked.MemoryBarrier();
        while (_waiting.TryDequeue(out var acceptor))
        {
            if (acceptor.OnDescriptorFree())
            {
                return;
            }
        }
    }
}
