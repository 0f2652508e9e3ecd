using KestrelEventLoopTransport.Framing;
using RedisLite;

var builder = WebApplication.CreateSlimBuilder(args);
builder.Logging.SetMinimumLevel(LogLevel.Warning);
if (builder.Configuration["transport"] != "sockets")
{
    builder.WebHost.UseEventLoopTransport();
}

var codec = new RespCodec(maxFrameLength: 1024 * 1024);
builder.Services.AddSingleton<KeyStore>();
builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenAnyIP(
    builder.Configuration.GetValue("port", 6380),
    listen => listen.UseFrameCodec(codec).UseFrameHandler<RedisHandler>()));

var app = builder.Build();
app.Lifetime.ApplicationStarted.Register(() => Console.WriteLine($"Listening on {string.Join(", ", app.Urls)}"));
await app.RunAsync();
