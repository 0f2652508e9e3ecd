using System.Text;
using KestrelEventLoopTransport.IntegrationTests.Server;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.IntegrationTests.Parity;

/// <summary>
/// Clients that leave in the middle of a request or of its response, by FIN and by RST, over every protocol, while the
/// handler waits, computes, reads or writes: it is told, the log says who left, and the server goes on.
/// </summary>
[Trait("Contract", "20")]
public sealed class ClientLeavesTests
{
    private const int ConnectionReadFin = 6;
    private const int ConnectionWriteFin = 7;
    private const int ConnectionWriteRst = 8;
    private const int ConnectionReset = 19;

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndProtocol>]
    public Task While_the_handler_waits(ApplicationScheduling scheduling, ClientProtocol protocol)
        => LeaveAsync(scheduling, protocol, HttpMethod.Get, static async (http, started) =>
        {
            started.SetResult();
            await Task.Delay(Timeout.Infinite, http.RequestAborted);
        });

    // Inline, a handler that keeps its thread keeps the thread that would see the client leave, on either transport.
    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndProtocol>]
    public Task While_the_handler_computes(ApplicationScheduling scheduling, ClientProtocol protocol)
        => LeaveAsync(scheduling, protocol, HttpMethod.Get, async (http, started) =>
        {
            if (scheduling == ApplicationScheduling.Inline)
            {
                await Task.Yield();
            }

            started.SetResult();
            while (!http.RequestAborted.IsCancellationRequested)
            {
                Thread.SpinWait(1000);
            }

            http.RequestAborted.ThrowIfCancellationRequested();
        });

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndProtocol>]
    [Trait("Contract", "18")]
    public Task While_the_handler_reads(ApplicationScheduling scheduling, ClientProtocol protocol)
        => LeaveAsync(scheduling, protocol, HttpMethod.Post, static async (http, started) =>
        {
            var buffer = new byte[100];
            Assert.Equal("part\n"u8.Length, await http.Request.Body.ReadAsync(buffer));
            var read = http.Request.Body.ReadAsync(buffer);
            Assert.False(read.IsCompleted);
            started.SetResult();
            Assert.Fail($"{await read} bytes read from a client that had left.");
        });

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndProtocol>]
    [Trait("Contract", "19")]
    public Task While_the_handler_writes(ApplicationScheduling scheduling, ClientProtocol protocol)
        => LeaveAsync(scheduling, protocol, HttpMethod.Get, static async (http, started) =>
        {
            // More than the client, which does not read it, and both kernels hold.
            var chunk = new byte[1024 * 1024];
            for (var i = 0; i < 1000; i++)
            {
                var write = http.Response.Body.WriteAsync(chunk, http.RequestAborted);
                started.TrySetResult();
                await write;
            }

            // Writes to nobody end at once, and all of them may have come before the token.
            await Task.Delay(Timeout.Infinite, http.RequestAborted);
        });

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndProtocol>]
    [Trait("Contract", "19")]
    public async Task Before_the_handler_writes(ApplicationScheduling scheduling, ClientProtocol protocol)
        => await LeaveAsync(scheduling, protocol, HttpMethod.Get, static async (http, started) =>
        {
            var left = Signal.New();
            http.RequestAborted.Register(left.SetResult);
            started.SetResult();
            await left.Task;

            // Writes to nobody are no error, unless they come with the token that says so.
            await http.Response.Body.WriteAsync(new byte[100_000], CancellationToken.None);
            await http.Response.Body.WriteAsync(new byte[100_000], http.RequestAborted);
        });

    private static async Task LeaveAsync(
        ApplicationScheduling scheduling,
        ClientProtocol protocol,
        HttpMethod method,
        Func<HttpContext, TaskCompletionSource, Task> handler)
    {
        foreach (var reset in new[] { false, true })
        {
            var logs = new CapturedLogs();
            var (started, aborted) = (Signal.New(), Signal.New());
            var outcome = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
            await using var server = await ProtocolServer.StartAsync(
                scheduling, 2, app => app.Map("/left", async (HttpContext http) =>
            {
                using var registration = http.RequestAborted.Register(() => aborted.TrySetResult());
                outcome.SetResult(await Record.ExceptionAsync(() => handler(http, started)));

                // A request that has ended is not aborted any more.
                await aborted.Task;
            }), services => Capture(services, logs));
            using var client = new LeavingClient(server, protocol);
            var content = method == HttpMethod.Post ? new DuplexContent() : null;
            client.Send(method, "/left", content);
            if (content is not null)
            {
                await content.WriteLineAsync("part");
            }

            await started.Task.WaitAsync(HangGuard.Token);
            Assert.False(outcome.Task.IsCompleted);
            client.Leave(reset);

            var exception = await outcome.Task.WaitAsync(HangGuard.Token);
            Assert.True(
                exception is OperationCanceledException or IOException, exception?.ToString() ?? "It ended well.");
            await aborted.Task.WaitAsync(HangGuard.Token);

            // A client of HTTP/2 that has shut its side down may still try to write, and then resets the connection. A
            // send may meet the reset before the loop comes to the FIN.
            var mayReset = !reset && protocol is ClientProtocol.Http2PriorKnowledge or ClientProtocol.Http2OverTls;
            AssertTheClientLeft(logs, reset, mayReset);
            using var other = server.CreateClient(protocol);
            Assert.Equal("Hello, World!", await other.GetStringAsync("/plaintext", HangGuard.Token));
            content?.Complete();
        }
    }

    private static void Capture(IServiceCollection services, CapturedLogs logs)
    {
        services.AddSingleton<ILoggerProvider>(logs);
        services.Configure<LoggerFilterOptions>(static options => options.MinLevel = LogLevel.Debug);
    }

    private static void AssertTheClientLeft(CapturedLogs logs, bool reset, bool mayReset)
    {
        var ends = logs.Entries
            .Where(static e => e.Category.Contains("Transport", StringComparison.Ordinal)
                && e.EventId.Id is ConnectionReadFin or ConnectionWriteFin or ConnectionWriteRst or ConnectionReset)
            .ToList();
        var text = new StringBuilder().AppendJoin(Environment.NewLine, ends).ToString();
        Assert.True(ends.Count > 0, text);
        var first = ends[0].EventId.Id;
        var expected = reset ? ConnectionReset : ConnectionReadFin;
        Assert.True(first == expected || (mayReset && first == ConnectionReset), text);
    }
}
