// A reverse proxy (YARP) whose two connections of a request are on one loop.
//
//   dotnet run -c Release --project samples/ReverseProxy -- --upstream http://127.0.0.1:5000
//
// Serves --port (5090). Routes and clusters are those of appsettings.json.
using ReverseProxy;

// The configuration is beside the program, wherever it is started.
var builder = WebApplication.CreateSlimBuilder(
    new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });
builder.Logging.SetMinimumLevel(LogLevel.Warning);
var configuration = builder.Configuration;
var port = configuration.GetValue("port", 5090);
if (configuration["upstream"] is { } upstream)
{
    configuration["ReverseProxy:Clusters:app:Destinations:first:Address"] = upstream;
}

builder.WebHost.UseEventLoopTransport();
builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenAnyIP(port));
builder.Services.AddReverseProxy().LoadFromConfig(configuration.GetSection("ReverseProxy")).UseEventLoops();

var app = builder.Build();
app.MapReverseProxy();
app.Lifetime.ApplicationStarted.Register(() => Console.WriteLine($"Listening on {string.Join(", ", app.Urls)}"));
await app.RunAsync();
