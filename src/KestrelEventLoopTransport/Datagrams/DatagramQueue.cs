using System.Buffers;
using System.Diagnostics;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>
/// Datagrams that wait because the socket is full, up to a number of bytes. In use only then, so a lock is good enough.
/// </summary>
/// <param name="maxSize">How many bytes may wait. Each datagram counts as its payload and 128 bytes.</param>
internal sealed class DatagramQueue(long maxSize)
{
    private const int Overhead = 128;

    private readonly Lock _lock = new();
    private readonly Queue<Item> _items = [];
    private TaskCompletionSource? _room;
    private long _size;
    private long _dropped;
    private bool _isClosed;

    /// <summary>How many datagrams were dropped.</summary>
    internal long Dropped => Interlocked.Read(ref _dropped);

    private bool IsHalfFree => _size <= maxSize / 2;

    /// <summary>A datagram is dropped, because the queue has no room for it or is closed.</summary>
    internal void CountDrop() => Interlocked.Increment(ref _dropped);

    /// <summary>Adds a copy of a datagram. One is always taken if the queue is empty.</summary>
    internal DatagramSendStatus Add(ReadOnlySpan<byte> payload, in DatagramAddress to, in DatagramAddress from)
    {
        lock (_lock)
        {
            if (_isClosed)
            {
                return DatagramSendStatus.Stopped;
            }

            if (!HasRoom(payload.Length))
            {
                return DatagramSendStatus.Dropped;
            }

            var bytes = ArrayPool<byte>.Shared.Rent(payload.Length);
            payload.CopyTo(bytes);
            _items.Enqueue(new Item(bytes, payload.Length, to, from));
            _size += payload.Length + Overhead;
            return DatagramSendStatus.Queued;
        }
    }

    /// <summary>Copies the first datagrams into a batch. Returns how many. For the thread that flushes.</summary>
    internal int CopyTo(DatagramSendBatch batch)
    {
        lock (_lock)
        {
            var count = 0;
            foreach (var (bytes, length, to, from) in _items)
            {
                if (count == DatagramSendBatch.Capacity || !batch.TryWrite(count, bytes.AsSpan(0, length), to, from))
                {
                    break;
                }

                count++;
            }

            Debug.Assert(count > 0 || _items.Count == 0, "The longest datagram fits into an empty batch.");
            return count;
        }
    }

    /// <summary>The first datagrams have been sent, or have failed. For the thread that flushes.</summary>
    internal void Remove(int count)
    {
        TaskCompletionSource? room = null;
        lock (_lock)
        {
            for (; count > 0 && _items.TryDequeue(out var item); count--)
            {
                ArrayPool<byte>.Shared.Return(item.Bytes);
                _size -= item.Length + Overhead;
            }

            if (IsHalfFree)
            {
                (room, _room) = (_room, null);
            }
        }

        room?.TrySetResult();
    }

    /// <summary>
    /// Completes when datagrams have left the queue and half of it is free, or when it is closed. Completed if that is
    /// so now and a datagram of a length has room. One that needs more than half waits again each time.
    /// </summary>
    internal Task WaitForRoomAsync(int length)
    {
        lock (_lock)
        {
            return _isClosed || (IsHalfFree && HasRoom(length))
                ? Task.CompletedTask
                : (_room ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }

    /// <summary>Drops what is queued, and counts it before it tells those that wait.</summary>
    internal void Close()
    {
        TaskCompletionSource? room;
        lock (_lock)
        {
            _isClosed = true;
            Interlocked.Add(ref _dropped, _items.Count);
            while (_items.TryDequeue(out var item))
            {
                ArrayPool<byte>.Shared.Return(item.Bytes);
            }

            _size = 0;
            (room, _room) = (_room, null);
        }

        room?.TrySetResult();
    }

    private bool HasRoom(int length) => _size + length + Overhead <= maxSize || _items.Count == 0;

    private readonly record struct Item(byte[] Bytes, int Length, DatagramAddress To, DatagramAddress From);
}
