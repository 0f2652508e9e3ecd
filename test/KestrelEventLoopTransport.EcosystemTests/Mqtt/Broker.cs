using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using Microsoft.Extensions.DependencyInjection;
using MQTTnet;
using MQTTnet.AspNetCore;
using MQTTnet.Server;

namespace KestrelEventLoopTransport.EcosystemTests.Mqtt;

/// <summary>MQTTnet's broker on an endpoint of Kestrel, for MQTTnet's own client and for mosquitto's.</summary>
internal sealed class Broker : IAsyncDisposable
{
    private readonly TestServer _server;
    private readonly string? _authority;
    private readonly ConcurrentDictionary<(string Client, string Topic), bool> _subscriptions = new();

    private Broker(TestServer server, string? authority)
    {
        _server = server;
        _authority = authority;
        Mqtt = server.Services.GetRequiredService<MqttServer>();
        Mqtt.ClientSubscribedTopicAsync += subscription =>
        {
            _subscriptions[(subscription.ClientId, subscription.TopicFilter.Topic)] = true;
            return Task.CompletedTask;
        };
    }

    public MqttServer Mqtt { get; }

    public TestServer Server => _server;

    public static async Task<Broker> StartAsync(TransportUnderTest transport, bool tls = false)
    {
        var server = await TestServer.StartAsync(new TestSettings
        {
            UsesStock = transport.IsStock,
            Scheduling = transport.Scheduling,
            UsesTls = tls,
            Listen = static listen => listen.UseMqtt(),
            Services = static services => services
                .AddHostedMqttServer(static options => options
                    .WithoutDefaultEndpoint()
                    .WithMaxPendingMessagesPerClient(10_000))
                .AddMqttConnectionHandler(),
        });
        string? authority = null;
        if (tls)
        {
            authority = Path.GetTempFileName();
            await File.WriteAllTextAsync(authority, TestCertificate.Instance.ExportCertificatePem());
        }

        var broker = new Broker(server, authority);

        // It starts when the host has started, and a connection that comes before is not served.
        await Poll.UntilAsync(() => broker.Mqtt.IsStarted);
        return broker;
    }

    /// <summary>Connects a client; <paramref name="received"/> gets every message.</summary>
    public async Task<IMqttClient> ConnectAsync(string id, Action<MqttApplicationMessage>? received = null)
    {
        var client = new MqttClientFactory().CreateMqttClient();
        client.ApplicationMessageReceivedAsync += message =>
        {
            received?.Invoke(message.ApplicationMessage);
            return Task.CompletedTask;
        };
        var options = new MqttClientOptionsBuilder()
            .WithEndPoint(_server.EndPoint)
            .WithClientId(id)
            .WithTimeout(TaskTimeoutExtensions.Default)
            .WithKeepAlivePeriod(TimeSpan.FromMinutes(10))
            .WithTlsOptions(tls => tls
                .UseTls(_server.Settings.UsesTls)
                .WithTargetHost("localhost")
                .WithCertificateValidationHandler(static peer => TestCertificate.IsTheOne(
                    peer, peer.Certificate, peer.Chain, peer.SslPolicyErrors)))
            .Build();
        var answer = await client.ConnectAsync(options).DefaultTimeout();
        Assert.Equal(MqttClientConnectResultCode.Success, answer.ResultCode);
        return client;
    }

    /// <summary>Runs mosquitto_pub to its end.</summary>
    public async Task PublishAsync(string topic, params IEnumerable<string> arguments)
    {
        // MQTTnet wants a name from clients of version 3 too.
        string[] client = [.. Address(), "-i", $"pub-{Guid.NewGuid():n}", "-t", topic];
        (await ToolProcess.RunWithinAsync(TaskTimeoutExtensions.Default, "mosquitto_pub", [.. client, .. arguments]))
            .AssertSuccess();
    }

    /// <summary>Starts mosquitto_sub, and waits until the broker has its subscription.</summary>
    public async Task<ToolProcess> SubscribeAsync(string topic, params IEnumerable<string> arguments)
    {
        var id = $"sub-{Guid.NewGuid():n}";
        var process = ToolProcess.Start("mosquitto_sub", [.. Address(), "-i", id, "-t", topic, .. arguments]);
        await Poll.UntilAsync(
            () => _subscriptions.ContainsKey((id, topic)) || process.HasExited, () => process.Error);
        Assert.True(_subscriptions.ContainsKey((id, topic)), process.Error);
        return process;
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        if (_authority is not null)
        {
            File.Delete(_authority);
        }
    }

    private string[] Address()
    {
        var port = ((IPEndPoint)_server.EndPoint).Port.ToString(CultureInfo.InvariantCulture);
        string[] tls = _authority is null ? [] : ["--cafile", _authority];
        return ["-h", "127.0.0.1", "-p", port, .. tls];
    }
}
