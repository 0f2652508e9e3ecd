using System.Buffers;

namespace KestrelEventLoopTransport.Tests.Adaptive;

[Trait("Contract", "adaptive")]
[FailsOnStock("Stock leaves every flush to another thread.")]
public sealed class FlushedOutputTests
{
    private const int Messages = 3;
    private const int Length = 1000;
    private const int Rounds = 2000;
    private static readonly TimeSpan _shortest = TimeSpan.FromMicroseconds(100);

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task What_a_handler_flushed_arrives_although_the_handler_then_blocks(ApplicationScheduling scheduling)
    {
        var roadblock = new Roadblock();
        await using var server = await TestApp.StartAsync(roadblock, scheduling);
        using var opening = roadblock;
        using var peer = await ConnectAsync(server, scheduling);
        await peer.SendAsync(TestApp.FlushAndBlock);

        await peer.ReceiveHeadAsync();
        Assert.Equal(TestApp.FirstHalf, await peer.ReceiveTextAsync(TestApp.FirstHalf.Length));

        roadblock.Open();
        Assert.Equal(TestApp.SecondHalf, await peer.ReceiveTextAsync(TestApp.SecondHalf.Length));
        Assert.Equal(TestApp.Plain, await peer.GetAsync(TestApp.Plain));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task The_first_of_pipelined_requests_is_answered_although_the_second_blocks(
        ApplicationScheduling scheduling)
    {
        var roadblock = new Roadblock();
        await using var server = await TestApp.StartAsync(roadblock, scheduling);
        using var opening = roadblock;
        using var peer = await ConnectAsync(server, scheduling);
        await peer.SendAsync("/first", TestApp.Block, "/third");

        Assert.Equal("/first", await peer.ReceiveAsync());

        roadblock.Open();
        Assert.Equal(TestApp.Block, await peer.ReceiveAsync());
        Assert.Equal("/third", await peer.ReceiveAsync());
    }

    /// <summary>
    /// The input stays unread meanwhile, so that the flushes are corked as long as the transport likes.
    /// </summary>
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Several_flushes_arrive_although_input_is_left_and_the_handler_blocks(
        ApplicationScheduling scheduling)
    {
        var waiting = Signal.New();
        var roadblock = new Roadblock();
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Transport = static options => options.EventLoopCount = 1,
            Connection = async connection =>
            {
                // Waits for the loop, whose thread then runs what follows.
                var reading = connection.Transport.Input.ReadAsync().AsTask();
                waiting.SetResult();
                var result = await reading;
                for (var i = 0; i < Messages; i++)
                {
                    connection.Transport.Output.Write(Pattern.Create(Length, offset: i * Length));
                    await connection.Transport.Output.FlushAsync();
                }

                roadblock.Block();
                connection.Transport.Input.AdvanceTo(result.Buffer.End);
                connection.Transport.Output.Write(Pattern.Create(Length, offset: Messages * Length));
                await connection.Transport.Output.FlushAsync();
                await connection.Transport.Input.ReadAsync();
            },
        });
        using var opening = roadblock;
        using var client = await server.ConnectAsync();
        await waiting.Task.DefaultTimeout();
        await client.SendAsync("x");

        Pattern.AssertMatches(await client.ReceiveExactlyAsync(Messages * Length));

        roadblock.Open();
        Pattern.AssertMatches(await client.ReceiveExactlyAsync(Length), offset: Messages * Length);
        client.ShutdownSend();
        await client.ExpectFinAsync();
    }

    /// <summary>Nobody looks after a thread that has lost its loop: it must hold nothing back.</summary>
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task What_a_handler_flushes_after_it_has_blocked_arrives_although_it_blocks_again(
        ApplicationScheduling scheduling)
    {
        var first = new Roadblock();
        var second = new Roadblock();
        await using var server = await StartAsync(scheduling, null, async connection =>
        {
            var result = await connection.Transport.Input.ReadAsync();
            first.Block();
            for (var i = 0; i < Messages; i++)
            {
                connection.Transport.Output.Write(Pattern.Create(Length, offset: i * Length));
                await connection.Transport.Output.FlushAsync();
            }

            second.Block();
            connection.Transport.Input.AdvanceTo(result.Buffer.End);
        });
        using var opening = first;
        using var openingToo = second;
        using var client = await server.ConnectAsync();
        await client.SendAsync("x");
        await first.UntilArrivedAsync(1);

        // Long enough for the loop to be taken away; if it is not, the test is only weaker.
        await Task.Delay(100);
        first.Open();

        Pattern.AssertMatches(await client.ReceiveExactlyAsync(Messages * Length));
    }

    /// <summary>
    /// Handlers flush at about the moment at which they lose their loop, to others that wait for it, and go on only
    /// when the peer has it all.
    /// </summary>
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task What_a_handler_flushes_while_it_loses_its_loop_arrives(ApplicationScheduling scheduling)
    {
        var seed = Environment.TickCount;
        using var received = new SemaphoreSlim(0);
        await using var server = await StartAsync(scheduling, _shortest, async connection =>
        {
            var random = new Random(seed);
            while (true)
            {
                var result = await connection.Transport.Input.ReadAsync();
                if (result.IsCompleted)
                {
                    return;
                }

                if (result.Buffer.FirstSpan[0] != 'x')
                {
                    await connection.Transport.Output.WriteAsync(result.Buffer.First);
                    connection.Transport.Input.AdvanceTo(result.Buffer.End);
                    continue;
                }
                // Not past the request: the next read would send what is corked.
                MixHandler.Spin(_shortest * (4 * random.NextDouble()));
                connection.Transport.Output.Write("y"u8);
                await connection.Transport.Output.FlushAsync();
                if (!received.Wait(TaskTimeoutExtensions.Default * 2))
                {
                    throw new TimeoutException("The peer never told that it has received the flush.");
                }

                connection.Transport.Input.AdvanceTo(result.Buffer.End);
            }
        });
        using var instruments = new LoopInstruments(server.Services);
        using var client = await server.ConnectAsync();
        using var other = await server.ConnectAsync();
        var rounds = RunAsync();
        while (!rounds.IsCompleted)
        {
            await other.SendAsync("o");
            await other.ReceiveExactlyAsync(1);
        }

        await rounds;
        Assert.True(
            scheduling != ApplicationScheduling.Adaptive || instruments.HandOffs > 0,
            $"No loop changed hands with seed {seed}.");
        client.ShutdownSend();
        await client.ExpectFinAsync();

        async Task RunAsync()
        {
            for (var i = 0; i < Rounds; i++)
            {
                await client.SendAsync("x");
                await client.ReceiveExactlyAsync(1).DefaultTimeout($"round {i} of seed {seed}");
                received.Release();
            }
        }
    }

    private static Task<TestServer> StartAsync(
        ApplicationScheduling scheduling,
        TimeSpan? threshold,
        Microsoft.AspNetCore.Connections.ConnectionDelegate connection)
        => TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Transport = options =>
            {
                options.EventLoopCount = 1;
                options.Adaptive.HandOffThreshold = threshold ?? options.Adaptive.HandOffThreshold;
            },
            Connection = connection,
        });

    private static async Task<HttpPeer> ConnectAsync(TestServer server, ApplicationScheduling scheduling)
        => scheduling == ApplicationScheduling.ThreadPool
            ? await HttpPeer.ConnectAsync(server)
            : await TestApp.ConnectToLoopAsync(server);
}
