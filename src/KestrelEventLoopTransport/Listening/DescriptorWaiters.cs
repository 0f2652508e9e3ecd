using System.Collections.Concurrent;

namespace KestrelEventLoopTransport.Listening;

/// <summary>
/// The acceptors that cannot accept for want of a descriptor, in the order in which they go on. There is one queue, as
/// the process has one table of descriptors: any connection that closes helps any listener.
/// </summary>
/// <remarks>
/// <para>
/// No wake is lost: who waits joins and then tries once more; who closes a descriptor does that first and then looks
/// into the queue.
/// </para>
/// <para>
/// No descriptor is forgotten, and nobody is woken in vain for long: one that becomes free wakes one acceptor, and an
/// acceptor that leaves off for another reason than a shortage wakes the next.
/// </para>
/// </remarks>
internal static class DescriptorWaiters
{
    private static readonly ConcurrentQueue<Acceptor> _waiting = new();

    internal static int Count => _waiting.Count;

    /// <summary>Has an acceptor called when a descriptor becomes free. It is to try once more then.</summary>
    internal static void Join(Acceptor acceptor)
    {
        _waiting.Enqueue(acceptor);
        Interlocked.MemoryBarrier();
    }

    /// <summary>There is a descriptor that nobody uses: one was closed, or an acceptor has no use for it.</summary>
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
