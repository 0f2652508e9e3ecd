using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.EcosystemTests.Middleware;

/// <summary>An endpoint that is to speak HTTP/3 as well, which another transport serves, or none.</summary>
public sealed class Http3Tests
{
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Without_a_transport_for_http3_all_is_as_on_stock(ApplicationScheduling scheduling)
    {
        var expected = await RunAsync(stock: true, scheduling, HttpProtocols.Http1AndHttp2AndHttp3);
        var actual = await RunAsync(stock: false, scheduling, HttpProtocols.Http1AndHttp2AndHttp3);

        Assert.Equal(expected, actual);
        Assert.Contains("1.1 OK", actual);
        Assert.Contains("2.0 OK", actual);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Without_a_transport_for_http3_an_endpoint_of_it_alone_fails_as_on_stock(
        ApplicationScheduling scheduling)
    {
        var expected = await RunAsync(stock: true, scheduling, HttpProtocols.Http3);
        var actual = await RunAsync(stock: false, scheduling, HttpProtocols.Http3);

        Assert.Equal(expected, actual);
        Assert.Contains(actual, static line => line.StartsWith("InvalidOperationException", StringComparison.Ordinal));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Beside_a_transport_for_http3_all_is_as_on_stock(ApplicationScheduling scheduling)
    {
        var expected = await RunAsync(stock: true, scheduling, HttpProtocols.Http1AndHttp2AndHttp3, new Multiplexed());
        var multiplexed = new Multiplexed();
        var actual = await RunAsync(stock: false, scheduling, HttpProtocols.Http1AndHttp2AndHttp3, multiplexed);

        Assert.Equal(expected, actual);
        Assert.Contains("1.1 OK h3=\":PORT\"", actual);
        Assert.Single(multiplexed.Bound);
    }

    /// <summary>What an operator and two clients see, with the port's number left out.</summary>
    private static async Task<List<string>> RunAsync(
        bool stock, ApplicationScheduling scheduling, HttpProtocols protocols, Multiplexed? multiplexed = null)
    {
        var port = FreePort.Next();
        var seen = new List<string>();
        var settings = new TestSettings
        {
            UsesStock = stock,
            Scheduling = scheduling,
            UsesTls = true,
            EndPoint = new IPEndPoint(IPAddress.Loopback, port),
            Protocols = protocols,
            Map = static app => app.MapGet("/", static () => "Hello"),
            Services = services =>
            {
                if (multiplexed is not null)
                {
                    services.AddSingleton<IMultiplexedConnectionListenerFactory>(multiplexed);
                }
            },
        };
        try
        {
            await using var server = await TestServer.StartAsync(settings);
            foreach (var protocol in new[] { ClientProtocol.Http1OverTls, ClientProtocol.Http2OverTls })
            {
                using var client = LoopbackHttpClient.Create(new Uri($"https://127.0.0.1:{port}"), protocol);
                using var response = await client.GetAsync("/").DefaultTimeout();
                var elsewhere = response.Headers.TryGetValues("Alt-Svc", out var values) ? values.Single() : "";
                seen.Add($"{response.Version} {response.StatusCode} {elsewhere}".TrimEnd());
            }

            seen.AddRange(multiplexed?.Bound.Select(static endPoint => $"HTTP/3 at {endPoint}") ?? []);
        }
        catch (InvalidOperationException exception)
        {
            seen.Add($"InvalidOperationException {exception.Message}");
        }

        seen.AddRange(settings.Logs.Entries
            .Where(static entry => entry.Category is "Microsoft.AspNetCore.Server.Kestrel"
                && entry.EventId.Name is not "HeartbeatSlow")
            .Select(static entry => $"{entry.Level} {entry.EventId} {entry.Message}"));
        return seen.ConvertAll(line => line.Replace(port.ToString(CultureInfo.InvariantCulture), "PORT"));
    }
}
