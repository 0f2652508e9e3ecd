using System.Net;
using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Loops;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Tests.Dialing;

/// <summary>A client without a server: its loops run from the first connection until it is disposed.</summary>
[Trait("Contract", "client")]
[Collection(ProcessWide.Name)]
[FailsOnStock("Stock's client is internal.")]
public sealed class LoneClientTests
{
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Connections_one_after_the_other_have_the_same_loop(ApplicationScheduling scheduling)
    {
        using var listener = PlainListener.Start();
        await using var services = CreateAlone(scheduling);
        var client = services.GetRequiredService<EventLoopConnectionFactory>();
        var monitor = services.GetRequiredService<EventLoopTransportMonitor>();
        var loops = new HashSet<EventLoop>();
        var threads = new HashSet<int>();
        for (var round = 0; round < 3; round++)
        {
            await using (var connection = (StreamConnection)await client.ConnectAsync(listener.LocalEndPoint!))
            {
                loops.Add(connection.Loop);
                threads.Add(await LoopThreadOfAsync(connection));
            }

            await Poll.UntilAsync(() => monitor.ConnectionCount == 0);
        }

        Assert.False(Assert.Single(loops).IsStopping);
        Assert.Equal(3, monitor.GetLoopStatistics().Single().TotalConnections);
        if (scheduling == ApplicationScheduling.Inline)
        {
            // The others may hand a loop off at any time.
            Assert.Single(threads);
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Its_disposal_ends_its_threads(ApplicationScheduling scheduling)
    {
        using var listener = PlainListener.Start();
        var start = ProcessState.Capture();
        var services = CreateAlone(scheduling);
        var connection = await services.GetRequiredService<IConnectionFactory>()
            .ConnectAsync(listener.LocalEndPoint!).DefaultTimeout();
        await connection.DisposeAsync().DefaultTimeout();
        var loop = ((StreamConnection)connection).Loop;
        Assert.False(loop.IsStopping);

        await services.DisposeAsync().DefaultTimeout();

        Assert.True(loop.HasEnded);
        await Poll.UntilAsync(() => ProcessState.Capture() is var now
            && now.HasNoMoreDescriptorsThan(start) && now.NamedThreads <= start.NamedThreads);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_connection_and_a_dial_outlive_it(ApplicationScheduling scheduling)
    {
        using var listener = PlainListener.Start();
        using var deaf = new DeafListener(new IPEndPoint(IPAddress.Loopback, 0));
        var start = ProcessState.Capture();
        await using var services = CreateAlone(scheduling);
        var client = services.GetRequiredService<EventLoopConnectionFactory>();
        var connection = await client.ConnectAsync(listener.LocalEndPoint!).DefaultTimeout();
        using var cancellation = new CancellationTokenSource();
        var dial = client.ConnectAsync(deaf.EndPoint, cancellation.Token).AsTask();
        using var peer = new RawClient(await listener.AcceptAsync().DefaultTimeout());

        await client.DisposeAsync().DefaultTimeout();

        await Assert.ThrowsAsync<ObjectDisposedException>(
            () => client.ConnectAsync(listener.LocalEndPoint!).DefaultTimeout());
        Assert.Throws<ObjectDisposedException>(() => client.Enroll(peer.Socket));
        await connection.Transport.Output.WriteAsync(Pattern.Create(100)).DefaultTimeout();
        Assert.Equal(Pattern.Create(100), await peer.ReceiveExactlyAsync(100));

        // To send needs no loop, to receive does.
        var reading = connection.ReadByteAsync();
        await peer.SendAsync(new byte[] { 7 });
        Assert.Equal(7, await reading.DefaultTimeout());
        await connection.DisposeAsync().DefaultTimeout();
        Assert.False(dial.IsCompleted);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => dial.DefaultTimeout());
        await peer.ExpectFinAsync();
        await Poll.UntilAsync(() => ProcessState.Capture().NamedThreads <= start.NamedThreads);
    }

    [Fact]
    public async Task Its_disposal_leaves_the_loops_of_a_server()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var (connection, client) = await transport.DialAsync();
        await transport.Client.DisposeAsync().DefaultTimeout();
        var pair = await transport.ConnectAsync();

        await pair.Client.SendAsync(Pattern.Create(10));
        await client.SendAsync(Pattern.Create(10));

        Assert.Equal(10, (await pair.Connection.Transport.Input.ReadAtLeastAsync(10).DefaultTimeout()).Buffer.Length);
        Assert.Equal(10, (await connection.Transport.Input.ReadAtLeastAsync(10).DefaultTimeout()).Buffer.Length);
    }

    // The peer answers while it reads: without a loop that receives this, closing would reset the connection.
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task What_the_last_connection_of_a_client_alone_wrote_arrives(ApplicationScheduling scheduling)
    {
        const int Length = 2_000_000;
        using var listener = PlainListener.Start();
        await using var services = CreateAlone(scheduling);
        var start = ProcessState.Capture();
        var client = services.GetRequiredService<EventLoopConnectionFactory>();
        var connection = await client.ConnectAsync(listener.LocalEndPoint!).DefaultTimeout();
        client.Dispose();
        var peer = await listener.AcceptAsync().DefaultTimeout();
        await peer.SendAsync(new byte[10]);
        var write = connection.Transport.Output.WriteAsync(new byte[Length]).AsTask();
        var receive = Task.Run(async () =>
        {
            var buffer = new byte[16 * 1024];
            var received = 0;
            while (await peer.ReceiveAsync(buffer) is > 0 and var count)
            {
                received += count;
                await peer.SendAsync(new byte[1]);
            }

            return received;
        });
        await write.DefaultTimeout();

        await connection.DisposeAsync().DefaultTimeout();

        Assert.Equal(Length, await receive.DefaultTimeout());
        peer.Dispose();
        await Poll.UntilAsync(() => ProcessState.Capture().HasNoMoreDescriptorsThan(start));
    }

    // A listener would keep the loops, and with them their memory.
    [Fact]
    public async Task A_connection_of_a_client_alone_can_be_used_until_it_is_disposed()
    {
        using var listener = PlainListener.Start();
        await using var services = CreateAlone(ApplicationScheduling.Adaptive);
        var monitor = services.GetRequiredService<EventLoopTransportMonitor>();
        var start = ProcessState.Capture();
        var client = services.GetRequiredService<EventLoopConnectionFactory>();
        var connection = await client.ConnectAsync(listener.LocalEndPoint!).DefaultTimeout();
        client.Dispose();
        new RawClient(await listener.AcceptAsync().DefaultTimeout()).Reset();

        await Assert.ThrowsAsync<ConnectionResetException>(() => connection.ReadByteAsync().DefaultTimeout());
        await Poll.UntilAsync(() => monitor.ConnectionCount == 0);

        Assert.NotEmpty(monitor.GetLoopStatistics());
        Assert.False(((StreamConnection)connection).Loop.IsStopping);
        Assert.True((await connection.Transport.Output.WriteAsync(new byte[10]).DefaultTimeout()).IsCompleted);
        await connection.DisposeAsync().DefaultTimeout();
        await Poll.UntilAsync(() => ProcessState.Capture().HasNoMoreDescriptorsThan(start));
    }

    private static ServiceProvider CreateAlone(ApplicationScheduling scheduling) => new ServiceCollection()
        .AddEventLoopClient()
        .Configure<EventLoopTransportOptions>(options =>
        {
            options.EventLoopCount = 1;
            options.Scheduling = scheduling;
        })
        .BuildServiceProvider(new ServiceProviderOptions { ValidateOnBuild = true, ValidateScopes = true });

    /// <summary>The thread that runs the loop: its work, unlike the application's, runs nowhere else.</summary>
    private static Task<int> LoopThreadOfAsync(StreamConnection connection)
    {
        var thread = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        connection.Loop.Post(new WorkItem(() => thread.SetResult(Environment.CurrentManagedThreadId)));
        return thread.Task.DefaultTimeout();
    }
}
