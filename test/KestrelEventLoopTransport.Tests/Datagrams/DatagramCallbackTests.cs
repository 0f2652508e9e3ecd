using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Tests.Datagrams;

/// <summary>Endpoints whose code is one callback for each datagram.</summary>
public sealed class DatagramCallbackTests
{
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Each_datagram_is_one_call_in_its_order(ApplicationScheduling scheduling)
    {
        const int Count = 20;
        var calls = new ConcurrentQueue<byte>();
        await using var application = await StartAsync(
            scheduling,
            (in datagram, sender) =>
            {
                calls.Enqueue(datagram.Payload[0]);
                sender.Reply([.. datagram.Payload, 0xFF], datagram);
            });
        using var client = DatagramServer.Connect(EndPointOf(application));

        for (byte i = 0; i < Count; i++)
        {
            client.Send([i]);
        }

        // What an overdue call sends is not in order with what came before.
        var answers = Enumerable.Range(0, Count).Select(_ => DatagramServer.Receive(client)).ToList();
        var expected = Enumerable.Range(0, Count).Select(static i => (byte)i).ToList();
        Assert.Equal(expected, answers.Select(static answer => answer[0]).Order());
        Assert.All(answers, static answer => Assert.Equal([answer[0], 0xFF], answer));
        Assert.Equal(expected, calls);
    }

    [Fact]
    public async Task A_callback_can_send_to_others()
    {
        var peers = new ConcurrentQueue<DatagramAddress>();
        await using var application = await StartAsync(
            ApplicationScheduling.Adaptive,
            (in datagram, sender) =>
            {
                foreach (var peer in peers)
                {
                    sender.Send(datagram.Payload, peer);
                }

                peers.Enqueue(datagram.RemoteAddress);
                sender.Reply([0], datagram);
            });
        using var first = DatagramServer.Connect(EndPointOf(application));
        using var second = DatagramServer.Connect(EndPointOf(application));

        DatagramServer.RoundTrip(first, [0]);
        second.Send([7]);

        Assert.Equal([7], DatagramServer.Receive(first));
        Assert.Equal([0], DatagramServer.Receive(second));
    }

    [Fact]
    public async Task A_callback_that_throws_keeps_no_other_datagram()
    {
        using var entered = new ManualResetEventSlim();
        using var release = new ManualResetEventSlim();
        var settings = new TestSettings { Scheduling = ApplicationScheduling.Adaptive };
        await using var application = await StartAsync(settings, (in datagram, sender) =>
        {
            switch (datagram.Payload[0])
            {
                case 0:
                    entered.Set();
                    release.Wait();
                    break;
                case 1:
                    throw new InvalidOperationException("planned");
            }

            sender.Reply(datagram.Payload, datagram);
        });
        using var client = DatagramServer.Connect(EndPointOf(application));

        // The three behind the first arrive while it blocks, so they are one batch.
        client.Send([0]);
        Assert.True(entered.Wait(TaskTimeoutExtensions.Default));
        client.Send([2]);
        client.Send([1]);
        client.Send([3]);
        release.Set();

        // An exception and its log make a call overdue, and what that sends is not in order with what came before.
        byte[][] answers = [.. Enumerable.Range(0, 3).Select(_ => DatagramServer.Receive(client))];
        Assert.Equal((byte[])[0, 2, 3], answers.Select(static answer => Assert.Single(answer)).Order());
        var entry = Assert.Single(
            settings.Logs.Entries, static entry => entry.EventId.Name == "DatagramCallbackFailed");
        Assert.Equal("planned", entry.Exception?.Message);
    }

    [Fact]
    public async Task Datagrams_are_counted_by_the_meter_also_when_their_endpoint_has_stopped()
    {
        await using var application = await StartAsync(
            ApplicationScheduling.Adaptive, static (in datagram, sender) => sender.Reply(datagram.Payload, datagram));
        using var instruments = new LoopInstruments(application.Services);
        using var client = DatagramServer.Connect(EndPointOf(application));
        var endpoint = application.Services.GetRequiredService<EventLoopTransportMonitor>().DatagramEndpoints[0];
        for (byte i = 0; i < 3; i++)
        {
            DatagramServer.RoundTrip(client, [i]);
        }

        await Poll.UntilAsync(() => instruments.SentDatagrams == 3);
        Assert.Equal(3, instruments.ReceivedDatagrams);
        Assert.Equal(DatagramSendStatus.Failed, endpoint.Sender.Send(new byte[65_536]).Status);
        Assert.Equal(1, instruments.DroppedDatagrams("send_failed"));
        Assert.Equal(0, instruments.DroppedDatagrams("send_queue_full"));
        Assert.Equal(0, instruments.DroppedDatagrams("receive_buffer_full"));

        await application.StopAsync().DefaultTimeout();

        Assert.Equal((3, 3), (instruments.ReceivedDatagrams, instruments.SentDatagrams));
        Assert.Equal(1, instruments.DroppedDatagrams("send_failed"));
    }

    private static Task<WebApplication> StartAsync(ApplicationScheduling scheduling, DatagramCallback callback)
        => StartAsync(new TestSettings { Scheduling = scheduling }, callback);

    private static async Task<WebApplication> StartAsync(TestSettings settings, DatagramCallback callback)
    {
        settings.Services = services => services.AddDatagramCallback("udp://127.0.0.1:0", callback);
        var application = settings.CreateApplication(static listen => listen.Run(Echo.RunAsync));
        await application.StartAsync().DefaultTimeout();
        return application;
    }

    private static IPEndPoint EndPointOf(WebApplication application)
        => (IPEndPoint)application.Services.GetRequiredService<EventLoopTransportMonitor>()
            .DatagramEndpoints[0].EndPoint;
}
