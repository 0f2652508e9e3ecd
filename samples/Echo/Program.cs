using Echo;
using KestrelEventLoopTransport.Framing;

var builder = WebApplication.CreateSlimBuilder(args);
builder.Logging.SetMinimumLevel(LogLevel.Warning);
if (builder.Configuration["transport"] != "sockets")
{
    // A client that neither sends nor receives anything for so long is closed.
    var idle = TimeSpan.FromSeconds(builder.Configuration.GetValue("idle", 60));
    builder.WebHost.UseEventLoopTransport(options => options.EndpointDefaults.IdleTimeout = idle);
}

var codec = FrameCodec.Line(maxFrameLength: 4096);
builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenAnyIP(
    builder.Configuration.GetValue("port", 7007),
    listen => listen.UseFrameCodec(codec).UseFrameHandler<EchoHandler>()));

var app = builder.Build();
app.Lifetime.ApplicationStarted.Register(() => Console.WriteLine($"Listening on {string.Join(", ", app.Urls)}"));
await app.RunAsync();
