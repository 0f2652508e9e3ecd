using System.IO.Pipelines;

namespace KestrelEventLoopTransport.Connections.Input;

// The input as a stream reads it: straight into the memory of the stream's caller. That saves the blocks and a copy.
//
// A read that cannot or need not do so goes through blocks: one of no bytes, which only asks whether there are any, one
// of less than a block, and what was received ahead. For one of no bytes there are few blocks, because the next read
// may bring memory.
internal sealed partial class ConnectionInput
{
    // HttpClient asks with a read of no bytes, and then reads the head of a response with 4 KiB. The second block
    // spares the body the same two steps.
    private const int MaxBlocksForProbe = 2;

    // The reader's own. Null unless a stream reads.
    private ReadTarget? _target;

    /// <summary>From now on a stream reads.</summary>
    internal ReadTarget AttachStream() => _target ??= new ReadTarget();

    /// <summary>
    /// The same as <see cref="ReadAsync(CancellationToken)"/>. When nothing is buffered, a receive fills
    /// <paramref name="memory"/>. <see cref="ReadTarget.Filled"/> then tells how many bytes have come, the result is
    /// empty, and no <c>AdvanceTo</c> follows. The caller ends the use of the memory when the read has ended.
    /// </summary>
    internal ValueTask<ReadResult> ReadAsync(Memory<byte> memory, CancellationToken cancellationToken)
    {
        ThrowIfCompleted();
        _read.ThrowIfNotReadable();
        _target!.Begin(memory);
        try
        {
            return ReadAsync(cancellationToken);
        }
        catch
        {
            _target.End();
            throw;
        }
    }

    /// <summary>
    /// The stream has taken the result of a read: nothing is received into its caller's memory any more.
    /// </summary>
    internal void EndStreamRead()
    {
        if (_target!.Filled > 0)
        {
            _read.Phase = ReadPhase.None;
        }

        _target.End();
    }

    /// <summary>
    /// Receives once more, if an edge has not been answered, behind what a read has brought. Returns the number of
    /// bytes. Does not wait.
    /// </summary>
    internal int ReceiveMore(Memory<byte> memory)
    {
        if (memory.Length < StreamConnection.BlockSize || _buffer.End != StreamEnd.None || _read.IsOutOfReceives)
        {
            return 0;
        }

        _target!.Begin(memory);
        try
        {
            TryReceive();
        }
        catch (Exception)
        {
            // No memory for a block. What the read has is not lost for that; the edge is left, and the next read fails.
        }

        return _target.Filled;
    }

    private Remainder ReceiveForStream(ReadTarget target)
    {
        if (target.Memory.Length < StreamConnection.BlockSize || !_buffer.IsEmpty)
        {
            return Receive(ref _buffer.Bytes, target.Memory.IsEmpty ? MaxBlocksForProbe : Receiver.MaxBlocks);
        }

        var received = _receiver.ReceiveInto(_connection, target.Memory.Span, ref _buffer.Bytes, out var remainder);
        target.Filled = Math.Clamp(received, 0, target.Memory.Length);
        return OnReceived(received, remainder);
    }
}
