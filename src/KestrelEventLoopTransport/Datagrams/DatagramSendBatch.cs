using System.Runtime.InteropServices;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>
/// Datagrams that go to the kernel together, and the messages of <c>sendmmsg(2)</c> that describe them. One thread at a
/// time uses it.
/// </summary>
internal sealed unsafe class DatagramSendBatch
{
    /// <summary>How many datagrams it holds.</summary>
    internal const int Capacity = 32;

    private const int PayloadSize = 64 * 1024;
    private const int NameSize = 32;

    private readonly byte[] _memory = GC.AllocateUninitializedArray<byte>(
        (Capacity * (sizeof(mmsghdr) + sizeof(iovec) + NameSize + PacketInfo.MaxSpace)) + PayloadSize, pinned: true);
    private readonly DatagramAddress[] _addresses = new DatagramAddress[Capacity];
    private readonly mmsghdr* _messages;
    private readonly iovec* _vectors;
    private readonly byte* _names;
    private readonly byte* _controls;
    private readonly byte* _payloads;
    private readonly bool _hasBatches;
    private readonly int _family;
    private int _end;

    /// <param name="family">The family of the socket.</param>
    /// <param name="hasBatches">
    /// Whether to use <c>sendmmsg(2)</c>. Without it each message is sent by <c>sendmsg(2)</c>.
    /// </param>
    internal DatagramSendBatch(int family, bool hasBatches)
    {
        _family = family;
        _hasBatches = hasBatches;
        _messages = (mmsghdr*)Marshal.UnsafeAddrOfPinnedArrayElement(_memory, 0);
        _vectors = (iovec*)(_messages + Capacity);
        _names = (byte*)(_vectors + Capacity);
        _controls = _names + (Capacity * NameSize);
        _payloads = _controls + (Capacity * PacketInfo.MaxSpace);
    }

    /// <summary>Writes a datagram at a place. False if there is no room for it behind the one before.</summary>
    internal bool TryWrite(int index, ReadOnlySpan<byte> payload, DatagramAddress to, DatagramAddress from)
    {
        if (index == 0)
        {
            _end = 0;
        }

        if (payload.Length > PayloadSize - _end)
        {
            return false;
        }

        payload.CopyTo(new Span<byte>(_payloads + _end, payload.Length));
        _vectors[index] = new iovec { iov_base = _payloads + _end, iov_len = (nuint)payload.Length };
        _end += payload.Length;
        _addresses[index] = to;
        DatagramMessage.Write(
            &_messages[index].msg_hdr,
            _vectors + index,
            _names + (index * NameSize),
            _controls + (index * PacketInfo.MaxSpace),
            _family,
            to,
            from);
        return true;
    }

    internal DatagramAddress GetAddress(int index) => _addresses[index];

    internal ReadOnlySpan<byte> GetPayload(int index)
        => new(_vectors[index].iov_base, (int)_vectors[index].iov_len);

    /// <summary>The address that a datagram is to leave from; empty if the kernel chooses.</summary>
    internal DatagramAddress GetSource(int index)
        => PacketInfo.TryRead(in _messages[index].msg_hdr, out var info)
            ? _addresses[index].WithIP(info.ReplySource)
            : default;

    /// <summary>
    /// Sends from a place on. Returns how many the kernel has taken, or -1 with the error of the first one. An error of
    /// a later one ends the call and is lost (<c>sendmmsg(2)</c>). If it is that datagram's own, the next call
    /// meets it.
    /// </summary>
    internal int Send(int fd, int index, int count, out int error)
    {
        int sent;
        do
        {
            if (_hasBatches)
            {
                sent = Libc.sendmmsg(fd, _messages + index, (uint)count, Platform.MSG_NOSIGNAL);
            }
            else
            {
                sent = Libc.sendmsg(fd, &_messages[index].msg_hdr, Platform.MSG_NOSIGNAL) < 0 ? -1 : 1;
            }

            error = sent < 0 ? Errno.Last : 0;
        }
        while (error == Errno.EINTR);
        return sent;
    }
}
