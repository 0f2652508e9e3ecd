using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Tests.Datagrams;

/// <summary>A UDP socket with one peer, for code that asks and waits.</summary>
[Collection(ProcessWide.Name)]
public sealed class DatagramClientTests
{
    private static readonly TimeSpan _short = TimeSpan.FromMilliseconds(30);

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_question_gets_its_answer(ApplicationScheduling scheduling)
    {
        await using var server = await DatagramServer.StartAsync(scheduling, DatagramScript.Echo);
        var factory = server.Services.GetRequiredService<EventLoopConnectionFactory>();
        await using var client = await factory.ConnectDatagramAsync(server.EndPoint);
        Assert.Equal(server.EndPoint, client.RemoteEndPoint);
        Assert.Equal(IPAddress.Loopback, client.LocalEndPoint.Address);

        foreach (var length in (int[])[0, 1, 1_200, 65_507])
        {
            var payload = Pattern.Create(length);
            Assert.Equal(DatagramSendStatus.Sent, client.Send(payload).Status);
            Assert.Equal(payload, (await client.ReceiveAsync().AsTask().DefaultTimeout()).Payload.ToArray());
            Assert.True((await client.SendAsync(payload)).IsAccepted);
            var answer = await client.ReceiveWithinAsync(TaskTimeoutExtensions.Default);
            Assert.Equal(payload, answer.Payload.ToArray());
            Assert.Equal(server.EndPoint, answer.RemoteAddress.ToEndPoint());
        }
    }

    [Fact]
    public async Task What_a_client_counts_is_in_the_meter_also_when_it_has_ended()
    {
        await using var server = await DatagramServer.StartAsync(ApplicationScheduling.Adaptive, DatagramScript.Echo);
        using var instruments = new LoopInstruments(server.Services);
        await using (var client = await ConnectAsync(server))
        {
            client.Send([1]);
            await client.ReceiveAsync().AsTask().DefaultTimeout();

            // The answer may be here before the server has counted it.
            await Poll.UntilAsync(() => (instruments.SentDatagrams, instruments.ReceivedDatagrams) == (2, 2));
        }

        Assert.Equal((2, 2), (instruments.SentDatagrams, instruments.ReceivedDatagrams));
    }

    [Fact]
    public async Task A_wait_ends_after_its_time_and_not_before_and_loses_nothing()
    {
        await using var server = await StartSilentAsync();
        await using var client = await ConnectAsync(server);
        client.Send("?"u8);
        var start = Stopwatch.GetTimestamp();

        await Assert.ThrowsAsync<TimeoutException>(() => client.ReceiveWithinAsync(_short).AsTask().DefaultTimeout());

        Assert.True(Stopwatch.GetElapsedTime(start) >= _short);

        // The clock of the loop has steps of a millisecond. Waits that begin anywhere in one end behind theirs.
        for (var i = 0; i < 50; i++)
        {
            start = Stopwatch.GetTimestamp();
            await Assert.ThrowsAsync<TimeoutException>(
                () => client.ReceiveWithinAsync(TimeSpan.FromMilliseconds(2)).AsTask().DefaultTimeout());
            Assert.True(Stopwatch.GetElapsedTime(start) >= TimeSpan.FromMilliseconds(2));
        }

        await Assert.ThrowsAsync<TimeoutException>(() => client.ReceiveWithinAsync(TimeSpan.Zero).AsTask());
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(
            () => client.ReceiveWithinAsync(TimeSpan.FromSeconds(-2)).AsTask());
        Answer(server, client, [9]);
        Answer(server, client, [8]);
        Assert.Equal([9], (await client.ReceiveWithinAsync(TaskTimeoutExtensions.Default)).Payload.ToArray());
        await Poll.UntilAsync(async () =>
        {
            try
            {
                return (await client.ReceiveWithinAsync(TimeSpan.Zero)).Payload.Span[0] == 8;
            }
            catch (TimeoutException)
            {
                return false;
            }
        });
    }

