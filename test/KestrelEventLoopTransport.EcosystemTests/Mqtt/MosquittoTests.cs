using System.Globalization;
using System.Security.Cryptography;

namespace KestrelEventLoopTransport.EcosystemTests.Mqtt;

/// <summary>MQTTnet's broker (<c>MQTTnet.AspNetCore</c>) as mosquitto's clients see it.</summary>
public sealed class MosquittoTests
{
    [Theory]
    [ClassData<EveryTransportAndTls>]
    public async Task Every_quality_of_service_delivers_every_message(TransportUnderTest transport, bool tls)
    {
        const int Messages = 50;
        await using var broker = await Broker.StartAsync(transport, tls);
        await Task.WhenAll(Enumerable.Range(0, 3).Select(async quality =>
        {
            var level = quality.ToString(CultureInfo.InvariantCulture);
            var topic = "quality/" + level;
            await using var subscriber = await broker.SubscribeAsync(topic, "-q", level, "-F", "%q %p");

            await broker.PublishAsync(topic, "-q", level, "-m", "hello", "--repeat", $"{Messages}");

            await Poll.UntilAsync(
                () => Lines(subscriber).Length == Messages, () => subscriber.Output + subscriber.Error);
            Assert.All(Lines(subscriber), line => Assert.Equal($"{level} hello", line));
        }));
    }

    [Theory]
    [ClassData<EveryTransportAndTls>]
    public async Task The_will_of_a_client_that_is_killed_is_published(TransportUnderTest transport, bool tls)
    {
        await using var broker = await Broker.StartAsync(transport, tls);
        await using var heir = await broker.SubscribeAsync("wills", "-q", "1", "-C", "1");
        await using var doomed = await broker.SubscribeAsync(
            "anything", "--will-topic", "wills", "--will-payload", "gone", "--will-qos", "1");

        await doomed.StopAsync("KILL");

        await Poll.UntilAsync(() => Lines(heir) is ["gone"], () => heir.Output + heir.Error);
    }

    [Theory]
    [ClassData<EveryTransportAndTls>]
    public async Task A_client_that_says_goodbye_leaves_no_will(TransportUnderTest transport, bool tls)
    {
        await using var broker = await Broker.StartAsync(transport, tls);
        await using var heir = await broker.SubscribeAsync("wills", "-q", "1", "-C", "1");
        await using var polite = await broker.SubscribeAsync(
            "anything", "-C", "1", "--will-topic", "wills", "--will-payload", "gone", "--will-qos", "1");

        await broker.PublishAsync("anything", "-q", "1", "-m", "enough");
        await Poll.UntilAsync(async () => (await broker.Mqtt.GetClientsAsync()).Count == 1);
        await broker.PublishAsync("wills", "-q", "1", "-m", "no will");

        await Poll.UntilAsync(() => heir.HasExited && Lines(heir).Length == 1, () => heir.Output + heir.Error);
        Assert.Equal(["no will"], Lines(heir));
    }

    [Theory]
    [ClassData<EveryTransportAndTls>]
    public async Task A_retained_message_waits_for_who_comes_later(TransportUnderTest transport, bool tls)
    {
        await using var broker = await Broker.StartAsync(transport, tls);
        await broker.PublishAsync("kept", "-q", "1", "-r", "-m", "for later");

        await using var late = await broker.SubscribeAsync("kept", "-q", "1", "-F", "%r %p", "-C", "1");

        await Poll.UntilAsync(() => Lines(late) is ["1 for later"], () => late.Output + late.Error);
    }

    [Theory]
    [ClassData<EveryTransportAndTls>]
    public async Task A_large_payload_arrives_whole(TransportUnderTest transport, bool tls)
    {
        var payload = Convert.ToBase64String(RandomNumberGenerator.GetBytes(1_500_000));
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, payload);
            await using var broker = await Broker.StartAsync(transport, tls);
            await using var subscriber = await broker.SubscribeAsync("large", "-q", "2", "-C", "1");

            await broker.PublishAsync("large", "-q", "2", "-f", file);

            await Poll.UntilAsync(() => subscriber.HasExited, () => subscriber.Error);
            await Poll.UntilAsync(() => subscriber.Output.EndsWith('\n'));
            Assert.True(payload == subscriber.Output.TrimEnd(), "The payload is another one.");
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static string[] Lines(ToolProcess process)
        => process.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
}
