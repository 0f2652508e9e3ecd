using System.Runtime.CompilerServices;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Connections.Output;

// The sender's system calls. One thread at a time makes them, and it holds the output's reference to the descriptor.
internal sealed partial class ConnectionOutput
{
    // A megabyte in blocks of 4 KiB. Small caps cost more than anything else on large responses.
    private const int MaxVectors = 256;

    // The sender's: whether the loop tells when the socket is writable.
    private bool _watchesWritable;

    // Set before shutdown(2), because the peer may answer the FIN while the call returns.
    private volatile bool _isShutDown;

    /// <summary>Sends until nothing committed is left, or something prevents it.</summary>
    [SkipLocalsInit]
    private SendOutcome SendCommitted(ref int budget, out int error)
    {
        error = 0;
        Span<iovec> vectors = stackalloc iovec[MaxVectors];
        while (true)
        {
            // The state first: what the writer has committed before it set Finishing is then seen too.
            var flags = _state.Flags;
            var unsent = _queue.Unsent;
            if (unsent == 0 || (flags & OutputFlags.Stopped) != 0)
            {
                return (flags & OutputFlags.Finishing) == 0 ? SendOutcome.Sent : SendFin(out error);
            }

            if (budget-- == 0)
            {
                return SendOutcome.OutOfBudget;
            }

            var left = unsent;
            var count = _queue.Gather(vectors, ref left);
            var sent = SendVectors(vectors[..count]);
            if (sent < 0)
            {
                error = -(int)sent;
                return error == Errno.EAGAIN ? OnFull()
                    : Errno.IsShortage(error) ? SendOutcome.Shortage
                    : SendOutcome.Failed;
            }

            _queue.Consume(sent);
            if (sent < unsent - left)
            {
                // A stream socket takes less than it is given only when it is full, and then makes an edge when there
                // is room (epoll(7), question 9).
                return OnFull();
            }
        }
    }

    private SendOutcome SendFin(out int error)
    {
        MarkShutDown();
        error = Libc.shutdown(_connection.Fd, Posix.SHUT_WR) < 0 ? Errno.Last : 0;
        return error == 0 || (error == Errno.ENOTCONN && _connection.MayHaveEnded)
            ? SendOutcome.Finished
            : SendOutcome.Failed;
    }

    /// <summary>
    /// The socket is full. The first time, the loop is asked to tell when there is room: while the thread is still the
    /// sender, so that the descriptor stays open and an edge that comes at once is not lost.
    /// </summary>
    private SendOutcome OnFull()
    {
        _watchesWritable = _watchesWritable || _connection.TryWatchWritable();
        return _watchesWritable ? SendOutcome.Blocked : SendOutcome.Shortage;
    }

    /// <summary>Returns the number of bytes sent, or a negative errno.</summary>
    private unsafe nint SendVectors(ReadOnlySpan<iovec> vectors)
    {
        fixed (iovec* first = vectors)
        {
            while (true)
            {
                nint sent;
                if (vectors.Length == 1)
                {
                    sent = Libc.send(_connection.Fd, first->iov_base, first->iov_len, Platform.MSG_NOSIGNAL);
                }
                else
                {
                    var message = new msghdr { msg_iov = first, msg_iovlen = (nuint)vectors.Length };
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
    }
}
