using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Framing.Connections;

/// <summary>
/// The feature of a connection. The middleware may create it before TLS replaces the transport, so the transport is
/// read when the reader or writer is first used.
/// </summary>
internal sealed class FramingFeature(
    ConnectionContext connection, FrameCodec codec, FrameCodec writeCodec, FrameReaderOptions? options)
    : IFramingFeature
{
    private FrameReader? _reader;
    private FrameWriter? _writer;

    public FrameCodec Codec => _reader?.Codec ?? codec;

    public FrameCodec WriteCodec => _writer?.Codec ?? writeCodec;

    public FrameReader Reader => _reader ??= new FrameReader(connection.Transport.Input, codec, options);

    public FrameWriter Writer => _writer ??= new FrameWriter(connection.Transport.Output, writeCodec);
}
