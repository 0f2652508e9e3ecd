// SO_REUSEPORT before bind and TCP_QUICKACK, as in Go with net.ListenConfig.Control, both ways: by name (port 5001) and
// by hooks that call setsockopt themselves (port 5002). A third endpoint (port 5003) gets its options from
// appsettings.json.
//
//   dotnet run --project samples/SocketOptions        then: curl http://localhost:5001
//
// The client's side, as in Go with net.Dialer.Control: curl http://localhost:5001/client makes the server connect to
// itself, and prints the options of that socket before it connects and afterwards.
//
// Started a second time, it shares the ports with the first. --port and --hook-port choose others.
using System.Net;
using KestrelEventLoopTransport;
using SocketOptions;

var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions
{
    Args = args,

    // Where appsettings.json is, wherever this is started from.
    ContentRootPath = AppContext.BaseDirectory,
});
builder.Logging.SetMinimumLevel(LogLevel.Warning);
var port = builder.Configuration.GetValue("port", 5001);
var hookPort = builder.Configuration.GetValue("hook-port", 5002);

builder.WebHost.UseEventLoopTransport(options =>
{
    options.ConfigureEndpoint($"http://localhost:{port}", endpoint =>
    {
        endpoint.ReusePort = true;
        endpoint.Tcp.QuickAck = true;

        // The hook is called when the options above are set.
        endpoint.ConfigureListenSocket = socket => KernelView.Print(socket);
    });

    options.ConfigureEndpoint($"http://localhost:{hookPort}", endpoint =>
    {
        endpoint.ConfigureListenSocket = socket =>
        {
            socket.SetOption(KernelView.SOL_SOCKET, KernelView.SO_REUSEPORT, 1);
            KernelView.Print(socket);
        };
        endpoint.ConfigureAcceptedSocket = socket => socket.SetOption(
            KernelView.IPPROTO_TCP, KernelView.TCP_QUICKACK, 1);
    });
});

builder.WebHost.ConfigureKestrel(kestrel =>
{
    kestrel.ListenLocalhost(port);
    kestrel.ListenLocalhost(hookPort);
});

// The client's sockets have this one, by name; the configuration section Kestrel:EventLoopClient would do as well.
builder.Services.AddEventLoopClient(client => client.Tcp.KeepAlive.Time = TimeSpan.FromSeconds(90));

var app = builder.Build();
app.MapGet("/", context => context.Response.WriteAsync(
    KernelView.Describe($"accepted on port {context.Connection.LocalPort}", context.Features)));
app.MapGet("/client", async context =>
{
    var text = "";
    var options = new EventLoopConnectOptions
    {
        // 1 is the kernel's default, so 0 shows that the call had an effect.
        ConfigureClientSocket = socket =>
        {
            socket.SetOption(KernelView.IPPROTO_TCP, KernelView.TCP_QUICKACK, 0);
            text += KernelView.Describe($"connecting to {socket.EndPoint}", socket.GetOption);
        },
    };
    var factory = context.RequestServices.GetRequiredService<EventLoopConnectionFactory>();
    var itself = new IPEndPoint(context.Connection.LocalIpAddress!, context.Connection.LocalPort);
    await using var connection = await factory.ConnectAsync(itself, options, context.RequestAborted);
    text += KernelView.Describe($"connected to {connection.RemoteEndPoint}", connection.Features);
    await context.Response.WriteAsync(text);
});
await app.RunAsync();
