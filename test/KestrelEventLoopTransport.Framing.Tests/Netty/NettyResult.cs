namespace KestrelEventLoopTransport.Framing.Tests.Netty;

/// <summary>A frame, or an error.</summary>
internal sealed class NettyResult
{
    public byte[]? Frame { get; init; }

    public string? Error { get; init; }
}
