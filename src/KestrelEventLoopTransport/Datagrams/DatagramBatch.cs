using System.Diagnostics;
using System.Runtime.InteropServices;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>
/// The memory that datagrams are received into, and the messages of <c>recvmmsg(2)</c> that describe it. One thread at
/// a time receives and reads.
/// </summary>
/// <remarks>
/// The arrays are the garbage collector's, pinned for good, not native memory: an application that keeps a
/// <see cref="Datagram"/> too long gets an exception, and never the memory of something else.
/// </remarks>
internal sealed unsafe class DatagramBatch
{
    /// <summary>How many datagrams are received at most by one call.</summary>
    internal const int Capacity = 32;

    private const int NameSize = 32;

    // Room for IPV6_PKTINFO (40 bytes), IP_PKTINFO (32), SO_RXQ_OVFL, and IP_TOS or IPV6_TCLASS (24 each).
    private const int ControlSize = 128;

    // Datagrams of powers of two apart would share the sets of the processor's cache.
    private const int Skew = 192;

    private readonly byte[] _headers;
    private readonly byte[] _payloads;
    private readonly Datagram[] _datagrams = new Datagram[Capacity];
    private readonly mmsghdr* _messages;
    private readonly bool _hasBatches;
    private readonly DatagramAddress _bound;
    private readonly int _size;
    private readonly int _stride;
    private int _used;
    private int _error;

    /// <param name="size">The longest datagram that is not truncated, in bytes.</param>
    /// <param name="bound">The address that the socket is bound to.</param>
    /// <param name="hasBatches">
    /// Whether to use <c>recvmmsg(2)</c>. Without it the same is done by single calls of <c>recvmsg(2)</c>.
    /// </param>
    internal DatagramBatch(int size, DatagramAddress bound, bool hasBatches)
    {
        _size = size;
        _bound = bound;
        _hasBatches = hasBatches;
        _stride = ((size + 63) & ~63) + Skew;
        _payloads = GC.AllocateUninitializedArray<byte>(Capacity * _stride, pinned: true);
        _headers = GC.AllocateArray<byte>(
            Capacity * (sizeof(mmsghdr) + sizeof(iovec) + NameSize + ControlSize), pinned: true);
        _messages = (mmsghdr*)Marshal.UnsafeAddrOfPinnedArrayElement(_headers, 0);
        var vectors = (iovec*)(_messages + Capacity);
        var names = (byte*)(vectors + Capacity);
        var controls = names + (Capacity * NameSize);
        var payloads = (byte*)Marshal.UnsafeAddrOfPinnedArrayElement(_payloads, 0);
        for (var i = 0; i < Capacity; i++)
        {
            vectors[i] = new iovec { iov_base = payloads + (i * _stride), iov_len = (nuint)size };
            ref var header = ref _messages[i].msg_hdr;
            header.msg_name = names + (i * NameSize);
            header.msg_iov = vectors + i;
            header.msg_iovlen = 1;
            header.msg_control = controls + (i * ControlSize);
        }

        _used = Capacity;
    }

    /// <summary>Changes with each receive, and when the handler has returned.</summary>
    internal int Version { get; private set; }

    internal long Timestamp { get; private set; }

    /// <summary>How many datagrams the kernel had dropped before the last one, for want of room.</summary>
    internal uint KernelDrops { get; private set; }

    /// <summary>
    /// Receives what is there. Returns how many there are, or -1 with the error number. As with <c>recvmmsg(2)</c>, an
    /// error that comes after the first datagram is returned by the next call.
    /// </summary>
    internal int Receive(int fd, out int error)
    {
        for (var i = 0; i < _used; i++)
        {
            ref var header = ref _messages[i].msg_hdr;
            header.msg_namelen = NameSize;
            header.msg_controllen = ControlSize;
            header.msg_flags = 0;
        }

        int count;
        do
        {
            count = _hasBatches
                ? Libc.recvmmsg(fd, _messages, Capacity, Platform.MSG_TRUNC, null)
                : ReceiveEach(fd);
            error = count >= 0 ? 0 : _hasBatches ? Errno.Last : TakeError();
        }
        while (error == Errno.EINTR);

        _used = Math.Max(count, 1);
        if (count > 0)
        {
            Timestamp = Stopwatch.GetTimestamp();
            ReadDrops(count - 1);
        }

        return count;
    }

    /// <summary>The datagrams of the last receive.</summary>
    internal ReadOnlySpan<Datagram> Open(int count)
    {
        Version++;
        for (var i = 0; i < count; i++)
        {
            _datagrams[i] = new Datagram(this, i, Version);
        }

        return _datagrams.AsSpan(0, count);
    }

    /// <summary>The datagrams are not valid any more.</summary>
    internal void Close() => Version++;

    internal ReadOnlySpan<byte> GetPayload(int index)
    {
        // A span of the array, which keeps it alive.
        return _payloads.AsSpan(index * _stride, Math.Min((int)_messages[index].msg_len, _size));
    }

    internal int GetLength(int index) => (int)_messages[index].msg_len;

    internal bool IsTruncated(int index)
    {
        // On the BSDs the flags lie in the upper half of msg_controllen: see msghdr.
        ref var header = ref _messages[index].msg_hdr;
        var flags = OperatingSystem.IsLinux() ? header.msg_flags : (int)(header.msg_controllen >> 32);
        return (flags & Platform.MSG_TRUNC) != 0;
    }

    internal DatagramAddress GetRemoteAddress(int index)
    {
        ref var header = ref _messages[index].msg_hdr;
        return DatagramAddress.From(new(header.msg_name, (int)header.msg_namelen));
    }

    internal DatagramAddress GetLocalAddress(int index)
        => PacketInfo.TryRead(in _messages[index].msg_hdr, out var info) ? _bound.WithIP(info.Destination) : _bound;

    internal DatagramAddress GetReplySource(int index)
        => PacketInfo.TryRead(in _messages[index].msg_hdr, out var info) ? _bound.WithIP(info.ReplySource) : default;

    internal int GetInterfaceIndex(int index)
        => PacketInfo.TryRead(in _messages[index].msg_hdr, out var info) ? info.InterfaceIndex : 0;

    internal int GetTrafficClass(int index)
    {
        ref var header = ref _messages[index].msg_hdr;
        return ControlData.TryFind(in header, Posix.IPPROTO_IP, Linux.IP_TOS, out var data)
            || ControlData.TryFind(in header, Posix.IPPROTO_IPV6, Linux.IPV6_TCLASS, out data)
                ? data[0]
                : 0;
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

        for (var i = 0; i < Capacity; i++)
        {
            var length = Libc.recvmsg(fd, &_messages[i].msg_hdr, Platform.MSG_TRUNC);
            if (length < 0)
            {
                _error = Errno.Last;
                if (i == 0)
                {
                    return -1;
                }

                // The next call finds the socket empty by itself.
                _error = _error is Errno.EAGAIN or Errno.EINTR ? 0 : _error;
                return i;
            }

            _messages[i].msg_len = (uint)length;
        }

        return Capacity;
    }

    private int TakeError()
    {
        var error = _error;
        _error = 0;
        return error;
    }
}
