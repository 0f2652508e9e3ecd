using System.Buffers.Binary;
using System.Net.Sockets;
using System.Reflection;
using KestrelEventLoopTransport.Native;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Connections;

[FailsOnStock("Stock does not show what the kernel knows.")]
public sealed class TcpInfoTests
{
    private const int Sent = 1000;

    private static readonly PropertyInfo[] _properties = typeof(TcpInfo).GetProperties();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_kernel_tells_what_has_gone_over_a_connection(bool dialed)
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var pair = dialed ? await transport.DialAsync() : await transport.ConnectAsync();
        await pair.Output.WriteAsync(new byte[Sent]);
        await pair.Client.ReceiveExactlyAsync(Sent);
        var feature = Feature(pair)!;
        await Poll.UntilAsync(() => feature.GetTcpInfo()?.UnacknowledgedSegments == 0);

        var info = feature.GetTcpInfo()!.Value;

        Assert.Equal(Sent, info.BytesSent - info.BytesRetransmitted);
        Assert.InRange(info.BytesAcknowledged!.Value, Sent, Sent + 1);
        Assert.True(info.RoundTripTime > TimeSpan.Zero);
        Assert.True(info.RoundTripTimeVariance >= TimeSpan.Zero);
        Assert.True(info.MinRoundTripTime <= info.RetransmissionTimeout);
        Assert.True(info.SegmentsSent > 0 && info.SegmentsReceived > 0);
        Assert.True(info.CongestionWindow > 0 && info.SegmentSize > 0 && info.PathMtu > info.SegmentSize);
        Assert.True(info.PeerWindow > 0 && info.DeliveryRate > 0);
        Assert.Equal(0, info.UnsentBytes);
    }

    [Fact]
    public async Task The_kernel_tells_of_a_peer_that_does_not_read()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var pair = await transport.ConnectAsync(configure: static socket => socket.ReceiveBufferSize = 4096);
        var flush = pair.Output.WriteAsync(new byte[32 << 20]);
        var feature = Feature(pair)!;

        await Poll.UntilAsync(() => feature.GetTcpInfo() is { PeerWindow: < 4096, UnsentBytes: > 0 });

        Assert.False(flush.IsCompleted);
    }

    [Fact]
    public async Task A_closed_connection_has_none_even_if_its_descriptor_has_gone_to_another()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var pair = await transport.ConnectAsync();
        var feature = Feature(pair)!;
        Assert.NotNull(feature.GetTcpInfo());
        await pair.DisposeAsync();

        var others = new List<ConnectedPair>();
        for (var i = 0; i < 4; i++)
        {
            others.Add(await transport.ConnectAsync());
        }

        Assert.Null(feature.GetTcpInfo());
        Assert.All(others, static other => Assert.NotNull(Feature(other)!.GetTcpInfo()));
    }

    [Fact]
    public async Task Asking_while_the_connection_closes_is_safe()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        for (var i = 0; i < 20; i++)
        {
            var pair = await transport.ConnectAsync();
            var feature = Feature(pair)!;
            var asking = Task.Run(() =>
            {
                var count = 0;
                while (feature.GetTcpInfo() is { } info)
                {
                    Assert.NotNull(info.CongestionWindow);
                    count++;
                }

                return count;
            });
            pair.Connection.Abort(new ConnectionAbortedException());
            await pair.DisposeAsync();
            await asking.DefaultTimeout();
        }
    }

    [Fact]
    public async Task A_unix_socket_does_not_have_the_feature()
    {
        using var path = new SocketPath();
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var pair = await transport.ConnectAsync(
            await transport.BindAsync(new UnixDomainSocketEndPoint(path.Path)));
        var tcp = await transport.ConnectAsync();

        Assert.Null(Feature(pair));
        Assert.DoesNotContain(typeof(ITcpInfoFeature), pair.Connection.Features.Select(static each => each.Key));
        Assert.Contains(typeof(ITcpInfoFeature), tcp.Connection.Features.Select(static each => each.Key));
    }

    [Fact]
    public void A_field_that_the_kernel_does_not_give_is_null()
    {
        var bytes = Distinct();
        var before = 0;
        for (var length = 0; length <= bytes.Length; length++)
        {
            var given = Given(TcpInfo.FromBytes(bytes.AsSpan(0, length)));
            Assert.InRange(given, before, _properties.Length);
            before = given;
        }

        Assert.Equal(0, Given(default));
        Assert.Equal(_properties.Length, before);
    }

    [Fact]
    public void An_old_kernel_gives_the_old_fields()
    {
        // Linux 3.14: the last field is tcpi_total_retrans.
        var info = TcpInfo.FromBytes(Distinct().AsSpan(0, tcp_info.total_retrans + sizeof(uint)));

        Assert.Equal(tcp_info.rtt, info.RoundTripTime!.Value.TotalMicroseconds);
        Assert.Equal(tcp_info.rttvar, info.RoundTripTimeVariance!.Value.TotalMicroseconds);
        Assert.Equal(tcp_info.total_retrans, info.SegmentsRetransmitted);
        Assert.Equal(tcp_info.unacked, info.UnacknowledgedSegments);
        Assert.Equal(tcp_info.snd_cwnd, info.CongestionWindow);
        Assert.Null(info.MinRoundTripTime);
        Assert.Null(info.DeliveryRate);
        Assert.Null(info.UnsentBytes);
        Assert.Null(info.PeerWindow);
    }

    [Fact]
    public void What_is_not_measured_yet_is_null()
    {
        var bytes = new byte[tcp_info.Size];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(tcp_info.min_rtt), uint.MaxValue);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(tcp_info.snd_ssthresh), int.MaxValue);
        var info = TcpInfo.FromBytes(bytes);

        Assert.Null(info.RoundTripTime);
        Assert.Null(info.RoundTripTimeVariance);
        Assert.Null(info.MinRoundTripTime);
        Assert.Null(info.SlowStartThreshold);
        Assert.Null(info.DeliveryRate);
        Assert.Equal(0, info.SegmentsRetransmitted);
    }

    // Each field of 32 bits is its offset.
    private static byte[] Distinct()
    {
        var bytes = new byte[tcp_info.Size];
        for (var offset = 0; offset < bytes.Length; offset += sizeof(uint))
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(offset), (uint)offset);
        }

        // The fields of 64 bits, so that their values are times.
        bytes.AsSpan(tcp_info.rwnd_limited + sizeof(uint), sizeof(uint)).Clear();
        bytes.AsSpan(tcp_info.sndbuf_limited + sizeof(uint), sizeof(uint)).Clear();
        return bytes;
    }

    private static int Given(TcpInfo info) => _properties.Count(property => property.GetValue(info) is not null);

    private static ITcpInfoFeature? Feature(ConnectedPair pair) => pair.Connection.Features.Get<ITcpInfoFeature>();
}
