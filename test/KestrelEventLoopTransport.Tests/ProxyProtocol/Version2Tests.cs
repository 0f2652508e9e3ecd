using System.Net;
using System.Net.Sockets;
using System.Text;

namespace KestrelEventLoopTransport.Tests.ProxyProtocol;

/// <summary>The rules of the binary header: section 2.2 of the specification.</summary>
[Trait("Contract", "proxy")]
[FailsOnStock("Stock has no PROXY protocol.")]
public sealed class Version2Tests
{
    private const byte Proxy = 0x21;
    private const byte Local = 0x20;

    private static readonly byte[] _v6 = [.. new byte[15], 1, .. new byte[15], 2, 0x12, 0x34, 0x01, 0xBB];

    [Fact]
    public void Section_2_2_TCP_over_IPv4_names_both_addresses()
    {
        var header = Of(HeaderBytes.Block()).AssertHeader();

        Assert.Equal(ProxyProtocolVersions.V2, header.Version);
        Assert.Equal(ProxyProtocolCommand.Proxy, header.Command);
        Assert.Equal(AddressFamily.InterNetwork, header.AddressFamily);
        Assert.Equal(HeaderBytes.Client, header.Source);
        Assert.Equal(HeaderBytes.Server, header.Destination);
        Assert.Empty(header.Tlvs);
    }

    [Fact]
    public void Section_2_2_TCP_over_IPv6_names_both_addresses()
    {
        var header = Of(HeaderBytes.Version2(Proxy, 0x21, _v6)).AssertHeader();

        Assert.Equal(AddressFamily.InterNetworkV6, header.AddressFamily);
        Assert.Equal(IPEndPoint.Parse("[::1]:4660"), header.Source);
        Assert.Equal(IPEndPoint.Parse("[::2]:443"), header.Destination);
    }

    [Fact]
    public void Section_2_2_a_Unix_stream_names_both_paths()
    {
        byte[] source = [.. "\0abstract"u8, .. new byte[99]];
        byte[] destination = [.. "/run/app.sock"u8, .. new byte[95]];

        var header = Of(HeaderBytes.Version2(Proxy, 0x31, [.. source, .. destination])).AssertHeader();

        Assert.Equal(AddressFamily.Unix, header.AddressFamily);
        Assert.Equal(new UnixDomainSocketEndPoint("\0abstract"), header.Source);
        Assert.Equal(new UnixDomainSocketEndPoint("/run/app.sock"), header.Destination);
    }

    [Fact]
    public void Section_2_2_Unix_paths_may_be_empty_or_fill_all_bytes()
    {
        var path = "/" + new string('p', 107);

        var header = Of(HeaderBytes.Version2(Proxy, 0x31, [.. new byte[108], .. Encoding.ASCII.GetBytes(path)]))
            .AssertHeader();

        Assert.Equal("", header.Source?.ToString());
        Assert.Equal(path, header.Destination?.ToString());
    }

    [Fact]
    public void Section_2_2_LOCAL_is_accepted_whatever_follows_and_all_of_it_is_skipped()
    {
        for (var family = 0; family < 256; family++)
        {
            foreach (var rest in new byte[][] { [], [1], [3, 0, 4, 1, 2, 3, 4], new byte[300] })
            {
                var bytes = HeaderBytes.Version2(Local, (byte)family, rest);
                var result = Of([.. bytes, .. "GET"u8]);

                Assert.Equal(ProxyProtocolCommand.Local, result.AssertHeader().Command);
                Assert.Null(result.Header!.Source);
                Assert.Equal(bytes.Length, result.Length);
            }
        }
    }

    [Fact]
    public void Section_2_2_a_version_other_than_2_is_refused()
    {
        for (var version = 0; version < 16; version++)
        {
            byte[] bytes = [.. HeaderBytes.Signature, (byte)((version << 4) | 1)];
            if (version == 2)
            {
                Assert.True(Of(bytes).NeedsMore);
            }
            else
            {
                Of(bytes).AssertProblem(ProxyProtocolFailure.WrongVersion);
            }
        }
    }

    [Fact]
    public void Section_2_2_a_command_other_than_LOCAL_and_PROXY_is_refused()
    {
        for (var command = 2; command < 16; command++)
        {
            Of([.. HeaderBytes.Signature, (byte)(0x20 | command)]).AssertProblem(ProxyProtocolFailure.Malformed);
        }
    }

