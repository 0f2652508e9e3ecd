using Statsd;

var builder = WebApplication.CreateSlimBuilder(args);
builder.Logging.SetMinimumLevel(LogLevel.Warning);
builder.WebHost.UseEventLoopTransport();

// Both endpoints run on the same loops.
var statistics = new Statistics();
builder.Services.AddDatagramCallback(
    $"udp://*:{builder.Configuration.GetValue("udp", 8125)}",
    (in datagram, _) => statistics.Add(datagram.Payload));
builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenAnyIP(builder.Configuration.GetValue("port", 5000)));

var app = builder.Build();
app.MapGet("/", () => statistics.ToString());
app.Lifetime.ApplicationStarted.Register(() => Console.WriteLine($"Listening on {string.Join(", ", app.Urls)}"));
await app.RunAsync();
