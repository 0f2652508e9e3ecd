using System.Buffers;
using System.IO.Pipelines;

namespace KestrelEventLoopTransport.Framing.Benchmarks;

/// <summary>A <see cref="PipeReader"/> that costs next to nothing: each read returns the same bytes.</summary>
internal sealed class EndlessInput(ReadOnlySequence<byte> bytes) : PipeReader
{
    public override bool TryRead(out ReadResult result)
    {
        result = new ReadResult(bytes, isCanceled: false, isCompleted: false);
        return true;
    }

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        TryRead(out var result);
        return new(result);
    }

    public override void AdvanceTo(SequencePosition consumed)
    {
    }

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
    }

    public override void CancelPendingRead() => throw new NotSupportedException();

    public override void Complete(Exception? exception = null)
    {
    }
}
