using System.Runtime.CompilerServices;

namespace KestrelEventLoopTransport.Native;

/// <summary>
/// <c>struct tcp_info</c> of <c>linux/tcp.h</c>, as bytes: kernels have added fields at its end, and the length that
/// <c>getsockopt(2)</c> returns tells which ones are there. The constants are offsets.
/// </summary>
[InlineArray(Size)]
internal struct tcp_info
{
    /// <summary>Up to <see cref="snd_wnd"/>, which Linux 5.4 has added.</summary>
    internal const int Size = 232;

    internal const int retransmits = 2;
    internal const int rto = 8;
    internal const int snd_mss = 16;
    internal const int unacked = 24;
    internal const int sacked = 28;
    internal const int lost = 32;
    internal const int last_data_sent = 44;
    internal const int last_data_recv = 52;
    internal const int pmtu = 60;
    internal const int rtt = 68;
    internal const int rttvar = 72;
    internal const int snd_ssthresh = 76;
    internal const int snd_cwnd = 80;
    internal const int total_retrans = 100;
    internal const int bytes_acked = 120;
    internal const int segs_out = 136;
    internal const int segs_in = 140;
    internal const int notsent_bytes = 144;
    internal const int min_rtt = 148;
    internal const int delivery_rate = 160;
    internal const int rwnd_limited = 176;
    internal const int sndbuf_limited = 184;
    internal const int bytes_sent = 200;
    internal const int bytes_retrans = 208;
    internal const int dsack_dups = 216;
    internal const int snd_wnd = 228;

    private byte _first;
}
