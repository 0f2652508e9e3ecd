using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Testing;

/// <summary>What a test server is made of. <see cref="CreateApplication"/> builds it without starting it.</summary>
internal sealed class TestSettings
{
    public required ApplicationScheduling Scheduling { get; init; }

    public Action<EventLoopTransportOptions>? Transport { get; init; }

    /// <summary>Serves raw connections. Without it, <see cref="App"/> serves HTTP.</summary>
    public ConnectionDelegate? Connection { get; init; }

    public RequestDelegate? App { get; init; }

    public Action<KestrelServerOptions>? Kestrel { get; init; }

    public EndPoint EndPoint { get; init; } = new IPEndPoint(IPAddress.Loopback, 0);

    public LogLevel MinimumLevel { get; init; } = LogLevel.Debug;

    public Action<IServiceCollection>? Services { get; set; }

    /// <summary>What <see cref="App"/> is served by.</summary>
    public HttpProtocols Protocols { get; init; } = HttpProtocols.Http1;

    /// <summary>Keys and values of the application's configuration.</summary>
    public Dictionary<string, string?>? Configuration { get; init; }

    /// <summary>The pool whose blocks are counted; <see langword="null"/> leaves Kestrel's own in place.</summary>
    public CountingMemoryPoolFactory? Pools { get; init; } = new();

    public CapturedLogs Logs { get; } = new();

    public WebApplication CreateApplication(Action<ListenOptions>? listen = null)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Logging.ClearProviders().AddProvider(Logs).SetMinimumLevel(MinimumLevel);
        builder.Configuration.AddInMemoryCollection(Configuration ?? []);
        builder.WebHost.UseKestrelCore();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            if (listen is not null)
            {
                kestrel.Listen(EndPoint, listen);
            }

            Kestrel?.Invoke(kestrel);
        });
        builder.Services.Configure<SocketTransportOptions>(ConfigureStock);
        if (!StockTransport.IsUnderTest)
        {
            builder.WebHost.UseEventLoopTransport(Configure);
        }

        if (Pools is not null)
        {
            builder.Services.AddSingleton<IMemoryPoolFactory<byte>>(Pools);
        }

        Services?.Invoke(builder.Services);
        return builder.Build();
    }

    private void Configure(EventLoopTransportOptions options)
    {
        options.EventLoopCount = 2;
        options.Scheduling = Scheduling;
        Transport?.Invoke(options);
    }

    private void ConfigureStock(SocketTransportOptions stock)
    {
        var options = new EventLoopTransportOptions();
        Configure(options);
        stock.IOQueueCount = options.EventLoopCount;
        stock.Backlog = options.Backlog;
        stock.NoDelay = options.NoDelay;
        stock.MaxReadBufferSize = options.MaxReadBufferSize;
        stock.MaxWriteBufferSize = options.MaxWriteBufferSize;
        stock.UnsafePreferInlineScheduling = options.Scheduling == ApplicationScheduling.Inline;
    }
}
