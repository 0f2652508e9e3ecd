using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>
/// Errors that wait to be reported to the handler, up to a number. Any thread adds; the thread that calls the handler
/// takes.
/// </summary>
internal sealed class DatagramErrors
{
    private const int Capacity = 64;

    private readonly Lock _lock = new();
    private readonly Queue<(int Error, DatagramAddress Address)> _errors = new(Capacity);
    private int _count;

    internal bool IsEmpty => Count == 0;

    internal int Count => Volatile.Read(ref _count);

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
