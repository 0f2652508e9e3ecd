using System.Diagnostics;
using System.Runtime.InteropServices;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>
/// The memory that datagrams are received into, and the messages of <c>recvmmsg(2)</c> that describe it. One thread at
/// a time receives and reads.
/// </summary>
/// <remarks>
/// <para>
/// A message is one datagram, or several of one sender that the kernel has joined (<c>UDP_GRO</c>, <c>udp(7)</c>).
/// These have the size that its ancillary data tells, but for the last, which may be shorter.
/// </para>
/// <para>
/// The arrays are the garbage collector's, pinned for good, not native memory: an application that keeps a
/// <see cref="Datagram"/> too long gets an exception, and never the memory of something else.
/// </para>
/// </remarks>
internal sealed unsafe class DatagramBatch
{
    /// <summary>How many messages are received at most by one call.</summary>
    internal const int Capacity = 32;

    // The same for messages of up to 128 datagrams each (UDP_MAX_SEGMENTS), so that a call stays short.
    private const int CoalescingCapacity = 8;

    // Room for all that the kernel joins: what the length of an IP packet can say.
    private const int CoalescingSize = 65_535;

    // Room for IPV6_PKTINFO (40 bytes), IP_PKTINFO (32), SO_RXQ_OVFL, UDP_GRO, and IP_TOS or IPV6_TCLASS (24 each), and
    // for what ConfigureSocket asks for besides, such as SO_TIMESTAMPING (64): it would displace the last of these.
    private const int ControlSize = 144 + 64;

    // Datagrams of powers of two apart would share the sets of the processor's cache.
    private const int Skew = 192;

    private readonly byte[] _headers;
    private readonly byte[] _payloads;
    private readonly mmsghdr* _messages;
    private readonly bool _hasBatches;
    private readonly DatagramAddress _bound;
    private readonly int _size;
    private readonly int _stride;
    private readonly int _capacity;
    private readonly int _nameSize;
    private readonly int _controlSize;
    private readonly UnixAddresses? _unixAddresses;
    private Datagram[] _datagrams;
    private Part[] _parts;
    private int _used;
    private int _error;

    /// <param name="size">The longest datagram that is not truncated, in bytes.</param>
    /// <param name="bound">The address that the socket is bound to.</param>
    /// <param name="hasBatches">
    /// Whether to use <c>recvmmsg(2)</c>. Without it the same is done by single calls of <c>recvmsg(2)</c>.
    /// </param>
    /// <param name="isCoalescing">Whether the kernel joins datagrams.</param>
    internal DatagramBatch(int size, DatagramAddress bound, bool hasBatches, bool isCoalescing)
    {
        _size = size;
        _capacity = isCoalescing ? CoalescingCapacity : Capacity;
        _datagrams = new Datagram[_capacity];
        _parts = new Part[_capacity];
        _bound = bound;
        _hasBatches = hasBatches;
        _nameSize = DatagramAddress.MaxSizeOf(bound.IsUnix ? Posix.AF_UNIX : Posix.AF_INET);
        _unixAddresses = bound.IsUnix ? new() : null;

        // Without room for descriptors that a peer passes (unix(7), SCM_RIGHTS), the kernel closes them.
        _controlSize = bound.IsUnix ? 0 : ControlSize;
        var room = isCoalescing ? CoalescingSize : size;
        _stride = ((room + 63) & ~63) + Skew;
        _payloads = GC.AllocateUninitializedArray<byte>(_capacity * _stride, pinned: true);
        _headers = GC.AllocateArray<byte>(
            _capacity * (sizeof(mmsghdr) + sizeof(iovec) + _nameSize + ControlSize), pinned: true);
        _messages = (mmsghdr*)Marshal.UnsafeAddrOfPinnedArrayElement(_headers, 0);
        var vectors = (iovec*)(_messages + _capacity);
        var names = (byte*)(vectors + _capacity);
        var controls = names + (_capacity * _nameSize);
        var payloads = (byte*)Marshal.UnsafeAddrOfPinnedArrayElement(_payloads, 0);
        for (var i = 0; i < _capacity; i++)
        {
            vectors[i] = new iovec { iov_base = payloads + (i * _stride), iov_len = (nuint)room };
            ref var header = ref _messages[i].msg_hdr;
            header.msg_name = names + (i * _nameSize);
            header.msg_iov = vectors + i;
            header.msg_iovlen = 1;
            header.msg_control = controls + (i * ControlSize);
        }

        _used = _capacity;
    }

    /// <summary>Changes with each receive, and when the handler has returned.</summary>
    internal int Version { get; private set; }

    internal long Timestamp { get; private set; }

    /// <summary>How many datagrams the kernel had dropped before the last one, for want of room.</summary>
    internal uint KernelDrops { get; private set; }

    /// <summary>How many datagrams the last receive has brought.</summary>
    internal int Count { get; private set; }

