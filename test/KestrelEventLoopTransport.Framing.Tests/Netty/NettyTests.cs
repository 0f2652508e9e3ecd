using System.Buffers;

namespace KestrelEventLoopTransport.Framing.Tests.Netty;

/// <summary>What netty's own unit tests expect of its codecs, however the bytes are cut.</summary>
public sealed class NettyTests
{
    public static TheoryData<string> Decoders => [.. NettyCase.Names(encoders: false)];

    public static TheoryData<string> Encoders => [.. NettyCase.Names(encoders: true)];

    [Fact]
    public void There_are_35_cases() => Assert.Equal(35, Decoders.Count + Encoders.Count);

    [Theory]
    [MemberData(nameof(Decoders))]
    public async Task Decodes_and_goes_on_behind_long_frames(string name)
    {
        var netty = NettyCase.Get(name);
        var expected = new List<string>();
        foreach (var result in netty.Expect)
        {
            Assert.True(result.Error is null or "TooLong");
            expected.Add(result.Frame is null ? "discarded" : $"frame {Convert.ToHexString(result.Frame)}");
        }

        await AssertDecodesAsync(netty, OversizedFrameBehavior.Discard, expected);
    }

    [Theory]
    [MemberData(nameof(Decoders))]
    public async Task Decodes_up_to_the_first_long_frame(string name)
    {
        var netty = NettyCase.Get(name);
        var expected = netty.Expect.TakeWhile(static r => r.Error is null)
            .Select(static r => $"frame {Convert.ToHexString(r.Frame!)}")
            .ToList();
        if (expected.Count < netty.Expect.Length)
        {
            expected.Add("error TooLong");
        }

        await AssertDecodesAsync(netty, OversizedFrameBehavior.Error, expected);
    }

    [Theory]
    [MemberData(nameof(Encoders))]
    public void Encodes(string name)
    {
        var netty = NettyCase.Get(name);
        var codec = netty.CreateCodec();
        foreach (var (message, expected) in netty.Chunks.Zip(netty.Expect))
        {
            var output = new ArrayBufferWriter<byte>();
            if (expected.Error is not null)
            {
                Assert.Throws<ArgumentException>(() => codec.Encode(output, message));
                Assert.Equal(0, output.WrittenCount);
                continue;
            }

            codec.Encode(output, message);
            Assert.Equal(expected.Frame!, output.WrittenSpan);
        }
    }

    // netty's tests end in the middle of a frame, often.
    private static async Task AssertDecodesAsync(NettyCase netty, OversizedFrameBehavior tooLong, List<string> expected)
    {
        var codec = netty.CreateCodec();
        var options = new FrameReaderOptions { OversizedFrame = tooLong, AllowTruncated = true };
        byte[] bytes = [.. netty.Chunks.SelectMany(static c => c)];
        int[] cuts = [.. netty.Chunks.Select(static c => c.Length)];
        for (var i = 1; i < cuts.Length; i++)
        {
            cuts[i] += cuts[i - 1];
        }

        IEnumerable<Chunking> chunkings =
        [
            new(4096, true, false, ReadingStyle.Enumerate, cuts[..^1]),
            new(4096, false, true, ReadingStyle.Batches, cuts),
            .. Chunking.AllOf(bytes.Length),
        ];
        foreach (var chunking in chunkings)
        {
            var actual = await Decoding.RunAsync(codec, options, bytes, chunking);
            var text = string.Join('\n', [.. expected, $"{actual.DiscardedBytes} bytes discarded"]);
            Assert.True(text == actual.ToString(), $"{chunking}\nexpected:\n{text}\nactual:\n{actual}");
        }
    }
}
