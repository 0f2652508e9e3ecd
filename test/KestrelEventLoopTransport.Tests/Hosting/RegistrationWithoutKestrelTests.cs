using System.Diagnostics.Metrics;
using System.Net;
using KestrelEventLoopTransport.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace KestrelEventLoopTransport.Tests.Hosting;

/// <summary>Hosts whose server is another, and those that have none.</summary>
[Trait("Contract", "1")]
[FailsOnStock("A registration of ours.")]
public sealed class RegistrationWithoutKestrelTests
{
    private static readonly Dictionary<string, string?> _values = new()
    {
        ["Kestrel:Endpoints:Api:Url"] = "http://127.0.0.1:5001",
        ["Kestrel:EventLoopTransport:Endpoints:Api:Priority"] = "4",
        ["Kestrel:EventLoopTransport:MaxConnections"] = "7",
    };

    // No IMemoryPoolFactory of Kestrel's is there.
    [Fact]
    public async Task A_host_with_a_test_server_starts_as_if_there_were_no_transport()
    {
        var logs = new CapturedLogs();
        using var host = new HostBuilder()
            .ConfigureAppConfiguration(static configuration => configuration.AddInMemoryCollection(_values))
            .ConfigureLogging(logging => logging.AddProvider(logs).SetMinimumLevel(LogLevel.Debug))
            .ConfigureWebHost(static web => web
                .UseTestServer()
                .UseEventLoopTransport(Configure)
                .Configure(static app => app.Run(static http
                    => http.Response.WriteAsync(
                        $"{http.RequestServices.GetRequiredService<EventLoopTransportMonitor>().Endpoints.Count}"))))
            .Build();
        await host.StartAsync().DefaultTimeout();

        Assert.Equal("0", await host.GetTestClient().GetStringAsync("/").DefaultTimeout());

        await host.StopAsync().DefaultTimeout();
        Assert.DoesNotContain(logs.Entries, static entry => entry.Level >= LogLevel.Warning);
    }

    // As WebApplicationFactory does: the application's own server is replaced.
    [Fact]
    public async Task An_application_whose_Kestrel_is_replaced_starts_as_if_there_were_no_transport()
    {
        var logs = new CapturedLogs();
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Configuration.AddInMemoryCollection(_values);
        builder.Logging.AddProvider(logs).SetMinimumLevel(LogLevel.Debug);
        builder.WebHost.UseKestrelCore().UseEventLoopTransport(Configure).UseTestServer();
        builder.Services.AddSingleton<IMemoryPoolFactory<byte>, UnwantedMemoryPoolFactory>();
        await using var application = builder.Build();
        application.Run(static http => http.Response.WriteAsync("Hello"));
        await application.StartAsync().DefaultTimeout();

        Assert.Equal("Hello", await application.GetTestClient().GetStringAsync("/").DefaultTimeout());

        await application.StopAsync().DefaultTimeout();
        Assert.DoesNotContain(logs.Entries, static entry => entry.Level >= LogLevel.Warning);
    }

    [Fact]
    public async Task A_worker_serves_connections()
    {
        var logs = new CapturedLogs();
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Configuration.AddInMemoryCollection(_values);
        builder.Logging.AddProvider(logs).SetMinimumLevel(LogLevel.Debug);
        builder.Services.AddEventLoopTransport(static options => options.EventLoopCount = 2);
        builder.Services.AddHostedService<EchoService>();
        using var host = builder.Build();
        await host.StartAsync().DefaultTimeout();
        var monitor = host.Services.GetRequiredService<EventLoopTransportMonitor>();
        var listener = Assert.Single(monitor.Endpoints);
        using var client = await RawClient.ConnectAsync(listener.EndPoint);

        await Echo.RoundTripAsync(client, 300_000);

        Assert.Equal(2, monitor.GetLoopStatistics().Count);
        Assert.Equal(1, monitor.ConnectionCount);
        var options = host.Services.GetRequiredService<IOptions<EventLoopTransportOptions>>().Value;
        Assert.Equal(7, options.EndpointDefaults.MaxConnections);
        client.Dispose();
        await host.StopAsync().DefaultTimeout();
        Assert.Empty(monitor.Endpoints);
        Assert.DoesNotContain(logs.Entries, static entry => entry.Level >= LogLevel.Warning);
    }

