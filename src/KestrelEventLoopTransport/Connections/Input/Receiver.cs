using System.Buffers;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using KestrelEventLoopTransport.Connections.Buffers;
using KestrelEventLoopTransport.Native;
using KestrelEventLoopTransport.Polling;

namespace KestrelEventLoopTransport.Connections.Input;

/// <summary>
/// Makes the receiving system calls, and knows how the stream has ended. The caller has set
/// <see cref="InputFlags.Busy"/>.
/// </summary>
internal unsafe struct Receiver()
{
    /// <summary>
    /// Number of blocks that one receive may fill: 128 KiB. Larger receives did not get cheaper per byte.
    /// </summary>
    internal const int MaxBlocks = 32;

    // A block with less room than this is not worth a vector of its own.
    private const int MinRoom = 1024;

    // Receives of 64 KiB that are thrown away at most when a connection closes.
    private const int MaxDiscards = 16;

    /// <summary>Segments for receives. Any thread may return some.</summary>
    internal SegmentCache Segments;

    // Number of blocks to offer the next receive. It follows what the last ones brought.
    private byte _blocks = 1;
    private long _bytes;
    private volatile StreamEnd _end;
    private bool _endIsNew;

    /// <summary>Number of bytes received. Any thread may ask.</summary>
    internal readonly long Bytes => Volatile.Read(in _bytes);

    /// <summary>How the stream has ended, as far as it was received. Any thread may ask.</summary>
    internal StreamEnd End => _end;

    /// <summary>The error that has ended the stream.</summary>
    internal SocketException? Error { get; private set; }

    /// <summary>
    /// Makes one receive, into the room of the last segment and fresh ones. Returns the number of bytes, 0 for the end
    /// of the stream, or a negated errno.
    /// </summary>
    /// <param name="connection">The connection to receive from.</param>
    /// <param name="bytes">Where the bytes go.</param>
    /// <param name="maxBlocks">Number of blocks to offer at most.</param>
    /// <param name="remainder">
    /// What is left in the socket. A receive that brings less than asked for has emptied it (epoll(7), question 9), and
    /// what comes later makes an edge of its own. Not so where the poller does not report urgent data, at whose mark a
    /// receive stops, and not so on a Unix socket at ancillary data.
    /// </param>
    [SkipLocalsInit]
    internal int Receive(StreamConnection connection, ref ReceivedBytes bytes, int maxBlocks, out Remainder remainder)
    {
        var vectors = stackalloc iovec[MaxBlocks];
        var count = 0;
        var room = 0;
        if (bytes.Tail is { } tail && tail.Free >= MinRoom)
        {
            vectors[count++] = new iovec { iov_base = tail.Address + tail.End, iov_len = (nuint)tail.Free };
            room = tail.Free;
        }

        BufferSegment? fresh = null;
        try
        {
            var capacity = room;
            BufferSegment? last = null;
            for (var blocks = Math.Min(_blocks, maxBlocks); count < blocks; count++)
            {
                var segment = Segments.Take();
                segment.Rent(connection.Pool, StreamConnection.BlockSize);
                if (last is null)
                {
                    fresh = segment;
                }
                else
                {
                    last.Following = segment;
                }

                last = segment;
                vectors[count] = new iovec { iov_base = segment.Address, iov_len = (nuint)segment.Free };
                capacity += segment.Free;
            }

            var received = Receive(connection, vectors, count, capacity, out remainder);
            if (received > 0)
            {
                bytes.Append(received, room, ref fresh);
                Adapt(received, capacity, connection.MaxReceiveBlocks);
            }

            return received;
        }
        finally
        {
            if (fresh is not null)
            {
                GiveChain(fresh);
            }
        }
    }

    /// <summary>
    /// Makes one receive into memory of the reader's, when there is nothing in the buffer. Returns the same.
    /// </summary>
    /// <remarks>
    /// While much arrives, a block behind the memory takes part. HttpClient asks for a body of known length with memory
    /// of just that length: without the block, one more receive would have to find out that the socket is empty.
    /// </remarks>
    /// <param name="connection">The connection to receive from.</param>
    /// <param name="memory">Where the bytes go.</param>
    /// <param name="bytes">Where those go that there is no room for.</param>
    /// <param name="remainder">What is left in the socket.</param>
    [SkipLocalsInit]
    internal int ReceiveInto(
        StreamConnection connection, Span<byte> memory, ref ReceivedBytes bytes, out Remainder remainder)
    {
        var vectors = stackalloc iovec[2];
        var count = 1;
        var capacity = memory.Length;
        BufferSegment? fresh = null;
        try
        {
            if (_blocks > 1)
            {
                fresh = Segments.Take();
                fresh.Rent(connection.Pool, StreamConnection.BlockSize);
                vectors[count++] = new iovec { iov_base = fresh.Address, iov_len = (nuint)fresh.Free };
                capacity += fresh.Free;
            }

            int received;
            fixed (byte* address = memory)
            {
                vectors[0] = new iovec { iov_base = address, iov_len = (nuint)memory.Length };
                received = Receive(connection, vectors, count, capacity, out remainder);
            }

            if (received > 0)
            {
                bytes.Append(Math.Max(received - memory.Length, 0), room: 0, ref fresh);
                Adapt(received, capacity, connection.MaxReceiveBlocks);
            }

            return received;
        }
        finally
        {
            if (fresh is not null)
            {
                GiveChain(fresh);
            }
        }
    }

