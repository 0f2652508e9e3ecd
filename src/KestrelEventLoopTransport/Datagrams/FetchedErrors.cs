using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>
/// Tells the answer to an earlier datagram (ICMP) from the failure of the datagram that is sent now. A send of a
/// connected socket fails with such an answer without sending anything (<c>udp(7)</c>), so the datagram is sent again.
/// An error that comes again is the datagram's own.
/// </summary>
/// <param name="socket">Reports the answers.</param>
/// <param name="isConnected">Whether the socket has one peer. Others get no answers.</param>
internal struct FetchedErrors(DatagramSocket socket, bool isConnected)
{
    // Answers that are fetched at most before one datagram is sent.
    private const int MaxAnswers = 8;

    private int _last;
    private int _count;

    /// <summary>Takes the outcome of a send. True if it has only fetched an answer: the caller sends again.</summary>
    /// <param name="error">0, or the error number.</param>
    internal bool MustSendAgain(int error)
    {
        // A refusal is never the datagram's own: it only comes by ICMP.
        var isOwn = error == _last && error is not (0 or Errno.ECONNREFUSED);
        if (_last != 0 && !isOwn)
        {
            socket.ReportError(_last, default);
        }

        if (isConnected && !isOwn && _count < MaxAnswers && DatagramErrors.IsAnswer(error))
        {
            _last = error;
            _count++;
            return true;
        }

        // The next send is that of another datagram.
        _last = 0;
        _count = 0;
        return false;
    }
}
