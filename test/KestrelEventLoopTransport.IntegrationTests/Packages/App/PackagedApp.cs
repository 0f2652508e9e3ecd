using System;
using System.Buffers;
using System.Net;
using System.Threading.Tasks;
using KestrelEventLoopTransport;
using KestrelEventLoopTransport.Framing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace KestrelEventLoopTransport.IntegrationTests.Packages.App;

/// <summary>
/// What an app that uses the packages looks like. <see cref="PackageTests"/> copies this file out of the repository and
/// builds it there; it is compiled here too, so that it keeps up with the packages' names.
/// </summary>
internal static class PackagedApp
{
    public static async Task RunAsync(string[] args)
    {
        ListenOptions? http = null;
        ListenOptions? lines = null;
        var builder = WebApplication.CreateSlimBuilder(args);
        builder.WebHost.UseEventLoopTransport(options => options.EventLoopCount = 2);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0, listen => http = listen);
            kestrel.Listen(IPAddress.Loopback, 0, listen =>
            {
                lines = listen;
                listen.UseFrameCodec(FrameCodec.Line(maxFrameLength: 4096)).UseFrameHandler<EchoHandler>();
            });
        });

        await using var app = builder.Build();
        app.MapGet("/loops", (EventLoopTransportMonitor monitor) => $"{monitor.GetLoopStatistics().Count} loops");
        app.Lifetime.ApplicationStarted.Register(
            () => Console.WriteLine($"Listening: {http!.IPEndPoint} {lines!.IPEndPoint}"));
        await app.RunAsync();
    }

    private sealed class EchoHandler : FrameHandler
    {
        protected override ValueTask OnFrameAsync(FrameConnection connection, ReadOnlySequence<byte> frame)
        {
            connection.Write(frame);
            return default;
        }
    }
}
