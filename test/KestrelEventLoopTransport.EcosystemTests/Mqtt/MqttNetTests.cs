using System.Buffers;
using System.Collections.Concurrent;
using System.Text;
using MQTTnet;
using MQTTnet.Protocol;

namespace KestrelEventLoopTransport.EcosystemTests.Mqtt;

/// <summary>MQTTnet's broker (<c>MQTTnet.AspNetCore</c>) as its own client sees it, and one that is silent.</summary>
public sealed class MqttNetTests
{
    // CONNECT of MQTT 3.1.1: a clean session, a will of QoS 0, a keep-alive of one second, the client "a".
    private static readonly byte[] _connect =
    [
        0x10, 0x1a, 0x00, 0x04, (byte)'M', (byte)'Q', (byte)'T', (byte)'T', 0x04, 0x06, 0x00, 0x01, 0x00, 0x01,
        (byte)'a', 0x00, 0x05, (byte)'w', (byte)'i', (byte)'l', (byte)'l', (byte)'s', 0x00, 0x04, (byte)'g', (byte)'o',
        (byte)'n', (byte)'e',
    ];

    private static readonly byte[] _connectAccepted = [0x20, 0x02, 0x00, 0x00];

    [Theory]
    [ClassData<EveryTransport>]
    public async Task A_thousand_clients_get_what_is_for_all_and_are_heard_by_one(TransportUnderTest transport)
    {
        const int Count = 1000;
        await using var broker = await Broker.StartAsync(transport);
        var answers = new ConcurrentDictionary<string, int>();
        var received = new int[Count];
        using var center = await broker.ConnectAsync(
            "center", message => answers.AddOrUpdate(message.Topic, 1, static (_, count) => count + 1));
        await center.SubscribeAsync("from/+", MqttQualityOfServiceLevel.AtLeastOnce).DefaultTimeout();
        var clients = new IMqttClient[Count];
        try
        {
            await Parallel.ForAsync(0, Count, new ParallelOptions { MaxDegreeOfParallelism = 32 }, async (i, stop) =>
            {
                clients[i] = await broker.ConnectAsync($"client-{i}", _ => Interlocked.Increment(ref received[i]));
                await clients[i].SubscribeAsync("all", MqttQualityOfServiceLevel.AtLeastOnce, stop).DefaultTimeout();
            });

            await PublishAsync(center, "all", "hello"u8.ToArray());
            await Poll.UntilAsync(
                () => received.All(static count => count > 0), () => $"{received.Count(static c => c > 0)} have it.");
            await Task.WhenAll(clients.Select((client, i) => PublishAsync(client, $"from/{i}", "here"u8.ToArray())));
            await Poll.UntilAsync(() => answers.Count == Count, () => $"{answers.Count} were heard.");

            Assert.All(received, static count => Assert.Equal(1, count));
            Assert.All(answers.Values, static count => Assert.Equal(1, count));
        }
        finally
        {
            foreach (var client in clients)
            {
                client?.Dispose();
            }
        }
    }

    [Theory]
    [ClassData<EveryTransportAndTls>]
    public async Task Large_payloads_go_both_ways_whole(TransportUnderTest transport, bool tls)
    {
        var payload = new byte[1_000_000];
        Random.Shared.NextBytes(payload);
        await using var broker = await Broker.StartAsync(transport, tls);
        using var echo = await broker.ConnectAsync("echo");
        echo.ApplicationMessageReceivedAsync += async message => await echo.PublishSequenceAsync(
            "back", message.ApplicationMessage.Payload, MqttQualityOfServiceLevel.ExactlyOnce);
        await echo.SubscribeAsync("there", MqttQualityOfServiceLevel.ExactlyOnce).DefaultTimeout();
        var back = new TaskCompletionSource<byte[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var client = await broker.ConnectAsync(
            "client", message => back.TrySetResult(message.Payload.ToArray()));
        await client.SubscribeAsync("back", MqttQualityOfServiceLevel.ExactlyOnce).DefaultTimeout();

        await PublishAsync(client, "there", payload);

        Assert.True((await back.Task.DefaultTimeout()).AsSpan().SequenceEqual(payload), "The payload is another one.");
    }

    // A second is the shortest keep-alive: all transports wait for it at once.
    [Fact]
    public Task A_client_that_is_silent_longer_than_its_keep_alive_is_dropped() => EveryTransport.AtOnceAsync(
        static async transport =>
        {
            await using var broker = await Broker.StartAsync(transport);
            var will = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
            using var heir = await broker.ConnectAsync(
                "heir", message => will.TrySetResult(Encoding.ASCII.GetString(message.Payload.ToArray())));
            await heir.SubscribeAsync("wills", MqttQualityOfServiceLevel.AtLeastOnce).DefaultTimeout();
            using var silent = await broker.Server.ConnectAsync();
            await silent.SendAsync(_connect);
            Assert.Equal(_connectAccepted, await silent.ReceiveExactlyAsync(_connectAccepted.Length));

            await silent.ReceiveUntilGoneAsync();

            Assert.Equal("gone", await will.Task.DefaultTimeout());
            Assert.True(heir.IsConnected);
        });

    [Theory]
    [ClassData<EveryTransportAndTls>]
    public async Task A_stop_of_the_host_ends_the_sessions(TransportUnderTest transport, bool tls)
    {
        await using var broker = await Broker.StartAsync(transport, tls);
        using var client = await broker.ConnectAsync("client");
        var ended = Signal.New();
        client.DisconnectedAsync += _ =>
        {
            ended.TrySetResult();
            return Task.CompletedTask;
        };

        await broker.Server.StopAsync();

        await ended.Task.DefaultTimeout();
    }

    private static Task<MqttClientPublishResult> PublishAsync(IMqttClient client, string topic, byte[] payload)
        => client.PublishBinaryAsync(topic, payload, MqttQualityOfServiceLevel.AtLeastOnce).DefaultTimeout();
}
