// Restarts without a failed request: start the new process, then stop the old one.
//
//   dotnet run -c Release --urls http://127.0.0.1:5000 &
//   dotnet run -c Release --urls http://127.0.0.1:5000 &        # the same port
//   kill %1                                                     # stops gracefully
//
// One listening socket per loop: --Kestrel:EventLoopTransport:AcceptMode=ListenerPerLoop
//
// Started by systemd for a socket unit it serves systemd's socket, which no restart closes:
//
//   systemd-socket-activate -l 127.0.0.1:5000 dotnet RollingRestart.dll

var builder = WebApplication.CreateSlimBuilder(args);
builder.Logging.SetMinimumLevel(LogLevel.Warning);
builder.WebHost.UseEventLoopTransport(
    options => options.EndpointDefaults.ReusePort = !builder.Configuration.GetValue<bool>("exclusive"));
builder.WebHost.ConfigureKestrel(kestrel => kestrel.UseSystemdSockets());

var app = builder.Build();

// A client may send its next request on a connection just when the server closes it, idle as it is. Those that are in
// use are ended by their answers instead, while the listening sockets hand over.
app.Use((context, next) =>
{
    if (app.Lifetime.ApplicationStopping.IsCancellationRequested)
    {
        context.Response.Headers.Connection = "close";
    }

    return next(context);
});

app.MapGet("/", () => $"Answered by process {Environment.ProcessId}");

app.Lifetime.ApplicationStarted.Register(() => Console.WriteLine($"Process {Environment.ProcessId} listens"));

await app.RunAsync();
