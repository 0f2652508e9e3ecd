using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace KestrelEventLoopTransport.Testing;

/// <summary>
/// A started Kestrel. Disposing it stops it and checks that every block came back, and that nothing was logged that
/// must not be: see <see cref="TestSettings.Complaints"/>.
/// </summary>
internal sealed class TestServer : IAsyncDisposable
{
    private readonly WebApplication _application;
    private readonly ListenOptions? _listenOptions;
    private bool _stopped;

    private TestServer(WebApplication application, ListenOptions? listenOptions, TestSettings settings)
    {
        _application = application;
        _listenOptions = listenOptions;
        Settings = settings;
    }

    public TestSettings Settings { get; }

    public IServiceProvider Services => _application.Services;

    public EventLoopTransportMonitor Monitor => Services.GetRequiredService<EventLoopTransportMonitor>();

    public CapturedLogs Logs => Settings.Logs;

    public IHostApplicationLifetime Lifetime => _application.Lifetime;

    /// <summary>Where a client connects to.</summary>
    public EndPoint EndPoint => _listenOptions!.EndPoint;

    public static Task<TestServer> StartAsync(ApplicationScheduling scheduling, ConnectionDelegate connection)
        => StartAsync(new TestSettings { Scheduling = scheduling, Connection = connection });

    public static Task<TestServer> StartHttpAsync(ApplicationScheduling scheduling, RequestDelegate app)
        => StartAsync(new TestSettings { Scheduling = scheduling, App = app });

    public static async Task<TestServer> StartAsync(TestSettings settings)
    {
        ListenOptions? listenOptions = null;
        var application = settings.CreateApplication(listen =>
        {
            listenOptions = listen;
            Configure(listen, settings);
        });
        settings.Map?.Invoke(application);
        if (settings.App is not null)
        {
            application.Run(settings.App);
        }

        try
        {
            await application.StartAsync().DefaultTimeout();
        }
        catch
        {
            await application.DisposeAsync().DefaultTimeout();
            throw;
        }

        return new TestServer(application, listenOptions, settings);
    }

    public Task<RawClient> ConnectAsync(Action<System.Net.Sockets.Socket>? configure = null)
        => RawClient.ConnectAsync(EndPoint, configure, Settings.UsesTls);

    /// <summary>
    /// Stops as a host does; connections still open after <paramref name="grace"/>, or the settings', are aborted.
    /// </summary>
    public async Task StopAsync(TimeSpan? grace = null)
    {
        _stopped = true;
        using var cancellation = new CancellationTokenSource(grace ?? Settings.Grace);
        await _application.StopAsync(cancellation.Token).DefaultTimeout();
    }

    public async ValueTask DisposeAsync()
    {
        // Moves to the thread pool: the caller may be on an event loop, and what follows waits for that loop.
        await Task.Yield();
        if (!_stopped)
        {
            await StopAsync();
        }

        await _application.DisposeAsync().DefaultTimeout();
        if (Settings.Pools is not null)
        {
            await Settings.Pools.AssertAllReturnedAsync();
        }

        if (Settings.Complaints is not null)
        {
            Logs.AssertEmpty();
        }
    }

    private static void Configure(ListenOptions listen, TestSettings settings)
    {
        if (settings.UsesTls)
        {
            listen.UseHttps(TestCertificate.Instance);
        }

        settings.Listen?.Invoke(listen);
        if (settings.Connection is not null)
        {
            listen.Use(_ => settings.Connection);
        }
        else
        {
            listen.Protocols = settings.Protocols;
        }
    }
}
