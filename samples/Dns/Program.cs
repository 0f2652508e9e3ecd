using Dns;
using KestrelEventLoopTransport.Framing;

var builder = WebApplication.CreateSlimBuilder(args);
builder.Logging.SetMinimumLevel(LogLevel.Warning);
builder.WebHost.UseEventLoopTransport();

var port = builder.Configuration.GetValue("port", 5300);
builder.Services.AddSingleton(Zone.CreateExample());
builder.Services.AddSingleton<Responder>();

// Over UDP each datagram is a message. Over TCP two bytes with its length come first (RFC 1035, section 4.2.2).
builder.Services.AddDatagramEndpoint<UdpHandler>($"udp://*:{port}");
var codec = FrameCodec.LengthPrefixed(maxFrameLength: ushort.MaxValue, prefixSize: 2);
builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenAnyIP(
    port, listen => listen.UseFrameCodec(codec).UseFrameHandler<TcpHandler>()));

var app = builder.Build();
app.Lifetime.ApplicationStarted.Register(() => Console.WriteLine($"Listening on {string.Join(", ", app.Urls)}"));
await app.RunAsync();
