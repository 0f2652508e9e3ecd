using System.Net;
using System.Net.Sockets;
using System.Text;

namespace KestrelEventLoopTransport.Tests.ProxyProtocol;

/// <summary>The rules of the line of text: section 2.1 of the specification.</summary>
[Trait("Contract", "proxy")]
[FailsOnStock("Stock has no PROXY protocol.")]
public sealed class Version1Tests
{
    [Theory]
    [InlineData("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443", "192.168.0.1:56324", "192.168.0.11:443")]
    [InlineData("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535", "0.0.0.0:0", "255.255.255.255:65535")]
    [InlineData("PROXY TCP6 ::1 2001:DB8::a 1 2", "[::1]:1", "[2001:db8::a]:2")]
    [InlineData("PROXY TCP6 0001:0002:0003:0004:0005:0006:0007:0008 :: 1 2", "[1:2:3:4:5:6:7:8]:1", "[::]:2")]
    [InlineData("PROXY TCP6 ::ffff:1.2.3.4 ::ffff:102:304 1 2", "[::ffff:1.2.3.4]:1", "[::ffff:1.2.3.4]:2")]
    [InlineData(
        "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65534",
        "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0]:65535",
        "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65534")]
    public void Section_2_1_a_line_names_both_addresses(string line, string source, string destination)
    {
        var header = Of(line + "\r\n").AssertHeader();

        Assert.Equal(ProxyProtocolVersions.V1, header.Version);
        Assert.Equal(ProxyProtocolCommand.Proxy, header.Command);
        Assert.Equal(IPEndPoint.Parse(source), header.Source);
        Assert.Equal(IPEndPoint.Parse(destination), header.Destination);
        Assert.Empty(header.Tlvs);
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData(" ffff:f...f:ffff ffff:f...f:ffff 65535 65535")]
    [InlineData(" \n\r \0 \u00ff")]
    public void Section_2_1_all_is_ignored_behind_UNKNOWN_up_to_CR_LF(string rest)
    {
        var line = $"PROXY UNKNOWN{rest}\r\n";

        var result = Of(line + "GET");

        Assert.Null(result.AssertHeader().Source);
        Assert.Equal(AddressFamily.Unspecified, result.Header!.AddressFamily);
        Assert.Equal(line.Length, result.Length);
    }

    [Theory]
    [InlineData("PROXY  TCP4 1.2.3.4 5.6.7.8 1 2")]
    [InlineData("PROXY TCP4  1.2.3.4 5.6.7.8 1 2")]
    [InlineData("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 ")]
    [InlineData("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3")]
    [InlineData("PROXY TCP4 1.2.3.4 5.6.7.8 1")]
    [InlineData("PROXY TCP4 1.2.3.4 5.6.7.8")]
    [InlineData("PROXY TCP4")]
    [InlineData("PROXY ")]
    [InlineData("PROXY TCP4\t1.2.3.4 5.6.7.8 1 2")]
    [InlineData("PROXY tcp4 1.2.3.4 5.6.7.8 1 2")]
    [InlineData("PROXY TCP 1.2.3.4 5.6.7.8 1 2")]
    [InlineData("PROXY UDP4 1.2.3.4 5.6.7.8 1 2")]
    [InlineData("PROXY UNKNOWNS")]
    [InlineData("PROXY unknown")]
    [InlineData("PROXY TCP4 1.2.3 5.6.7.8 1 2")]
    [InlineData("PROXY TCP4 1.2.3.4.5 5.6.7.8 1 2")]
    [InlineData("PROXY TCP4 1.2.3. 5.6.7.8 1 2")]
    [InlineData("PROXY TCP4 1..3.4 5.6.7.8 1 2")]
    [InlineData("PROXY TCP4 1.2.3.256 5.6.7.8 1 2")]
    [InlineData("PROXY TCP4 01.2.3.4 5.6.7.8 1 2")]
    [InlineData("PROXY TCP4 1.2.3.04 5.6.7.8 1 2")]
    [InlineData("PROXY TCP4 1.2.3.00 5.6.7.8 1 2")]
    [InlineData("PROXY TCP4 0x1.2.3.4 5.6.7.8 1 2")]
    [InlineData("PROXY TCP4 +1.2.3.4 5.6.7.8 1 2")]
    [InlineData("PROXY TCP4 1.2.3.4 -5.6.7.8 1 2")]
    [InlineData("PROXY TCP4 ::1 ::2 1 2")]
    [InlineData("PROXY TCP4 1.2.3.4 ::1 1 2")]
    [InlineData("PROXY TCP6 1.2.3.4 ::1 1 2")]
    [InlineData("PROXY TCP6 ::1 1.2.3.4 1 2")]
    [InlineData("PROXY TCP6 ::1::2 ::1 1 2")]
    [InlineData("PROXY TCP6 1:2:3:4:5:6:7 ::1 1 2")]
    [InlineData("PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 2")]
    [InlineData("PROXY TCP6 12345::1 ::1 1 2")]
    [InlineData("PROXY TCP6 g::1 ::1 1 2")]
    [InlineData("PROXY TCP6 [::1] ::1 1 2")]
    [InlineData("PROXY TCP6 fe80::1%1 ::1 1 2")]
    [InlineData("PROXY TCP6 ::1/128 ::1 1 2")]
    [InlineData("PROXY TCP6 ::ffff:1.2.3.04 ::1 1 2")]
    [InlineData("PROXY TCP6 : ::1 1 2")]
    [InlineData("PROXY TCP4 1.2.3.4 5.6.7.8 65536 2")]
    [InlineData("PROXY TCP4 1.2.3.4 5.6.7.8 1 65536")]
    [InlineData("PROXY TCP4 1.2.3.4 5.6.7.8 1 99999999999")]
    [InlineData("PROXY TCP4 1.2.3.4 5.6.7.8 01 2")]
    [InlineData("PROXY TCP4 1.2.3.4 5.6.7.8 1 00")]
    [InlineData("PROXY TCP4 1.2.3.4 5.6.7.8 +1 2")]
    [InlineData("PROXY TCP4 1.2.3.4 5.6.7.8 1 -2")]
    [InlineData("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\0")]
    [InlineData("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r")]
    [InlineData("PROXY TCP4 1.2.3.4 5.6.7.8 1 \u00b2")]
    public void Section_2_1_a_line_that_does_not_match_exactly_is_refused(string line)
        => Of(line + "\r\n").AssertProblem(ProxyProtocolFailure.Malformed);