    [Fact]
    public void Section_2_2_families_and_transports_that_are_unspecified_are_refused_and_datagrams_too()
    {
        for (var family = 0; family < 16; family++)
        {
            for (var transport = 0; transport < 16; transport++)
            {
                byte[] bytes = [.. HeaderBytes.Signature, Proxy, (byte)((family << 4) | transport)];
                if (family <= 3 && transport <= 1)
                {
                    Assert.True(Of(bytes).NeedsMore);
                }
                else
                {
                    Of(bytes).AssertProblem(ProxyProtocolFailure.Malformed);
                }
            }
        }
    }

    [Theory]
    [InlineData(0x00, 0)]
    [InlineData(0x01, 0)]
    [InlineData(0x10, 12)]
    [InlineData(0x20, 36)]
    [InlineData(0x30, 216)]
    public void Section_2_2_UNSPEC_uses_the_real_endpoints_and_keeps_the_fields(byte family, int addresses)
    {
        var bytes = HeaderBytes.Version2(
            Proxy, family, [.. new byte[addresses], .. HeaderBytes.Field(2, "example.com")]);

        var header = Of(bytes).AssertHeader();

        Assert.Null(header.Source);
        Assert.Null(header.Destination);
        Assert.Equal(AddressFamily.Unspecified, header.AddressFamily);
        Assert.Equal("example.com", header.Authority);
    }

    [Theory]
    [InlineData("CB007107C0000201A02801BB")]
    [InlineData("CB007107C0000201A02801BB02000161")]
    [InlineData("020001610300")]
    [InlineData("0300020000")]
    [InlineData("FF")]
    public void Section_2_2_UNSPEC_ignores_what_is_no_row_of_fields(string rest)
    {
        var header = Of(HeaderBytes.Version2(Proxy, 0, Convert.FromHexString(rest))).AssertHeader();

        Assert.Null(header.Source);
        Assert.Empty(header.Tlvs);
    }

    [Fact]
    public void Section_2_2_UNSPEC_with_fields_and_a_wrong_checksum_is_refused()
        => Of(HeaderBytes.Version2(Proxy, 0, [.. HeaderBytes.Field(2, "a"), .. HeaderBytes.Field(3, 1, 2, 3, 4)]))
            .AssertProblem(ProxyProtocolFailure.WrongChecksum);

    [Theory]
    [InlineData(0x11, 12)]
    [InlineData(0x21, 36)]
    [InlineData(0x31, 216)]
    [InlineData(0x10, 12)]
    public void Section_2_2_addresses_have_to_fit_into_the_length(byte family, int addresses)
    {
        for (var length = 0; length < addresses; length++)
        {
            Of(HeaderBytes.Version2(Proxy, family, new byte[length])).AssertProblem(ProxyProtocolFailure.Malformed);
        }

        Of(HeaderBytes.Version2(Proxy, family, new byte[addresses])).AssertHeader();
    }

    [Fact]
    public void Section_2_2_the_length_of_the_header_is_16_and_what_the_header_says()
    {
        var bytes = HeaderBytes.Block(HeaderBytes.Field(4, new byte[9]));

        Assert.Equal(16 + 12 + 12, Of([.. bytes, .. bytes]).Length);
    }

    [Fact]
    public void Section_2_2_a_header_cut_at_every_byte_needs_more()
    {
        var bytes = HeaderBytes.Block(HeaderBytes.Field(2, "example.com"), HeaderBytes.Field(5, [1, 2]));
        for (var length = 1; length < bytes.Length; length++)
        {
            Assert.True(Of(bytes[..length]).NeedsMore);
        }

        Of(bytes).AssertHeader();
    }

    [Fact]
    public void The_length_is_limited()
    {
        var bytes = HeaderBytes.Block(HeaderBytes.Field(4, new byte[300]));
        HeaderResult.Of(bytes, maxLength: bytes.Length).AssertHeader();
        HeaderResult.Of(bytes, maxLength: bytes.Length - 1).AssertProblem(ProxyProtocolFailure.TooLong);
        HeaderResult.Of(bytes.AsSpan(0, 16), maxLength: bytes.Length - 1).AssertProblem(ProxyProtocolFailure.TooLong);

        // The length has no sign.
        Assert.Equal(65551, Of(HeaderBytes.Version2(Local, 0, new byte[65535])).Length);
    }

    [Fact]
    public void Section_2_it_is_decided_at_the_first_byte_that_differs()
    {
        for (var i = 0; i < HeaderBytes.Signature.Length; i++)
        {
            byte[] bytes = [.. HeaderBytes.Signature[..(i + 1)]];
            Assert.True(Of(bytes).NeedsMore);
            bytes[i]++;
            Of(bytes).AssertProblem(ProxyProtocolFailure.NoHeader);
        }
    }

    private static HeaderResult Of(byte[] bytes) => HeaderResult.Of(bytes);
}
