using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using KestrelEventLoopTransport.Tests.Writing;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Timing;

/// <summary>
/// Deadlines of reads and flushes. Go's tests of <c>SetDeadline</c> (<c>net/timeout_test.go</c>) as behaviour: an
/// operation that waits, one that begins too late, an extension, and everything at once.
/// </summary>
[Trait("Contract", "limits")]
[FailsOnStock("Stock has no deadlines.")]
public sealed class DeadlineTests
{
    private static readonly TimeSpan _short = TimeSpan.FromMilliseconds(20);

    private static DateTimeOffset Soon => DateTimeOffset.UtcNow + _short;

    private static DateTimeOffset Past => DateTimeOffset.UtcNow - TimeSpan.FromHours(1);

    private static DateTimeOffset FarAway => DateTimeOffset.UtcNow + TimeSpan.FromHours(1);

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_read_that_waits_fails_at_its_deadline_and_not_before(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var read = pair.Input.ReadAsync();
        var deadline = Soon;

        Deadlines(pair).ReadDeadline = deadline;

        var exception = await Assert.ThrowsAsync<IOException>(() => read.DefaultTimeout());
        Assert.True(DateTimeOffset.UtcNow >= deadline);
        Assert.IsType<TimeoutException>(exception.InnerException);
        Assert.Contains($"ReadDeadline has passed: {deadline:O}.", exception.Message, StringComparison.Ordinal);
        Assert.False(pair.Connection.ConnectionClosed.IsCancellationRequested);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_read_after_its_deadline_fails_although_there_are_bytes_which_come_when_it_is_moved(
        ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        await pair.Client.SendAsync("hello");
        var result = await pair.Input.ReadAsync().DefaultTimeout();
        Assert.Equal(5, result.Buffer.Length);
        pair.Input.AdvanceTo(result.Buffer.Start, result.Buffer.GetPosition(2));

        Deadlines(pair).ReadDeadline = Past;
        for (var i = 0; i < 3; i++)
        {
            await FailsAsync(() => pair.Input.ReadAsync().DefaultTimeout());
            Assert.IsType<TimeoutException>(
                Assert.Throws<IOException>(() => pair.Input.TryRead(out _)).InnerException);
        }

        await pair.Client.SendAsync(" world");
        await FailsAsync(() => pair.Input.ReadAsync().DefaultTimeout());
        Deadlines(pair).ReadDeadline = FarAway;

        Assert.Equal("hello world", await ReadTextAsync(pair.Input, 11));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Bytes_that_arrive_while_reads_fail_are_not_lost(ApplicationScheduling scheduling)
    {
        const int Length = 200_000;
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var sending = pair.Client.SendAsync(Pattern.Create(Length));
        var received = 0;
        while (received < Length)
        {
            Deadlines(pair).ReadDeadline = Past;
            await FailsAsync(() => pair.Input.ReadAsync().DefaultTimeout());
            Deadlines(pair).ReadDeadline = null;
            var result = await pair.Input.ReadAsync().DefaultTimeout();
            foreach (var segment in result.Buffer)
            {
                Pattern.AssertMatches(segment.Span, 0, received);
                received += segment.Length;
            }

            pair.Input.AdvanceTo(result.Buffer.End);
        }

        await sending;
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task The_first_read_of_a_connection_has_its_deadline_too(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        Deadlines(pair).ReadDeadline = Past;

        await FailsAsync(() => pair.Input.ReadAsync().DefaultTimeout());
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_deadline_that_is_moved_in_time_does_not_end_the_read(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var first = pair.Input.ReadAsync().AsTask();
        Deadlines(pair).ReadDeadline = FarAway;
        Deadlines(pair).ReadDeadline = null;
        Assert.Null(Deadlines(pair).ReadDeadline);
        Deadlines(pair).ReadDeadline = FarAway;

        // Another connection's deadline passes meanwhile.
        await using var other = await transport.ConnectAsync();
        Deadlines(other).ReadDeadline = Soon;
        await FailsAsync(() => other.Input.ReadAsync().DefaultTimeout());

        Assert.False(first.IsCompleted);
        await pair.Client.SendAsync("x");
        Assert.Equal(1, (await first.DefaultTimeout()).Buffer.Length);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task An_earlier_deadline_takes_the_place_of_a_later_one(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var read = pair.Input.ReadAsync();
        Deadlines(pair).ReadDeadline = FarAway;

        Deadlines(pair).ReadDeadline = Soon;

        await FailsAsync(() => read.DefaultTimeout());
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_deadline_revives_again_and_again(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        for (var i = 0; i < 10; i++)
        {
            Deadlines(pair).ReadDeadline = DateTimeOffset.UtcNow + TimeSpan.FromMilliseconds(i % 3);
            await FailsAsync(() => pair.Input.ReadAsync().DefaultTimeout());
            Deadlines(pair).ReadDeadline = FarAway;
            await pair.Client.SendAsync("ping\n");
            Assert.Equal("ping\n", await ReadTextAsync(pair.Input, 5));
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_flush_that_waits_fails_at_its_deadline_and_what_it_committed_is_sent(
        ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var (written, flush) = await BackPressureTests.WriteUntilPendingAsync(pair.Output, 16 * 1024);

        Deadlines(pair).WriteDeadline = Soon;
        await FailsAsync(() => flush.DefaultTimeout());

        // Too late: this is kept, and goes out with the next flush that works.
        pair.Output.Write("late"u8);
        await FailsAsync(() => pair.Output.FlushAsync().DefaultTimeout());
        await FailsAsync(() => pair.Output.FlushAsync().DefaultTimeout());
        Assert.Equal(4, pair.Output.UnflushedBytes);

        // The read direction has no deadline.
        await pair.Client.SendAsync("x");
        Assert.Equal("x", await ReadTextAsync(pair.Input, 1));
        Deadlines(pair).WriteDeadline = null;
        var late = pair.Output.FlushAsync();
        var all = await pair.Client.ReceiveExactlyAsync((int)written + 4);
        Assert.False((await late.DefaultTimeout()).IsCompleted);
        Assert.Equal("late"u8, all.AsSpan((int)written));
        await pair.Output.CompleteAsync();
        await pair.Client.ExpectFinAsync();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_completed_writer_sends_what_a_flush_after_the_deadline_has_left(
        ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        Deadlines(pair).WriteDeadline = Past;
        pair.Output.Write("last words"u8);
        await FailsAsync(() => pair.Output.FlushAsync().DefaultTimeout());

        await pair.Output.CompleteAsync();

        Assert.Equal("last words", await pair.Client.ReceiveTextToEndAsync());
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Both_deadlines_can_be_set_at_once(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var read = pair.Input.ReadAsync();
        var (_, flush) = await BackPressureTests.WriteUntilPendingAsync(pair.Output, 16 * 1024);
        var deadline = Soon;

        Deadlines(pair).SetDeadlines(deadline);

        Assert.Equal(deadline, Deadlines(pair).ReadDeadline);
        Assert.Equal(deadline, Deadlines(pair).WriteDeadline);
        await FailsAsync(() => read.DefaultTimeout());
        await FailsAsync(() => flush.DefaultTimeout());
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task An_end_from_our_side_says_more_than_a_deadline(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        Deadlines(pair).SetDeadlines(Past);

        pair.Connection.Abort(new ConnectionAbortedException("because"));

        var exception = await Assert.ThrowsAsync<ConnectionAbortedException>(
            () => pair.Input.ReadAsync().DefaultTimeout());
        Assert.Equal("because", exception.Message);
        pair.Output.Write("x"u8);
        Assert.True((await pair.Output.FlushAsync().DefaultTimeout()).IsCompleted);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task The_peers_end_is_read_when_the_deadline_is_moved(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        Deadlines(pair).ReadDeadline = Past;
        await FailsAsync(() => pair.Input.ReadAsync().DefaultTimeout());
        pair.Client.ShutdownSend();
        await Poll.UntilAsync(() => pair.Connection.ConnectionClosed.IsCancellationRequested);
        await FailsAsync(() => pair.Input.ReadAsync().DefaultTimeout());

        Deadlines(pair).ReadDeadline = null;

        Assert.True((await pair.Input.ReadAsync().DefaultTimeout()).IsCompleted);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Deadlines_of_a_connection_that_has_ended_change_nothing(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        await pair.Connection.DisposeAsync().DefaultTimeout();

        Deadlines(pair).SetDeadlines(Soon);
        Deadlines(pair).SetDeadlines(Past);
        Deadlines(pair).SetDeadlines(DateTimeOffset.MaxValue);
        Deadlines(pair).SetDeadlines(DateTimeOffset.MinValue);

        Assert.Throws<InvalidOperationException>(() => pair.Input.TryRead(out _));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Many_connections_have_deadlines_of_their_own(ApplicationScheduling scheduling)
    {
        const int Connections = 300;
        await using var transport = new TestTransport(scheduling);
        var pairs = new List<ConnectedPair>();
        for (var i = 0; i < Connections; i++)
        {
            pairs.Add(await transport.ConnectAsync());
        }

        await Task.WhenAll(pairs.Select(async (pair, i) =>
        {
            var deadline = DateTimeOffset.UtcNow + TimeSpan.FromMilliseconds(i);
            Deadlines(pair).ReadDeadline = deadline;
            await FailsAsync(() => pair.Input.ReadAsync().DefaultTimeout());
            Assert.True(DateTimeOffset.UtcNow >= deadline);
        }));
    }

    /// <summary>
    /// Each operation has one outcome, and the bytes come once and in order, whatever is done meanwhile.
    /// </summary>
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Deadlines_that_any_thread_moves_lose_nothing_and_leave_nothing_pending(
        ApplicationScheduling scheduling)
    {
        const int Length = 3_000_000;
        var seed = Random.Shared.Next();
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        using var done = new CancellationTokenSource();
        var movers = Enumerable.Range(0, 2).Select(i => Task.Run(() =>
        {
            var random = new Random(seed + i);
            while (!done.IsCancellationRequested)
            {
                DateTimeOffset? deadline = random.Next(4) switch
                {
                    0 => null,
                    1 => Past,
                    2 => DateTimeOffset.UtcNow + TimeSpan.FromMilliseconds(random.Next(4)),
                    _ => FarAway,
                };
                Move(Deadlines(pair), random.Next(4), deadline);
                switch (random.Next(20))
                {
                    case 0:
                        pair.Input.CancelPendingRead();
                        break;
                    case 1:
                        pair.Output.CancelPendingFlush();
                        break;
                }

                Thread.SpinWait(random.Next(5000));
            }
        })).ToArray();
        var client = Task.WhenAll(pair.Client.SendAsync(Pattern.Create(Length)), ReceiveAsync());

        await Task.WhenAll(EchoAsync(), client).WaitAsync(TimeSpan.FromMinutes(1));

        await done.CancelAsync();
        await Task.WhenAll(movers);

        async Task ReceiveAsync()
        {
            for (var received = 0; received < Length;)
            {
                var part = await pair.Client.ReceiveExactlyAsync(Math.Min(10_000, Length - received));
                Pattern.AssertMatches(part, 0, received);
                received += part.Length;
            }
        }

        async Task EchoAsync()
        {
            for (var echoed = 0L; echoed < Length;)
            {
                ReadResult result;
                try
                {
                    result = await pair.Input.ReadAsync();
                }
                catch (IOException exception) when (exception.InnerException is TimeoutException)
                {
                    continue;
                }

                foreach (var segment in result.Buffer)
                {
                    pair.Output.Write(segment.Span);
                }

                echoed += result.Buffer.Length;
                pair.Input.AdvanceTo(result.Buffer.End);
                await FlushAsync();
            }
        }

        async Task FlushAsync()
        {
            while (true)
            {
                try
                {
                    _ = await pair.Output.FlushAsync();
                    if (pair.Output.UnflushedBytes == 0)
                    {
                        return;
                    }
                }
                catch (IOException exception) when (exception.InnerException is TimeoutException)
                {
                    // What was committed before is not committed again.
                }
            }
        }
    }

    private static void Move(IConnectionDeadlineFeature deadlines, int which, DateTimeOffset? deadline)
    {
        switch (which)
        {
            case 0:
                deadlines.SetDeadlines(deadline);
                break;
            case 1:
                deadlines.WriteDeadline = deadline;
                break;
            default:
                deadlines.ReadDeadline = deadline;
                break;
        }
    }

    private static IConnectionDeadlineFeature Deadlines(ConnectedPair pair)
        => pair.Connection.Features.Get<IConnectionDeadlineFeature>()!;

    private static async Task FailsAsync(Func<Task> operation)
        => Assert.IsType<TimeoutException>((await Assert.ThrowsAsync<IOException>(operation)).InnerException);

    private static async Task<string> ReadTextAsync(PipeReader reader, int length)
    {
        var result = await reader.ReadAtLeastAsync(length).DefaultTimeout();
        var text = Encoding.Latin1.GetString(result.Buffer);
        reader.AdvanceTo(result.Buffer.End);
        return text;
    }
}
