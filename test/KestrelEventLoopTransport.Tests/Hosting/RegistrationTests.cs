using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace KestrelEventLoopTransport.Tests.Hosting;

public sealed class RegistrationTests
{
    [Fact]
    [Trait("Contract", "1")]
    public void UseEventLoopTransport_is_asked_first_and_leaves_the_stock_transport_as_fallback()
    {
        using var host = BuildHost(static web => web.UseEventLoopTransport());

        var factories = host.Services.GetServices<IConnectionListenerFactory>().Select(static f => f.GetType().Name)
            .ToArray();

        Assert.Equal("EventLoopTransportFactory", factories[^1]);
        Assert.Contains("SocketTransportFactory", factories);
    }

    // Kestrel registers its transport only where there is none yet.
    [Fact]
    [Trait("Contract", "1")]
    public void In_any_order_it_is_asked_first_and_the_stock_transport_is_the_fallback()
    {
        foreach (var register in new Action<WebApplicationBuilder>[]
        {
            static builder => builder.WebHost.UseEventLoopTransport().UseKestrelCore(),
            static builder => builder.WebHost.UseEventLoopTransport().UseKestrel(),
            static builder => builder.WebHost.UseKestrel().UseEventLoopTransport(),
            static builder => builder.WebHost.UseSockets().UseEventLoopTransport().UseKestrelCore(),
            static builder => builder.WebHost
                .UseEventLoopTransport()
                .UseKestrelCore()
                .UseSockets()
                .UseEventLoopTransport(),
            static builder =>
            {
                builder.Services.AddEventLoopTransport();
                builder.WebHost.UseKestrelCore();
            },
        })
        {
            var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
            register(builder);
            using var host = (IDisposable)builder.Build();
            var services = ((WebApplication)host).Services;

            var factories = services.GetServices<IConnectionListenerFactory>().Select(
                static factory => factory.GetType());

            Assert.Equal([typeof(SocketTransportFactory), typeof(EventLoopTransportFactory)], factories);
            Assert.Equal(
                "PinnedBlockMemoryPoolFactory", services.GetRequiredService<IMemoryPoolFactory<byte>>().GetType().Name);
        }
    }

