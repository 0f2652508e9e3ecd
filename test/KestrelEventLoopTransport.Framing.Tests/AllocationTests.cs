using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;

namespace KestrelEventLoopTransport.Framing.Tests;

/// <summary>On one thread: what resumes a waiting reader is the flush.</summary>
public sealed class AllocationTests
{
    private const int Frames = 20_000;
    private const int Batch = 50;

    private static readonly PipeOptions _inline = new(
        readerScheduler: PipeScheduler.Inline,
        writerScheduler: PipeScheduler.Inline,
        useSynchronizationContext: false);

    public static TheoryData<CodecKind> Kinds =>
        [CodecKind.Line, CodecKind.StrictLine, CodecKind.Delimited, CodecKind.FixedLength, CodecKind.LengthPrefixed,
            CodecKind.LengthField, CodecKind.Varint32];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_frame_in_a_batch_allocates_nothing(CodecKind kind)
    {
        var pipe = new Pipe(_inline);
        var reader = new FrameReader(pipe.Reader, CreateCodec(kind));
        var writer = new FrameWriter(pipe.Writer, reader.Codec);
        AssertAllocatesNothing(() =>
        {
            var count = 0;
            for (var i = 0; i < Frames / Batch; i++)
            {
                for (var j = 0; j < Batch; j++)
                {
                    writer.Write("0123456789abcdef"u8, "0123456789abcdef"u8);
                }

                Flush(writer);
                while (reader.TryRead(out var frame))
                {
                    count += frame.Length == 32 ? 1 : 0;
                }
            }

            return count;
        });
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_frame_that_is_waited_for_allocates_nothing(CodecKind kind)
        => AssertWaitingAllocatesNothing(kind, enumerate: false);

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_frame_that_is_enumerated_allocates_nothing(CodecKind kind)
        => AssertWaitingAllocatesNothing(kind, enumerate: true);

    /// <summary>
    /// From the peer's bytes to the answer's, whichever way it is sent; a custom codec encodes twice.
    /// </summary>
    [Theory]
    [InlineData("Write")]
    [InlineData("TrySend")]
    [InlineData("WriteEncoded")]
    [InlineData("custom codec")]
    public void A_frame_that_is_handled_allocates_nothing(string way)
    {
        var pipes = new InlineConnection(
            way == "custom codec" ? new ByteLengthCodec() : FrameCodec.LengthPrefixed(100, 1));
        var running = pipes.RunAsync(new EchoHandler(way));
        byte[] request = [4, .. "abcd"u8];
        AssertAllocatesNothing(() =>
        {
            var count = 0;
            for (var i = 0; i < Frames; i++)
            {
                count += pipes.Exchange(request) == request.Length ? 1 : 0;
            }

            return count;
        });
        pipes.End();
        Assert.True(running.IsCompletedSuccessfully);
    }

    private static void AssertWaitingAllocatesNothing(CodecKind kind, bool enumerate)
    {
        var pipe = new Pipe(_inline);
        var reader = new FrameReader(pipe.Reader, CreateCodec(kind));
        var writer = new FrameWriter(pipe.Writer, reader.Codec);
        var count = 0;
        var read = enumerate ? EnumerateAsync() : WaitAsync();
        var frameBytes = "0123456789abcdef0123456789abcdef"u8.ToArray();
        AssertAllocatesNothing(() =>
        {
            count = 0;
            for (var i = 0; i < Frames; i++)
            {
                writer.Write(frameBytes);
                Flush(writer);
            }

            return count;
        });
        pipe.Writer.Complete();
        Assert.True(read.IsCompletedSuccessfully);

        async Task WaitAsync()
        {
            while (await reader.WaitToReadAsync())
            {
                while (reader.TryRead(out var frame))
                {
                    count += frame.Length == 32 ? 1 : 0;
                }
            }
        }

        async Task EnumerateAsync()
        {
            await foreach (var frame in reader)
            {
                count += frame.Length == 32 ? 1 : 0;
            }
        }
    }

    [SuppressMessage("Reliability", "CA2012", Justification = "It has to be complete already.")]
    private static void Flush(FrameWriter writer) => Assert.True(writer.FlushAsync().IsCompletedSuccessfully);

    // The best of a few: the first ones grow pools and are not compiled for good.
    private static void AssertAllocatesNothing(Func<int> run)
    {
        var best = long.MaxValue;
        for (var i = 0; i < 10 && best > 0; i++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            var count = run();
            best = Math.Min(best, GC.GetAllocatedBytesForCurrentThread() - before);
            Assert.Equal(Frames, count);
        }

        Assert.True(best == 0, $"{Frames} frames allocated {best} bytes.");
    }

    private static FrameCodec CreateCodec(CodecKind kind) => kind switch
    {
        CodecKind.Line => FrameCodec.Line(100),
        CodecKind.StrictLine => FrameCodec.Line(100, LineEnding.StrictCrLf),
        CodecKind.Delimited => FrameCodec.Delimited(100, ["--end"u8.ToArray(), "\0"u8.ToArray()]),
        CodecKind.FixedLength => FrameCodec.FixedLength(32),
        CodecKind.LengthPrefixed => FrameCodec.LengthPrefixed(100),
        CodecKind.LengthField => FrameCodec.LengthField(100, 2, 4, -6),
        CodecKind.Varint32 => FrameCodec.Varint32(100),
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };

    private sealed class EchoHandler(string way) : FrameHandler
    {
        private readonly byte[] _encoded = [4, .. "abcd"u8];

        protected internal override ValueTask OnFrameAsync(FrameConnection connection, ReadOnlySequence<byte> frame)
        {
            switch (way)
            {
                case "TrySend":
                    connection.TrySend(frame.FirstSpan);
                    break;
                case "WriteEncoded":
                    connection.WriteEncoded(_encoded);
                    break;
                default:
                    connection.Write(frame);
                    break;
            }

            return default;
        }
    }

    /// <summary>One byte of length.</summary>
    private sealed class ByteLengthCodec() : CustomFrameCodec(100)
    {
        protected override FrameScanResult Scan(ReadOnlySequence<byte> bytes, ref FrameScanState state)
            => FrameScanResult.Frame(bytes.FirstSpan[0] + 1, head: 1);

        protected override void Encode(FramePayload frame, IBufferWriter<byte> output)
        {
            output.GetSpan(1)[0] = (byte)frame.Length;
            output.Advance(1);
            frame.WriteTo(output);
        }
    }
}
