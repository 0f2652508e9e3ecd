using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Framing.Connections;

/// <summary>What the connections of one endpoint share.</summary>
internal sealed record FrameEndpoint(
    FrameHandler Handler,
    FrameHandlerOptions Options,
    ILogger Logger,
    TimeProvider Time,
    IHostApplicationLifetime? Host);
