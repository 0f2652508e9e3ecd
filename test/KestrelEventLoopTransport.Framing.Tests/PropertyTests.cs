using System.Buffers;
using FsCheck;
using FsCheck.Fluent;

namespace KestrelEventLoopTransport.Framing.Tests;

/// <summary>
/// Properties of every codec, with random parameters, frames and chunkings. FsCheck shrinks and prints failures.
/// </summary>
public sealed class PropertyTests
{
    private static readonly FrameReaderOptions[] _options =
    [
        new(),
        new() { OversizedFrame = OversizedFrameBehavior.Discard },
        new() { AllowTruncated = true },
        new() { OversizedFrame = OversizedFrameBehavior.Discard, AllowTruncated = true },
        new() { DeliverTruncated = true },
        new() { OversizedFrame = OversizedFrameBehavior.Discard, DeliverTruncated = true },
    ];

    public static TheoryData<CodecKind> Kinds => [.. Enum.GetValues<CodecKind>()];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Encoded_frames_are_decoded_as_they_were(CodecKind kind) => Check(
        kind,
        static (spec, random, frames) =>
        {
            var output = new ArrayBufferWriter<byte>();
            var expected = new Decoding(spec.Mask);
            foreach (var frame in frames)
            {
                if (TryEncode(spec, output, random, frame))
                {
                    expected.AddFrame(frame);
                }
            }

            byte[] bytes = [.. output.WrittenSpan];
            var chunking = Chunking.Create(random, bytes.Length);
            var actual = Decoding.RunAsync(spec.Codec, _options[0], bytes, chunking, spec.Mask).GetAwaiter()
                .GetResult();
            return (expected.ToString() == actual.ToString()).Label(
                $"{chunking}\nexpected:\n{expected}\nactual:\n{actual}");
        });

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Garbage_gives_frames_or_a_FrameException_and_is_not_hoarded(CodecKind kind) => Check(
        kind,
        static (spec, random, garbage) =>
        {
            byte[] bytes = [.. garbage.SelectMany(static g => g)];
            var options = _options[random.Next(_options.Length)];
            var expected = spec.DecodeByReference(bytes, options);
            var chunking = Chunking.Create(random, bytes.Length);
            var actual = Decoding.RunAsync(spec.Codec, options, bytes, chunking).GetAwaiter().GetResult();
            return (expected.ToString() == actual.ToString()).Label(
                $"{chunking}\nexpected:\n{expected}\nactual:\n{actual}")
                .And((actual.MostKept <= spec.Codec.MaxFrameLength + spec.Overhead).Label($"kept {actual.MostKept}"));
        });

    /// <summary>An encoder that refuses everything would pass the first property.</summary>
    [Theory]
    [InlineData(CodecKind.Line)]
    [InlineData(CodecKind.StrictLine)]
    [InlineData(CodecKind.Delimited)]
    [InlineData(CodecKind.Varint32)]
    [InlineData(CodecKind.FixedLength)]
    public void Only_what_would_not_be_decoded_as_it_was_is_refused(CodecKind kind) => Check(
        kind,
        static (spec, random, frames) =>
        {
            foreach (var frame in frames)
            {
                var output = new ArrayBufferWriter<byte>();
                var expected = new Decoding();
                expected.AddFrame(frame);
                var isReadBack =
                    spec.DecodeByReference([.. spec.Wrap(frame)], _options[0]).ToString() == expected.ToString();
                var isWritten = TryEncode(spec, output, random, frame);
                if (isReadBack != isWritten)
                {
                    return false.Label($"{Convert.ToHexString(frame)}: written {isWritten}, read back {isReadBack}");
                }
            }

            return true.ToProperty();
        });

    private static bool TryEncode(CodecSpec spec, ArrayBufferWriter<byte> output, Random random, byte[] frame)
    {
        var before = output.WrittenCount;
        try
        {
            var cut = random.Next(frame.Length + 1);
            switch (random.Next(3))
            {
                case 0:
                    spec.Codec.Encode(output, frame);
                    break;
                case 1:
                    spec.Codec.Encode(output, frame.AsSpan(0, cut), frame.AsSpan(cut));
                    break;
                default:
                    spec.Codec.Encode(output, Segment.CreateSequence(frame, random.Next(1, 30), out _));
                    break;
            }

            return true;
        }
        catch (Exception exception) when (exception is ArgumentException or NotSupportedException)
        {
            Assert.Equal(before, output.WrittenCount);
            return false;
        }
    }

    private static void Check(CodecKind kind, Func<CodecSpec, Random, byte[][], Property> property)
    {
        var scenarios =
            from seed in Gen.Choose(0, int.MaxValue)
            from count in Gen.Choose(0, 12)
            select new Scenario(kind, seed, count);
        Prop.ForAll(
                Arb.From(
                    scenarios,
                    static s => s.Count > 0 ? [s with { Count = s.Count / 2 }, s with { Count = s.Count - 1 }] : []),
                scenario =>
                {
                    var random = new Random(scenario.Seed);
                    var spec = CodecSpec.Create(scenario.Kind, random);
                    var content = new Random(scenario.Seed);
                    var frames = Enumerable.Range(0, scenario.Count).Select(_ => spec.CreateContent(content)).ToArray();
                    return property(spec, random, frames).Label(
                        $"{spec}: {string.Join(' ', frames.Select(Convert.ToHexString))}");
                })
            .Check(Config.QuickThrowOnFailure.WithMaxTest(500));
    }

    private sealed record Scenario(CodecKind Kind, int Seed, int Count);
}
