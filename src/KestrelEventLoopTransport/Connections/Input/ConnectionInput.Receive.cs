using System.Buffers;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using KestrelEventLoopTransport.Connections.Buffers;
using KestrelEventLoopTransport.Descriptors;
using KestrelEventLoopTransport.Native;
using KestrelEventLoopTransport.Polling;

namespace KestrelEventLoopTransport.Connections.Input;

// The receiving system calls. Whoever comes here holds Readiness.Busy.
internal sealed unsafe partial class ConnectionInput
{
    // A block with less room than this is not worth a system call of its own.
    private const int MinReceive = 1024;

    // 128 KiB in blocks of 4 KiB: larger receives did not get cheaper per byte.
    private const int MaxBlocks = 32;

    // Receives of 64 KiB that are thrown away at most when a connection closes.
    private const int MaxDiscards = 16;

    private SegmentCache _segments;

    // What the socket has told, and what the reader has come to.
    private volatile StreamEnd _receivedEnd;
    private StreamEnd _end;
    private SocketException? _receiveError;

    // The end has just been received, and nobody has been told yet.
    private bool _endIsNew;

    // The last receive has probably left something behind. Else the reader only has to make sure.
    private bool _leavesBytes;

    // Number of blocks to offer the next receive: follows what the last ones brought.
    private int _blocks = 1;

    /// <summary>Whether the peer's end of stream, or an error, has been received.</summary>
    internal bool HasEnded => _receivedEnd != StreamEnd.None;

    /// <summary>
    /// Throws away what the application did not read. True when there was anything: then more may be on its way.
    /// </summary>
    internal bool DiscardUnread()
    {
        _readiness.Signal(Readiness.Ready);
        return Discard() switch
        {
            DiscardResult.None => _leftUnread,
            DiscardResult.End => false,
            _ => true,
        };
    }

    private DiscardResult Discard()
    {
        var result = DiscardResult.None;
        while (result is DiscardResult.None or DiscardResult.Bytes && _readiness.TryBegin())
        {
            var part = DiscardResult.None;
            try
            {
                part = DiscardOnce();
            }
            finally
            {
                if (_readiness.End(more: part is DiscardResult.More or DiscardResult.Short))
                {
                    _connection.ReleaseHalf();
                }

                if (_readiness.Has(Readiness.Completed))
                {
                    FreeBuffers();
                }
            }

            result = part == DiscardResult.None ? result : part;
        }

        return result;
    }

    /// <summary>The same at the very end, by the thread that closes the descriptor.</summary>
    internal void DiscardBeforeClose() => DiscardOnce();

