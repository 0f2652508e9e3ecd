using System.Net.Sockets;
using KestrelEventLoopTransport.Dialing;

namespace KestrelEventLoopTransport.Tests.Dialing;

/// <summary>Reads of a stream, whose bytes go straight into the caller's memory or through blocks.</summary>
[Trait("Contract", "client")]
[FailsOnStock("The stream is the client's.")]
public sealed class ConnectionStreamReadTests
{
    private const byte Untouched = 0xEE;
    private const int BlockSize = 4096;

    public static MatrixTheoryData<ApplicationScheduling, bool> Everything
        => new(EveryScheduling.Values, [false, true]);

    [Theory]
    [MemberData(nameof(Everything))]
    public async Task Bytes_come_in_order_whatever_the_sizes_and_however_many_reads_are_canceled(
        ApplicationScheduling scheduling, bool isUnix)
    {
        const int Total = 3_000_000;
        var seed = Environment.TickCount;
        await using var transport = new TestTransport(scheduling);
        using var path = new SocketPath();
        var listener = await transport.BindAsync(isUnix ? new UnixDomainSocketEndPoint(path.Path) : null);
        var (connection, peer) = await transport.ConnectAsync(listener);
        await using var stream = new ConnectionStream(connection);
        var sending = SendAsync(peer, Total, seed);
        var random = new Random(seed);
        var memory = new byte[100_000];
        var canceled = 0;
        for (var total = 0; total < Total;)
        {
            var length = random.Next(4) switch
            {
                0 => 0,
                1 => random.Next(1, BlockSize),
                2 => BlockSize,
                _ => random.Next(BlockSize, memory.Length),
            };
            using var cancellation = random.Next(3) == 0 ? new CancellationTokenSource() : null;
            memory.AsSpan().Fill(Untouched);
            var reading = stream.ReadAsync(memory.AsMemory(0, length), cancellation?.Token ?? default).AsTask();
            if (cancellation is not null)
            {
                await Task.Yield();
                cancellation.Cancel();
            }

            var count = 0;
            try
            {
                count = await reading.DefaultTimeout($"seed {seed}");
                Assert.True(count > 0 || length == 0, $"The stream has ended after {total} bytes with seed {seed}.");
            }
            catch (OperationCanceledException)
            {
                canceled++;
            }

            Pattern.AssertMatches(memory.AsSpan(0, count), offset: total);
            Assert.False(memory.AsSpan(count).ContainsAnyExcept(Untouched), $"More was written with seed {seed}.");
            total += count;
        }

        await sending;
        Assert.Equal(0, await stream.ReadAsync(memory).DefaultTimeout());
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_read_that_has_ended_leaves_its_memory_alone(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var (connection, peer) = await transport.ConnectAsync();
        await using var stream = new ConnectionStream(connection);
        var (given, taken) = (new byte[BlockSize], new byte[BlockSize]);
        using var cancellation = new CancellationTokenSource();
        var reading = stream.ReadAsync(given, cancellation.Token);
        cancellation.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading.AsTask().DefaultTimeout());

        await peer.SendAsync("Hello");

        Assert.Equal(5, await stream.ReadAsync(taken).DefaultTimeout());
        Assert.Equal(new byte[BlockSize], given);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_second_read_fails_and_the_first_gets_the_bytes(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var (connection, peer) = await transport.ConnectAsync();
        await using var stream = new ConnectionStream(connection);
        var (first, second) = (new byte[BlockSize], new byte[BlockSize]);
        var reading = stream.ReadAsync(first);
        await Assert.ThrowsAsync<InvalidOperationException>(() => stream.ReadAsync(second).AsTask().DefaultTimeout());

        await peer.SendAsync("Hello");

        Assert.Equal(5, await reading.DefaultTimeout());
        Assert.Equal("Hello"u8, first.AsSpan(0, 5));
        Assert.Equal(new byte[BlockSize], second);
    }

    /// <summary>The head of a response, and then its body, as HttpClient reads them for YARP.</summary>
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_large_body_takes_few_blocks_and_a_small_one_none(ApplicationScheduling scheduling)
    {
        const int Responses = 100;
        const int Length = 64 * 1024;
        await using var transport = new TestTransport(scheduling);
        var (connection, peer) = await transport.ConnectAsync();
        await using var stream = new ConnectionStream(connection);
        var memory = new byte[Length];
        for (var i = 0; i < Responses; i++)
        {
            await ReadAsync(100);
        }

        // What was received ahead of the reader took a block.
        Assert.InRange(transport.Pools.Rented, 0, Responses / 2);
        var before = transport.Pools.Rented;
        for (var i = 0; i < Responses; i++)
        {
            await ReadAsync(Length);
        }

        Assert.InRange(transport.Pools.Rented - before, 1, Responses * Length / BlockSize / 2);

        async Task ReadAsync(int length)
        {
            var reading = stream.ReadAsync(memory.AsMemory(0, BlockSize));
            await peer.SendAsync(Pattern.Create(length));
            var total = await reading.DefaultTimeout();
            while (total < length)
            {
                _ = await stream.ReadAsync(default).DefaultTimeout();
                total += await stream.ReadAsync(memory.AsMemory(total)).DefaultTimeout();
            }

            Pattern.AssertMatches(memory.AsSpan(0, length));
        }
    }

    private static async Task SendAsync(RawClient peer, int total, int seed)
    {
        var random = new Random(~seed);
        for (var sent = 0; sent < total;)
        {
            var length = Math.Min(random.Next(4) == 0 ? random.Next(1, 200) : random.Next(1, 150_000), total - sent);
            await peer.SendAsync(Pattern.Create(length, offset: sent));
            sent += length;
        }

        peer.ShutdownSend();
    }
}
