using KestrelEventLoopTransport.Framing;

var builder = WebApplication.CreateSlimBuilder(args);
builder.WebHost.UseEventLoopTransport();

// The codec cuts what arrives into frames, here lines. Others have lengths in front, fixed lengths, or are your own:
// see FrameCodec and CustomFrameCodec.
var codec = FrameCodec.Line(maxFrameLength: 4096);

// A client that neither sends nor receives anything for so long is closed.
var options = new FrameHandlerOptions { IdleTimeout = TimeSpan.FromMinutes(2) };

builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenAnyIP(
    builder.Configuration.GetValue("port", 7007),
    listen => listen.UseFrameCodec(codec).UseFrameHandler<CommandHandler>(options)));

var app = builder.Build();
app.Lifetime.ApplicationStarted.Register(() => Console.WriteLine($"Listening on {string.Join(", ", app.Urls)}"));
app.Run();
