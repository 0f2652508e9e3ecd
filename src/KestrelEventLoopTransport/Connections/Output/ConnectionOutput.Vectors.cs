using System.Diagnostics;
using System.Runtime.CompilerServices;
using KestrelEventLoopTransport.Connections.Buffers;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Connections.Output;

// The sending system calls. Whoever comes here holds Sending.
internal sealed unsafe partial class ConnectionOutput
{
    // A megabyte in blocks of 4 KiB. Small caps cost more than anything else on large responses.
    private const int MaxVectors = 256;

    // In place of an errno: the budget is used up.
    private const int OutOfBudget = -1;

    // The sender's: position of the first unsent byte, and the number of bytes sent.
    private BufferSegment? _head;
    private int _headOffset;
    private long _sent;

    /// <summary>Sends until nothing that was committed is left (0) or an error says no (its errno).</summary>
    [SkipLocalsInit]
    private int SendCommitted(ref int budget)
    {
        var vectors = stackalloc iovec[MaxVectors];
        while (true)
        {
            var left = Volatile.Read(ref _committed) - _sent;
            if (left == 0 || (Volatile.Read(ref _state) & Stopped) != 0)
            {
                return 0;
            }

            if (budget-- == 0)
            {
                return OutOfBudget;
            }

            var count = Gather(vectors, left);
            var sent = SendVectors(vectors, count);
            if (sent < 0)
            {
                return -(int)sent;
            }

            Consume(sent);
        }
    }

    private int Gather(iovec* vectors, long left)
    {
        var count = 0;
        var segment = _head;
        var offset = _headOffset;
        while (segment is not null && left > 0 && count < MaxVectors)
        {
            // The link is read first: a segment that has a following one has its final end, and the last one holds
            // all of the rest.
            var following = segment.Following;
            var length = following is null ? left : Math.Min(segment.End - offset, left);
            Debug.Assert(length <= segment.Block.Length - offset, "A vector lies within its block.");
            if (length > 0)
            {
                vectors[count++] = new iovec { iov_base = segment.Address + offset, iov_len = (nuint)length };
                left -= length;
            }

            segment = following;
            offset = 0;
        }

        return count;
    }

    private nint SendVectors(iovec* vectors, int count)
    {
        while (true)
        {
            nint sent;
            if (count == 1)
            {
                sent = Libc.send(_connection.Fd, vectors->iov_base, vectors->iov_len, Platform.MSG_NOSIGNAL);
            }
            else
            {
                var message = new msghdr { msg_iov = vectors, msg_iovlen = (nuint)count };
                sent = Libc.sendmsg(_connection.Fd, &message, Platform.MSG_NOSIGNAL);
            }

            if (sent >= 0)
            {
                return sent;
            }

            var error = Errno.Last;
            if (error != Errno.EINTR)
            {
                return -error;
            }
        }
    }

    private void Consume(nint sent)
    {
        var left = (long)sent;
        while (_head!.Following is { } following)
        {
            var length = _head.End - _headOffset;
            if (left < length)
            {
                break;
            }

            left -= length;
            _segments.Give(_head);
            _head = following;
            _headOffset = 0;
        }

        _headOffset += (int)left;
        Volatile.Write(ref _sent, _sent + sent);
    }

    /// <summary>Gives a chain back. What it had that was not sent will not be, and counts as sent.</summary>
    private void DropChain(BufferSegment? segment)
    {
        if ((Volatile.Read(ref _state) & (Stopped | Failed)) != 0)
        {
            Volatile.Write(ref _sent, Volatile.Read(ref _committed));
        }

        while (segment is not null)
        {
            var next = segment.Following;
            _segments.Give(segment);
            segment = next;
        }
    }
}
