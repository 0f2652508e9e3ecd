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

    public Action<EventLoopClientOptions>? Client { get; init; }

    /// <summary>Serves raw connections. Without it, <see cref="App"/> serves HTTP.</summary>
    public ConnectionDelegate? Connection { get; init; }

    public RequestDelegate? App { get; init; }

    /// <summary>Adds middleware and routes, in place of <see cref="App"/>.</summary>
    public Action<WebApplication>? Map { get; init; }

    public Action<KestrelServerOptions>? Kestrel { get; init; }

    /// <summary>
    /// Where the server listens; <see langword="null"/> where <see cref="Kestrel"/> names its endpoints.
    /// </summary>
    public EndPoint? EndPoint { get; init; } = new IPEndPoint(IPAddress.Loopback, 0);

    /// <summary>Adds to the endpoint what comes before the connection's handler.</summary>
    public Action<ListenOptions>? Listen { get; init; }

    /// <summary>Whether the endpoint speaks TLS, and <see cref="TestServer.ConnectAsync"/> too.</summary>
    public bool UsesTls { get; init; }

    /// <summary>Whether Kestrel's own transport serves, with the same options.</summary>
    public bool UsesStock { get; init; } = StockTransport.IsUnderTest;

    /// <summary>How long a stop waits for open connections before it aborts them.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromMilliseconds(100);

    public LogLevel MinimumLevel { get; init; } = LogLevel.Debug;

    public Action<IServiceCollection>? Services { get; set; }

    /// <summary>What <see cref="App"/> is served by.</summary>
    public HttpProtocols Protocols { get; init; } = HttpProtocols.Http1;

    /// <summary>Keys and values of the application's configuration.</summary>
    public Dictionary<string, string?>? Configuration { get; init; }

    public IConfigurationSource? ConfigurationSource { get; init; }

    /// <summary>The pool whose blocks are counted; <see langword="null"/> leaves Kestrel's own in place.</summary>
    public CountingMemoryPoolFactory? Pools { get; init; } = new();

    /// <summary>
    /// What must not be logged. With it, nothing else is captured, and disposing the server fails if something was.
    /// </summary>
    public Func<LogEntry, bool>? Complaints { get; init; }

    public CapturedLogs Logs => field ??= new CapturedLogs(Complaints is null ? null : IsComplaint);

    public WebApplication CreateApplication(Action<ListenOptions>? listen = null)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Logging.ClearProviders().AddProvider(Logs).SetMinimumLevel(MinimumLevel);
        builder.Configuration.AddInMemoryCollection(Configuration ?? []);
        if (ConfigurationSource is not null)
        {
            ((IConfigurationBuilder)builder.Configuration).Add(ConfigurationSource);
        }

        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            if (EndPoint is not null && listen is not null)
            {
                kestrel.Listen(EndPoint, listen);
            }

            Kestrel?.Invoke(kestrel);
        });
        builder.Services.Configure<SocketTransportOptions>(ConfigureStock);
        if (!UsesStock)
        {
            builder.WebHost.UseEventLoopTransport(Configure);
        }

        builder.Services.AddEventLoopClient(Client);
        if (Pools is not null)
        {
            builder.Services.AddSingleton<IMemoryPoolFactory<byte>>(Pools);
        }

        if (Map is not null)
        {
            builder.Services.AddRouting();
        }

        Services?.Invoke(builder.Services);
        return builder.Build();
    }

    // Kestrel complains of a slow machine too.
    private bool IsComplaint(LogEntry entry) => entry.EventId.Name != "HeartbeatSlow" && Complaints!(entry);

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
