using System.Buffers;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Plaintext;

var builder = WebApplication.CreateSlimBuilder(args);
builder.Logging.SetMinimumLevel(LogLevel.Warning);

if (!TransportChoice.TryRead(builder.Configuration, out var choice, out var error))
{
    Console.Error.WriteLine(error);
    return 1;
}

switch (choice.Transport)
{
    case TransportChoice.EventLoop:
        builder.WebHost.UseEventLoopTransport(options =>
        {
            options.Scheduling = choice.Scheduling ?? options.Scheduling;
            options.EventLoopCount = choice.Loops ?? options.EventLoopCount;
        });
        break;
    case TransportChoice.Sockets:
        builder.WebHost.UseSockets();
        break;
    case TransportChoice.SocketsInline:
        builder.WebHost.UseSockets(options => options.UnsafePreferInlineScheduling = true);
        break;
}

var app = builder.Build();

app.MapGet("/plaintext", context =>
{
    var body = "Hello, World!"u8;
    context.Response.ContentType = "text/plain";
    context.Response.ContentLength = body.Length;
    context.Response.BodyWriter.Write(body);
    return Task.CompletedTask;
});

app.MapGet("/json", context =>
    context.Response.WriteAsJsonAsync(new Greeting("Hello, World!"), GreetingJsonContext.Default.Greeting));

app.Lifetime.ApplicationStarted.Register(() =>
{
    var addresses = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()?.Addresses;
    Console.WriteLine($"Listening on {string.Join(", ", addresses ?? [])} ({choice})");
});

await app.RunAsync();
return 0;
