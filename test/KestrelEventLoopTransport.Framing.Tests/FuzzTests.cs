using System.Diagnostics;
using System.Globalization;

namespace KestrelEventLoopTransport.Framing.Tests;

/// <summary>
/// Streams of valid, damaged and random frames, cut at random, against reference decoders. KESTREL_FUZZ_SECONDS is how
/// long each codec is tried (default 3), KESTREL_FUZZ_SEED repeats the one stream of a failure.
/// </summary>
[Slow]
public sealed class FuzzTests
{
    [Theory]
    [InlineData(CodecKind.Line)]
    [InlineData(CodecKind.StrictLine)]
    [InlineData(CodecKind.Delimited)]
    [InlineData(CodecKind.FixedLength)]
    [InlineData(CodecKind.LengthPrefixed)]
    [InlineData(CodecKind.LengthField)]
    [InlineData(CodecKind.Varint32)]
    [InlineData(CodecKind.Custom)]
    public async Task Every_decoder_agrees_with_its_reference(CodecKind kind)
    {
        if (FromEnvironment("KESTREL_FUZZ_SEED") is { } repeated)
        {
            await RunAsync(kind, repeated);
            return;
        }

        var duration = TimeSpan.FromSeconds(FromEnvironment("KESTREL_FUZZ_SECONDS") ?? 3);
        var start = Stopwatch.GetTimestamp();
        var runs = 0;
        do
        {
            var seed = Random.Shared.Next();
            try
            {
                await RunAsync(kind, seed);
            }
            catch (Exception exception)
            {
                throw new InvalidOperationException($"KESTREL_FUZZ_SEED={seed}", exception);
            }

            runs++;
        }
        while (Stopwatch.GetElapsedTime(start) < duration);
        TestContext.Current.TestOutputHelper!.WriteLine($"{runs} streams");
    }

    private static async Task RunAsync(CodecKind kind, int seed)
    {
        var random = new Random(seed);
        var spec = CodecSpec.Create(kind, random);
        var options = new FrameReaderOptions
        {
            OversizedFrame = random.Next(3) == 0 ? OversizedFrameBehavior.Error : OversizedFrameBehavior.Discard,
            AllowTruncated = random.Next(2) == 0,
            DeliverTruncated = random.Next(3) == 0,
        };
        var stream = spec.CreateStream(random, random.Next(1, 12));
        var expected = spec.DecodeByReference(stream, options);
        for (var i = 0; i < 4; i++)
        {
            var chunking = Chunking.Create(random, stream.Length);
            var actual = await Decoding.RunAsync(spec.Codec, options, stream, chunking);

            var what = $"{spec}, {options.OversizedFrame}, "
                + $"truncated {options.AllowTruncated} {options.DeliverTruncated}, {chunking}, "
                + $"stream {Convert.ToHexString(stream)}";
            Assert.True(expected.ToString() == actual.ToString(), $"{what}\nexpected:\n{expected}\nactual:\n{actual}");
            Assert.True(
                actual.MostKept <= spec.Codec.MaxFrameLength + spec.Overhead, $"{what}: kept {actual.MostKept}");
        }
    }

    private static int? FromEnvironment(string name)
        => int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out var value)
            ? value
            : null;
}