    /// <summary>The stream has ended.</summary>
    internal void SetEnd(StreamEnd end, int errno)
    {
        if (end != StreamEnd.Finished)
        {
            Error = errno == 0 ? new SocketException((int)SocketError.ConnectionReset) : Errno.ToException(errno);
        }

        _end = end;
        _endIsNew = true;
    }

    /// <summary>True once after the stream has ended.</summary>
    internal bool TryTakeNewEnd()
    {
        var isNew = _endIsNew;
        _endIsNew = false;
        return isNew;
    }

    /// <summary>Receives what is in a socket and throws it away.</summary>
    internal static DiscardResult Discard(int fd)
    {
        var scratch = ArrayPool<byte>.Shared.Rent(64 * 1024);
        try
        {
            var result = DiscardResult.None;
            fixed (byte* address = scratch)
            {
                for (var i = 0; i < MaxDiscards; i++)
                {
                    var vector = new iovec { iov_base = address, iov_len = (nuint)scratch.Length };
                    var received = Receive(fd, &vector, 1);
                    if (received <= 0)
                    {
                        return -received switch
                        {
                            Errno.EAGAIN => result,
                            Errno.ENOMEM or Errno.ENOBUFS => DiscardResult.Short,
                            _ => DiscardResult.End,
                        };
                    }

                    result = DiscardResult.Bytes;
                }
            }

            return DiscardResult.More;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(scratch);
        }
    }

    private int Receive(
        StreamConnection connection, iovec* vectors, int count, int capacity, out Remainder remainder)
    {
        var isStopped = !Poller.ReportsUrgentData;
        var received = connection.IsUnix
            ? ReceiveVectors(connection.Fd, vectors, count, ref isStopped)
            : Receive(connection.Fd, vectors, count);
        remainder = received == capacity ? Remainder.Likely : isStopped ? Remainder.Possible : Remainder.None;
        if (received > 0)
        {
            Volatile.Write(ref _bytes, _bytes + received);
        }

        return received;
    }

    private static int Receive(int fd, iovec* vectors, int count)
    {
        if (count > 1)
        {
            var isStopped = false;
            return ReceiveVectors(fd, vectors, count, ref isStopped);
        }

        while (true)
        {
            var received = Libc.recv(fd, vectors->iov_base, vectors->iov_len, 0);
            if (received >= 0)
            {
                return (int)received;
            }

            var error = Errno.Last;
            if (error != Errno.EINTR)
            {
                return -error;
            }
        }
    }

    // A method of its own: a receive of one block, the usual one, does not pay for clearing the header.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int ReceiveVectors(int fd, iovec* vectors, int count, ref bool isStopped)
    {
        while (true)
        {
            var message = new msghdr { msg_iov = vectors, msg_iovlen = (nuint)count };
            var received = Libc.recvmsg(fd, &message, 0);
            if (received >= 0)
            {
                // A receive stops early at ancillary data and at out-of-band data. Linux sets the flag when there was
                // no room for the first (net/unix/af_unix.c: unix_stream_read_generic; net/core/scm.c). The poller
                // reports the second as urgent data.
                isStopped |= (message.msg_flags & Linux.MSG_CTRUNC) != 0;
                return (int)received;
            }

            var error = Errno.Last;
            if (error != Errno.EINTR)
            {
                return -error;
            }
        }
    }

    private void Adapt(int received, int capacity, int maxReceiveBlocks)
    {
        if (received == capacity)
        {
            _blocks = (byte)Math.Min(_blocks * 2, Math.Min(maxReceiveBlocks, MaxBlocks));
        }
        else if (received <= capacity / 2)
        {
            _blocks = (byte)Math.Max(_blocks / 2, 1);
        }
    }

    private void GiveChain(BufferSegment? segment)
    {
        while (segment is not null)
        {
            var next = segment.Following;
            Segments.Give(segment);
            segment = next;
        }
    }
}
