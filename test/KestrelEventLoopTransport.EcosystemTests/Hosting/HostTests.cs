using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace KestrelEventLoopTransport.EcosystemTests.Hosting;

/// <summary>Every way to build a host, and its life.</summary>
public sealed class HostTests
{
    public static MatrixTheoryData<HostKind, TransportUnderTest> Hosts { get; } =
        new(Enum.GetValues<HostKind>(), EveryTransport.Values);

    [Theory]
    [MemberData(nameof(Hosts))]
    public async Task A_host_starts_answers_and_stops(HostKind kind, TransportUnderTest transport)
    {
        using var host = WebHosts.Create(kind, transport);

        await host.StartAsync().DefaultTimeout();

        WebHosts.AssertRunsOn(transport, host.Services);
        await WebHosts.AssertAnswersAsync(host);
        var endPoint = WebHosts.EndPointOf(host);
        await host.StopAsync().DefaultTimeout();
        await AssertRefusesAsync(endPoint);
    }

    [Theory]
    [MemberData(nameof(Hosts))]
    public async Task A_lifetime_of_a_windows_service_does_nothing_here(HostKind kind, TransportUnderTest transport)
    {
        using var host = WebHosts.Create(kind, transport, static services => services.AddWindowsService());
        var running = host.RunAsync();
        var lifetime = host.Services.GetRequiredService<IHostApplicationLifetime>();
        await Poll.UntilAsync(() => lifetime.ApplicationStarted.IsCancellationRequested);

        await WebHosts.AssertAnswersAsync(host);

        lifetime.StopApplication();
        await running.DefaultTimeout();
    }

    [Theory]
    [ClassData<EveryTransport>]
    public async Task Of_two_hosts_one_serves_on_when_the_other_stops(TransportUnderTest transport)
    {
        using var first = WebHosts.Create(HostKind.Web, transport);
        using var second = WebHosts.Create(HostKind.Generic, transport);
        if (!transport.IsStock)
        {
            Assert.NotSame(
                first.Services.GetRequiredService<EventLoopTransportMonitor>(),
                second.Services.GetRequiredService<EventLoopTransportMonitor>());
        }

        await AssertOneServesOnAsync(first, second);
    }

    [Theory]
    [ClassData<EveryTransport>]
    public async Task Beside_a_host_on_stock_each_serves_on_without_the_other(TransportUnderTest transport)
    {
        using (var first = WebHosts.Create(HostKind.Web, transport))
        using (var second = WebHosts.Create(HostKind.Web, TransportUnderTest.Sockets))
        {
            await AssertOneServesOnAsync(first, second);
        }

        using (var first = WebHosts.Create(HostKind.Web, TransportUnderTest.Sockets))
        using (var second = WebHosts.Create(HostKind.Web, transport))
        {
            await AssertOneServesOnAsync(first, second);
        }
    }

    private static async Task AssertOneServesOnAsync(IHost first, IHost second)
    {
        await first.StartAsync().DefaultTimeout();
        await second.StartAsync().DefaultTimeout();
        await WebHosts.AssertAnswersAsync(first);
        using var kept = LoopbackHttpClient.Create(WebHosts.AddressOf(second), ClientProtocol.Http1);
        var endPoint = WebHosts.EndPointOf(first);
        Assert.NotEqual(endPoint, WebHosts.EndPointOf(second));
        Assert.Equal(WebHosts.Text, await kept.GetStringAsync("/").DefaultTimeout());

        await first.StopAsync().DefaultTimeout();
        first.Dispose();

        await AssertRefusesAsync(endPoint);
        Assert.Equal(WebHosts.Text, await kept.GetStringAsync("/").DefaultTimeout());
        await WebHosts.AssertAnswersAsync(second);
        await second.StopAsync().DefaultTimeout();
    }

    // Another test may get the port.
    private static Task AssertRefusesAsync(EndPoint endPoint)
        => Poll.UntilAsync(async () => !await RawClient.CanConnectAsync(endPoint));
}
