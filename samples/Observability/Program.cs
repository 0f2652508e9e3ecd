// An application that Prometheus watches: the metrics of the loops beside those of Kestrel and ASP.NET Core.
//
//   dotnet run -c Release --project samples/Observability
//
// Serves --port (5000). /metrics is what Prometheus scrapes. /block?milliseconds=20 keeps its thread, so that there is
// something to see.
using OpenTelemetry.Metrics;

var builder = WebApplication.CreateSlimBuilder(args);
builder.Logging.SetMinimumLevel(LogLevel.Warning);
builder.WebHost.UseEventLoopTransport();
builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenAnyIP(builder.Configuration.GetValue("port", 5000)));
builder.Services.AddOpenTelemetry().WithMetrics(static metrics => metrics
    .AddMeter("KestrelEventLoopTransport")
    .AddMeter("Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.MemoryPool", "Microsoft.AspNetCore.Server.Kestrel")
    .AddPrometheusExporter());

var app = builder.Build();
app.MapGet("/", static () => "Hello, World!");
app.MapGet("/block", static (int milliseconds) =>
{
    Thread.Sleep(Math.Clamp(milliseconds, 0, 1000));
    return "A handler that blocks.";
});
app.MapPrometheusScrapingEndpoint();
app.Lifetime.ApplicationStarted.Register(() => Console.WriteLine($"Listening on {string.Join(", ", app.Urls)}"));
await app.RunAsync();
