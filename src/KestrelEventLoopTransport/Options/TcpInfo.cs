using System.Runtime.InteropServices;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport;

/// <summary>
/// What the kernel knew about a TCP connection at one moment: see <see cref="ITcpInfoFeature"/>. A value is
/// <see langword="null"/> if this kernel does not report it, or has nothing to report yet.
/// </summary>
/// <remarks>
/// The values are those of Linux' <c>struct tcp_info</c>; each says which one it is. Segments are TCP segments,
/// retransmitted ones included. Counts of the kernel that have 32 bits begin again at zero after the highest one.
/// </remarks>
public readonly struct TcpInfo
{
    private readonly tcp_info _values;
    private readonly int _length;

    private TcpInfo(in tcp_info values, int length) => (_values, _length) = (values, length);

    /// <summary>The smoothed round-trip time (<c>tcpi_rtt</c>). Null before the first measurement.</summary>
    public TimeSpan? RoundTripTime => Microseconds(NotZero(Get32(tcp_info.rtt)));

    /// <summary>
    /// How much the round-trip time varies (<c>tcpi_rttvar</c>): the smoothed mean deviation of RFC 6298. Null before
    /// the first measurement of <see cref="RoundTripTime"/>.
    /// </summary>
    public TimeSpan? RoundTripTimeVariance
        => RoundTripTime is null ? null : Microseconds(Get32(tcp_info.rttvar));

    /// <summary>
    /// The lowest round-trip time of the last minutes (<c>tcpi_min_rtt</c>; <c>net.ipv4.tcp_min_rtt_wlen</c>). Null
    /// before the first measurement.
    /// </summary>
    public TimeSpan? MinRoundTripTime => Microseconds(NotMaximum(Get32(tcp_info.min_rtt)));

    /// <summary>
    /// How long the kernel waits for an acknowledgement before it sends a segment again (<c>tcpi_rto</c>).
    /// </summary>
    public TimeSpan? RetransmissionTimeout => Microseconds(Get32(tcp_info.rto));

    /// <summary>Number of segments sent (<c>tcpi_segs_out</c>).</summary>
    public long? SegmentsSent => Get32(tcp_info.segs_out);

    /// <summary>Number of segments received (<c>tcpi_segs_in</c>).</summary>
    public long? SegmentsReceived => Get32(tcp_info.segs_in);

    /// <summary>
    /// Number of segments that were sent more than once, since the connection began (<c>tcpi_total_retrans</c>).
    /// </summary>
    public long? SegmentsRetransmitted => Get32(tcp_info.total_retrans);

    /// <summary>
    /// Number of retransmitted segments that the peer had already (<c>tcpi_dsack_dups</c>). Only peers that send
    /// D-SACK (RFC 2883) make it grow.
    /// </summary>
    public long? SpuriousRetransmissions => Get32(tcp_info.dsack_dups);

    /// <summary>
    /// How many times in a row the retransmission timer has run out for the oldest segment (<c>tcpi_retransmits</c>).
    /// Not zero: the peer does not answer at the moment.
    /// </summary>
    public int? ConsecutiveTimeouts => _length > tcp_info.retransmits ? _values[tcp_info.retransmits] : null;

    /// <summary>Number of bytes sent, headers not included (<c>tcpi_bytes_sent</c>).</summary>
    public long? BytesSent => Get64(tcp_info.bytes_sent);

    /// <summary>Number of bytes sent more than once (<c>tcpi_bytes_retrans</c>).</summary>
    public long? BytesRetransmitted => Get64(tcp_info.bytes_retrans);

    /// <summary>Number of bytes that the peer has acknowledged (<c>tcpi_bytes_acked</c>).</summary>
    public long? BytesAcknowledged => Get64(tcp_info.bytes_acked);

    /// <summary>Number of bytes in the kernel's buffer that are not sent yet (<c>tcpi_notsent_bytes</c>).</summary>
    public long? UnsentBytes => Get32(tcp_info.notsent_bytes);

    /// <summary>Number of segments sent that are not acknowledged yet (<c>tcpi_unacked</c>).</summary>
    public long? UnacknowledgedSegments => Get32(tcp_info.unacked);

    /// <summary>Number of those that the kernel takes for lost (<c>tcpi_lost</c>).</summary>
    public long? LostSegments => Get32(tcp_info.lost);

    /// <summary>The congestion window, in segments (<c>tcpi_snd_cwnd</c>).</summary>
    public long? CongestionWindow => Get32(tcp_info.snd_cwnd);

    /// <summary>
    /// The congestion window at which slow start ends, in segments (<c>tcpi_snd_ssthresh</c>). Null as long as nothing
    /// was lost and there is none.
    /// </summary>
    public long? SlowStartThreshold => Get32(tcp_info.snd_ssthresh) is { } value and < int.MaxValue ? value : null;

    /// <summary>Bytes that the peer has room for (<c>tcpi_snd_wnd</c>). Zero: it does not read.</summary>
    public long? PeerWindow => Get32(tcp_info.snd_wnd);

    /// <summary>Bytes of the largest segment that is sent (<c>tcpi_snd_mss</c>).</summary>
    public long? SegmentSize => Get32(tcp_info.snd_mss);

    /// <summary>Bytes of the largest packet that the path takes (<c>tcpi_pmtu</c>).</summary>
    public long? PathMtu => Get32(tcp_info.pmtu);

    /// <summary>
    /// How fast data has reached the peer lately, in bytes per second (<c>tcpi_delivery_rate</c>). It says what the
    /// network can do only while there is enough to send. Null before the first measurement.
    /// </summary>
    public long? DeliveryRate => Get64(tcp_info.delivery_rate) is > 0 and var rate ? rate : null;

    /// <summary>
    /// How long sending has waited for the peer's window: the peer reads too slowly (<c>tcpi_rwnd_limited</c>).
    /// </summary>
    public TimeSpan? PeerWindowLimitedTime => Microseconds(Get64(tcp_info.rwnd_limited));

    /// <summary>How long sending has waited because the send buffer is small (<c>tcpi_sndbuf_limited</c>).</summary>
    public TimeSpan? SendBufferLimitedTime => Microseconds(Get64(tcp_info.sndbuf_limited));

    /// <summary>Time since data was sent last (<c>tcpi_last_data_sent</c>), to the millisecond.</summary>
    public TimeSpan? TimeSinceSent => Milliseconds(Get32(tcp_info.last_data_sent));

    /// <summary>Time since data arrived last (<c>tcpi_last_data_recv</c>), to the millisecond.</summary>
    public TimeSpan? TimeSinceReceived => Milliseconds(Get32(tcp_info.last_data_recv));

    /// <summary>Asks the kernel. The caller keeps the descriptor open.</summary>
    internal static TcpInfo? Read(int fd)
    {
        var length = SocketCalls.GetTcpInfo(fd, out var values);
        return length > 0 ? new TcpInfo(values, length) : null;
    }

    internal static TcpInfo FromBytes(ReadOnlySpan<byte> bytes)
    {
        var values = default(tcp_info);
        bytes.CopyTo(values);
        return new TcpInfo(values, bytes.Length);
    }

    private static TimeSpan? Microseconds(long? value)
        => value is { } microseconds ? TimeSpan.FromMicroseconds(microseconds) : null;

    private static TimeSpan? Milliseconds(long? value)
        => value is { } milliseconds ? TimeSpan.FromMilliseconds(milliseconds) : null;

    private static long? NotZero(long? value) => value is 0 ? null : value;

    // The kernel's word for "not measured".
    private static long? NotMaximum(long? value) => value is uint.MaxValue ? null : value;

    private long? Get32(int offset) => Has(offset, sizeof(uint)) ? MemoryMarshal.Read<uint>(From(offset)) : null;

    private long? Get64(int offset) => Has(offset, sizeof(long)) ? MemoryMarshal.Read<long>(From(offset)) : null;

    private bool Has(int offset, int size) => offset + size <= _length;

    [System.Diagnostics.CodeAnalysis.UnscopedRef]
    private ReadOnlySpan<byte> From(int offset) => ((ReadOnlySpan<byte>)_values)[offset..];
}
