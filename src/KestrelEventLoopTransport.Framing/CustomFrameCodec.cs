using System.Buffers;
using KestrelEventLoopTransport.Framing.Codecs;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;

namespace KestrelEventLoopTransport.Framing;

/// <summary>
/// Base of codecs for protocols that the ones of <see cref="FrameCodec"/> do not cover. An instance that serves every
/// connection keeps nothing about any of them. Where the protocol has a state, make one for each connection
/// (<see cref="FramingConnectionBuilderExtensions.UseFrameCodec{TBuilder}(TBuilder, Func{ConnectionContext, FrameCodec}, FrameReaderOptions?)"/>):
/// a frame is only looked for when the one before it has been handled.
/// </summary>
/// <remarks>
/// The maximum counts all bytes of a frame here, what <see cref="FrameScanResult.Frame"/> strips too. With
/// <see cref="OversizedFrameBehavior.Discard"/> a frame can only be skipped whose length the codec has told; one that goes on
/// to the maximum without is an error.
/// </remarks>
/// <param name="maxFrameLength">Longest frame in bytes, with all its headers and delimiters; at least 1.</param>
public abstract class CustomFrameCodec(int maxFrameLength) : FrameCodec(maxFrameLength)
{
    /// <summary>Tells where the first frame in <paramref name="bytes"/> ends.</summary>
    /// <param name="bytes">
    /// What has arrived, from the start of a frame on: 1 byte to the maximum. Some may be of the next frames.
    /// </param>
    /// <param name="state">
    /// For the codec's own use while the frame is incomplete: a codec that has to search should begin at
    /// <see cref="FrameScanState.Scanned"/>, or a peer that sends byte by byte makes it search n² bytes.
    /// </param>
    /// <remarks>
    /// For what the peer does wrong, return <see cref="FrameScanResult.Corrupted"/>. An exception is taken for the codec's
    /// own fault: reading fails with an <see cref="InvalidOperationException"/> that names the codec.
    /// </remarks>
    /// <returns>What was found. It must not depend on how many bytes behind the frame are there already.</returns>
    protected abstract FrameScanResult Scan(ReadOnlySequence<byte> bytes, ref FrameScanState state);

    /// <summary>
    /// Writes a frame such that <see cref="Scan"/> finds it again, or throws an <see cref="ArgumentException"/>. If it
    /// throws, nothing of the frame is sent, whatever was written by then. It may be called by several threads at once.
    /// </summary>
    /// <param name="frame">
    /// The frame as a reader gets it; at most the maximum frame length. That counts what is written around it too,
    /// which this has to check.
    /// </param>
    /// <param name="output">Where to.</param>
    protected abstract void Encode(FramePayload frame, IBufferWriter<byte> output);

    internal FrameScanResult ScanFrame(in ReadOnlySequence<byte> bytes, ref FrameScanState state) => Scan(bytes, ref state);

    internal sealed override void EncodeCore(in FramePayload frame, IBufferWriter<byte> output)
    {
        var buffer = EncodeBuffer.Rent();
        try
        {
            EncodeTo(buffer, frame);
            output.Write(buffer.Written);
        }
        finally
        {
            buffer.Return();
        }
    }

    internal sealed override void EncodeTo(EncodeBuffer buffer, in FramePayload frame)
    {
        ThrowIfTooLong(frame.Length);
        Encode(frame, buffer);
    }
}
