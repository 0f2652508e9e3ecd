using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Orleans.Hosting;
using Orleans.Networking.Shared;

namespace KestrelEventLoopTransport.Orleans.Tests;

/// <summary>What <c>UseEventLoopTransport()</c> replaces, and where its options come from.</summary>
public sealed class RegistrationTests
{
    private const string Silo = "OrleansSilo";
    private const string Gateway = "OrleansGateway";
    private const string Client = "OrleansClient";

    [Fact]
    public void No_factory_of_Orleans_is_left()
    {
        var silo = CreateSilo(static silo => silo.UseEventLoopTransport()).Services;
        var client = CreateClient(static client => client.UseEventLoopTransport()).Services;

        foreach (var services in new[] { silo, client })
        {
            foreach (var descriptor in services.Where(IsNetworking))
            {
                var factory = services.BuildServiceProvider()
                    .GetRequiredKeyedService(descriptor.ServiceType, descriptor.ServiceKey);
                Assert.DoesNotContain("Orleans.Networking", factory.GetType().FullName, StringComparison.Ordinal);
            }
        }

        // Orleans' three and ours, and Orleans' one and ours.
        Assert.Equal((6, 2), (silo.Count(IsNetworking), client.Count(IsNetworking)));
    }

    [Fact]
    public void It_may_be_called_twice()
    {
        using var provider = CreateSilo(static silo => silo
                .UseEventLoopTransport(silo: static options => options.Backlog = 5)
                .UseEventLoopTransport(gateway: static options => options.Backlog = 6))
            .Services.BuildServiceProvider();

        Assert.Equal((5, 6), (EndpointOf(provider, Silo).Backlog, EndpointOf(provider, Gateway).Backlog));
    }

    [Fact]
    public void An_Orleans_that_registers_something_else_is_refused()
    {
        var silo = CreateSilo(static _ => { });
        var client = CreateClient(static _ => { });
        RemoveNetworking(silo.Services);
        RemoveNetworking(client.Services);

        var ofSilo = Assert.Throws<InvalidOperationException>(() => silo.Builder.UseEventLoopTransport());
        var ofClient = Assert.Throws<InvalidOperationException>(() => client.Builder.UseEventLoopTransport());

        Assert.EndsWith(
            "registers its connections in another way: there are 0 keyed services of IConnectionListenerFactory where "
                + "2 are expected. UseEventLoopTransport() works with Orleans 10.",
            ofSilo.Message,
            StringComparison.Ordinal);
        Assert.Contains("0 keyed services of IConnectionFactory where 1", ofClient.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_null_builder_is_refused()
    {
        Assert.Throws<ArgumentNullException>(() => ((ISiloBuilder)null!).UseEventLoopTransport());
        Assert.Throws<ArgumentNullException>(() => ((IClientBuilder)null!).UseEventLoopTransport());
    }

    [Fact]
    public void The_defaults_are_those_of_the_sockets_of_Orleans()
    {
        using var silo = CreateSilo(static silo => silo
                .UseEventLoopTransport()
                .Configure<SocketConnectionOptions>(static sockets =>
                {
                    sockets.NoDelay = false;
                    sockets.KeepAliveTimeSeconds = 7;
                }))
            .Services.BuildServiceProvider();
        using var client = CreateClient(static client => client.UseEventLoopTransport())
            .Services.BuildServiceProvider();

        AssertTcp(EndpointOf(silo, Silo).FinOnError, EndpointOf(silo, Silo).Tcp, noDelay: false, time: 7);
        AssertTcp(EndpointOf(silo, Gateway).FinOnError, EndpointOf(silo, Gateway).Tcp, noDelay: false, time: 7);
        AssertTcp(DialsOf(silo, Silo).FinOnError, DialsOf(silo, Silo).Tcp, noDelay: false, time: 7);
        AssertTcp(DialsOf(client, Client).FinOnError, DialsOf(client, Client).Tcp, noDelay: true, time: 90);

        static void AssertTcp(bool fin, TcpSocketOptions tcp, bool noDelay, int time)
        {
            Assert.True(fin);
            Assert.Equal(noDelay, tcp.NoDelay);
            Assert.Equal(
                (true, time, 30, 10),
                (tcp.KeepAlive.Enabled, (int?)tcp.KeepAlive.Time?.TotalSeconds,
                    (int?)tcp.KeepAlive.Interval?.TotalSeconds, tcp.KeepAlive.RetryCount));
        }
    }

    [Fact]
    public void The_configuration_comes_after_the_defaults_and_code_after_the_configuration()
    {
        var silo = CreateSilo(
            static silo => silo.UseEventLoopTransport(
                gateway: static options => options.Backlog = 3,
                client: static options => options.ConnectTimeout = TimeSpan.FromSeconds(4)),
            ("Kestrel:EventLoopTransports:OrleansSilo:FinOnError", "false"),
            ("Kestrel:EventLoopTransports:OrleansGateway:Backlog", "2"),
            ("Kestrel:EventLoopTransports:OrleansGateway:MaxConnections", "9"),
            ("Kestrel:EventLoopClients:OrleansSilo:ConnectTimeout", "00:00:01"),
            ("Kestrel:EventLoopClients:OrleansSilo:FinOnError", "false"));
        using var provider = silo.Services.BuildServiceProvider();

        Assert.False(EndpointOf(provider, Silo).FinOnError);
        Assert.True(EndpointOf(provider, Gateway).FinOnError);
        Assert.Equal((3, 9), (EndpointOf(provider, Gateway).Backlog, EndpointOf(provider, Gateway).MaxConnections));
        var dials = DialsOf(provider, Silo);
        Assert.Equal((TimeSpan.FromSeconds(4), false), (dials.ConnectTimeout, dials.FinOnError));
    }

    [Fact]
    public async Task Options_out_of_range_stop_the_silo_at_start()
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.UseOrleans(static silo => silo
            .UseLocalhostClustering(FreePort.Next(), FreePort.Next())
            .UseEventLoopTransport(gateway: static options => options.Backlog = 0));
        using var host = builder.Build();

        var exception = await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync().DefaultTimeout());

        Assert.Equal(
            "EndpointOptions.Backlog of OrleansGateway is 0; it must be from 1 to 2147483647.", exception.Message);
    }

