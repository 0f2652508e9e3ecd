using System.Buffers.Binary;

namespace KestrelEventLoopTransport.Tests.ProxyProtocol;

/// <summary>The rules of the fields (TLV) behind the addresses: sections 2.2 to 2.2.7 of the specification.</summary>
[Trait("Contract", "proxy")]
[FailsOnStock("Stock has no PROXY protocol.")]
public sealed class Version2FieldTests
{
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

    private static HeaderResult Of(byte[] bytes) => HeaderResult.Of(bytes);

    private static string Describe(ProxyProtocolHeader header)
        => string.Join(' ', header.Tlvs.Select(tlv => $"{(byte)tlv.Type:X2}:{Convert.ToHexString(tlv.Value.Span)}"));
}
