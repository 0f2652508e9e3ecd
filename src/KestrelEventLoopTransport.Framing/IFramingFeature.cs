using Microsoft.AspNetCore.Hosting;

namespace KestrelEventLoopTransport.Framing;

/// <summary>
/// A connection's codec, reader and writer, set by
/// <see cref="FramingConnectionBuilderExtensions.UseFrameCodec{TBuilder}(TBuilder, FrameCodec, FrameReaderOptions?)"/>.
/// </summary>
public interface IFramingFeature
{
    /// <summary>What a frame of the peer looks like.</summary>
    FrameCodec Codec { get; }

    /// <summary>What a frame to the peer looks like.</summary>
    FrameCodec WriteCodec { get; }

    /// <summary>
    /// Reads frames from the connection's input as it was when this was first asked for: below it, all middleware that
    /// has replaced the transport (TLS) by then.
    /// </summary>
    FrameReader Reader { get; }

    /// <summary>Writes frames to the connection's output, as <see cref="Reader"/> reads from its input.</summary>
    FrameWriter Writer { get; }
}
