using System.Buffers;
using KestrelEventLoopTransport.Tests.Reading;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Stress;

/// <summary>Narrow races, each hit many times.</summary>
[Trait("Contract", "stress")]
[Slow]
public sealed class HammerTests
{
    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "22")]
    public async Task Many_tiny_flushes_from_pool_threads_without_input_arrive_in_order(
        ApplicationScheduling scheduling)
    {
        const int Flushes = 3000;
        await using var server = await TestServer.StartAsync(scheduling, static async connection =>
        {
            var random = new Random(3);
            for (int i = 0, position = 0; i < Flushes; i++)
            {
                if (random.Next(3) == 0)
                {
                    await Task.Yield();
                }

                var n = 1 + (i % 16);
                Pattern.Fill(connection.Transport.Output.GetSpan(n)[..n], 0, position);
                connection.Transport.Output.Advance(n);
                position += n;
                Assert.False((await connection.Transport.Output.FlushAsync()).IsCompleted);
            }
        });
        var expected = Enumerable.Range(0, Flushes).Sum(static i => 1 + (i % 16));

        await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(async () =>
        {
            using var client = await server.ConnectAsync();
            var bytes = await client.ReceiveToEndAsync();
            Assert.Equal(expected, bytes.Length);
            Pattern.AssertMatches(bytes);
        }))).DefaultTimeout();
    }

    // The last flush of a burst has no later one that would carry it out.
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_flush_from_a_pool_thread_is_sent_without_any_further_event(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        for (var i = 0; i < 500; i++)
        {
            await Task.Run(async () =>
            {
                for (var n = 0; n <= i % 3; n++)
                {
                    await pair.Output.WriteAsync(new[] { (byte)n });
                }
            }).DefaultTimeout();

            Assert.Equal((byte)(i % 3), (await pair.Client.ReceiveExactlyAsync(1 + (i % 3)))[^1]);
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Both_directions_at_full_speed_from_different_threads(ApplicationScheduling scheduling)
    {
        const int Length = 3_000_000;
        await using var server = await TestServer.StartAsync(scheduling, static async connection =>
        {
            var write = Task.Run(async () =>
            {
                for (var position = 0; position < Length; position += 10_000)
                {
                    await connection.Transport.Output.WriteAsync(Pattern.Create(10_000, 1, position));
                }
            });
            for (var position = 0L; position < Length;)
            {
                var result = await connection.Transport.Input.ReadAsync();
                foreach (var segment in result.Buffer)
                {
                    Assert.Equal(-1, Pattern.FirstMismatch(segment.Span, 2, position));
                    position += segment.Length;
                }

                connection.Transport.Input.AdvanceTo(result.Buffer.End);
            }

            await write;
        });

        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            using var client = await server.ConnectAsync();
            var send = client.SendAsync(Pattern.Create(Length, 2));
            var bytes = await client.ReceiveToEndAsync();
            await send;
            Assert.Equal(Length, bytes.Length);
            Pattern.AssertMatches(bytes, 1);
        }))).DefaultTimeout();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "26")]
    public async Task CancelPendingRead_in_a_race_with_data_loses_neither(ApplicationScheduling scheduling)
    {
        const int Length = 400_000;
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        int cancels = 0, canceled = 0;
        using var stop = new CancellationTokenSource();
        var canceller = Task.Run(async () =>
        {
            var random = new Random(5);
            while (!stop.IsCancellationRequested)
            {
                pair.Input.CancelPendingRead();
                cancels++;
                Thread.SpinWait(random.Next(2000));
                await Task.Yield();
            }
        });
        var send = Task.Run(async () =>
        {
            var random = new Random(6);
            for (var position = 0; position < Length;)
            {
                var n = Math.Min(1 + random.Next(1000), Length - position);
                await pair.Client.SendAsync(Pattern.Create(n, 0, position));
                position += n;
            }
        });

        // On after the last byte until a cancellation was seen: the data may have been faster than all of them.
        for (var position = 0L; position < Length || canceled == 0;)
        {
            var result = await pair.Input.ReadAsync().DefaultTimeout();
            canceled += result.IsCanceled ? 1 : 0;
            foreach (var segment in result.Buffer)
            {
                Pattern.AssertMatches(segment.Span, 0, position);
                position += segment.Length;
            }

            pair.Input.AdvanceTo(result.Buffer.End);
        }

        await stop.CancelAsync();
        await canceller.DefaultTimeout();
        await send.DefaultTimeout();
        Assert.InRange(canceled, 1, cancels);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "26")]
    public async Task Tokens_cancelled_in_a_race_with_data_lose_nothing(ApplicationScheduling scheduling)
    {
        const int Messages = 400;
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var random = new Random(8);
        for (int i = 0, received = 0; i < Messages; i++)
        {
            using var cancellation = new CancellationTokenSource();
            var read = pair.Input.ReadAsync(cancellation.Token).AsTask();
            var spin = random.Next(3000);
            var cancel = Task.Run(() =>
            {
                Thread.SpinWait(spin);
                cancellation.Cancel();
            });
            await pair.Client.SendAsync(new[] { (byte)i });
            for (var sent = i + 1; received < sent;)
            {
                try
                {
                    var result = await read.DefaultTimeout();
                    foreach (var value in result.Buffer.ToArray())
                    {
                        Assert.Equal((byte)received++, value);
                    }

                    pair.Input.AdvanceTo(result.Buffer.End);
                }
                catch (OperationCanceledException)
                {
                    // The token was first: the data is the next read's.
                }

                read = received < sent ? pair.Input.ReadAsync().AsTask() : read;
            }

            await cancel.DefaultTimeout();
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "17")]
    public async Task Slow_readers_get_everything_while_fast_ones_are_served(ApplicationScheduling scheduling)
    {
        const int Length = 400_000;
        await using var server = await TestServer.StartAsync(scheduling, static async connection =>
        {
            for (var position = 0; position < Length; position += 20_000)
            {
                await connection.Transport.Output.WriteAsync(Pattern.Create(20_000, 0, position));
            }
        });

        await Task.WhenAll(Enumerable.Range(0, 30).Select(i => Task.Run(async () =>
        {
            using var client = await server.ConnectAsync(static socket => socket.ReceiveBufferSize = 4096);
            var random = new Random(i);
            for (var position = 0; position < Length;)
            {
                var n = Math.Min(1 + random.Next(20_000), Length - position);
                Pattern.AssertMatches(await client.ReceiveExactlyAsync(n), 0, position);
                position += n;
                if (i % 2 == 0)
                {
                    await Task.Delay(1);
                }
            }

            await client.ExpectFinAsync();
        }))).DefaultTimeout();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "23")]
    public async Task Abort_dispose_flush_read_and_the_peers_end_in_every_order(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var listener = await transport.BindAsync();
        for (var i = 0; i < 200; i++)
        {
            var client = await RawClient.ConnectAsync(listener.EndPoint);
            var connection = (await listener.AcceptAsync().DefaultTimeout())!;
            var choices = new Random(i);
            var tasks = new List<Task>
            {
                Task.Run(() => ReadUntilEndAsync(connection)),
                Task.Run(() => WriteUntilEndAsync(connection, choices.Next())),
                Late(choices.Next(3000), () => connection.Abort(new ConnectionAbortedException("hammer"))),
                Late(choices.Next(3000), choices.Next(2) == 0 ? client.Reset : client.Dispose),
            };
            if (choices.Next(2) == 0)
            {
                tasks.Add(Late(choices.Next(3000), () => connection.Abort(null!)));
            }

            // The pipes are one user's at a time: what may happen at any moment is Abort; dispose comes behind the
            // user.
            await Task.WhenAll(tasks).DefaultTimeout();
            await Task.WhenAll(
                Task.Run(async () => await connection.DisposeAsync()),
                Late(choices.Next(500), connection.Abort)).DefaultTimeout();
        }

        await transport.Pools.AssertAllReturnedAsync();
    }

    private static Task Late(int spin, Action action) => Task.Run(() =>
    {
        Thread.SpinWait(spin);
        action();
    });

    private static async Task ReadUntilEndAsync(ConnectionContext connection)
    {
        try
        {
            await ReaderOutcomeTests.ReadToEndAsync(connection.Transport.Input);
        }
        catch (Exception exception) when (exception is ConnectionAbortedException or ConnectionResetException)
        {
            // One of the endings.
        }
    }

    private static async Task WriteUntilEndAsync(ConnectionContext connection, int seed)
    {
        var random = new Random(seed);
        var output = connection.Transport.Output;
        while (!(await output.WriteAsync(Pattern.Create(1 + random.Next(20_000))).DefaultTimeout()).IsCompleted)
        {
            // Until one of the endings.
        }
    }
}
