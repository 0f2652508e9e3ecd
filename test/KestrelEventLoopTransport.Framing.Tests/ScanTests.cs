using System.Buffers;
using KestrelEventLoopTransport.Framing.Codecs;

namespace KestrelEventLoopTransport.Framing.Tests;

/// <summary>How often bytes are looked at.</summary>
public sealed class ScanTests
{
    public static TheoryData<CodecKind> Kinds =>
    [
        CodecKind.Line, CodecKind.StrictLine, CodecKind.Delimited,
        CodecKind.LengthPrefixed, CodecKind.LengthField, CodecKind.Varint32,
    ];

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_byte_that_did_not_end_a_frame_is_not_looked_at_again(CodecKind kind)
    {
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        for (var i = 0; i < 300; i++)
        {
            var spec = CodecSpec.Create(kind, random);
            var counting = new CountingCodec((IncrementalCodec)spec.Codec);
            var stream = spec.CreateStream(random, 10);
            var chunking = Chunking.Create(random, stream.Length);
            if (chunking.Style == ReadingStyle.Release)
            {
                // What was not asked for is given back, and looked at again.
                chunking = chunking with { Style = ReadingStyle.Batches };
            }

            var options = new FrameReaderOptions { OversizedFrame = OversizedFrameBehavior.Discard };
            await Decoding.RunAsync(counting, options, stream, chunking);
            Assert.True(
                counting.Scanned <= stream.Length, $"seed {seed}, {spec}: {counting.Scanned} of {stream.Length}");
        }
    }

    private sealed class CountingCodec(IncrementalCodec codec) : IncrementalCodec(codec.MaxFrameLength)
    {
        public long Scanned { get; private set; }

        internal override bool Scan(ReadOnlySpan<byte> bytes, ref DecoderState state)
        {
            var hasEnded = codec.Scan(bytes, ref state);

            // The rest behind a frame's end has not been looked at.
            Scanned += hasEnded ? Math.Clamp(state.Length - state.Seen, 0, bytes.Length) : bytes.Length;
            return hasEnded;
        }

        internal override void EncodeCore(in FramePayload frame, IBufferWriter<byte> output)
            => codec.EncodeCore(frame, output);
    }
}
