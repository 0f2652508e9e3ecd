using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Framing.Connections;

/// <summary>
/// Made by the middleware, before TLS if the user put it there: so the transport is looked at when it is used.
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
