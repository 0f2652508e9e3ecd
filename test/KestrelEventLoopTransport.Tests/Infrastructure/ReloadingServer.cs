using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Tests.Infrastructure;

/// <summary>
/// A Kestrel whose endpoints come from a configuration that can be reloaded. Keys are those below <c>Kestrel</c>.
/// </summary>
internal sealed class ReloadingServer : IAsyncDisposable
{
    private readonly ReloadableValues _values;
    private readonly TestServer _server;

    private ReloadingServer(ReloadableValues values, TestServer server)
    {
        _values = values;
        _server = server;
    }

    public CapturedLogs Logs => _server.Logs;

    public CountingMemoryPoolFactory Pools => _server.Settings.Pools!;

    public EventLoopTransportMonitor Monitor => _server.Monitor;

    public static async Task<ReloadingServer> StartAsync(Dictionary<string, string?> values)
    {
        var source = new ReloadableValues(values);
        return new ReloadingServer(source, await TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            EndPoint = null,
            ConfigurationSource = source,
            Kestrel = static kestrel =>
            {
                kestrel.ConfigureHttpsDefaults(static https => https.ServerCertificate = TestCertificate.Instance);
                kestrel.Configure(
                    kestrel.ApplicationServices.GetRequiredService<IConfiguration>().GetSection("Kestrel"),
                    reloadOnChange: true);
            },
            App = static http => http.Response.WriteAsync("Hello"),
        }));
    }

    /// <summary>Replaces the whole configuration, and waits until Kestrel has done with it.</summary>
    public async Task ReloadAsync(Dictionary<string, string?> values)
    {
        var done = CountDone();
        _values.Replace(values);

        // Kestrel says nothing at the end: a second reload begins when the first is done, and finds nothing to do.
        await Poll.UntilAsync(() => CountDone() > done);
        _values.Replace(values);
        await Poll.UntilAsync(() => CountDone() > done + 1);
    }

    /// <summary>Descriptors that listen at an address, with the port that the system has chosen for it.</summary>
    public IReadOnlyList<int> FindDescriptors(IPAddress address)
        => [.. Monitor.Endpoints
            .Select(static listener => listener.EndPoint)
            .OfType<IPEndPoint>()
            .Where(endPoint => endPoint.Address.Equals(address))
            .SelectMany(ListeningSockets.FindDescriptors)];

    public static async Task<string> GetAsync(EndPoint endPoint)
    {
        using var client = await RawClient.ConnectAsync(endPoint);
        await client.SendAsync("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        return await client.ReceiveTextToEndAsync();
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private int CountDone()
        => Logs.Entries.Count(
            static entry => entry.Message.StartsWith("Config reload token fired.", StringComparison.Ordinal));

    private sealed class ReloadableValues(Dictionary<string, string?> values)
        : ConfigurationProvider, IConfigurationSource
    {
        public IConfigurationProvider Build(IConfigurationBuilder builder)
        {
            Set(values);
            return this;
        }

        public void Replace(Dictionary<string, string?> values)
        {
            Set(values);
            OnReload();
        }

        private void Set(Dictionary<string, string?> values)
            => Data = values.ToDictionary(
                static pair => "Kestrel:" + pair.Key, static pair => pair.Value, StringComparer.OrdinalIgnoreCase);
    }
}
