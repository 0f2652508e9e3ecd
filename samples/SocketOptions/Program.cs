// SO_REUSEPORT before bind and TCP_QUICKACK, as in Go with net.ListenConfig.Control, both ways: by name (port 5001) and
// by hooks that call setsockopt themselves (port 5002). A third endpoint (port 5003) gets its options from
// appsettings.json.
//
//   dotnet run --project samples/SocketOptions        then: curl http://localhost:5001
//
// Started a second time, it shares the ports with the first. --port and --hook-port choose others.
using Microsoft.AspNetCore.Connections.Features;
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

var app = builder.Build();
app.MapGet("/", context =>
{
    var socket = context.Features.Get<IConnectionSocketFeature>()!.Socket;
    return context.Response.WriteAsync(
        KernelView.Describe($"accepted on port {context.Connection.LocalPort}", (level, name) =>
    {
        var value = new byte[sizeof(int)];
        socket.GetRawSocketOption(level, name, value);
        return BitConverter.ToInt32(value);
    }));
});
await app.RunAsync();
