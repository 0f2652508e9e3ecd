// A process of a cluster that keeps accounts, with HTTP and Orleans on the same loops.
//
//   samples/Cluster/run.sh        starts three silos and a front, Redis and HAProxy
//
//   --silo 1                      a silo and its number. Without it, the process is the front: it has no accounts, and
//                                 calls those of the silos as a client, through their gateways
//   --address 127.0.0.1           where it listens, and where the silos are
//   --redis 127.0.0.1:6390        without it, silo 1 keeps the list of silos, and nothing keeps the accounts
using System.Net;
using Cluster;
using KestrelEventLoopTransport;
using Orleans.Configuration;
using StackExchange.Redis;

var builder = WebApplication.CreateSlimBuilder(args);
builder.Logging.SetMinimumLevel(LogLevel.Warning);

// Orleans says at length what it sees of a silo that dies, and of calls that come to a silo that stops.
builder.Logging.AddFilter("Orleans", LogLevel.Error);
builder.Logging.AddFilter("Orleans.Messaging", LogLevel.Critical);
var silo = builder.Configuration.GetValue<int?>("silo");
var name = silo is null ? "front" : $"silo{silo}";
var address = IPAddress.Parse(builder.Configuration.GetValue("address", "127.0.0.1"));
var redis = builder.Configuration.GetValue<string>("redis");
var http = new IPEndPoint(address, 5090 + (silo ?? 5));

// A caller does not know which of its calls a killed silo had: a call without an answer is repeated after this time.
var responseTimeout = TimeSpan.FromSeconds(5);

// HAProxy's endpoint only: silos and clients do not send a header to each other.
builder.WebHost.UseEventLoopTransport(options => options.ConfigureEndpoint(
    http, endpoint => endpoint.ProxyProtocol = new ProxyProtocolOptions { TrustedNetworks = { "127.0.0.0/8" } }));
builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(http));

if (silo is { } number)
{
    builder.UseOrleans(orleans => UseSilo(orleans, number));
}
else
{
    builder.UseOrleansClient(UseClient);
}

builder.Services.AddSingleton<Readiness>();
builder.Services.AddHostedService(static services => services.GetRequiredService<Readiness>());

var app = builder.Build();
app.MapAccounts(name);
app.MapGet("/health", (Readiness readiness, HttpContext context) => readiness.Check(context));
var monitor = app.Services.GetRequiredService<EventLoopTransportMonitor>();
app.Lifetime.ApplicationStarted.Register(() =>
{
    // The silo and its gateway are on the same loops.
    var endpoints = monitor.Endpoints.Select(static endpoint => $"{endpoint.EndPoint}").Order(StringComparer.Ordinal);
    Console.WriteLine($"{name} listens on {string.Join(" and ", endpoints)}");
});
await app.RunAsync();

void UseSilo(ISiloBuilder orleans, int number)
{
    orleans.UseEventLoopTransport();
    orleans.ConfigureEndpoints(address, SiloEndPoint(number).Port, GatewayEndPoint(number).Port);

    // A silo that does not answer is dead after six seconds, or as soon as it is there again.
    orleans.Configure<ClusterMembershipOptions>(static options => options.ProbeTimeout = TimeSpan.FromSeconds(2));
    orleans.Configure<SiloMessagingOptions>(options => options.ResponseTimeout = responseTimeout);
    if (redis is null)
    {
        orleans.UseDevelopmentClustering(SiloEndPoint(1));
        orleans.AddMemoryGrainStorageAsDefault();
    }
    else
    {
        orleans.UseRedisClustering(redis);
        orleans.AddRedisGrainStorageAsDefault(
            options => options.ConfigurationOptions = ConfigurationOptions.Parse(redis));
    }
}

void UseClient(IClientBuilder orleans)
{
    orleans.UseEventLoopTransport();
    orleans.Configure<ClientMessagingOptions>(options => options.ResponseTimeout = responseTimeout);

    // A gateway that has stopped gets no calls. It gets them again after this time, if it is there.
    orleans.Configure<GatewayOptions>(static options => options.GatewayListRefreshPeriod = TimeSpan.FromSeconds(5));

    // Until the first silo is there. Kestrel listens after that.
    orleans.UseConnectionRetryFilter(static async (_, cancellationToken) =>
    {
        await Task.Delay(TimeSpan.FromMilliseconds(200), cancellationToken);
        return true;
    });
    if (redis is null)
    {
        orleans.UseStaticClustering(GatewayEndPoint(1), GatewayEndPoint(2), GatewayEndPoint(3));
    }
    else
    {
        orleans.UseRedisClustering(redis);
    }
}

IPEndPoint SiloEndPoint(int number) => new(address, 11110 + number);

IPEndPoint GatewayEndPoint(int number) => new(address, 30000 + number);
