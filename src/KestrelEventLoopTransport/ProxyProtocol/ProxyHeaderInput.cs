using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.ProxyProtocol;

/// <summary>
/// Receives the header of one connection, and no byte behind it.
/// </summary>
/// <remarks>
/// The first bytes are looked at and stay in the socket (<c>MSG_PEEK</c>) until the length of the header is known. Then
/// exactly the header is received. If a part of it is missing, what is there goes into a buffer of the header's length,
/// so that a long header does not have to fit into the kernel's receive buffer. A header that is there at once costs
/// two system calls and no buffer.
/// </remarks>
internal unsafe struct ProxyHeaderInput(ProxyHeaderRules rules)
{
    // Enough for the line of version 1, and for most headers of version 2.
    private const int PeekLength = 512;

    private byte[]? _buffer;
    private int _received;
    private bool _hasBytes;

    /// <summary>Why there is no header, when the peer sends nothing more.</summary>
    internal readonly ProxyHeaderProblem Ended => _hasBytes ? ProxyHeaderProblem.Truncated : ProxyHeaderProblem.Empty;

    /// <summary>
    /// Receives what is there. Returns the header, or null: then there is a problem, or the header is not complete.
    /// </summary>
    /// <param name="fd">The socket.</param>
    /// <param name="problem">Why there will be no header; null when it is not complete yet.</param>
    internal ProxyProtocolHeader? Read(int fd, out ProxyHeaderProblem? problem)
    {
        if (_buffer is not null)
        {
            return ReadRest(fd, out problem);
        }

        var peeked = stackalloc byte[PeekLength];
        var count = Receive(fd, peeked, PeekLength, Posix.MSG_PEEK, out problem);
        if (count <= 0)
        {
            return null;
        }

        var length = ProxyHeaderScan.Measure(new(peeked, count), rules.Versions, rules.MaxLength, out problem);
        return length == 0 ? null
            : length <= count ? ReadAll(fd, peeked, length, out problem)
            : ReadIntoBuffer(fd, length, out problem);
    }

    /// <summary>The header is all there.</summary>
    private ProxyProtocolHeader? ReadAll(int fd, byte* target, int length, out ProxyHeaderProblem? problem)
    {
        var count = Receive(fd, target, length, 0, out problem);
        if (count == length)
        {
            return ProxyHeaderParser.Parse(new(target, length), out problem);
        }

        if (count > 0)
        {
            // A receive stops at urgent data, for example.
            _buffer = new byte[length];
            _received = count;
            new ReadOnlySpan<byte>(target, count).CopyTo(_buffer);
            return ReadRest(fd, out problem);
        }

        return null;
    }

    private ProxyProtocolHeader? ReadIntoBuffer(int fd, int length, out ProxyHeaderProblem? problem)
    {
        _buffer = new byte[length];
        return ReadRest(fd, out problem);
    }

    private ProxyProtocolHeader? ReadRest(int fd, out ProxyHeaderProblem? problem)
    {
        problem = null;
        fixed (byte* target = _buffer)
        {
            while (_received < _buffer!.Length)
            {
                var count = Receive(fd, target + _received, _buffer.Length - _received, 0, out problem);
                if (count <= 0)
                {
                    return null;
                }

                _received += count;
            }
        }

        return ProxyHeaderParser.Parse(_buffer, out problem);
    }

    /// <summary>0 when there is nothing now, or, with a problem, when nothing will come.</summary>
    private int Receive(int fd, byte* target, int length, int flags, out ProxyHeaderProblem? problem)
    {
        while (true)
        {
            var count = (int)Libc.recv(fd, target, (nuint)length, flags);
            var error = count < 0 ? Errno.Last : 0;
            if (error == Errno.EINTR)
            {
                continue;
            }

            // In a shortage of memory the next edge tries again, or the time is up.
            _hasBytes |= count > 0;
            problem = count == 0 || IsGone(error) ? Ended : null;
            return Math.Max(count, 0);
        }
    }

    private static bool IsGone(int error) => error != 0 && error != Errno.EAGAIN && !Errno.IsShortage(error);
}