    [Fact]
    public async Task Services_alone_are_enough()
    {
        await using var services = new ServiceCollection()
            .AddEventLoopTransport(static options => options.EventLoopCount = 2)
            .BuildServiceProvider(new ServiceProviderOptions { ValidateOnBuild = true, ValidateScopes = true });
        var factory = services.GetRequiredService<IConnectionListenerFactory>();
        await using var listener = await factory.BindAsync(new IPEndPoint(IPAddress.Loopback, 0)).DefaultTimeout();
        using var client = await RawClient.ConnectAsync(listener.EndPoint);
        await using var connection = await listener.AcceptAsync().DefaultTimeout();

        await Echo.RoundTripAsync(client, connection!);

        Assert.Same(
            services.GetRequiredService<EventLoopTransportMonitor>(),
            Assert.IsType<EventLoopTransportFactory>(factory).Monitor);
    }

    [Fact]
    public async Task A_factory_created_by_hand_shows_in_its_monitor()
    {
        await using var services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        var monitor = new EventLoopTransportMonitor();
        var factory = new EventLoopTransportFactory(
            Microsoft.Extensions.Options.Options.Create(new EventLoopTransportOptions { EventLoopCount = 2 }),
            monitor,
            new BlockMemoryPoolFactory(),
            services.GetRequiredService<IMeterFactory>(),
            NullLoggerFactory.Instance);
        Assert.Empty(monitor.Endpoints);
        Assert.Empty(monitor.GetLoopStatistics());

        var listener = await factory.BindAsync(new IPEndPoint(IPAddress.Loopback, 0)).DefaultTimeout();

        Assert.Equal(listener.EndPoint, Assert.Single(monitor.Endpoints).EndPoint);
        Assert.Equal(2, monitor.GetLoopStatistics().Count);
        await listener.DisposeAsync().DefaultTimeout();
        Assert.Empty(monitor.Endpoints);
    }

    [Fact]
    public async Task Options_out_of_range_are_found_when_the_factory_is_resolved()
    {
        await using var services = new ServiceCollection()
            .AddEventLoopTransport(static options => options.Backlog = 0)
            .BuildServiceProvider();

        var exception = Assert.Throws<OptionsValidationException>(
            services.GetRequiredService<IConnectionListenerFactory>);

        Assert.Equal(
            "EventLoopTransportOptions.EndpointDefaults.Backlog is 0; it must be from 1 to 2147483647.",
            exception.Message);
    }

    private static void Configure(EventLoopTransportOptions options)
        => options.ConfigureEndpoint("http://127.0.0.1:5002", static endPoint => endPoint.Backlog = 5);

    private sealed class UnwantedMemoryPoolFactory : IMemoryPoolFactory<byte>
    {
        public UnwantedMemoryPoolFactory() => throw new InvalidOperationException("Nobody needs memory.");

        public System.Buffers.MemoryPool<byte> Create(MemoryPoolOptions? options = null)
            => throw new NotSupportedException();
    }

    /// <summary>What a worker makes of it: one listener, and a task for each connection.</summary>
    private sealed class EchoService(IConnectionListenerFactory factory) : IHostedService
    {
        private readonly List<Task> _connections = [];
        private IConnectionListener? _listener;
        private Task _accepting = Task.CompletedTask;

        public async Task StartAsync(CancellationToken cancellationToken)
        {
            _listener = await factory.BindAsync(new IPEndPoint(IPAddress.Loopback, 0), cancellationToken);
            _accepting = AcceptAsync(_listener);
        }

        public async Task StopAsync(CancellationToken cancellationToken)
        {
            await _listener!.UnbindAsync(cancellationToken);
            await _accepting;
            await Task.WhenAll(_connections);
            await _listener.DisposeAsync();
        }

        private async Task AcceptAsync(IConnectionListener listener)
        {
            while (await listener.AcceptAsync() is { } connection)
            {
                _connections.Add(ServeAsync(connection));
            }
        }

        private static async Task ServeAsync(ConnectionContext connection)
        {
            await using (connection)
            {
                await Echo.RunAsync(connection);
            }
        }
    }
}