    [Fact]
    [Trait("Contract", "1")]
    public void Every_overload_registers_the_factory_and_sets_the_options()
    {
        using var byOptions = BuildHost(static web => web.UseEventLoopTransport(static options => options.Backlog = 7));
        using var byContext = BuildHost(static web => web.UseEventLoopTransport(
            static (context, options) => options.Backlog = context.HostingEnvironment.EnvironmentName.Length));

        Assert.Equal(7, byOptions.Services.GetRequiredService<IOptions<EventLoopTransportOptions>>().Value.Backlog);
        var name = byContext.Services.GetRequiredService<IWebHostEnvironment>().EnvironmentName;
        Assert.Equal(
            name.Length, byContext.Services.GetRequiredService<IOptions<EventLoopTransportOptions>>().Value.Backlog);
        foreach (var host in new[] { byOptions, byContext })
        {
            Assert.Equal(
                "EventLoopTransportFactory",
                host.Services.GetServices<IConnectionListenerFactory>().Last().GetType().Name);
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "1")]
    public async Task A_factory_registered_later_that_cannot_bind_is_passed_over(ApplicationScheduling scheduling)
    {
        var refusing = new RefusingListenerFactory();
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Connection = Echo.RunAsync,
            Services = services => services.AddSingleton<IConnectionListenerFactory>(refusing),
        });
        using var client = await server.ConnectAsync();

        await Echo.RoundTripAsync(client);

        Assert.Equal(1, refusing.Asked);
    }

    [Fact]
    [Trait("Contract", "1")]
    [FailsOnStock("A warning of ours.")]
    public async Task A_transport_registered_later_that_takes_every_endpoint_is_warned_of_once()
    {
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            Connection = Echo.RunAsync,
            Transport = static options => options.ConfigureEndpoint(
                "http://127.0.0.1:1", static endPoint => endPoint.Backlog = 5),
            Services = static services => services.AddSingleton<IConnectionListenerFactory, SocketTransportFactory>(),
        });
        using var client = await server.ConnectAsync();
        await Echo.RoundTripAsync(client);

        var entry = Assert.Single(server.Logs.Entries, static entry => entry.Level >= LogLevel.Warning);
        Assert.Equal(LogLevel.Warning, entry.Level);
        Assert.Equal(
            $"The event-loop transport is not used, because {typeof(SocketTransportFactory).FullName} was registered "
                + "after it and takes every endpoint.",
            entry.Message);
        Assert.Empty(server.Monitor.Endpoints);
    }

    [Fact]
    [Trait("Contract", "1")]
    [FailsOnStock("It asks whether our transport is the one in use.")]
    public async Task A_server_that_uses_the_transport_starts_without_a_warning()
    {
        await using var server = await TestServer.StartAsync(ApplicationScheduling.Adaptive, Echo.RunAsync);

        Assert.DoesNotContain(server.Logs.Entries, static entry => entry.Level >= LogLevel.Warning);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "2")]
    public async Task CanBind_is_true_for_stream_endpoints_and_false_for_others(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var selector = Assert.IsType<IConnectionListenerFactorySelector>(transport.Factory, exactMatch: false);

        Assert.True(selector.CanBind(new IPEndPoint(IPAddress.Loopback, 0)));
        Assert.True(selector.CanBind(new IPEndPoint(IPAddress.IPv6Any, 80)));
        Assert.True(selector.CanBind(new UnixDomainSocketEndPoint("s")));
        Assert.True(selector.CanBind(new UnixDomainSocketEndPoint("\0s")));
        Assert.True(selector.CanBind(new FileHandleEndPoint(0, FileHandleType.Auto)));
        Assert.True(selector.CanBind(new FileHandleEndPoint(0, FileHandleType.Tcp)));
        Assert.True(selector.CanBind(new FileHandleEndPoint(0, FileHandleType.Pipe)));
        Assert.False(selector.CanBind(new DnsEndPoint("localhost", 80)));
        Assert.False(selector.CanBind(new NamedPipeEndPoint("pipe")));
        Assert.False(selector.CanBind(new UnknownEndPoint()));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "3")]
    public async Task Buffers_come_from_the_injected_pool_factory(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();

        await pair.Client.SendAsync(Pattern.Create(20_000));
        var result = await pair.Input.ReadAtLeastAsync(20_000).DefaultTimeout();

        Assert.True(transport.Pools.Outstanding >= 20_000 / CountingMemoryPool.BlockSize);
        Assert.All(transport.Pools.Options, static options => Assert.Equal("kestrel", options?.Owner));
        var pool = pair.Connection.Features.Get<IMemoryPoolFeature>()?.MemoryPool;
        Assert.Contains(transport.Pools.Pools, created => ReferenceEquals(created, pool));
        pair.Input.AdvanceTo(result.Buffer.End);
    }

    // Ours only: stock has pools by IOQueueCount, which a machine of many processors multiplies.
    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "3")]
    public async Task There_is_one_pool_per_loop(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling, static options => options.EventLoopCount = 3);
        var pools = new HashSet<object>();
        for (var i = 0; i < 30; i++)
        {
            var pair = await transport.ConnectAsync();
            pools.Add(pair.Connection.Features.Get<IMemoryPoolFeature>()!.MemoryPool);
        }

        Assert.InRange(pools.Count, 1, 3);
        Assert.InRange(transport.Pools.Pools.Count, 1, 3);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "3")]
    public async Task An_idle_connection_that_is_closed_in_any_way_returns_its_blocks(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        for (var i = 0; i < 40; i++)
        {
            var pair = await transport.ConnectAsync();
            await pair.Client.SendAsync(Pattern.Create(6000));
            if (i % 2 == 0)
            {
                await pair.Input.ReadAtLeastAsync(5000).DefaultTimeout();
                pair.Output.GetMemory(3000);
                pair.Output.Advance(2000);
            }

            switch (i % 4)
            {
                case 0 or 1:
                    pair.Client.Reset();
                    break;
                case 2:
                    pair.Connection.Abort();
                    break;
                default:
                    break;
            }

            await pair.DisposeAsync();
        }

        await transport.Pools.AssertAllReturnedAsync();
    }

    // Not by TestSettings, which registers the transport itself.
    private static WebApplication BuildHost(Action<IWebHostBuilder> use)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore();
        use(builder.WebHost);
        return builder.Build();
    }

    private sealed class UnknownEndPoint : EndPoint;

    private sealed class RefusingListenerFactory : IConnectionListenerFactory, IConnectionListenerFactorySelector
    {
        public int Asked { get; private set; }

        public bool CanBind(EndPoint endpoint)
        {
            Asked++;
            return false;
        }

        public ValueTask<IConnectionListener> BindAsync(
            EndPoint endpoint, CancellationToken cancellationToken = default)
            => throw new InvalidOperationException("Bound although CanBind said no.");
    }
}
