using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace KestrelEventLoopTransport.Tests.Dialing;

/// <summary>The options of a client: ranges, configuration, names, and what the kernel gets.</summary>
[Trait("Contract", "client")]
[FailsOnStock("Stock's client is internal.")]
public sealed class ClientOptionsTests
{
    private const int TcpLevel = 6;
    private const int QuickAck = 12;

    private static readonly (Action<EventLoopClientOptions> Set, string Message)[] _wrong =
    [
        (static o => o.ConnectTimeout = TimeSpan.Zero,
            "ConnectTimeout is 00:00:00; it must be from 00:00:00.0010000 to 1.00:00:00, "
            + "or infinite (-00:00:00.0010000)."),
        (static o => o.ConnectTimeout = TimeSpan.FromDays(2),
            "ConnectTimeout is 2.00:00:00; it must be from 00:00:00.0010000 to 1.00:00:00, "
            + "or infinite (-00:00:00.0010000)."),
        (static o => o.FallbackDelay = TimeSpan.Zero,
            "FallbackDelay is 00:00:00; it must be from 00:00:00.0100000 to 00:01:00, or negative."),
        (static o => o.FallbackDelay = TimeSpan.FromMinutes(2),
            "FallbackDelay is 00:02:00; it must be from 00:00:00.0100000 to 00:01:00, or negative."),
        (static o => o.Tcp.FastOpenQueue = 5,
            "Tcp.FastOpenQueue is 5; it applies to listening sockets and must be null."),
        (static o => o.Tcp.DeferAccept = TimeSpan.FromSeconds(1),
            "Tcp.DeferAccept is 00:00:01; it applies to listening sockets and must be null."),
        (static o => o.ReceiveBufferSize = 0, "ReceiveBufferSize is 0; it must be from 1 to 2147483647."),
        (static o => o.SendBufferSize = 0, "SendBufferSize is 0; it must be from 1 to 2147483647."),
        (static o => o.BindToDevice = "", "BindToDevice is ''; it must have from 1 to 15 bytes, none of them zero."),
        (static o => o.Linger = TimeSpan.FromSeconds(-1),
            "Linger is -00:00:01; it must be a whole number of seconds from 0 to 65535."),
        (static o => o.BusyPoll = TimeSpan.FromSeconds(2),
            "BusyPoll is 00:00:02; it must be a whole number of microseconds from 0 to 1000000."),
        (static o => o.Priority = -1, "Priority is -1; it must be from 0 to 2147483647."),
        (static o => o.TypeOfService = 3, "TypeOfService is 3; it must be from 0 to 252 in steps of 4."),
        (static o => o.MaxReadBufferSize = -1,
            "MaxReadBufferSize is -1; it must be at least 1, or null or 0 for unlimited."),
        (static o => o.MaxWriteBufferSize = -1,
            "MaxWriteBufferSize is -1; it must be at least 1, or null or 0 for unlimited."),
        (static o => o.Tcp.MaximumSegmentSize = 87, "Tcp.MaximumSegmentSize is 87; it must be from 88 to 32767."),
    ];

    public static TheoryData<int> Wrong => [.. Enumerable.Range(0, _wrong.Length)];

    [Theory]
    [MemberData(nameof(Wrong))]
    public void A_value_out_of_range_is_refused(int index)
    {
        var (set, message) = _wrong[index];
        using var services = new ServiceCollection().AddEventLoopClient(set).BuildServiceProvider();

        var exception = Assert.Throws<OptionsValidationException>(
            services.GetRequiredService<EventLoopConnectionFactory>);

        Assert.Equal($"EventLoopClientOptions.{message}", exception.Message);
    }

    [Fact]
    public void Infinite_times_are_in_range()
    {
        using var services = new ServiceCollection()
            .AddEventLoopClient(static options =>
            {
                options.ConnectTimeout = Timeout.InfiniteTimeSpan;
                options.FallbackDelay = Timeout.InfiniteTimeSpan;
            })
            .BuildServiceProvider();

        Assert.NotNull(services.GetRequiredService<EventLoopConnectionFactory>());
    }

