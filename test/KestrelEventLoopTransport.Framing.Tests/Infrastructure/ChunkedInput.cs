using System.Buffers;
using System.IO.Pipelines;

namespace KestrelEventLoopTransport.Framing.Tests.Infrastructure;

/// <summary>
/// A <see cref="PipeReader"/> that returns given chunks, one a read, in segments of a given size. It copies what was
/// not consumed to new segments for each read, overwrites the old ones, and checks what is asked of a reader's user.
/// </summary>
internal sealed class ChunkedInput(
    IEnumerable<byte[]> chunks, int segmentSize, bool endsWithLastChunk, bool isAsynchronous)
    : PipeReader
{
    private readonly Queue<byte[]> _chunks = new(chunks);
    private byte[] _unconsumed = [];
    private long _examined;
    private ReadOnlySequence<byte> _buffer;
    private Segment? _segment;
    private bool _isReading;
    private bool _hasEnded;
    private int _readsPastEnd;

    /// <summary>Most bytes that were kept when more were asked for.</summary>
    public long MostKept { get; private set; }

    public override bool TryRead(out ReadResult result)
    {
        Assert.False(_isReading, "A read before AdvanceTo.");
        if (_examined == _unconsumed.Length)
        {
            if (_chunks.TryDequeue(out var chunk))
            {
                _unconsumed = [.. _unconsumed, .. chunk];
                _hasEnded = _chunks.Count == 0 && endsWithLastChunk;
            }
            else
            {
                // A reader that misses the end would never stop.
                Assert.True(++_readsPastEnd < 100, "Reads on and on behind the end.");
                _hasEnded = true;
            }
        }

        _buffer = Segment.CreateSequence(_unconsumed, segmentSize, out _segment);
        _isReading = true;
        result = new ReadResult(_buffer, isCanceled: false, _hasEnded);
        return true;
    }

    public override async ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        if (isAsynchronous)
        {
            await Task.Yield();
        }

        TryRead(out var result);
        return result;
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        Assert.True(_isReading, "AdvanceTo without a read.");
        _isReading = false;
        var consumedBytes = _buffer.Slice(0, consumed).Length;
        var examinedBytes = _buffer.Slice(0, examined).Length;
        Assert.True(consumedBytes <= examinedBytes, "Consumed more than examined.");
        Assert.True(_examined <= examinedBytes, "Examined less than before.");
        _unconsumed = _unconsumed[(int)consumedBytes..];
        _examined = examinedBytes - consumedBytes;
        if (_examined == _unconsumed.Length)
        {
            MostKept = Math.Max(MostKept, _examined);
        }

        _segment!.Poison();
    }

    public override void CancelPendingRead() => throw new NotSupportedException();

    public override void Complete(Exception? exception = null) => throw new NotSupportedException();
}
