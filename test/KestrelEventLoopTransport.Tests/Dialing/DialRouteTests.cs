using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Dialing;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Tests.Dialing;

/// <summary>Dials in networks whose routes lead nowhere.</summary>
[Trait("Contract", "client")]
[FailsOnStock("Stock's client is internal.")]
public sealed class DialRouteTests
{
    // What is sent to it is dropped without an answer: no interface has its link address.
    private static readonly IPAddress _blackHole = IPAddress.Parse("fd00::2");
    private static readonly IPAddress _withoutRoute6 = IPAddress.Parse("fd01::1");
    private static readonly IPAddress _unreachable = IPAddress.Parse("10.9.0.1");

    private static readonly string[] _pair = ["ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1"];

    private static readonly string[] _routes =
    [
        "link set lo up",
        "link set v0 up",
        "link set v1 up",
        "addr add fd00::1/64 dev v0 nodad",
        "neigh add fd00::2 lladdr 02:00:00:00:00:02 dev v0 nud permanent",
        "route add unreachable 10.9.0.0/24",
        "route add prohibit 10.10.0.0/24",
    ];

    [Fact]
    public Task A_route_into_a_black_hole_costs_the_fallback_delay() => RunAsync(nameof(Black_hole_in_a_namespace));

    [Fact(Explicit = true)]
    public async Task Black_hole_in_a_namespace()
    {
        await SetUpAsync();
        await AssertConnectsToIPv4Async(
            static (_, family, _) => AddressesAsync(
                family == AddressFamily.InterNetworkV6 ? _blackHole : IPAddress.Loopback),
            atLeast: TimeSpan.FromMilliseconds(200));
    }

    [Fact]
    public Task A_slow_answer_for_IPv6_costs_the_resolution_delay() => RunAsync(nameof(Slow_answer_in_a_namespace));

    [Fact(Explicit = true)]
    public async Task Slow_answer_in_a_namespace()
    {
        await SetUpAsync();
        await AssertConnectsToIPv4Async(
            static (name, family, token) => family == AddressFamily.InterNetworkV6
                ? DialTransport.NeverAsync(name, family, token)
                : AddressesAsync(IPAddress.Loopback),
            atLeast: TimeSpan.FromMilliseconds(40));
    }

    [Fact]
    public Task Without_a_route_the_failure_says_so() => RunAsync(nameof(No_route_in_a_namespace));

    [Fact(Explicit = true)]
    public async Task No_route_in_a_namespace()
    {
        await SetUpAsync();
        await using var services = CreateClient(resolver: null);
        (string, SocketError)[] expected =
        [
            ("10.8.0.1", SocketError.NetworkUnreachable),
            ("10.9.0.1", SocketError.HostUnreachable),
            ("10.10.0.1", SocketError.AccessDenied),
        ];
        foreach (var (address, error) in expected)
        {
            var target = new IPEndPoint(IPAddress.Parse(address), 80);

            var failure = await FailAsync(services, target);

            Assert.Equal(error, failure.SocketErrorCode);
            Assert.Contains(target.ToString(), failure.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public Task When_all_addresses_fail_one_exception_names_every_attempt()
        => RunAsync(nameof(All_dead_in_a_namespace));

    [Fact(Explicit = true)]
    public async Task All_dead_in_a_namespace()
    {
        await SetUpAsync();
        await using var services = CreateClient(static (_, family, _)
            => family == AddressFamily.InterNetworkV6
                ? AddressesAsync(_withoutRoute6)
                : AddressesAsync(IPAddress.Loopback, _unreachable));

        var failure = await FailAsync(services, new DnsEndPoint("dead.test", 80));

        Assert.Equal(SocketError.NetworkUnreachable, failure.SocketErrorCode);
        AssertNames(failure, _withoutRoute6, IPAddress.Loopback, _unreachable);
    }

    [Fact]
    public Task Without_an_answer_of_one_of_them_the_timeout_names_every_attempt()
        => RunAsync(nameof(One_silent_in_a_namespace));

    [Fact(Explicit = true)]
    public async Task One_silent_in_a_namespace()
    {
        await SetUpAsync();
        await using var services = CreateClient(
            static (_, family, _) => family == AddressFamily.InterNetworkV6
                ? AddressesAsync(_blackHole, _withoutRoute6)
                : AddressesAsync(IPAddress.Loopback, _unreachable),
            TimeSpan.FromSeconds(3));

        var failure = await FailAsync(services, new DnsEndPoint("dead.test", 80));

        Assert.Equal(SocketError.TimedOut, failure.SocketErrorCode);
        AssertNames(failure, _blackHole, _withoutRoute6, IPAddress.Loopback, _unreachable);
    }

    private static Task RunAsync(string test) => NetworkNamespace.RunAsync(typeof(DialRouteTests), test, _pair);

    private static async Task SetUpAsync()
    {
        await NetworkNamespace.ConfigureAsync(_pair);
        foreach (var command in _routes)
        {
            await NetworkNamespace.ConfigureAsync(["ip", .. command.Split(' ')]);
        }
    }

    private static async Task AssertConnectsToIPv4Async(NameResolver resolver, TimeSpan atLeast)
    {
        using var listener = PlainListener.Start();
        var endPoint = (IPEndPoint)listener.LocalEndPoint!;
        await using var services = CreateClient(resolver);
        var start = Stopwatch.GetTimestamp();

        await using var connection = await services.GetRequiredService<EventLoopConnectionFactory>()
            .ConnectAsync(new DnsEndPoint("both.test", endPoint.Port)).DefaultTimeout();

        var elapsed = Stopwatch.GetElapsedTime(start);
        TestContext.Current.TestOutputHelper?.WriteLine($"Connected after {elapsed.TotalMilliseconds:F1} ms.");
        Assert.Equal(endPoint, connection.RemoteEndPoint);
        Assert.InRange(elapsed, atLeast, TaskTimeoutExtensions.Default);
    }

    private static ServiceProvider CreateClient(NameResolver? resolver, TimeSpan? timeout = null)
        => new ServiceCollection()
            .AddSingleton(resolver ?? Dns.GetHostAddressesAsync)
            .AddEventLoopClient(options => options.ConnectTimeout = timeout ?? options.ConnectTimeout)
            .Configure<EventLoopTransportOptions>(static options => options.EventLoopCount = 1)
            .BuildServiceProvider();

    private static Task<SocketException> FailAsync(ServiceProvider services, EndPoint target)
        => Assert.ThrowsAsync<SocketException>(
            () => services.GetRequiredService<EventLoopConnectionFactory>().ConnectAsync(target).DefaultTimeout());

    private static void AssertNames(SocketException failure, params IPAddress[] addresses) => Assert.All(
        addresses,
        address => Assert.Contains(
            $"{new IPEndPoint(address, 80)}: ", failure.Message, StringComparison.Ordinal));

    private static Task<IPAddress[]> AddressesAsync(params IPAddress[] addresses) => Task.FromResult(addresses);
}
