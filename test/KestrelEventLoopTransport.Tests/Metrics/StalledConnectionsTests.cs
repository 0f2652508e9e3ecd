using System.Buffers;

namespace KestrelEventLoopTransport.Tests.Metrics;

/// <summary>Connections that stand still are seen, and those that go on are not.</summary>
[FailsOnStock("Metrics of ours.")]
public sealed class StalledConnectionsTests
{
    private const int Limit = 64 * 1024;
    private const string Receive = "event_loop.stalled_connections/0/receive";
    private const string Transmit = "event_loop.stalled_connections/0/transmit";

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_connection_that_the_application_does_not_read_is_paused(ApplicationScheduling scheduling)
    {
        await using var transport = Create(scheduling);
        using var instruments = new LoopInstruments(transport.Services);
        await using var idle = await transport.ConnectAsync();
        await using var pair = await transport.ConnectAsync();
        Assert.Equal(0, instruments.Read(Receive));

        var send = pair.Client.SendAsync(new byte[2 * Limit]);

        await Poll.UntilAsync(() => instruments.Read(Receive) == 1);
        Assert.Equal(0, instruments.Read(Transmit));
        for (var left = 2L * Limit; left > 0;)
        {
            var result = await pair.Input.ReadAsync().DefaultTimeout();
            left -= result.Buffer.Length;
            pair.Input.AdvanceTo(result.Buffer.End);
        }

        await send.DefaultTimeout();
        Assert.Equal(0, instruments.Read(Receive));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_paused_connection_that_has_ended_stands_still_no_more(ApplicationScheduling scheduling)
    {
        await using var transport = Create(scheduling);
        using var instruments = new LoopInstruments(transport.Services);
        await using var pair = await transport.ConnectAsync();
        _ = pair.Client.Socket.SendAsync(new byte[2 * Limit]);
        await Poll.UntilAsync(() => instruments.Read(Receive) == 1);

        // The reader wants no more; the connection is open.
        await pair.Input.CompleteAsync();

        Assert.Equal(0, instruments.Read(Receive));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_connection_whose_peer_takes_nothing_is_stalled(ApplicationScheduling scheduling)
    {
        await using var transport = Create(scheduling);
        using var instruments = new LoopInstruments(transport.Services);
        await using var idle = await transport.ConnectAsync();
        await using var dialed = await transport.DialAsync();
        Assert.Equal(0, instruments.Read(Transmit));
        dialed.Output.Write(new byte[50_000_000]);

        var flush = dialed.Output.FlushAsync();

        await Poll.UntilAsync(() => instruments.Read(Transmit) == 1);
        Assert.Equal(0, instruments.Read(Receive));
        await dialed.Client.ReceiveExactlyAsync(50_000_000);
        await flush.DefaultTimeout();
        await Poll.UntilAsync(() => instruments.Read(Transmit) == 0);
    }

    private static TestTransport Create(ApplicationScheduling scheduling)
        => new(scheduling, static options =>
        {
            options.EventLoopCount = 1;
            options.MaxReadBufferSize = Limit;
        });
}
