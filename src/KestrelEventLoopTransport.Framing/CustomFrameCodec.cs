using System.Buffers;
using KestrelEventLoopTransport.Framing.Codecs;

namespace KestrelEventLoopTransport.Framing;

/// <summary>
/// Base of codecs for protocols that the codecs of <see cref="FrameCodec"/> do not cover. An instance that serves all
/// connections must not keep state of any of them. If the protocol has a state, use the overload of
/// <c>UseFrameCodec</c> that creates one codec per connection. A codec is called for a frame only after the frame
/// before it has been handled.
/// </summary>
/// <remarks>
/// The maximum counts all bytes of a frame, including those that <see cref="FrameScanResult.Frame"/> strips. With
/// <see cref="OversizedFrameBehavior.Discard"/>, an oversized frame is dropped only if the codec knows its length. A
/// frame that reaches the maximum while its length is unknown is an error.
/// </remarks>
/// <param name="maxFrameLength">Longest frame in bytes, with all its headers and delimiters; at least 1.</param>
public abstract class CustomFrameCodec(int maxFrameLength) : FrameCodec(maxFrameLength)
{
    /// <summary>Finds the end of the first frame in <paramref name="bytes"/>.</summary>
    /// <param name="bytes">
    /// The bytes that have arrived, from the start of a frame on: 1 byte to the maximum. The last ones may belong to
    /// the next frames.
    /// </param>
    /// <param name="state">
    /// Kept for the codec while the frame is incomplete. A codec that searches should start at
    /// <see cref="FrameScanState.Scanned"/>. Otherwise a peer that sends n bytes one by one makes it search n² bytes.
    /// </param>
    /// <remarks>
    /// For an error of the peer, return <see cref="FrameScanResult.Corrupted"/>. An exception counts as an error of the
    /// codec: reading fails with an <see cref="InvalidOperationException"/> that names the codec.
    /// </remarks>
    /// <returns>The result. It must not depend on how many bytes behind the frame have arrived.</returns>
    protected abstract FrameScanResult Scan(ReadOnlySequence<byte> bytes, ref FrameScanState state);

    /// <summary>
    /// Writes a frame so that <see cref="Scan"/> finds it again, or throws an <see cref="ArgumentException"/>. If it
    /// throws, nothing that it has written is sent. Several threads may call it at once.
    /// </summary>
    /// <param name="frame">
    /// The frame as a reader gets it, at most <see cref="FrameCodec.MaxFrameLength"/> bytes. The maximum also counts
    /// what this method writes around the frame, which it has to check.
    /// </param>
    /// <param name="output">Takes the bytes.</param>
    protected abstract void Encode(FramePayload frame, IBufferWriter<byte> output);

    internal FrameScanResult ScanFrame(in ReadOnlySequence<byte> bytes, ref FrameScanState state)
        => Scan(bytes, ref state);

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
