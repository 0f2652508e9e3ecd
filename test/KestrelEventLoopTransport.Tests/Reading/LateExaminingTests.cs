using System.Buffers;
using System.Diagnostics;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Reading;

/// <summary>
/// Readers that advance with the one-argument AdvanceTo(start) until a message is complete: nothing is examined, so
/// each read returns at once. They burn a processor, and must see what arrives all the same.
/// </summary>
[Trait("Contract", "28")]
public sealed class LateExaminingTests : ReaderTests
{
    private const int Message = 12;
    private const int FirstPart = 4;

    // So many vain reads come before the rest of the message.
    private const int VainReads = 1000;

    public static TheoryData<ApplicationScheduling?> OffTheLoopAndPipe
        => new(new ApplicationScheduling?[] { null, ApplicationScheduling.Adaptive, ApplicationScheduling.ThreadPool });

    public static TheoryData<ApplicationScheduling> OffTheLoop
        => [ApplicationScheduling.Adaptive, ApplicationScheduling.ThreadPool];

    [Theory]
    [MemberData(nameof(OffTheLoopAndPipe))]
    [Trait("Contract", "26")]
    public Task A_reader_that_examines_nothing_gets_the_rest_of_its_message(ApplicationScheduling? scheduling)
        => AssertGetsTheRestAsync(scheduling);

    [Theory]
    [MemberData(nameof(OffTheLoopAndPipe))]
    [Trait("Contract", "26")]
    public Task A_reader_that_examines_nothing_sees_the_end(ApplicationScheduling? scheduling)
        => AssertSeesTheEndAsync(scheduling);

    [Theory]
    [MemberData(nameof(OffTheLoop))]
    public Task A_handler_that_examines_nothing_gets_the_rest_of_its_message(ApplicationScheduling scheduling)
        => AssertHandlerGetsTheRestAsync(scheduling);

    [Theory]
    [MemberData(nameof(OffTheLoop))]
    public Task A_handler_that_examines_nothing_of_its_body_gets_the_rest(ApplicationScheduling scheduling)
        => AssertBodyGetsTheRestAsync(scheduling);

    // Better than stock, where a continuation that spins inline keeps the thread that would receive.
    [Fact]
    [FailsOnStock("A reader that spins inline keeps the thread on which stock would receive.")]
    public async Task Inline_a_reader_that_examines_nothing_gets_the_rest_of_its_message_too()
    {
        await AssertGetsTheRestAsync(ApplicationScheduling.Inline);
        await AssertSeesTheEndAsync(ApplicationScheduling.Inline);
        await AssertHandlerGetsTheRestAsync(ApplicationScheduling.Inline);
        await AssertBodyGetsTheRestAsync(ApplicationScheduling.Inline);
    }

    private async Task AssertGetsTheRestAsync(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var spinning = Signal.New();
        var read = Task.Run(() => ReadMessageAsync(Reader, spinning));
        await FeedAsync(Pattern.Create(FirstPart));
        await spinning.Task.DefaultTimeout();

        await FeedAsync(Pattern.Create(Message - FirstPart, 0, FirstPart));

        Assert.Equal(Pattern.Create(Message), await read.DefaultTimeout());
    }

    private async Task AssertSeesTheEndAsync(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var spinning = Signal.New();
        var read = Task.Run(() => ReadMessageAsync(Reader, spinning));
        await FeedAsync(Pattern.Create(FirstPart));
        await spinning.Task.DefaultTimeout();

        await EndAsync();

        Assert.Equal(Pattern.Create(FirstPart), await read.DefaultTimeout());
    }

    private static async Task AssertHandlerGetsTheRestAsync(ApplicationScheduling scheduling)
    {
        var spinning = Signal.New();
        await using var server = await TestServer.StartAsync(
            scheduling,
            async connection => await connection.Transport.Output.WriteAsync(
                await ReadMessageAsync(connection.Transport.Input, spinning)));
        using var client = await server.ConnectAsync();
        await client.SendAsync(Pattern.Create(FirstPart));
        await spinning.Task.DefaultTimeout();

        await client.SendAsync(Pattern.Create(Message - FirstPart, 0, FirstPart));

        Assert.Equal(Pattern.Create(Message), await client.ReceiveExactlyAsync(Message));
    }

    private static async Task AssertBodyGetsTheRestAsync(ApplicationScheduling scheduling)
    {
        var spinning = Signal.New();
        await using var server = await TestServer.StartHttpAsync(
            scheduling,
            async http => await http.Response.Body.WriteAsync(
                await ReadMessageAsync(http.Request.BodyReader, spinning)));
        using var client = await server.ConnectAsync();
        await client.SendAsync($"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {Message}\r\n\r\n");
        await client.SendAsync(Pattern.Create(FirstPart));
        await spinning.Task.DefaultTimeout();

        await client.SendAsync(Pattern.Create(Message - FirstPart, 0, FirstPart));

        var response = await client.ReceiveToEndAsync();
        Assert.True(response.AsSpan().IndexOf(Pattern.Create(Message)) > 0);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [FailsOnStock("A continuation that spins inline keeps the thread that would receive.")]
    public async Task A_handler_that_examines_nothing_is_told_of_a_reset(ApplicationScheduling scheduling)
    {
        var spinning = Signal.New();
        var outcome = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await TestServer.StartAsync(scheduling, async connection =>
            outcome.SetResult(await Record.ExceptionAsync(
                () => ReadMessageAsync(connection.Transport.Input, spinning))));
        using var client = await server.ConnectAsync();
        await client.SendAsync("abcd");
        await spinning.Task.DefaultTimeout();

        client.Reset();

        Assert.IsType<ConnectionResetException>(await outcome.Task.DefaultTimeout());
    }

    /// <summary>
    /// Reads until the message or the input is complete, and says when it has done so in vain for long.
    /// </summary>
    private static async Task<byte[]> ReadMessageAsync(PipeReader reader, TaskCompletionSource spinning)
    {
        var start = Stopwatch.GetTimestamp();
        for (var reads = 0; ; reads++)
        {
            var result = await reader.ReadAsync();
            if (result.Buffer.Length >= Message || result.IsCompleted)
            {
                var bytes = result.Buffer.ToArray();
                reader.AdvanceTo(result.Buffer.End);
                return bytes;
            }

            reader.AdvanceTo(result.Buffer.Start);
            if (reads == VainReads)
            {
                spinning.SetResult();
            }

            // A spin that nobody ends keeps a loop's thread for good.
            if (Stopwatch.GetElapsedTime(start) > TaskTimeoutExtensions.Default)
            {
                throw new TimeoutException($"Only {result.Buffer.Length} bytes after {reads} reads.");
            }
        }
    }
}
