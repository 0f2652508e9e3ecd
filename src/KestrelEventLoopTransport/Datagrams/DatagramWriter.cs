using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>
/// Passes datagrams to the kernel and counts them. A send of a connected socket may fail with the answer to an earlier
/// datagram: that is reported, and the datagram is sent again. The caller holds a reference to the descriptor.
/// </summary>
internal sealed class DatagramWriter(DatagramSocket socket, int family, bool isConnected)
{
    // Answers to earlier datagrams that are taken for such before one datagram is sent.
    private const int MaxAnswers = 8;

    private long _sent;
    private long _failed;

    internal long Sent => Interlocked.Read(ref _sent);

    internal long Failed => Interlocked.Read(ref _failed);

    /// <summary>A datagram has failed without a system call.</summary>
    internal void CountFailure() => Interlocked.Increment(ref _failed);

    /// <summary>Sends datagrams in order. Returns how many are done; the rest meets a full socket.</summary>
    internal int Send(DatagramSendBatch batch, int count, out int error)
    {
        var next = 0;
        var sent = 0;
        error = 0;
        for (var (answer, answers) = (0, 0); next < count;)
        {
            var taken = batch.Send(socket.Fd, next, count - next, out error);
            var isOwn = answer != 0 && IsOwn(error, answer);
            if (answer != 0 && !isOwn)
            {
                socket.ReportError(answer, default);
            }

            answer = 0;
            if (taken > 0)
            {
                next += taken;
                sent += taken;
                answers = 0;
            }
            else if (IsPressure(error))
            {
                break;
            }
            else if (MayBeAnswer(error) && !isOwn && ++answers <= MaxAnswers)
            {
                answer = error;
            }
            else
            {
                Interlocked.Increment(ref _failed);
                socket.ReportError(error, batch.GetAddress(next));
                next++;
                answers = 0;
            }
        }

        Interlocked.Add(ref _sent, sent);
        return next;
    }

    /// <summary>Sends a datagram. Returns 0, or the error number. The caller reports an error of its own.</summary>
    internal int Send(ReadOnlySpan<byte> payload, DatagramAddress to, DatagramAddress from)
    {
        var error = DatagramMessage.Send(socket.Fd, payload, family, to, from);
        for (var answers = 0; MayBeAnswer(error) && answers < MaxAnswers; answers++)
        {
            var answer = error;
            error = DatagramMessage.Send(socket.Fd, payload, family, to, from);
            if (IsOwn(error, answer))
            {
                break;
            }

            socket.ReportError(answer, default);
        }

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

    /// <summary>The socket or a queue behind it is full: the same datagram can be sent later.</summary>
    internal static bool IsPressure(int error) => error is Errno.EAGAIN or Errno.ENOBUFS or Errno.ENOMEM;

    /// <summary>
    /// Whether an error may be the answer to an earlier datagram (ICMP). Then the send has only fetched it, and this
    /// datagram is sent again.
    /// </summary>
    private bool MayBeAnswer(int error) => isConnected && DatagramErrors.IsAnswer(error);

    /// <summary>
    /// Whether an error that came again is the datagram's own after all. A refusal never is: it only comes by ICMP.
    /// </summary>
    private static bool IsOwn(int error, int before) => error == before && error != Errno.ECONNREFUSED;
}
