using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace KestrelEventLoopTransport.Tests.Hosting;

/// <summary>Transports under a key, each with options of its own, on the loops of the others.</summary>
[Trait("Contract", "1")]
[FailsOnStock("A registration of ours.")]
public sealed class KeyedTransportTests
{
    private static readonly IPEndPoint _anyPort = new(IPAddress.Loopback, 0);

    [Fact]
    public async Task Each_has_options_of_its_own_and_all_share_their_loops()
    {
        await using var services = new ServiceCollection()
            .AddEventLoopTransport(static options => options.EventLoopCount = 2)
            .AddKeyedEventLoopTransport("fin", static options => options.FinOnError = true)
            .AddKeyedEventLoopTransport("reset")
            .BuildServiceProvider(new ServiceProviderOptions { ValidateOnBuild = true, ValidateScopes = true });
        await using var fin = await BindAsync(services, "fin");
        await using var reset = await BindAsync(services, "reset");
        await using var unnamed = await services.GetRequiredService<IConnectionListenerFactory>().BindAsync(_anyPort);

        using var finClient = await AbortOneAsync(fin);
        using var resetClient = await AbortOneAsync(reset);
        using var unnamedClient = await AbortOneAsync(unnamed);

        await finClient.ExpectFinAsync();
        await resetClient.ExpectResetAsync();
        await unnamedClient.ExpectResetAsync();
        var monitor = services.GetRequiredService<EventLoopTransportMonitor>();
        Assert.Equal(3, monitor.Endpoints.Count);
        Assert.Equal(3, monitor.GetLoopStatistics().Sum(static loop => loop.TotalConnections));
        Assert.Equal(2, monitor.GetLoopStatistics().Count);
    }

    // Kestrel would bind its endpoints with it.
    [Fact]
    public void It_is_a_service_under_its_key_alone()
    {
        using var services = new ServiceCollection().AddKeyedEventLoopTransport("a").BuildServiceProvider();

        Assert.Same(
            services.GetRequiredKeyedService<EventLoopTransportFactory>("a"),
            services.GetRequiredKeyedService<IConnectionListenerFactory>("a"));
        Assert.Empty(services.GetServices<IConnectionListenerFactory>());
        Assert.Null(services.GetKeyedService<EventLoopTransportFactory>("b"));
    }

    [Fact]
    public void Options_come_from_the_section_of_its_name_and_then_from_code()
    {
        using var services = Configured(
            static options => options.Backlog = 3,
            ("Kestrel:EventLoopTransports:a:Backlog", "2"),
            ("Kestrel:EventLoopTransports:a:Tcp:QuickAck", "true"),
            ("Kestrel:EventLoopTransports:b:Priority", "4"),
            ("Kestrel:EventLoopTransport:Priority", "5"));
        var options = services.GetRequiredService<IOptionsMonitor<EndpointOptions>>();

        var a = options.Get("a");
        Assert.Equal((3, true, null), (a.Backlog, a.Tcp.QuickAck, a.Priority));
        Assert.Equal((512, 4), (options.Get("b").Backlog, options.Get("b").Priority));
        Assert.NotNull(services.GetRequiredKeyedService<EventLoopTransportFactory>("a"));
    }

    [Theory]
    [InlineData(
        "Backlogs", "5", "Kestrel:EventLoopTransports:a:Backlogs is not an option of the event-loop transport.")]
    [InlineData("Backlog", "0", "EndpointOptions.Backlog of a is 0; it must be from 1 to 2147483647.")]
    public void What_is_not_valid_is_found_when_the_factory_is_resolved(string key, string value, string message)
    {
        using var services = Configured(null, ($"Kestrel:EventLoopTransports:a:{key}", value));

        var exception = Assert.Throws<OptionsValidationException>(
            () => services.GetRequiredKeyedService<EventLoopTransportFactory>("a"));

        Assert.Equal(message, exception.Message);
    }

    [Fact]
    public void A_key_is_not_empty()
        => Assert.Throws<ArgumentException>(() => new ServiceCollection().AddKeyedEventLoopTransport(""));

    private static ServiceProvider Configured(
        Action<EndpointOptions>? configure,
        params (string Key, string Value)[] values)
        => new ServiceCollection()
            .AddSingleton<IConfiguration>(new ConfigurationBuilder()
                .AddInMemoryCollection(values.ToDictionary(static pair => pair.Key, static pair => (string?)pair.Value))
                .Build())
            .AddKeyedEventLoopTransport("a", configure)
            .AddKeyedEventLoopTransport("b")
            .BuildServiceProvider();

    private static async Task<IConnectionListener> BindAsync(IServiceProvider services, string key)
        => await services.GetRequiredKeyedService<IConnectionListenerFactory>(key).BindAsync(_anyPort).DefaultTimeout();

    private static async Task<RawClient> AbortOneAsync(IConnectionListener listener)
    {
        var client = await RawClient.ConnectAsync(listener.EndPoint);
        var connection = await listener.AcceptAsync().DefaultTimeout();
        connection!.Abort(new ConnectionAbortedException("because"));
        await connection.DisposeAsync().DefaultTimeout();
        return client;
    }
}
