// Says who its client is, behind a proxy that sends the PROXY protocol.
//
//   dotnet run --project samples/ProxyProtocol        then: haproxy -db -f samples/ProxyProtocol/haproxy.cfg
//
// Each connection to --port (5080) has to begin with a header.
using KestrelEventLoopTransport;
using ProxyProtocol;

var builder = WebApplication.CreateSlimBuilder(args);
builder.Logging.SetMinimumLevel(LogLevel.Warning);
var port = builder.Configuration.GetValue("port", 5080);

builder.WebHost.UseEventLoopTransport(options => options.EndpointDefaults.ProxyProtocol = new ProxyProtocolOptions
{
    // The proxies, and nobody else: who may send a header may claim to be any client.
    TrustedNetworks = { "127.0.0.0/8", "::1" },
});
builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenAnyIP(port));

var app = builder.Build();
app.MapGet("/", context => context.Response.WriteAsync(ClientDescription.Of(context)));
app.Lifetime.ApplicationStarted.Register(() => Console.WriteLine($"Listening on {string.Join(", ", app.Urls)}"));
await app.RunAsync();
