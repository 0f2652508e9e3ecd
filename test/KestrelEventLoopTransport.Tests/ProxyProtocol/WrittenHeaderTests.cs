using System.Buffers;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace KestrelEventLoopTransport.Tests.ProxyProtocol;

/// <summary>Headers to send.</summary>
[Trait("Contract", "proxy")]
[FailsOnStock("Stock has no PROXY protocol.")]
public sealed class WrittenHeaderTests
{
    private static readonly IPEndPoint _v6 = IPEndPoint.Parse("[2001:db8::1]:80");

    [Fact]
    public void A_header_does_not_change_with_the_list_it_was_made_of()
    {
        var fields = new List<ProxyProtocolTlv> { new(ProxyProtocolTlvType.Authority, new byte[] { 97 }) };
        var header = new ProxyProtocolHeader { Tlvs = fields };

        fields.Clear();

        Assert.Equal("a", header.Authority);
        Assert.Throws<ArgumentNullException>(static () => new ProxyProtocolHeader { Tlvs = null! });
    }

    [Fact]
    public void Version_2_over_IPv4_is_byte_for_byte_as_the_specification_says()
        => Assert.Equal(
            HeaderBytes.Block(), Write(new() { Source = HeaderBytes.Client, Destination = HeaderBytes.Server }));

    [Fact]
    public void Version_1_over_IPv4_is_byte_for_byte_as_the_specification_says()
        => Assert.Equal(HeaderBytes.Line, Write(new()
        {
            Version = ProxyProtocolVersions.V1,
            Source = HeaderBytes.Client,
            Destination = HeaderBytes.Server,
        }));

    [Fact]
    public void Version_1_over_IPv6_has_no_scope_and_no_dots()
        => Assert.Equal("PROXY TCP6 fe80::1 ::ffff:c000:201 1 443\r\n", Encoding.ASCII.GetString(Write(new()
        {
            Version = ProxyProtocolVersions.V1,
            Source = new IPEndPoint(IPAddress.Parse("fe80::1%3"), 1),
            Destination = HeaderBytes.Server,
        })));

    [Fact]
    public void Addresses_of_two_families_are_written_as_IPv6()
    {
        var header = RoundTrip(new() { Source = _v6, Destination = HeaderBytes.Server });

        Assert.Equal(_v6, header.Source);
        Assert.Equal(IPEndPoint.Parse("[::ffff:192.0.2.1]:443"), header.Destination);
    }

    [Fact]
    public void Mapped_addresses_are_written_as_IPv4_if_both_are_IPv4()
        => Assert.Equal(HeaderBytes.Block(), Write(new()
        {
            Source = new IPEndPoint(HeaderBytes.Client.Address.MapToIPv6(), HeaderBytes.Client.Port),
            Destination = HeaderBytes.Server,
        }));

    [Fact]
    public void Unix_paths_have_108_bytes_each()
    {
        var header = new ProxyProtocolHeader
        {
            Source = new UnixDomainSocketEndPoint("\0name"),
            Destination = new UnixDomainSocketEndPoint("/run/app.sock"),
        };

        Assert.Equal(16 + 216, Write(header).Length);
        Assert.Equal(header.Source, RoundTrip(header).Source);
        Assert.Equal(header.Destination, RoundTrip(header).Destination);
    }

    [Fact]
    public void LOCAL_has_no_addresses()
    {
        Assert.Equal(HeaderBytes.Version2(0x20, 0, []), Write(ProxyProtocolHeader.Local));
        Assert.Equal(
            HeaderBytes.Version2(0x20, 0, []),
            Write(new() { Command = ProxyProtocolCommand.Local, Source = _v6, Destination = _v6 }));
    }

    [Fact]
    public void Addresses_without_a_form_are_left_out()
    {
        var unix = new UnixDomainSocketEndPoint("/run/app.sock");
        Assert.Equal(HeaderBytes.Version2(0x21, 0, []), Write(new() { Source = unix, Destination = _v6 }));
        Assert.Equal(HeaderBytes.Version2(0x21, 0, []), Write(new()));
        Assert.Equal(
            "PROXY UNKNOWN\r\n"u8.ToArray(),
            Write(new() { Version = ProxyProtocolVersions.V1, Source = unix, Destination = unix }));
    }

    [Fact]
    public void Fields_come_back_in_order_and_the_checksum_is_right()
    {
        ProxyProtocolTlv[] tlvs =
        [
            new(ProxyProtocolTlvType.Authority, "example.com"u8.ToArray()),
            ProxyProtocolTlv.Checksum,
            new(ProxyProtocolTlvType.NoOp, new byte[5]),
            new((ProxyProtocolTlvType)0xE5, new byte[300]),
        ];

        var header = RoundTrip(new() { Source = _v6, Destination = _v6, Tlvs = tlvs });

        Assert.Equal("example.com", header.Authority);
        Assert.Equal([tlvs[0].Type, tlvs[1].Type, tlvs[3].Type], header.Tlvs.Select(tlv => tlv.Type));
        Assert.Equal(300, header.Tlvs[2].Value.Length);
    }

    [Fact]
    public void A_received_header_can_be_sent_on_with_another_field()
    {
        var received = RoundTrip(new() { Source = _v6, Destination = _v6, Tlvs = [ProxyProtocolTlv.Checksum] });
        var sent = RoundTrip(new()
        {
            Source = received.Source,
            Destination = received.Destination,
            Tlvs = [.. received.Tlvs, new(ProxyProtocolTlvType.UniqueId, new byte[] { 1 })],
        });

        Assert.Equal([1], sent.UniqueId.ToArray());
    }

    [Fact]
    public void What_cannot_be_written_is_an_exception_and_nothing_is_written()
    {
        ProxyProtocolHeader[] wrong =
        [
            new() { Version = ProxyProtocolVersions.All },
            new() { Version = ProxyProtocolVersions.None },
            new() { Version = ProxyProtocolVersions.V1, Tlvs = [ProxyProtocolTlv.Checksum] },
            new() { Tlvs = [ProxyProtocolTlv.Checksum, ProxyProtocolTlv.Checksum] },
            new() { Tlvs = [new(ProxyProtocolTlvType.Crc32C, new byte[3])] },
            new() { Tlvs = [new(ProxyProtocolTlvType.UniqueId, new byte[129])] },
            new() { Tlvs = [new((ProxyProtocolTlvType)0xE5, new byte[65533])] },
        ];
        foreach (var header in wrong)
        {
            var writer = new ArrayBufferWriter<byte>();
            Assert.Throws<InvalidOperationException>(() => header.WriteTo(writer));
            Assert.Equal(0, writer.WrittenCount);
        }

        Assert.Equal(65551, Write(new() { Tlvs = [new((ProxyProtocolTlvType)0xE5, new byte[65532])] }).Length);
        Assert.Throws<ArgumentNullException>(() => ProxyProtocolHeader.Local.WriteTo(null!));
    }

    private static byte[] Write(ProxyProtocolHeader header) => HeaderBytes.Written(header);

    private static ProxyProtocolHeader RoundTrip(ProxyProtocolHeader header)
        => HeaderResult.Of(Write(header)).AssertHeader();
}
