using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using MQTTnet.AspNetCore;

namespace KestrelEventLoopTransport.Benchmarks.Server;

internal static class BenchmarkServer
{
    public static async Task RunAsync(ServerSettings settings, CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateSlimBuilder();

        // Any enabled logger makes the host create an activity and a log scope for each request: not the transport's.
        // Standard output carries the ready line and nothing else: the driver does not read on after it.
        builder.Logging.ClearProviders();
        UseTransport(builder.WebHost, settings);
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.Services.AddGrpc();
        builder.Services.AddMqttServer().AddConnections();
        var isOurs = settings.Transport == TransportNames.EventLoop;
        if (settings.Upstream is not null)
        {
            Forwarding.AddTo(builder.Services, settings.Upstream, isOurs);
        }

        var gateway = settings.Silo ? BenchmarkSilo.Add(builder, isOurs) : 0;
        using var certificate = ServerCertificate.Create();
        var listeners = new List<ListenOptions>();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = null;
            Listen(HttpProtocols.Http1, _ => { });
            Listen(HttpProtocols.Http1AndHttp2, listen => listen.UseHttps(certificate));
            Listen(HttpProtocols.Http2, _ => { });
            Listen(HttpProtocols.None, listen => listen.UseConnectionHandler<EchoConnectionHandler>());
            Listen(HttpProtocols.None, listen => listen.UseMqtt());

            void Listen(HttpProtocols protocols, Action<ListenOptions> configure)
            {
                var port = settings.FirstPort == 0 ? 0 : settings.FirstPort + listeners.Count;
                kestrel.Listen(IPAddress.Loopback, port, listen =>
                {
                    if (protocols != HttpProtocols.None)
                    {
                        listen.Protocols = protocols;
                    }

                    configure(listen);
                    listeners.Add(listen);
                });
            }
        });

        var app = builder.Build();
        app.Map("/ws", branch => branch.UseWebSockets().Run(BenchmarkEndpoints.EchoWebSocketAsync));

        // A branch has routing of its own; the other requests are not routed.
        app.MapWhen(
            context => context.Request.Path.StartsWithSegments(GrpcEcho.Path),
            branch => branch.UseRouting().UseEndpoints(endpoints => endpoints.MapGrpcService<GrpcEcho>()));
        if (settings.Upstream is not null)
        {
            var clients = new ClientRuns(
                settings.Upstream, isOurs ? app.Services.GetRequiredService<EventLoopConnectionFactory>() : null);
            app.MapWhen(
                context => context.Request.Path.StartsWithSegments(Forwarding.Path),
                branch => branch.UseRouting().UseEndpoints(endpoints => endpoints.MapReverseProxy()));
            app.Map(ClientRuns.Path, branch => branch.Run(clients.HandleAsync));
        }

        app.Run(BenchmarkEndpoints.HandleAsync);

        await app.StartAsync(cancellationToken);
        var ports = listeners.ConvertAll(listen => listen.IPEndPoint!.Port);
        Console.WriteLine(new ServerPorts(ports[0], ports[1], ports[2], ports[3], ports[4], gateway));

        if (settings.ExitWithStdin)
        {
            // A thread of its own: reading a pipe blocks, and the pool of a pinned server starts with one thread.
            new Thread(() => StopWithStdin(app.Lifetime)) { IsBackground = true }.Start();
        }

        await app.WaitForShutdownAsync(cancellationToken);
    }

    private static void UseTransport(IWebHostBuilder webHost, ServerSettings settings)
    {
        switch (settings.Transport)
        {
            case TransportNames.EventLoop:
                webHost.UseEventLoopTransport(options =>
                {
                    options.Scheduling = settings.Scheduling ?? options.Scheduling;
                    options.EventLoopCount = settings.Loops ?? options.EventLoopCount;
                    options.EndpointDefaults.AcceptMode = settings.AcceptMode ?? options.EndpointDefaults.AcceptMode;
                });
                break;
            case TransportNames.SocketsInline:
                webHost.UseSockets(options => options.UnsafePreferInlineScheduling = true);
                break;
            default:
                webHost.UseSockets();
                break;
        }
    }

    // The driver holds our standard input: when it dies, for whatever reason, no server stays behind.
    private static void StopWithStdin(IHostApplicationLifetime lifetime)
    {
        using var input = Console.OpenStandardInput();
        while (input.ReadByte() >= 0)
        {
        }

        lifetime.StopApplication();
    }
}
