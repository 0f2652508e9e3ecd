using Microsoft.AspNetCore.Hosting;

namespace KestrelEventLoopTransport.Framing;

/// <summary>
/// A connection's codec, reader and writer, set by
/// <see cref="FramingConnectionBuilderExtensions.UseFrameCodec{TBuilder}(TBuilder, FrameCodec, FrameReaderOptions?)"/>.
/// </summary>
public interface IFramingFeature
{
    /// <summary>The codec of the frames that the peer sends.</summary>
    FrameCodec Codec { get; }

    /// <summary>The codec of the frames that the peer gets.</summary>
    FrameCodec WriteCodec { get; }

    /// <summary>
    /// Reads frames from the connection's input as it is when this property is first read. Middleware that has replaced
    /// the transport by then, such as TLS, is included.
    /// </summary>
    FrameReader Reader { get; }

    /// <summary>
    /// Writes frames to the connection's output. The first read of this property decides which, as with
    /// <see cref="Reader"/>.
    /// </summary>
    FrameWriter Writer { get; }
}
