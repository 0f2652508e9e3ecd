using System.Runtime.InteropServices;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>
/// Datagrams that go to the kernel together, and the messages of <c>sendmmsg(2)</c> that describe them. One thread at a
/// time sends them. Another may write one behind those that are sent.
/// </summary>
/// <remarks>
/// A <em>run</em> is datagrams of one size that follow each other and have the same addresses. The last of them may be
/// shorter. The kernel takes a run as one message and cuts it (<c>UDP_SEGMENT</c>, <c>udp(7)</c>), as late as it can,
/// so that it routes and queues once for all of them.
/// </remarks>
internal sealed unsafe class DatagramSendBatch
{
    /// <summary>
    /// How many datagrams it holds. The kernel cuts a message into 64 at most (<c>UDP_MAX_SEGMENTS</c>).
    /// </summary>
    internal const int Capacity = 32;

    /// <summary>The longest datagrams of a run: two of them are as long as a message can be.</summary>
    internal const int MaxSegment = MaxRunSize / 2;

    // An IPv4 packet without the headers of IP and UDP.
    private const int MaxRunSize = 65_535 - 20 - 8;

    private const int PayloadSize = 64 * 1024;
    private const int ControlSize = PacketInfo.MaxSpace + DatagramMessage.SegmentSpace;

    private readonly byte[] _memory;
    private readonly DatagramAddress[] _addresses = new DatagramAddress[Capacity];
    private readonly DatagramAddress[] _sources = new DatagramAddress[Capacity];

    // A payload ends where the next one begins. The first begins at 0.
    private readonly int[] _ends = new int[Capacity + 1];

    // The number of datagrams in each message.
    private readonly int[] _runs = new int[Capacity];

    private readonly mmsghdr* _messages;
    private readonly iovec* _vectors;
    private readonly byte* _names;
    private readonly byte* _controls;
    private readonly byte* _payloads;
    private readonly bool _hasBatches;
    private readonly int _family;
    private readonly int _nameSize;

    /// <param name="family">The family of the socket.</param>
    /// <param name="hasBatches">
    /// Whether to use <c>sendmmsg(2)</c>. Without it each message is sent by <c>sendmsg(2)</c>.
    /// </param>
    internal DatagramSendBatch(int family, bool hasBatches)
    {
        _family = family;
        _hasBatches = hasBatches;
        _nameSize = DatagramAddress.MaxSizeOf(family);
        _memory = GC.AllocateUninitializedArray<byte>(
            (Capacity * (sizeof(mmsghdr) + sizeof(iovec) + _nameSize + ControlSize)) + PayloadSize,
            pinned: true);
        _messages = (mmsghdr*)Marshal.UnsafeAddrOfPinnedArrayElement(_memory, 0);
        _vectors = (iovec*)(_messages + Capacity);
        _names = (byte*)(_vectors + Capacity);
        _controls = _names + (Capacity * _nameSize);
        _payloads = _controls + (Capacity * ControlSize);
    }

    /// <summary>How many datagrams the first message of the last send had.</summary>
    internal int FirstRun => _runs[0];

    /// <summary>Writes a datagram at a place. False if there is no room for it behind the one before.</summary>
    internal bool TryWrite(
        int index, ReadOnlySpan<byte> payload, in DatagramAddress to, in DatagramAddress from)
    {
        var start = _ends[index];
        if (payload.Length > PayloadSize - start)
        {
            return false;
        }

        payload.CopyTo(new Span<byte>(_payloads + start, payload.Length));
        _ends[index + 1] = start + payload.Length;
        _addresses[index] = to;
        _sources[index] = from;
        return true;
    }

    internal ref readonly DatagramAddress GetAddress(int index) => ref _addresses[index];

    /// <summary>The address that a datagram is to leave from; empty if the kernel chooses.</summary>
    internal ref readonly DatagramAddress GetSource(int index) => ref _sources[index];

    internal ReadOnlySpan<byte> GetPayload(int index) => new(_payloads + _ends[index], GetLength(index));

    /// <summary>
    /// Sends from a place on. Returns how many datagrams the kernel has taken; 0 with the error of the first message.
    /// An error of a later one ends the call and is lost (<c>sendmmsg(2)</c>). If it is that message's own, the next
    /// call meets it.
    /// </summary>
    /// <param name="fd">The socket.</param>
    /// <param name="first">The first datagram to send.</param>
    /// <param name="end">The place behind the last one.</param>
    /// <param name="maxSegment">The longest datagrams that may be sent as a run; 0 for no runs.</param>
    /// <param name="error">0, or the error number.</param>
    internal int Send(int fd, int first, int end, int maxSegment, out int error)
    {
        var count = Describe(first, end, maxSegment);
        int sent;
        do
        {
            sent = _hasBatches
                ? Libc.sendmmsg(fd, _messages, (uint)count, Platform.MSG_NOSIGNAL)
                : Libc.sendmsg(fd, &_messages->msg_hdr, Platform.MSG_NOSIGNAL) < 0 ? -1 : 1;
            error = sent < 0 ? Errno.Last : 0;
        }
        while (error == Errno.EINTR);

        var taken = 0;
        for (var i = 0; i < sent; i++)
        {
            taken += _runs[i];
        }

        return taken;
    }

    /// <summary>Writes the messages of one call. Returns how many there are.</summary>
    private int Describe(int first, int end, int maxSegment)
    {
        var count = 0;
        do
        {
            var run = CountRun(first, end, maxSegment);
            WriteMessage(count, first, run);
            _runs[count] = run;
            first += run;
            count++;
        }
        while (first < end && _hasBatches);
        return count;
    }

    private void WriteMessage(int message, int first, int run)
    {
        var header = &_messages[message].msg_hdr;
        var control = _controls + (message * ControlSize);
        _vectors[message] = new iovec
        {
            iov_base = _payloads + _ends[first],
            iov_len = (nuint)(_ends[first + run] - _ends[first]),
        };
        DatagramMessage.Write(
            header,
            _vectors + message,
            _names + (message * _nameSize),
            control,
            _family,
            _addresses[first],
            _sources[first]);
        if (run > 1)
        {
            DatagramMessage.AddSegmentSize(header, control, GetLength(first));
        }
    }

    /// <summary>
    /// How many datagrams from a place on are a run. An empty datagram is none of its, because no bytes stand for it.
    /// </summary>
    private int CountRun(int first, int end, int maxSegment)
    {
        var size = GetLength(first);
        var next = first + 1;
        if (size == 0 || size > maxSegment)
        {
            return 1;
        }

        for (; next < end; next++)
        {
            var length = GetLength(next);
            if (length == 0 || length > size
                || GetLength(next - 1) != size
                || _ends[next + 1] - _ends[first] > MaxRunSize
                || _addresses[next] != _addresses[first]
                || _sources[next] != _sources[first])
            {
                break;
            }
        }

        return next - first;
    }

    private int GetLength(int index) => _ends[index + 1] - _ends[index];
}