    private DiscardResult DiscardOnce()
    {
        var scratch = ArrayPool<byte>.Shared.Rent(64 * 1024);
        try
        {
            var result = DiscardResult.None;
            fixed (byte* address = scratch)
            {
                var vector = new iovec { iov_base = address, iov_len = (nuint)scratch.Length };
                for (var i = 0; i < MaxDiscards; i++)
                {
                    var received = ReceiveVectors(&vector, 1);
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

    private bool TryReceive()
    {
        // What is held came first: it is taken first, also if it has come since TryFinish looked.
        if (!_readiness.TryBegin(unless: Ended | Readiness.Held))
        {
            return false;
        }
        // True also when there is no memory for a block: the bytes are still there, and their edge has been.
        var more = true;
        try
        {
            _receives++;
            more = Receive(ref _buffer, MaxBlocks);
        }
        finally
        {
            _end = _receivedEnd;
            EndReceive(more ? Readiness.Ready : 0, clear: 0, watches: _leavesBytes);
        }

        return true;
    }

    /// <summary>
    /// Gives <see cref="Readiness.Busy"/> back and does what became due meanwhile. True when a parked read is the
    /// caller's.
    /// </summary>
    private bool EndReceive(int set, int clear, bool watches)
    {
        var endIsNew = _endIsNew;
        _endIsNew = false;
        var change = _readiness.EndReceive(set, clear, watches);
        if ((change & ReadinessChange.Watched) != 0)
        {
            WatchEdge();
        }

        if (_readiness.Has(Readiness.Completed))
        {
            FreeBuffers();
        }

        if ((change & ReadinessChange.Released) != 0)
        {
            _connection.ReleaseHalf();
        }

        if (endIsNew)
        {
            // Not earlier: a reader that finds the descriptor given up has to find the reason too.
            _connection.OnInputEnded(_receivedEnd, _receiveError);
        }

        return (change & ReadinessChange.Unparked) != 0;
    }

    /// <summary>
    /// One receive, into the room of the last segment and fresh ones. Returns whether the socket may hold more.
    /// </summary>
    [SkipLocalsInit]
    private bool Receive(ref ReceivedBytes bytes, int maxBlocks)
    {
        var vectors = stackalloc iovec[MaxBlocks];
        var count = 0;
        var room = 0;
        _leavesBytes = true;
        BufferSegment? first = null;
        if (bytes.Tail is { } tail && tail.Free >= MinReceive)
        {
            vectors[count++] = new iovec { iov_base = tail.Address + tail.End, iov_len = (nuint)tail.Free };
            room = tail.Free;
        }

        try
        {
            var capacity = room;
            BufferSegment? last = null;
            for (var blocks = Math.Min(_blocks, maxBlocks); count < blocks; count++)
            {
                var segment = _segments.Take();
                segment.Rent(_connection.Pool, StreamConnection.BlockSize);
                if (last is null)
                {
                    first = segment;
                }
                else
                {
                    last.Following = segment;
                }

                last = segment;
                vectors[count] = new iovec { iov_base = segment.Address, iov_len = (nuint)segment.Free };
                capacity += segment.Free;
            }

            var received = ReceiveVectors(vectors, count);
            if (received <= 0)
            {
                _leavesBytes = false;
                return OnNothingReceived(received);
            }

            _connection.Output.OnInput();
            bytes.Append(received, room, ref first);
            return MayHoldMore(received, capacity);
        }
        finally
        {
            GiveChain(first);
        }
    }

    private bool MayHoldMore(int received, int capacity)
    {
        if (received == capacity)
        {
            _blocks = Math.Min(_blocks * 2, Math.Min(_connection.MaxReceiveBlocks, MaxBlocks));
            return true;
        }

        _leavesBytes = _readiness.Has(Readiness.ReadOn);
        if (received <= capacity / 2)
        {
            _blocks = Math.Max(_blocks / 2, 1);
        }
        // A short receive has emptied a TCP socket (epoll(7), question 9), and what comes later is an edge of its own.
        // Not so on a Unix socket, where a receive stops at ancillary data.
        return _leavesBytes || !_connection.ShortReceiveEmpties;
    }

    private bool OnNothingReceived(int result)
    {
        if (result == 0)
        {
            // A send may have used up the error of a reset: then this is no clean end.
            SetEnd(!PeerFinished && _connection.IsReset() ? StreamEnd.Reset : StreamEnd.Finished, 0);
            return false;
        }

        var error = -result;
        switch (error)
        {
            case Errno.EAGAIN:
                return false;
            case Errno.ECONNRESET or Errno.EPIPE:
                SetEnd(StreamEnd.Reset, error);
                return false;
            case Errno.ENOMEM or Errno.ENOBUFS:
                // No edge will come for this: try again from the loop in a moment.
                _connection.Loop.Schedule(new ReceiveRetry(this), StreamConnection.ShortageDelay);
                return false;
            default:
                SetEnd(StreamEnd.Failed, error);
                return false;
        }
    }

    private void SetEnd(StreamEnd end, int error)
    {
        if (end != StreamEnd.Finished)
        {
            _receiveError = error == 0 ? new SocketException((int)SocketError.ConnectionReset) : Errno.ToException(error);
        }

        _receivedEnd = end;
        _endIsNew = true;
    }

    /// <summary>Number of bytes, 0 for the end of the stream, or a negated errno.</summary>
    private int ReceiveVectors(iovec* vectors, int count)
    {
        while (true)
        {
            nint received;
            if (count == 1)
            {
                received = Libc.recv(_connection.Fd, vectors->iov_base, vectors->iov_len, 0);
            }
            else
            {
                var message = new msghdr { msg_iov = vectors, msg_iovlen = (nuint)count };
                received = Libc.recvmsg(_connection.Fd, &message, 0);
            }

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

    private void GiveChain(BufferSegment? segment)
    {
        while (segment is not null)
        {
            var next = segment.Following;
            _segments.Give(segment);
            segment = next;
        }
    }

    private sealed class ReceiveRetry(ConnectionInput input) : IThreadPoolWorkItem
    {
        public void Execute() => input.OnReadable(PollEvents.Readable);
    }
}