    [Fact]
    public async Task A_wait_ends_with_its_token_and_loses_nothing()
    {
        await using var server = await StartSilentAsync();
        await using var client = await ConnectAsync(server);
        using var cancellation = new CancellationTokenSource();
        var plain = client.ReceiveAsync(cancellation.Token).AsTask();
        var timed = client.ReceiveWithinAsync(Timeout.InfiniteTimeSpan, cancellation.Token).AsTask();

        await cancellation.CancelAsync();

        var exception = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => plain.DefaultTimeout());
        Assert.Equal(cancellation.Token, exception.CancellationToken);
        exception = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => timed.DefaultTimeout());
        Assert.Equal(cancellation.Token, exception.CancellationToken);
        Answer(server, client, [9]);
        Assert.Equal([9], (await client.ReceiveWithinAsync(TaskTimeoutExtensions.Default)).Payload.ToArray());
    }

    [Fact]
    public async Task A_refusal_is_thrown_once_and_the_client_goes_on()
    {
        await using var server = await StartSilentAsync();
        using var gone = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        gone.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var remote = (IPEndPoint)gone.LocalEndPoint!;
        gone.Close();
        var factory = server.Services.GetRequiredService<EventLoopConnectionFactory>();
        await using var client = await factory.ConnectDatagramAsync(remote);

        Assert.Equal(DatagramSendStatus.Sent, client.Send("?"u8).Status);

        var refused = await Assert.ThrowsAsync<SocketException>(() => client.ReceiveAsync().AsTask().DefaultTimeout());
        Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);
        await Assert.ThrowsAsync<TimeoutException>(() => client.ReceiveWithinAsync(_short).AsTask().DefaultTimeout());

        using var returned = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        returned.Bind(remote);
        returned.SendTo([7], client.LocalEndPoint);
        Assert.Equal([7], (await client.ReceiveWithinAsync(TaskTimeoutExtensions.Default)).Payload.ToArray());
    }

    [Fact]
    public async Task Datagrams_of_others_are_not_received()
    {
        await using var server = await StartSilentAsync();
        await using var client = await ConnectAsync(server);
        using var other = DatagramServer.Connect(client.LocalEndPoint);
        other.Send("x"u8);
        Answer(server, client, [9]);

        Assert.Equal([9], (await client.ReceiveWithinAsync(TaskTimeoutExtensions.Default)).Payload.ToArray());
    }

    [Fact]
    public async Task A_name_is_resolved()
    {
        await using var server = await DatagramServer.StartAsync(ApplicationScheduling.Adaptive, DatagramScript.Echo);
        var factory = server.Services.GetRequiredService<EventLoopConnectionFactory>();
        await using var client = await factory.ConnectDatagramAsync(
            new DnsEndPoint("localhost", server.EndPoint.Port, AddressFamily.InterNetwork));
        client.Send([9]);
        Assert.Equal([9], (await client.ReceiveWithinAsync(TaskTimeoutExtensions.Default)).Payload.ToArray());

        await Assert.ThrowsAsync<NotSupportedException>(
            () => factory.ConnectDatagramAsync(new UnixDomainSocketEndPoint("/x")).AsTask());
        await Assert.ThrowsAsync<NotSupportedException>(
            () => factory.ConnectDatagramAsync(server.EndPoint, static o => o.SocketPerLoop = true).AsTask());
    }

    [Fact]
    public async Task A_client_alone_leaves_nothing_behind()
    {
        using var peer = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        peer.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var before = ProcessState.Capture();
        await using (var services = new ServiceCollection().AddEventLoopClient().BuildServiceProvider())
        {
            var factory = services.GetRequiredService<EventLoopConnectionFactory>();
            var client = await factory.ConnectDatagramAsync(peer.LocalEndPoint!);
            var waiting = client.ReceiveAsync().AsTask();
            peer.SendTo([1], client.LocalEndPoint);
            Assert.Equal([1], (await waiting.DefaultTimeout()).Payload.ToArray());

            waiting = client.ReceiveAsync().AsTask();
            await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(async () => await client.DisposeAsync())))
                .DefaultTimeout();

            await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting.DefaultTimeout());
            await Assert.ThrowsAsync<ObjectDisposedException>(() => client.ReceiveAsync().AsTask());
            await Assert.ThrowsAsync<ObjectDisposedException>(
                () => client.ReceiveWithinAsync(TimeSpan.Zero).AsTask());
            Assert.Equal(DatagramSendStatus.Stopped, client.Send([1]).Status);
        }

        await Poll.UntilAsync(
            () => ProcessState.Capture() is var now && now.Sockets <= before.Sockets && now.Pollers <= before.Pollers);
    }

    private static Task<DatagramServer> StartSilentAsync()
        => DatagramServer.StartAsync(ApplicationScheduling.Adaptive, static (_, _) => { });

    private static async Task<DatagramClient> ConnectAsync(DatagramServer server)
        => await server.Services.GetRequiredService<EventLoopConnectionFactory>().ConnectDatagramAsync(server.EndPoint);

    private static void Answer(DatagramServer server, DatagramClient client, ReadOnlySpan<byte> payload)
        => server.Endpoint.Sender.Send(payload, DatagramAddress.FromEndPoint(client.LocalEndPoint));
}
