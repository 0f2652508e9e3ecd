using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Tests.Dialing;

/// <summary>Dials from handlers and many dials at once: no loop is blocked, and nothing is left behind.</summary>
[Trait("Contract", "client")]
[Collection(ProcessWide.Name)]
[FailsOnStock("Stock's client is internal.")]
public sealed class ClientLoopTests
{
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_handler_can_dial_its_own_server_with_one_loop(ApplicationScheduling scheduling)
    {
        EventLoopConnectionFactory? client = null;
        EndPoint? endPoint = null;
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Transport = static options => options.EventLoopCount = 1,
            Connection = ForwardAsync,
        });
        client = server.Services.GetRequiredService<EventLoopConnectionFactory>();
        endPoint = server.EndPoint;
        using var peer = await server.ConnectAsync();

        // Each hop takes one byte away and dials the next: ten connections, all waiting for each other.
        await peer.SendAsync(new byte[] { 10 });

        Assert.Equal([0], await peer.ReceiveExactlyAsync(1));

        async Task ForwardAsync(ConnectionContext connection)
        {
            var hops = await connection.ReadByteAsync();
            if (hops > 0)
            {
                await using var next = await client!.ConnectAsync(endPoint!);
                await next.Transport.Output.WriteAsync(new[] { (byte)(hops - 1) });
                hops = await next.ReadByteAsync();
            }

            await connection.Transport.Output.WriteAsync(new[] { hops });
        }
    }

    // What blocks is handed off, so that even a wait on the loop's thread ends.
    [Fact]
    public async Task A_handler_that_blocks_on_its_dial_goes_on()
    {
        EventLoopConnectionFactory? client = null;
        await using var target = await TestServer.StartAsync(ApplicationScheduling.Adaptive, Echo.RunAsync);
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            Transport = static options => options.EventLoopCount = 1,
            Connection = async connection =>
            {
                var value = await connection.ReadByteAsync();
                await using (client!.ConnectAsync(target.EndPoint).AsTask().GetAwaiter().GetResult())
                {
                    await connection.Transport.Output.WriteAsync(new[] { value });
                }
            },
        });
        client = server.Services.GetRequiredService<EventLoopConnectionFactory>();
        using var peer = await server.ConnectAsync();
        await peer.SendAsync(new byte[] { 7 });

        Assert.Equal([7], await peer.ReceiveExactlyAsync(1));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_thousand_dials_at_once_connect_and_leave_nothing(ApplicationScheduling scheduling)
    {
        const int Count = 1000;
        await using var server = await TestServer.StartAsync(scheduling, Echo.RunAsync);
        var client = server.Services.GetRequiredService<EventLoopConnectionFactory>();
        var start = ProcessState.Capture();

        await Task.WhenAll(Enumerable.Range(0, Count).Select(async number =>
        {
            await using var connection = await client.ConnectAsync(server.EndPoint);
            await connection.Transport.Output.WriteAsync(Pattern.Create(50, number));
            var result = await connection.Transport.Input.ReadAtLeastAsync(50);
            Assert.Equal(50, result.Buffer.Length);
            connection.Transport.Input.AdvanceTo(result.Buffer.End);
        })).DefaultTimeout();

        await Poll.UntilAsync(() => server.Monitor.ConnectionCount == 0);
        await Poll.UntilAsync(() => ProcessState.Capture().HasNoMoreDescriptorsThan(start));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Dials_that_fail_or_are_canceled_leave_nothing(ApplicationScheduling scheduling)
    {
        await using var server = await TestServer.StartAsync(scheduling, Echo.RunAsync);
        var client = server.Services.GetRequiredService<EventLoopConnectionFactory>();
        using var deaf = new DeafListener(new IPEndPoint(IPAddress.Loopback, 0));
        var refused = new IPEndPoint(IPAddress.Loopback, FreePort.Next());
        var start = ProcessState.Capture();

        for (var i = 0; i < 200; i++)
        {
            using var cancellation = new CancellationTokenSource();
            var canceled = client.ConnectAsync(deaf.EndPoint, cancellation.Token).AsTask();
            var raced = client.ConnectAsync(server.EndPoint, cancellation.Token).AsTask();
            await Assert.ThrowsAsync<SocketException>(() => client.ConnectAsync(refused).DefaultTimeout());
            await cancellation.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => canceled.DefaultTimeout());
            try
            {
                await (await raced.DefaultTimeout()).DisposeAsync();
            }
            catch (OperationCanceledException)
            {
            }
        }

        await Poll.UntilAsync(() => server.Monitor.ConnectionCount == 0);
        await Poll.UntilAsync(() => ProcessState.Capture().HasNoMoreDescriptorsThan(start));
    }
}
