using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>
/// Errors that wait to be reported to the handler, up to a number. Any thread adds; the thread that calls the handler
/// takes.
/// </summary>
internal sealed class DatagramErrors
{
    private const int Capacity = 64;

    // Linux only: "source host isolated" (icmp(7)). Errno has no translation of it.
    private const int ENONET = 64;

    private readonly Lock _lock = new();
    private readonly Queue<(int Error, DatagramAddress Address)> _errors = new(Capacity);
    private int _count;

    internal bool IsEmpty => Count == 0;

    internal int Count => Volatile.Read(ref _count);

    /// <summary>
    /// Whether an error is the answer of a router or of the peer's system to an earlier datagram
    /// (<c>net/ipv4/icmp.c: icmp_err_convert</c>, <c>net/ipv6/icmp.c: icmpv6_err_convert</c>). The call has fetched it,
    /// and the next one meets what is behind it.
    /// </summary>
    internal static bool IsAnswer(int error)
        => error is Errno.ECONNREFUSED or Errno.EHOSTUNREACH or Errno.ENETUNREACH or Errno.EHOSTDOWN
            or Errno.ENETDOWN or Errno.EMSGSIZE or Errno.ENOPROTOOPT or Errno.EOPNOTSUPP or Errno.EPROTO
            or Errno.EACCES or ENONET;

    /// <summary>Adds an error. False if too many wait.</summary>
    internal bool TryAdd(int error, DatagramAddress address)
    {
        lock (_lock)
        {
            if (_errors.Count == Capacity)
            {
                return false;
            }

            _errors.Enqueue((error, address));
            Volatile.Write(ref _count, _errors.Count);
            return true;
        }
    }

    internal bool TryTake(out int error, out DatagramAddress address)
    {
        lock (_lock)
        {
            var isTaken = _errors.TryDequeue(out var first);
            (error, address) = first;
            Volatile.Write(ref _count, _errors.Count);
            return isTaken;
        }
    }
}
