using KestrelEventLoopTransport.Loops.Timers;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>
/// Passes datagrams to the kernel, counts them, and reports what has failed. The caller holds a reference to the
/// descriptor.
/// </summary>
internal sealed class DatagramWriter(DatagramSocket socket, int family, bool isConnected, bool hasSegmentation)
{
    private long _sent;
    private long _failed;

    private SegmentLimit _segments = new(hasSegmentation);

    internal long Sent => Interlocked.Read(ref _sent);

    internal long Failed => Interlocked.Read(ref _failed);

    /// <summary>A datagram has failed without a system call.</summary>
    internal void CountFailure() => Interlocked.Increment(ref _failed);

    /// <summary>Sends datagrams in order. Returns how many are done; the rest meets a full socket.</summary>
    internal int Send(DatagramSendBatch batch, int count, out int error)
    {
        var next = 0;
        var sent = 0;
        var refused = 0;
        var refusal = 0;
        var fetched = new FetchedErrors(socket, isConnected);
        do
        {
            var taken = batch.Send(socket.Fd, next, count, next < refused ? 0 : _segments.Length, out error);
            if (fetched.MustSendAgain(error))
            {
                continue;
            }

            if (error == 0)
            {
                if (refusal != 0)
                {
                    // Alone it is taken: what was refused is the cutting, and not its destination.
                    _segments.Refuse(refusal, batch.GetPayload(next).Length, LoopClock.Now);
                    refusal = 0;
                }

                next += taken;
                sent += taken;
            }
            else if (IsPressure(error))
            {
                break;
            }
            else if (batch.FirstRun > 1)
            {
                // Nothing was sent. The same datagrams go one by one, and each has an outcome of its own.
                refused = next + batch.FirstRun;
                refusal = error;
            }
            else
            {
                Interlocked.Increment(ref _failed);
                socket.ReportError(error, batch.GetAddress(next));
                refusal = 0;
                next++;
            }
        }
        while (next < count);

        Interlocked.Add(ref _sent, sent);
        return next;
    }

    /// <summary>Sends a datagram. Returns 0, or the error number. The caller reports an error of its own.</summary>
    internal int Send(ReadOnlySpan<byte> payload, in DatagramAddress to, in DatagramAddress from)
    {
        var fetched = new FetchedErrors(socket, isConnected);
        int error;
        do
        {
            error = DatagramMessage.Send(socket.Fd, payload, family, in to, in from);
        }
        while (fetched.MustSendAgain(error));

        if (error == 0)
        {
            Interlocked.Increment(ref _sent);
        }
        else if (!IsPressure(error))
        {
            Interlocked.Increment(ref _failed);
        }

        return error;
    }

    /// <summary>
    /// The socket or a queue behind it is full: the same datagram can be sent later. On Unix sockets EAGAIN says that
    /// the receiver's queue is full (<c>unix(7)</c>), unless the receiver is connected: then the own buffer is. A
    /// receiver that does not read must not hold up what goes to others.
    /// </summary>
    internal bool IsPressure(int error)
        => error is Errno.ENOBUFS or Errno.ENOMEM || (error == Errno.EAGAIN && family != Posix.AF_UNIX);
}