    [Fact]
    public void Section_2_1_CR_alone_or_LF_alone_does_not_end_a_line()
    {
        Of("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n").AssertProblem(ProxyProtocolFailure.Malformed);
        Of("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\nGET / HTTP/1.1\r\n").AssertProblem(ProxyProtocolFailure.Malformed);
        Of("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\rGET / HTTP/1.1\r\n").AssertProblem(ProxyProtocolFailure.Malformed);
        Assert.True(Of("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r").NeedsMore);
        Assert.True(Of("PROXY UNKNOWN\n").NeedsMore);
    }

    [Fact]
    public void Section_2_1_a_line_has_up_to_107_bytes()
    {
        var longest = "PROXY UNKNOWN " + new string('f', 91);
        Assert.Equal(107, Of(longest + "\r\n").Length);
        Assert.True(Of(longest + "\r").NeedsMore);
        Of(longest + "f\r\n").AssertProblem(ProxyProtocolFailure.Malformed);
        Of(longest + "ff").AssertProblem(ProxyProtocolFailure.Malformed);
        Of(longest + new string('f', 400)).AssertProblem(ProxyProtocolFailure.Malformed);
    }

    [Theory]
    [InlineData("POST / HTTP/1.1\r\n")]
    [InlineData("PROPFIND / HTTP/1.1\r\n")]
    [InlineData("PROXYX")]
    [InlineData("PROXY\r\n")]
    [InlineData("proxy ")]
    [InlineData("GET / HTTP/1.1\r\n")]
    [InlineData("\u0016\u0003\u0001\u0002\0\u0001")]
    [InlineData("\0")]
    public void Section_2_it_is_decided_at_the_first_byte_that_differs(string bytes)
    {
        var decided = 1;
        while (Of(bytes[..decided]).NeedsMore)
        {
            decided++;
        }

        var common = "PROXY ".TakeWhile((letter, i) => i < bytes.Length && bytes[i] == letter).Count();
        Of(bytes[..decided]).AssertProblem(ProxyProtocolFailure.NoHeader);
        Assert.Equal(common + 1, decided);
    }

    [Fact]
    public void Section_2_1_a_line_cut_at_every_byte_needs_more()
    {
        var line = HeaderBytes.Line;
        for (var length = 1; length < line.Length; length++)
        {
            Assert.True(HeaderResult.Of(line.AsSpan(0, length)).NeedsMore);
        }

        Assert.Equal(line.Length, HeaderResult.Of([.. line, .. "PROXY "u8]).Length);
    }

    [Fact]
    public void A_version_that_is_not_allowed_is_refused()
    {
        HeaderResult.Of(HeaderBytes.Line, ProxyProtocolVersions.V2).AssertProblem(ProxyProtocolFailure.WrongVersion);
        HeaderResult.Of(HeaderBytes.Line, ProxyProtocolVersions.V1).AssertHeader();
        HeaderResult.Of(HeaderBytes.Block(), ProxyProtocolVersions.V1).AssertProblem(ProxyProtocolFailure.WrongVersion);
        HeaderResult.Of(HeaderBytes.Block(), ProxyProtocolVersions.V2).AssertHeader();
    }

    [Fact]
    public void What_is_logged_of_wrong_bytes_are_hexadecimal_digits()
        => Assert.Equal(
            "Its first bytes are 1B5B324A0D0A0D0A, which begin no header.",
            Of("\u001b[2J\r\n\r\n").Problem?.Text);

    private static HeaderResult Of(string text) => HeaderResult.Of(Encoding.Latin1.GetBytes(text));
}
