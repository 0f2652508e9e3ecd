using System.Buffers.Binary;
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
    public void Section_2_2_fields_are_kept_in_order_with_repeated_and_unknown_ones()
    {
        var header = Of(HeaderBytes.Block(
            HeaderBytes.Field(0xE1, [1]),
            HeaderBytes.Field(2, "first"),
            HeaderBytes.Field(2, "second"),
            HeaderBytes.Field(0xFF),
            HeaderBytes.Field(0xE1, [2]))).AssertHeader();

        Assert.Equal("E1:01 02:6669727374 02:7365636F6E64 FF: E1:02", Describe(header));
        Assert.Equal("first", header.Authority);
    }

    [Fact]
    public void Section_2_2_1_to_2_2_7_fields_have_their_values()
    {
        var header = Of(HeaderBytes.Block(
            HeaderBytes.Field(1, "h2"),
            HeaderBytes.Field(2, "bücher.example"),
            HeaderBytes.Field(5, [9, 8, 7]),
            HeaderBytes.Field(0x30, "blue"),
            HeaderBytes.Field(0xEA, [1, .. "vpce-1234"u8]),
            HeaderBytes.Field(0xEE, 1, 0x78, 0x56, 0x34, 0x12),
            HeaderBytes.Field(0xE0, 0, 0, 0, 0, 0, 0, 1, 2))).AssertHeader();

        Assert.Equal("h2"u8.ToArray(), header.Alpn.ToArray());
        Assert.Equal("bücher.example", header.Authority);
        Assert.Equal([9, 8, 7], header.UniqueId.ToArray());
        Assert.Equal("blue", header.NetworkNamespace);
        Assert.Equal("vpce-1234", header.AwsVpcEndpointId);
        Assert.Equal(0x12345678u, header.AzurePrivateLinkId);
        Assert.Equal(258ul, header.GcpPscConnectionId);
        Assert.Null(header.Ssl);
    }

    [Fact]
    public void Fields_that_are_absent_or_of_another_kind_have_no_value()
    {
        var header = Of(HeaderBytes.Block(
            HeaderBytes.Field(0xEA, [2, 1]),
            HeaderBytes.Field(0xEE, 2, 0, 0, 0, 0),
            HeaderBytes.Field(0xE0, 1))).AssertHeader();

        Assert.True(header.Alpn.IsEmpty);
        Assert.True(header.UniqueId.IsEmpty);
        Assert.Null(header.Authority);
        Assert.Null(header.NetworkNamespace);
        Assert.Null(header.AwsVpcEndpointId);
        Assert.Null(header.AzurePrivateLinkId);
        Assert.Null(header.GcpPscConnectionId);
    }

    [Fact]
    public void Section_2_2_text_that_is_no_UTF8_is_replaced()
        => Assert.Equal(
            "a\uFFFDb", Of(HeaderBytes.Block(HeaderBytes.Field(2, 0x61, 0xFF, 0x62))).AssertHeader().Authority);

    [Theory]
    [InlineData("02")]
    [InlineData("0200")]
    [InlineData("020001")]
    [InlineData("02FFFF61")]
    [InlineData("02000161 02000261")]
    public void Section_2_2_a_field_that_ends_behind_the_header_is_refused(string fields)
        => Of(HeaderBytes.Block(Convert.FromHexString(fields.Replace(" ", ""))))
            .AssertProblem(ProxyProtocolFailure.Malformed);

    [Fact]
    public void Section_2_2_3_the_checksum_is_verified_with_zeros_in_its_place()
    {
        // Computed bit by bit, as RFC 4960 says: the polynomial is reflected.
        var bytes = HeaderBytes.Block(HeaderBytes.Field(3, new byte[4]), HeaderBytes.Field(2, "example.com"));
        var crc = uint.MaxValue;
        foreach (var value in bytes)
        {
            crc ^= value;
            for (var bit = 0; bit < 8; bit++)
            {
                crc = (crc >> 1) ^ ((crc & 1) * 0x82F63B78);
            }
        }

        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(31), ~crc);

        Of(bytes).AssertHeader();
        for (var i = 14; i < bytes.Length; i++)
        {
            if (i == 28)
            {
                // The type of the field: without it there is no checksum.
                continue;
            }

            byte[] broken = [.. bytes];
            broken[i] ^= 0x10;
            Assert.Null(Of(broken).Header);
        }

        bytes[^1] ^= 1;
        Of(bytes).AssertProblem(ProxyProtocolFailure.WrongChecksum);
    }

    [Fact]
    public void Section_2_2_3_a_checksum_is_one_field_of_4_bytes()
    {
        Of(HeaderBytes.Block(HeaderBytes.Field(3, 1, 2, 3))).AssertProblem(ProxyProtocolFailure.Malformed);
        Of(HeaderBytes.Block(HeaderBytes.Field(3, 1, 2, 3, 4, 5))).AssertProblem(ProxyProtocolFailure.Malformed);
        Of(HeaderBytes.Block(HeaderBytes.Field(3, 0, 0, 0, 0), HeaderBytes.Field(3, 0, 0, 0, 0)))
            .AssertProblem(ProxyProtocolFailure.Malformed);
    }

    [Fact]
    public void Section_2_2_4_padding_is_skipped()
    {
        var header = Of(HeaderBytes.Block(
            HeaderBytes.Field(4), HeaderBytes.Field(5, [1]), HeaderBytes.Field(4, 2, 0, 1, 65))).AssertHeader();

        Assert.Equal("05:01", Describe(header));
        Assert.Null(header.Authority);
    }

    [Fact]
    public void Section_2_2_5_a_unique_id_has_up_to_128_bytes()
    {
        Of(HeaderBytes.Block(HeaderBytes.Field(5, new byte[128]))).AssertHeader();
        Of(HeaderBytes.Block(HeaderBytes.Field(5, new byte[129]))).AssertProblem(ProxyProtocolFailure.Malformed);
    }

    [Fact]
    public void Section_2_2_6_the_TLS_field_has_flags_and_fields()
    {
        var ssl = Of(HeaderBytes.Block(HeaderBytes.Field(
            0x20,
            [
                7, 0, 0, 0, 0,
                .. HeaderBytes.Field(0x21, "TLSv1.3"),
                .. HeaderBytes.Field(0x22, "client"),
                .. HeaderBytes.Field(0x23, "TLS_AES_128_GCM_SHA256"),
                .. HeaderBytes.Field(0x24, "RSA-SHA256"),
                .. HeaderBytes.Field(0x25, "RSA2048"),
                .. HeaderBytes.Field(0x99, "?"),
            ]))).AssertHeader().Ssl;

        Assert.NotNull(ssl);
        Assert.Equal(
            ProxyProtocolSslClient.Tls | ProxyProtocolSslClient.CertificateOnConnection
                | ProxyProtocolSslClient.CertificateInSession,
            ssl.Client);
        Assert.True(ssl.IsClientCertificateVerified);
        Assert.Equal("TLSv1.3", ssl.Version);
        Assert.Equal("client", ssl.CommonName);
        Assert.Equal("TLS_AES_128_GCM_SHA256", ssl.Cipher);
        Assert.Equal("RSA-SHA256", ssl.SignatureAlgorithm);
        Assert.Equal("RSA2048", ssl.KeyAlgorithm);
    }

    [Theory]
    [InlineData(7, 0, true)]
    [InlineData(3, 0, true)]
    [InlineData(5, 0, true)]
    [InlineData(1, 0, false)]
    [InlineData(7, 1, false)]
    [InlineData(7, 256, false)]
    public void Section_2_2_6_a_certificate_is_verified_if_there_is_one_and_the_result_is_0(
        byte client, int result, bool isVerified)
    {
        var ssl = Of(HeaderBytes.Block(HeaderBytes.Field(0x20, client, 0, 0, (byte)(result >> 8), (byte)result)))
            .AssertHeader().Ssl;

        Assert.Equal(isVerified, ssl!.IsClientCertificateVerified);
        Assert.Equal((uint)result, ssl.VerifyResult);
        Assert.Null(ssl.Version);
    }

    [Theory]
    [InlineData("")]
    [InlineData("01000000")]
    [InlineData("0100000000 21")]
    [InlineData("0100000000 210001")]
    [InlineData("0100000000 210002 61")]
    public void Section_2_2_6_fields_of_the_TLS_field_end_where_it_ends(string value)
    {
        // What follows would complete the inner field.
        var ssl = HeaderBytes.Field(0x20, Convert.FromHexString(value.Replace(" ", "")));

        Of(HeaderBytes.Block(ssl, HeaderBytes.Field(2, "example.com"))).AssertProblem(ProxyProtocolFailure.Malformed);
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

    private static string Describe(ProxyProtocolHeader header)
        => string.Join(' ', header.Tlvs.Select(tlv => $"{(byte)tlv.Type:X2}:{Convert.ToHexString(tlv.Value.Span)}"));
}
