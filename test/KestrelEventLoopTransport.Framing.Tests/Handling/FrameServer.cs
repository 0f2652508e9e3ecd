using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Framing.Tests.Handling;

/// <summary>
/// Starts a Kestrel with one endpoint for frames. Disposing it fails if stopping hangs, or an unexpected error was
/// logged.
/// </summary>
internal static class FrameServer
{
    public static Task<TestServer> StartAsync(
        EndpointKind kind,
        FrameHandler handler,
        FrameHandlerOptions? options = null,
        FrameCodec? codec = null,
        FrameReaderOptions? reading = null,
        TimeProvider? time = null)
        => StartAsync(
            kind,
            listen => listen.UseFrameCodec(codec ?? FrameCodec.Line(100_000), reading).UseFrameHandler(
                handler, options),
            services => services.AddSingleton(time ?? TimeProvider.System));

    public static Task<TestServer> StartAsync(EndpointKind kind, Func<ConnectionContext, Task> application)
        => StartAsync(kind, listen => listen.UseFrameCodec(FrameCodec.Line(1000)).Run(application));

    public static Task<TestServer> StartAsync(
        EndpointKind kind, Action<ListenOptions> application, Action<IServiceCollection>? services = null)
        => TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            UsesStock = !kind.IsEventLoop(),
            UsesTls = kind.IsTls(),
            Listen = application,
            Services = services,
            Grace = TimeSpan.FromSeconds(30),
            Complaints = IsComplaint,

            // Kestrel's own, as in an application.
            Pools = null,
        });

    // What the framing says above Debug, and errors of all others. That handlers keep their loops for long is true
    // where a test keeps all processors busy.
    private static bool IsComplaint(LogEntry entry)
        => entry.EventId.Name != "HandlersBlock"
            && entry.Level >= (entry.Category.StartsWith("KestrelEventLoopTransport", StringComparison.Ordinal)
                ? LogLevel.Information
                : LogLevel.Error);
}
