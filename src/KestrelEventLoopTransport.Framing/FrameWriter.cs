using System.Buffers;
using System.IO.Pipelines;

namespace KestrelEventLoopTransport.Framing;

/// <summary>
/// Writes frames to a <see cref="PipeWriter"/>, which it does not complete. <c>Write</c> only puts a frame into the
/// buffer, so that many frames leave with one <see cref="FlushAsync"/>. As with the <see cref="PipeWriter"/> itself,
/// only one thread may use it at a time.
/// </summary>
public sealed class FrameWriter
{
    private readonly PipeWriter _output;

    /// <summary>Creates a writer.</summary>
    /// <param name="output">Takes the bytes. Other bytes may be written to it between frames.</param>
    /// <param name="codec">Encodes the frames.</param>
    public FrameWriter(PipeWriter output, FrameCodec codec)
    {
        ArgumentNullException.ThrowIfNull(output);
        _output = output;
        Codec = codec;
    }

    /// <summary>Encodes the frames. A new codec applies from the next frame on.</summary>
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
    /// Number of bytes in the buffer that no <see cref="FlushAsync"/> has sent yet. Flush above a limit if a peer can
    /// cause many writes. Otherwise a peer that does not read makes the buffer grow.
    /// </summary>
    /// <exception cref="NotSupportedException">
    /// The output does not count these bytes (<see cref="PipeWriter.CanGetUnflushedBytes"/>). Pipes, streams and
    /// Kestrel's connections do.
    /// </exception>
    public long UnflushedBytes => _output.UnflushedBytes;

    /// <summary>Puts a frame into the buffer. It leaves with the next <see cref="FlushAsync"/>.</summary>
    /// <param name="frame">The frame as a reader gets it, without prefix or delimiter. It is copied.</param>
    /// <exception cref="ArgumentException">
    /// A reader with the same codec would not get the same frame back: it is too long, contains the delimiter, or does
    /// not have the fixed length. Nothing is written.
    /// </exception>
    /// <exception cref="NotSupportedException">
    /// The codec only reads, see <see cref="FrameCodec.LengthField"/>.
    /// </exception>
    public void Write(ReadOnlySpan<byte> frame) => Codec.Encode(_output, frame);

    /// <inheritdoc cref="Write(ReadOnlySpan{byte})"/>
    /// <summary>Puts a frame that is given in two parts into the buffer, without joining them first.</summary>
    /// <param name="header">The frame's first part.</param>
    /// <param name="payload">The rest of it.</param>
    public void Write(ReadOnlySpan<byte> header, ReadOnlySpan<byte> payload) => Codec.Encode(_output, header, payload);

    /// <inheritdoc cref="Write(ReadOnlySpan{byte})"/>
    public void Write(in ReadOnlySequence<byte> frame) => Codec.Encode(_output, frame);

    /// <summary>
    /// Sends what was written, and waits if the peer is slow (<see cref="PipeWriter.FlushAsync"/>).
    /// </summary>
    /// <param name="cancellationToken">Cancels the wait, not the sending.</param>
    /// <returns>Whether the reading side has ended (<see cref="FlushResult.IsCompleted"/>).</returns>
    public ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
        => _output.FlushAsync(cancellationToken);

    /// <summary>
    /// Writes one frame and sends it, as <see cref="Write(ReadOnlySpan{byte})"/> and <see cref="FlushAsync"/> do.
    /// </summary>
    /// <param name="frame">The frame as a reader gets it, without prefix or delimiter. It is copied.</param>
    /// <param name="cancellationToken">Cancels the wait, not the sending.</param>
    /// <returns>Whether the reading side has ended (<see cref="FlushResult.IsCompleted"/>).</returns>
    /// <exception cref="ArgumentException">As for <see cref="Write(ReadOnlySpan{byte})"/>.</exception>
    /// <exception cref="NotSupportedException">As for <see cref="Write(ReadOnlySpan{byte})"/>.</exception>
    public ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellationToken = default)
    {
        Write(frame.Span);
        return FlushAsync(cancellationToken);
    }
}
