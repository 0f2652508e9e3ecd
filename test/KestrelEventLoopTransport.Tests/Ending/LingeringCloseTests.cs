using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using KestrelEventLoopTransport.Connections;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Ending;

/// <summary>
/// Connections that end with input unread: the server has sent its FIN and passes over what still comes, so that the
/// peer's response is not destroyed. Such a rest of a connection is no connection any more.
/// </summary>
[Trait("Contract", "23")]
public sealed class LingeringCloseTests
{
    private const int Response = 1000;
    private const int Attempts = 4;

    // A peer that does not close is waited for 5 s.
    private static readonly TimeSpan _waited = TimeSpan.FromSeconds(4);

    public static MatrixTheoryData<ApplicationScheduling, bool> SchedulingsAndPeers
        => new(Enum.GetValues<ApplicationScheduling>(), [true, false]);

    public static MatrixTheoryData<ApplicationScheduling, bool> SchedulingsAndReaders
        => new(EveryScheduling.Values, [true, false]);

    // Ours only: stock has no such limit.
    [Theory]
    [ClassData<EveryScheduling>]
    [FailsOnStock("Stock has no MaxConnections.")]
    public Task It_does_not_count_in_MaxConnections(ApplicationScheduling scheduling)
        => AssertDoesNotWaitForThePeerAsync(async () =>
        {
            const int Limit = 10;
            await using var server = await StartAsync(
                scheduling, static options => options.EndpointDefaults.MaxConnections = Limit);
            var lingering = new List<RawClient>();
            for (var i = 0; i < Limit; i++)
            {
                lingering.Add(await LingerAsync(server));
            }

            var start = Stopwatch.GetTimestamp();
            using var next = await LingerAsync(server);
            var elapsed = Stopwatch.GetElapsedTime(start);
            lingering.ForEach(static client => client.Dispose());
            return elapsed;
        });

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "24")]
    public Task It_does_not_hold_up_a_stop(ApplicationScheduling scheduling)
        => AssertDoesNotWaitForThePeerAsync(async () =>
        {
            await using var server = await StartAsync(scheduling);
            using var client = await LingerAsync(server);
            var start = Stopwatch.GetTimestamp();
            await server.StopAsync(TimeSpan.FromSeconds(30));
            return Stopwatch.GetElapsedTime(start);
        });

    [Theory]
    [MemberData(nameof(SchedulingsAndPeers))]
    public Task Its_objects_are_collected(ApplicationScheduling scheduling, bool peerCloses)
        => AssertDoesNotWaitForThePeerAsync(async () =>
        {
            const int Connections = 20;
            var connections = new List<WeakReference>();
            await using var server = await StartAsync(scheduling, null, connections);
            var clients = new List<RawClient>();
            for (var i = 0; i < Connections; i++)
            {
                clients.Add(await LingerAsync(server));
                if (peerCloses)
                {
                    clients[^1].Dispose();
                }
            }

            // The last ones may hang on a thread's stack or a pooled object for as long as nobody comes after them.
            var start = Stopwatch.GetTimestamp();
            await Poll.UntilAsync(
                () => Collected(connections) >= Connections / 2,
                () => $"{Collected(connections)} of {Connections} are collected.");
            var elapsed = Stopwatch.GetElapsedTime(start);
            clients.ForEach(static client => client.Dispose());
            return elapsed;
        });

    // Stock resets at once, and reads no more than its buffer. Ours passes over a bounded number of bytes.
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task It_reads_a_bounded_number_of_bytes_from_a_peer_that_floods(ApplicationScheduling scheduling)
    {
        const long Most = 16L * 1024 * 1024;
        await using var server = await StartAsync(scheduling);
        using var client = await LingerAsync(server);
        var chunk = new byte[64 * 1024];
        var sent = 0L;

        // Refused by RST when the bound is met; a peer that is never refused has sent too much.
        await Assert.ThrowsAsync<SocketException>(async () =>
        {
            while (sent < Most)
            {
                await client.SendAsync(chunk);
                sent += chunk.Length;
            }
        });
    }

    /// <summary>What a thread receives while the connection ends was not read either.</summary>
    [Theory]
    [MemberData(nameof(SchedulingsAndReaders))]
    [FailsOnStock("It waits for a block of our transport.")]
    public async Task It_follows_a_receive_that_is_under_way(ApplicationScheduling scheduling, bool completesReader)
    {
        var settings = new TestSettings { Scheduling = scheduling };
        var gate = new RentGate(settings);
        await using var transport = new TestTransport(settings);
        await using var pair = await transport.ConnectAsync();
        await pair.Connection.Transport.Output.WriteAsync(Pattern.Create(Response)).DefaultTimeout();
        gate.Close();
        await pair.Client.SendAsync("unread");
        await gate.Reached;

        var end = EndAsync(pair, completesReader);
        gate.Open();
        await end;

        await AssertLingersAsync(pair.Client);
    }

    [Theory]
    [MemberData(nameof(SchedulingsAndReaders))]
    [FailsOnStock("Stock resets.")]
    public async Task It_follows_bytes_that_were_received_ahead(ApplicationScheduling scheduling, bool completesReader)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        await pair.Connection.Transport.Output.WriteAsync(Pattern.Create(Response)).DefaultTimeout();
        await pair.Client.SendAsync("unread");
        await Poll.UntilAsync(() => ((StreamConnection)pair.Connection).Input.Unexamined > 0);

        await EndAsync(pair, completesReader);

        await AssertLingersAsync(pair.Client);
    }

    /// <summary>
    /// Fails when it takes as long as a peer is waited for, and that each time: once may be a slow machine.
    /// </summary>
    private static async Task AssertDoesNotWaitForThePeerAsync(Func<Task<TimeSpan>> measure)
    {
        for (var attempt = 1; await measure() is var elapsed && elapsed >= _waited; attempt++)
        {
            Assert.True(attempt < Attempts, $"It took {elapsed}.");
        }
    }

    private static Task<TestServer> StartAsync(
        ApplicationScheduling scheduling,
        Action<EventLoopTransportOptions>? configure = null,
        List<WeakReference>? connections = null)
        => TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Transport = options =>
            {
                options.MaxReadBufferSize = 8192;
                configure?.Invoke(options);
            },
            Connection = async connection =>
            {
                Remember(connections, connection);

                // Answers and returns with most of the request unread.
                var result = await connection.Transport.Input.ReadAsync();
                connection.Transport.Input.AdvanceTo(result.Buffer.Start);
                await connection.Transport.Output.WriteAsync(Pattern.Create(Response));
            },
        });

    /// <summary>A client that has its whole answer and the server's FIN, and stays open.</summary>
    private static async Task<RawClient> LingerAsync(TestServer server)
    {
        var client = await server.ConnectAsync();
        await client.SendAsync(new byte[100_000]);
        try
        {
            Assert.Equal(Response, (await client.ReceiveToEndAsync()).Length);
        }
        catch (SocketException)
        {
            // Stock: the flaw of contract 22.
        }

        return client;
    }

    private static void Remember(List<WeakReference>? connections, ConnectionContext connection)
    {
        if (connections is not null)
        {
            lock (connections)
            {
                connections.Add(new WeakReference(connection));
            }
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int Collected(List<WeakReference> connections)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        lock (connections)
        {
            return connections.Count(static connection => !connection.IsAlive);
        }
    }

    private static async Task EndAsync(ConnectedPair pair, bool completesReader)
    {
        if (completesReader)
        {
            await pair.Connection.DisposeAsync().DefaultTimeout();
        }
        else
        {
            await pair.Connection.Transport.Output.CompleteAsync().DefaultTimeout();
        }
    }

    private static async Task AssertLingersAsync(RawClient client)
    {
        Assert.Equal(Response, (await client.ReceiveToEndAsync()).Length);
        for (var i = 0; i < 10; i++)
        {
            await client.SendAsync("more");
        }
    }
}
