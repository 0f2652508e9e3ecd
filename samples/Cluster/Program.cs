// One silo of a cluster that keeps accounts, with HTTP on the same loops.
//
//   samples/Cluster/run.sh        starts three of them, Redis and HAProxy
//
//   --silo 1                      its number: HTTP on port 5090 + n, Orleans on port 11110 + n
//   --address 127.0.0.1           where it listens
//   --redis 127.0.0.1:6390        without it, silo 1 keeps the list of silos, and nothing keeps the accounts
using System.Net;
using Cluster;
using KestrelEventLoopTransport;
using Orleans.Configuration;
using StackExchange.Redis;

var builder = WebApplication.CreateSlimBuilder(args);
builder.Logging.SetMinimumLevel(LogLevel.Warning);

// Orleans says at length what it sees of a silo that dies.
builder.Logging.AddFilter("Orleans", LogLevel.Error);
var number = builder.Configuration.GetValue("silo", 1);
var address = IPAddress.Parse(builder.Configuration.GetValue("address", "127.0.0.1"));
var redis = builder.Configuration.GetValue<string>("redis");
var http = new IPEndPoint(address, 5090 + number);

// HAProxy's endpoint only: the silos do not send a header to each other.
builder.WebHost.UseEventLoopTransport(options => options.ConfigureEndpoint(
    http, endpoint => endpoint.ProxyProtocol = new ProxyProtocolOptions { TrustedNetworks = { "127.0.0.0/8" } }));
builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(http));

builder.UseOrleans(silo =>
{
    silo.UseEventLoopTransport();

    // No gateway: clients come over HTTP.
    silo.ConfigureEndpoints(address, 11110 + number, gatewayPort: 0);

    // A silo that does not answer is dead after six seconds, or as soon as it is there again.
    silo.Configure<ClusterMembershipOptions>(static options => options.ProbeTimeout = TimeSpan.FromSeconds(2));
    silo.Configure<SiloMessagingOptions>(static options => options.ResponseTimeout = TimeSpan.FromSeconds(10));
    if (redis is null)
    {
        silo.UseDevelopmentClustering(new IPEndPoint(address, 11111));
        silo.AddMemoryGrainStorageAsDefault();
    }
    else
    {
        silo.UseRedisClustering(redis);
        silo.AddRedisGrainStorageAsDefault(
            options => options.ConfigurationOptions = ConfigurationOptions.Parse(redis));
    }
});

builder.Services.AddSingleton<Readiness>();
builder.Services.AddHostedService(static services => services.GetRequiredService<Readiness>());

var app = builder.Build();
app.MapAccounts(number);
app.MapGet("/health", (Readiness readiness, HttpContext context) => readiness.Check(context));
var monitor = app.Services.GetRequiredService<EventLoopTransportMonitor>();
app.Lifetime.ApplicationStarted.Register(() =>
{
    // The silo is on the same loops.
    var endpoints = monitor.Endpoints.Select(static endpoint => endpoint.EndPoint);
    Console.WriteLine($"Silo {number} listens on {string.Join(" and ", endpoints)}");
});
await app.RunAsync();