    /// <summary>
    /// Receives what is there, or nothing and an error. As with <c>recvmmsg(2)</c>, an error that comes after the first
    /// message is returned by the next call. Returns whether there may be more: all messages were used, or the error
    /// waits.
    /// </summary>
    internal bool Receive(int fd, out int error)
    {
        for (var i = 0; i < _used; i++)
        {
            ref var header = ref _messages[i].msg_hdr;
            header.msg_namelen = (uint)_nameSize;
            header.msg_controllen = (nuint)_controlSize;
            header.msg_flags = 0;
        }

        int count;
        do
        {
            count = _hasBatches
                ? Libc.recvmmsg(fd, _messages, (uint)_capacity, Platform.MSG_TRUNC, null)
                : ReceiveEach(fd);
            error = count >= 0 ? 0 : _hasBatches ? Errno.Last : TakeError();
        }
        while (error == Errno.EINTR);

        _used = Math.Max(count, 1);
        Count = 0;
        if (count > 0)
        {
            Timestamp = Stopwatch.GetTimestamp();
            ReadDrops(count - 1);
            for (var i = 0; i < count; i++)
            {
                AddParts(i);
            }
        }

        // Behind an error there may be more, for which no edge comes. The next call takes the error.
        return count == _capacity || _error != 0;
    }

    /// <summary>The datagrams of the last receive.</summary>
    internal ReadOnlySpan<Datagram> Open()
    {
        Version++;
        for (var i = 0; i < Count; i++)
        {
            _datagrams[i] = new Datagram(this, i, Version);
        }

        return _datagrams.AsSpan(0, Count);
    }

    /// <summary>The datagrams are not valid any more.</summary>
    internal void Close() => Version++;

    internal ReadOnlySpan<byte> GetPayload(int index)
    {
        // A span of the array, which keeps it alive.
        ref readonly var part = ref _parts[index];
        return _payloads.AsSpan((part.Message * _stride) + part.Offset, Math.Min(part.Length, _size));
    }

    internal int GetLength(int index) => _parts[index].Length;

    internal bool IsTruncated(int index)
    {
        // On the BSDs the flags lie in the upper half of msg_controllen: see msghdr.
        ref readonly var header = ref GetHeader(index);
        var flags = OperatingSystem.IsLinux() ? header.msg_flags : (int)(header.msg_controllen >> 32);
        return (flags & Platform.MSG_TRUNC) != 0 || _parts[index].Length > _size;
    }

    internal DatagramAddress GetRemoteAddress(int index)
    {
        ref readonly var header = ref GetHeader(index);
        var address = new ReadOnlySpan<byte>(header.msg_name, (int)header.msg_namelen);
        return _unixAddresses is { } known ? known.Get(address) : DatagramAddress.From(address);
    }

    internal DatagramAddress GetLocalAddress(int index)
        => PacketInfo.TryRead(in GetHeader(index), out var info) ? _bound.WithIP(info.Destination) : _bound;

    /// <summary>What a reply leaves from; empty if it is the address that the socket is bound to.</summary>
    internal DatagramAddress GetReplySource(int index)
        => PacketInfo.TryRead(in GetHeader(index), out var info) && !info.ReplySource.SequenceEqual(_bound.IPAddress)
            ? _bound.WithIP(info.ReplySource)
            : default;

    internal int GetInterfaceIndex(int index)
        => PacketInfo.TryRead(in GetHeader(index), out var info) ? info.InterfaceIndex : 0;

    internal int GetTrafficClass(int index)
    {
        ref readonly var header = ref GetHeader(index);
        return ControlData.TryFind(in header, Posix.IPPROTO_IP, Linux.IP_TOS, out var data)
            || ControlData.TryFind(in header, Posix.IPPROTO_IPV6, Linux.IPV6_TCLASS, out data)
                ? data[0]
                : 0;
    }

    private ref readonly msghdr GetHeader(int index) => ref _messages[_parts[index].Message].msg_hdr;

    /// <summary>Adds the datagrams of a message: one, unless the kernel has joined several.</summary>
    private void AddParts(int message)
    {
        var left = (int)_messages[message].msg_len;
        var size = left;
        if (_capacity == CoalescingCapacity
            && ControlData.TryFind(in _messages[message].msg_hdr, Linux.SOL_UDP, Linux.UDP_GRO, out var data)
            && MemoryMarshal.Read<int>(data) is > 0 and var told)
        {
            size = told;
        }

        for (var offset = 0; ; offset += size)
        {
            if (Count == _parts.Length)
            {
                Array.Resize(ref _parts, 2 * Count);
                Array.Resize(ref _datagrams, 2 * Count);
            }

            _parts[Count++] = new Part(message, offset, Math.Min(size, left));
            left -= size;
            if (left <= 0)
            {
                break;
            }
        }
    }

    private void ReadDrops(int index)
    {
        if (ControlData.TryFind(in _messages[index].msg_hdr, Linux.SOL_SOCKET, Linux.SO_RXQ_OVFL, out var data))
        {
            KernelDrops = MemoryMarshal.Read<uint>(data);
        }
    }

    private int ReceiveEach(int fd)
    {
        if (_error != 0)
        {
            return -1;
        }

        for (var i = 0; i < _capacity; i++)
        {
            nint length;
            do
            {
                // An interruption is not the end: no edge comes for datagrams that are there.
                length = Libc.recvmsg(fd, &_messages[i].msg_hdr, Platform.MSG_TRUNC);
                _error = length < 0 ? Errno.Last : 0;
            }
            while (_error == Errno.EINTR);

            if (length < 0)
            {
                if (i == 0)
                {
                    return -1;
                }

                // The next call finds the socket empty by itself.
                _error = _error == Errno.EAGAIN ? 0 : _error;
                return i;
            }

            _messages[i].msg_len = (uint)length;
        }

        return _capacity;
    }

    private int TakeError()
    {
        var error = _error;
        _error = 0;
        return error;
    }

    /// <summary>Where a datagram lies.</summary>
    private readonly record struct Part(int Message, int Offset, int Length);
}
