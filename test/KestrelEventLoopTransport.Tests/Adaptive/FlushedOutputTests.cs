using System.Buffers;

namespace KestrelEventLoopTransport.Tests.Adaptive;

[Trait("Contract", "adaptive")]
[Trait("Stock", "fails")]
public sealed class FlushedOutputTests
{
    private const int Messages = 3;
    private const int Length = 1000;

    [Theory]
    [MemberData(nameof(Schedulings.All), MemberType = typeof(Schedulings))]
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
    [MemberData(nameof(Schedulings.All), MemberType = typeof(Schedulings))]
    public async Task The_first_of_pipelined_requests_is_answered_although_the_second_blocks(ApplicationScheduling scheduling)
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

    /// <summary>The input stays unread meanwhile, so that the flushes are corked as long as the transport likes.</summary>
    [Theory]
    [MemberData(nameof(Schedulings.All), MemberType = typeof(Schedulings))]
    public async Task Several_flushes_arrive_although_input_is_left_and_the_handler_blocks(ApplicationScheduling scheduling)
    {
        var waiting = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
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

    private static async Task<HttpPeer> ConnectAsync(TestServer server, ApplicationScheduling scheduling)
        => scheduling == ApplicationScheduling.ThreadPool
            ? await HttpPeer.ConnectAsync(server)
            : await HttpPeer.ConnectToLoopAsync(server);
}
