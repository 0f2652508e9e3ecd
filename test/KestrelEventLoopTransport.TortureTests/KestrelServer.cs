using System.Net;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.TortureTests;

/// <summary>Real Kestrel, with a connection handler or with HTTP.</summary>
internal sealed class KestrelServer : TortureServer
{
    private readonly Episode _episode;
    private readonly LoopInstruments _instruments;
    private readonly TestServer _server;

    private KestrelServer(Episode episode, TestServer server)
        : base(server.Settings)
    {
        _episode = episode;
        _server = server;
        Clients = server.Services.GetRequiredService<EventLoopConnectionFactory>();
        _instruments = new LoopInstruments(server.Services);
        Transport = FindTransport(server.Services) ?? new object();
    }

    public override EventLoopConnectionFactory Clients { get; }

    public override EndPoint EndPoint => _server.EndPoint;

    public override object Transport { get; }

    public override long HandOffs => Transport is EventLoopTransportFactory ? _instruments.HandOffs : 0;

    public static new async Task<TortureServer> StartAsync(Episode episode, EndPoint endPoint)
    {
        var plan = episode.Plan;
        var server = await OnceThePortIsFreeAsync(episode, () => TestServer.StartAsync(new TestSettings
        {
            Scheduling = plan.Scheduling,
            EndPoint = endPoint,
            MinimumLevel = LevelOf(plan),
            Transport = options => Configure(plan, options),
            Client = LoopDialer.Configure,

            // A machine that stands still for some seconds makes every client slow.
            Kestrel = static kestrel =>
                (kestrel.Limits.MinRequestBodyDataRate, kestrel.Limits.MinResponseDataRate) = (null, null),
            Services = services => AddServices(plan, services),
            Protocols = plan.Serving == Serving.Http2 ? HttpProtocols.Http2 : HttpProtocols.Http1,
            App = plan.Serving == Serving.Kestrel ? null : new HttpApp(episode).RunAsync,
            Connection = plan.Serving != Serving.Kestrel ? null : async connection =>
            {
                episode.OnOpened(connection);
                await ConversationServer.RunAsync(episode, connection);
            },
        }));

        // A server that cannot start is another test's.
        FaultyLibc.Start(plan.Seed, plan.Mix);
        return new KestrelServer(episode, server);
    }

    public override Task StopAsync()
        => _server.StopAsync(_episode.Plan.StopsEarly ? TimeSpan.FromMilliseconds(20) : Watchdog.Patience);

    public override ValueTask DisposeAsync()
    {
        _instruments.Dispose();
        return _server.DisposeAsync();
    }
}