    [Theory]
    [InlineData("127.0.0.1", false)]
    [InlineData("127.0.0.2", true)]
    public async Task Each_endpoint_of_a_silo_has_its_own_options(string address, bool hasSamePort)
    {
        var port = FreePort.Next();
        var gateway = new IPEndPoint(IPAddress.Parse(address), hasSamePort ? port : FreePort.Next());
        var (services, bound) = CreateBinding(options => options.GatewayListeningEndpoint = gateway);
        await using var provider = services.BuildServiceProvider();

        await BindAsync(provider, services, new IPEndPoint(IPAddress.Loopback, port));
        await BindAsync(provider, services, gateway);

        Assert.Equal([Silo, Gateway], bound);
    }

    [Fact]
    public async Task A_silo_without_a_gateway_never_gets_the_options_of_one()
    {
        var (services, bound) = CreateBinding(static options => options.GatewayPort = 0);
        await using var provider = services.BuildServiceProvider();

        await BindAsync(provider, services, new IPEndPoint(IPAddress.Loopback, 0));

        Assert.Equal([Silo], bound);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_silo_that_cannot_bind_a_port_does_not_start_and_keeps_no_other(bool disposesAsync)
    {
        using var other = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        other.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        other.Listen();
        var taken = ((IPEndPoint)other.LocalEndPoint!).Port;
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.UseOrleans(silo => silo.UseLocalhostClustering(taken, FreePort.Next()).UseEventLoopTransport());
        var host = builder.Build();
        var monitor = host.Services.GetRequiredService<EventLoopTransportMonitor>();

        await Assert.ThrowsAsync<AddressInUseException>(() => host.StartAsync().DefaultTimeout());

        if (disposesAsync)
        {
            await ((IAsyncDisposable)host).DisposeAsync().DefaultTimeout();
        }
        else
        {
            host.Dispose();
        }

        Assert.Empty(monitor.Endpoints);
    }

    [Fact]
    public async Task A_listener_that_is_bound_while_its_factory_is_disposed_is_not_kept()
    {
        IConnectionListenerFactory? factory = null;
        var (services, _) = CreateSilo(silo => silo.UseEventLoopTransport(
            silo: options => options.ConfigureListenSocket = _ => ((IDisposable)factory!).Dispose()));
        await using var provider = services.BuildServiceProvider();
        factory = GetFactory(provider, services);

        await Assert.ThrowsAsync<ObjectDisposedException>(
            () => factory.BindAsync(new IPEndPoint(IPAddress.Loopback, 0)).AsTask().DefaultTimeout());

        Assert.Empty(provider.GetRequiredService<EventLoopTransportMonitor>().Endpoints);
    }

    // The other ways to make an Orleans host.
    [Fact]
    public void Every_builder_of_Orleans_can_be_put_on_event_loops()
    {
        using var silo = new HostBuilder()
            .UseOrleans(static (_, silo) => silo.UseEventLoopTransport().UseLocalhostClustering())
            .Build();
        using var client = new HostBuilder()
            .UseOrleansClient(static (_, client) => client.UseEventLoopTransport().UseLocalhostClustering())
            .Build();
        using var services = new ServiceCollection()
            .AddOrleansClient(static client => client.UseEventLoopTransport().UseLocalhostClustering())
            .BuildServiceProvider();

        Assert.NotNull(silo.Services.GetRequiredKeyedService<EventLoopTransportFactory>(Gateway));
        Assert.NotNull(client.Services.GetRequiredKeyedService<EventLoopConnectionFactory>(Client));
        Assert.NotNull(services.GetRequiredKeyedService<EventLoopConnectionFactory>(Client));
    }

    // Says whose options each listening socket got.
    private static (IServiceCollection Services, List<string> Bound) CreateBinding(
        Action<global::Orleans.Configuration.EndpointOptions> configure)
    {
        var bound = new List<string>();
        var (services, _) = CreateSilo(silo => silo
            .Configure(configure)
            .UseEventLoopTransport(
                silo: options => options.ConfigureListenSocket = _ => bound.Add(Silo),
                gateway: options => options.ConfigureListenSocket = _ => bound.Add(Gateway)));
        return (services, bound);
    }

    private static async Task BindAsync(IServiceProvider provider, IServiceCollection services, IPEndPoint endPoint)
    {
        var factory = GetFactory(provider, services);
        await using var listener = await factory.BindAsync(endPoint).AsTask().DefaultTimeout();
        await listener.UnbindAsync().AsTask().DefaultTimeout();
    }

    private static IConnectionListenerFactory GetFactory(IServiceProvider provider, IServiceCollection services)
    {
        var key = services.First(static descriptor =>
            descriptor.IsKeyedService && descriptor.ServiceType == typeof(IConnectionListenerFactory)).ServiceKey;
        return provider.GetRequiredKeyedService<IConnectionListenerFactory>(key);
    }

    private static EndpointOptions EndpointOf(IServiceProvider services, string name)
        => services.GetRequiredService<IOptionsMonitor<EndpointOptions>>().Get(name);

    private static EventLoopClientOptions DialsOf(IServiceProvider services, string name)
        => services.GetRequiredService<IOptionsMonitor<EventLoopClientOptions>>().Get(name);

    private static bool IsNetworking(ServiceDescriptor descriptor) => descriptor.IsKeyedService
        && (descriptor.ServiceType == typeof(IConnectionListenerFactory)
            || descriptor.ServiceType == typeof(IConnectionFactory));

    private static void RemoveNetworking(IServiceCollection services)
    {
        foreach (var descriptor in services.Where(IsNetworking).ToList())
        {
            services.Remove(descriptor);
        }
    }

    private static (IServiceCollection Services, ISiloBuilder Builder) CreateSilo(
        Action<ISiloBuilder> configure,
        params (string Key, string Value)[] values)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Configuration.AddInMemoryCollection(
            values.Select(static pair => KeyValuePair.Create(pair.Key, (string?)pair.Value)));
        ISiloBuilder? silo = null;
        builder.UseOrleans(b => configure(silo = b.UseLocalhostClustering()));
        return (builder.Services, silo!);
    }

    private static (IServiceCollection Services, IClientBuilder Builder) CreateClient(Action<IClientBuilder> configure)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        IClientBuilder? client = null;
        builder.UseOrleansClient(b => configure(client = b.UseLocalhostClustering()));
        return (builder.Services, client!);
    }
}
