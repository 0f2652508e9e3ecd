using System.Net;
using Chat;
using KestrelEventLoopTransport.Framing;

var codec = FrameCodec.LengthPrefixed(ChatHandler.MaxLength, prefixSize: 2);
var builder = WebApplication.CreateSlimBuilder(args);
builder.Logging.SetMinimumLevel(LogLevel.Warning);
var interval = TimeSpan.FromSeconds(builder.Configuration.GetValue("heartbeat", 5.0));
if (builder.Configuration["connect"] is { } server)
{
    await ChatClient.RunAsync(IPEndPoint.Parse(server), codec, interval);
    return;
}

if (builder.Configuration["transport"] != "sockets")
{
    builder.WebHost.UseEventLoopTransport();
}

var heartbeat = new FrameHandlerOptions
{
    TickInterval = interval,
};
builder.Services.AddSingleton<Room>();
builder.Services.AddHostedService<Speaker>();
builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenAnyIP(
    builder.Configuration.GetValue("port", 7008),
    listen => listen.UseFrameCodec(codec).UseFrameHandler<ChatHandler>(heartbeat)));

var app = builder.Build();
app.Lifetime.ApplicationStarted.Register(() => Console.WriteLine($"Listening on {string.Join(", ", app.Urls)}"));
await app.RunAsync();