    [Fact]
    public void Options_are_configured_by_section_and_by_name()
    {
        using var services = Configured(
            ("Kestrel:EventLoopClient:ConnectTimeout", "00:00:05"),
            ("Kestrel:EventLoopClient:Tcp:QuickAck", "true"),
            ("Kestrel:EventLoopClient:LocalEndPoint", "127.0.0.1:0"),
            ("Kestrel:EventLoopClients:db:FallbackDelay", "00:00:01"),
            ("Kestrel:EventLoopClients:db:FinOnError", "true"));
        var options = services.GetRequiredService<IOptionsMonitor<EventLoopClientOptions>>();

        Assert.Equal(TimeSpan.FromSeconds(5), options.CurrentValue.ConnectTimeout);
        Assert.True(options.CurrentValue.Tcp.QuickAck);
        Assert.Equal(new IPEndPoint(IPAddress.Loopback, 0), options.CurrentValue.LocalEndPoint);
        Assert.Equal(TimeSpan.FromSeconds(1), options.Get("db").FallbackDelay);
        Assert.Equal(TimeSpan.FromSeconds(30), options.Get("db").ConnectTimeout);
        Assert.Equal((false, true), (options.CurrentValue.FinOnError, options.Get("db").FinOnError));
        Assert.NotSame(
            services.GetRequiredKeyedService<EventLoopConnectionFactory>("db"),
            services.GetRequiredService<EventLoopConnectionFactory>());
        Assert.Same(
            services.GetRequiredKeyedService<EventLoopConnectionFactory>("db"),
            services.GetRequiredKeyedService<IConnectionFactory>("db"));
        Assert.Same(
            services.GetRequiredService<EventLoopConnectionFactory>(),
            services.GetRequiredService<IConnectionFactory>());
    }

    [Theory]
    [InlineData("ConnectTimeOut2", "5")]
    [InlineData("Tcp:NoDelays", "true")]
    [InlineData("ConnectTimeout", "soon")]
    [InlineData("LocalEndPoint", "here")]
    public void A_key_or_value_that_is_none_is_refused(string key, string value)
    {
        using var services = Configured(($"Kestrel:EventLoopClient:{key}", value));

        var exception = Assert.Throws<OptionsValidationException>(
            services.GetRequiredService<EventLoopConnectionFactory>);

        Assert.StartsWith("Kestrel:EventLoopClient", exception.Message, StringComparison.Ordinal);
    }

    // Go's article: TCP_QUICKACK on a client's socket, set before it connects, and read back.
    [Fact]
    public async Task The_kernel_gets_the_options_before_the_hook_and_the_hook_comes_before_connect()
    {
        var seen = new List<(EndPoint EndPoint, int NoDelay, int QuickAck, bool IsConnected)>();
        await using var transport = new TestTransport(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            Client = options =>
            {
                options.Tcp.QuickAck = false;
                options.Tcp.NoDelay = false;
                options.ReceiveBufferSize = 8192;
                options.ConfigureClientSocket = context =>
                {
                    seen.Add((
                        context.EndPoint,
                        context.GetOption(TcpLevel, 1),
                        context.GetOption(TcpLevel, QuickAck),
                        context.Socket.Connected));
                    context.SetOption(TcpLevel, 1, 1);
                };
            },
        });
        var (connection, client) = await transport.DialAsync();

        Assert.Equal([(client.Socket.LocalEndPoint!, 0, 0, false)], seen);
        var socket = connection.Features.Get<IConnectionSocketFeature>()!.Socket;
        Assert.True(socket.NoDelay);
        Assert.Equal(16384, socket.ReceiveBufferSize);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task FinOnError_says_how_an_abort_ends(bool fin)
    {
        await using var transport = new TestTransport(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            Client = options => options.FinOnError = fin,
        });
        var (connection, client) = await transport.DialAsync();

        connection.Abort(new ConnectionAbortedException("because"));

        await (fin ? client.ExpectFinAsync() : client.ExpectResetAsync());
    }

    [Fact]
    public async Task A_hook_that_throws_fails_the_dial()
    {
        var thrown = new InvalidOperationException("Not today.");
        await using var transport = new TestTransport(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            Client = options => options.ConfigureClientSocket = _ => throw thrown,
        });

        var failure = await Assert.ThrowsAsync<IOException>(transport.DialAsync);

        Assert.Same(thrown, failure.InnerException);
    }

    // Without IP_BIND_ADDRESS_NO_PORT, bind(2) would take a port for each.
    [Fact]
    public async Task The_local_address_is_bound_and_its_port_is_left_to_connect()
    {
        await using var transport = new TestTransport(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            Client = options => options.LocalEndPoint = new IPEndPoint(IPAddress.Parse("127.0.0.9"), 0),
        });
        var (connection, _) = await transport.DialAsync();

        Assert.Equal("127.0.0.9", Assert.IsType<IPEndPoint>(connection.LocalEndPoint).Address.ToString());
        var socket = connection.Features.Get<IConnectionSocketFeature>()!.Socket;
        Span<byte> value = stackalloc byte[4];
        socket.GetRawSocketOption(0, 24, value);
        Assert.Equal(1, BitConverter.ToInt32(value));
    }

    private static ServiceProvider Configured(params (string Key, string Value)[] values)
        => new ServiceCollection()
            .AddSingleton<IConfiguration>(new ConfigurationBuilder()
                .AddInMemoryCollection(values.ToDictionary(static pair => pair.Key, static pair => (string?)pair.Value))
                .Build())
            .AddEventLoopClient()
            .AddKeyedEventLoopClient("db")
            .BuildServiceProvider();
}
