using System.Buffers;
using System.IO.Pipelines;

namespace KestrelEventLoopTransport.Framing;

/// <summary>
/// Writes frames to a <see cref="PipeWriter"/>. <c>Write</c> only puts them into its buffer, so that many leave with
/// one <see cref="FlushAsync"/>. For one writer at a time, as the <see cref="PipeWriter"/> itself, which it does not
/// complete.
/// </summary>
public sealed class FrameWriter
{
    private readonly PipeWriter _output;

    /// <summary>Creates a writer.</summary>
    /// <param name="output">Where the bytes go. Other bytes may be written to it between frames.</param>
    /// <param name="codec">What a frame looks like.</param>
    public FrameWriter(PipeWriter output, FrameCodec codec)
    {
        ArgumentNullException.ThrowIfNull(output);
        _output = output;
        Codec = codec;
    }

    /// <summary>What a frame looks like. Another codec writes the frames from the next one on.</summary>
    public FrameCodec Codec
    {
        get;
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            field = value;
        }
    }

    /// <summary>
    /// Number of bytes in the output's buffer that no <see cref="FlushAsync"/> has sent yet. Who writes much for what a
    /// peer sends flushes above a bound, or a peer that does not read makes the buffer grow.
    /// </summary>
    /// <exception cref="NotSupportedException">
    /// The output does not know (<see cref="PipeWriter.CanGetUnflushedBytes"/>). Pipes, streams and Kestrel's
    /// connections do.
    /// </exception>
    public long UnflushedBytes => _output.UnflushedBytes;

    /// <summary>Puts a frame into the output's buffer. It leaves with the next <see cref="FlushAsync"/>.</summary>
    /// <param name="frame">The frame, as a reader gets it: without prefix or delimiter. It is copied.</param>
    /// <exception cref="ArgumentException">
    /// A reader with the same codec would not get the frame back as it is: it is too long, contains the delimiter, does
    /// not have the fixed length. Nothing is written then.
    /// </exception>
    /// <exception cref="NotSupportedException">
    /// The codec only reads, see <see cref="FrameCodec.LengthField"/>.
    /// </exception>
    public void Write(ReadOnlySpan<byte> frame) => Codec.Encode(_output, frame);

    /// <inheritdoc cref="Write(ReadOnlySpan{byte})"/>
    /// <summary>Puts a frame that comes in two parts into the output's buffer, without joining them first.</summary>
    /// <param name="header">The frame's first part.</param>
    /// <param name="payload">The rest of it.</param>
    public void Write(ReadOnlySpan<byte> header, ReadOnlySpan<byte> payload) => Codec.Encode(_output, header, payload);

    /// <inheritdoc cref="Write(ReadOnlySpan{byte})"/>
    public void Write(in ReadOnlySequence<byte> frame) => Codec.Encode(_output, frame);

    /// <summary>
    /// Sends what was written, and waits while the peer is slow (<see cref="PipeWriter.FlushAsync"/>).
    /// </summary>
    /// <param name="cancellationToken">Ends the waiting, not the sending.</param>
    /// <returns>Whether the reading side is gone (<see cref="FlushResult.IsCompleted"/>).</returns>
    public ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
        => _output.FlushAsync(cancellationToken);

    /// <summary>
    /// Writes one frame and sends it: <see cref="Write(ReadOnlySpan{byte})"/> and <see cref="FlushAsync"/>.
    /// </summary>
    /// <param name="frame">The frame, as a reader gets it: without prefix or delimiter. It is copied.</param>
    /// <param name="cancellationToken">Ends the waiting, not the sending.</param>
    /// <returns>Whether the reading side is gone (<see cref="FlushResult.IsCompleted"/>).</returns>
    /// <exception cref="ArgumentException">As for <see cref="Write(ReadOnlySpan{byte})"/>.</exception>
    /// <exception cref="NotSupportedException">As for <see cref="Write(ReadOnlySpan{byte})"/>.</exception>
    public ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellationToken = default)
    {
        Write(frame.Span);
        return FlushAsync(cancellationToken);
    }
}
