using System.Globalization;
using KestrelEventLoopTransport.ProxyProtocol;

namespace KestrelEventLoopTransport.Tests.ProxyProtocol;

/// <summary>
/// Changed headers and random bytes: the parser never throws, never reads behind the header, and its answer does not
/// depend on how the bytes are cut. <c>KESTREL_PROXY_FUZZ_SECONDS</c> makes it longer, <c>KESTREL_PROXY_FUZZ_SEED</c>
/// repeats a run.
/// </summary>
[Trait("Contract", "proxy")]
[FailsOnStock("Stock has no PROXY protocol.")]
public sealed class HeaderFuzzTests
{
    private const int Rounds = 50_000;
    private const int SocketRounds = 5_000;

    private static readonly ProxyHeaderRules _rules = new(new ProxyProtocolOptions { MaxHeaderLength = 65551 });

    private static readonly byte[][] _corpus =
    [
        HeaderBytes.Line,
        "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n"u8.ToArray(),
        "PROXY TCP6 2001:db8::1 ::ffff:1.2.3.4 1 65535\r\n"u8.ToArray(),
        HeaderBytes.Version2(0x20, 0, []),
        HeaderBytes.Version2(0x21, 0x21, new byte[36]),
        HeaderBytes.Version2(0x21, 0x31, new byte[216]),
        HeaderBytes.Block(HeaderBytes.Field(2, "example.com"), HeaderBytes.Field(5, new byte[128])),
        HeaderBytes.Block(HeaderBytes.Field(0x20, [7, 0, 0, 0, 0, .. HeaderBytes.Field(0x22, "client")])),
        HeaderBytes.Written(new() { Tlvs = [ProxyProtocolTlv.Checksum, new(ProxyProtocolTlvType.NoOp, new byte[9])] }),
    ];

    [Fact]
    public void Any_bytes_are_a_header_or_a_problem_or_too_few()
    {
        var seed = Number("KESTREL_PROXY_FUZZ_SEED") ?? Environment.TickCount;
        var seconds = Number("KESTREL_PROXY_FUZZ_SECONDS");
        var random = new Random(seed);
        var start = Environment.TickCount64;
        var inputs = 0L;
        var headers = 0L;
        for (var i = 0L; seconds is null ? i < Rounds : Environment.TickCount64 - start < seconds * 1000L; i++)
        {
            var bytes = Change(random);
            try
            {
                inputs += Check(bytes, ref headers);
            }
            catch (Exception exception)
            {
                Assert.Fail($"Seed {seed}, round {i}, bytes {Convert.ToHexString(bytes)}: {exception}");
            }
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"Seed {seed}: {inputs} inputs, {headers} of them headers.");
    }

    [Fact]
    public void What_is_behind_the_header_stays_in_the_socket()
    {
        var seed = Number("KESTREL_PROXY_FUZZ_SEED") ?? Environment.TickCount;
        var random = new Random(seed);
        for (var i = 0; i < SocketRounds; i++)
        {
            byte[] bytes = [.. Change(random), .. "PROXY tail\r\n"u8];
            var cut = random.Next(bytes.Length);
            try
            {
                CheckSocket(bytes, cut);
            }
            catch (Exception exception)
            {
                Assert.Fail($"Seed {seed}, round {i}, cut {cut}, bytes {Convert.ToHexString(bytes)}: {exception}");
            }
        }
    }

    private static void CheckSocket(byte[] bytes, int cut)
    {
        var expected = HeaderResult.Of(bytes);
        using var pair = new SocketPair();
        var input = new ProxyHeaderInput(_rules);
        pair.Client.Send(bytes.AsSpan(0, cut));
        var header = input.Read(pair.ServerFd, out var problem);
        pair.Client.Send(bytes.AsSpan(cut));
        if (header is null && problem is null)
        {
            header = input.Read(pair.ServerFd, out problem);
        }

        Assert.Equal(expected.Header is null, header is null);
        Assert.Equal(expected.Problem?.Reason, problem?.Reason);
        if (header is not null)
        {
            Assert.Equal(bytes[expected.Length..], pair.ReceiveAll());
        }
    }

    /// <summary>Checks bytes and all their prefixes. Returns how many inputs that were.</summary>
    private static int Check(byte[] bytes, ref long headers)
    {
        var whole = HeaderResult.Of(bytes);
        if (whole.Header is { } header)
        {
            headers++;
            Use(header);

            // Bytes behind the header change nothing.
            Assert.Equal(whole.Length, HeaderResult.Of(bytes.AsSpan(0, whole.Length)).Length);
        }

        // A prefix has the same answer, or needs more; once it has one, it keeps it.
        var end = whole.Header is null ? bytes.Length : whole.Length;
        for (var length = 1; length < end; length++)
        {
            var prefix = HeaderResult.Of(bytes.AsSpan(0, length));
            Assert.Null(prefix.Header);
            Assert.True(prefix.NeedsMore || prefix.Problem?.Reason == whole.Problem?.Reason);
        }

        return end;
    }

    private static void Use(ProxyProtocolHeader header)
    {
        _ = (header.Authority, header.Alpn, header.UniqueId, header.NetworkNamespace, header.AwsVpcEndpointId);
        _ = (header.AzurePrivateLinkId, header.GcpPscConnectionId, header.Source?.ToString());
        _ = (header.Ssl?.CommonName, header.Ssl?.Version, header.Destination?.ToString());

        // What was received can be sent, and is the same then.
        var again = HeaderResult.Of(HeaderBytes.Written(header)).AssertHeader();
        Assert.Equal(header.Command, again.Command);
        Assert.Equal(header.Tlvs.Count, again.Tlvs.Count);
        Assert.Equal(header.Source is null, again.Source is null);
    }

    private static byte[] Change(Random random)
    {
        var bytes = _corpus[random.Next(_corpus.Length)].ToList();
        for (var changes = random.Next(1, 5); changes > 0; changes--)
        {
            var at = random.Next(bytes.Count);
            switch (random.Next(5))
            {
                case 0:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 2:
                    bytes.Insert(at, (byte)random.Next(256));
                    break;
                case 3 when bytes.Count > 1:
                    bytes.RemoveAt(at);
                    break;
                default:
                    bytes.AddRange(Enumerable.Range(0, random.Next(8)).Select(_ => (byte)random.Next(256)));
                    break;
            }
        }

        return [.. bytes];
    }

    private static int? Number(string variable)
        => int.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out var number)
            ? number
            : null;
}
