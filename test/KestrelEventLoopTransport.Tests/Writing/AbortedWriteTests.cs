using Microsoft.AspNetCore.Http;

namespace KestrelEventLoopTransport.Tests.Writing;

/// <summary>
/// A write that waits for a slow client when the server aborts: its handler must not take the response for a sent one.
/// </summary>
[Trait("Contract", "21")]
public sealed class AbortedWriteTests
{
    private const int Rounds = 40;

    // The end of the write and Kestrel's token race on the thread pool. Stock loses one of a hundred.
    private const int Lost = Rounds / 4;

    private const int Response = 16 * 1024 * 1024;

    // Inline, the write ends within the abort, before Kestrel's token is cancelled, on stock too.
    [Theory]
    [InlineData(ApplicationScheduling.Adaptive)]
    [InlineData(ApplicationScheduling.ThreadPool)]
    public async Task A_write_that_waits_is_cancelled_by_an_abort(ApplicationScheduling scheduling)
    {
        var contexts = System.Threading.Channels.Channel.CreateUnbounded<HttpContext>();
        var outcomes = System.Threading.Channels.Channel.CreateUnbounded<Exception?>();
        await using var server = await TestServer.StartHttpAsync(scheduling, async http =>
        {
            // More than is written: Kestrel does not cancel a request whose response is complete.
            http.Response.ContentLength = 2 * Response;
            var write = http.Response.Body.WriteAsync(new byte[Response], http.RequestAborted).AsTask();
            Assert.False(write.IsCompleted);
            contexts.Writer.TryWrite(http);
            outcomes.Writer.TryWrite(await Record.ExceptionAsync(() => write));
        });
        var others = new List<string>();

        for (var i = 0; i < Rounds; i++)
        {
            using var client = await server.ConnectAsync();
            await client.SendAsync("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
            var context = await contexts.Reader.ReadAsync().DefaultTimeout();

            context.Abort();

            var outcome = await outcomes.Reader.ReadAsync().DefaultTimeout();
            if (outcome is not OperationCanceledException)
            {
                others.Add(outcome?.ToString() ?? "completed");
            }
        }

        Assert.True(others.Count <= Lost, string.Join(Environment.NewLine, others));
    }
}
